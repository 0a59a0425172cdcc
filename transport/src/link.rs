//! A connection that carries whole messages, over TCP or a Unix socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use bytes::buf::Limit;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::frame::{Deframer, FrameError, Framing, Packet};
use crate::netbios::session::{CalledNames, POSITIVE_RESPONSE, SessionRefused, SessionRequest};
use crate::pool::BufferPool;
use crate::send::{Frame, SendQueue};

/// What links of one listener have in common.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// [`Framing::DirectTcp`], or [`Framing::Detect`] where NetBIOS sessions are served as well.
    pub framing: Framing,
    /// The longest message accepted, in bytes.
    pub largest_message: usize,
    /// The names that NetBIOS clients may call.
    pub called_names: Arc<CalledNames>,
    /// Where buffers come from and go to.
    pub pool: BufferPool,
}

/// What carries a link's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Direct TCP.
    DirectTcp,
    /// The NetBIOS session service.
    Netbios,
    /// A Unix socket, framed as direct TCP: for tests.
    Unix,
}

/// What is known about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// What carries the messages. Before the first message a link that detects NetBIOS counts
    /// as direct TCP.
    pub kind: LinkKind,
    /// The other end; unspecified for a Unix socket.
    pub peer: SocketAddr,
    /// This end; unspecified for a Unix socket.
    pub local: SocketAddr,
    /// Whether the transport encrypts, so that SMB need not.
    pub already_encrypted: bool,
    /// The longest message accepted, in bytes.
    pub largest_message: usize,
}

/// Why a link came to its end.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The socket failed; most often the peer reset the connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer sent what is no packet.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer closed in the middle of a packet.
    #[error("the stream ended inside a packet")]
    Truncated,
    /// The NetBIOS session was refused; the peer has been told.
    #[error(transparent)]
    Refused(#[from] SessionRefused),
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Link {
    reader: LinkReader,
    writer: LinkWriter,
}

impl Link {
    /// A link over a connected TCP socket, which is set to send without delay.
    ///
    /// # Errors
    /// If the socket is no longer connected.
    pub fn over_tcp(stream: TcpStream, settings: &LinkSettings) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // So that a peer that vanished is noticed some day even if nothing is sent.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        let facts = LinkFacts {
            kind: LinkKind::DirectTcp,
            peer: stream.peer_addr()?,
            local: stream.local_addr()?,
            already_encrypted: false,
            largest_message: settings.largest_message,
        };
        let (read, write) = stream.into_split();
        Ok(Self::new(
            ReadHalf::Tcp(read),
            WriteHalf::Tcp(write),
            facts,
            settings,
        ))
    }

    /// A link over a connected Unix socket.
    #[must_use]
    pub fn over_unix(stream: UnixStream, settings: &LinkSettings) -> Self {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let facts = LinkFacts {
            kind: LinkKind::Unix,
            peer: unspecified,
            local: unspecified,
            already_encrypted: false,
            largest_message: settings.largest_message,
        };
        let (read, write) = stream.into_split();
        Self::new(
            ReadHalf::Unix(read),
            WriteHalf::Unix(write),
            facts,
            settings,
        )
    }

    fn new(read: ReadHalf, write: WriteHalf, facts: LinkFacts, settings: &LinkSettings) -> Self {
        let pool = settings.pool.clone();
        let deframer = Deframer::new(settings.framing, settings.largest_message, pool.clone());
        let called_names = settings.called_names.clone();
        Self {
            reader: LinkReader {
                half: read,
                deframer,
                called_names,
                facts,
            },
            writer: LinkWriter {
                half: write,
                queue: SendQueue::new(pool),
            },
        }
    }

    /// What is known about the link.
    #[must_use]
    pub fn facts(&self) -> LinkFacts {
        self.reader.facts()
    }

    /// See [`LinkReader::receive`].
    ///
    /// # Errors
    /// As there.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, LinkError> {
        self.reader.receive().await
    }

    /// See [`LinkWriter::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) -> io::Result<()> {
        self.writer.send(frames).await
    }

    /// Takes the directions apart, for a task each.
    #[must_use]
    pub fn split(self) -> (LinkReader, LinkWriter) {
        (self.reader, self.writer)
    }
}

/// The receiving direction of a link.
#[derive(Debug)]
pub struct LinkReader {
    half: ReadHalf,
    deframer: Deframer,
    called_names: Arc<CalledNames>,
    facts: LinkFacts,
}

