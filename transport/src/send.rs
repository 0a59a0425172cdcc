//! What goes out: frames, and the queue that puts them onto a socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::frame::{HEADER_LENGTH, MAX_MESSAGE};
use crate::netbios::session::KEEP_ALIVE;
use crate::pool::BufferPool;

/// One message on its way out: the transport header, and the parts that make up the message.
#[derive(Clone, Debug)]
pub struct Frame {
    header: [u8; HEADER_LENGTH],
    first: Option<Part>,
    others: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file, which never pass through this program.
    File(FileRegion),
}

/// A piece of a file. What lies beyond the end of the file by the time it is sent is sent as
/// zeros: the message has announced its length already.
#[derive(Clone, Debug)]
pub struct FileRegion {
    /// A file that is open for reading. Sending blocks where it is not in the page cache.
    pub file: Arc<OwnedFd>,
    /// First byte of the region.
    pub offset: u64,
    /// Length of the region, in bytes.
    pub length: u32,
}

/// The parts add up to more than a transport header can announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes does not fit into a transport frame")]
pub struct FrameTooLong {
    /// Length of the message, in bytes.
    pub length: usize,
}

impl Frame {
    /// A frame of one message in one piece.
    ///
    /// # Errors
    /// [`FrameTooLong`] above [`MAX_MESSAGE`].
    pub fn new(message: Bytes) -> Result<Self, FrameTooLong> {
        let header = header(message.len())?;
        Ok(Self {
            header,
            first: Some(Part::Bytes(message)),
            others: Vec::new(),
        })
    }

    /// A frame of one message in several parts.
    ///
    /// # Errors
    /// [`FrameTooLong`] above [`MAX_MESSAGE`].
    pub fn of_parts(parts: Vec<Part>) -> Result<Self, FrameTooLong> {
        let length = parts
            .iter()
            .fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        Ok(Self {
            header: header(length)?,
            first: None,
            others: parts,
        })
    }

    /// A NetBIOS keep-alive: for NetBIOS links only.
    #[must_use]
    pub fn keep_alive() -> Self {
        Self {
            header: KEEP_ALIVE,
            first: None,
            others: Vec::new(),
        }
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => usize::try_from(region.length).unwrap_or(usize::MAX),
        }
    }
}

fn header(length: usize) -> Result<[u8; HEADER_LENGTH], FrameTooLong> {
    // [MS-SMB2] 2.1
    match u32::try_from(length) {
        Ok(announced) if length <= MAX_MESSAGE => Ok(announced.to_be_bytes()),
        _ => Err(FrameTooLong { length }),
    }
}

/// Frames that wait to be sent, flattened. The first segment may have been sent in part.
#[derive(Debug)]
pub(crate) struct SendQueue {
    segments: VecDeque<Segment>,
    pool: BufferPool,
    calls: u64,
}

#[derive(Debug)]
enum Segment {
    Header {
        bytes: [u8; HEADER_LENGTH],
        sent: usize,
    },
    Bytes(Bytes),
    File(FileRegion),
    Zeros(usize),
}

