//! Keeps operations under way, and takes the time of each.
//!
//! An operation is a series of messages, each sent when the one before is answered. A lane carries
//! one operation after another; several lanes share a connection, or have one each.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use wire::{MessageId, NtStatus, Request};

use super::measure::{Latencies, Measurement, Meter};
use super::servers::Running;
use super::variant::Connected;
use crate::client::{CallError, Outgoing, Related, Reply};

/// One kind of operation.
pub trait Operation {
    /// The next message of operation `at.index`; `last` is the answer to the one before. `None` ends
    /// the operation.
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message>;

    /// Whether a status is what the operation expects.
    fn accepts(&self, status: NtStatus) -> bool {
        status == NtStatus::SUCCESS
    }

    /// How much work `operations` of them were.
    fn work(&self, operations: u64) -> f64 {
        operations as f64
    }
}

/// Where in which operation a lane is.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The number of the operation, from 0.
    pub index: u64,
    /// The number of the message in it, from 0.
    pub step: usize,
    /// The lane, from 0.
    pub lane: usize,
}

/// What goes to the server at once.
#[derive(Debug)]
pub enum Message {
    /// One request.
    One(Request),
    /// A compound of requests, each related to the one before; the last answer counts.
    Related(Vec<Request>),
}

impl<R: Into<Request>> From<R> for Message {
    fn from(request: R) -> Self {
        Self::One(request.into())
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// After this many operations.
    pub operations: u64,
    /// No new operation begins after this time.
    pub time: Duration,
}

impl Until {
    /// A run that ends by time alone.
    pub fn time(time: Duration) -> Self {
        Self {
            operations: u64::MAX,
            time,
        }
    }

    /// A run that ends when so much is done.
    pub fn operations(operations: u64) -> Self {
        Self {
            operations,
            time: Duration::from_secs(3600),
        }
    }
}

/// Runs an operation again and again in `lanes` lanes, which take `clients` in turn.
///
/// # Errors
/// The server refused a request, or a connection broke.
pub fn run(
    server: &Running,
    clients: &mut [Connected],
    lanes: usize,
    until: Until,
    operation: &mut dyn Operation,
) -> Result<Measurement, CallError> {
    let mut run = Run {
        clients,
        lanes: Vec::new(),
        waiting: VecDeque::new(),
        begun: 0,
        latencies: Latencies::with_room(),
    };
    let meter = Meter::start(server);
    for lane in 0..lanes {
        if run.begun < until.operations {
            run.begin(lane, operation)?;
        }
    }
    while let Some(client) = run.waiting.pop_front() {
        let lane = run.receive(client, operation)?;
        let ends = run.begun >= until.operations || meter.elapsed() >= until.time;
        if run.lanes[lane].is_idle && !ends {
            run.begin(lane, operation)?;
        }
    }
    let done = run.latencies.count() as u64;
    Ok(meter.finish(operation.work(done), run.latencies))
}

struct Run<'a> {
    clients: &'a mut [Connected],
    lanes: Vec<Lane>,
    /// The clients to receive from, in the order in which they were sent to.
    waiting: VecDeque<usize>,
    begun: u64,
    latencies: Latencies,
}

struct Lane {
    at: At,
    client: usize,
    begun: Instant,
    /// The answer that it waits for.
    awaited: MessageId,
    is_idle: bool,
    last: Option<Reply>,
}

impl Run<'_> {
    /// Begins the next operation in a lane.
    fn begin(&mut self, lane: usize, operation: &mut dyn Operation) -> io::Result<()> {
        let index = self.begun;
        self.begun += 1;
        let fresh = Lane {
            at: At {
                index,
                step: 0,
                lane,
            },
            client: (index % self.clients.len() as u64) as usize,
            begun: Instant::now(),
            awaited: MessageId(0),
            is_idle: false,
            last: None,
        };
        if lane < self.lanes.len() {
            self.lanes[lane] = fresh;
        } else {
            self.lanes.push(fresh);
        }
        self.advance(lane, operation)
    }

    /// Sends the next message of a lane, or ends its operation.
    fn advance(&mut self, lane: usize, operation: &mut dyn Operation) -> io::Result<()> {
        let lane = &mut self.lanes[lane];
        let last = lane.last.take();
        let Some(message) = operation.next(lane.at, last.as_ref()) else {
            lane.is_idle = true;
            self.latencies.push(lane.begun.elapsed());
            return Ok(());
        };
        // The buffer of the answer can be used again.
        drop(last);
        lane.at.step += 1;
        let Connected { client, scope } = &mut self.clients[lane.client];
        lane.awaited = match message {
            Message::One(request) => client.post(*scope, request)?,
            Message::Related(requests) => {
                let mut related = Related::ToNothing;
                let outgoing: Vec<Outgoing> = requests
                    .into_iter()
                    .map(|request| {
                        let request = client.connection.prepare(*scope, request);
                        request.related(std::mem::replace(&mut related, Related::ToTheOneBefore))
                    })
                    .collect();
                client.send(&outgoing)?;
                outgoing.last().map_or(MessageId(0), Outgoing::message_id)
            }
        };
        self.waiting.push_back(lane.client);
        Ok(())
    }

    /// Receives what one lane of a client waits for, and lets that lane go on.
    fn receive(
        &mut self,
        client: usize,
        operation: &mut dyn Operation,
    ) -> Result<usize, CallError> {
        loop {
            let reply = self.clients[client].client.receive()?;
            if reply.is_interim() || reply.is_notification() {
                continue;
            }
            if !operation.accepts(reply.status()) {
                return Err(CallError::Status(reply.status()));
            }
            let waits = |lane: &Lane| {
                lane.client == client && !lane.is_idle && lane.awaited == reply.message_id()
            };
            if let Some(lane) = self.lanes.iter().position(waits) {
                self.lanes[lane].last = Some(reply);
                self.advance(lane, operation)?;
                return Ok(lane);
            }
        }
    }
}
