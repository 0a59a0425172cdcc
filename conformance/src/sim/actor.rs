//! One simulated client: a raw connection, what it has open, and what it has asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use auth::client::Credentials;
use bytes::{Bytes, BytesMut};
use server::{Environment, Server};
use wire::create::LeaseState;
use wire::dtyp::Guid;
use wire::{Command, Dialect, FileId, MessageId, OplockBreakAcknowledgment, OplockLevel, Request};

use super::caches::Caches;
use super::environment::Virtual;
use super::locks::SentLocks;
use super::plan::Profile;
use super::random::Random;
use super::server_end::ServerEnd;
use super::translation::state_of;
use super::world::{OTHER_USER, PASSWORD, SHARE, USER};
use crate::client::{
    ClientConnection, Logon, LogonStep, Offer, Outgoing, Protection, Reply, Scope, requests,
};
use crate::model::{Holder, Operation};

/// Who a client is: the same on all its connections.
#[derive(Debug, Clone, Copy)]
struct Identity {
    dialect: Dialect,
    guid: Guid,
    user: &'static str,
}

/// One client and the server's end of its link.
pub struct Actor {
    /// The server's end.
    pub end: ServerEnd,
    /// What the client has asked for and not been answered.
    pub asked: BTreeMap<MessageId, Operation>,
    /// Which client it is.
    pub client: usize,
    /// What it does.
    pub profile: Profile,
    /// The opens of files that it knows of, by number.
    pub opens: BTreeMap<u64, FileId>,
    /// Its further opens of the root.
    pub roots: BTreeMap<u64, FileId>,
    /// The opens that a lost connection has taken, and that it has not asked for again.
    pub lost: BTreeSet<u64>,
    /// What the client may cache.
    pub caches: Caches,
    /// The requests that the server was told to cancel.
    pub cancelled: BTreeSet<MessageId>,
    /// What it may send again.
    pub sent_locks: SentLocks,
    identity: Identity,
    raw: ClientConnection,
    scope: Scope,
    root: Option<FileId>,
    /// Frames on their way to the server.
    link: VecDeque<(Purpose, BytesMut)>,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ask(MessageId),
    Cancel(MessageId),
}

impl Actor {
    /// A client that has connected, logged on and opened the share's root, if the share lets it.
    ///
    /// # Panics
    /// The server refuses a log-on that is right.
    #[must_use]
    pub fn connect(
        client: usize,
        profile: Profile,
        (server, environment): (&Arc<Server>, &Virtual),
        random: &mut Random,
    ) -> Self {
        let dialect = *random.pick(&DIALECTS);
        let mut guid = Guid([0; 16]);
        random.clone().fill(&mut guid.0);
        let is_other = profile >= Profile::Durable && client % 3 == 2;
        let identity = Identity {
            dialect,
            guid,
            user: if is_other { OTHER_USER } else { USER },
        };
        let mut actor = Self::new(client, profile, identity, (server, environment));
        actor.begin(environment, random);
        actor
    }

    /// The same client on a new connection, with what it knows of its leases. In profiles in which nobody
    /// comes back, it is a new one.
    ///
    /// # Panics
    /// The server refuses a log-on that is right.
    pub fn come_back(&mut self, world: (&Arc<Server>, &Virtual), random: &mut Random) {
        if self.profile < Profile::Durable {
            *self = Self::connect(self.client, self.profile, world, random);
            return;
        }
        let mut caches = std::mem::take(&mut self.caches);
        caches.disconnected();
        let mut lost = std::mem::take(&mut self.lost);
        lost.extend(self.opens.keys());
        let sent_locks = std::mem::take(&mut self.sent_locks);
        *self = Self {
            caches,
            lost,
            sent_locks,
            ..Self::new(self.client, self.profile, self.identity, world)
        };
        self.begin(world.1, random);
    }

    fn new(
        client: usize,
        profile: Profile,
        identity: Identity,
        (server, environment): (&Arc<Server>, &Virtual),
    ) -> Self {
        Self {
            end: ServerEnd::new(server, environment),
            asked: BTreeMap::new(),
            client,
            profile,
            opens: BTreeMap::new(),
            roots: BTreeMap::new(),
            lost: BTreeSet::new(),
            caches: Caches::default(),
            cancelled: BTreeSet::new(),
            sent_locks: SentLocks::new(),
            identity,
            raw: ClientConnection::new(Offer {
                client_guid: identity.guid,
                ..Offer::dialect(identity.dialect)
            }),
            scope: Scope::NONE,
            root: None,
            link: VecDeque::new(),
        }
    }