impl SendQueue {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self {
            segments: VecDeque::new(),
            pool,
            calls: 0,
        }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.segments.push_back(Segment::Header {
            bytes: frame.header,
            sent: 0,
        });
        let parts = frame
            .first
            .into_iter()
            .chain(frame.others)
            .filter(|part| part.len() > 0);
        self.segments.extend(parts.map(|part| match part {
            Part::Bytes(bytes) => Segment::Bytes(bytes),
            Part::File(region) => Segment::File(region),
        }));
    }

    /// Whether everything was sent. An empty queue holds no memory worth mentioning.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How often the socket has taken something.
    pub(crate) fn progress(&self) -> u64 {
        self.calls
    }

    /// Sends as much as one system call takes.
    ///
    /// # Errors
    /// Those of the call; `WouldBlock` if the socket takes nothing now.
    pub(crate) fn send_some(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.send_front(socket)?;
        self.calls = self.calls.wrapping_add(1);
        Ok(())
    }

    fn send_front(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if let Some(Segment::File(_)) = self.segments.front() {
            return self.send_file(socket);
        }
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let (count, flags) = self.gather(&mut slices);
        let sent = sendmsg(
            socket,
            &slices[..count],
            &mut SendAncillaryBuffer::default(),
            flags,
        )?;
        self.advance(sent);
        Ok(())
    }

    /// Collects the segments in memory up to the next file region.
    fn gather<'q>(&'q self, slices: &mut [IoSlice<'q>; MOST_SLICES]) -> (usize, SendFlags) {
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(match segment {
                Segment::Header { bytes, sent } => &bytes[*sent..],
                Segment::Bytes(bytes) => bytes,
                Segment::Zeros(length) => &ZEROS[..(*length).min(ZEROS.len())],
                Segment::File(_) => break,
            });
            count += 1;
            if matches!(segment, Segment::Zeros(length) if *length > ZEROS.len()) {
                break;
            }
        }
        match self.segments.get(count) {
            // The head of a reply and the start of its data share a segment on the wire.
            Some(Segment::File(_)) => (count, SendFlags::NOSIGNAL | SendFlags::MORE),
            _ => (count, SendFlags::NOSIGNAL),
        }
    }

    /// Drops what was sent.
    fn advance(&mut self, mut sent: usize) {
        while sent > 0 {
            let Some(front) = self.segments.front_mut() else {
                return;
            };
            let left = match front {
                Segment::Header { bytes, sent } => bytes.len() - *sent,
                Segment::Bytes(bytes) => bytes.len(),
                Segment::Zeros(length) => *length,
                Segment::File(_) => return,
            };
            if left <= sent {
                sent -= left;
                if let Some(Segment::Bytes(bytes)) = self.segments.pop_front() {
                    self.pool.recycle(bytes);
                }
                continue;
            }
            match front {
                Segment::Header { sent: before, .. } => *before += sent,
                Segment::Bytes(bytes) => bytes.advance(sent),
                Segment::Zeros(length) => *length -= sent,
                Segment::File(_) => {}
            }
            return;
        }
    }

    fn send_file(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let Some(Segment::File(region)) = self.segments.front_mut() else {
            return Ok(());
        };
        let length = usize::try_from(region.length).unwrap_or(usize::MAX);
        match sendfile(socket, &region.file, Some(&mut region.offset), length) {
            Ok(0) => self.replace_front(Segment::Zeros(length)),
            Ok(sent) if sent >= length => {
                self.segments.pop_front();
            }
            // The call has moved the offset on.
            Ok(sent) => region.length -= u32::try_from(sent).unwrap_or(region.length),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.read_file()?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads the next piece of a file that cannot be sent from the page cache.
    fn read_file(&mut self) -> io::Result<()> {
        let Some(Segment::File(region)) = self.segments.front_mut() else {
            return Ok(());
        };
        let wanted = region.length.min(READ_PIECE);
        let mut piece = BytesMut::zeroed(usize::try_from(wanted).unwrap_or(0));
        let read = rustix::io::pread(&region.file, &mut piece[..], region.offset)?;
        if read == 0 {
            let length = usize::try_from(region.length).unwrap_or(usize::MAX);
            self.replace_front(Segment::Zeros(length));
            return Ok(());
        }
        piece.truncate(read);
        let advanced = u32::try_from(read).unwrap_or(wanted);
        region.offset += u64::from(advanced);
        region.length -= advanced;
        if region.length == 0 {
            self.segments.pop_front();
        }
        self.segments.push_front(Segment::Bytes(piece.freeze()));
        Ok(())
    }

    fn replace_front(&mut self, segment: Segment) {
        self.segments.pop_front();
        self.segments.push_front(segment);
    }
}

/// Headers and parts of some thirty replies in one call.
const MOST_SLICES: usize = 64;
/// What is read at once of a file that `sendfile` cannot take.
const READ_PIECE: u32 = 256 * 1024;
/// What a file turned out not to have.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
