//! The client on a blocking TCP socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wire::{MessageId, Request};

use super::connection::ClientConnection;
use super::incoming::Reply;
use super::outgoing::{Outgoing, Scope};

/// A [`ClientConnection`] on a blocking socket.
///
/// [`Self::send`] and [`Self::receive`] are independent, so that any number of requests can be
/// under way. What arrives while a call waits for its own reply is kept for [`Self::receive`].
#[derive(Debug)]
pub struct TcpClient {
    /// The protocol's side, to be changed at will.
    pub connection: ClientConnection,
    stream: TcpStream,
    ahead: ReadAhead,
    /// The buffer of the latest large frame; used again when nobody holds a piece of it.
    large: Option<Bytes>,
    frame: BytesMut,
    waiting: VecDeque<Reply>,
}

impl TcpClient {
    /// Connects, and negotiates nothing.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(address: SocketAddr, connection: ClientConnection) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self {
            connection,
            stream,
            ahead: ReadAhead::default(),
            large: None,
            frame: BytesMut::new(),
            waiting: VecDeque::new(),
        })
    }

    /// The socket, to set its timeouts or to cut it.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends one request, or several as a compound.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, requests: &[Outgoing]) -> io::Result<()> {
        self.frame.clear();
        self.connection.encode(requests, &mut self.frame);
        write_frame(&mut self.stream, &self.frame)
    }

    /// Prepares a request in `scope` and sends it; returns its id.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn post(&mut self, scope: Scope, request: impl Into<Request>) -> io::Result<MessageId> {
        let outgoing = self.connection.prepare(scope, request.into());
        self.send(std::slice::from_ref(&outgoing))?;
        Ok(outgoing.message_id())
    }

    /// Sends any bytes as one frame.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        write_frame(&mut self.stream, frame)
    }

    /// Sends any bytes without the length in front of them.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next message of the server, whatever it is.
    ///
    /// # Errors
    /// Those of the socket; `UnexpectedEof` when the server ended the connection; `InvalidData`
    /// when it sent what is no message.
    pub fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.waiting.pop_front() {
                return Ok(reply);
            }
            let replies = self.receive_frame()?;
            self.waiting.extend(replies);
        }
    }

    /// The final reply to a request; interim replies to it are dropped, all else is kept.
    ///
    /// # Errors
    /// Those of [`Self::receive`].
    pub fn receive_final(&mut self, message_id: MessageId) -> io::Result<Reply> {
        let is_wanted = |reply: &Reply| reply.message_id() == message_id && !reply.is_interim();
        loop {
            if let Some(index) = self.waiting.iter().position(is_wanted) {
                return Ok(self.waiting.remove(index).expect("position is inside"));
            }
            let replies = self.receive_frame()?;
            let wanted = |reply: &Reply| is_wanted(reply) || reply.message_id() != message_id;
            self.waiting.extend(replies.into_iter().filter(wanted));
        }
    }

    /// Sends a request and waits for its final reply.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn call(&mut self, scope: Scope, request: impl Into<Request>) -> io::Result<Reply> {
        let message_id = self.post(scope, request)?;
        self.receive_final(message_id)
    }

    /// The next frame's bytes as they came, without the length in front.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn receive_raw(&mut self) -> io::Result<Vec<u8>> {
        let length = self.frame_length()?;
        let mut frame = vec![0; length];
        self.ahead.read_exact(&mut self.stream, &mut frame)?;
        Ok(frame)
    }

    fn receive_frame(&mut self) -> io::Result<Vec<Reply>> {
        let length = self.frame_length()?;
        let mut buffer = self.buffer(length);
        let frame = &mut buffer[..length];
        self.ahead.read_exact(&mut self.stream, frame)?;
        let opened = self.connection.open(frame).map_err(invalid)?;
        let whole = buffer.freeze();
        let frame = whole.slice(..length);
        if length >= LARGE {
            self.large = Some(whole);
        }
        self.connection.accept(&frame, &opened).map_err(invalid)
    }

    // [MS-SMB2] 2.1
    fn frame_length(&mut self) -> io::Result<usize> {
        let mut prefix = [0; 4];
        self.ahead.read_exact(&mut self.stream, &mut prefix)?;
        Ok(u32::from_be_bytes(prefix) as usize & 0x00ff_ffff)
    }

    /// A buffer of at least `length` bytes.
    fn buffer(&mut self, length: usize) -> BytesMut {
        if length >= LARGE
            && let Some(last) = self.large.take()
            && let Ok(last) = last.try_into_mut()
            && last.len() >= length
        {
            return last;
        }
        BytesMut::zeroed(length)
    }
}

/// What was read from the socket beyond the frame that was asked for.
#[derive(Debug, Default)]
struct ReadAhead {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadAhead {
    fn read_exact(&mut self, stream: &mut TcpStream, mut into: &mut [u8]) -> io::Result<()> {
        loop {
            let ready = &self.bytes[self.start..self.end];
            let count = ready.len().min(into.len());
            let (front, rest) = into.split_at_mut(count);
            front.copy_from_slice(&ready[..count]);
            self.start += count;
            into = rest;
            if into.is_empty() {
                return Ok(());
            }
            if into.len() >= LARGE {
                return stream.read_exact(into);
            }
            self.bytes.resize(READ_AHEAD, 0);
            self.start = 0;
            self.end = stream.read(&mut self.bytes)?;
            if self.end == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn write_frame(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let prefix = length.to_be_bytes();
    let mut parts = [IoSlice::new(&prefix), IoSlice::new(frame)];
    let mut parts = &mut parts[..];
    while !parts.is_empty() {
        match stream.write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut parts, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn invalid(error: super::incoming::ReceiveError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// How long a server may stay silent.
const TIMEOUT: Duration = Duration::from_secs(60);
const READ_AHEAD: usize = 16 * 1024;
/// From this size on frames are read straight into a buffer that is used again.
const LARGE: usize = 16 * 1024;
