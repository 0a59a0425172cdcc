//! The other side: logs on to a server with NTLM, with or without SPNEGO around it.
//!
//! For tests, the simulator and raw clients; as pure as the server's side. It does what Windows does
//! unless [`ClientOptions`] ask for something else, also for things that no server should accept.

use std::fmt;

use wire::DecodeError;
use wire::dtyp::FileTime;

use crate::accounts::NtHash;
use crate::mechanism::SessionKey;
use crate::ntlm::NegotiateFlags;

mod ntlm;
mod spnego;

pub use ntlm::NtlmClient;
pub use spnego::SpnegoClient;

/// Whom to log on as.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The user's name; empty, with no hash, to be anonymous.
    pub user: String,
    /// The domain to send.
    pub domain: String,
    /// The client's computer, for the server's log.
    pub workstation: String,
    /// The hash of the password; none to be anonymous.
    pub nt_hash: Option<NtHash>,
}

impl Credentials {
    /// A user with a password.
    #[must_use]
    pub fn password(user: &str, domain: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            domain: domain.to_owned(),
            workstation: "CLIENT".to_owned(),
            nt_hash: Some(NtHash::of_password(password)),
        }
    }

    /// Nobody.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }
}

/// How to log on.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What to ask for.
    pub flags: NegotiateFlags,
    /// Which response to give.
    pub response: ResponseKind,
    /// When to sign the three NTLM messages.
    pub mic: SignMessages,
    /// The domain to hash, if it is another than the one to send.
    pub hashed_domain: Option<String>,
    /// The name by which the client calls the server: `cifs/server`.
    pub target_name: Option<String>,
    /// MD5 of the channel to be bound to.
    pub channel_bindings: Option<[u8; 16]>,
    /// When to sign the list of mechanisms.
    pub mech_list_mic: SignMechList,
    /// Mechanisms to offer in front of NTLM, none of which this client has.
    pub other_mechanisms: Vec<crate::oid::Oid>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            flags: NegotiateFlags::UNICODE
                | NegotiateFlags::REQUEST_TARGET
                | NegotiateFlags::SIGN
                | NegotiateFlags::NTLM
                | NegotiateFlags::ALWAYS_SIGN
                | NegotiateFlags::EXTENDED_SESSION_SECURITY
                | NegotiateFlags::TARGET_INFO
                | NegotiateFlags::VERSION
                | NegotiateFlags::KEY_128
                | NegotiateFlags::KEY_EXCH
                | NegotiateFlags::KEY_56,
            response: ResponseKind::V2,
            mic: SignMessages::IfServerSendsTime,
            hashed_domain: None,
            target_name: None,
            channel_bindings: None,
            mech_list_mic: SignMechList::Always,
            other_mechanisms: Vec::new(),
        }
    }
}

/// Which response to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// NTLMv2.
    V2,
    /// NTLMv1, with extended session security if the flags agree on it.
    V1,
}

/// When to sign the three NTLM messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignMessages {
    /// As Windows: if the challenge has a timestamp.
    IfServerSendsTime,
    /// As old clients: never.
    Never,
}

/// When to sign SPNEGO's list of mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignMechList {
    /// With the last NTLM token.
    Always,
    /// Only when the server asks by sending its own signature.
    WhenAsked,
    /// Never, even if the server requires it.
    Never,
}

/// Randomness and time of one log-on.
#[derive(Clone, Copy)]
pub struct ClientFacts {
    /// Random bytes for this log-on and no other.
    pub entropy: [u8; 32],
    /// The client's time.
    pub now: FileTime,
}

impl fmt::Debug for ClientFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFacts")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What to do after a token of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Send this token.
    Send(Vec<u8>),
    /// The client has nothing more to send.
    Done,
}

/// A log-on that the client gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The server's token is malformed.
    Malformed(DecodeError),
    /// The server sent a token that was not due, or chose what was not offered.
    Unexpected,
    /// The server rejected the negotiation.
    Rejected,
    /// The server's signature of the list of mechanisms is missing or wrong.
    MechListMic,
}

impl From<DecodeError> for ClientError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Unexpected => f.write_str("the server sent a token that was not due"),
            Self::Rejected => f.write_str("the server rejected the negotiation"),
            Self::MechListMic => {
                f.write_str("the server's signature of the mechanisms is missing or wrong")
            }
        }
    }
}

impl std::error::Error for ClientError {}

/// A client's side of a log-on.
pub trait Client {
    /// The first token.
    fn start(&mut self) -> Vec<u8>;

    /// Takes the server's next token.
    ///
    /// # Errors
    /// The client gives up.
    fn step(&mut self, token: &[u8]) -> Result<ClientStep, ClientError>;

    /// The key that client and server share, once the client has sent its response.
    fn session_key(&self) -> Option<&SessionKey>;
}
