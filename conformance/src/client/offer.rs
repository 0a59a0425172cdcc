//! What a client offers in NEGOTIATE.

use bytes::Bytes;
use server::crypto::{Cipher, SigningAlgorithm};
use wire::dtyp::Guid;
use wire::negotiate::{
    self, Capabilities, Dialect, HashAlgorithm, NegotiateContext, PreauthIntegrityCapabilities,
    SecurityMode,
};
use wire::{NegotiateRequest, Utf16String};

/// What a client offers in NEGOTIATE; fields may be set to anything.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The dialects.
    pub dialects: Vec<Dialect>,
    /// The ciphers, the best first; none leaves the context out.
    pub ciphers: Vec<Cipher>,
    /// The signing algorithms, the best first; none leaves the context out.
    pub signing_algorithms: Vec<SigningAlgorithm>,
    /// Whether the client requires signing.
    pub security_mode: SecurityMode,
    /// What the client can do.
    pub capabilities: Capabilities,
    /// Identifies the client.
    pub client_guid: Guid,
    /// The salt of the pre-authentication hash.
    pub salt: [u8; 32],
    /// The name by which the client knows the server; empty leaves the context out.
    pub server_name: String,
    /// Contexts behind those that follow from the other fields.
    pub other_contexts: Vec<NegotiateContext>,
}

impl Offer {
    /// Every dialect, cipher and signing algorithm, in the order of a current Windows client.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            dialects: vec![
                Dialect::SMB_2_0_2,
                Dialect::SMB_2_1,
                Dialect::SMB_3_0,
                Dialect::SMB_3_0_2,
                Dialect::SMB_3_1_1,
            ],
            ciphers: vec![
                Cipher::Aes128Gcm,
                Cipher::Aes128Ccm,
                Cipher::Aes256Gcm,
                Cipher::Aes256Ccm,
            ],
            signing_algorithms: vec![
                SigningAlgorithm::AesGmac,
                SigningAlgorithm::AesCmac,
                SigningAlgorithm::HmacSha256,
            ],
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::DFS
                | Capabilities::LEASING
                | Capabilities::LARGE_MTU
                | Capabilities::MULTI_CHANNEL
                | Capabilities::PERSISTENT_HANDLES
                | Capabilities::DIRECTORY_LEASING
                | Capabilities::ENCRYPTION,
            client_guid: Guid(*b"conformance test"),
            salt: [0x5a; 32],
            server_name: String::new(),
            other_contexts: Vec::new(),
        }
    }

    /// One dialect, with all that can be negotiated in it.
    #[must_use]
    pub fn dialect(dialect: Dialect) -> Self {
        Self {
            dialects: vec![dialect],
            ..Self::everything()
        }
    }

    /// The request that makes this offer.
    #[must_use]
    pub fn request(&self) -> NegotiateRequest {
        let contexts = if self.dialects.contains(&Dialect::SMB_3_1_1) {
            self.contexts()
        } else {
            Vec::new()
        };
        NegotiateRequest {
            security_mode: self.security_mode,
            capabilities: self.capabilities,
            client_guid: self.client_guid,
            dialects: self.dialects.clone(),
            contexts,
        }
    }

    fn contexts(&self) -> Vec<NegotiateContext> {
        let integrity = PreauthIntegrityCapabilities {
            hash_algorithms: vec![HashAlgorithm::SHA_512],
            salt: Bytes::copy_from_slice(&self.salt),
        };
        let mut contexts = vec![NegotiateContext::PreauthIntegrity(integrity)];
        if !self.ciphers.is_empty() {
            let ids = self.ciphers.iter().map(|cipher| cipher.id());
            contexts.push(NegotiateContext::Encryption(
                ids.map(negotiate::Cipher).collect(),
            ));
        }
        if !self.signing_algorithms.is_empty() {
            let ids = self
                .signing_algorithms
                .iter()
                .map(|algorithm| algorithm.id());
            contexts.push(NegotiateContext::Signing(
                ids.map(negotiate::SigningAlgorithm).collect(),
            ));
        }
        if !self.server_name.is_empty() {
            let name = Utf16String::from(self.server_name.as_str());
            contexts.push(NegotiateContext::NetName(name));
        }
        contexts.extend(self.other_contexts.iter().cloned());
        contexts
    }
}

impl Default for Offer {
    fn default() -> Self {
        Self::everything()
    }
}
