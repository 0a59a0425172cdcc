//! Virtual time, seeded randomness and a single-threaded executor: all that a server waits for.
//!
//! Time stands still while anything can run, and then jumps to the next timer.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use server::{Environment, Task};
use wire::dtyp::FileTime;

use super::random::Random;

/// The environment of one simulated server; clones share it.
#[derive(Clone)]
pub struct Virtual {
    inner: Arc<Mutex<Inner>>,
    start: Instant,
}

struct Inner {
    elapsed: Duration,
    random: Random,
    /// Who sleeps until when; the number keeps the order of equal times.
    timers: BTreeMap<(Duration, u64), Arc<Timer>>,
    tasks: BTreeMap<u64, Task>,
    last_number: u64,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<u64>>);

#[derive(Default)]
struct Timer(Mutex<TimerState>);

#[derive(Default)]
struct TimerState {
    has_fired: bool,
    sleeper: Option<Waker>,
}

impl Virtual {
    /// An environment in which everything follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                elapsed: Duration::ZERO,
                random: Random::new(seed),
                timers: BTreeMap::new(),
                tasks: BTreeMap::new(),
                last_number: 0,
                ready: Arc::default(),
            })),
            start: Instant::now(),
        }
    }

    /// How much time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// Lets time pass at once, up to the next timer if that is sooner, and fires what is due.
    pub fn advance(&self, by: Duration) {
        let due: Vec<_> = {
            let mut inner = self.lock();
            let target = inner.elapsed + by;
            let next = inner.timers.keys().next().map_or(target, |(at, _)| *at);
            inner.elapsed = inner.elapsed.max(next.min(target));
            let now = inner.elapsed;
            let later = inner.timers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut inner.timers, later)
                .into_values()
                .collect()
        };
        for timer in due {
            let mut state = timer.0.lock().expect("one thread");
            state.has_fired = true;
            if let Some(sleeper) = state.sleeper.take() {
                sleeper.wake();
            }
        }
    }

    /// Polls one task that can run, chosen at random; false if none can.
    pub fn run_one(&self) -> bool {
        let (number, mut task) = {
            let mut inner = self.lock();
            let ready = inner.ready.clone();
            let mut ready = ready.0.lock().expect("one thread");
            let chosen = inner.random.below(ready.len());
            let Some(number) = ready.remove(chosen) else {
                return false;
            };
            match inner.tasks.remove(&number) {
                Some(task) => (number, task),
                None => return true,
            }
        };
        let ready = self.lock().ready.clone();
        let waker = Waker::from(Arc::new(Wakes { number, ready }));
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            self.lock().tasks.insert(number, task);
        }
        true
    }

    /// Polls tasks until none can run.
    pub fn run(&self) {
        while self.run_one() {}
    }

    /// Lets time pass until every task has ended; false if some wait for what no time brings.
    #[must_use]
    pub fn run_to_the_end(&self) -> bool {
        loop {
            self.run();
            if self.tasks() == 0 {
                return true;
            }
            if self.lock().timers.is_empty() {
                return false;
            }
            self.advance(Duration::MAX / 2);
        }
    }

    /// Ends everything that runs or waits, where it stands; time and randomness go on.
    pub fn kill(&self) {
        while self.tasks() > 0 {
            // A task may look at this environment when it ends, and begin another.
            let tasks = std::mem::take(&mut self.lock().tasks);
            drop(tasks);
        }
        let inner = self.lock();
        inner.ready.0.lock().expect("one thread").clear();
    }

    /// The number of tasks that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.lock().tasks.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("one thread")
    }
}

impl Environment for Virtual {
    fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    fn wall_clock(&self) -> FileTime {
        let ticks = u64::try_from(self.elapsed().as_nanos() / 100).unwrap_or(u64::MAX);
        FileTime(START.0 + ticks)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.lock().random.fill(bytes);
    }

    fn sleep(&self, duration: Duration) -> Task {
        let timer = Arc::new(Timer::default());
        let mut inner = self.lock();
        inner.last_number += 1;
        let key = (inner.elapsed + duration, inner.last_number);
        inner.timers.insert(key, timer.clone());
        let environment = self.clone();
        Box::pin(Sleep {
            timer,
            key,
            environment,
        })
    }

    fn spawn(&self, task: Task) {
        let mut inner = self.lock();
        inner.last_number += 1;
        let number = inner.last_number;
        inner.tasks.insert(number, task);
        inner.ready.0.lock().expect("one thread").push_back(number);
    }
}

struct Wakes {
    number: u64,
    ready: Arc<Ready>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.0.lock().expect("one thread");
        if !ready.contains(&self.number) {
            ready.push_back(self.number);
        }
    }
}

struct Sleep {
    timer: Arc<Timer>,
    key: (Duration, u64),
    environment: Virtual,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.timer.0.lock().expect("one thread");
        if state.has_fired {
            return Poll::Ready(());
        }
        state.sleeper = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.environment.lock().timers.remove(&self.key);
    }
}

/// When every simulation begins: some time in 2024.
const START: FileTime = FileTime(133_500_000_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_told_and_wakes_in_order() {
        let world = Virtual::new(1);
        let log = Arc::new(Mutex::new(Vec::new()));
        for seconds in [3, 1, 2] {
            let (log, sleep) = (log.clone(), world.sleep(Duration::from_secs(seconds)));
            world.spawn(Box::pin(async move {
                sleep.await;
                log.lock().expect("one thread").push(seconds);
            }));
        }
        world.run();
        assert_eq!(world.tasks(), 3);
        while world.tasks() > 0 {
            world.advance(Duration::from_secs(60));
            world.run();
        }
        assert_eq!(*log.lock().expect("one thread"), [1, 2, 3]);
        assert_eq!(world.elapsed(), Duration::from_secs(3));
    }
}
