//! The driver of one connection: moves bytes and jobs between a link and the state machine.
//!
//! One task drives one connection. It feeds one event in (a message, a job's end, mail, a
//! deadline), drains everything out, and only then waits for the next event:
//!
//! ```text
//!  link ──receive──> Connection ──next_job──> polled once here ──not done──> a task of its own ──┐
//!   ^                    ^                            │done                                      │
//!   └───next_frame───────┴──────────finish────────────┘                <──── mailbox ────────────┘
//! ```
//!
//! It knows no SMB message. While a client does not take its replies, no further requests are taken
//! from it.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use server::{
    Connection, DisconnectReason, Done, Job, LinkFacts, Mail, Mailbox, Server, UNACKNOWLEDGED,
};
use tokio::{
    sync::watch,
    time::{Sleep, sleep_until, timeout, timeout_at},
};
use transport::{FileRegion, Frame, FrameTooLong, Link, LinkKind, LinkReader, LinkWriter, Part};

/// How far the server has got with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// It serves.
    NotYet,
    /// Take no more requests, let those under way finish, close.
    Drain,
    /// Close.
    Now,
}

/// Serves one connection until it ends, and closes everything that it held.
pub(crate) async fn drive(server: Arc<Server>, link: Link, mut stop: watch::Receiver<Stop>) {
    let accepted = Instant::now();
    let (mut reader, writer) = link.split();
    reader.set_largest_message(LARGEST_BEFORE_LOG_ON);
    let patience = server
        .settings()
        .configuration
        .server
        .authentication_timeout;
    let first = tokio::select! {
        first = timeout(patience, reader.receive()) => first,
        _ = stop.wait_for(|stop| *stop >= Stop::Drain) => return,
    };
    // Whoever hangs up, talks nonsense or says nothing gets no connection.
    let Ok(Ok(Some(first))) = first else {
        tracing::debug!(target: "smb::connection", peer = %reader.facts().peer, "no message came");
        return;
    };
    let connection = Connection::new(server.clone(), facts(&reader), accepted);
    let driver = Driver {
        server,
        mailbox: connection.state().mailbox.clone(),
        connection,
        reader,
        writer,
        frames: Vec::new(),
        backlog: 0,
        progress: (0, accepted),
        is_authenticated: false,
        is_urgent: false,
    };
    driver.run(first, stop).await;
}

struct Driver {
    server: Arc<Server>,
    connection: Connection,
    mailbox: Mailbox,
    reader: LinkReader,
    writer: LinkWriter,
    /// Frames on their way to the writer; empty between events.
    frames: Vec<Frame>,
    /// Bytes given to the writer since it last had sent everything; 0 when it has.
    backlog: usize,
    /// What the writer said of its progress, and since when it says so.
    progress: (u64, Instant),
    is_authenticated: bool,
    /// Whether the link ends soon when the client does not acknowledge what it is sent.
    is_urgent: bool,
}

/// What happened next.
enum Event {
    /// The client sent a message.
    Message(BytesMut),
    /// The socket took everything that was waiting, or after a long time at least some of it.
    Sent,
    /// Somebody left mail for the connection, which reads it by itself.
    Mail,
    /// The connection's deadline has passed.
    Deadline,
    /// The server has got further with stopping.
    Stop,
}

/// The connection is over; the reason is the server's, if it was the server that ended it.
struct Over(Option<DisconnectReason>);

impl Driver {
    async fn run(mut self, first: BytesMut, mut stop: watch::Receiver<Stop>) {
        let mut deadline = pin!(sleep_until(self.deadline()));
        let mut event = Event::Message(first);
        let Over(reason) = loop {
            let handled = match self.handle(event, &stop).await {
                Ok(()) => self.drain().await,
                Err(over) => Err(over),
            };
            let next = match handled {
                Ok(()) => self.next_event(deadline.as_mut(), &mut stop).await,
                Err(over) => Err(over),
            };
            event = match next {
                Ok(Event::Deadline) => {
                    deadline.as_mut().reset(self.deadline());
                    Event::Deadline
                }
                Ok(event) => event,
                Err(over) => break over,
            };
        };
        // What the peer has not taken by now it does not want; the socket closes when the writer is
        // dropped.
        let _ = self.writer.shutdown().await;
        self.connection.close(reason).await;
    }

