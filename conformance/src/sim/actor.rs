//! One simulated client: a raw connection, what it has open, and what it has asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use auth::client::Credentials;
use bytes::{Bytes, BytesMut};
use server::{Environment, Server};
use wire::dtyp::Guid;
use wire::{Command, CreateRequest, Dialect, FileId, MessageId, Request};

use super::caches::Caches;
use super::environment::Virtual;
use super::random::Random;
use super::server_end::ServerEnd;
use super::world::{PASSWORD, SHARE, USER};
use crate::client::{
    ClientConnection, Logon, LogonStep, Offer, Outgoing, Protection, Reply, Scope, requests,
};
use crate::model::Operation;

/// What a client waits for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// An operation that the model judges.
    Operation(Operation),
    /// Something whose reply is only counted: an acknowledgment of a break.
    Unjudged,
}

/// One client and the server's end of its link.
pub struct Actor {
    /// The server's end.
    pub end: ServerEnd,
    /// What the client has asked for and not been answered.
    pub asked: BTreeMap<MessageId, Asked>,
    /// The opens that it knows of, by number.
    pub opens: BTreeMap<u64, FileId>,
    /// Whether it asks for leases too.
    pub wants_leases: bool,
    /// What the client may cache.
    pub caches: Caches,
    /// The requests that it has tried to cancel.
    pub cancelled: BTreeSet<MessageId>,
    raw: ClientConnection,
    scope: Scope,
    root: Option<FileId>,
    /// Frames on their way to the server.
    link: VecDeque<(Option<MessageId>, BytesMut)>,
}

impl Actor {
    /// A client that has connected, logged on and opened the share's root, if the share lets it.
    ///
    /// # Panics
    /// The server refuses a log-on that is right.
    #[must_use]
    pub fn connect(server: &Arc<Server>, environment: &Virtual, random: &mut Random) -> Self {
        let dialect = *random.pick(&DIALECTS);
        let mut client_guid = Guid([0; 16]);
        random.clone().fill(&mut client_guid.0);
        let mut actor = Self {
            end: ServerEnd::new(server, environment),
            asked: BTreeMap::new(),
            opens: BTreeMap::new(),
            wants_leases: false,
            caches: Caches::default(),
            cancelled: BTreeSet::new(),
            raw: ClientConnection::new(Offer {
                client_guid,
                ..Offer::dialect(dialect)
            }),
            scope: Scope::NONE,
            root: None,
            link: VecDeque::new(),
        };
        let negotiate = actor.raw.negotiate();
        actor.call(environment, &negotiate);
        actor.log_on(environment, random);
        let protections: &[_] = if dialect.0 >= Dialect::SMB_3_0.0 {
            &[Protection::Plain, Protection::Signed, Protection::Sealed]
        } else {
            &[Protection::Plain, Protection::Signed]
        };
        let protection = *random.pick(protections);
        if let Some(session) = actor.raw.session_mut(actor.scope.session) {
            session.protection = protection;
        }
        let path = format!("\\\\server\\{SHARE}");
        let tree = actor
            .raw
            .prepare(actor.scope, requests::tree_connect(&path).into());
        let reply = actor.call(environment, &tree);
        actor.scope.tree = reply.header.tree_id().expect("a tree connect");
        let root = actor
            .raw
            .prepare(actor.scope, requests::open_directory("").into());
        let reply = actor.call(environment, &root);
        let created: Option<wire::CreateResponse> = reply.body().ok();
        actor.root = created
            .filter(|_| reply.status().0 == 0)
            .map(|body| body.file_id);
        actor
    }

    fn log_on(&mut self, environment: &Virtual, random: &mut Random) {
        let mut entropy = [0; 32];
        random.fill(&mut entropy);
        let credentials = Credentials::password(USER, "", PASSWORD);
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
        self.asked
            .insert(request.message_id(), Asked::Operation(operation));
        self.put_on_link(&request);
    }

    /// Asks for a file to be opened.
    pub fn ask_open(&mut self, operation: Operation, request: CreateRequest) {
        self.ask(operation, request.into());
    }

    /// Acknowledges the oldest break.
    pub fn acknowledge(&mut self) {
        let Some(request) = self.caches.acknowledge() else {
            return;
        };
        let request = self.raw.prepare(self.scope, request.into());
        self.asked.insert(request.message_id(), Asked::Unjudged);
        self.put_on_link(&request);
    }

    /// Cancels one of the requests under way.
    pub fn cancel(&mut self, random: &mut Random) {
        let asked: Vec<_> = self.asked.keys().copied().collect();
        if !asked.is_empty() {
            let message_id = *random.pick(&asked);
            let request = self.raw.cancel(message_id, self.scope);
            self.cancelled.insert(message_id);
            self.put_on_link(&request);
        }
    }

    fn put_on_link(&mut self, request: &Outgoing) {
        let mut frame = BytesMut::new();
        self.raw.encode(std::slice::from_ref(request), &mut frame);
        // CANCEL has the id of what it cancels, which may have been delivered.
        let is_cancel = request.command() == Command::Cancel.into();
        let id = (!is_cancel).then(|| request.message_id());
        self.link.push_back((id, frame));
    }

    /// What was asked for, has reached the server and is not answered.
    pub fn waiting(&self) -> impl Iterator<Item = &Asked> {
        let is_on_link =
            |id: &MessageId| self.link.iter().any(|(on_link, _)| *on_link == Some(*id));
        let asked = self.asked.iter().filter(move |(id, _)| !is_on_link(id));
        asked.map(|(_, asked)| asked)
    }

    /// Whether something is on its way to the server.
    #[must_use]
    pub fn has_link(&self) -> bool {
        !self.link.is_empty()
    }

    /// Delivers the oldest frame on the link.
    ///
    /// # Errors
    /// The server ended the connection, which no client here gives it a reason for.
    pub fn deliver(&mut self) -> Result<(), String> {
        let Some((_, frame)) = self.link.pop_front() else {
            return Ok(());
        };
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
