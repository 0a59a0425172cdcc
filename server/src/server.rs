//! What all connections share: configuration, shares, sessions and the object store.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use auth::{FailedLogonLimits, FailedLogons, Mechanism};
use bytes::Bytes;
use config::{Configuration, Limits};
use parking_lot::Mutex;
use wire::SessionId;
use wire::dtyp::{FileTime, Guid};

use crate::alarms::Alarms;
use crate::clients::ClientTable;
use crate::commands::{AwaitedBreaks, SentNotices, UnansweredTable};
use crate::connection::ConnectionState;
use crate::crypto::{self, CryptoProvider};
use crate::durable::{AppInstances, CreateGuids, DisconnectedOpens};
use crate::environment::{Environment, IdentityMap, Surroundings};
use crate::object_store::{self, ObjectStore, OpenId};
use crate::open::Open;
use crate::packet::BufferPool;
use crate::persistence::{PersistentOpens, PersistentStore};
use crate::session::Session;
use crate::share::{PipeUsers, Share};
use crate::statistics::Statistics;

/// The server. [MS-SMB2] 3.3.1.5
pub struct Server {
    /// ServerGuid: stable across restarts.
    pub guid: Guid,
    /// When the server started.
    pub start_time: FileTime,
    /// Byte counts, request counts and the like.
    pub statistics: Statistics,
    /// Share modes, locks, notifications.
    pub object_store: ObjectStore,
    /// The primitives in use.
    pub crypto: &'static dyn CryptoProvider,
    /// Reply buffers.
    pub buffers: BufferPool,
    /// Failed log-ons by account and address.
    pub failed_logons: Mutex<FailedLogons>,
    /// What happens by itself when nobody acts in time.
    pub(crate) alarms: Alarms,
    /// Breaks that await their acknowledgment.
    pub(crate) awaited_breaks: AwaitedBreaks,
    /// Requests about caching whose reply has not left yet, and the breaks that wait for that.
    pub(crate) unanswered: UnansweredTable,
    /// Notices of breaks that a lost connection may take with it.
    pub(crate) sent_notices: SentNotices,
    /// Opens that wait for their client.
    pub(crate) disconnected: DisconnectedOpens,
    /// Opens by their CreateGuid.
    pub(crate) create_guids: CreateGuids,
    /// Opens by their AppInstanceId.
    pub(crate) app_instances: AppInstances,
    /// GlobalClientTable.
    pub(crate) clients: Arc<ClientTable>,
    /// Persistent opens by what they are looked up by.
    pub(crate) persistent: PersistentOpens,
    /// Who has logged on inside a pipe.
    pub(crate) pipe_users: PipeUsers,
    surroundings: Surroundings,
    settings: ArcSwap<Settings>,
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
    connections: Mutex<BTreeMap<u64, Arc<ConnectionState>>>,
    last_connection: AtomicU64,
    last_file_id: AtomicU64,
    opens: Mutex<HashMap<OpenId, Weak<Open>>>,
}

/// What a reload replaces, all at once.
pub struct Settings {
    /// The whole configuration.
    pub configuration: Configuration,
    /// ShareList.
    pub shares: ShareList,
    /// What authenticates users.
    pub mechanism: Arc<dyn Mechanism>,
    /// The first token, sent in the NEGOTIATE reply.
    pub negotiate_token: Bytes,
}

/// The shares by name; case does not count.
#[derive(Debug, Default, Clone)]
pub struct ShareList(BTreeMap<String, Arc<Share>>);

impl ShareList {
    /// The share called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Share>> {
        self.0.get(&name.to_uppercase())
    }

    /// All shares, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Share>> {
        self.0.values()
    }
}

impl FromIterator<Arc<Share>> for ShareList {
    fn from_iter<T: IntoIterator<Item = Arc<Share>>>(shares: T) -> Self {
        Self(
            shares
                .into_iter()
                .map(|share| (share.name().to_uppercase(), share))
                .collect(),
        )
    }
}

impl Server {
    /// A server with these settings and nobody connected.
    #[must_use]
    pub fn new(guid: Guid, surroundings: Surroundings, settings: Settings) -> Self {
        let limits = &settings.configuration.limits;
        Self {
            guid,
            start_time: surroundings.environment.wall_clock(),
            statistics: Statistics::default(),
            object_store: ObjectStore::new(store_limits(limits)),
            crypto: crypto::fast(),
            buffers: BufferPool::new(KEPT_BUFFERS),
            failed_logons: Mutex::new(FailedLogons::new(logon_limits(limits))),
            alarms: Alarms::default(),
            awaited_breaks: AwaitedBreaks::default(),
            unanswered: UnansweredTable::default(),
            sent_notices: SentNotices::default(),
            disconnected: DisconnectedOpens::default(),
            create_guids: CreateGuids::default(),
            app_instances: AppInstances::default(),
            clients: Arc::default(),
            persistent: PersistentOpens::default(),
            pipe_users: PipeUsers::default(),
            surroundings,
            settings: ArcSwap::from_pointee(settings),
            sessions: Mutex::default(),
            connections: Mutex::default(),
            last_connection: AtomicU64::new(0),
            last_file_id: AtomicU64::new(0),
            opens: Mutex::default(),
        }
    }

