//! The sections `[share.compartments]` and `[[share.program]]`: what a share of the kind `config` may do
//! to the machine, besides showing and closing what the server serves.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::schema::{Reader, Section, Visitor, live};

/// The section `[share.compartments]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Compartments {
    /// The folder of the control group that the share's root stands for; `None` for a share that shows
    /// the server only.
    pub control_group: Option<PathBuf>,
    /// How long a process may take to end when it is told to, before it is killed.
    pub end_after: Duration,
    /// How often watched folders are looked at for what has changed by itself.
    pub look_every: Duration,
}

/// One section `[[share.program]]`: a program that may be started in compartments, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The program's file, as a path without symbolic links.
    pub path: PathBuf,
    /// Patterns of the arguments that it may be given.
    pub arguments: Vec<String>,
    /// Names of the variables that its environment may be given.
    pub environment: Vec<String>,
    /// Folders that it may be started in; `/` is always one.
    pub folders: Vec<PathBuf>,
    /// Users of this machine whom it may be started as; none for the server's own only. The first is the
    /// one when nothing is said.
    pub users: Vec<String>,
}

impl Default for Compartments {
    fn default() -> Self {
        Self {
            control_group: None,
            end_after: Duration::from_secs(5),
            look_every: Duration::from_millis(500),
        }
    }
}

impl Section for Compartments {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        let group = live("control_group").only(GROUP, |path: &Option<PathBuf>| {
            path.as_deref().is_none_or(is_plain)
        });
        visitor.visit(group, &mut self.control_group);
        let end_after = live("end_after").within(Duration::ZERO..=LONGEST_END);
        visitor.visit(end_after, &mut self.end_after);
        let look_every = live("look_every").within(SHORTEST_LOOK..=LONGEST_LOOK);
        visitor.visit(look_every, &mut self.look_every);
    }
}

impl Section for Program {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        let path = live("path").only(PATH, |path: &PathBuf| is_plain(path));
        visitor.visit(path, &mut self.path);
        let arguments = live("arguments").only(PATTERNS, |patterns: &Vec<String>| {
            let is_one = |pattern: &String| !pattern.contains('\0') && !pattern.contains("***");
            patterns.iter().all(is_one)
        });
        visitor.visit(arguments, &mut self.arguments);
        let names = live("environment").only(VARIABLES, |names: &Vec<String>| {
            names.iter().all(|name| is_variable(name))
        });
        visitor.visit(names, &mut self.environment);
        let folders = live("folders").only(FOLDERS, |folders: &Vec<PathBuf>| {
            folders.iter().all(|folder| is_plain(folder))
        });
        visitor.visit(folders, &mut self.folders);
        let users = live("users").only(USERS, |users: &Vec<String>| {
            users.iter().all(|user| !user.is_empty())
        });
        visitor.visit(users, &mut self.users);
    }
}

impl Program {
    /// Notes what is missing.
    pub(crate) fn check(&self, reader: &mut Reader<'_>) {
        if !reader.says("path") {
            reader.mistake("path", "the program has none", &format!("give {PATH}"));
        }
    }
}

/// Whether a path begins at the root and goes straight down.
fn is_plain(path: &Path) -> bool {
    use std::path::Component;

    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// Whether a text can be the name of a variable.
fn is_variable(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty() && name.chars().all(is_letter)
}

const LONGEST_END: Duration = Duration::from_secs(3600);
const SHORTEST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

const GROUP: &str =
    "the folder of a control group such as \"/sys/fs/cgroup/smbd/compartments\", or \"\" for none";
const PATH: &str = "the absolute path of a program, without .. in it";
const PATTERNS: &str =
    "a list of patterns in which ? stands for a letter, * for any letters and ** for anything";
const VARIABLES: &str = "a list of names of letters, digits and _";
const FOLDERS: &str = "a list of absolute paths of folders, without .. in them";
const USERS: &str = "a list of users of this machine";

#[cfg(test)]
mod tests {
    use crate::{Configuration, ShareKind};

    use super::*;

    const SHARE: &str = "[[share]]\nname = 'a'\nkind = 'config'\n";

    fn parse(text: &str) -> Result<crate::Share, Vec<String>> {
        let parsed = Configuration::parse(&format!("{SHARE}{text}"), "f.toml");
        parsed
            .map(|mut configuration| configuration.shares.remove(0))
            .map_err(|mistakes| mistakes.to_string().lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_share_without_compartments_shows_the_server_only() {
        let share = parse("").unwrap();
        assert_eq!(share.kind, ShareKind::Config);
        assert_eq!(share.compartments.control_group, None);
        assert!(share.programs.is_empty());
    }

    #[test]
    fn nothing_of_what_changes_by_itself_is_cached() {
        let share = parse("oplocks = 'all'\ncaching = 'manual'\n").unwrap();
        assert_eq!(share.oplocks, crate::Oplocks::Never);
        assert_eq!(share.caching, crate::Caching::Never);
    }

    #[test]
    fn compartments_and_programs_survive_printing_and_reading() {
        let text = "[share.compartments]\ncontrol_group = '/sys/fs/cgroup/x'\nend_after = '1 s'\n\
             [[share.program]]\npath = '/usr/bin/sleep'\narguments = ['*']\n\
             [[share.program]]\npath = '/bin/a'\nusers = ['nobody']\nenvironment = ['LANG']\nfolders = ['/srv']\n";
        let share = parse(text).unwrap();
        assert_eq!(share.programs.len(), 2);
        assert_eq!(share.programs[1].users, ["nobody"]);
        assert_eq!(share.compartments.end_after, Duration::from_secs(1));
        let whole = Configuration {
            shares: vec![share.clone()],
            ..Configuration::default()
        };
        let again = Configuration::parse(&whole.to_toml(), "/f.toml").unwrap();
        assert_eq!(again.shares, [share]);
    }

    #[test]
    fn each_mistake_names_its_line_and_key() {
        let mistakes = parse(
            "path = '/a'\nforce_user = 'root'\n\
             [share.compartments]\ncontrol_group = 'x'\nend = '1 s'\n\
             [[share.program]]\npath = '/bin/../a'\nenvironment = ['A=B']\n\
             [[share.program]]\narguments = ['a***']\n",
        );
        let beginnings = [
            "f.toml:4: share.path: a share of the server itself has none",
            "f.toml:5: share.force_user: ",
            "f.toml:7: share.compartments.control_group: \"x\" does not fit",
            "f.toml:8: share.compartments.end: there is no such setting",
            "f.toml:10: share.program.path: \"/bin/../a\" does not fit",
            "f.toml:11: share.program.environment: a list does not fit",
            "f.toml:12: share.program.path: the program has none",
            "f.toml:13: share.program.arguments: a list does not fit; give a list of patterns",
        ];
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.len(), beginnings.len(), "{mistakes:#?}");
        for (mistake, beginning) in mistakes.iter().zip(beginnings) {
            assert!(mistake.starts_with(beginning), "{mistake}");
        }
    }
}
