//! What is known about a group of accounts.

/// A group of accounts, for access lists and permissions. Who is in it, the accounts say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name, in the spelling of whoever wrote it first.
    pub name: String,
    /// The last part of the group's SID; without one the server derives it from the name.
    pub rid: Option<u32>,
    /// A word for people: what the group is for.
    pub comment: String,
}

impl Group {
    /// A group of which nothing is known but the name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rid: None,
            comment: String::new(),
        }
    }
}

/// The group whose members administer the server from afar. It is always there, and has no line of its own.
pub const ADMINISTRATORS: &str = "Administrators";
