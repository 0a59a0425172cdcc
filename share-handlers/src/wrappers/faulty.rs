//! A handler that fails and dawdles: for simulations, and for rehearsing what clients do then.
//!
//! Owns no clock, and no randomness but what follows from a seed: a [`Faults`] decides for each
//! call. A call that fails has not been carried out; closing never fails, and neither do the calls
//! that only tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use server::share::{
    Answer, Caller, Handle, Name, OpenHow, Opened, ReplyRoom, ShareHandler, WriteAt,
};
use server::{Environment, Task};
use wire::NtStatus;

use super::layer::{Call, HandleLayer, Layered, ShareLayer, wrap_opened};

/// What happens to one call.
#[derive(Default)]
pub struct Fault {
    /// What the call waits for before anything else.
    pub delay: Option<Task>,
    /// What it then fails with, instead of being carried out.
    pub status: Option<NtStatus>,
    /// The most bytes that it reads or writes, though more were wanted.
    pub most_bytes: Option<u32>,
}

/// Decides which calls fail.
pub trait Faults: Send + Sync {
    /// The fate of the next call, `call` being its name in the handler's traits.
    fn next(&self, call: &'static str) -> Fault;
}

/// A wrapper whose calls go through [`Faults`] first.
pub struct Faulty {
    inner: Arc<dyn ShareHandler>,
    faults: Arc<dyn Faults>,
}

impl Faulty {
    /// Puts `faults` over a share.
    #[must_use]
    pub fn over(inner: Arc<dyn ShareHandler>, faults: Arc<dyn Faults>) -> Arc<dyn ShareHandler> {
        Layered::share(Self { inner, faults })
    }
}

impl ShareLayer for Faulty {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.inner
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        after(self.faults.next(call.name()), make)
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        let fault = self.faults.next(Call::Open.name());
        Box::pin(async move {
            suffer(fault).await?;
            let opened = self.inner.open(caller, name, how).await?;
            let faults = self.faults.clone();
            Ok(wrap_opened(opened, |inner| FaultyHandle { inner, faults }))
        })
    }
}

struct FaultyHandle {
    inner: Arc<dyn Handle>,
    faults: Arc<dyn Faults>,
}

impl HandleLayer for FaultyHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        let mut fault = self.faults.next(call.name());
        // These must not fail: they are only late.
        if matches!(call, Call::Name | Call::Close) {
            fault.status = None;
        }
        after(fault, make)
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        let fault = self.faults.next(Call::Read.name());
        Box::pin(async move {
            let most = most(&fault, room.length());
            suffer(fault).await?;
            if most == room.length() {
                return self.inner.read(at, room).await;
            }
            let mut piece = ReplyRoom::new(BytesMut::new(), 0, most);
            let read = self.inner.read(at, &mut piece).await?;
            room.as_mut_slice()[..most].copy_from_slice(piece.as_mut_slice());
            Ok(read)
        })
    }

    fn write(&self, at: WriteAt, mut data: Bytes) -> Answer<'_, u32> {
        let fault = self.faults.next(Call::Write.name());
        Box::pin(async move {
            data.truncate(most(&fault, data.len()));
            suffer(fault).await?;
            self.inner.write(at, data).await
        })
    }
}

/// A call behind its fault.
fn after<'a, T: Send + 'a>(
    fault: Fault,
    make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
) -> Answer<'a, T> {
    Box::pin(async move {
        suffer(fault).await?;
        make().await
    })
}

async fn suffer(fault: Fault) -> Result<(), NtStatus> {
    if let Some(delay) = fault.delay {
        delay.await;
    }
    fault.status.map_or(Ok(()), Err)
}

/// How many of the wanted bytes a fault lets through.
fn most(fault: &Fault, wanted: usize) -> usize {
    let most = fault.most_bytes.and_then(|most| usize::try_from(most).ok());
    most.map_or(wanted, |most| most.min(wanted))
}

/// How often calls go wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultyOptions {
    /// Everything follows from it, given the same calls in the same order.
    pub seed: u64,
    /// One call in so many fails; 0 for none.
    pub errors: u32,
    /// One read or write in so many moves fewer bytes than it should; 0 for none.
    pub short: u32,
    /// One call in so many is late; 0 for none.
    pub delays: u32,
    /// How late at most.
    pub longest_delay: Duration,
}

/// Faults that follow from a seed.
pub struct Seeded {
    options: FaultyOptions,
    environment: Arc<dyn Environment>,
    calls: AtomicU64,
}

