//! Work that keeps a processor busy: done elsewhere, and a few pieces at a time.
//!
//! Owns the bound, and that no user takes all of it. What is beyond it is refused at once instead of waiting, so that
//! nobody fills the pool that files are served by.

use std::sync::Arc;

use parking_lot::Mutex;
use server::accounts::LogonKind;
use server::share::{Answer, Caller};
use wire::NtStatus;

use crate::offload::{Offload, elsewhere};
use crate::ready::ready;

/// Where procedures have work done that takes a processor's time.
pub(super) struct Workers {
    pool: Arc<dyn Offload>,
    busy: Arc<Mutex<Vec<User>>>,
}

impl Workers {
    /// Work is done on threads of `pool`.
    pub(super) fn new(pool: Arc<dyn Offload>) -> Self {
        Self {
            pool,
            busy: Arc::default(),
        }
    }

    /// Has `work` done for `caller`.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`: enough is under way already, or something for the same user.
    pub(super) fn run<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<'static, T> {
        let Some(place) = Place::take(&self.busy, User::of(caller)) else {
            return ready(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        elsewhere(&*self.pool, move || {
            let _place = place;
            Ok(work())
        })
    }
}

/// Whom work is done for: an account, or guests, of whom one cannot be told from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum User {
    Account(String),
    Guests,
}

impl User {
    fn of(caller: &Caller) -> Self {
        let kind = caller.log_on.as_ref().map(|facts| facts.identity.kind);
        match kind {
            Some(LogonKind::Guest | LogonKind::Anonymous) => Self::Guests,
            Some(LogonKind::User) | None => Self::Account(caller.user.to_lowercase()),
        }
    }
}

/// One piece of work that is under way, until it is dropped.
struct Place {
    busy: Arc<Mutex<Vec<User>>>,
    user: User,
}

impl Place {
    fn take(busy: &Arc<Mutex<Vec<User>>>, user: User) -> Option<Self> {
        let mut under_way = busy.lock();
        if under_way.len() >= MOST_AT_ONCE || under_way.contains(&user) {
            return None;
        }
        under_way.push(user.clone());
        Some(Self {
            busy: Arc::clone(busy),
            user,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy.lock().retain(|user| *user != self.user);
    }
}

/// The most pieces of work that are under way at once.
const MOST_AT_ONCE: usize = 2;

#[cfg(test)]
mod tests {
    use super::super::testing::caller;
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
        let users = ["alice", "bob", "carol"].map(|user| caller(user, LogonKind::User, &[]));
        let [alice, bob, carol] = &users;
        let under_way = [workers.run(alice, || 1), workers.run(bob, || 2)];
        let refused = Err(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(wait(workers.run(carol, || 3)), refused);
        assert_eq!(pool.0.lock().len(), 2);
        for work in std::mem::take(&mut *pool.0.lock()) {
            work();
        }
        assert_eq!(under_way.map(wait), [Ok(1), Ok(2)]);
        let next = workers.run(alice, || 4);
        // Work that is dropped gives its place back, too.
        pool.0.lock().clear();
        assert_eq!(wait(next), refused);
        let next = [workers.run(alice, || 5), workers.run(bob, || 6)];
        for work in std::mem::take(&mut *pool.0.lock()) {
            work();
        }
        assert_eq!(next.map(wait), [Ok(5), Ok(6)]);
    }
    #[test]
    fn nobody_takes_all_places() {
        let pool = Arc::new(Kept::default());
        let workers = Workers::new(pool.clone());
        let refused = Err(NtStatus::INSUFFICIENT_RESOURCES);
        let guest = |name| caller(name, LogonKind::Guest, &[]);
        let alice = caller("alice", LogonKind::User, &[]);
        let under_way = [
            workers.run(&alice, || 1),
            workers.run(&guest("one name"), || 2),
        ];
        pool.0.lock().truncate(1);
        assert_eq!(
            wait(workers.run(&caller("Alice", LogonKind::User, &[]), || 3)),
            refused
        );
        let again = workers.run(&guest("one name"), || 4);
        assert_eq!(wait(workers.run(&guest("another"), || 5)), refused);
        for work in std::mem::take(&mut *pool.0.lock()) {
            work();
        }
        assert_eq!(under_way.map(wait), [Ok(1), refused]);
        assert_eq!(wait(again), Ok(4));
    }
}
