//! A job: one transport message being carried out, as a future that may run anywhere.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::commands::Unanswered;
use crate::disconnect::DisconnectReason;
use crate::packet::Frame;

/// One transport message's requests, carried out in order.
///
/// The driver polls a new job once where it stands; most are done then. One that is not may be
/// moved to any executor; its [`Done`] is posted back to the connection's mailbox.
pub struct Job {
    future: Pin<Box<dyn Future<Output = Done> + Send>>,
}

/// What a finished job hands back.
#[derive(Debug, Default)]
pub struct Done {
    /// The replies to send, in order.
    pub frames: Vec<Frame>,
    /// The connection has to end once the frames are sent.
    pub disconnect: Option<DisconnectReason>,
    /// Requests that decide about caching, answered by the frames: dropped once the frames are in the connection's queue.
    pub(crate) answered: Vec<Unanswered>,
}

impl Done {
    /// No reply; the connection has to end.
    #[must_use]
    pub fn disconnect(reason: DisconnectReason) -> Self {
        Self {
            disconnect: Some(reason),
            ..Self::default()
        }
    }
}

impl Job {
    /// A job of this future.
    pub(crate) fn new(future: impl Future<Output = Done> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
        }
    }
}

impl Future for Job {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        self.future.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}
