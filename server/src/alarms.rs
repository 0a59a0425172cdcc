//! Alarms: what happens by itself when nobody has acted in time.
//!
//! Owns one queue for the whole server and the one task that sleeps for it, however many alarms
//! there are. What an alarm means is carried out in `commands`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::object_store::{BreakId, OpenId};
use crate::server::Server;
use crate::{commands, durable};

/// What is due at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A break has not been acknowledged. [MS-SMB2] 3.3.2.1 and 3.3.2.5
    Break(BreakId),
    /// A connection plays dead, and has been sent what it must acknowledge.
    DeadLink(u64),
    /// A client has not come back for its open. [MS-SMB2] 3.3.2.2 and 3.3.2.4
    DisconnectedOpen(OpenId),
}

/// One alarm that was set: when it is due, and a number that is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AlarmId(Instant, u64);

/// The alarms of a server.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    alarms: BTreeMap<AlarmId, Alarm>,
    last_number: u64,
    /// Whether a task sleeps for the queue.
    is_watched: bool,
    /// How to tell that task of an earlier alarm.
    watcher: Option<Waker>,
}

/// Has `alarm` ring once `after` has passed. The number takes it back by [`Alarms::cancel`].
pub(crate) fn set(server: &Arc<Server>, after: Duration, alarm: Alarm) -> AlarmId {
    let now = server.environment().now();
    let (id, must_watch, woken) = server.alarms.enter(now, after, alarm);
    if must_watch {
        server.environment().spawn(Box::pin(watch(server.clone())));
    }
    if let Some(watcher) = woken {
        watcher.wake();
    }
    id
}

impl Alarms {
    /// The number of alarms that are set.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().alarms.len()
    }

    /// Takes an alarm back. Does nothing when it has rung.
    pub(crate) fn cancel(&self, id: AlarmId) {
        self.0.lock().alarms.remove(&id);
    }

    /// Enters an alarm: its id, whether nobody sleeps for the queue yet, and who must be woken.
    fn enter(&self, now: Instant, after: Duration, alarm: Alarm) -> (AlarmId, bool, Option<Waker>) {
        let mut queue = self.0.lock();
        queue.last_number = queue.last_number.wrapping_add(1);
        let at = now.checked_add(after).unwrap_or(now);
        let id = AlarmId(at, queue.last_number);
        let is_first = queue.alarms.keys().next().is_none_or(|first| id < *first);
        queue.alarms.insert(id, alarm);
        let must_watch = !std::mem::replace(&mut queue.is_watched, true);
        let woken = queue.watcher.take_if(|_| is_first);
        (id, must_watch, woken)
    }

    /// The next alarm; without one, nobody watches the queue from now on.
    fn next(&self) -> Option<AlarmId> {
        let mut queue = self.0.lock();
        let next = queue.alarms.keys().next().copied();
        queue.is_watched = next.is_some();
        next
    }

    /// Takes the next alarm that is due.
    fn take_due(&self, now: Instant) -> Option<Alarm> {
        let mut queue = self.0.lock();
        let first = queue.alarms.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Whether `id` is still the first; if so, who watches is woken when that changes.
    fn stays_first(&self, id: AlarmId, watcher: &Waker) -> bool {
        let mut queue = self.0.lock();
        let stays = queue.alarms.keys().next() == Some(&id);
        queue.watcher = stays.then(|| watcher.clone());
        stays
    }
}

/// Sleeps and rings until no alarm is left.
async fn watch(server: Arc<Server>) {
    while let Some(next) = server.alarms.next() {
        let now = server.environment().now();
        let mut sleep = server
            .environment()
            .sleep(next.0.saturating_duration_since(now));
        std::future::poll_fn(|cx| {
            if server.alarms.stays_first(next, cx.waker()) {
                sleep.as_mut().poll(cx)
            } else {
                Poll::Ready(())
            }
        })
        .await;
        while let Some(alarm) = server.alarms.take_due(server.environment().now()) {
            ring(&server, alarm);
        }
    }
}

fn ring(server: &Arc<Server>, alarm: Alarm) {
    match alarm {
        Alarm::Break(id) => commands::time_out(server, id),
        Alarm::DeadLink(connection) => commands::lose(server, connection),
        Alarm::DisconnectedOpen(id) => durable::time_out(server, id),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn at(alarms: &Alarms, seconds: u64, start: Instant) -> (AlarmId, bool, bool) {
        let alarm = Alarm::DisconnectedOpen(OpenId(seconds));
        let after = Duration::from_secs(seconds);
        let (id, must_watch, woken) = alarms.enter(start, after, alarm);
        (id, must_watch, woken.is_some())
    }

    #[test]
    fn one_task_sleeps_for_all_alarms_and_hears_of_earlier_ones_only() {
        let (alarms, start) = (Alarms::default(), test_now());
        let (ten, must_watch, _) = at(&alarms, 10, start);
        assert!(must_watch);
        assert_eq!(alarms.next(), Some(ten));
        assert!(alarms.stays_first(ten, &Waker::from(Arc::new(Nobody))));
        let (twenty, must_watch, woken) = at(&alarms, 20, start);
        assert!(!must_watch && !woken, "a later alarm disturbs nobody");
        let (five, must_watch, woken) = at(&alarms, 5, start);
        assert!(!must_watch && woken);
        assert!(!alarms.stays_first(ten, &Waker::from(Arc::new(Nobody))));
        alarms.cancel(five);
        assert_eq!(alarms.take_due(start), None);
        let due = start + Duration::from_secs(20);
        assert_eq!(
            alarms.take_due(due),
            Some(Alarm::DisconnectedOpen(OpenId(10)))
        );
        assert_eq!(alarms.next(), Some(twenty));
        assert!(alarms.take_due(due).is_some());
        assert_eq!(alarms.next(), None);
        let (_, must_watch, _) = at(&alarms, 1, start);
        assert!(must_watch, "nobody had been watching an empty queue");
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn test_now() -> Instant {
        Instant::now()
    }
}
