//! Running blocking work elsewhere, and waiting for it without knowing the runtime.
//!
//! Owns the [`Offload`] trait that the program implements with its bounded pool, and [`elsewhere`],
//! which turns a closure into an [`Answer`]. Never starts a thread itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use server::share::Answer;
use wire::NtStatus;

/// A bounded pool of threads for work that may block.
///
/// The pool belongs to share handlers alone: a job may leave its thread wearing the file-system
/// identity of a user, and only jobs of share handlers put on their own before they do anything.
pub trait Offload: Send + Sync {
    /// Runs `work` soon, on a thread of the pool. When the pool is full it may block or run the
    /// work later, but not drop it, except when the program ends.
    fn run(&self, work: Box<dyn FnOnce() + Send>);
}

/// Runs everything at once on the thread that asks: for tests and for tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Offload for Inline {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// Runs `work` on the pool; the answer is ready when it has ended.
///
/// # Errors
/// What `work` answers, or `INSUFFICIENT_RESOURCES` when the pool dropped it.
pub fn elsewhere<T: Send + 'static>(
    pool: &dyn Offload,
    work: impl FnOnce() -> Result<T, NtStatus> + Send + 'static,
) -> Answer<'static, T> {
    let slot = Arc::new(Mutex::new(Slot {
        result: None,
        waker: None,
    }));
    let sender = Sender {
        slot: Arc::clone(&slot),
    };
    pool.run(Box::new(move || {
        let result = work();
        sender.send(result);
    }));
    Box::pin(Receiver { slot })
}

/// Where the result is put, and who is to be told.
struct Slot<T> {
    result: Option<Result<T, NtStatus>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn fill(slot: &Mutex<Self>, result: Result<T, NtStatus>) {
        let waker = {
            let mut slot = slot.lock();
            if slot.result.is_none() {
                slot.result = Some(result);
            }
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Fills the slot; when it is dropped without a result (the work panicked, or was never run), with
/// a failure.
struct Sender<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

impl<T> Sender<T> {
    fn send(self, result: Result<T, NtStatus>) {
        Slot::fill(&self.slot, result);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        Slot::fill(&self.slot, Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
}

/// The waiting side.
struct Receiver<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, NtStatus>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.slot.lock();
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc;
    use std::task::Wake;
    use std::thread;

    use super::*;

    /// Starts a thread for each job, named so that tests can tell it from their own.
    pub(crate) struct Threads;

    impl Offload for Threads {
        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            thread::spawn(work);
        }
    }

    struct Dropping;

    impl Offload for Dropping {
        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            drop(work);
        }
    }

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Waits for an answer on this thread.
    pub(crate) fn wait<T>(mut answer: Answer<'_, T>) -> Result<T, NtStatus> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match answer.as_mut().poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn an_inline_answer_is_ready_at_its_first_poll() {
        let mut answer = elsewhere(&Inline, || Ok(7));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(answer.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
    }

    #[test]
    fn an_answer_from_another_thread_wakes_the_waiter() {
        let (sender, receiver) = mpsc::channel::<()>();
        let answer = elsewhere(&Threads, move || {
            receiver.recv().unwrap();
            Ok(thread::current().id())
        });
        sender.send(()).unwrap();
        assert_ne!(wait(answer), Ok(thread::current().id()));
    }

    #[test]
    fn work_that_is_dropped_or_panics_answers_a_failure() {
        let dropped = elsewhere(&Dropping, || Ok(1));
        assert_eq!(wait(dropped), Err(NtStatus::INSUFFICIENT_RESOURCES));
        let panicked = elsewhere::<()>(&Threads, || panic!("deliberate"));
        assert_eq!(wait(panicked), Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
}