    /// Time and randomness.
    #[must_use]
    pub fn environment(&self) -> &dyn Environment {
        &*self.surroundings.environment
    }

    /// The users of the host.
    #[must_use]
    pub fn identities(&self) -> &dyn IdentityMap {
        &*self.surroundings.identities
    }

    /// Where records of persistent opens are kept, if anywhere.
    pub(crate) fn persistent_store(&self) -> Option<&Arc<dyn PersistentStore>> {
        self.surroundings.persistent_store.as_ref()
    }

    /// The settings in force, as one consistent whole.
    #[must_use]
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.settings.load().configuration.limits.clone()
    }

    /// Replaces the settings. Sessions and tree connects keep what they were granted; whom the new
    /// settings no longer entitle is the caller's to disconnect.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// A session id that no session has: random, so that it cannot be guessed, and below 2^32.
    // [MS-SMB2] 3.3.5.5.1
    // observed: smbtorture keeps the low half of an id only (smb2.session-id)
    #[must_use]
    pub fn new_session_id(&self) -> SessionId {
        loop {
            let mut bytes = [0; 4];
            self.environment().fill_random(&mut bytes);
            let id = SessionId(u32::from_le_bytes(bytes).into());
            if id.0 != 0 && id.0 != u64::MAX && self.session(id).is_none() {
                return id;
            }
        }
    }

    /// GlobalSessionTable: the session with this id.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions.lock().get(&id).cloned()
    }

    /// Adds a session; false if there is one with its id: another log-on may have drawn the same while both
    /// were in progress.
    #[must_use]
    pub(crate) fn insert_session(&self, session: &Arc<Session>) -> bool {
        let mut sessions = self.sessions.lock();
        let Entry::Vacant(free) = sessions.entry(session.id) else {
            return false;
        };
        free.insert(session.clone());
        self.statistics.sessions.add(1);
        true
    }

    /// Removes a session; true for the one caller that did, who then closes what it holds.
    #[must_use]
    pub fn remove_session(&self, id: SessionId) -> bool {
        self.sessions.lock().remove(&id).is_some()
    }

    /// All sessions, by id.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let mut all: Vec<_> = self.sessions.lock().values().cloned().collect();
        all.sort_unstable_by_key(|session| session.id);
        all
    }

    /// ConnectionList, in the order of arrival.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionState>> {
        self.connections.lock().values().cloned().collect()
    }

    pub(crate) fn new_connection_id(&self) -> u64 {
        self.last_connection
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }

    pub(crate) fn insert_connection(&self, connection: &Arc<ConnectionState>) {
        self.statistics.connections.add(1);
        self.connections
            .lock()
            .insert(connection.id, connection.clone());
    }

    pub(crate) fn remove_connection(&self, id: u64) {
        self.connections.lock().remove(&id);
    }

    /// A number for a FileId that no other open has or had since the start.
    pub(crate) fn new_file_id(&self) -> u64 {
        self.last_file_id
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }

    /// Leaves out the numbers up to one that an open of the server before has.
    pub(crate) fn skip_file_ids_to(&self, number: u64) {
        self.last_file_id.fetch_max(number, Ordering::Relaxed);
    }

    /// GlobalOpenTable: adds an open, unless there are as many as there may be.
    #[must_use]
    pub(crate) fn insert_open(&self, open: &Arc<Open>) -> bool {
        let most = self.settings.load().configuration.limits.opens;
        let mut opens = self.opens.lock();
        if opens.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return false;
        }
        self.statistics.opens.add(1);
        opens.insert(open.id(), Arc::downgrade(open));
        true
    }

    /// Has an open that is known already found as it is now.
    pub(crate) fn replace_open(&self, open: &Arc<Open>) {
        self.opens.lock().insert(open.id(), Arc::downgrade(open));
    }

    pub(crate) fn remove_open(&self, id: OpenId) {
        self.opens.lock().remove(&id);
    }

    /// The open with this number.
    #[must_use]
    pub fn open(&self, id: OpenId) -> Option<Arc<Open>> {
        self.opens.lock().get(&id)?.upgrade()
    }

    /// The number of oplock and lease breaks that await their acknowledgment.
    #[must_use]
    pub fn awaited_breaks(&self) -> usize {
        self.awaited_breaks.len()
    }

    /// The opens that wait for their client, in the order of their numbers.
    #[must_use]
    pub fn disconnected_opens(&self) -> Vec<Arc<Open>> {
        self.disconnected.all()
    }

    /// The number of opens in all.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.opens.lock().len()
    }
}

fn logon_limits(limits: &Limits) -> FailedLogonLimits {
    FailedLogonLimits {
        free_per_account: limits.logon_failures,
        free_per_address: limits.logon_failures_per_address,
        longest_delay: limits.logon_delay,
        ..FailedLogonLimits::default()
    }
}

fn store_limits(limits: &Limits) -> object_store::Limits {
    object_store::Limits {
        locks: usize::try_from(limits.locks_per_file).unwrap_or(usize::MAX),
        notify_buffer_bytes: limits.notify_buffer.to_u32(),
        ..object_store::Limits::default()
    }
}

/// Idle reply buffers kept per size, in bytes: a few connections' worth of large reads.
const KEPT_BUFFERS: usize = 32 << 20;

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("guid", &self.guid)
            .finish_non_exhaustive()
    }
}