    fn begin(&mut self, environment: &Virtual, random: &mut Random) {
        let dialect = self.identity.dialect;
        let negotiate = self.raw.negotiate();
        self.call(environment, &negotiate);
        self.log_on(environment, random);
        let protections: &[_] = if dialect.0 >= Dialect::SMB_3_0.0 {
            &[Protection::Plain, Protection::Signed, Protection::Sealed]
        } else {
            &[Protection::Plain, Protection::Signed]
        };
        let protection = *random.pick(protections);
        if let Some(session) = self.raw.session_mut(self.scope.session) {
            session.protection = protection;
        }
        let path = format!("\\\\server\\{SHARE}");
        let tree = self
            .raw
            .prepare(self.scope, requests::tree_connect(&path).into());
        let reply = self.call(environment, &tree);
        self.scope.tree = reply.header.tree_id().expect("a tree connect");
        let root = self
            .raw
            .prepare(self.scope, requests::open_directory("").into());
        let reply = self.call(environment, &root);
        let created: Option<wire::CreateResponse> = reply.body().ok();
        self.root = created
            .filter(|_| reply.status().0 == 0)
            .map(|body| body.file_id);
    }

    fn log_on(&mut self, environment: &Virtual, random: &mut Random) {
        let mut entropy = [0; 32];
        random.fill(&mut entropy);
        let credentials = Credentials::password(self.identity.user, "", PASSWORD);
        let mut logon = Logon::ntlm(credentials, entropy, environment.wall_clock());
        let mut request = logon.start(&mut self.raw);
        loop {
            let reply = self.call(environment, &request);
            match logon.step(&mut self.raw, &reply) {
                LogonStep::Send(next) => request = next,
                LogonStep::Done(session) => {
                    self.scope = Scope::session(session);
                    return;
                }
                other => panic!("the log-on failed: {other:?}"),
            }
        }
    }

    /// Sends a request and lets time pass until its final reply.
    fn call(&mut self, environment: &Virtual, request: &Outgoing) -> Reply {
        let mut frame = BytesMut::new();
        self.raw.encode(std::slice::from_ref(request), &mut frame);
        self.end.receive(frame).expect("the connection stands");
        for _ in 0..LONGEST_CALL {
            environment.run();
            let replies = self.take_replies().expect("the connection stands");
            let is_wanted =
                |reply: &Reply| reply.message_id() == request.message_id() && !reply.is_interim();
            if let Some(reply) = replies.into_iter().find(is_wanted) {
                return reply;
            }
            environment.advance(Duration::from_secs(1));
        }
        panic!("no reply to {:?}", request.header);
    }

    /// Puts an operation on the link.
    pub fn ask(&mut self, operation: Operation, request: Request) {
        let request = self.raw.prepare(self.scope, request);
        self.asked.insert(request.message_id(), operation);
        self.put_on_link(&request);
    }

    /// Acknowledges the oldest break; where clients are so inclined, sometimes with less than was left.
    pub fn acknowledge(&mut self, random: &mut Random) {
        let Some(mut request) = self.caches.acknowledge() else {
            return;
        };
        let gives_all_up = self.profile >= Profile::Durable && random.once_in(6);
        let (holder, kept) = match &mut request {
            OplockBreakAcknowledgment::Oplock(kept) => {
                if gives_all_up {
                    kept.oplock_level = OplockLevel::NONE;
                }
                let holder = Holder::Open(kept.file_id.persistent);
                (holder, state_of(kept.oplock_level))
            }
            OplockBreakAcknowledgment::Lease(kept) => {
                if gives_all_up {
                    kept.lease_state = LeaseState::NONE;
                }
                let client = self.client;
                let key = u128::from_be_bytes(kept.lease_key.0);
                (Holder::Lease { client, key }, kept.lease_state)
            }
        };
        self.ask(Operation::Acknowledge { holder, kept }, request.into());
    }

