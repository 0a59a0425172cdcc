//! What log-ons the server lets through. The defaults are the strict ones.

use std::time::Duration;

/// The rules of this server for log-ons.
#[derive(Clone, Debug, Default)]
pub struct AuthPolicy {
    /// Whether NTLMv1 responses are believed.
    pub ntlm_v1: NtlmV1,
    /// Whether a client may be nobody.
    pub anonymous: Anonymous,
    /// What becomes of users that nobody knows.
    pub guest: Guest,
    /// The account whose rights a guest has, even if it is disabled for log-ons of its own; without one
    /// a guest has those of everybody.
    pub guest_account: Option<String>,
    /// Whether a client must be bound to the channel it came through.
    pub channel_bindings: ChannelBindings,
    /// The names by which clients may call this server, without the service in front. Empty: any.
    pub target_names: Vec<String>,
    /// How far a client's time may be from the server's. None: as far as it likes, as Windows 8 and later.
    pub max_clock_difference: Option<Duration>,
}

/// What to do with NTLMv1 responses, with or without extended session security. LM is never believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NtlmV1 {
    /// Refuse them: what they prove can be computed by anybody who saw one.
    #[default]
    Refused,
    /// Check them.
    Allowed,
}

/// What to do with a client that gives no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Refuse it.
    #[default]
    Refused,
    /// Give it an anonymous session.
    Allowed,
}

/// What to do with a user that has no account. A user that has one and gives a wrong password is
/// refused under either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guest {
    /// Refuse it.
    #[default]
    Never,
    /// Give it a guest session.
    BadUser,
}

/// What to do about the channel a client says it is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBindings {
    /// Do not look.
    #[default]
    Ignored,
    /// Refuse a client that is bound to another channel than the one it came through.
    Checked,
    /// Refuse also a client that is bound to none.
    Required,
}
