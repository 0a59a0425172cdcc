//! How the messages of a row are protected, and how a load gets connected.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use auth::client::Credentials;
use server::crypto::{Cipher, SigningAlgorithm};

use super::servers::Running;
use crate::client::{CallError, Offer, Protection, Scope, TcpClient};

/// How the messages of a row are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Not at all.
    Plain,
    /// Signed with AES-128-CMAC.
    Cmac,
    /// Signed with AES-128-GMAC.
    Gmac,
    /// Encrypted with AES-128-GCM.
    Gcm,
    /// Encrypted with AES-128-CCM.
    Ccm,
}

impl Variant {
    /// A client that offers 3.1.1 and just what the variant needs.
    pub fn offer(self) -> Offer {
        let mut offer = Offer::dialect(wire::negotiate::Dialect::SMB_3_1_1);
        // Each connection is another client: Samba serves those of one client in one process.
        let client = CLIENTS.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        offer.client_guid.0[..client.len()].copy_from_slice(&client);
        offer.signing_algorithms = match self {
            Self::Cmac => vec![SigningAlgorithm::AesCmac],
            _ => vec![SigningAlgorithm::AesGmac],
        };
        offer.ciphers = match self {
            Self::Ccm => vec![Cipher::Aes128Ccm],
            _ => vec![Cipher::Aes128Gcm],
        };
        offer
    }

    /// How a session of this variant protects its requests.
    pub fn protection(self) -> Protection {
        match self {
            Self::Plain => Protection::Plain,
            Self::Cmac | Self::Gmac => Protection::Signed,
            Self::Gcm | Self::Ccm => Protection::Sealed,
        }
    }

    /// Connects to a server, logs on and connects to its share.
    pub fn connect(self, server: &Running) -> Result<Connected, CallError> {
        let mut client = TcpClient::negotiated(server.address(), self.offer())?;
        let session = client.log_on(server.credentials())?;
        self.protect(&mut client, session);
        let scope = client.tree_connect(session, SHARE_PATH)?;
        Ok(Connected { client, scope })
    }

    /// Makes a session protect its requests, and no longer check what it receives: that would be
    /// the load's time, not the server's.
    pub fn protect(self, client: &mut TcpClient, session: wire::SessionId) {
        client.connection.checks_signatures = false;
        if let Some(session) = client.connection.session_mut(session) {
            session.protection = self.protection();
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Cmac => "CMAC",
            Self::Gmac => "GMAC",
            Self::Gcm => "GCM",
            Self::Ccm => "CCM",
        })
    }
}

/// A client that is logged on and connected to the share.
#[derive(Debug)]
pub struct Connected {
    /// The client.
    pub client: TcpClient,
    /// Its session and tree connect.
    pub scope: Scope,
}

static CLIENTS: AtomicU64 = AtomicU64::new(0);

/// The account of all loads.
pub fn credentials(user: &str) -> Credentials {
    Credentials::password(user, "WORKGROUP", PASSWORD)
}

/// The password of the account.
pub const PASSWORD: &str = "Bench-mark-1";
/// The share that every server has.
pub const SHARE_PATH: &str = r"\\127.0.0.1\bench";
