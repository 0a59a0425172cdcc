//! Time, randomness, tasks and network interfaces, as the server core is given them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use server::{Environment, Task};
use tokio::runtime::Handle;
use transport::BufferPool;
use wire::{dtyp::FileTime, fscc::fsctl_data::NetworkInterface};

use crate::interfaces::network_interfaces;

/// This machine's clocks and random source, the runtime's tasks, and the buffers of its links.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Handle,
    buffers: BufferPool,
}

impl Host {
    /// Tasks run on the runtime that this is called in; links take their buffers from `buffers`.
    pub(crate) fn here(buffers: BufferPool) -> Self {
        let runtime = Handle::current();
        Self { runtime, buffers }
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

    fn share_message(&self, message: BytesMut) -> Bytes {
        self.buffers.freeze(message)
    }

    fn network_interfaces(&self) -> Vec<NetworkInterface> {
        network_interfaces()
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: Task) {
        self.runtime.spawn(task);
    }
}

/// The time of day.
#[must_use]
pub fn wall_clock() -> FileTime {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    FileTime::from_unix(seconds, since_1970.subsec_nanos())
}
