//! A server and one client that has logged on, ready to be fed with anything.

use std::sync::Arc;

use auth::client::Credentials;
use bytes::{Bytes, BytesMut};
use server::{Census, DisconnectReason, Environment, Server};
use wire::{Command, Dialect, FileId, Header, ProtocolId, Response, SessionId};

use crate::client::{ClientConnection, Logon, LogonStep, Offer, Outgoing, Reply, Scope, requests};
use crate::sim::world::{self, PASSWORD, SHARE, USER};
use crate::sim::{ServerEnd, Virtual};

/// A server with one connection.
pub struct Rig {
    /// The server.
    pub server: Arc<Server>,
    /// Its time and its tasks.
    pub environment: Virtual,
    /// The server's end of the connection.
    pub end: ServerEnd,
    /// The client's end.
    pub client: ClientConnection,
    /// Session and tree connect of the client.
    pub scope: Scope,
    /// What CREATE has given to the client.
    pub opens: Vec<FileId>,
}

impl Rig {
    /// A server that nobody has said anything to.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let (server, environment) = world::build(1, |memory, _| Arc::new(memory));
        Self::connect(&server, &environment, Offer::dialect(dialect))
    }

    /// A further client of a server, which has connected and said nothing.
    #[must_use]
    pub fn connect(server: &Arc<Server>, environment: &Virtual, offer: Offer) -> Self {
        Self {
            server: server.clone(),
            environment: environment.clone(),
            end: ServerEnd::new(server, environment),
            client: ClientConnection::new(offer),
            scope: Scope::NONE,
            opens: Vec::new(),
        }
    }

    /// Negotiates, logs on and connects to the share.
    ///
    /// # Panics
    /// The server refuses one of them.
    pub fn log_on(&mut self) {
        self.log_on_as(USER);
    }

    /// [`Rig::log_on`] with another account.
    ///
    /// # Panics
    /// The server refuses something.
    pub fn log_on_as(&mut self, user: &str) {
        let negotiate = self.client.negotiate();
        self.ask(&negotiate);
        let credentials = Credentials::password(user, "", PASSWORD);
        let mut logon = Logon::ntlm(credentials, [9; 32], self.environment.wall_clock());
        let mut request = logon.start(&mut self.client);
        loop {
            let reply = self.ask(&request);
            match logon.step(&mut self.client, &reply) {
                LogonStep::Send(next) => request = next,
                LogonStep::Done(session) => {
                    self.scope = Scope::session(session);
                    break;
                }
                other => panic!("the log-on failed: {other:?}"),
            }
        }
        let path = format!("\\\\server\\{SHARE}");
        let tree = requests::tree_connect(&path);
        let tree = self.client.prepare(self.scope, tree.into());
        let reply = self.ask(&tree);
        self.scope.tree = reply.header.tree_id().expect("a tree connect");
    }

    /// Negotiates, and binds the other's session to this connection by a log-on with `credentials`. None
    /// when that has worked, else what the server answered.
    ///
    /// # Panics
    /// The client does not understand the server.
    pub fn bind(&mut self, other: &Self, credentials: Credentials) -> Option<Reply> {
        let negotiate = self.client.negotiate();
        self.ask(&negotiate);
        let session = other.client.session(other.scope.session);
        let unbound = session.expect("it is logged on").unbound();
        self.client.insert_session(unbound);
        let logon = Logon::ntlm(credentials, [8; 32], self.environment.wall_clock());
        let mut logon = logon.binding(other.scope.session);
        let mut request = logon.start(&mut self.client);
        loop {
            let reply = self.ask(&request);
            match logon.step(&mut self.client, &reply) {
                LogonStep::Send(next) => request = next,
                LogonStep::Done(_) => break,
                LogonStep::Refused(_) => return Some(reply),
                LogonStep::GaveUp(error) => panic!("{error}"),
            }
        }
        self.scope = other.scope;
        None
    }

    /// A server and a client with a session, a tree connect, an open file and an open folder.
    ///
    /// # Panics
    /// The server refuses one of them.
    #[must_use]
    pub fn logged_on(dialect: Dialect) -> Self {
        let mut rig = Self::new(dialect);
        rig.log_on();
        let file = requests::open_or_create("file");
        let folder = wire::CreateRequest {
            create_options: wire::create::CreateOptions::DIRECTORY_FILE,
            ..requests::open_or_create("folder")
        };
        for create in [file, folder] {
            let scope = rig.scope;
            let request = rig.client.prepare(scope, create.into());
            rig.ask(&request);
        }
        assert_eq!(rig.opens.len(), 2, "file and folder are open");
        rig
    }

    /// Sends a request that is answered at once.
    ///
    /// # Panics
    /// It is not.
    pub fn ask(&mut self, request: &Outgoing) -> Reply {
        let mut frame = BytesMut::new();
        self.client
            .encode(std::slice::from_ref(request), &mut frame);
        let replies = self.send(frame).expect("the connection stands");
        replies.into_iter().next().expect("an answer at once")
    }

    /// Hands a frame to the server and runs until it rests. Each reply must be well-formed.
    ///
    /// # Errors
    /// The server ended the connection.
    pub fn send(&mut self, frame: BytesMut) -> Result<Vec<Reply>, DisconnectReason> {
        let received = self.end.receive(frame);
        received.and(self.send_nothing())
    }

    /// Runs until the server rests, and returns what has come. Each message must be well-formed.
    ///
    /// # Errors
    /// The server ended the connection.
    pub fn send_nothing(&mut self) -> Result<Vec<Reply>, DisconnectReason> {
        self.environment.run();
        let mut frames = Vec::new();
        let taken = self.end.take_frames(&mut frames);
        let replies: Vec<_> = frames.iter().flat_map(|frame| self.read(frame)).collect();
        taken.map(|()| replies)
    }

    /// Hands a frame to the server and runs until it rests, without looking at the replies.
    ///
    /// # Errors
    /// The server ended the connection.
    pub fn send_any(&mut self, frame: BytesMut) -> Result<(), DisconnectReason> {
        let received = self.end.receive(frame);
        self.environment.run();
        let taken = self.end.take_frames(&mut Vec::new());
        received.and(taken)
    }

    fn read(&mut self, frame: &Bytes) -> Vec<Reply> {
        let is_foreign = self.is_sealed_for_other(frame);
        if is_foreign {
            return Vec::new();
        }
        let replies = self
            .client
            .receive(BytesMut::from(&frame[..]))
            .expect("is readable");
        for reply in &replies {
            let response = reply.response();
            let response = response.unwrap_or_else(|error| panic!("{error} in {:?}", reply.header));
            if let Response::Create(create) = &response
                && reply.header.command() == Some(Command::Create)
            {
                self.opens.push(create.file_id);
            }
        }
        replies
    }

    /// A frame may be sealed for a session that only a fuzzer's own log-on made.
    fn is_sealed_for_other(&self, frame: &Bytes) -> bool {
        ProtocolId::of(frame) == Some(ProtocolId::Transform)
            && wire::transform::TransformHeader::decode(frame)
                .is_ok_and(|header| header.session_id != self.scope.session)
    }

    /// The header of the client's next request.
    #[must_use]
    pub fn next_header(&mut self, command: Command) -> Header {
        let request = self.client.prepare(self.scope, wire::EchoRequest.into());
        Header {
            command: command.into(),
            credits: 8,
            session_id: if command == Command::Negotiate {
                SessionId(0)
            } else {
                request.header.session_id
            },
            ..request.header
        }
    }

    /// Cuts the connection and checks that nothing is left of it.
    ///
    /// # Panics
    /// Something is.
    pub fn finish(mut self) {
        self.end.close(None);
        assert!(self.environment.run_to_the_end(), "a task waits for ever");
        assert_eq!(leftovers(&self.server), None);
    }
}

/// What a server holds that has no connections; none if that is nothing.
#[must_use]
pub fn leftovers(server: &Server) -> Option<String> {
    let census = Census::of(server);
    let is_clean = census == Census::default() && server.object_store.is_empty();
    (!is_clean).then(|| format!("something is left: {census:?}"))
}
