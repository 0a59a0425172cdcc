//! Keys, signatures and encryption of SMB 2 and 3.
//!
//! Owns every secret of a session once authentication has yielded its key: derivation ([`kdf`]),
//! the pre-authentication hash ([`preauth`]), signatures ([`signing`]) and transform encryption
//! ([`cipher`]). It never decides *whether* a message must be signed or encrypted, never parses
//! more of a message than the cryptography needs, and draws no random numbers: they are handed in.
//!
//! The primitives come from a [`CryptoProvider`]. [`fast`] is the one to serve with; [`pure`] is
//! written in Rust alone and doubles as the oracle in tests. Keys are set up once per session;
//! signing or sealing a message then neither allocates nor expands a key.

mod ccm;
pub mod cipher;
mod cmac;
mod fast;
pub mod kdf;
pub mod preauth;
pub mod provider;
mod pure;
mod secret;
pub mod signing;

pub use cipher::{Cipher, CipherKey, Nonce, OpeningKey, SealingKey};
pub use kdf::{Derivation, SessionKeys, channel_signing_key};
pub use preauth::PreauthHash;
pub use provider::{CryptoError, CryptoProvider, fast, pure};
pub use secret::Secret;
pub use signing::{Role, SigningAlgorithm, SigningKey};

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod test_vectors;
