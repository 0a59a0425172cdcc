//! What every authentication mechanism looks like, how it ends well, and how it fails.
//!
//! This module owns the contract between a session set-up and a mechanism; it knows no mechanism.

use std::fmt;
use std::ops::Range;

use subtle::ConstantTimeEq as _;
use wire::dtyp::FileTime;
use wire::{DecodeError, NtStatus};
use zeroize::Zeroizing;

use crate::identity::{Identity, LogonName};
use crate::oid::Oid;

/// A way to authenticate a client. One value serves every connection; it is replaced whole on reload.
pub trait Mechanism: Send + Sync {
    /// The identifier under which SPNEGO offers the mechanism.
    fn oid(&self) -> Oid;

    /// Whether a client that names `oid` means this mechanism. Kerberos answers to two.
    fn answers_to(&self, oid: &Oid) -> bool {
        *oid == self.oid()
    }

    /// Whether `token` is a first token of this mechanism that came without SPNEGO around it.
    fn recognizes(&self, token: &[u8]) -> bool {
        crate::spnego::gss_mechanism(token).is_some_and(|(oid, _)| self.answers_to(&oid))
    }

    /// Whether a step of this mechanism may wait for something outside, and so must run on a thread
    /// that may block. See [`Context::blocks`].
    fn blocks(&self) -> bool {
        false
    }

    /// Starts the server's side of one log-on.
    fn start(&self, facts: &AcceptFacts) -> Box<dyn Context>;
}

/// The server's side of one log-on. Fed with tokens until it is done or fails; then it is dropped.
pub trait Context: Send {
    /// Takes the client's next token; `now` is the server's time.
    ///
    /// A step is a plain function of the context, the token and the time, unless [`Context::blocks`].
    ///
    /// # Errors
    /// The log-on has failed and the context is spent: [`AuthError::status`] is for the client,
    /// the rest for the log.
    fn step(&mut self, token: &[u8], now: FileTime) -> Result<Step, AuthError>;

    /// Whether the next [`Context::step`] may block, as Kerberos does: it calls the system's GSS-API,
    /// which reads a keytab and locks a replay cache. The caller then moves the context to a pool
    /// thread, steps it there and takes it back with the result; a context is `Send` for that.
    fn blocks(&self) -> bool {
        false
    }

    /// The signature of SPNEGO's list of mechanisms, once the log-on is done. `None` if client and
    /// server share no key (guests): then no signature is sent, and one that is received says nothing.
    fn mic(&self, message: &[u8]) -> Option<Vec<u8>>;

    /// Whether `mic` is the client's signature of `message`. False for a context without a key.
    fn verify_mic(&self, message: &[u8], mic: &[u8]) -> bool;

    /// What signs and encrypts the messages that follow the log-on, once it is done; each call begins anew.
    /// `mics` is how many signatures each side has made during the log-on. `None` if the mechanism protects no
    /// messages, or client and server share no key.
    fn protection(&self, _mics: u32) -> Option<Box<dyn MessageProtection>> {
        None
    }
}

/// Signs and encrypts the messages of one log-on, each once and in their order.
pub trait MessageProtection: Send {
    /// Encrypts the `secret` part of `message`, which may be empty, and gives the signature of the whole as it was.
    fn seal(&mut self, message: &mut [u8], secret: Range<usize>) -> [u8; 16];

    /// Decrypts the `secret` part of the client's `message`; false unless `signature` is the one of the whole.
    #[must_use]
    fn unseal(&mut self, message: &mut [u8], secret: Range<usize>, signature: &[u8]) -> bool;
}

/// What a log-on is accepted under: the facts that differ from one log-on to the next.
#[derive(Clone)]
pub struct AcceptFacts {
    /// Random bytes for this log-on and no other.
    pub entropy: [u8; 32],
    /// MD5 of the channel the client came through (a TLS or QUIC binding), if there is one.
    pub channel_bindings: Option<[u8; 16]>,
}

