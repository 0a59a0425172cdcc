//! The bounded pool of threads for file operations that may block.
//!
//! A thread is started when work waits and none is idle, up to the limit, and ends when it has had
//! nothing to do for a while. The threads belong to share handlers alone: they may keep wearing the
//! file-system identity of a user.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use share_handlers::offload::Offload;

/// The pool; clones share its threads.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    threads: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    running: usize,
    idle: usize,
}

type Work = Box<dyn FnOnce() + Send>;

impl Pool {
    /// A pool of up to this many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        Self(Arc::new(Shared {
            threads,
            queue: Mutex::default(),
            arrived: Condvar::new(),
        }))
    }
}

impl Offload for Pool {
    /// Queues the work. The queue has no bound of its own: each job in it belongs to a request, and
    /// those are bounded by the credits of their connections.
    fn run(&self, work: Work) {
        let start_thread = {
            let mut queue = self.0.queue.lock();
            queue.work.push_back(work);
            let start = queue.work.len() > queue.idle && queue.running < self.0.threads;
            queue.running += usize::from(start);
            start
        };
        self.0.arrived.notify_one();
        if start_thread {
            let shared = self.0.clone();
            let started = thread::Builder::new()
                .name("file".into())
                .spawn(move || shared.work());
            if let Err(error) = started {
                tracing::warn!(%error, "cannot start another thread for file operations");
                self.0.one_thread_less();
            }
        }
    }
}

impl Shared {
    /// Works until nothing has come for a while.
    fn work(&self) {
        while let Some(work) = self.next() {
            // Whoever waits for work that panics learns of it when the work is dropped; the thread
            // goes on.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }

    /// The next work, or none: then this thread no longer counts.
    fn next(&self) -> Option<Work> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(work) = queue.work.pop_front() {
                return Some(work);
            }
            queue.idle += 1;
            let waited = self.arrived.wait_for(&mut queue, IDLE);
            queue.idle -= 1;
            if waited.timed_out() && queue.work.is_empty() {
                queue.running -= 1;
                return None;
            }
        }
    }

    /// Takes back the count of a thread that did not start. If there is no other, what waits is
    /// dropped, which tells whoever waits for it.
    fn one_thread_less(&self) {
        let mut queue = self.queue.lock();
        queue.running -= 1;
        let orphaned = if queue.running == 0 {
            std::mem::take(&mut queue.work)
        } else {
            VecDeque::new()
        };
        drop(queue);
        drop(orphaned);
    }
}

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_runs_on_no_more_threads_than_the_limit() {
        let pool = Pool::new(2);
        let (sender, results) = mpsc::channel();
        let at_once = Arc::new(Mutex::new((0, 0)));
        for _ in 0..20 {
            let (sender, at_once) = (sender.clone(), at_once.clone());
            pool.run(Box::new(move || {
                {
                    let mut counts = at_once.lock();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                }
                thread::sleep(Duration::from_millis(5));
                at_once.lock().0 -= 1;
                sender.send(()).unwrap();
            }));
        }
        drop(sender);
        assert_eq!(results.iter().count(), 20);
        assert_eq!(at_once.lock().1, 2);
    }

    #[test]
    fn a_panic_is_the_works_own_affair() {
        let pool = Pool::new(1);
        let (sender, results) = mpsc::channel();
        pool.run(Box::new(|| panic!("deliberate")));
        pool.run(Box::new(move || sender.send(7).unwrap()));
        assert_eq!(results.recv(), Ok(7));
    }
}
