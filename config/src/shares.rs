//! The sections `[[share]]`: what each share is, who may use it and how its files look to clients.

use std::path::{Path, PathBuf};

use crate::{
    compartments::{Compartments, Program},
    permissions::Permissions,
    print::Print,
    schema::{Reader, Section, Visitor, live},
    server::{Encryption, GuestPolicy, Server},
    users::same_name,
    value::{Choice, Mode, Size},
    wrappers::Wrapper,
};

/// One section `[[share]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The share's name; case does not count.
    pub name: String,
    /// What stands behind the share.
    pub kind: ShareKind,
    /// The folder of a disk share, or the spool folder of a print share.
    pub path: Option<PathBuf>,
    /// The room of a memory share.
    pub memory_size: Size,
    /// Whether a missing folder is created at start.
    pub create_directory: bool,
    /// What a browsing client shows beside the name.
    pub comment: String,
    /// Whether the share is left out of the list that clients browse.
    pub hidden: bool,
    /// Whether nobody may change anything.
    pub read_only: bool,
    /// Users who may come in; with `groups` empty too, everybody who has an account.
    pub users: Vec<String>,
    /// Groups of the account file whose members may come in.
    pub groups: Vec<String>,
    /// Users who may not come in, whatever the other lists say.
    pub denied_users: Vec<String>,
    /// Users who may come in but change nothing.
    pub read_only_users: Vec<String>,
    /// Who may do what, whatever the lists say; everybody everything if there are none.
    pub permissions: Option<Permissions>,
    /// Whether guests may come in.
    pub guest: bool,
    /// How many tree connects may exist at once; 0 for any number.
    pub max_connections: u32,
    /// How much the share asks for encryption; the server's own demand counts where it is stronger.
    pub encryption: Encryption,
    /// A user of this machine who owns everything done on this share.
    pub force_user: Option<String>,
    /// Whether symbolic links are followed.
    pub follow_symlinks: Symlinks,
    /// Whether names that differ in case only are different names.
    pub case_sensitive: bool,
    /// Whether names that begin with a dot carry the hidden attribute.
    pub hide_dot_files: bool,
    /// Patterns with `*` and `?` of further names that carry the hidden attribute.
    pub hide_files: Vec<String>,
    /// Permissions of new files, for this machine's users.
    pub file_mode: Mode,
    /// Permissions of new folders, for this machine's users.
    pub directory_mode: Mode,
    /// Whether files may have named streams.
    pub streams: bool,
    /// Whether a folder's list leaves out what the user may not open.
    pub access_based_enumeration: bool,
    /// What clients may keep for working without a connection.
    pub caching: Caching,
    /// What clients may cache of what they have open.
    pub oplocks: Oplocks,
    /// What a client is told that repeats a CREATE which is still under way.
    pub pending_replay: PendingReplay,
    /// Whether clients may have opens here that outlive the server.
    pub continuous_availability: bool,
    /// The queue of a print share.
    pub print: Print,
    /// `[share.compartments]`, for a share that administers this machine.
    pub compartments: Compartments,
    /// Every `[[share.program]]` below the share, in the file's order.
    pub programs: Vec<Program>,
    /// Every `[[share.wrapper]]` below the share, in the file's order.
    pub wrappers: Vec<Wrapper>,
}

/// What stands behind a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareKind {
    /// A folder.
    Disk,
    /// Memory; empty at every start.
    Memory,
    /// A print queue.
    Print,
    /// The server itself, and compartments of this machine: for administrators.
    Config,
}

/// Whether symbolic links on disk are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// Links whose target lies below the share's folder.
    WithinShare,
    /// None.
    Never,
}

/// What clients may keep for working without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Files that the user picks.
    Manual,
    /// Every file that the user opens.
    Documents,
    /// Every file that the user opens, and programs run from the copy.
    Programs,
    /// Nothing.
    Never,
}

/// What clients may cache of what they have open, told by oplocks and leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oplocks {
    /// What they read and what they write, and handles.
    All,
    /// What they read, and handles.
    Reading,
    /// Nothing.
    Never,
}

/// What a client is told that repeats a CREATE which is still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingReplay {
    /// ACCESS_DENIED, as [MS-SMB2] 3.3.5.9 says of an open without an owner, and as Windows does.
    Denied,
    /// FILE_NOT_AVAILABLE, as for other requests that are repeated while they are under way, and as
    /// Samba does.
    Unavailable,
}