    /// Feeds one event in.
    async fn handle(&mut self, event: Event, stop: &watch::Receiver<Stop>) -> Result<(), Over> {
        let now = self.server.environment().now();
        match event {
            Event::Message(message) => {
                self.feed(now, message)?;
                if *stop.borrow() == Stop::NotYet {
                    self.feed_arrived(now).await?;
                }
            }
            Event::Deadline => {
                let handled = self.connection.handle_timeout(now);
                handled.map_err(|reason| Over(Some(reason)))?;
            }
            Event::Sent | Event::Mail | Event::Stop => {}
        }
        if *stop.borrow() == Stop::Now {
            return Err(Over(Some(DisconnectReason::ServerStops)));
        }
        Ok(())
    }

    /// Feeds one message in, and collects the replies that are ready.
    fn feed(&mut self, now: Instant, message: BytesMut) -> Result<(), Over> {
        let received = self.connection.receive(now, message);
        received.map_err(|reason| Over(Some(reason)))?;
        self.run_jobs();
        self.collect()
    }

    /// Feeds in what has arrived already, so that replies leave together: each sending wakes the
    /// client, which costs more than a small reply itself.
    async fn feed_arrived(&mut self, since: Instant) -> Result<(), Over> {
        while self.is_authenticated
            && self.backlog < ENOUGH_TO_SEND
            && self.connection.ending().is_none()
        {
            let arrived = poll_once(self.reader.receive()).await;
            // The end of the link will be met again, once the replies are sent.
            let Poll::Ready(Ok(Some(message))) = arrived else {
                break;
            };
            let now = self.server.environment().now();
            self.feed(now, message)?;
            if now.saturating_duration_since(since) > LONGEST_HOLD {
                break;
            }
        }
        Ok(())
    }

    /// Takes the frames that the connection wants to send.
    fn collect(&mut self) -> Result<(), Over> {
        while let Some(frame) = self.connection.next_frame() {
            self.backlog = self.backlog.saturating_add(frame.length());
            let frame = transport_frame(frame);
            self.frames
                .push(frame.map_err(|_| Over(Some(DisconnectReason::JobFailed)))?);
        }
        Ok(())
    }

    /// Polls each new job once; most are done then. The others go on in tasks of their own.
    fn run_jobs(&mut self) {
        while let Some(mut job) = self.connection.next_job() {
            // The waker of whoever polls is the only one there is: a job that goes on is polled
            // again by its task.
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut job).poll(&mut context)));
            match polled {
                Ok(Poll::Ready(done)) => self.connection.finish(done),
                Ok(Poll::Pending) => spawn(job, self.mailbox.clone()),
                Err(_) => self
                    .connection
                    .finish(Done::disconnect(DisconnectReason::JobFailed)),
            }
        }
    }

    /// Sends what there is to send as far as the socket takes it at once.
    async fn drain(&mut self) -> Result<(), Over> {
        self.collect()?;
        self.hurry();
        if !self.frames.is_empty() {
            match poll_once(self.writer.send(self.frames.drain(..))).await {
                Poll::Ready(Ok(())) => self.backlog = 0,
                Poll::Ready(Err(_)) => return Err(Over(None)),
                // What is not sent yet stays in the writer.
                Poll::Pending => {}
            }
        }
        match self.connection.ending() {
            Some(reason) if self.backlog == 0 => Err(Over(Some(reason))),
            _ => Ok(()),
        }
    }

    /// Has the link end soon, or no longer, when the client does not acknowledge what it is sent.
    fn hurry(&mut self) {
        let is_urgent = self.connection.is_urgent();
        if is_urgent != std::mem::replace(&mut self.is_urgent, is_urgent) {
            let limit = is_urgent.then_some(UNACKNOWLEDGED);
            // A link that has ended shows that itself.
            let _ = self.writer.end_when_unacknowledged(limit);
        }
    }

    /// Waits for the next event.
    async fn next_event(
        &mut self,
        deadline: Pin<&mut Sleep>,
        stop: &mut watch::Receiver<Stop>,
    ) -> Result<Event, Over> {
        let is_stopping = *stop.borrow() >= Stop::Drain;
        if is_stopping && self.backlog == 0 && self.is_quiet() {
            return Err(Over(Some(DisconnectReason::ServerStops)));
        }
        self.raise_largest_message();
        let is_ending = self.connection.ending().is_some();
        let receives = !is_stopping && !is_ending && self.backlog < MOST_BACKLOG;
        let patience = self.patience();
        let Self {
            reader,
            writer,
            mailbox,
            backlog,
            progress,
            ..
        } = self;
        tokio::select! {
            received = reader.receive(), if receives => match received {
                Ok(Some(message)) => Ok(Event::Message(message)),
                Ok(None) | Err(_) => Err(Over(None)),
            },
            // Lazily: the clock starts only if something waits.
            sent = async { timeout_at(patience, writer.send([])).await }, if *backlog > 0 => match sent {
                Ok(Ok(())) => {
                    *backlog = 0;
                    Ok(Event::Sent)
                }
                Err(_) if writer.progress() != progress.0 => Ok(Event::Sent),
                Ok(Err(_)) | Err(_) => Err(Over(None)),
            },
            () = poll_fn(|context| mailbox.poll_mail(context)) => Ok(Event::Mail),
            () = deadline => Ok(Event::Deadline),
            Ok(()) = stop.changed() => Ok(Event::Stop),
        }
    }

    /// Until when a client that has not taken all its replies must have taken some more.
    fn patience(&mut self) -> tokio::time::Instant {
        let progress = self.writer.progress();
        if self.backlog == 0 || progress != self.progress.0 {
            self.progress = (progress, self.server.environment().now());
        }
        (self.progress.1 + STALL).into()
    }

    /// Whether no request is under way but those that may wait for ever.
    fn is_quiet(&self) -> bool {
        let requests = &self.connection.state().requests;
        requests.len() <= requests.waiting()
    }

    /// Takes long messages as soon as somebody has logged on.
    fn raise_largest_message(&mut self) {
        if !self.is_authenticated && !self.connection.state().sessions().is_empty() {
            self.is_authenticated = true;
            self.reader
                .set_largest_message(self.server.limits().frame_size.to_usize());
        }
    }

    /// When the connection has something to decide, or shall be asked again.
    fn deadline(&self) -> tokio::time::Instant {
        let latest = self.server.environment().now() + ASK_AGAIN;
        self.connection.next_timeout().unwrap_or(latest).into()
    }
}

