//! The sections `[[share.wrapper]]`: what stands between a share's users and its contents.

use std::time::Duration;

use crate::{
    schema::{Section, Visitor, live},
    shares::{PATTERNS, is_pattern},
    value::{Choice, Size},
};

/// One section `[[share.wrapper]]`. Requests pass the wrappers of a share in the file's order, and
/// come to what is behind the share last.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrapper {
    /// Refuses every change, whoever asks.
    ReadOnly,
    /// Logs who did what.
    Audit(Audit),
    /// Keeps what is deleted.
    Recycle(Recycle),
    /// Hides names, and lets nobody make them.
    Veto(Veto),
    /// Bounds the work of a second.
    Limit(Limit),
    /// Lets files be written once, and keeps them.
    Worm(Worm),
    /// Fails and dawdles.
    Faulty(Faulty),
}

/// What a wrapper is, as the file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrapperKind {
    ReadOnly,
    Audit,
    Recycle,
    Veto,
    Limit,
    Worm,
    Faulty,
}

/// The settings of `kind = "audit"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// What is logged.
    pub operations: Vec<Operation>,
    /// Whether only what failed is logged.
    pub failures_only: bool,
}

/// Something that the audit log may tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A name was opened or created.
    Open,
    /// An open ended.
    Close,
    /// Bytes were read.
    Read,
    /// Bytes were written.
    Write,
    /// A folder was listed.
    List,
    /// Sizes, times or attributes were changed.
    Change,
    /// A file got another name, or one more.
    Rename,
    /// A file was deleted.
    Delete,
    /// A security descriptor was changed.
    Security,
    /// A control code was carried out.
    Control,
}

/// The settings of `kind = "recycle"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recycle {
    /// The folder in the share's root that has a folder for each user.
    pub folder: String,
    /// Whether files are kept in folders like those that they were deleted from.
    pub keep_tree: bool,
    /// How many deleted files of one name are kept; 0 for any number.
    pub versions: u32,
    /// How long a file is kept; zero for ever.
    pub max_age: Duration,
    /// Patterns of files and folders of which nothing is kept.
    pub exclude: Vec<String>,
    /// Larger files are not kept; zero for any size.
    pub largest_file: Size,
}

/// The settings of `kind = "veto"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Veto {
    /// Patterns of names that do not exist.
    pub names: Vec<String>,
}

/// The settings of `kind = "limit"`; zero is no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Bytes that all users together may read and write in a second.
    pub bytes_per_second: Size,
    /// Operations of all users together in a second.
    pub operations_per_second: u32,
    /// Bytes that each user may read and write in a second.
    pub user_bytes_per_second: Size,
    /// Operations of each user in a second.
    pub user_operations_per_second: u32,
}

/// The settings of `kind = "worm"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worm {
    /// How long after its last change a file can still be changed.
    pub grace: Duration,
    /// How long it is kept after that; zero for ever.
    pub retention: Duration,
}

/// The settings of `kind = "faulty"`: one call in so many, and zero for none.
#[derive(Clone, Debug, PartialEq)]
pub struct Faulty {
    /// What all faults follow from.
    pub seed: u32,
    /// How seldom a call fails.
    pub errors: u32,
    /// How seldom a read or write moves fewer bytes than it should.
    pub short_transfers: u32,
    /// How seldom a call is late.
    pub delays: u32,
    /// How late it is at most.
    pub longest_delay: Duration,
}

impl Wrapper {
    /// One of each kind, with its defaults, in the order of the kinds.
    pub fn each() -> Vec<Self> {
        let kinds = WrapperKind::CHOICES.iter();
        kinds.map(|(_, kind)| Self::of(*kind)).collect()
    }

    /// A wrapper of this kind, with its defaults.
    pub(crate) fn of(kind: WrapperKind) -> Self {
        match kind {
            WrapperKind::ReadOnly => Self::ReadOnly,
            WrapperKind::Audit => Self::Audit(Audit::default()),
            WrapperKind::Recycle => Self::Recycle(Recycle::default()),
            WrapperKind::Veto => Self::Veto(Veto::default()),
            WrapperKind::Limit => Self::Limit(Limit::default()),
            WrapperKind::Worm => Self::Worm(Worm::default()),
            WrapperKind::Faulty => Self::Faulty(Faulty::default()),
        }
    }

