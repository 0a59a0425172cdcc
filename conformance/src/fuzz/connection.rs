//! A whole connection to a server, before log-on and inside an authenticated session.
//!
//! An input is cut into pieces. Each is a frame as it stands, or a command and a body, which get a
//! header that takes them past the request layer. Every reply must be well-formed, and when the
//! connection is cut, nothing may be left of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wire::{Command, Dialect, FileId, HeaderFlags};

use super::rig::Rig;
use crate::client::{Body, Outgoing, Protection};

/// What a piece's first byte says of it.
pub mod control {
    /// The bytes are a frame as they stand.
    pub const VERBATIM: u8 = 0x01;
    /// The body's FileId is replaced by that of an open, where its command has one.
    pub const WITH_OPEN: u8 = 0x02;
    /// The next piece is compounded behind this one.
    pub const COMPOUND: u8 = 0x04;
    /// The request is related to the one before it.
    pub const RELATED: u8 = 0x08;
    /// The request is signed.
    pub const SIGNED: u8 = 0x10;
    /// The frame is encrypted.
    pub const SEALED: u8 = 0x20;
    /// Time passes before it is sent.
    pub const LATER: u8 = 0x40;
    /// The open is not the first but the latest.
    pub const LATEST_OPEN: u8 = 0x80;
}

/// The first byte chooses the dialect and whether somebody has logged on.
pub fn connection(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let dialect = DIALECTS[usize::from(first & 0x7f) % DIALECTS.len()];
    let mut rig = if first & 0x80 == 0 {
        Rig::logged_on(dialect)
    } else {
        Rig::new(dialect)
    };
    let mut compound = Vec::new();
    for (control, bytes) in pieces(rest) {
        if control & control::LATER != 0 {
            rig.environment.advance(Duration::from_secs(7));
            rig.environment.run();
        }
        let sent = if control & control::VERBATIM != 0 {
            rig.send(BytesMut::from(bytes))
        } else {
            compound.push(request(&mut rig, control, bytes));
            if control & control::COMPOUND != 0 {
                continue;
            }
            let mut frame = BytesMut::new();
            rig.client.encode(&compound, &mut frame);
            compound.clear();
            rig.send(frame)
        };
        if sent.is_err() {
            break;
        }
    }
    rig.finish();
}

/// A request whose command is the first byte, and its body the rest.
fn request(rig: &mut Rig, control: u8, bytes: &[u8]) -> Outgoing {
    let (command, body) = bytes.split_first().unwrap_or((&13, &[]));
    let command = Command::ALL[usize::from(*command) % Command::ALL.len()];
    let mut body = body.to_vec();
    let open = if control & control::LATEST_OPEN != 0 {
        rig.opens.last()
    } else {
        rig.opens.first()
    };
    if control & control::WITH_OPEN != 0
        && let (Some(open), Some(at)) = (open, file_id_offset(command))
        && let Some(place) = body.get_mut(at..at + 16)
    {
        place.copy_from_slice(&bytes_of(*open));
    }
    let mut header = rig.next_header(command);
    if control & control::RELATED != 0 {
        header.flags |= HeaderFlags::RELATED_OPERATIONS;
    }
    let protection = match control & (control::SIGNED | control::SEALED) {
        0 => Protection::Plain,
        control::SIGNED => Protection::Signed,
        _ => Protection::Sealed,
    };
    Outgoing {
        header,
        body: Body::Raw(Bytes::from(body)),
        protection,
    }
}

/// Where in a body its FileId stands.
#[must_use]
pub fn file_id_offset(command: Command) -> Option<usize> {
    match command {
        Command::Close
        | Command::Flush
        | Command::Lock
        | Command::Ioctl
        | Command::QueryDirectory
        | Command::ChangeNotify
        | Command::OplockBreak => Some(8),
        Command::Read | Command::Write | Command::SetInfo => Some(16),
        Command::QueryInfo => Some(24),
        _ => None,
    }
}

fn bytes_of(id: FileId) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.persistent.to_le_bytes());
    bytes[8..].copy_from_slice(&id.volatile.to_le_bytes());
    bytes
}

/// Cuts an input: a control byte, a length of two bytes, and as many bytes.
fn pieces(mut input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([control, low, high], rest) = input.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        input = rest;
        Some((*control, piece))
    })
    .take(MOST_PIECES)
}

/// Appends a piece to an input, as [`connection`] cuts it.
pub fn push_piece(input: &mut Vec<u8>, control: u8, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    input.push(control);
    input.extend_from_slice(&length.to_le_bytes());
    input.extend_from_slice(&bytes[..usize::from(length)]);
}

const DIALECTS: [Dialect; 5] = [
    Dialect::SMB_2_0_2,
    Dialect::SMB_2_1,
    Dialect::SMB_3_0,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_1_1,
];

const MOST_PIECES: usize = 64;
