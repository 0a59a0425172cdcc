//! Every SMB2 message and data type, as typed values.
//!
//! This crate turns bytes into values and values into bytes. It checks what a structure is by itself
//! – sizes, offsets, lengths, alignment – and never what the values mean: a value that the server must
//! refuse with a particular status decodes, so that the command can choose that status.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

use std::fmt;

use bytes::Bytes;

mod empty;
mod flags;
mod output_buffer;
#[cfg(test)]
mod testing;

pub mod cancel;
pub mod change_notify;
pub mod close;
pub mod compression;
pub mod create;
pub mod dtyp;
pub mod echo;
pub mod error;
pub mod flush;
pub mod fscc;
pub mod header;
pub mod ids;
pub mod ioctl;
pub mod lock;
pub mod logoff;
pub mod message;
pub mod negotiate;
pub mod oplock_break;
pub mod query_directory;
pub mod query_info;
pub mod read;
pub mod reader;
pub mod server_notification;
pub mod session_setup;
pub mod set_info;
pub mod smb1;
pub mod status;
pub mod transform;
pub mod tree_connect;
pub mod tree_disconnect;
pub mod utf16;
pub mod write;
pub mod writer;

pub use cancel::CancelRequest;
pub use change_notify::{ChangeNotifyRequest, ChangeNotifyResponse};
pub use close::{CloseRequest, CloseResponse};
pub use create::{CreateRequest, CreateResponse};
pub use echo::{EchoRequest, EchoResponse};
pub use error::ErrorResponse;
pub use flush::{FlushRequest, FlushResponse};
pub use header::{Command, CommandCode, Header, HeaderFlags, HeaderId, ProtocolId};
pub use ids::{AsyncId, FileId, LeaseKey, MessageId, ProcessId, SessionId, TreeId};
pub use ioctl::{IoctlRequest, IoctlResponse};
pub use lock::{LockRequest, LockResponse};
pub use logoff::{LogoffRequest, LogoffResponse};
pub use message::{Request, Response};
pub use negotiate::{Dialect, NegotiateRequest, NegotiateResponse};
pub use oplock_break::{
    OplockBreakAcknowledgment, OplockBreakNotification, OplockBreakResponse, OplockLevel,
};
pub use query_directory::{QueryDirectoryRequest, QueryDirectoryResponse};
pub use query_info::{QueryInfoRequest, QueryInfoResponse};
pub use read::{ReadRequest, ReadResponse};
pub use reader::Reader;
pub use server_notification::ServerToClientNotification;
pub use session_setup::{SessionSetupRequest, SessionSetupResponse};
pub use set_info::{SetInfoRequest, SetInfoResponse};
pub use status::NtStatus;
pub use tree_connect::{TreeConnectRequest, TreeConnectResponse};
pub use tree_disconnect::{TreeDisconnectRequest, TreeDisconnectResponse};
pub use utf16::Utf16String;
pub use write::{WriteRequest, WriteResponse};
pub use writer::Writer;

/// A message body that can be read from one whole SMB2 message.
pub trait Decode: Sized {
    /// Reads the body from `message`, which is the header and the body of one message: the offsets in a
    /// body count from the start of the header.
    ///
    /// # Errors
    /// A structure that is not what [MS-SMB2] 2.2 says: wrong StructureSize, too short, or an
    /// offset or a length that leaves the message. Values alone are never an error.
    fn decode(message: &Bytes) -> Result<Self, DecodeError>;
}

/// A message body that can be appended behind its header.
pub trait Encode {
    /// Appends the body; `out` counts positions from the start of the message's header.
    fn encode(&self, out: &mut Writer<'_>);
}

/// Bytes that are not the structure they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The structure or field that is malformed.
    pub what: &'static str,
    /// Where in the bytes given to the decoder it was noticed.
    pub at: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for DecodeError {}
