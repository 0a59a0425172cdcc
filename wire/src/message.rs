//! One request or one response of any command: the only place that pairs commands with their bodies.

use bytes::Bytes;

use crate::header::{Command, CommandCode, Header};
use crate::{
    CancelRequest, ChangeNotifyRequest, ChangeNotifyResponse, CloseRequest, CloseResponse,
    CreateRequest, CreateResponse, Decode, DecodeError, EchoRequest, EchoResponse, Encode,
    ErrorResponse, FlushRequest, FlushResponse, IoctlRequest, IoctlResponse, LockRequest,
    LockResponse, LogoffRequest, LogoffResponse, MessageId, NegotiateRequest, NegotiateResponse,
    NtStatus, OplockBreakAcknowledgment, OplockBreakNotification, OplockBreakResponse,
    QueryDirectoryRequest, QueryDirectoryResponse, QueryInfoRequest, QueryInfoResponse,
    ReadRequest, ReadResponse, Reader, ServerToClientNotification, SessionSetupRequest,
    SessionSetupResponse, SetInfoRequest, SetInfoResponse, TreeConnectRequest, TreeConnectResponse,
    TreeDisconnectRequest, TreeDisconnectResponse, WriteRequest, WriteResponse, Writer,
};

macro_rules! requests {
    ($($(#[$meta:meta])* $command:ident($body:ty);)*) => {
        /// The body of a request.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Request {
            $($(#[$meta])* $command($body),)*
        }

        impl Request {
            /// Reads the body of a whole message that asks for `command`.
            ///
            /// # Errors
            /// The body is malformed, see [`Decode::decode`].
            pub fn decode(command: Command, message: &Bytes) -> Result<Self, DecodeError> {
                match command {
                    $(Command::$command => <$body>::decode(message).map(Self::$command),)*
                }
            }

            /// What is asked for.
            #[must_use]
            pub const fn command(&self) -> Command {
                match self {
                    $(Self::$command(_) => Command::$command,)*
                }
            }
        }

        impl Encode for Request {
            fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$command(body) => body.encode(out),)*
                }
            }
        }

        $(impl From<$body> for Request {
            fn from(body: $body) -> Self {
                Self::$command(body)
            }
        })*
    };
}

requests! {
    /// NEGOTIATE.
    Negotiate(NegotiateRequest);
    /// SESSION_SETUP.
    SessionSetup(SessionSetupRequest);
    /// LOGOFF.
    Logoff(LogoffRequest);
    /// TREE_CONNECT.
    TreeConnect(TreeConnectRequest);
    /// TREE_DISCONNECT.
    TreeDisconnect(TreeDisconnectRequest);
    /// CREATE.
    Create(CreateRequest);
    /// CLOSE.
    Close(CloseRequest);
    /// FLUSH.
    Flush(FlushRequest);
    /// READ.
    Read(ReadRequest);
    /// WRITE.
    Write(WriteRequest);
    /// LOCK.
    Lock(LockRequest);
    /// IOCTL.
    Ioctl(IoctlRequest);
    /// CANCEL.
    Cancel(CancelRequest);
    /// ECHO.
    Echo(EchoRequest);
    /// QUERY_DIRECTORY.
    QueryDirectory(QueryDirectoryRequest);
    /// CHANGE_NOTIFY.
    ChangeNotify(ChangeNotifyRequest);
    /// QUERY_INFO.
    QueryInfo(QueryInfoRequest);
    /// SET_INFO.
    SetInfo(SetInfoRequest);
    /// OPLOCK_BREAK.
    OplockBreak(OplockBreakAcknowledgment);
}

macro_rules! responses {
    ($($(#[$meta:meta])* $name:ident($body:ty);)*) => {
        /// The body of a response, or of what the server sends unasked.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Response {
            $($(#[$meta])* $name($body),)*
        }

        impl Encode for Response {
            fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$name(body) => body.encode(out),)*
                }
            }
        }

        $(impl From<$body> for Response {
            fn from(body: $body) -> Self {
                Self::$name(body)
            }
        })*
    };
}

