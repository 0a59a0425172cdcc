//! A connection: the six entry points, and the state that its jobs share.
//!
//! ```text
//!   new ──NEGOTIATE──> negotiated ──SESSION_SETUP──> serving ──any disconnect──> close()
//!    └──SMB1 "SMB 2.???"──> awaiting NEGOTIATE ──┘
//! ```
//!
//! The driver feeds one event in, drains everything out, and only then feeds the next. No rule of
//! the protocol stands here: rules live in `packet`, `request` and `commands`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::BytesMut;
use parking_lot::Mutex;
use wire::{AsyncId, Command, Dialect, Header, HeaderFlags, NtStatus, ProtocolId, SessionId};

use crate::clients::{ClientTable, KnownClient};
use crate::commands::negotiate::{self, Negotiated};
use crate::commands::teardown;
use crate::context::Context;
use crate::crypto::PreauthHash;
use crate::disconnect::DisconnectReason;
use crate::job::{Done, Job};
use crate::mailbox::{Mail, Mailbox};
use crate::packet::{self, Frame};
use crate::request::cancel::RequestList;
use crate::request::{self, Incoming, SequenceWindow};
use crate::server::Server;
use crate::session::{Attached, Channel, Session, Setup};

/// What is known of the link below a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// The client's address; none for a local socket.
    pub peer: Option<SocketAddr>,
    /// The address it connected to.
    pub local: Option<SocketAddr>,
    /// The transport speaks 64 KiB messages at most, as NetBIOS does.
    pub small_messages: bool,
}

/// What a connection's jobs share. [MS-SMB2] 3.3.1.7
pub struct ConnectionState {
    /// A number for logs and listings.
    pub id: u64,
    /// The link below.
    pub facts: LinkFacts,
    /// When the connection was accepted.
    pub accepted: Instant,
    /// How others hand frames to the driver.
    pub mailbox: Mailbox,
    /// RequestList.
    pub requests: RequestList,
    /// PreauthIntegrityHashValue.
    pub preauth: Mutex<PreauthHash>,
    /// Log-ons in progress.
    pub setups: Mutex<BTreeMap<SessionId, Setup>>,
    /// Whether SMB1 moved the client up to "SMB 2.???".
    pub wildcard: AtomicBool,
    negotiated: OnceLock<Negotiated>,
    /// The client, once somebody has logged on.
    client: Mutex<Option<KnownClient>>,
    sessions: Mutex<BTreeMap<SessionId, Attached>>,
    /// Channels of sessions that have ended, the latest last: their keys sign the refusal of what the
    /// client still asks.
    ended_channels: Mutex<VecDeque<Arc<Channel>>>,
    last_async_id: AtomicU64,
    authenticated: AtomicBool,
    /// The connection has ended: a log-on that was under way comes too late.
    closed: AtomicBool,
    plays_dead: AtomicBool,
}