    fn kind(&self) -> WrapperKind {
        match self {
            Self::ReadOnly => WrapperKind::ReadOnly,
            Self::Audit(_) => WrapperKind::Audit,
            Self::Recycle(_) => WrapperKind::Recycle,
            Self::Veto(_) => WrapperKind::Veto,
            Self::Limit(_) => WrapperKind::Limit,
            Self::Worm(_) => WrapperKind::Worm,
            Self::Faulty(_) => WrapperKind::Faulty,
        }
    }
}

impl Section for Wrapper {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        let mut kind = self.kind();
        visitor.visit(live("kind"), &mut kind);
        match self {
            Self::ReadOnly => {}
            Self::Audit(audit) => audit.settings(visitor),
            Self::Recycle(recycle) => recycle.settings(visitor),
            Self::Veto(veto) => veto.settings(visitor),
            Self::Limit(limit) => limit.settings(visitor),
            Self::Worm(worm) => worm.settings(visitor),
            Self::Faulty(faulty) => faulty.settings(visitor),
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        let operations = Operation::CHOICES.iter();
        Self {
            operations: operations.map(|(_, operation)| *operation).collect(),
            failures_only: false,
        }
    }
}

impl Section for Audit {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(live("operations"), &mut self.operations);
        visitor.visit(live("failures_only"), &mut self.failures_only);
    }
}

impl Default for Recycle {
    fn default() -> Self {
        Self {
            folder: ".recycle".to_owned(),
            keep_tree: true,
            versions: 0,
            max_age: Duration::ZERO,
            exclude: Vec::new(),
            largest_file: Size::bytes(0),
        }
    }
}

impl Section for Recycle {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        let folder = live("folder").only(FOLDER, |name: &String| is_folder_name(name));
        visitor.visit(folder, &mut self.folder);
        visitor.visit(live("keep_tree"), &mut self.keep_tree);
        visitor.visit(live("versions"), &mut self.versions);
        visitor.visit(live("max_age"), &mut self.max_age);
        let exclude = live("exclude").only(PATTERNS, |patterns: &Vec<String>| {
            patterns.iter().all(|text| is_pattern(text))
        });
        visitor.visit(exclude, &mut self.exclude);
        visitor.visit(live("largest_file"), &mut self.largest_file);
    }
}

impl Section for Veto {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        let names = live("names").only(PATTERNS, |patterns: &Vec<String>| {
            patterns.iter().all(|text| is_pattern(text))
        });
        visitor.visit(names, &mut self.names);
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            bytes_per_second: Size::bytes(0),
            operations_per_second: 0,
            user_bytes_per_second: Size::bytes(0),
            user_operations_per_second: 0,
        }
    }
}

impl Section for Limit {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(live("bytes_per_second"), &mut self.bytes_per_second);
        let operations = live("operations_per_second");
        visitor.visit(operations, &mut self.operations_per_second);
        let user_bytes = live("user_bytes_per_second");
        visitor.visit(user_bytes, &mut self.user_bytes_per_second);
        let user_operations = live("user_operations_per_second");
        visitor.visit(user_operations, &mut self.user_operations_per_second);
    }
}

impl Section for Worm {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(live("grace"), &mut self.grace);
        visitor.visit(live("retention"), &mut self.retention);
    }
}

impl Default for Faulty {
    fn default() -> Self {
        Self {
            seed: 1,
            errors: 0,
            short_transfers: 0,
            delays: 0,
            longest_delay: Duration::from_millis(100),
        }
    }
}

impl Section for Faulty {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(live("seed"), &mut self.seed);
        visitor.visit(live("errors"), &mut self.errors);
        visitor.visit(live("short_transfers"), &mut self.short_transfers);
        visitor.visit(live("delays"), &mut self.delays);
        visitor.visit(live("longest_delay"), &mut self.longest_delay);
    }
}

impl Choice for WrapperKind {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("read-only", Self::ReadOnly),
        ("audit", Self::Audit),
        ("recycle", Self::Recycle),
        ("veto", Self::Veto),
        ("limit", Self::Limit),
        ("worm", Self::Worm),
        ("faulty", Self::Faulty),
    ];
}

impl Choice for Operation {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("open", Self::Open),
        ("close", Self::Close),
        ("read", Self::Read),
        ("write", Self::Write),
        ("list", Self::List),
        ("change", Self::Change),
        ("rename", Self::Rename),
        ("delete", Self::Delete),
        ("security", Self::Security),
        ("control", Self::Control),
    ];
}

