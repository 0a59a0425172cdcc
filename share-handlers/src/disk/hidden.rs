//! Names that carry the hidden attribute because of what they are.
//!
//! Owns the rule alone. The attribute is only shown: it is not kept, and overwriting such a file
//! need not repeat it.

use server::share::{FileStat, Name};
use wire::fscc::{CaseRule, FileAttributes, Pattern};

use super::DiskOptions;

/// Which names are shown as hidden.
pub(super) struct HiddenNames {
    dot_files: bool,
    patterns: Vec<Pattern>,
}

impl HiddenNames {
    /// As a share is configured.
    pub(super) fn new(options: &DiskOptions) -> Self {
        let case = if options.case_sensitive {
            CaseRule::Respect
        } else {
            CaseRule::Ignore
        };
        let pattern = |text: &String| Pattern::new(&text.encode_utf16().collect::<Vec<_>>(), case);
        Self {
            dot_files: options.hide_dot_files,
            patterns: options.hide_files.iter().map(pattern).collect(),
        }
    }

    /// Whether an object of this name is shown as hidden.
    pub(super) fn hides(&self, component: &[u16]) -> bool {
        let is_dot = |unit: &u16| *unit == u16::from(b'.');
        (self.dot_files && component.first().is_some_and(is_dot) && !component.iter().all(is_dot))
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(component))
    }

    /// [`HiddenNames::hides`] for a whole name; the root is never hidden.
    pub(super) fn hides_name(&self, name: &Name) -> bool {
        name.file_name()
            .is_some_and(|component| self.hides(component.as_units()))
    }
}

/// Shows an object as hidden.
pub(super) fn show_hidden(stat: &mut FileStat) {
    stat.attributes = (stat.attributes | FileAttributes::HIDDEN).reported();
}

#[cfg(test)]
mod tests {
    use server::share::{Replace, SetInfo};

    use super::super::testing::{Fixture, rename, set};
    use super::*;
    use crate::offload::tests::wait;

    #[test]
    fn names_are_hidden_by_a_leading_dot_or_a_pattern_and_shown_by_a_new_name() {
        let fixture = Fixture::with(|options| options.hide_files = vec!["hide*".to_owned()]);
        for (name, hidden) in [(".profile", true), ("HideFile", true), ("plain.", false)] {
            let opened = fixture.create(name);
            let is_hidden = |stat: FileStat| stat.attributes.contains(FileAttributes::HIDDEN);
            assert_eq!(is_hidden(opened.stat), hidden, "{name}");
            assert_eq!(
                is_hidden(wait(opened.handle.stat()).unwrap()),
                hidden,
                "{name}"
            );
            rename(&opened, "shown", Replace::IfExists).unwrap();
            assert!(!is_hidden(wait(opened.handle.stat()).unwrap()), "{name}");
        }
    }

    #[test]
    fn overwriting_need_not_repeat_what_only_the_name_hides() {
        let fixture = Fixture::new();
        let file = fixture.create(".profile");
        let overwrite = SetInfo::Overwrite {
            attributes: FileAttributes::NORMAL,
            supersede: false,
            allocation_size: 0,
            extended_attributes: vec![],
        };
        assert_eq!(set(&file, overwrite), Ok(()));
    }

    #[test]
    fn dot_files_are_shown_when_the_share_says_so() {
        let fixture = Fixture::with(|options| options.hide_dot_files = false);
        assert_eq!(
            fixture.create(".profile").stat.attributes,
            FileAttributes::ARCHIVE
        );
    }
}