impl ConnectionState {
    /// What NEGOTIATE settled; none before it.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.get()
    }

    /// Settles the negotiation; false if it was settled before.
    pub(crate) fn settle(&self, negotiated: Negotiated) -> bool {
        self.negotiated.set(negotiated).is_ok()
    }

    /// SessionTable: the session with this id.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<Attached> {
        self.sessions.lock().get(&id).cloned()
    }

    /// All sessions of this connection, by id.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions
            .lock()
            .values()
            .map(|attached| attached.session.clone())
            .collect()
    }

    /// Adds a session, which may be used on `most` connections.
    ///
    /// # Errors
    /// `CONNECTION_DISCONNECTED` when the connection has ended meanwhile, `USER_SESSION_DELETED` when
    /// the session has, `INSUFFICIENT_RESOURCES` when it has as many channels as it may have.
    pub(crate) fn attach(self: &Arc<Self>, attached: Attached, most: u32) -> Result<(), NtStatus> {
        let mut sessions = self.sessions.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(NtStatus::CONNECTION_DISCONNECTED);
        }
        attached.session.add_channel(self, most)?;
        self.authenticated.store(true, Ordering::Release);
        sessions.insert(attached.session.id, attached);
        Ok(())
    }

    /// Whether the client keeps to the dialect that it speaks on other connections.
    // [MS-SMB2] 3.3.5.5.3
    pub(crate) fn keeps_to_dialect(&self, clients: &Arc<ClientTable>) -> bool {
        let Some(negotiated) = self.negotiated() else {
            return false;
        };
        let (guid, dialect) = (negotiated.client_guid, negotiated.dialect);
        let mut client = self.client.lock();
        if dialect != Dialect::SMB_2_0_2 && client.is_none() {
            *client = ClientTable::enter(clients, guid, dialect);
            return client.is_some();
        }
        true
    }

    /// Whether the connection has ended or is about to.
    pub(crate) fn has_ended(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether the laboratory has the connection play dead.
    pub(crate) fn plays_dead(&self) -> bool {
        self.plays_dead.load(Ordering::Relaxed)
    }

    /// Has the connection play dead.
    pub(crate) fn play_dead(&self) {
        self.plays_dead.store(true, Ordering::Relaxed);
    }

    /// Lets no more sessions in, and tells which there are.
    pub(crate) fn end(&self) -> Vec<Arc<Session>> {
        self.client.lock().take();
        let sessions = self.sessions.lock();
        self.closed.store(true, Ordering::Release);
        sessions
            .values()
            .map(|attached| attached.session.clone())
            .collect()
    }

    /// Takes the session off this connection; true when it was the session's last channel.
    pub(crate) fn detach(&self, id: SessionId) -> Option<(Arc<Session>, bool)> {
        let attached = self.sessions.lock().remove(&id)?;
        let last = attached.session.remove_channel(self);
        if let Some(channel) = attached.channel {
            let mut ended = self.ended_channels.lock();
            ended.push_back(channel);
            if ended.len() > ENDED_CHANNELS {
                ended.pop_front();
            }
        }
        Some((attached.session, last))
    }

    /// The channel of a session that has ended not long ago.
    pub(crate) fn ended_channel(&self, id: SessionId) -> Option<Arc<Channel>> {
        let ended = self.ended_channels.lock();
        let mut latest = ended.iter().rev();
        latest.find(|channel| channel.session.id == id).cloned()
    }

    pub(crate) fn new_async_id(&self) -> AsyncId {
        AsyncId(
            self.last_async_id
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_add(1),
        )
    }
}

/// How many ended sessions a connection remembers the keys of.
const ENDED_CHANNELS: usize = 4;

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One connection, owned by its driver.
pub struct Connection {
    server: Arc<Server>,
    state: Arc<ConnectionState>,
    window: SequenceWindow,
    jobs: VecDeque<Job>,
    outgoing: VecDeque<Frame>,
    is_urgent: bool,
    ending: Option<DisconnectReason>,
    last_heard: Instant,
}

impl Connection {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(server: Arc<Server>, facts: LinkFacts, now: Instant) -> Self {
        let span = usize::try_from(server.limits().credits).unwrap_or(usize::MAX);
        let state = Arc::new(ConnectionState {
            id: server.new_connection_id(),
            facts,
            accepted: now,
            mailbox: Mailbox::default(),
            requests: RequestList::default(),
            preauth: Mutex::new(PreauthHash::new()),
            setups: Mutex::default(),
            wildcard: AtomicBool::new(false),
            negotiated: OnceLock::new(),
            client: Mutex::default(),
            sessions: Mutex::default(),
            ended_channels: Mutex::default(),
            last_async_id: AtomicU64::new(0),
            authenticated: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            plays_dead: AtomicBool::new(false),
        });
        server.insert_connection(&state);
        Self {
            server,
            state,
            window: SequenceWindow::new(span),
            jobs: VecDeque::new(),
            outgoing: VecDeque::new(),
            is_urgent: false,
            ending: None,
            last_heard: now,
        }
    }

