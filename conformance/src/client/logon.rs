//! The exchange that authenticates a session.

use auth::client::{
    Client, ClientError, ClientFacts, ClientOptions, ClientStep, Credentials, SpnegoClient,
};
use bytes::Bytes;
use wire::dtyp::FileTime;
use wire::negotiate::{Capabilities, SecurityMode};
use wire::session_setup::{SessionFlags, SessionSetupFlags};
use wire::{NtStatus, SessionId, SessionSetupRequest, SessionSetupResponse};

use super::connection::ClientConnection;
use super::incoming::Reply;
use super::outgoing::{Outgoing, Scope};
use super::session::Session;

/// An authentication under way.
pub struct Logon {
    client: Box<dyn Client>,
    session: SessionId,
    /// What the requests look like; the security buffer is filled in.
    pub template: SessionSetupRequest,
}

/// What to do after a reply.
#[derive(Debug)]
pub enum LogonStep {
    /// Send this request, and hand the reply in.
    Send(Outgoing),
    /// The session is authenticated, and the connection knows its keys.
    Done(SessionId),
    /// The server refused.
    Refused(NtStatus),
    /// The client could not go on with what the server sent.
    GaveUp(ClientError),
}

impl Logon {
    /// Authenticates a new session by whatever tokens `client` makes.
    #[must_use]
    pub fn new(client: Box<dyn Client>) -> Self {
        Self {
            client,
            session: SessionId(0),
            template: SessionSetupRequest {
                flags: SessionSetupFlags::NONE,
                security_mode: SecurityMode::SIGNING_ENABLED,
                capabilities: Capabilities::DFS,
                previous_session_id: SessionId(0),
                security_buffer: Bytes::new(),
            },
        }
    }

    /// Authenticates a new session with NTLM inside SPNEGO, as Windows does.
    #[must_use]
    pub fn ntlm(credentials: Credentials, entropy: [u8; 32], now: FileTime) -> Self {
        let facts = ClientFacts { entropy, now };
        let client = SpnegoClient::new(credentials, ClientOptions::default(), facts);
        Self::new(Box::new(client))
    }

    /// The same for a session that exists: authenticates it again.
    #[must_use]
    pub fn again(mut self, session: SessionId) -> Self {
        self.session = session;
        self
    }

    /// Binds a session that exists to this connection; [`ClientConnection::insert_session`] has told it
    /// of [`Session::unbound`].
    #[must_use]
    pub fn binding(mut self, session: SessionId) -> Self {
        self.session = session;
        self.template.flags = SessionSetupFlags::BINDING;
        self
    }

    /// The first request.
    pub fn start(&mut self, connection: &mut ClientConnection) -> Outgoing {
        let token = self.client.start();
        self.request(connection, token)
    }

    /// Takes the reply to the latest request.
    pub fn step(&mut self, connection: &mut ClientConnection, reply: &Reply) -> LogonStep {
        let status = reply.status();
        if status != NtStatus::SUCCESS && status != NtStatus::MORE_PROCESSING_REQUIRED {
            return LogonStep::Refused(status);
        }
        let response: SessionSetupResponse = match reply.body() {
            Ok(response) => response,
            Err(error) => return LogonStep::GaveUp(error.into()),
        };
        self.session = reply.header.session_id;
        let more = status == NtStatus::MORE_PROCESSING_REQUIRED;
        if !more && response.security_buffer.is_empty() {
            return self.finish(connection, reply, response.session_flags);
        }
        match self.client.step(&response.security_buffer) {
            Ok(ClientStep::Send(token)) if more => LogonStep::Send(self.request(connection, token)),
            Ok(ClientStep::Done) if !more => self.finish(connection, reply, response.session_flags),
            Ok(_) => LogonStep::GaveUp(ClientError::Unexpected),
            Err(error) => LogonStep::GaveUp(error),
        }
    }

    fn request(&self, connection: &mut ClientConnection, token: Vec<u8>) -> Outgoing {
        let request = SessionSetupRequest {
            security_buffer: token.into(),
            ..self.template.clone()
        };
        connection.prepare(Scope::session(self.session), request.into())
    }

    // [MS-SMB2] 3.2.5.3.1
    fn finish(
        &self,
        connection: &mut ClientConnection,
        reply: &Reply,
        flags: SessionFlags,
    ) -> LogonStep {
        let hash = connection.take_setup_hash(reply.message_id());
        // [MS-SMB2] 3.2.5.3.3
        if self.template.flags.contains(SessionSetupFlags::BINDING) {
            connection.bound(self.session, &hash, self.client.session_key());
            return LogonStep::Done(self.session);
        }
        // [MS-SMB2] 3.2.5.3.2
        if connection.session(self.session).is_some() {
            return LogonStep::Done(self.session);
        }
        let keyless = flags.intersects(SessionFlags::IS_GUEST | SessionFlags::IS_NULL);
        let session = match (self.client.session_key(), connection.negotiated()) {
            (Some(key), Some(negotiated)) if !keyless => {
                Session::derive(self.session, flags, negotiated, &hash, key.bytes())
            }
            _ => Session::without_keys(self.session, flags),
        };
        connection.insert_session(session);
        LogonStep::Done(self.session)
    }
}
