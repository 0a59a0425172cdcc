//! Sessions and their channels.
//!
//! A [`Session`] exists only once its authentication has succeeded: its keys are facts, not
//! options. What a log-on in progress holds is a [`Setup`], in the connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use auth::{Identity, LogonKind, SessionKey};
use parking_lot::Mutex;
use wire::dtyp::{FileTime, Guid};
use wire::{Dialect, NtStatus, SessionId, TreeId};

use crate::connection::ConnectionState;
use crate::crypto::{
    Cipher, OpeningKey, PreauthHash, SealingKey, Secret, SigningAlgorithm, SigningKey,
};
use crate::durable::DurableOwner;
use crate::environment::Environment;
use crate::open::OpenTable;
use crate::share::LogOnFacts;
use crate::tree_connect::TreeConnect;

/// An authenticated session. [MS-SMB2] 3.3.1.8
pub struct Session {
    /// SessionId.
    pub id: SessionId,
    /// What the connection that it was set up on negotiated.
    pub protections: Protections,
    /// The GUID of the client that set it up.
    pub client_guid: Guid,
    /// CreationTime.
    pub creation_time: FileTime,
    /// Who the user is; replaced by re-authentication.
    pub identity: ArcSwap<Identity>,
    /// Who logged on first: whoever this is knows the keys.
    pub first_identity: Arc<Identity>,
    owner: ArcSwap<DurableOwner>,
    /// SigningRequired: every message must be signed, or encrypted.
    pub signing_required: bool,
    /// EncryptData: requests must come encrypted.
    pub encrypt_data: bool,
    /// The keys; none for guests and anonymous users.
    pub keys: Option<SessionKeyring>,
    /// TreeConnectTable.
    pub tree_connects: Mutex<TreeTable>,
    /// OpenTable.
    pub opens: OpenTable,
    channels: Mutex<ChannelList>,
    /// IdleTime: when the latest request came; none before the session stands.
    last_request: Mutex<Option<Instant>>,
}

/// What a connection negotiated to protect its messages by. The channels of a session must agree on
/// most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protections {
    /// Connection.Dialect.
    pub dialect: Dialect,
    /// Connection.CipherId; none without encryption.
    pub cipher: Option<Cipher>,
    /// Connection.SigningAlgorithmId.
    pub signing_algorithm: SigningAlgorithm,
    /// Connection.SupportsNotifications.
    pub supports_notifications: bool,
}

/// ChannelList: the connections that the session is used on, the oldest first.
#[derive(Default)]
struct ChannelList {
    connections: Vec<Weak<ConnectionState>>,
    /// The session has ended, or lost its last connection: there will be no further one.
    closed: bool,
}

/// The keys of a session, set up for use.
pub struct SessionKeyring {
    /// SigningKey: verifies requests to bind and signs the replies to them.
    pub signing_key: Secret<16>,
    /// ApplicationKey.
    pub application_key: Secret<16>,
    /// The key that authentication yielded.
    pub session_key: SessionKey,
    /// EncryptionKey and DecryptionKey; none below 3.0 or without a cipher.
    pub sealing: Option<(SealingKey, OpeningKey)>,
}

/// The tree connects of a session, and the next id.
#[derive(Debug, Default)]
pub struct TreeTable {
    /// The tree connects by id.
    pub trees: BTreeMap<TreeId, Arc<TreeConnect>>,
    last_id: u32,
    /// The session has ended: a TREE_CONNECT that was under way comes too late.
    closed: bool,
}

impl TreeTable {
    /// Adds a tree connect.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES` when there are `most` already, `USER_SESSION_DELETED` when the session
    /// has ended.
    pub(crate) fn insert(&mut self, tree: Arc<TreeConnect>, most: u32) -> Result<(), NtStatus> {
        if self.closed {
            return Err(NtStatus::USER_SESSION_DELETED);
        }
        if self.trees.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        self.trees.insert(tree.id, tree);
        Ok(())
    }

