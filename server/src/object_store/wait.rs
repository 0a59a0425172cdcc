//! Waiting for the object store: a future that ends once, with a result, or is withdrawn.
//!
//! Owns the hand-over between whoever waits and whoever decides, and the order in which those who
//! wait for the same go on. Knows nothing of what is waited for, of time, or of a runtime: only
//! [`std::task`] is used.
//!
//! ```text
//! Waiting ──complete──> Done ──poll──> Taken
//!    │                   │
//!    └──────── drop ─────┴───> Gone     the withdrawal runs, with the result if there was one
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// What a command awaits; resolves exactly once, when the store has decided.
///
/// Dropping it withdraws the wait: the store forgets it, and undoes what it had granted if the
/// result was never taken.
#[must_use = "a waiter does nothing unless awaited, and withdraws when dropped"]
pub struct Waiter<T> {
    slot: Arc<Slot<T>>,
    withdraw: Option<Withdraw<T>>,
}

/// The store's end of a [`Waiter`].
pub(super) struct Completer<T> {
    slot: Arc<Slot<T>>,
}

/// The turn of one of several who have waited for the same, and look again now: who came first must not
/// be overtaken. The next one's turn comes when this goes, whatever became of the request.
#[must_use = "the next one's turn comes when this is dropped"]
#[derive(Default)]
pub struct Turn(VecDeque<Completer<Turn>>);

/// A task to be woken; wakes when dropped, so that none is forgotten and none is woken under a lock.
#[derive(Default)]
pub struct Wakeup(Option<Waker>);

/// What runs when a waiter goes: gets the result that nobody took.
type Withdraw<T> = Box<dyn FnOnce(Option<T>) + Send + Sync>;

struct Slot<T>(Mutex<State<T>>);

enum State<T> {
    Waiting(Option<Waker>),
    Done(T),
    Taken,
    Gone,
}

/// A waiter and its completer.
///
/// `withdraw` runs when the waiter is dropped before its result was taken; it must not be called
/// with any of the store's locks held, which holds because only commands own waiters.
pub(super) fn pair<T>(
    withdraw: impl FnOnce(Option<T>) + Send + Sync + 'static,
) -> (Completer<T>, Waiter<T>) {
    let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
    let waiter = Waiter {
        slot: Arc::clone(&slot),
        withdraw: Some(Box::new(withdraw)),
    };
    (Completer { slot }, waiter)
}

impl<T> Completer<T> {
    /// Hands over the result, unless the waiter has gone or has one already.
    pub(super) fn complete(&self, result: T) -> Option<Wakeup> {
        self.complete_with(|| result)
    }

    /// Hands over what `result` returns; it is not called if nobody waits.
    pub(super) fn complete_with(&self, result: impl FnOnce() -> T) -> Option<Wakeup> {
        let mut state = self.slot.0.lock();
        let State::Waiting(waker) = &mut *state else {
            return None;
        };
        let waker = waker.take();
        *state = State::Done(result());
        Some(Wakeup(waker))
    }

    /// Whether somebody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(*self.slot.0.lock(), State::Waiting(_))
    }
}

impl Turn {
    /// Has those who wait look again one after the other.
    pub(super) fn begin(mut waiting: VecDeque<Completer<Self>>) -> Option<Wakeup> {
        while let Some(next) = waiting.pop_front() {
            if next.is_awaited() {
                // Should the waiter go in this moment, it passes its turn on.
                return next.complete(Self(waiting));
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Dropping what it returns wakes.
        drop(Self::begin(mem::take(&mut self.0)));
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

impl<T> Future for Waiter<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.slot.0.lock();
        match mem::replace(&mut *state, State::Taken) {
            State::Done(result) => {
                drop(state);
                self.withdraw = None;
                Poll::Ready(result)
            }
            State::Waiting(old) => {
                let waker = match old {
                    Some(waker) if waker.will_wake(context.waker()) => waker,
                    _ => context.waker().clone(),
                };
                *state = State::Waiting(Some(waker));
                Poll::Pending
            }
            // Polled after its end: nothing will come.
            State::Taken | State::Gone => Poll::Pending,
        }
    }
}

/// A waiter holds its result, if any, behind a pointer.
impl<T> Unpin for Waiter<T> {}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let state = mem::replace(&mut *self.slot.0.lock(), State::Gone);
        let Some(withdraw) = self.withdraw.take() else {
            return;
        };
        match state {
            State::Done(result) => withdraw(Some(result)),
            State::Waiting(_) => withdraw(None),
            State::Taken | State::Gone => {}
        }
    }
}

impl<T> fmt::Debug for Waiter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl Wakeup {
    /// Wakes the task now.
    pub fn wake(self) {
        drop(self);
    }
}

impl Drop for Wakeup {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakeup")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(waiter: &mut Waiter<T>, counter: &Arc<Counter>) -> Poll<T> {
        Pin::new(waiter).poll(&mut Context::from_waker(&Waker::from(Arc::clone(counter))))
    }

    #[test]
    fn a_waiter_is_woken_once_and_yields_its_result_once() {
        let counter = Arc::new(Counter::default());
        let (completer, mut waiter) = pair(|_| panic!("withdrawn though taken"));
        assert!(poll(&mut waiter, &counter).is_pending());
        assert!(completer.is_awaited());
        let wakeup = completer.complete(7).expect("somebody waits");
        assert_eq!(
            counter.0.load(Ordering::Relaxed),
            0,
            "not before the wakeup is dropped"
        );
        wakeup.wake();
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert!(completer.complete(8).is_none());
        assert_eq!(poll(&mut waiter, &counter), Poll::Ready(7));
        assert!(poll(&mut waiter, &counter).is_pending());
    }

    #[test]
    fn those_who_wait_for_the_same_go_on_one_by_one_in_the_order_in_which_they_came() {
        let counter = Arc::new(Counter::default());
        let pairs = [(); 4].map(|()| pair::<Turn>(drop));
        let (completers, waiters): (VecDeque<_>, Vec<_>) = pairs.into_iter().unzip();
        let [mut first, gone, mut third, mut fourth] = <[_; 4]>::try_from(waiters).unwrap();
        drop(Turn::begin(completers));
        drop(gone);
        assert!(poll(&mut fourth, &counter).is_pending());
        assert!(poll(&mut third, &counter).is_pending());
        let Poll::Ready(turn) = poll(&mut first, &counter) else {
            panic!("it came first");
        };
        assert!(poll(&mut third, &counter).is_pending());
        drop(turn);
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert!(poll(&mut fourth, &counter).is_pending());
        // Who does not take its turn does not keep it.
        drop(third);
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
        assert!(poll(&mut fourth, &counter).is_ready());
    }

    #[test]
    fn a_dropped_waiter_is_withdrawn_and_takes_no_result() {
        let withdrawn = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&withdrawn);
        let (completer, waiter) = pair::<u32>(move |result| log.lock().push(result));
        drop(waiter);
        assert_eq!(*withdrawn.lock(), [None]);
        assert!(!completer.is_awaited());
        assert!(completer.complete(1).is_none());
    }

    #[test]
    fn a_result_that_nobody_took_goes_back_to_the_withdrawal() {
        let withdrawn = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&withdrawn);
        let (completer, waiter) = pair::<u32>(move |result| log.lock().push(result));
        assert!(completer.complete(5).is_some());
        drop(waiter);
        assert_eq!(*withdrawn.lock(), [Some(5)]);
    }
}
