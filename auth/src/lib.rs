//! Who is the client? SPNEGO, NTLM and accounts, as pure state machines.
//!
//! A [`Mechanism`] starts a [`Context`] for each log-on; the context is fed the client's tokens and
//! ends in an [`Identity`] and a [`SessionKey`], or in an [`AuthError`] that says why not. [`spnego`]
//! is a mechanism that holds others, [`ntlm`] is one of those. [`client`] is the other side of both, for
//! tests, the simulator and raw clients.
//!
//! Nothing here opens a file or a socket, reads a clock or draws a random number: all are handed in. It
//! never decides what an identity may do; that is the server's part.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub mod accounts;
pub mod client;
pub mod failed_logons;
pub mod fuzzing;
pub mod identity;
pub mod mechanism;
pub mod ntlm;
pub mod oid;
pub mod passwords;
pub mod policy;
pub mod spnego;

pub use accounts::{Account, AccountFile, AccountStore, Group, NtHash};
pub use failed_logons::{FailedLogonLimits, FailedLogons};
pub use identity::{Identity, LogonKind, LogonName};
pub use mechanism::{
    AcceptFacts, AuthError, Context, Mechanism, MessageProtection, Refusal, SessionKey, Step,
};
pub use ntlm::{NtlmMechanism, ServerNames};
pub use oid::Oid;
pub use policy::{Anonymous, AuthPolicy, ChannelBindings, Guest, NtlmV1};
pub use spnego::Spnego;
