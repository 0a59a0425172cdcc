//! What a run of a load gives: work, time, CPU of both sides and latencies.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::servers::Running;

/// What one run of a load gives.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// How much was done, in the row's unit.
    pub work: f64,
    /// How long it took.
    pub elapsed: Duration,
    /// CPU time of the server and all its processes.
    pub server_cpu: Duration,
    /// CPU time of the load.
    pub client_cpu: Duration,
    /// How long single operations took.
    pub latencies: Latencies,
    /// Memory of the server for each connection, where that is the question, in bytes.
    pub memory: Option<f64>,
}

/// A run under way.
#[derive(Debug)]
pub struct Meter<'a> {
    server: &'a Running,
    begun: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
}

impl<'a> Meter<'a> {
    /// Begins now.
    pub fn start(server: &'a Running) -> Self {
        let server_cpu = server.cpu();
        Self {
            server,
            server_cpu,
            client_cpu: own_cpu(),
            begun: Instant::now(),
        }
    }

    /// How long the run has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Ends now, with `work` done.
    pub fn finish(self, work: f64, latencies: Latencies) -> Measurement {
        let elapsed = self.begun.elapsed();
        let client_cpu = own_cpu().saturating_sub(self.client_cpu);
        Measurement {
            work,
            elapsed,
            server_cpu: self.server.cpu().saturating_sub(self.server_cpu),
            client_cpu,
            latencies,
            memory: None,
        }
    }
}

/// The times that single operations took.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    nanoseconds: Vec<u64>,
}

impl Latencies {
    /// Room for many of them, so that a run need not ask for memory.
    pub fn with_room() -> Self {
        Self {
            nanoseconds: Vec::with_capacity(1 << 20),
        }
    }

    /// Adds one.
    pub fn push(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.push(nanoseconds);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.nanoseconds.len()
    }

    /// The latency that `percent` of all do not exceed, in microseconds.
    pub fn percentile(&mut self, percent: usize) -> f64 {
        if self.nanoseconds.is_empty() {
            return 0.0;
        }
        self.nanoseconds.sort_unstable();
        let index = (self.nanoseconds.len() - 1) * percent / 100;
        self.nanoseconds[index] as f64 / 1000.0
    }
}

fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut latencies = Latencies::default();
        for micros in (1..=100).rev() {
            latencies.push(Duration::from_micros(micros));
        }
        assert_eq!(latencies.percentile(50), 50.0);
        assert_eq!(latencies.percentile(99), 99.0);
        assert_eq!(Latencies::default().percentile(50), 0.0);
    }
}