/// What somebody may do on a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Not come in.
    Denied,
    /// Read.
    Read,
    /// Read and change, as far as the files allow.
    Full,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: ShareKind::Disk,
            path: None,
            memory_size: Size::mib(1024),
            create_directory: false,
            comment: String::new(),
            hidden: false,
            read_only: false,
            users: Vec::new(),
            groups: Vec::new(),
            denied_users: Vec::new(),
            read_only_users: Vec::new(),
            permissions: None,
            guest: false,
            max_connections: 0,
            encryption: Encryption::Offered,
            force_user: None,
            follow_symlinks: Symlinks::WithinShare,
            case_sensitive: false,
            hide_dot_files: true,
            hide_files: Vec::new(),
            file_mode: Mode::new(0o644),
            directory_mode: Mode::new(0o755),
            streams: true,
            access_based_enumeration: false,
            caching: Caching::Manual,
            oplocks: Oplocks::All,
            pending_replay: PendingReplay::Denied,
            continuous_availability: false,
            print: Print::default(),
            compartments: Compartments::default(),
            programs: Vec::new(),
            wrappers: Vec::new(),
        }
    }
}

impl Section for Share {
    const SECTIONS: &'static [&'static str] = &["compartments", "program", "wrapper"];

    fn settings(&mut self, visitor: &mut impl Visitor) {
        let name = live("name").only(SHARE_NAME, |name: &String| is_share_name(name));
        visitor.visit(name, &mut self.name);
        visitor.visit(live("kind"), &mut self.kind);
        visitor.visit(live("path"), &mut self.path);
        let memory_size = live("memory_size").within(Size::mib(1)..=Size::mib(4095));
        visitor.visit(memory_size, &mut self.memory_size);
        visitor.visit(live("create_directory"), &mut self.create_directory);
        let comment = live("comment").only(COMMENT, |text: &String| is_comment(text));
        visitor.visit(comment, &mut self.comment);
        visitor.visit(live("hidden"), &mut self.hidden);
        visitor.visit(live("read_only"), &mut self.read_only);
        visitor.visit(live("users"), &mut self.users);
        visitor.visit(live("groups"), &mut self.groups);
        visitor.visit(live("denied_users"), &mut self.denied_users);
        visitor.visit(live("read_only_users"), &mut self.read_only_users);
        visitor.visit(live("permissions"), &mut self.permissions);
        visitor.visit(live("guest"), &mut self.guest);
        let max_connections = live("max_connections").within(0..=u32::MAX);
        visitor.visit(max_connections, &mut self.max_connections);
        let encryption = live("encryption").only(SHARE_ENCRYPTION, |encryption: &Encryption| {
            matches!(encryption, Encryption::Offered | Encryption::Required)
        });
        visitor.visit(encryption, &mut self.encryption);
        visitor.visit(live("force_user"), &mut self.force_user);
        visitor.visit(live("follow_symlinks"), &mut self.follow_symlinks);
        visitor.visit(live("case_sensitive"), &mut self.case_sensitive);
        visitor.visit(live("hide_dot_files"), &mut self.hide_dot_files);
        let hide_files = live("hide_files").only(PATTERNS, |patterns: &Vec<String>| {
            patterns.iter().all(|text| is_pattern(text))
        });
        visitor.visit(hide_files, &mut self.hide_files);
        visitor.visit(live("file_mode"), &mut self.file_mode);
        visitor.visit(live("directory_mode"), &mut self.directory_mode);
        visitor.visit(live("streams"), &mut self.streams);
        visitor.visit(
            live("access_based_enumeration"),
            &mut self.access_based_enumeration,
        );
        visitor.visit(live("caching"), &mut self.caching);
        visitor.visit(live("oplocks"), &mut self.oplocks);
        visitor.visit(live("pending_replay"), &mut self.pending_replay);
        visitor.visit(
            live("continuous_availability"),
            &mut self.continuous_availability,
        );
        self.print.settings(visitor);
    }
}