impl fmt::Debug for AcceptFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptFacts").finish_non_exhaustive()
    }
}

/// What a step that did not fail leads to.
#[derive(Debug)]
pub enum Step {
    /// Send this token and wait for the client's next one.
    Continue(Vec<u8>),
    /// The client is who it says.
    Done {
        /// A last token for the client.
        token: Option<Vec<u8>>,
        /// Who the client is.
        identity: Identity,
        /// The key that client and server now share.
        session_key: SessionKey,
    },
}

/// The key that a log-on leaves with client and server; zeroed on drop, not shown by `Debug`.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<Vec<u8>>);

impl SessionKey {
    /// Takes the key as the mechanism made it.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Zeroizing::new(key.to_vec()))
    }

    /// The whole key: Session.FullSessionKey.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first 16 bytes, padded with zeros if the key is shorter: Session.SessionKey.
    // [MS-SMB2] 3.3.1.8
    #[must_use]
    pub fn first_16(&self) -> Zeroizing<[u8; 16]> {
        let mut first = Zeroizing::new([0; 16]);
        first
            .iter_mut()
            .zip(self.0.iter())
            .for_each(|(to, from)| *to = *from);
        first
    }
}

impl PartialEq for SessionKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SessionKey {}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({} bytes)", self.0.len())
    }
}

/// A log-on that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthError {
    /// Why, for the log.
    pub reason: Refusal,
    /// Whom the client said it was, if it came to that: for the log and for counting failures.
    pub name: Option<Box<LogonName>>,
}

impl AuthError {
    /// The status for the client, which tells it no more than it may know.
    #[must_use]
    pub fn status(&self) -> NtStatus {
        self.reason.status()
    }

    /// Whether this was a guess at a password that [`crate::FailedLogons`] should count.
    #[must_use]
    pub fn is_failed_guess(&self) -> bool {
        matches!(
            self.reason,
            Refusal::UnknownUser | Refusal::NoPassword | Refusal::WrongPassword
        )
    }
}

impl From<Refusal> for AuthError {
    fn from(reason: Refusal) -> Self {
        Self { reason, name: None }
    }
}

