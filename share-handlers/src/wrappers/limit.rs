//! A share that does only so much in a second: for all its users together, and for each of them.
//!
//! Owns the meters. Work that comes too fast waits its turn, it is never refused; what a second
//! allows may be done at once. Time is handed in. Closing, and what the server asks for itself, is
//! neither counted nor held up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use server::Environment;
use server::share::{
    Answer, Caller, Handle, Name, OpenHow, Opened, ReplyRoom, ShareHandler, WriteAt,
};

use super::layer::{Call, HandleLayer, Layered, ShareLayer, wrap_opened};

/// What may be done in a second; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Bytes read and written.
    pub bytes: u64,
    /// Opens, reads, writes, listings, changes.
    pub operations: u64,
}

/// A wrapper that slows down who wants too much.
pub struct Limit(Arc<Meters>);

impl Limit {
    /// Puts it over a share: `all` is for everybody together, `each` for every user alone.
    #[must_use]
    pub fn over(
        inner: Arc<dyn ShareHandler>,
        all: Rates,
        each: Rates,
        environment: Arc<dyn Environment>,
    ) -> Arc<dyn ShareHandler> {
        let now = environment.now();
        Layered::share(Self(Arc::new(Meters {
            inner,
            environment,
            all: Mutex::new(Meter::new(all, now)),
            each,
            users: Mutex::default(),
        })))
    }
}

impl ShareLayer for Limit {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.0.inner
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(async move {
            self.0.turn(&caller.user, ONE_OPERATION).await;
            let opened = self.0.inner.open(caller, name, how).await?;
            let (meters, user) = (self.0.clone(), caller.user.clone());
            Ok(wrap_opened(opened, |inner| LimitHandle {
                inner,
                meters,
                user,
            }))
        })
    }
}

struct LimitHandle {
    inner: Arc<dyn Handle>,
    meters: Arc<Meters>,
    user: Arc<str>,
}

impl HandleLayer for LimitHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        if !is_counted(call) {
            return make();
        }
        Box::pin(async move {
            self.meters.turn(&self.user, ONE_OPERATION).await;
            make().await
        })
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        Box::pin(async move {
            self.meters.turn(&self.user, ONE_OPERATION).await;
            // How much there is to read is known only then.
            let bytes = self.inner.read(at, room).await?;
            let work = Work {
                operations: 0,
                bytes: bytes.into(),
            };
            self.meters.turn(&self.user, work).await;
            Ok(bytes)
        })
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        Box::pin(async move {
            let work = Work {
                bytes: u64::try_from(data.len()).unwrap_or(u64::MAX),
                ..ONE_OPERATION
            };
            self.meters.turn(&self.user, work).await;
            self.inner.write(at, data).await
        })
    }
}

fn is_counted(call: Call) -> bool {
    matches!(
        call,
        Call::Flush
            | Call::List
            | Call::Streams
            | Call::ExtendedAttributes
            | Call::Set
            | Call::Security
            | Call::SetSecurity
            | Call::Control
            | Call::Transact
    )
}

/// What a call does, as it is counted.
#[derive(Debug, Clone, Copy)]
struct Work {
    operations: u64,
    bytes: u64,
}

const ONE_OPERATION: Work = Work {
    operations: 1,
    bytes: 0,
};

/// Every meter of a share.
struct Meters {
    inner: Arc<dyn ShareHandler>,
    environment: Arc<dyn Environment>,
    all: Mutex<Meter>,
    each: Rates,
    users: Mutex<HashMap<Arc<str>, Meter>>,
}

impl Meters {
    /// Counts work, and waits until it may be done.
    async fn turn(&self, user: &Arc<str>, work: Work) {
        let now = self.environment.now();
        let of_all = self.all.lock().take(work, now);
        let of_user = self.with_user(user, now, |meter| meter.take(work, now));
        let pause = of_all.max(of_user);
        if !pause.is_zero() {
            self.environment.sleep(pause).await;
        }
    }

    fn with_user<T>(&self, user: &Arc<str>, now: Instant, act: impl FnOnce(&mut Meter) -> T) -> T {
        let mut users = self.users.lock();
        if users.len() >= MOST_USERS && !users.contains_key(user) {
            // Whoever has all of a second's work before him again is as good as new.
            users.retain(|_, meter| meter.is_behind(now));
        }
        let meter = users.entry(user.clone());
        act(meter.or_insert_with(|| Meter::new(self.each, now)))
    }
}

struct Meter {
    bytes: Bucket,
    operations: Bucket,
}

impl Meter {
    fn new(rates: Rates, now: Instant) -> Self {
        Self {
            bytes: Bucket::new(rates.bytes, now),
            operations: Bucket::new(rates.operations, now),
        }
    }

    /// Counts work, and gives the time until it may be done.
    fn take(&mut self, work: Work, now: Instant) -> Duration {
        let for_bytes = self.bytes.take(work.bytes, now);
        for_bytes.max(self.operations.take(work.operations, now))
    }

    /// Whether there is work that is not yet paid for.
    fn is_behind(&self, now: Instant) -> bool {
        self.bytes.paid_until > now || self.operations.paid_until > now
    }
}

/// A token bucket that holds one second's tokens, seen from the other side: instead of the tokens
/// that are left, it knows until when the time is used up by those that were taken.
struct Bucket {
    /// Tokens a second; 0 for any number.
    rate: u64,
    paid_until: Instant,
}

