//! A session as the client knows it: its keys, and whether it signs or encrypts by default.

use server::crypto::{
    Cipher, Derivation, OpeningKey, PreauthHash, Role, SealingKey, SessionKeys, SigningAlgorithm,
    SigningKey, channel_signing_key, fast,
};
use wire::SessionId;
use wire::negotiate::Dialect;
use wire::session_setup::SessionFlags;

use super::connection::Negotiated;
use super::outgoing::Protection;

/// An authenticated session. Its defaults can be changed at any time.
#[derive(Debug)]
pub struct Session {
    /// The server's name for it.
    pub id: SessionId,
    /// What the server said it is.
    pub flags: SessionFlags,
    /// What requests of this session get unless they say otherwise.
    pub protection: Protection,
    /// Signs requests and verifies responses; none for guests and anonymous sessions.
    pub signing: Option<SigningKey>,
    /// Encrypts requests; none without a cipher.
    pub sealing: Option<SealingKey>,
    /// Decrypts responses; none without a cipher.
    pub opening: Option<OpeningKey>,
    /// The key that applications derive theirs from.
    pub application_key: [u8; 16],
    /// What the keys above were set up from; none for guests and anonymous sessions.
    keys: Option<(SessionKeys, SigningAlgorithm)>,
}

impl Session {
    /// Derives the keys of a session from the key of its authentication and the
    /// pre-authentication hash up to the last SESSION_SETUP request.
    #[must_use]
    pub fn derive(
        id: SessionId,
        flags: SessionFlags,
        negotiated: &Negotiated,
        hash: &PreauthHash,
        authenticated: &[u8],
    ) -> Self {
        let derivation = derivation(negotiated.dialect, hash);
        let cipher = negotiated.cipher;
        let keys = SessionKeys::derive(fast(), derivation, authenticated, cipher);
        let protection = if flags.contains(SessionFlags::ENCRYPT_DATA) {
            Protection::Sealed
        } else if negotiated.signing_required {
            Protection::Signed
        } else {
            Protection::Plain
        };
        Self::with_keys(id, flags, protection, (keys, negotiated.signing_algorithm))
    }

    fn with_keys(
        id: SessionId,
        flags: SessionFlags,
        protection: Protection,
        (keys, algorithm): (SessionKeys, SigningAlgorithm),
    ) -> Self {
        let [seed @ .., _, _, _, _] = *keys.application.bytes();
        // The server's names for the keys are from its own point of view.
        let sealing = keys.decryption.as_ref();
        let opening = keys.encryption.as_ref();
        Self {
            id,
            flags,
            protection,
            signing: Some(SigningKey::new(
                fast(),
                algorithm,
                &keys.signing,
                Role::Client,
            )),
            sealing: sealing.map(|key| SealingKey::new(fast(), key, seed)),
            opening: opening.map(|key| OpeningKey::new(fast(), key)),
            application_key: *keys.application.bytes(),
            keys: Some((keys, algorithm)),
        }
    }

    /// The session for a connection that it is to be bound to; its own key signs there until then.
    ///
    /// # Panics
    /// The session has no keys.
    #[must_use]
    pub fn unbound(&self) -> Self {
        let keys = self.keys.clone().expect("only a user's session is bound");
        Self::with_keys(self.id, self.flags, Protection::Signed, keys)
    }

    /// Takes the signing key of the channel that a log-on has made.
    // [MS-SMB2] 3.2.5.3.3
    pub(super) fn bound(
        &mut self,
        negotiated: &Negotiated,
        hash: &PreauthHash,
        authenticated: &[u8],
    ) {
        let derivation = derivation(negotiated.dialect, hash);
        let key = channel_signing_key(fast(), derivation, authenticated);
        let algorithm = negotiated.signing_algorithm;
        self.signing = Some(SigningKey::new(fast(), algorithm, &key, Role::Client));
    }

    /// A session without keys: a guest's or an anonymous one.
    #[must_use]
    pub fn without_keys(id: SessionId, flags: SessionFlags) -> Self {
        Self {
            id,
            flags,
            protection: Protection::Plain,
            signing: None,
            sealing: None,
            opening: None,
            application_key: [0; 16],
            keys: None,
        }
    }
}

fn derivation(dialect: Dialect, hash: &PreauthHash) -> Derivation<'_> {
    match dialect {
        Dialect::SMB_3_1_1 => Derivation::Smb311(hash),
        Dialect::SMB_3_0 | Dialect::SMB_3_0_2 => Derivation::Smb30,
        _ => Derivation::Smb2,
    }
}

/// The signing algorithm of a dialect in which none is negotiated.
// [MS-SMB2] 3.1.4.1
pub(super) fn default_signing(dialect: Dialect) -> SigningAlgorithm {
    if is_3_x(dialect) {
        SigningAlgorithm::AesCmac
    } else {
        SigningAlgorithm::HmacSha256
    }
}

/// The cipher of a dialect in which none is negotiated.
// [MS-SMB2] 3.2.5.2
pub(super) fn default_cipher(dialect: Dialect) -> Option<Cipher> {
    matches!(dialect, Dialect::SMB_3_0 | Dialect::SMB_3_0_2).then_some(Cipher::Aes128Ccm)
}

pub(super) fn is_3_x(dialect: Dialect) -> bool {
    (Dialect::SMB_3_0.0..=Dialect::SMB_3_1_1.0).contains(&dialect.0)
}
