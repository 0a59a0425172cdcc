//! NTLM: challenge and response.
//!
//! ```text
//! client                          server
//!   NEGOTIATE  ───────────────────>  flags
//!   <───────────────────  CHALLENGE  8 random bytes, names
//!   AUTHENTICATE  ────────────────>  a response that only the password can have made
//! ```
//!
//! [`messages`] owns the bytes, [`compute`] the cryptography, [`context`] the server's decisions; the
//! client's are in [`crate::client`]. Connectionless NTLM, LM responses and sealing do not exist here.

pub mod avpairs;
pub mod compute;
pub mod context;
pub mod flags;
pub mod messages;
pub mod text;
#[cfg(test)]
mod vectors;

pub use context::{NtlmMechanism, ServerNames};
pub use flags::NegotiateFlags;
