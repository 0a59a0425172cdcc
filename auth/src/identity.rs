//! Who a client turned out to be, and how users are named.

use std::fmt;
use std::sync::Arc;

use wire::dtyp::FileTime;

use crate::accounts::Account;

/// The outcome of a log-on.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user's name: the account's spelling if there is an account, else the client's.
    pub user: String,
    /// The domain, as the client gave it; empty if it gave none.
    pub domain: String,
    /// The computer the client says it runs on; for the log only, it proves nothing.
    pub workstation: String,
    /// Whether this is a user, a guest or nobody.
    pub kind: LogonKind,
    /// The account whose rights the session has; a guest has one only if the policy names it.
    pub account: Option<Arc<Account>>,
    /// The mechanism and variant that proved it, for the log: `NTLMv2`, `Kerberos`.
    pub method: &'static str,
    /// When the log-on has to be renewed, as the mechanism says: a ticket's end. None if never.
    pub expires: Option<FileTime>,
}

impl Identity {
    /// What the log should say about a session that will behave in a way its user may not expect.
    #[must_use]
    pub fn explanation(&self) -> Option<&'static str> {
        match self.kind {
            LogonKind::User => None,
            LogonKind::Guest => Some(
                "guest session: no password was checked and no key is shared, so nothing is signed or \
                 encrypted. Clients that require signing refuse it: Windows 11 24H2 and Windows Server 2025 \
                 do by default. There, give the user an account here, or allow it on the client with \
                 `Set-SmbClientConfiguration -EnableInsecureGuestLogons $true -RequireSecuritySignature $false`",
            ),
            LogonKind::Anonymous => Some(
                "anonymous session: the client gave no name and shares no secret key, so nothing is signed or \
                 encrypted",
            ),
        }
    }
}

/// What kind of session a log-on leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogonKind {
    /// An account whose owner proved to know its password.
    User,
    /// Somebody unknown, let in by the guest policy: SMB2_SESSION_FLAG_IS_GUEST.
    Guest,
    /// Nobody: SMB2_SESSION_FLAG_IS_NULL.
    Anonymous,
}

impl LogonKind {
    /// Whether client and server share a secret key, so that the session can be signed or encrypted.
    #[must_use]
    pub const fn can_sign(self) -> bool {
        matches!(self, Self::User)
    }
}

/// A user's name in its two parts. An empty user is nobody; an empty domain is "whichever knows me".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogonName {
    /// The user's name.
    pub user: String,
    /// The domain or computer that knows the user.
    pub domain: String,
}

impl LogonName {
    /// Reads `user`, `DOMAIN\user` or `user@domain`; the first backslash wins over the last at sign.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Some((domain, user)) = text.split_once('\\') {
            return Self {
                user: user.to_owned(),
                domain: domain.to_owned(),
            };
        }
        match text.rsplit_once('@') {
            Some((user, domain)) if !user.is_empty() => Self {
                user: user.to_owned(),
                domain: domain.to_owned(),
            },
            _ => Self {
                user: text.to_owned(),
                domain: String::new(),
            },
        }
    }
}

impl fmt::Display for LogonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.domain.is_empty() {
            f.write_str(&self.user)
        } else {
            write!(f, "{}\\{}", self.domain, self.user)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_to_write_a_name_are_read() {
        let parts = |text| {
            let name = LogonName::parse(text);
            (name.user, name.domain)
        };
        let expect = |user: &str, domain: &str| (user.to_owned(), domain.to_owned());
        assert_eq!(parts("alice"), expect("alice", ""));
        assert_eq!(parts("LAB\\alice"), expect("alice", "LAB"));
        assert_eq!(parts("alice@lab.example"), expect("alice", "lab.example"));
        assert_eq!(parts("LAB\\a@b"), expect("a@b", "LAB"));
        assert_eq!(parts("a@b@c"), expect("a@b", "c"));
        assert_eq!(parts("@b"), expect("@b", ""));
        assert_eq!(parts(""), expect("", ""));
    }

    #[test]
    fn names_print_as_windows_prints_them() {
        assert_eq!(LogonName::parse("alice@lab").to_string(), "lab\\alice");
        assert_eq!(LogonName::parse("alice").to_string(), "alice");
    }

    #[test]
    fn only_users_share_a_secret_key() {
        assert!(LogonKind::User.can_sign());
        assert!(!LogonKind::Guest.can_sign());
        assert!(!LogonKind::Anonymous.can_sign());
    }
}
