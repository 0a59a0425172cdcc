//! What the server sent: frames opened in place, split and verified, without judging them.

use std::fmt;

use bytes::Bytes;
use server::crypto::CryptoError;
use wire::transform::TransformHeader;
use wire::{
    AsyncId, Decode, DecodeError, Header, HeaderId, MessageId, NtStatus, ProtocolId, Response,
    SessionId,
};

/// One message of the server: a final reply, an interim one or a notification.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its header.
    pub header: Header,
    /// The whole message: header and body.
    pub message: Bytes,
    /// How it was protected.
    pub received: Received,
}

/// How a message of the server was protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Not at all.
    Plain,
    /// With a signature that is right.
    Signed,
    /// With a signature that is wrong.
    WronglySigned,
    /// With a signature that could not be checked: there is no key for its session yet.
    Unchecked,
    /// Encrypted with the key of this session.
    Sealed(SessionId),
}

/// A frame that was opened in place: where its plain messages begin, and how each was protected.
#[derive(Debug)]
pub struct Opened {
    /// Where the first message begins in the frame.
    pub start: usize,
    /// One for each message.
    pub received: Vec<Received>,
}

/// A frame that no message can be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// It is no SMB2 message.
    Malformed(DecodeError),
    /// It is encrypted for a session that has no key.
    NoKey(SessionId),
    /// It is encrypted and does not decrypt.
    Tampered(CryptoError),
}

impl From<DecodeError> for ReceiveError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NoKey(session) => write!(f, "encrypted for session {session}, without a key"),
            Self::Tampered(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReceiveError {}

impl Reply {
    /// The result.
    #[must_use]
    pub fn status(&self) -> NtStatus {
        self.header.status
    }

    /// The request that is answered; [`MessageId::UNSOLICITED`] for notifications.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        self.header.message_id
    }

    /// Whether the server sent this unasked: an oplock or lease break, or another notification.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.header.message_id == MessageId::UNSOLICITED
    }

    /// Whether the final reply is still to come.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.header.status == NtStatus::PENDING && self.async_id().is_some()
    }

    /// The id that CANCEL needs, of a request that is answered later.
    #[must_use]
    pub fn async_id(&self) -> Option<AsyncId> {
        match self.header.id {
            HeaderId::Async(id) => Some(id),
            HeaderId::Sync { .. } => None,
        }
    }

    /// The body as its command and status say.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn response(&self) -> Result<Response, DecodeError> {
        Response::decode(self.header.command, self.header.status, &self.message)
    }

    /// The body as `T`, whatever command and status say.
    ///
    /// # Errors
    /// The body is no `T`.
    pub fn body<T: Decode>(&self) -> Result<T, DecodeError> {
        T::decode(&self.message)
    }
}

/// The session for which a frame is encrypted; none if it is not.
pub(super) fn sealed_for(frame: &[u8]) -> Result<Option<SessionId>, DecodeError> {
    if ProtocolId::of(frame) == Some(ProtocolId::Transform) {
        TransformHeader::decode(frame).map(|header| Some(header.session_id))
    } else {
        Ok(None)
    }
}

/// Splits a compound, which begins at `start`, into the ranges of its messages with their headers.
pub(super) fn split(
    frame: &[u8],
    start: usize,
) -> Result<Vec<(std::ops::Range<usize>, Header)>, DecodeError> {
    let mut messages = Vec::with_capacity(1);
    let mut at = start;
    loop {
        let rest = frame.get(at..).unwrap_or_default();
        let header = Header::decode(rest)?;
        let next = header.next_command as usize;
        if next == 0 {
            messages.push((at..frame.len(), header));
            return Ok(messages);
        }
        if next < Header::SIZE || next >= rest.len() {
            return Err(DecodeError {
                what: "NextCommand",
                at: at + Header::NEXT_COMMAND_OFFSET,
            });
        }
        messages.push((at..at + next, header));
        at += next;
    }
}