impl Seeded {
    /// The faults that these options describe.
    #[must_use]
    pub fn new(options: FaultyOptions, environment: Arc<dyn Environment>) -> Self {
        let calls = AtomicU64::new(0);
        Self {
            options,
            environment,
            calls,
        }
    }
}

impl Faults for Seeded {
    fn next(&self, _call: &'static str) -> Fault {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let draw = |purpose: u64| mixed(mixed(self.options.seed ^ mixed(number)) ^ purpose);
        let happens = |purpose, one_in: u32| one_in > 0 && draw(purpose) % u64::from(one_in) == 0;
        let delay = happens(1, self.options.delays).then(|| {
            let longest = u64::try_from(self.options.longest_delay.as_micros());
            let longest = longest.unwrap_or(u64::MAX).max(1);
            let pause = Duration::from_micros(draw(2) % longest + 1);
            self.environment.sleep(pause)
        });
        let status = happens(3, self.options.errors).then(|| {
            let which = usize::try_from(draw(4) % STATUSES.len() as u64).unwrap_or(0);
            STATUSES[which]
        });
        let most_bytes = happens(5, self.options.short).then(|| (draw(6) % SHORTEST) as u32 + 1);
        Fault {
            delay,
            status,
            most_bytes,
        }
    }
}

/// A number that tells nothing of the one it is made of (SplitMix64's finish).
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What disks and file systems fail with.
const STATUSES: [NtStatus; 4] = [
    NtStatus::DISK_FULL,
    NtStatus::INSUFFICIENT_RESOURCES,
    NtStatus::ACCESS_DENIED,
    NtStatus::UNEXPECTED_IO_ERROR,
];

/// What is cut short moves this many bytes at most.
const SHORTEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use server::share::Disposition;

    use super::super::testing::{Share, to_create, to_open};
    use super::*;

    const NO_FAULTS: FaultyOptions = FaultyOptions {
        seed: 7,
        errors: 0,
        short: 0,
        delays: 0,
        longest_delay: Duration::from_millis(100),
    };

    fn faulty(share: &Share, options: FaultyOptions) -> Share {
        let faults = Arc::new(Seeded::new(options, share.time.clone()));
        share.under(|inner| Faulty::over(inner, faults))
    }

    /// What a hundred opens come to.
    fn outcomes(seed: u64) -> Vec<Option<NtStatus>> {
        let memory = Share::memory();
        memory.write_file("file", b"abc");
        let options = FaultyOptions {
            seed,
            errors: 3,
            ..NO_FAULTS
        };
        let share = faulty(&memory, options);
        let opens = (0..100).map(|_| share.open("file", &to_open()).err());
        opens.collect()
    }

    #[test]
    fn equal_seeds_give_equal_faults() {
        assert_eq!(outcomes(1), outcomes(1));
        assert_ne!(outcomes(1), outcomes(2));
        let failed = outcomes(1).iter().flatten().count();
        assert!((15..60).contains(&failed), "{failed} of 100");
    }

    #[test]
    fn a_call_that_fails_was_not_carried_out() {
        let memory = Share::memory();
        let options = FaultyOptions {
            errors: 1,
            ..NO_FAULTS
        };
        let share = faulty(&memory, options);
        assert!(share.open("file", &to_create(Disposition::New)).is_err());
        assert!(!memory.exists("file"));
    }

    #[test]
    fn reads_and_writes_are_cut_short() {
        let memory = Share::memory();
        memory.write_file("file", &[7; 20_000]);
        let options = FaultyOptions {
            short: 1,
            ..NO_FAULTS
        };
        let share = faulty(&memory, options);
        let file = share.open("file", &to_open()).unwrap();
        let read = file.read(20_000).unwrap();
        assert!((1..=4096).contains(&read.len()) && read.iter().all(|byte| *byte == 7));
        let written = file.write(&[8; 20_000]).unwrap();
        assert!((1..=4096).contains(&written));
        let length = memory.open("file", &to_open()).unwrap().0.stat.end_of_file;
        assert_eq!(length, 20_000 + u64::from(written));
    }

    #[test]
    fn calls_are_late_but_no_later_than_they_may() {
        let memory = Share::memory();
        memory.write_file("file", b"abc");
        let options = FaultyOptions {
            delays: 1,
            ..NO_FAULTS
        };
        let share = faulty(&memory, options);
        share.open("file", &to_open()).unwrap().close();
        let slept = memory.time.take_slept();
        assert_eq!(slept.len(), 2);
        assert!(slept.iter().all(|pause| *pause <= NO_FAULTS.longest_delay));
    }
}