impl Share {
    /// What a user with an account may do here; `groups` are those that the account file names.
    pub fn access(&self, user: &str, groups: &[String]) -> Access {
        let listed = |list: &[String]| list.iter().any(|name| same_name(name, user));
        let everybody = self.users.is_empty() && self.groups.is_empty();
        let is_in = |group: &String| groups.iter().any(|name| same_name(name, group));
        let in_group = || self.groups.iter().any(is_in);
        if listed(&self.denied_users) {
            Access::Denied
        } else if listed(&self.read_only_users) {
            Access::Read
        } else if everybody || listed(&self.users) || in_group() {
            self.greatest_access()
        } else {
            Access::Denied
        }
    }

    /// What a guest may do here.
    pub fn guest_access(&self) -> Access {
        if self.guest {
            self.greatest_access()
        } else {
            Access::Denied
        }
    }

    /// Whether what stands behind the two shares is the same and looks the same, whoever may use
    /// it.
    pub fn shows_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.path == other.path
            && self.memory_size == other.memory_size
            && self.follow_symlinks == other.follow_symlinks
            && self.case_sensitive == other.case_sensitive
            && self.hide_dot_files == other.hide_dot_files
            && self.hide_files == other.hide_files
            && self.file_mode == other.file_mode
            && self.directory_mode == other.directory_mode
            && self.streams == other.streams
            && self.print == other.print
            && (self.kind != ShareKind::Print || self.force_user == other.force_user)
            && self.compartments == other.compartments
            && self.programs == other.programs
            && self.wrappers == other.wrappers
    }

    /// Has nothing cached of what changes by itself.
    pub(crate) fn adapt(&mut self) {
        if self.kind == ShareKind::Config {
            self.oplocks = Oplocks::Never;
            self.caching = Caching::Never;
        }
    }

    /// Notes what does not go together.
    pub(crate) fn check(&self, server: &Server, reader: &mut Reader<'_>) {
        if !reader.says("name") {
            reader.mistake("name", "the share has none", &format!("give {SHARE_NAME}"));
        }
        match (self.kind, &self.path) {
            (ShareKind::Disk, None) => {
                reader.mistake("path", "a disk share needs one", "give the folder to serve");
            }
            (ShareKind::Memory, Some(_)) => {
                reader.mistake("path", "a memory share has none", "leave it out");
            }
            (ShareKind::Print, None) => {
                let right = "give the folder for documents that wait to be printed";
                reader.mistake("path", "a print share needs one", right);
            }
            (ShareKind::Config, Some(_)) => {
                let wrong = "a share of the server itself has none";
                reader.mistake("path", wrong, "leave it out");
            }
            _ => {}
        }
        if self.continuous_availability && self.kind != ShareKind::Disk {
            let wrong = "what is in the share does not outlive the server";
            reader.mistake("continuous_availability", wrong, "leave it out");
        }
        if self.kind == ShareKind::Print {
            if self.continuous_availability {
                let wrong = "a job that is being written cannot be taken up again";
                reader.mistake("continuous_availability", wrong, "leave it out");
            }
            self.print.check(self.force_user.as_deref(), reader);
        }
        if self.kind == ShareKind::Config && self.force_user.is_some() {
            let wrong = "who somebody is decides whether he may administer the server";
            reader.mistake("force_user", wrong, "leave it out");
        }
        if self.guest && server.guest == GuestPolicy::Never {
            let wrong = "nobody becomes a guest while server.guest = \"never\"";
            reader.mistake(
                "guest",
                wrong,
                "give server.guest = \"bad-user\", or leave this out",
            );
        }
        if self.guest && self.encryption == Encryption::Required {
            let wrong =
                "guests have no key and cannot encrypt, which encryption = \"required\" demands";
            reader.mistake(
                "guest",
                wrong,
                "leave it out, or give encryption = \"offered\"",
            );
        }
        if self.encryption > Encryption::Offered && server.encryption == Encryption::Off {
            let wrong = "nobody can encrypt while server.encryption = \"off\"";
            reader.mistake(
                "encryption",
                wrong,
                "give server.encryption = \"offered\" or more",
            );
        }
    }

    /// The folder relative to `folder`, if it is not absolute.
    pub(crate) fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.path {
            *path = folder.join(&path);
        }
    }

    fn greatest_access(&self) -> Access {
        if self.read_only {
            Access::Read
        } else {
            Access::Full
        }
    }
}

