//! What a request carries while it is being carried out.
//!
//! One [`Context`] serves the messages of one frame in turn. It owns the replies collected so far
//! and is the one place where a request may wait: [`Context::wait`] makes the interim reply and is
//! ended by CANCEL.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wire::{
    AsyncId, Command, FileId, Header, HeaderFlags, HeaderId, NtStatus, Response, SessionId, TreeId,
};

use crate::commands::negotiate::Negotiated;
use crate::commands::{Answer, Unanswered};
use crate::connection::ConnectionState;
use crate::crypto::PreauthHash;
use crate::disconnect::DisconnectReason;
use crate::durable;
use crate::mailbox::Mail;
use crate::object_store::OpenId;
use crate::open::Open;
use crate::packet::{Frame, ReplyBuffer, Signer};
use crate::persistence;
use crate::request::cancel::RequestEntry;
use crate::request::{Incoming, Outstanding};
use crate::server::Server;
use crate::session::{Attached, Channel, Session};
use crate::share::{Caller, ReplyRoom};
use crate::tree_connect::TreeConnect;

/// What a compounded request takes over from the one before it. [MS-SMB2] 3.3.5.2.7.2
#[derive(Debug, Clone, Default)]
pub struct Related {
    /// The SessionId used or generated.
    pub session_id: Option<SessionId>,
    /// The TreeId used or generated.
    pub tree_id: Option<TreeId>,
    /// The FileId used or generated.
    pub file_id: Option<FileId>,
    /// How the previous request ended.
    pub last_status: Option<NtStatus>,
    /// The previous request has a FileId, or would have if it had not failed.
    pub has_file: bool,
}

/// One request being carried out, and the replies of its frame.
pub struct Context {
    /// The server.
    pub server: Arc<Server>,
    /// The connection that the request came on.
    pub connection: Arc<ConnectionState>,
    /// When the request's turn came: when its frame did, or the one before it was answered.
    begun: Instant,
    /// The request's header.
    pub header: Header,
    /// The session, once looked up.
    pub session: Option<Arc<Session>>,
    /// The tree connect, once looked up.
    pub tree: Option<Arc<TreeConnect>>,
    /// What the request takes over from the one before it, and leaves to the next.
    pub related: Related,
    /// The session that the frame was encrypted for. Its key encrypts the replies, also when the
    /// session has ended meanwhile.
    pub sealed_by: Option<Arc<Session>>,
    /// The session's hash that the reply's bytes go into. [MS-SMB2] 3.3.5.5.3
    pub(crate) hash_reply_into: Option<HashTarget>,
    channel: Option<Arc<Channel>>,
    entry: Arc<RequestEntry>,
    /// How the open counts the request that is under way.
    outstanding: Option<Outstanding>,
    granted: u16,
    async_id: Option<AsyncId>,
    replies: ReplyBuffer,
    /// Those requests whose replies are collected that decide about caching.
    unanswered: Vec<Unanswered>,
    lent: Option<ReplyRoom>,
    is_last: bool,
    disconnect: Option<DisconnectReason>,
}

/// Which pre-authentication hash a reply's bytes are added to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HashTarget {
    /// The connection's.
    Connection,
    /// That of a log-on in progress.
    Setup(SessionId),
}

impl Context {
    pub(crate) fn new(
        server: &Arc<Server>,
        connection: &Arc<ConnectionState>,
        received: Instant,
        sealed_by: Option<Arc<Session>>,
    ) -> Self {
        Self {
            replies: ReplyBuffer::new(server.buffers.clone()),
            server: server.clone(),
            connection: connection.clone(),
            begun: received,
            header: EMPTY_HEADER,
            session: None,
            tree: None,
            related: Related::default(),
            sealed_by,
            hash_reply_into: None,
            channel: None,
            entry: Arc::default(),
            outstanding: None,
            granted: 0,
            async_id: None,
            unanswered: Vec::new(),
            lent: None,
            is_last: true,
            disconnect: None,
        }
    }