    /// Cancels one of the requests under way.
    pub fn cancel(&mut self, random: &mut Random) {
        self.cancel_any(|_| true, random);
    }

    /// Cancels one of the LOCKs under way.
    pub fn cancel_lock(&mut self, random: &mut Random) {
        self.cancel_any(Operation::is_lock, random);
    }

    fn cancel_any(&mut self, is_wanted: impl Fn(&Operation) -> bool, random: &mut Random) {
        let asked = self.asked.iter();
        let asked = asked.filter(|(_, operation)| is_wanted(operation));
        let asked: Vec<_> = asked.map(|(id, _)| *id).collect();
        if !asked.is_empty() {
            let message_id = *random.pick(&asked);
            let request = self.raw.cancel(message_id, self.scope);
            self.put_on_link(&request);
        }
    }

    fn put_on_link(&mut self, request: &Outgoing) {
        let mut frame = BytesMut::new();
        self.raw.encode(std::slice::from_ref(request), &mut frame);
        let id = request.message_id();
        let is_cancel = request.command() == Command::Cancel.into();
        let purpose = if is_cancel {
            Purpose::Cancel(id)
        } else {
            Purpose::Ask(id)
        };
        self.link.push_back((purpose, frame));
    }

    /// What was asked for, has reached the server and is not answered.
    pub fn waiting(&self) -> impl Iterator<Item = &Operation> {
        let is_on_link = |id: &MessageId| {
            let mut purposes = self.link.iter().map(|(purpose, _)| *purpose);
            purposes.any(|purpose| purpose == Purpose::Ask(*id))
        };
        let asked = self.asked.iter().filter(move |(id, _)| !is_on_link(id));
        asked.map(|(_, asked)| asked)
    }

    /// What the server was told to cancel, and has not answered.
    #[must_use]
    pub fn cancelled_in_vain(&self) -> Option<&Operation> {
        let mut cancelled = self.cancelled.iter();
        cancelled.find_map(|id| self.asked.get(id))
    }

    /// Whether something is on its way to the server.
    #[must_use]
    pub fn has_link(&self) -> bool {
        !self.link.is_empty()
    }

    /// What the oldest frame on the link asks for.
    #[must_use]
    pub fn next_to_deliver(&mut self) -> Option<&mut Operation> {
        match self.link.front()? {
            (Purpose::Ask(id), _) => self.asked.get_mut(id),
            (Purpose::Cancel(_), _) => None,
        }
    }

    /// Delivers the oldest frame on the link.
    ///
    /// # Errors
    /// The server ended the connection, which no client here gives it a reason for.
    pub fn deliver(&mut self) -> Result<(), String> {
        let Some((purpose, frame)) = self.link.pop_front() else {
            return Ok(());
        };
        if let Purpose::Cancel(id) = purpose {
            self.cancelled.insert(id);
        }
        let ended = |reason| format!("the server ended a connection: {reason}");
        self.end.receive(frame).map_err(ended)
    }

    /// Takes and reads what the server has sent.
    ///
    /// # Errors
    /// The server ended the connection, or sent what cannot be read.
    pub fn take_replies(&mut self) -> Result<Vec<Reply>, String> {
        let mut frames = Vec::new();
        let ended = |reason| format!("the server ended a connection: {reason}");
        self.end.take_frames(&mut frames).map_err(ended)?;
        let mut replies = Vec::new();
        for frame in frames {
            let read = self.raw.receive(frame_to_mut(&frame));
            replies.extend(read.map_err(|error| format!("a frame cannot be read: {error}"))?);
        }
        Ok(replies)
    }

    /// The dialect that it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.identity.dialect
    }

    /// The account that it logs on as.
    #[must_use]
    pub fn user(&self) -> &'static str {
        self.identity.user
    }

    /// The open of the share's root.
    #[must_use]
    pub fn root(&self) -> Option<FileId> {
        self.root
    }
}

fn frame_to_mut(frame: &Bytes) -> BytesMut {
    BytesMut::from(&frame[..])
}

/// In seconds of virtual time.
const LONGEST_CALL: usize = 100;

const DIALECTS: [Dialect; 5] = [
    Dialect::SMB_2_0_2,
    Dialect::SMB_2_1,
    Dialect::SMB_3_0,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_1_1,
];