impl Choice for ShareKind {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("disk", Self::Disk),
        ("memory", Self::Memory),
        ("print", Self::Print),
        ("config", Self::Config),
    ];
}

impl Choice for Symlinks {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("within-share", Self::WithinShare), ("never", Self::Never)];
}

impl Choice for Caching {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("manual", Self::Manual),
        ("documents", Self::Documents),
        ("programs", Self::Programs),
        ("never", Self::Never),
    ];
}

impl Choice for Oplocks {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("all", Self::All),
        ("reading", Self::Reading),
        ("never", Self::Never),
    ];
}

impl Choice for PendingReplay {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("denied", Self::Denied), ("unavailable", Self::Unavailable)];
}

/// Whether a share may be called so. `IPC$` is the server's own.
fn is_share_name(name: &str) -> bool {
    // [MS-FSCC] 2.1.6
    let forbidden = |letter: char| u32::from(letter) < 0x20 || "\"\\/[]:|<>+=;,*?".contains(letter);
    // [MS-SRVS] 3.1.4.7
    let reserved = ["IPC$", "PIPE", "MAILSLOT"]
        .iter()
        .any(|reserved| same_name(reserved, name));
    let units = name.encode_utf16().count();
    (1..=SHARE_NAME_UNITS).contains(&units) && !name.contains(forbidden) && !reserved
}

/// Whether a text can stand as a remark.
pub(crate) fn is_comment(text: &str) -> bool {
    text.encode_utf16().count() <= COMMENT_UNITS && !text.contains(char::is_control)
}

/// Whether a text is a pattern of names.
pub(crate) fn is_pattern(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '\\', '\0'])
}

/// The longest share name in UTF-16 units, [MS-FSCC] 2.1.6.
const SHARE_NAME_UNITS: usize = 80;
/// The longest remark in UTF-16 units that older clients show.
const COMMENT_UNITS: usize = 256;

const SHARE_NAME: &str =
    "a name of 1 to 80 letters without \" \\ / [ ] : | < > + = ; , * ?, and not IPC$";
const SHARE_ENCRYPTION: &str = "\"offered\" or \"required\"";
pub(crate) const PATTERNS: &str = "a list of names in which * and ? stand for any letters";
pub(crate) const COMMENT: &str = "a text of up to 256 letters on one line";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    // test [MS-FSCC] 2.1.6
    #[test]
    fn share_names_are_short_and_free_of_reserved_characters() {
        for good in [
            "a",
            "public",
            "Bücher",
            "my share",
            "admin$",
            &"x".repeat(80),
        ] {
            assert!(is_share_name(good), "{good}");
        }
        for bad in [
            "",
            "a/b",
            "a\\b",
            "a*",
            "tab\there",
            "ipc$",
            "Pipe",
            &"x".repeat(81),
        ] {
            assert!(!is_share_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_share_without_lists_is_open_to_every_account_and_no_guest() {
        let share = Share::default();
        assert_eq!(share.access("alice", &[]), Access::Full);
        assert_eq!(share.guest_access(), Access::Denied);
    }

    #[test]
    fn lists_decide_in_the_order_denied_then_read_only_then_allowed() {
        let share = Share {
            users: names(&["Alice", "bob", "carol"]),
            groups: names(&["staff"]),
            denied_users: names(&["bob"]),
            read_only_users: names(&["carol", "dave"]),
            ..Share::default()
        };
        assert_eq!(share.access("ALICE", &[]), Access::Full);
        assert_eq!(share.access("bob", &names(&["staff"])), Access::Denied);
        assert_eq!(share.access("carol", &[]), Access::Read);
        assert_eq!(share.access("dave", &[]), Access::Read);
        assert_eq!(share.access("erin", &names(&["staff"])), Access::Full);
        assert_eq!(share.access("erin", &names(&["STAFF"])), Access::Full);
        assert_eq!(share.access("erin", &names(&["other"])), Access::Denied);
    }

    #[test]
    fn a_read_only_share_gives_nobody_more() {
        let share = Share {
            read_only: true,
            guest: true,
            ..Share::default()
        };
        assert_eq!(share.access("alice", &[]), Access::Read);
        assert_eq!(share.guest_access(), Access::Read);
    }
}
