//! Time, randomness and tasks, as the server core is given them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use server::{Environment, Task};
use tokio::runtime::Handle;
use wire::dtyp::FileTime;

/// This machine's clocks and random source, and the runtime's tasks.
#[derive(Debug)]
pub(crate) struct Host(Handle);

impl Host {
    /// Tasks run on the runtime that this is called in.
    pub(crate) fn here() -> Self {
        Self(Handle::current())
    }
}

impl Environment for Host {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> FileTime {
        wall_clock()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // Keys and session ids are made of this: without it nothing may go on.
        getrandom::fill(bytes).expect("the system gives random numbers");
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }
}

/// The time of day.
pub(crate) fn wall_clock() -> FileTime {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    FileTime::from_unix(seconds, since_1970.subsec_nanos())
}