responses! {
    /// NEGOTIATE.
    Negotiate(NegotiateResponse);
    /// SESSION_SETUP.
    SessionSetup(SessionSetupResponse);
    /// LOGOFF.
    Logoff(LogoffResponse);
    /// TREE_CONNECT.
    TreeConnect(TreeConnectResponse);
    /// TREE_DISCONNECT.
    TreeDisconnect(TreeDisconnectResponse);
    /// CREATE.
    Create(CreateResponse);
    /// CLOSE.
    Close(CloseResponse);
    /// FLUSH.
    Flush(FlushResponse);
    /// READ.
    Read(ReadResponse);
    /// WRITE.
    Write(WriteResponse);
    /// LOCK.
    Lock(LockResponse);
    /// IOCTL.
    Ioctl(IoctlResponse);
    /// ECHO.
    Echo(EchoResponse);
    /// QUERY_DIRECTORY.
    QueryDirectory(QueryDirectoryResponse);
    /// CHANGE_NOTIFY.
    ChangeNotify(ChangeNotifyResponse);
    /// QUERY_INFO.
    QueryInfo(QueryInfoResponse);
    /// SET_INFO.
    SetInfo(SetInfoResponse);
    /// OPLOCK_BREAK, to an acknowledgment.
    OplockBreak(OplockBreakResponse);
    /// OPLOCK_BREAK, unasked.
    OplockBreakNotification(OplockBreakNotification);
    /// SERVER_TO_CLIENT_NOTIFICATION, unasked.
    ServerToClientNotification(ServerToClientNotification);
    /// Any command, failed or waiting.
    Error(ErrorResponse);
}

impl Response {
    /// Reads the body of a whole message that answers `command` with `status`. An OPLOCK_BREAK whose
    /// header has [`MessageId::UNSOLICITED`] is a notification.
    ///
    /// # Errors
    /// The body is malformed, see [`Decode::decode`]; or `command` is CANCEL, which has no response but
    /// an error, or one that does not exist.
    pub fn decode(
        command: CommandCode,
        status: NtStatus,
        message: &Bytes,
    ) -> Result<Self, DecodeError> {
        if command == CommandCode::SERVER_TO_CLIENT_NOTIFICATION {
            return Decode::decode(message).map(Self::ServerToClientNotification);
        }
        let command = Command::try_from(command.0)?;
        if !has_body(command, status, message) {
            return Decode::decode(message).map(Self::Error);
        }
        match command {
            Command::Negotiate => Decode::decode(message).map(Self::Negotiate),
            Command::SessionSetup => Decode::decode(message).map(Self::SessionSetup),
            Command::Logoff => Decode::decode(message).map(Self::Logoff),
            Command::TreeConnect => Decode::decode(message).map(Self::TreeConnect),
            Command::TreeDisconnect => Decode::decode(message).map(Self::TreeDisconnect),
            Command::Create => Decode::decode(message).map(Self::Create),
            Command::Close => Decode::decode(message).map(Self::Close),
            Command::Flush => Decode::decode(message).map(Self::Flush),
            Command::Read => Decode::decode(message).map(Self::Read),
            Command::Write => Decode::decode(message).map(Self::Write),
            Command::Lock => Decode::decode(message).map(Self::Lock),
            Command::Ioctl => Decode::decode(message).map(Self::Ioctl),
            Command::Cancel => Err(DecodeError {
                what: "CANCEL response",
                at: 0,
            }),
            Command::Echo => Decode::decode(message).map(Self::Echo),
            Command::QueryDirectory => Decode::decode(message).map(Self::QueryDirectory),
            Command::ChangeNotify => Decode::decode(message).map(Self::ChangeNotify),
            Command::QueryInfo => Decode::decode(message).map(Self::QueryInfo),
            Command::SetInfo => Decode::decode(message).map(Self::SetInfo),
            Command::OplockBreak if is_unsolicited(message) => {
                Decode::decode(message).map(Self::OplockBreakNotification)
            }
            Command::OplockBreak => Decode::decode(message).map(Self::OplockBreak),
        }
    }
}

/// Whether a response with this status has the body of its command, not that of an error.
// [MS-SMB2] 3.3.4.4
fn has_body(command: Command, status: NtStatus, message: &[u8]) -> bool {
    match (command, status) {
        (_, NtStatus::PENDING) => false,
        (Command::SessionSetup, NtStatus::MORE_PROCESSING_REQUIRED)
        | (Command::QueryInfo | Command::Read, NtStatus::BUFFER_OVERFLOW) => true,
        // A failed copy tells what it copied, or the limits.
        (Command::Ioctl, _) if !status.is_success() => {
            Reader::body("ERROR response", message, ERROR_SIZE).is_err()
        }
        _ => status.is_success(),
    }
}

fn is_unsolicited(message: &[u8]) -> bool {
    Header::decode(message).is_ok_and(|header| header.message_id == MessageId::UNSOLICITED)
}

const ERROR_SIZE: u16 = 9;

#[cfg(test)]
mod tests;