    /// Starts the next message of the frame.
    pub(crate) fn begin(&mut self, incoming: &Incoming, is_last: bool) {
        self.header = incoming.header;
        self.entry = incoming.entry.clone();
        self.outstanding = None;
        self.granted = incoming.granted;
        self.async_id = None;
        self.session = None;
        self.channel = None;
        self.tree = None;
        self.is_last = is_last;
    }

    /// When the request's turn came.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// How long the request took until now. What comes now is the time of the next one.
    pub(crate) fn take_time(&mut self) -> Duration {
        let now = self.server.environment().now();
        let begun = std::mem::replace(&mut self.begun, now);
        now.saturating_duration_since(begun)
    }

    /// Whether the request waited for somebody else.
    pub(crate) fn has_waited(&self) -> bool {
        self.async_id.is_some()
    }

    /// Uses a session of this connection for the request and its reply.
    pub(crate) fn use_session(&mut self, attached: Attached) {
        self.related.session_id = Some(attached.session.id);
        self.session = Some(attached.session);
        self.channel = attached.channel;
    }

    /// What the connection has agreed on.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` before NEGOTIATE, which nothing else may come before.
    pub fn negotiated(&self) -> Result<&Negotiated, NtStatus> {
        let negotiated = self.connection.negotiated();
        negotiated.ok_or(NtStatus::INVALID_PARAMETER)
    }

