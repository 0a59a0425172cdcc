//! Work that keeps a processor busy: done elsewhere, and a few pieces at a time.
//!
//! Owns the bound. What is beyond it is refused at once instead of waiting, so that nobody fills the pool that files are
//! served by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use server::share::Answer;
use wire::NtStatus;

use crate::offload::{Offload, elsewhere};
use crate::ready::ready;

/// Where procedures have work done that takes a processor's time.
pub(super) struct Workers {
    pool: Arc<dyn Offload>,
    busy: Arc<AtomicUsize>,
}

impl Workers {
    /// Work is done on threads of `pool`.
    pub(super) fn new(pool: Arc<dyn Offload>) -> Self {
        Self {
            pool,
            busy: Arc::default(),
        }
    }

    /// Has `work` done.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`: enough is under way already.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<'static, T> {
        let Some(place) = Place::take(&self.busy) else {
            return ready(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        elsewhere(&*self.pool, move || {
            let _place = place;
            Ok(work())
        })
    }
}

/// One piece of work that is under way, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(busy: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |busy: usize| Some(busy + 1).filter(|busy| *busy <= MOST_AT_ONCE);
        let taken = busy.try_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Self(Arc::clone(busy)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The most pieces of work that are under way at once.
const MOST_AT_ONCE: usize = 2;

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::offload::tests::wait;

    /// A pool that keeps what it is to do.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

    impl Offload for Kept {
        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            self.0.lock().push(work);
        }
    }

    #[test]
    fn what_is_more_than_can_be_done_at_once_is_refused_and_keeps_no_place() {
        let pool = Arc::new(Kept::default());
        let workers = Workers::new(pool.clone());
        let under_way = [workers.run(|| 1), workers.run(|| 2)];
        let refused = Err(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(wait(workers.run(|| 3)), refused);
        assert_eq!(pool.0.lock().len(), 2);
        for work in std::mem::take(&mut *pool.0.lock()) {
            work();
        }
        assert_eq!(under_way.map(wait), [Ok(1), Ok(2)]);
        let next = workers.run(|| 4);
        // Work that is dropped gives its place back, too.
        pool.0.lock().clear();
        assert_eq!(wait(next), refused);
        let next = [workers.run(|| 5), workers.run(|| 6)];
        for work in std::mem::take(&mut *pool.0.lock()) {
            work();
        }
        assert_eq!(next.map(wait), [Ok(5), Ok(6)]);
    }
}
