//! A request on its way out, all of which can still be changed.

use bytes::{Bytes, BytesMut};
use wire::{
    AsyncId, Command, CommandCode, Encode, Header, HeaderFlags, HeaderId, MessageId, Request,
    SessionId, TreeId, Writer,
};

/// One request: a header filled in, its body, and how it shall be protected.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The header. NextCommand, the flag of a signed message and the signature are filled in when
    /// the frame is made, unless `protection` is [`Protection::Verbatim`].
    pub header: Header,
    /// What follows the header.
    pub body: Body,
    /// How to protect the message.
    pub protection: Protection,
}

/// What follows a header.
#[derive(Clone, Debug)]
pub enum Body {
    /// A well-formed body.
    Typed(Request),
    /// Any bytes.
    Raw(Bytes),
}

/// How to protect a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Neither signed nor encrypted.
    #[default]
    Plain,
    /// Signed with the key of its session, if that has one.
    Signed,
    /// The whole frame is encrypted with the key of the session of its first message.
    Sealed,
    /// Signed, and then one bit of the signature is turned over.
    WronglySigned,
    /// Sent as the header says, NextCommand included.
    Verbatim,
}

/// The session and tree connect that a request belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The session; 0 for none.
    pub session: SessionId,
    /// The tree connect; 0 for none.
    pub tree: TreeId,
}

/// Whether a request goes on with what the one before it in its compound used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Related {
    /// With its session, tree connect and open.
    ToTheOneBefore,
    /// With its own.
    ToNothing,
}

impl Outgoing {
    /// What is asked for.
    #[must_use]
    pub fn command(&self) -> CommandCode {
        self.header.command
    }

    /// The id by which the reply will be known.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        self.header.message_id
    }

    /// The same request with another protection.
    #[must_use]
    pub fn protected(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }

    /// The same request, related or not to the one before it in its compound.
    ///
    /// The file id of a related request is the body's: give it [`wire::FileId::NONE`].
    // [MS-SMB2] 3.2.4.1.4
    #[must_use]
    pub fn related(mut self, related: Related) -> Self {
        if related == Related::ToTheOneBefore {
            self.header.flags |= HeaderFlags::RELATED_OPERATIONS;
            self.header.session_id = SessionId::RELATED;
            self.header.id = HeaderId::Sync {
                process_id: Default::default(),
                tree_id: TreeId::RELATED,
            };
        } else {
            self.header.flags = self.header.flags.without(HeaderFlags::RELATED_OPERATIONS);
        }
        self
    }

    /// The CANCEL of a request: named by its async id once the server has given one.
    // [MS-SMB2] 3.2.4.24
    #[must_use]
    pub fn cancel(message_id: MessageId, async_id: Option<AsyncId>, scope: Scope) -> Self {
        let id = match async_id {
            Some(id) => HeaderId::Async(id),
            None => scope.header_id(),
        };
        let header = Header {
            credit_charge: 0,
            credits: 0,
            message_id,
            id,
            ..scope.header(Command::Cancel.into())
        };
        Self {
            header,
            body: Body::Typed(wire::CancelRequest.into()),
            protection: Protection::Plain,
        }
    }

    /// Appends header and body, and padding if another message follows. Returns the message's
    /// range in `frame`.
    pub(super) fn append(&self, frame: &mut BytesMut, last: bool) -> std::ops::Range<usize> {
        let start = frame.len();
        let mut out = Writer::new(frame);
        self.header.encode(&mut out);
        match &self.body {
            Body::Typed(body) => body.encode(&mut out),
            Body::Raw(bytes) => out.bytes(bytes),
        }
        // [MS-SMB2] 3.2.4.1.4
        if !last {
            out.pad_to(8);
        }
        if self.protection != Protection::Verbatim {
            let next = if last { 0 } else { out.position() };
            out.patch_size32(Header::NEXT_COMMAND_OFFSET, next);
        }
        start..frame.len()
    }
}

impl Scope {
    /// No session and no tree connect.
    pub const NONE: Self = Self {
        session: SessionId(0),
        tree: TreeId(0),
    };

    /// A session without a tree connect.
    #[must_use]
    pub const fn session(session: SessionId) -> Self {
        Self {
            session,
            tree: TreeId(0),
        }
    }

    /// The header of a request in this scope, with nothing else filled in.
    pub(super) fn header(self, command: CommandCode) -> Header {
        Header {
            credit_charge: 1,
            status: wire::NtStatus::SUCCESS,
            command,
            credits: 1,
            flags: HeaderFlags::NONE,
            next_command: 0,
            message_id: MessageId(0),
            id: self.header_id(),
            session_id: self.session,
            signature: [0; 16],
        }
    }

    fn header_id(self) -> HeaderId {
        HeaderId::Sync {
            process_id: Default::default(),
            tree_id: self.tree,
        }
    }
}