    /// Whether so many bytes of a request or its reply are no more than MaxTransactSize.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` if they are more.
    pub fn check_transact_size(&self, length: u32) -> Result<(), NtStatus> {
        if length > self.negotiated()?.max_transact_size {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        Ok(())
    }

    /// The session.
    ///
    /// # Errors
    /// `USER_SESSION_DELETED` without one: the command's rule did not ask for it.
    pub fn session(&self) -> Result<&Arc<Session>, NtStatus> {
        self.session.as_ref().ok_or(NtStatus::USER_SESSION_DELETED)
    }

    /// The tree connect.
    ///
    /// # Errors
    /// `NETWORK_NAME_DELETED` without one.
    pub fn tree(&self) -> Result<&Arc<TreeConnect>, NtStatus> {
        self.tree.as_ref().ok_or(NtStatus::NETWORK_NAME_DELETED)
    }

    /// The user as the share's handler knows it.
    ///
    /// # Errors
    /// `NETWORK_NAME_DELETED` without a tree connect.
    pub fn caller(&self) -> Result<Arc<Caller>, NtStatus> {
        Ok(self.tree()?.caller.load_full())
    }

    /// The open that the request names, or the one of the request before it.
    ///
    /// # Errors
    /// `FILE_CLOSED`; `FILE_NOT_AVAILABLE` for a persistent open that the session's client has yet to take up
    /// again; `ACCESS_DENIED` for an unencrypted request to a pipe that was opened encrypted; in a compound
    /// `INVALID_HANDLE` or the previous request's status.
    pub fn open(&mut self, named: FileId) -> Result<Arc<Open>, NtStatus> {
        let file_id = self.file_id(named)?;
        let open = self
            .session()?
            .opens
            .find(file_id)
            .ok_or_else(|| self.why_not_open(file_id))?;
        // [MS-SMB2] 3.3.5.2.11
        // The open belongs to the tree connect it was made on.
        if self
            .tree
            .as_ref()
            .is_some_and(|tree| tree.id != open.tree.id)
        {
            return Err(NtStatus::FILE_CLOSED);
        }
        if open.is_encrypted_pipe && self.sealed_by.is_none() {
            return Err(NtStatus::ACCESS_DENIED);
        }
        durable::end_replay(&self.server, &open);
        self.verify_channel_sequence(&open)?;
        Ok(open)
    }

    /// What to say of an open that the session does not have. One that waits for this very client is not closed:
    /// it takes it up again before it repeats its request, which has overtaken that.
    // [MS-SMB2] 3.3.4.4
    fn why_not_open(&self, file_id: FileId) -> NtStatus {
        let waiting = self
            .server
            .disconnected
            .find(OpenId(file_id.persistent))
            .filter(|open| open.file_id == file_id && persistence::is_persistent(open));
        let is_own = |open: Arc<Open>| {
            let (Ok(session), Ok(tree)) = (self.session(), self.tree()) else {
                return false;
            };
            open.client_guid == session.client_guid
                && open.owner == session.owner()
                && open.tree.share.id == tree.share.id
        };
        // To close it, the client need not have it.
        let is_io = self.header.command() != Some(Command::Close);
        if is_io && waiting.is_some_and(is_own) {
            NtStatus::FILE_NOT_AVAILABLE
        } else {
            NtStatus::FILE_CLOSED
        }
    }

    /// The FileId that the request names, or takes over.
    ///
    /// # Errors
    /// `INVALID_HANDLE`, or the previous request's status.
    pub fn file_id(&mut self, named: FileId) -> Result<FileId, NtStatus> {
        let is_related = self.header.flags.contains(HeaderFlags::RELATED_OPERATIONS);
        if !is_related {
            self.related.file_id = Some(named);
            self.related.has_file = true;
            return Ok(named);
        }
        // [MS-SMB2] 3.3.5.2.7.2
        if !self.related.has_file {
            return Err(NtStatus::INVALID_HANDLE);
        }
        // departs [MS-SMB2] 3.3.5.2.7.2: a failure that leaves the FileId valid, as of a WRITE, is not
        // handed on; Windows goes on too
        let failure = self.related.last_status.filter(|status| status.is_error());
        self.related
            .file_id
            .ok_or(failure.unwrap_or(NtStatus::INVALID_HANDLE))
    }

    // [MS-SMB2] 3.3.5.2.10
    fn verify_channel_sequence(&mut self, open: &Arc<Open>) -> Result<(), NtStatus> {
        let negotiated = self.connection.negotiated();
        if negotiated.is_some_and(Negotiated::is_smb3) && self.outstanding.is_none() {
            self.outstanding = Outstanding::count(open, &self.header)?;
        }
        Ok(())
    }

    /// Waits for `event`. Unless it has happened already, the client gets an interim reply first,
    /// and may then cancel.
    ///
    /// # Errors
    /// `CANCELLED`, or the status with which somebody ended the request; `USER_SESSION_DELETED` when its
    /// session has ended; `INSUFFICIENT_RESOURCES` when too many requests of the connection wait.
    // [MS-SMB2] 3.3.4.2
    pub async fn wait<T>(&mut self, event: impl Future<Output = T>) -> Result<T, NtStatus> {
        let mut event = pin!(event);
        let at_once = std::future::poll_fn(|cx| match event.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(value) = at_once.await {
            return Ok(value);
        }
        self.become_asynchronous()?;
        let entry = self.entry.clone();
        let mut ended = pin!(entry.ended());
        std::future::poll_fn(|cx| {
            if let Poll::Ready(value) = event.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            ended.as_mut().poll(cx).map(Err)
        })
        .await
    }

    /// Has the request's waits go on when the connection is lost, as long as the session has another one.
    ///
    /// # Errors
    /// `USER_SESSION_DELETED` without a session.
    pub fn outlive_channel(&self) -> Result<(), NtStatus> {
        self.entry.outlive_channel(self.session()?);
        Ok(())
    }

    /// Refuses to wait for what may never happen when other requests of the frame come after.
    ///
    /// # Errors
    /// `INTERNAL_ERROR`, as Windows answers. [MS-SMB2] note 266
    pub fn refuse_waiting_in_compound(&self) -> Result<(), NtStatus> {
        if self.is_last {
            Ok(())
        } else {
            Err(NtStatus::INTERNAL_ERROR)
        }
    }

    /// Sends what is ready and an interim reply, once per request.
    fn become_asynchronous(&mut self) -> Result<(), NtStatus> {
        if self.async_id.is_some() {
            return Ok(());
        }
        let most = usize::try_from(self.server.limits().async_operations).unwrap_or(usize::MAX);
        // [MS-SMB2] 3.3.4.2
        if self.connection.requests.waiting() >= most {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        // Replies of earlier requests in the compound do not wait for this one.
        if let Some(frame) = self.finish_frame() {
            self.connection.mailbox.post(Mail::Frame(frame));
        }
        self.unanswered.clear();
        let async_id = self.connection.new_async_id();
        let session_id = self.session.as_ref().map(|session| session.id);
        let requests = &self.connection.requests;
        requests.set_waiting(&self.entry, async_id, session_id);
        // Of this and the end of the session, which ends what waits in it, the later sees the other.
        if session_id.is_some_and(|id| self.server.session(id).is_none()) {
            return Err(NtStatus::USER_SESSION_DELETED);
        }
        self.async_id = Some(async_id);
        let header = self.reply_header(NtStatus::PENDING);
        self.replies
            .append(&header, &Answer::error(NtStatus::PENDING).body, None);
        if let Some(frame) = self.finish_frame() {
            self.connection.mailbox.post(Mail::Frame(frame));
        }
        Ok(())
    }

    /// The room of a READ reply; hand it back by [`Answer::data`] or [`Context::give_back`].
    pub(crate) fn lend_room(&mut self, length: usize) -> ReplyRoom {
        let room = self.replies.lend_room(length);
        if self.may_send_region() {
            room.allow_region()
        } else {
            room
        }
    }

    /// Takes a room back that will not be used.
    pub(crate) fn give_back(&mut self, room: ReplyRoom) {
        self.replies.give_back(room);
    }

    /// Keeps the filled room for the reply.
    pub(crate) fn keep_room(&mut self, room: ReplyRoom) {
        self.lent = Some(room);
    }

    /// Whether the reply is alone in its frame, neither signed nor encrypted.
    fn may_send_region(&self) -> bool {
        self.is_last && self.replies.is_empty() && self.signer().is_none() && !self.seals()
    }

    /// Puts the request's final reply with the others.
    pub(crate) fn reply(&mut self, answer: &Answer) {
        self.related.last_status = Some(answer.status);
        self.outstanding = None;
        let header = self.reply_header(answer.status);
        let signer = self.signer();
        match (self.lent.take(), answer.filled) {
            (Some(room), Some(filled)) => self.replies.append_data(&header, room, filled, signer),
            (room, _) => {
                if let Some(room) = room {
                    self.replies.give_back(room);
                }
                self.replies.append(&header, &answer.body, signer);
            }
        }
    }

    /// Has breaks of what this request was granted held back until its reply is sent.
    pub(crate) fn hold_back_breaks(&mut self, unanswered: Unanswered) {
        self.unanswered.push(unanswered);
    }

    /// The requests about caching that the frame completed last answers.
    pub(crate) fn take_unanswered(&mut self) -> Vec<Unanswered> {
        std::mem::take(&mut self.unanswered)
    }

    /// Puts a reply that has no SMB2 request behind it.
    pub(crate) fn reply_alone(&mut self, header: &Header, body: &Response) {
        self.replies.append(header, body, None);
    }

    /// Completes the replies collected so far as one frame.
    pub(crate) fn finish_frame(&mut self) -> Option<Frame> {
        let sealer = self.sealer();
        let frame = self.replies.finish(sealer.as_deref())?;
        match self.hash_reply_into.take() {
            Some(HashTarget::Connection) => self.hash(&mut self.connection.preauth.lock(), &frame),
            Some(HashTarget::Setup(id)) => {
                if let Some(setup) = self.connection.setups.lock().get_mut(&id) {
                    self.hash(&mut setup.preauth, &frame);
                }
            }
            None => {}
        }
        Some(frame)
    }

    fn hash(&self, hash: &mut PreauthHash, frame: &Frame) {
        hash.update(self.server.crypto, &frame.head);
    }

    /// Ends the connection once this frame's replies are sent.
    pub(crate) fn disconnect(&mut self, reason: DisconnectReason) {
        self.disconnect = self.disconnect.or(Some(reason));
    }

    /// Why the connection has to end, if it has to.
    pub(crate) fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.disconnect
    }

    fn reply_header(&mut self, status: NtStatus) -> Header {
        let mut flags = HeaderFlags::SERVER_TO_REDIR;
        // [MS-SMB2] 3.3.5.2.7.2
        if !self.replies.is_empty() && self.header.flags.contains(HeaderFlags::RELATED_OPERATIONS) {
            flags |= HeaderFlags::RELATED_OPERATIONS;
        }
        flags |= self.header.flags & (HeaderFlags::PRIORITY_MASK | HeaderFlags::REPLAY_OPERATION);
        let tree_id = self
            .tree
            .as_ref()
            .map(|tree| tree.id)
            .or(self.header.tree_id());
        let id = match (self.async_id, self.header.id) {
            (Some(id), _) | (None, HeaderId::Async(id)) => HeaderId::Async(id),
            (
                None,
                HeaderId::Sync {
                    process_id,
                    tree_id: named,
                },
            ) => HeaderId::Sync {
                process_id,
                tree_id: tree_id.unwrap_or(named),
            },
        };
        let session_id = self.session.as_ref().map(|session| session.id);
        Header {
            credit_charge: self.header.credit_charge,
            status,
            command: self.header.command,
            credits: std::mem::take(&mut self.granted),
            flags,
            next_command: 0,
            message_id: self.header.message_id,
            id,
            session_id: session_id
                .or(self.related.session_id)
                .unwrap_or(self.header.session_id),
            signature: [0; 16],
        }
    }

    /// Who signs the reply. [MS-SMB2] 3.3.4.1.1
    fn signer(&self) -> Signer {
        let channel = self.channel.as_ref()?;
        let was_signed = self.header.flags.contains(HeaderFlags::SIGNED);
        (was_signed || channel.session.signing_required).then(|| channel.clone())
    }

    /// Signs the reply of the SESSION_SETUP that completed a log-on.
    pub(crate) fn sign_by(&mut self, channel: Option<Arc<Channel>>) {
        if channel.is_some() {
            self.header.flags |= HeaderFlags::SIGNED;
        }
        self.channel = channel;
    }

    fn seals(&self) -> bool {
        self.sealer().is_some()
    }

    /// The session whose key encrypts the frame. [MS-SMB2] 3.3.4.1.4
    fn sealer(&self) -> Option<Arc<Session>> {
        if let Some(session) = &self.sealed_by {
            return Some(session.clone());
        }
        let command = self.header.command();
        let session = self.session.as_ref()?;
        let is_clear = matches!(command, Some(Command::Negotiate | Command::SessionSetup));
        let share_seals = command != Some(Command::TreeConnect)
            && self
                .tree
                .as_ref()
                .is_some_and(|tree| tree.share.encrypt_data());
        ((session.encrypt_data || share_seals) && !is_clear).then(|| session.clone())
    }
}

/// Stands where no message has been begun yet.
const EMPTY_HEADER: Header = Header {
    credit_charge: 0,
    status: NtStatus::SUCCESS,
    command: wire::CommandCode(0),
    credits: 0,
    flags: HeaderFlags::NONE,
    next_command: 0,
    message_id: wire::MessageId(0),
    id: HeaderId::Sync {
        process_id: wire::ProcessId(0),
        tree_id: TreeId(0),
    },
    session_id: SessionId(0),
    signature: [0; 16],
};