/// Carries a job on in a task of its own, and posts its result to the connection.
fn spawn(job: Job, mailbox: Mailbox) {
    /// Posts the result, or that there is none because the job panicked.
    struct Outcome {
        mailbox: Mailbox,
        done: Option<Done>,
    }

    impl Drop for Outcome {
        fn drop(&mut self) {
            self.mailbox.post(match self.done.take() {
                Some(done) => Mail::Done(done),
                None => Mail::Disconnect(DisconnectReason::JobFailed),
            });
        }
    }

    tokio::spawn(async move {
        let mut outcome = Outcome {
            mailbox,
            done: None,
        };
        outcome.done = Some(job.await);
    });
}

/// Polls a future that may be dropped at any time, once.
async fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// What the server is told of the link.
fn facts(reader: &LinkReader) -> LinkFacts {
    let facts = reader.facts();
    let has_address = facts.kind != LinkKind::Unix;
    LinkFacts {
        peer: has_address.then_some(facts.peer),
        local: has_address.then_some(facts.local),
        small_messages: facts.kind == LinkKind::Netbios,
    }
}

/// A reply as the transport takes it.
fn transport_frame(frame: server::Frame) -> Result<Frame, FrameTooLong> {
    match frame.region {
        None => Frame::new(frame.head),
        Some(region) => {
            let server::share::FileRegion {
                file,
                offset,
                length,
            } = region;
            let region = FileRegion {
                file,
                offset,
                length,
            };
            Frame::of_parts(vec![Part::Bytes(frame.head), Part::File(region)])
        }
    }
}

/// Replies of this size are not held back to leave together with others, in bytes: they fit the
/// core's cache.
const ENOUGH_TO_SEND: usize = 256 << 10;
/// Nor for longer than this.
const LONGEST_HOLD: Duration = Duration::from_micros(200);

/// The longest message before anybody has logged on, in bytes: a SESSION_SETUP with a ticket of the
/// greatest size.
const LARGEST_BEFORE_LOG_ON: usize = 128 << 10;
/// How many bytes of replies may wait for a client before no more requests are taken from it.
const MOST_BACKLOG: usize = 4 << 20;
/// How long a client may take none of the replies that wait for it.
const STALL: Duration = Duration::from_secs(600);
/// How soon a connection that has no deadline is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(600);
