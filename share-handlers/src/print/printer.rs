//! What a queue hands its documents to, and how that is stopped.
//!
//! Owns the trait, which the program implements with the configured command, and [`Stoppable`]. Never runs anything.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use server::share::Answer;
use wire::NtStatus;

/// Prints whole documents.
pub trait Printer: Send + Sync {
    /// Prints a document; ready when that is done, whatever paper there is. Dropping the answer stops it.
    ///
    /// # Errors
    /// Any status: the document was not printed. Why is the printer's to log.
    fn print(&self, document: Document) -> Answer<'static, ()>;
}

/// A document that is ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The job's number.
    pub job: u32,
    /// The file that holds it.
    pub path: PathBuf,
    /// What it is called, for people.
    pub title: String,
    /// Who printed it, for people.
    pub user: String,
    /// The client's address, empty for a local one.
    pub client: String,
}

/// Ends printing before it has come to its end.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Printing that can be stopped; none if it was.
pub(super) struct Stoppable {
    pub(super) printing: Answer<'static, ()>,
    pub(super) stop: Arc<Stop>,
}

impl Future for Stoppable {
    type Output = Option<Result<(), NtStatus>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        *self.stop.waker.lock() = Some(context.waker().clone());
        if self.stop.is_stopped.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        self.printing.as_mut().poll(context).map(Some)
    }
}