    /// Takes all tree connects, and lets no more in.
    pub(crate) fn close(&mut self) -> BTreeMap<TreeId, Arc<TreeConnect>> {
        self.closed = true;
        std::mem::take(&mut self.trees)
    }

    /// An id that is not in use. [MS-SMB2] 3.3.5.7: -1 is reserved; 0 is kept for "none".
    pub fn next_id(&mut self) -> TreeId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let id = TreeId(self.last_id);
            if self.last_id != 0 && self.last_id != u32::MAX && !self.trees.contains_key(&id) {
                return id;
            }
        }
    }
}

impl Session {
    /// A session without trees or opens.
    #[must_use]
    pub fn new(facts: SessionFacts) -> Self {
        let identity = Arc::new(facts.identity);
        Self {
            id: facts.id,
            protections: facts.protections,
            client_guid: facts.client_guid,
            creation_time: facts.creation_time,
            owner: ArcSwap::from_pointee(DurableOwner::of(&identity)),
            first_identity: identity.clone(),
            identity: ArcSwap::new(identity),
            signing_required: facts.signing_required,
            encrypt_data: facts.encrypt_data,
            keys: facts.keys,
            tree_connects: Mutex::default(),
            opens: OpenTable::default(),
            channels: Mutex::default(),
            last_request: Mutex::default(),
        }
    }

    /// Notes that a request came.
    // [MS-SMB2] 3.3.5.2.8
    pub(crate) fn note_request(&self, now: Instant) {
        *self.last_request.lock() = Some(now);
    }

    /// How long no request has come.
    #[must_use]
    pub fn idle(&self, now: Instant) -> Duration {
        let last = *self.last_request.lock();
        last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
    }

    /// Goes on as this user. Opens that the session has stay those of whoever made them.
    pub(crate) fn become_user(&self, identity: Identity) {
        self.owner.store(Arc::new(DurableOwner::of(&identity)));
        self.identity.store(Arc::new(identity));
    }

    /// Whose the opens are that the session makes now, and whose it may take up again.
    #[must_use]
    pub fn owner(&self) -> DurableOwner {
        DurableOwner::clone(&self.owner.load())
    }

    /// Whether re-authentication is due. The clock is read only for a session that ever expires.
    // [MS-SMB2] 3.3.6.3
    #[must_use]
    pub fn is_expired(&self, environment: &dyn Environment) -> bool {
        let expires = self.identity.load().expires;
        expires.is_some_and(|end| environment.wall_clock() >= end)
    }

    /// Whether the user is a guest or anonymous.
    #[must_use]
    pub fn is_guest_or_anonymous(&self) -> bool {
        self.identity.load().kind != LogonKind::User
    }

    /// What services for remote administration may know of the log-on of `identity`.
    pub(crate) fn log_on_facts(&self, identity: &Identity) -> LogOnFacts {
        let address = self.channels().first().and_then(|first| first.facts.peer);
        LogOnFacts {
            identity: Arc::new(identity.clone()),
            session_key: self.keys.as_ref().map(|keys| self.application_key(keys)),
            address: address.map(|peer| peer.ip()),
            // Requests in clear may come, too, until an open says that they may not.
            encrypted: false,
        }
    }

    // [MS-SMB2] 3.3.4.5
    fn application_key(&self, keys: &SessionKeyring) -> SessionKey {
        if self.protections.dialect >= Dialect::SMB_3_0 {
            SessionKey::new(keys.application_key.bytes())
        } else {
            keys.session_key.clone()
        }
    }

    /// The key that encrypts for the client.
    #[must_use]
    pub fn sealing_key(&self) -> Option<&SealingKey> {
        self.keys
            .as_ref()?
            .sealing
            .as_ref()
            .map(|(sealing, _)| sealing)
    }

    /// The key that decrypts what the client sent.
    #[must_use]
    pub fn opening_key(&self) -> Option<&OpeningKey> {
        self.keys
            .as_ref()?
            .sealing
            .as_ref()
            .map(|(_, opening)| opening)
    }

