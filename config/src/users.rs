//! The sections `[identity]` and `[demo]`: as whom of this machine's users files are served, and
//! the sample's account.

use crate::{
    schema::{Reader, Section, Visitor, fixed, live},
    server::Server,
    value::Choice,
};

/// The section `[identity]`: as whom the server opens files.
///
/// An account's own user is the `uid` that the account file names, else the user of this machine
/// with the account's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Whose credentials file operations carry.
    pub run_as: RunAs,
    /// A user of this machine who owns everything done on any share; `None` for each session's own.
    pub force_user: Option<String>,
    /// The user of this machine whom guests are served as.
    pub guest_user: String,
    /// Whether administrators may grant, from a client, privileges that lead past what files' descriptors say.
    pub privileges_from_clients: bool,
}

/// Whose credentials file operations carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// Each session's user when started as root, else the program's own.
    Auto,
    /// Each session's user; needs to be started as root.
    SessionUser,
    /// The user who started the program, for everybody.
    ProgramUser,
}

/// The section `[demo]`: one account that is put into the account file when that file does not
/// exist yet.
///
/// Its password stands in a published file and protects nothing. So it is honoured only while every
/// address to listen on is of this machine, and only to create the account file, never to change
/// one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demo {
    /// The account's name; `None` for no demo account.
    pub user: Option<String>,
    /// The account's password.
    pub password: Option<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            run_as: RunAs::Auto,
            force_user: None,
            guest_user: "nobody".into(),
            privileges_from_clients: false,
        }
    }
}

impl Section for Identity {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(fixed("run_as"), &mut self.run_as);
        visitor.visit(live("force_user"), &mut self.force_user);
        let guest_user = live("guest_user").only(USER_NAME, |name: &String| !name.is_empty());
        visitor.visit(guest_user, &mut self.guest_user);
        let from_clients = live("privileges_from_clients");
        visitor.visit(from_clients, &mut self.privileges_from_clients);
    }
}

impl Section for Demo {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(fixed("user"), &mut self.user);
        visitor.visit(fixed("password"), &mut self.password);
    }
}

impl Demo {
    /// Notes what does not go together.
    pub(crate) fn check(&self, server: &Server, reader: &mut Reader<'_>) {
        if self.user.is_some() != self.password.is_some() {
            let wrong = "a demo account needs user and password";
            reader.mistake("user", wrong, "give both, or neither");
        }
        if self.user.is_some() && !server.listens_on_loopback_only() {
            let wrong =
                "its password is public, and server.listen is reachable from other machines";
            let right = "listen on 127.0.0.1 and [::1] only, or use \"smbd user add\" instead";
            reader.mistake("user", wrong, right);
        }
    }
}

impl Choice for RunAs {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("session-user", Self::SessionUser),
        ("program-user", Self::ProgramUser),
    ];
}

/// Whether two names mean the same account, share or group: case does not count.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one.chars()
        .flat_map(char::to_lowercase)
        .eq(other.chars().flat_map(char::to_lowercase))
}

const USER_NAME: &str = "the name of a user of this machine";