impl From<DecodeError> for AuthError {
    fn from(error: DecodeError) -> Self {
        Refusal::Malformed(error).into()
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl std::error::Error for AuthError {}

/// Why a log-on failed. The text of each is for the administrator, who asked "why?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A token is not what its protocol says.
    Malformed(DecodeError),
    /// A token came when none, or another, was due.
    OutOfSequence,
    /// None of the client's mechanisms is offered here.
    NoCommonMechanism(Vec<Oid>),
    /// The client ended the negotiation.
    RejectedByClient,
    /// The client offered neither Unicode nor OEM strings.
    NoCharacterSet,
    /// No account has that name, and guests are not let in.
    UnknownUser,
    /// The account has no password, so nobody can log on to it.
    NoPassword,
    /// The response does not come from the account's password.
    WrongPassword,
    /// The account is disabled.
    AccountDisabled,
    /// The account is locked.
    AccountLocked,
    /// The account's password has expired.
    PasswordExpired,
    /// The account's password must be changed before the first log-on.
    PasswordMustChange,
    /// The client answered with NTLMv1 or LM.
    NtlmV1,
    /// The client asked to be nobody.
    Anonymous,
    /// The client sent no usable session key though key exchange was agreed.
    KeyExchange,
    /// The signature over the three NTLM messages is missing or wrong.
    Mic,
    /// The client's response is older, or younger, than allowed.
    Stale,
    /// The client is bound to another channel, or to none where one is required.
    ChannelBindings,
    /// The client meant to reach another server; the name is the one it meant.
    TargetName(String),
    /// The signature over SPNEGO's list of mechanisms is missing or wrong.
    MechListMic,
    /// A mechanism of the system's own refused.
    Mechanism {
        /// The status for the client.
        status: NtStatus,
        /// What the system said.
        text: String,
    },
}

impl Refusal {
    /// The status for the client: the one place where reasons become statuses.
    #[must_use]
    pub fn status(&self) -> NtStatus {
        match self {
            // A Windows server's SEC_E_INVALID_TOKEN reaches the client as INVALID_PARAMETER.
            Self::Malformed(_)
            | Self::OutOfSequence
            | Self::NoCommonMechanism(_)
            | Self::NoCharacterSet
            | Self::KeyExchange => NtStatus::INVALID_PARAMETER,
            Self::RejectedByClient
            | Self::UnknownUser
            | Self::NoPassword
            | Self::WrongPassword
            | Self::NtlmV1
            | Self::Mic
            | Self::Stale
            | Self::MechListMic => NtStatus::LOGON_FAILURE,
            Self::AccountDisabled => NtStatus::ACCOUNT_DISABLED,
            Self::AccountLocked => NtStatus::ACCOUNT_LOCKED_OUT,
            Self::PasswordExpired => NtStatus::PASSWORD_EXPIRED,
            Self::PasswordMustChange => NtStatus::PASSWORD_MUST_CHANGE,
            Self::Anonymous | Self::TargetName(_) => NtStatus::ACCESS_DENIED,
            Self::ChannelBindings => NtStatus::BAD_BINDINGS,
            Self::Mechanism { status, .. } => *status,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(error) => return error.fmt(f),
            Self::NoCommonMechanism(offered) => {
                return write!(
                    f,
                    "the client offers only {offered:?}, none of which is served here"
                );
            }
            Self::TargetName(name) => {
                return write!(
                    f,
                    "the client meant to reach `{name}`, which is not a name of this server"
                );
            }
            Self::Mechanism { text, .. } => text,
            Self::OutOfSequence => "the client sent a token that was not due",
            Self::RejectedByClient => "the client rejected the negotiation",
            Self::NoCharacterSet => "the client offers neither Unicode nor OEM strings",
            Self::UnknownUser => {
                "no account has that name, and unknown users are not let in as guests"
            }
            Self::NoPassword => "the account has no password; set one to allow log-ons",
            Self::WrongPassword => "wrong password",
            Self::AccountDisabled => "the account is disabled",
            Self::AccountLocked => "the account is locked",
            Self::PasswordExpired => "the account's password has expired",
            Self::PasswordMustChange => "the account's password must be changed first",
            Self::NtlmV1 => "the client answered with NTLMv1 or LM, which are not allowed here",
            Self::Anonymous => "anonymous sessions are not allowed here",
            Self::KeyExchange => "the client sent no session key though key exchange was agreed",
            Self::Mic => {
                "the NTLM messages were altered on the way: their signature is missing or wrong"
            }
            Self::Stale => {
                "the client's clock is too far from the server's, or the response was replayed"
            }
            Self::ChannelBindings => "the client is not bound to this connection's secure channel",
            Self::MechListMic => {
                "the list of mechanisms was altered on the way: its signature is missing or wrong"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_session_key_is_padded_and_a_long_one_is_cut() {
        assert_eq!(
            *SessionKey::new(&[7; 8]).first_16(),
            [7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        let long = SessionKey::new(&[9; 32]);
        assert_eq!(*long.first_16(), [9; 16]);
        assert_eq!(long.bytes().len(), 32);
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", SessionKey::new(&[0xab; 16])),
            "SessionKey(16 bytes)"
        );
    }

    #[test]
    fn an_unknown_user_and_a_wrong_password_look_the_same_to_the_client() {
        assert_eq!(
            Refusal::UnknownUser.status(),
            Refusal::WrongPassword.status()
        );
        assert_ne!(
            Refusal::UnknownUser.to_string(),
            Refusal::WrongPassword.to_string()
        );
    }
}
