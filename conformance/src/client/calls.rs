//! One line for what most tests do first: negotiate, log on, connect to a share, open, read, list.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::client::Credentials;
use bytes::Bytes;
use wire::dtyp::FileTime;
use wire::fscc::SetFileInformation;
use wire::fscc::directory_info::{ListedEntry, decode_listing};
use wire::{
    CloseResponse, CreateRequest, CreateResponse, Decode, DecodeError, FileId, NtStatus,
    QueryDirectoryResponse, ReadResponse, Request, SessionId, SetInfoResponse, WriteResponse,
};

use super::connection::ClientConnection;
use super::logon::{Logon, LogonStep};
use super::offer::Offer;
use super::outgoing::Scope;
use super::requests;
use super::tcp::TcpClient;

/// An open file.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// Where it was opened.
    pub scope: Scope,
    /// Its id.
    pub id: FileId,
    /// What the server told of it.
    pub response: CreateResponse,
}

/// A call that did not succeed.
#[derive(Debug)]
pub enum CallError {
    /// The server refused.
    Status(NtStatus),
    /// The connection broke, or the server's answer made no sense.
    Io(io::Error),
}

impl CallError {
    /// The status, if the server refused.
    #[must_use]
    pub fn status(&self) -> Option<NtStatus> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Io(_) => None,
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answered {status:?}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl TcpClient {
    /// Connects and negotiates.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn negotiated(address: SocketAddr, offer: Offer) -> Result<Self, CallError> {
        let mut client = Self::connect(address, ClientConnection::new(offer))?;
        let request = client.connection.negotiate();
        client.send(std::slice::from_ref(&request))?;
        let reply = client.receive_final(request.message_id())?;
        match reply.status() {
            NtStatus::SUCCESS => Ok(client),
            status => Err(CallError::Status(status)),
        }
    }

    /// Authenticates a new session with NTLM inside SPNEGO.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn log_on(&mut self, credentials: Credentials) -> Result<SessionId, CallError> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(io::Error::other)?;
        self.log_on_with(Logon::ntlm(credentials, entropy, now()))
    }

    /// Goes through a prepared authentication.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn log_on_with(&mut self, mut logon: Logon) -> Result<SessionId, CallError> {
        let mut request = logon.start(&mut self.connection);
        loop {
            self.send(std::slice::from_ref(&request))?;
            let reply = self.receive_final(request.message_id())?;
            match logon.step(&mut self.connection, &reply) {
                LogonStep::Send(next) => request = next,
                LogonStep::Done(session) => return Ok(session),
                LogonStep::Refused(status) => return Err(CallError::Status(status)),
                LogonStep::GaveUp(error) => return Err(CallError::Io(io::Error::other(error))),
            }
        }
    }

    /// Connects a session to `path`, which is `\\server\share`.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn tree_connect(&mut self, session: SessionId, path: &str) -> Result<Scope, CallError> {
        let reply = self.call(Scope::session(session), requests::tree_connect(path))?;
        match (reply.status(), reply.header.tree_id()) {
            (NtStatus::SUCCESS, Some(tree)) => Ok(Scope { session, tree }),
            (status, _) => Err(CallError::Status(status)),
        }
    }

    /// Opens or creates a file.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn open(&mut self, scope: Scope, request: CreateRequest) -> Result<OpenFile, CallError> {
        let response: CreateResponse = self.ask(scope, request)?;
        Ok(OpenFile {
            scope,
            id: response.file_id,
            response,
        })
    }

    /// Closes a file.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn close(&mut self, file: &OpenFile) -> Result<(), CallError> {
        self.ask::<CloseResponse>(file.scope, requests::close(file.id))?;
        Ok(())
    }

    /// Reads at most `length` bytes at `offset`.
    ///
    /// # Errors
    /// The server refused, END_OF_FILE included, or the connection broke.
    pub fn read(&mut self, file: &OpenFile, offset: u64, length: u32) -> Result<Bytes, CallError> {
        let response: ReadResponse =
            self.ask(file.scope, requests::read(file.id, offset, length))?;
        Ok(response.data)
    }

    /// Writes `data` at `offset`; returns how much was written.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn write(&mut self, file: &OpenFile, offset: u64, data: Bytes) -> Result<u32, CallError> {
        let response: WriteResponse =
            self.ask(file.scope, requests::write(file.id, offset, data))?;
        Ok(response.count)
    }

    /// Makes one change of a file.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn set(&mut self, file: &OpenFile, change: &SetFileInformation) -> Result<(), CallError> {
        self.ask::<SetInfoResponse>(file.scope, requests::set_file(file.id, change))?;
        Ok(())
    }

    /// Lists an open directory to its end.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn list(&mut self, directory: &OpenFile) -> Result<Vec<ListedEntry>, CallError> {
        let mut entries = Vec::new();
        loop {
            let request = requests::list(directory.id, LIST_ROOM);
            let class = request.file_information_class;
            match self.ask::<QueryDirectoryResponse>(directory.scope, request) {
                Ok(page) => entries.extend(decode_listing(class, &page.output)?),
                Err(CallError::Status(NtStatus::NO_MORE_FILES)) => return Ok(entries),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request and takes its successful answer apart.
    ///
    /// # Errors
    /// The server refused, or the connection broke.
    pub fn ask<T: Decode>(
        &mut self,
        scope: Scope,
        request: impl Into<Request>,
    ) -> Result<T, CallError> {
        let reply = self.call(scope, request)?;
        match reply.status() {
            NtStatus::SUCCESS => Ok(reply.body()?),
            status => Err(CallError::Status(status)),
        }
    }
}

/// The time as SMB counts it.
pub fn now() -> FileTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    FileTime::from_unix(seconds, since.subsec_nanos())
}

const LIST_ROOM: u32 = 65_536;