    /// The part that others may look at.
    #[must_use]
    pub fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }

    /// Takes one whole transport message.
    ///
    /// # Errors
    /// The connection has to end at once, without an answer.
    pub fn receive(&mut self, now: Instant, mut frame: BytesMut) -> Result<(), DisconnectReason> {
        self.last_heard = now;
        self.is_urgent = false;
        let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        self.server.statistics.bytes_received.add(length);
        // [MS-SMB2] 3.3.5.2
        match ProtocolId::of(&frame).ok_or(DisconnectReason::UnknownProtocol)? {
            ProtocolId::Smb2 => self.admit(now, frame, None),
            ProtocolId::Transform => {
                let find = |id| self.state.session(id).map(|attached| attached.session);
                let session = packet::open(&mut frame, find)?;
                self.admit(now, frame, Some(session))
            }
            ProtocolId::Smb1 => self.move_up(now, &frame.freeze()),
            ProtocolId::Compressed => Err(DisconnectReason::UnexpectedCompression),
        }
    }

    /// The next job to be polled once here, and moved to an executor if it is not done then.
    pub fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Takes a finished job's result.
    pub fn finish(&mut self, done: Done) {
        self.read_mail();
        self.take_done(done);
    }

    /// The next bytes to send.
    pub fn next_frame(&mut self) -> Option<Frame> {
        self.read_mail();
        let frame = self.outgoing.pop_front()?;
        self.server
            .statistics
            .bytes_sent
            .add(u64::try_from(frame.length()).unwrap_or(u64::MAX));
        Some(frame)
    }

    /// Whether the link is lost if the client's transport does not acknowledge within
    /// [`UNACKNOWLEDGED`](crate::UNACKNOWLEDGED) what is sent now. It is not when the client has been heard since.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Why the connection has to end, once everything there is has been sent.
    #[must_use]
    pub fn ending(&self) -> Option<DisconnectReason> {
        self.ending
    }

    /// A deadline has passed.
    ///
    /// # Errors
    /// The connection has to end: `AuthenticationTimeout` or `IdleTimeout`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DisconnectReason> {
        if self.next_timeout().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if self.state.authenticated.load(Ordering::Acquire) {
            Err(DisconnectReason::IdleTimeout)
        } else {
            Err(DisconnectReason::AuthenticationTimeout)
        }
    }

    /// When [`Connection::handle_timeout`] has something to decide; none if it never will as
    /// things are.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let settings = self.server.settings();
        let server = &settings.configuration.server;
        if !self.state.authenticated.load(Ordering::Acquire) {
            return self
                .state
                .accepted
                .checked_add(server.authentication_timeout);
        }
        let is_in_use = self
            .state
            .sessions
            .lock()
            .values()
            .any(|attached| !attached.session.opens.is_empty());
        if is_in_use || !self.state.requests.is_empty() {
            return self
                .server
                .environment()
                .now()
                .checked_add(server.idle_timeout);
        }
        self.last_heard.checked_add(server.idle_timeout)
    }

    /// Ends the connection: the job closes everything that only this connection held.
    // [MS-SMB2] 3.3.7.1
    #[must_use]
    pub fn close(self, reason: Option<DisconnectReason>) -> Job {
        if let Some(reason) = reason {
            self.server.statistics.count_disconnect(reason);
            tracing::info!(target: "smb::connection", connection = self.state.id, %reason, "disconnected");
        }
        self.server.remove_connection(self.state.id);
        self.state.requests.end_all(self.state.id);
        let (server, state) = (self.server, self.state);
        Job::new(async move {
            teardown::connection(&server, &state).await;
            Done::default()
        })
    }

    /// Checks each message of a frame and makes one job of them.
    fn admit(
        &mut self,
        now: Instant,
        mut frame: BytesMut,
        sealed_by: Option<Arc<Session>>,
    ) -> Result<(), DisconnectReason> {
        let sealed_for = sealed_by.as_ref().map(|session| session.id);
        let mut messages = Vec::with_capacity(1);
        loop {
            let (header, message) = packet::split(&mut frame)?;
            if let Some(incoming) =
                self.admit_message(header, message, sealed_for, messages.len())?
            {
                messages.push(incoming);
            }
            if frame.is_empty() {
                break;
            }
        }
        if !messages.is_empty() {
            let context = Context::new(&self.server, &self.state, now, sealed_by);
            self.jobs
                .push_back(Job::new(request::carry_out(context, messages)));
        }
        Ok(())
    }

    /// Checks one message; CANCEL is carried out on the spot and has no reply.
    fn admit_message(
        &mut self,
        header: Header,
        message: BytesMut,
        sealed_for: Option<SessionId>,
        place: usize,
    ) -> Result<Option<Incoming>, DisconnectReason> {
        let command = header.command();
        // [MS-SMB2] 3.3.5.2.6
        // departs [MS-SMB2] 3.3.5.2.6: behind others in a compound it is answered, as they are
        if command.is_none() && place == 0 {
            return Err(DisconnectReason::UnknownCommand);
        }
        let is_related = header.flags.contains(HeaderFlags::RELATED_OPERATIONS);
        // [MS-SMB2] 3.3.5.2.1.1
        let other_session = sealed_for.is_some_and(|id| id != header.session_id);
        if sealed_for.is_some() && (is_related && place == 0 || !is_related && other_session) {
            return Err(DisconnectReason::MalformedTransform);
        }
        // [MS-SMB2] 3.3.5.2.2
        if self.state.negotiated().is_none() && command != Some(Command::Negotiate) {
            return Err(DisconnectReason::NotNegotiated);
        }
        if command == Some(Command::Cancel) {
            request::cancel_request(&self.state, &header, message, sealed_for.is_some());
            return Ok(None);
        }
        let multi_credit = self
            .state
            .negotiated()
            .is_some_and(|n| n.supports_multi_credit);
        request::check_size(command, message.len(), multi_credit)?;
        let charge = if multi_credit {
            header.credit_charge
        } else {
            1
        };
        if !self.window.consume(header.message_id.0, charge) {
            return Err(DisconnectReason::SequenceWindow);
        }
        let granted = request::credits_to_grant(&mut self.window, &header);
        let entry = self.state.requests.insert(header.message_id);
        Ok(Some(Incoming {
            header,
            command,
            message,
            granted,
            entry,
        }))
    }

    /// Answers an SMB1 NEGOTIATE that asks for SMB2.
    // [MS-SMB2] 3.3.5.3
    fn move_up(&mut self, now: Instant, message: &bytes::Bytes) -> Result<(), DisconnectReason> {
        let is_second = self.state.wildcard.load(Ordering::Acquire);
        if is_second || self.state.negotiated().is_some() {
            return Err(DisconnectReason::NegotiatedTwice);
        }
        // [MS-SMB2] 3.3.5.2.3
        // The SMB1 request uses message id 0.
        if !self.window.consume(0, 1) {
            return Err(DisconnectReason::SequenceWindow);
        }
        let granted = self.window.grant(1);
        let context = Context::new(&self.server, &self.state, now, None);
        let done = negotiate::move_up(context, message, granted)?;
        self.take_done(done);
        Ok(())
    }

    fn read_mail(&mut self) {
        while let Some(mail) = self.state.mailbox.take() {
            match mail {
                Mail::Frame(frame) => self.outgoing.push_back(frame),
                Mail::Urgent(frame) => {
                    self.is_urgent = true;
                    self.outgoing.push_back(frame);
                }
                Mail::Done(done) => self.take_done(done),
                Mail::Disconnect(reason) => self.ending = self.ending.or(Some(reason)),
            }
        }
    }

    fn take_done(&mut self, done: Done) {
        self.outgoing.extend(done.frames);
        self.ending = self.ending.or(done.disconnect);
        // Breaks that waited for these replies stand behind them in the mailbox now.
        drop(done.answered);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.state.id)
            .finish_non_exhaustive()
    }
}