/// Whether a text can be the name of a folder in a share's root.
// [MS-FSCC] 2.1.5.2
fn is_folder_name(name: &str) -> bool {
    let forbidden = |letter: char| u32::from(letter) < 0x20 || "\"\\/:|<>*?".contains(letter);
    let units = name.encode_utf16().count();
    (1..=FOLDER_NAME_UNITS).contains(&units)
        && !name.contains(forbidden)
        && ![".", ".."].contains(&name)
}

/// The longest name of a file in UTF-16 units, [MS-FSCC] 2.1.5.2.
const FOLDER_NAME_UNITS: usize = 255;
const FOLDER: &str = "the name of a folder, without \" \\ / : | < > * ?";

#[cfg(test)]
mod tests {
    use crate::Configuration;

    use super::*;

    const SHARE: &str = "[[share]]\nname = 'a'\npath = '/a'\n";

    fn parse(wrappers: &str) -> Result<Vec<Wrapper>, String> {
        let text = format!("{SHARE}{wrappers}");
        let parsed = Configuration::parse(&text, "f.toml");
        parsed
            .map(|mut configuration| configuration.shares.remove(0).wrappers)
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn wrappers_stand_in_the_files_order_with_their_own_settings() {
        let wrappers = parse(
            "[[share.wrapper]]\nkind = 'audit'\nfailures_only = true\n\
             [[share.wrapper]]\nkind = 'recycle'\nversions = 3\nmax_age = '30 d'\n\
             [[share.wrapper]]\nkind = 'audit'\noperations = ['delete']\n",
        );
        let expected = [
            Wrapper::Audit(Audit {
                failures_only: true,
                ..Audit::default()
            }),
            Wrapper::Recycle(Recycle {
                versions: 3,
                max_age: Duration::from_secs(30 * 86_400),
                ..Recycle::default()
            }),
            Wrapper::Audit(Audit {
                operations: vec![Operation::Delete],
                ..Audit::default()
            }),
        ];
        assert_eq!(wrappers.unwrap(), expected);
    }

    #[test]
    fn each_share_has_the_wrappers_below_it() {
        let text = format!(
            "{SHARE}[[share.wrapper]]\nkind = 'read-only'\n[[share]]\nname = 'b'\npath = '/b'\n"
        );
        let configuration = Configuration::parse(&text, "f.toml").unwrap();
        let lists = configuration
            .shares
            .iter()
            .map(|share| share.wrappers.len());
        assert_eq!(lists.collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn a_wrapper_survives_printing_and_reading() {
        let wrappers = Wrapper::each();
        let mut configuration = Configuration::parse(SHARE, "/f.toml").unwrap();
        configuration.shares[0].wrappers.clone_from(&wrappers);
        let again = Configuration::parse(&configuration.to_toml(), "/f.toml").unwrap();
        assert_eq!(again.shares[0].wrappers, wrappers);
    }

    #[test]
    fn each_mistake_in_a_wrapper_names_its_line_and_key() {
        let mistakes = parse(
            "[[share.wrapper]]\nkind = 'recycle'\nversion = 3\nfolder = 'a/b'\n\
             [[share.wrapper]]\nkind = 'recycler'\nversions = 3\n\
             [[share.wrapper]]\nnames = []\n\
             [[share.wrapper]]\nkind = 'worm'\nversions = 3\n",
        );
        let kinds =
            "\"read-only\", \"audit\", \"recycle\", \"veto\", \"limit\", \"worm\" or \"faulty\"";
        let expected = [
            "f.toml:6: share.wrapper.version: there is no such setting; perhaps \"versions\" is meant"
                .to_owned(),
            format!("f.toml:7: share.wrapper.folder: \"a/b\" does not fit; give {FOLDER}"),
            format!("f.toml:9: share.wrapper.kind: \"recycler\" does not fit; give {kinds}"),
            format!("f.toml:11: share.wrapper.kind: the wrapper has none; give {kinds}"),
            "f.toml:15: share.wrapper.versions: there is no such setting; give one of kind, grace, retention"
                .to_owned(),
        ];
        assert_eq!(parse_lines(mistakes), expected);
    }

    #[test]
    fn one_bracket_is_a_mistake_of_its_own() {
        let mistakes = parse_lines(parse("[share.wrapper]\nkind = 'audit'\n"));
        let advice = "give each wrapper as [[share.wrapper]], with two brackets";
        assert_eq!(
            mistakes,
            [format!(
                "f.toml:4: share.wrapper: it is one section; {advice}"
            )]
        );
    }

    fn parse_lines(outcome: Result<Vec<Wrapper>, String>) -> Vec<String> {
        let text = outcome.unwrap_err();
        text.lines().map(str::to_owned).collect()
    }
}
