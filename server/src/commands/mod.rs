//! The command layer: one file per command, and the one `match` that leads to them.
//!
//! A command is an `async fn run` that reads like its section of the specification. It gets typed
//! values and a [`Context`] in which session and tree connect are found already, as its [`Rule`]
//! says, and returns an [`Answer`] or the status of its failure.

pub mod change_notify;
pub mod close;
pub mod create;
pub mod echo;
pub mod flush;
pub mod ioctl;
pub mod lock;
pub mod logoff;
pub mod negotiate;
pub mod oplock_break;
pub mod query_directory;
pub mod query_info;
pub mod read;
pub mod session_setup;
pub mod set_info;
pub mod teardown;
pub mod tree_connect;
pub mod tree_disconnect;
pub mod write;

mod breaks;
mod effects;

pub use breaks::UNACKNOWLEDGED;
pub(crate) use breaks::{
    AwaitedBreaks, SentNotices, Unanswered, UnansweredTable, lose, resend, time_out,
};
pub(crate) use effects::report_outside;

use bytes::Bytes;
use wire::{Command, ErrorResponse, NtStatus, Request, Response};

use crate::context::Context;

/// What a command needs before it can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// A session must be found.
    pub needs_session: bool,
    /// A tree connect must be found.
    pub needs_tree: bool,
    /// The command has a FileId, or makes one, for the related request behind it.
    pub has_file: bool,
}

/// NEGOTIATE, SESSION_SETUP and ECHO find what they need by themselves.
pub(crate) const FREE: Rule = Rule {
    needs_session: false,
    needs_tree: false,
    has_file: false,
};
const SESSION: Rule = Rule {
    needs_session: true,
    ..FREE
};
const TREE: Rule = Rule {
    needs_tree: true,
    ..SESSION
};
const FILE: Rule = Rule {
    has_file: true,
    ..TREE
};

/// The rule of each command.
#[must_use]
pub fn rule(command: Command) -> &'static Rule {
    match command {
        Command::Negotiate | Command::SessionSetup | Command::Echo | Command::Cancel => &FREE,
        Command::Logoff | Command::TreeConnect => &SESSION,
        Command::TreeDisconnect => &TREE,
        Command::Create
        | Command::Close
        | Command::Flush
        | Command::Read
        | Command::Write
        | Command::Lock
        | Command::Ioctl
        | Command::QueryDirectory
        | Command::ChangeNotify
        | Command::QueryInfo
        | Command::SetInfo => &FILE,
        // An acknowledgment of a lease break has no FileId and may name any tree connect.
        Command::OplockBreak => &SESSION,
    }
}

/// A reply: its status and its body.
#[derive(Debug)]
pub struct Answer {
    /// The status, not always success: some bodies come with warnings.
    pub status: NtStatus,
    /// The body.
    pub body: Response,
    /// For READ: the bytes filled into the room that the context keeps, instead of the body.
    pub filled: Option<u32>,
}

impl Answer {
    /// A body with a status that is not plain success.
    #[must_use]
    pub fn with_status(status: NtStatus, body: Response) -> Self {
        Self {
            status,
            body,
            filled: None,
        }
    }

    /// A failure without error data. [MS-SMB2] 3.3.4.4
    #[must_use]
    pub fn error(status: NtStatus) -> Self {
        Self::with_status(status, Response::Error(ErrorResponse::EMPTY))
    }

    /// A READ reply whose data is in the kept room.
    #[must_use]
    pub fn data(status: NtStatus, filled: u32) -> Self {
        Self {
            filled: Some(filled),
            ..Self::error(status)
        }
    }
}

impl From<Response> for Answer {
    fn from(body: Response) -> Self {
        Self::with_status(NtStatus::SUCCESS, body)
    }
}

/// Carries a request out. `message` is its bytes, for the hash of SESSION_SETUP and NEGOTIATE.
pub(crate) async fn dispatch(
    context: &mut Context,
    request: Request,
    message: Bytes,
) -> Result<Answer, NtStatus> {
    match request {
        Request::Negotiate(request) => negotiate::run(context, &request, &message),
        Request::SessionSetup(request) => session_setup::run(context, request, &message).await,
        Request::Logoff(_) => logoff::run(context).await,
        Request::TreeConnect(request) => tree_connect::run(context, &request),
        Request::TreeDisconnect(_) => tree_disconnect::run(context).await,
        Request::Create(request) => create::run(context, request).await,
        Request::Close(request) => close::run(context, request).await,
        Request::Flush(request) => flush::run(context, request).await,
        Request::Read(request) => read::run(context, request).await,
        Request::Write(request) => write::run(context, request).await,
        Request::Lock(request) => lock::run(context, request).await,
        Request::Ioctl(request) => ioctl::run(context, request).await,
        // Never reaches a job: the connection carries it out on the spot.
        Request::Cancel(_) => Err(NtStatus::INVALID_PARAMETER),
        Request::Echo(_) => echo::run(context),
        Request::QueryDirectory(request) => query_directory::run(context, request).await,
        Request::ChangeNotify(request) => change_notify::run(context, request).await,
        Request::QueryInfo(request) => query_info::run(context, request).await,
        Request::SetInfo(request) => set_info::run(context, request).await,
        Request::OplockBreak(request) => oplock_break::run(context, request).await,
    }
}