impl LinkReader {
    /// The next message without its transport header, or None when the peer has closed. The
    /// buffer is the caller's alone. Keep-alives are passed over and a NetBIOS session request is
    /// answered here. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// [`LinkError`], after which the link is of no more use.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, LinkError> {
        loop {
            match self.deframer.next_packet()? {
                Some(Packet::Message(message)) => return Ok(Some(message)),
                Some(Packet::KeepAlive) => {}
                Some(Packet::SessionRequest(request)) => self.establish(&request).await?,
                None => {
                    if self.deframer.has_header_only() {
                        self.half.acknowledge_at_once();
                    }
                    if self.fill().await? == 0 {
                        return self.at_end();
                    }
                }
            }
        }
    }

    /// What is known about the link.
    #[must_use]
    pub fn facts(&self) -> LinkFacts {
        let mut facts = self.facts;
        facts.largest_message = self.deframer.largest_message();
        if self.deframer.framing() == Framing::Netbios {
            facts.kind = LinkKind::Netbios;
        }
        facts
    }

    /// Changes the limit for messages that have not begun to arrive: a low one before
    /// authentication bounds what strangers can make the server hold.
    pub fn set_largest_message(&mut self, bytes: usize) {
        self.deframer.set_largest_message(bytes);
    }

    /// Reads once. While it waits no buffer is held.
    async fn fill(&mut self) -> io::Result<usize> {
        let Self { half, deframer, .. } = self;
        poll_fn(|context| {
            let polled = half.poll_read(context, &mut deframer.room());
            if polled.is_pending() {
                deframer.release();
            }
            polled
        })
        .await
    }

    fn at_end(&self) -> Result<Option<BytesMut>, LinkError> {
        if self.deframer.is_between_packets() {
            Ok(None)
        } else {
            Err(LinkError::Truncated)
        }
    }

    /// Answers a session request. The server has sent nothing before, so the writer is idle.
    async fn establish(&mut self, request: &[u8]) -> Result<(), LinkError> {
        let admitted =
            SessionRequest::decode(request).and_then(|request| self.called_names.admit(&request));
        match admitted {
            Ok(()) => Ok(self.half.send(&POSITIVE_RESPONSE).await?),
            Err(refused) => {
                self.half.send(&refused.response()).await?;
                Err(refused.into())
            }
        }
    }
}

/// The sending direction of a link. Dropping it closes that direction.
#[derive(Debug)]
pub struct LinkWriter {
    half: WriteHalf,
    queue: SendQueue,
}

impl LinkWriter {
    /// Sends frames, together and in order, and returns when the socket has taken them all. If
    /// the future is dropped, what was not sent goes out before the next call's frames.
    ///
    /// # Errors
    /// Those of the socket, or of reading a [`FileRegion`](crate::FileRegion). A frame may then
    /// be cut off, so the link is of no more use.
    pub async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) -> io::Result<()> {
        for frame in frames {
            self.queue.push(frame);
        }
        while !self.queue.is_empty() {
            match self.half.send_some(&mut self.queue).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => sent?,
            }
        }
        Ok(())
    }

    /// Has the system end the connection when the peer leaves something unacknowledged for so long;
    /// `None` for as long as the system likes. Does nothing where bytes cannot be lost on the way.
    ///
    /// # Errors
    /// If the socket is no longer connected.
    pub fn end_when_unacknowledged(&self, limit: Option<Duration>) -> io::Result<()> {
        let WriteHalf::Tcp(half) = &self.half else {
            return Ok(());
        };
        let limit = limit.map_or(0, |limit| {
            u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)
        });
        let socket: &TcpStream = half.as_ref();
        Ok(set_tcp_user_timeout(socket, limit)?)
    }

    /// A number that changes whenever the peer's end has taken something.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.queue.progress()
    }

    /// Closes this direction; the peer reads the end of the stream after what was sent.
    ///
    /// # Errors
    /// If the socket is no longer connected.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match &mut self.half {
            WriteHalf::Tcp(half) => half.shutdown().await,
            WriteHalf::Unix(half) => half.shutdown().await,
        }
    }
}

#[derive(Debug)]
enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

impl ReadHalf {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut Limit<&mut BytesMut>,
    ) -> Poll<io::Result<usize>> {
        // The futures keep nothing between polls, so a new one each time is the same.
        match self {
            Self::Tcp(half) => pin!(half.read_buf(room)).poll(context),
            Self::Unix(half) => pin!(half.read_buf(room)).poll(context),
        }
    }

    /// Has what arrived acknowledged now. A client that sends header and message in two calls, and has
    /// not turned Nagle's algorithm off, holds the message back until then: 40 ms otherwise.
    fn acknowledge_at_once(&self) {
        if let Self::Tcp(half) = self {
            // Only a matter of speed.
            let _ = rustix::net::sockopt::set_tcp_quickack(half.as_ref(), true);
        }
    }

    /// Sends a few bytes although this is the receiving half.
    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let attempt = |socket: BorrowedFd<'_>| {
                send(socket, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from)
            };
            let sent = match self {
                Self::Tcp(half) => {
                    let stream = half.as_ref();
                    stream
                        .async_io(Interest::WRITABLE, || attempt(stream.as_fd()))
                        .await?
                }
                Self::Unix(half) => {
                    let stream = half.as_ref();
                    stream
                        .async_io(Interest::WRITABLE, || attempt(stream.as_fd()))
                        .await?
                }
            };
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

#[derive(Debug)]
enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl WriteHalf {
    async fn send_some(&self, queue: &mut SendQueue) -> io::Result<()> {
        match self {
            Self::Tcp(half) => {
                let stream = half.as_ref();
                stream
                    .async_io(Interest::WRITABLE, || queue.send_some(stream.as_fd()))
                    .await
            }
            Self::Unix(half) => {
                let stream = half.as_ref();
                stream
                    .async_io(Interest::WRITABLE, || queue.send_some(stream.as_fd()))
                    .await
            }
        }
    }
}
