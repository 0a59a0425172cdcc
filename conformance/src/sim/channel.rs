//! One connection of a simulated client: both its ends, and what is on its way to the server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use auth::client::Credentials;
use bytes::{Bytes, BytesMut};
use server::{Environment, Server};
use wire::dtyp::Guid;
use wire::{Command, Dialect, MessageId, Request, SessionId};

use super::environment::Virtual;
use super::random::Random;
use super::server_end::ServerEnd;
use super::world::PASSWORD;
use crate::client::{
    ClientConnection, Logon, LogonStep, Offer, Outgoing, Protection, Reply, Scope,
};

/// Who a client is: the same on all its connections.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The dialect that it speaks.
    pub dialect: Dialect,
    /// ClientGuid.
    pub guid: Guid,
    /// The account that it logs on as.
    pub user: &'static str,
}

/// A connection that stands.
pub struct Channel {
    /// The first of a client is 0, and none is used again.
    pub number: u64,
    end: ServerEnd,
    raw: ClientConnection,
    /// Frames on their way to the server.
    link: VecDeque<(Purpose, BytesMut)>,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To ask for something.
    Ask(MessageId),
    /// To cancel something.
    Cancel(MessageId),
}

impl Channel {
    /// A connection on which nothing has been said.
    pub fn new(
        number: u64,
        identity: Identity,
        (server, environment): (&Arc<Server>, &Virtual),
    ) -> Self {
        Self {
            number,
            end: ServerEnd::new(server, environment),
            raw: ClientConnection::new(Offer {
                client_guid: identity.guid,
                ..Offer::dialect(identity.dialect)
            }),
            link: VecDeque::new(),
        }
    }

    /// Negotiates, and makes a session.
    pub fn log_on(
        &mut self,
        identity: Identity,
        environment: &Virtual,
        random: &mut Random,
    ) -> SessionId {
        let negotiate = self.raw.negotiate();
        self.call(environment, &negotiate);
        let logon = logon(identity, environment, random);
        self.authenticate(logon, environment)
    }

    /// Negotiates, and makes this a further channel of the other's session.
    pub fn bind(
        &mut self,
        (other, session): (&Self, SessionId),
        identity: Identity,
        environment: &Virtual,
        random: &mut Random,
    ) {
        let negotiate = self.raw.negotiate();
        self.call(environment, &negotiate);
        let known = other.raw.session(session).expect("it is logged on");
        self.raw.insert_session(known.unbound());
        let logon = logon(identity, environment, random).binding(session);
        self.authenticate(logon, environment);
    }

    fn authenticate(&mut self, mut logon: Logon, environment: &Virtual) -> SessionId {
        let mut request = logon.start(&mut self.raw);
        loop {
            let reply = self.call(environment, &request);
            match logon.step(&mut self.raw, &reply) {
                LogonStep::Send(next) => request = next,
                LogonStep::Done(session) => return session,
                other => panic!("the log-on failed: {other:?}"),
            }
        }
    }

    /// Protects all further requests of the session.
    pub fn protect(&mut self, session: SessionId, protection: Protection) {
        if let Some(session) = self.raw.session_mut(session) {
            session.protection = protection;
        }
    }

    /// Sends a request and lets time pass until its final reply.
    pub fn ask(&mut self, environment: &Virtual, scope: Scope, request: Request) -> Reply {
        let request = self.raw.prepare(scope, request);
        self.call(environment, &request)
    }

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

    /// A request that can be put on the link.
    pub fn prepare(&mut self, scope: Scope, request: Request) -> Outgoing {
        self.raw.prepare(scope, request)
    }

    /// The CANCEL of a request.
    pub fn cancel(&self, message_id: MessageId, scope: Scope) -> Outgoing {
        self.raw.cancel(message_id, scope)
    }

    /// Puts a request on the link.
    pub fn put(&mut self, request: &Outgoing) {
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

    /// What the oldest frame on the link is for.
    pub fn next_to_deliver(&self) -> Option<Purpose> {
        self.link.front().map(|(purpose, _)| *purpose)
    }

    /// Whether a request is on its way to the server.
    pub fn has_on_link(&self, id: MessageId) -> bool {
        let mut purposes = self.link.iter().map(|(purpose, _)| *purpose);
        purposes.any(|purpose| purpose == Purpose::Ask(id))
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

    /// The connection is lost.
    pub fn close(&mut self) {
        self.end.close(None);
    }
}

fn logon(identity: Identity, environment: &Virtual, random: &mut Random) -> Logon {
    let mut entropy = [0; 32];
    random.fill(&mut entropy);
    let credentials = Credentials::password(identity.user, "", PASSWORD);
    Logon::ntlm(credentials, entropy, environment.wall_clock())
}

fn frame_to_mut(frame: &Bytes) -> BytesMut {
    BytesMut::from(&frame[..])
}

/// In seconds of virtual time.
const LONGEST_CALL: usize = 100;