    /// Adds a connection to the ones that the session is used on, of which there may be `most`.
    ///
    /// # Errors
    /// `USER_SESSION_DELETED` when the session has ended, `INSUFFICIENT_RESOURCES` when there are as
    /// many as may be.
    pub(crate) fn add_channel(
        &self,
        connection: &Arc<ConnectionState>,
        most: u32,
    ) -> Result<(), NtStatus> {
        let mut channels = self.channels.lock();
        if channels.closed {
            return Err(NtStatus::USER_SESSION_DELETED);
        }
        if channels.connections.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        channels.connections.push(Arc::downgrade(connection));
        Ok(())
    }

    /// Removes a connection; true when it was the last one. No other is added then: the session is
    /// about to end.
    pub(crate) fn remove_channel(&self, connection: &ConnectionState) -> bool {
        let mut channels = self.channels.lock();
        channels.connections.retain(|channel| {
            channel
                .upgrade()
                .is_some_and(|other| other.id != connection.id)
        });
        channels.closed |= channels.connections.is_empty();
        channels.closed
    }

    /// Takes all connections, and lets no more in.
    pub(crate) fn close_channels(&self) -> Vec<Arc<ConnectionState>> {
        let mut channels = self.channels.lock();
        channels.closed = true;
        let connections = std::mem::take(&mut channels.connections);
        connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// The connections that the session is used on, the oldest first.
    #[must_use]
    pub fn channels(&self) -> Vec<Arc<ConnectionState>> {
        let channels = self.channels.lock();
        let connections = channels.connections.iter();
        connections.filter_map(Weak::upgrade).collect()
    }

    /// All tree connects.
    #[must_use]
    pub fn all_trees(&self) -> Vec<Arc<TreeConnect>> {
        self.tree_connects.lock().trees.values().cloned().collect()
    }

    /// The tree connect with this id.
    #[must_use]
    pub fn tree_connect(&self, id: TreeId) -> Option<Arc<TreeConnect>> {
        self.tree_connects.lock().trees.get(&id).cloned()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is known when a session begins.
pub struct SessionFacts {
    /// See [`Session::id`].
    pub id: SessionId,
    /// See [`Session::protections`].
    pub protections: Protections,
    /// See [`Session::client_guid`].
    pub client_guid: Guid,
    /// See [`Session::creation_time`].
    pub creation_time: FileTime,
    /// See [`Session::identity`].
    pub identity: Identity,
    /// See [`Session::signing_required`].
    pub signing_required: bool,
    /// See [`Session::encrypt_data`].
    pub encrypt_data: bool,
    /// See [`Session::keys`].
    pub keys: Option<SessionKeyring>,
}

/// A session on one connection. [MS-SMB2] 3.3.1.14
pub struct Channel {
    /// The session.
    pub session: Arc<Session>,
    /// Channel.SigningKey, set up for the connection's algorithm.
    pub signing_key: SigningKey,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("session", &self.session.id)
            .finish_non_exhaustive()
    }
}

/// A session as one connection sees it: guests have no key, so they have no [`Channel`] to sign by.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The session.
    pub session: Arc<Session>,
    /// What signs on this connection.
    pub channel: Option<Arc<Channel>>,
}

/// A log-on in progress on one connection.
pub struct Setup {
    /// The mechanism's side of it.
    pub context: Box<dyn auth::Context>,
    /// Session.PreauthIntegrityHashValue so far, or PreauthSession's where a session is bound; the
    /// connection's before 3.1.1 too, unused.
    pub preauth: PreauthHash,
    /// What the log-on is for.
    pub purpose: Purpose,
}

/// What a log-on in progress will lead to.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// A session of its own.
    New,
    /// Renewed rights for an existing session.
    Reauthentication(Arc<Session>),
    /// One more channel of an existing session.
    Binding(Arc<Session>),
}