impl Bucket {
    fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
            paid_until: now,
        }
    }

    /// Takes tokens, and gives the time until there are so many, for all who came before too.
    fn take(&mut self, tokens: u64, now: Instant) -> Duration {
        if self.rate == 0 || tokens == 0 {
            return Duration::ZERO;
        }
        let paid_until = self.paid_until.max(now).checked_add(self.worth(tokens));
        self.paid_until = paid_until.unwrap_or(self.paid_until);
        let ahead = self.paid_until.saturating_duration_since(now);
        ahead.saturating_sub(BURST)
    }

    /// How long it takes until there are so many tokens.
    fn worth(&self, tokens: u64) -> Duration {
        let nanoseconds = u128::from(tokens)
            .saturating_mul(NANOSECONDS)
            .checked_div(self.rate.into())
            .unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// How much work may be done at once, in the time that it is allowed in.
const BURST: Duration = Duration::from_secs(1);
const NANOSECONDS: u128 = 1_000_000_000;
/// How many users are remembered before those are forgotten who have done nothing lately.
const MOST_USERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::testing::{Share, caller, to_open};
    use super::*;

    const NONE: Rates = Rates {
        bytes: 0,
        operations: 0,
    };

    fn limited(share: &Share, all: Rates, each: Rates) -> Share {
        share.under(|inner| Limit::over(inner, all, each, share.time.clone()))
    }

    /// How long a piece of work took.
    fn took(share: &Share, work: impl FnOnce()) -> Duration {
        share.time.take_slept();
        work();
        share.time.take_slept().iter().sum()
    }

    #[test]
    fn bytes_beyond_the_first_second_come_at_the_rate() {
        let memory = Share::memory();
        memory.write_file("file", &[1; 1000]);
        let all = Rates {
            bytes: 1000,
            ..NONE
        };
        let share = limited(&memory, all, NONE);
        let file = share.open("file", &to_open()).unwrap();
        let read = || drop(file.read(1000).unwrap());
        assert_eq!(took(&share, read), Duration::ZERO);
        assert_eq!(took(&share, read), Duration::from_secs(1));
        assert_eq!(took(&share, read), Duration::from_secs(1));
        share.time.pass(Duration::from_secs(1));
        assert_eq!(took(&share, read), Duration::ZERO);
    }

    #[test]
    fn what_takes_more_than_a_second_takes_its_time() {
        let memory = Share::memory();
        memory.write_file("file", b"");
        let all = Rates { bytes: 10, ..NONE };
        let share = limited(&memory, all, NONE);
        let file = share.open("file", &to_open()).unwrap();
        let write = || assert_eq!(file.write(&[1; 40]), Ok(40));
        assert_eq!(took(&share, write), Duration::from_secs(3));
        assert_eq!(memory.read_file("file").len(), 40);
    }

    #[test]
    fn what_was_asked_for_and_not_there_costs_nothing() {
        let memory = Share::memory();
        memory.write_file("file", b"");
        let all = Rates { bytes: 10, ..NONE };
        let share = limited(&memory, all, NONE);
        let file = share.open("file", &to_open()).unwrap();
        for _ in 0..5 {
            assert_eq!(took(&share, || drop(file.read(5000))), Duration::ZERO);
        }
    }

    #[test]
    fn operations_are_counted_and_closing_is_not() {
        let memory = Share::memory();
        memory.write_file("file", b"");
        let all = Rates {
            operations: 2,
            ..NONE
        };
        let share = limited(&memory, all, NONE);
        let open = || share.open("file", &to_open()).unwrap();
        let slept = took(&share, || (0..7).for_each(|_| open().close()));
        // A second's two go at once.
        assert_eq!(slept, Duration::from_millis(2500));
    }

    #[test]
    fn each_user_has_a_bucket_of_his_own() {
        let memory = Share::memory();
        memory.write_file("file", &[1; 100]);
        let each = Rates { bytes: 100, ..NONE };
        let alice = limited(&memory, NONE, each);
        let bob = alice.used_by(caller("bob", 1001));
        let read = |share: &Share| {
            let file = share.open("file", &to_open()).unwrap();
            took(share, || drop(file.read(100)))
        };
        assert_eq!(read(&alice), Duration::ZERO);
        assert_eq!(read(&bob), Duration::ZERO);
        assert_eq!(read(&alice), Duration::from_secs(1));
    }

    #[test]
    fn users_who_did_nothing_lately_are_forgotten() {
        let memory = Share::memory();
        memory.write_file("file", b"");
        let each = Rates {
            operations: 1,
            ..NONE
        };
        let time = memory.time.clone();
        let meters = Meters {
            inner: memory.handler.clone(),
            environment: time.clone(),
            all: Mutex::new(Meter::new(NONE, time.now())),
            each,
            users: Mutex::default(),
        };
        for number in 0..MOST_USERS {
            let user: Arc<str> = number.to_string().into();
            meters.with_user(&user, time.now(), |meter| {
                meter.take(ONE_OPERATION, time.now())
            });
        }
        time.pass(Duration::from_secs(5));
        meters.with_user(&"one more".into(), time.now(), |_| ());
        assert_eq!(meters.users.lock().len(), 1);
    }
}
