//! Names that a share does not have, whatever its handler holds.
//!
//! Owns the patterns and what they refuse: a name that matches, or lies in a folder whose name
//! does, is not listed, not opened, not created, and nothing is renamed to it. A folder that only
//! looks empty still cannot be deleted: what is hidden is not to be lost by accident.

use std::sync::Arc;

use server::share::{
    Answer, Caller, CloseHow, Disposition, Entry, Handle, ListFrom, Name, OpenHow, Opened, SetInfo,
    ShareHandler,
};
use wire::NtStatus;
use wire::fscc::{CaseRule, Pattern};

use super::layer::{HandleLayer, Layered, ShareLayer, wrap_opened};

/// Which names do not exist.
pub struct VetoedNames {
    patterns: Vec<Pattern>,
}

impl VetoedNames {
    /// Names that match one of these patterns, in which `*` and `?` stand for any letters.
    #[must_use]
    pub fn new(patterns: &[String], case: CaseRule) -> Self {
        let pattern = |text: &String| Pattern::new(&text.encode_utf16().collect::<Vec<_>>(), case);
        Self {
            patterns: patterns.iter().map(pattern).collect(),
        }
    }

    /// Whether a name is one of them, or below one.
    #[must_use]
    pub fn contain(&self, name: &Name) -> bool {
        self.depth_in(name).is_some()
    }

    /// The first component that matches.
    fn depth_in(&self, name: &Name) -> Option<usize> {
        let mut components = name.components().iter();
        components.position(|component| self.matches(component.as_units()))
    }

    fn matches(&self, component: &[u16]) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches(component))
    }
}

/// A wrapper under which some names do not exist.
pub struct Veto {
    inner: Arc<dyn ShareHandler>,
    names: Arc<VetoedNames>,
}

impl Veto {
    /// Puts it over a share.
    #[must_use]
    pub fn over(inner: Arc<dyn ShareHandler>, names: Arc<VetoedNames>) -> Arc<dyn ShareHandler> {
        Layered::share(Self { inner, names })
    }

    /// # Errors
    /// As for a name that does not exist; `ACCESS_DENIED` for creating it.
    fn check(&self, name: &Name, disposition: Disposition) -> Result<(), NtStatus> {
        let Some(depth) = self.names.depth_in(name) else {
            return Ok(());
        };
        let is_last = depth.saturating_add(1) == name.components().len();
        Err(match disposition {
            _ if !is_last => NtStatus::OBJECT_PATH_NOT_FOUND,
            Disposition::Existing => NtStatus::OBJECT_NAME_NOT_FOUND,
            Disposition::New | Disposition::Either => NtStatus::ACCESS_DENIED,
        })
    }
}

impl ShareLayer for Veto {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.inner
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(async move {
            self.check(name, how.disposition)?;
            let opened = self.inner.open(caller, name, how).await?;
            // An object may have been found by another name than its own: a short one.
            if let Err(status) = self.check(&opened.name, Disposition::Existing) {
                opened.handle.close(CloseHow::Keep).await?;
                return Err(status);
            }
            let names = self.names.clone();
            Ok(wrap_opened(opened, |inner| VetoHandle { inner, names }))
        })
    }
}

struct VetoHandle {
    inner: Arc<dyn Handle>,
    names: Arc<VetoedNames>,
}

impl HandleLayer for VetoHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn list<'a>(
        &'a self,
        mut from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            loop {
                let mut entries = self.inner.list(from, pattern, room_bytes).await?;
                let Some(last) = entries.last() else {
                    return Ok(entries);
                };
                from = ListFrom::After(last.position);
                entries.retain(|entry| !self.names.matches(entry.name.as_units()));
                // Only the end of the folder may look like its end.
                if !entries.is_empty() {
                    return Ok(entries);
                }
            }
        })
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        Box::pin(async move {
            if let SetInfo::Rename { target, .. } | SetInfo::Link { target, .. } = &request
                && self.names.contain(target)
            {
                return Err(NtStatus::ACCESS_DENIED);
            }
            self.inner.set(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use server::share::Replace;

    use super::super::testing::{Share, to_create, to_open};
    use super::*;

    fn vetoing(share: &Share, patterns: &[&str]) -> Share {
        let patterns: Vec<_> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let names = VetoedNames::new(&patterns, CaseRule::Ignore);
        share.under(|inner| Veto::over(inner, Arc::new(names)))
    }

    #[test]
    fn a_vetoed_name_is_not_listed_and_not_opened() {
        let memory = Share::memory();
        memory.write_file("letter.txt", b"dear");
        memory.write_file("Virus.EXE", b"MZ");
        memory.make_folder("secret");
        memory.write_file("secret\\plan.txt", b"psst");
        let share = vetoing(&memory, &["*.exe", "secret"]);
        assert_eq!(share.names(""), ["letter.txt"]);
        let refusal = |name| share.open(name, &to_open()).map(drop).unwrap_err();
        assert_eq!(refusal("virus.exe"), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(refusal("secret"), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(refusal("secret\\plan.txt"), NtStatus::OBJECT_PATH_NOT_FOUND);
        assert_eq!(share.read_file("letter.txt"), b"dear");
    }

    #[test]
    fn nothing_gets_a_vetoed_name() {
        let memory = Share::memory();
        memory.write_file("letter.txt", b"dear");
        let share = vetoing(&memory, &["*.exe"]);
        for disposition in [Disposition::New, Disposition::Either] {
            let made = share.open("a.exe", &to_create(disposition)).map(drop);
            assert_eq!(made, Err(NtStatus::ACCESS_DENIED));
        }
        let file = share.open("letter.txt", &to_open()).unwrap();
        let renamed = file.rename("letter.exe", Replace::IfExists);
        assert_eq!(renamed, Err(NtStatus::ACCESS_DENIED));
        let (target, replace) = (Name::parse_text("b.exe").unwrap(), Replace::Never);
        let linked = file.set(SetInfo::Link { target, replace });
        assert_eq!(linked, Err(NtStatus::ACCESS_DENIED));
        assert_eq!(memory.names(""), ["letter.txt"]);
    }

    #[test]
    fn a_listing_goes_on_behind_a_stretch_of_vetoed_names() {
        let memory = Share::memory();
        for number in 0..60 {
            memory.write_file(&format!("a{number:02}.exe"), b"");
        }
        memory.write_file("z.txt", b"");
        assert_eq!(vetoing(&memory, &["*.exe"]).names(""), ["z.txt"]);
    }

    #[test]
    fn a_folder_that_only_looks_empty_is_not_deleted() {
        let memory = Share::memory();
        memory.make_folder("folder");
        memory.write_file("folder\\a.exe", b"");
        let share = vetoing(&memory, &["*.exe"]);
        let folder = share.open("folder", &to_open()).unwrap();
        assert_eq!(folder.check_delete(), Err(NtStatus::DIRECTORY_NOT_EMPTY));
    }
}
