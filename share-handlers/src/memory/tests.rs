//! What is peculiar to memory; the rest is in the contract suite.

use std::task::{Context, Poll, Waker};

use server::access::{Privileges, SecurityToken};
use server::share::{CloseHow, Disposition, FileStat, Handle, Place, ReplyRoom, Wanted, WriteAt};

use super::*;

/// Takes an answer, which is ready at its first poll.
fn now<T>(mut answer: Answer<'_, T>) -> Result<T, NtStatus> {
    let mut context = Context::from_waker(Waker::noop());
    match answer.as_mut().poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a memory share never waits"),
    }
}

fn caller() -> Caller {
    let token = SecurityToken::new(
        Sid::SYSTEM,
        Sid::SYSTEM,
        vec![Sid::EVERYONE],
        Privileges::NONE,
    );
    Caller {
        user: "user".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    }
}

/// A volume whose clock goes one second forward each time it is asked.
fn volume(size: u64) -> MemoryHandler {
    let ticks = AtomicU64::new(130_000_000_000_000_000);
    let clock = move || FileTime(ticks.fetch_add(10_000_000, Ordering::Relaxed));
    let options = MemoryOptions {
        size,
        ..MemoryOptions::new("test")
    };
    MemoryHandler::new(options, Arc::new(clock)).unwrap()
}

fn create(handler: &MemoryHandler, name: &str) -> Result<Arc<dyn Handle>, NtStatus> {
    let how = OpenHow {
        disposition: Disposition::New,
        wanted: Wanted::File,
        ..OpenHow::to_look(AccessMask::FILE_ALL_ACCESS)
    };
    let name = Name::parse_text(name).unwrap();
    Ok(now(handler.open(&caller(), &name, &how))?.handle)
}

fn write(handle: &dyn Handle, length: usize) -> Result<u32, NtStatus> {
    let at = WriteAt {
        place: Place::End,
        write_through: true,
    };
    now(handle.write(at, vec![7; length].into()))
}

#[test]
fn every_answer_is_ready_at_its_first_poll() {
    let handler = volume(1 << 20);
    let file = create(&handler, "file").unwrap();
    assert_eq!(write(&*file, 100_000), Ok(100_000));
    let mut room = ReplyRoom::new(bytes::BytesMut::new(), 0, 200_000);
    assert_eq!(now(file.read(0, &mut room)), Ok(100_000));
    assert_eq!(now(file.flush()), Ok(()));
    assert_eq!(now(handler.volume()).unwrap().total_units, 256);
    assert_eq!(now(file.close(CloseHow::Keep)), Ok(()));
}

#[test]
fn a_full_volume_refuses_files_and_bytes_until_something_is_deleted() {
    let handler = volume(64 << 10);
    let first = create(&handler, "first").unwrap();
    assert_eq!(write(&*first, 60_000), Err(NtStatus::DISK_FULL));
    assert_eq!(write(&*first, 32_000), Ok(32_000));
    let mut number = 0;
    let full = loop {
        number += 1;
        if let Err(status) = create(&handler, &format!("file {number}")) {
            break status;
        }
    };
    assert_eq!(full, NtStatus::DISK_FULL);
    assert!(number > 20, "{number}");
    now(first.close(CloseHow::Delete(caller()))).unwrap();
    // The open handle still holds the bytes.
    assert_eq!(create(&handler, "more").err(), Some(NtStatus::DISK_FULL));
    drop(first);
    assert!(create(&handler, "more").is_ok());
}

#[test]
fn the_same_calls_with_the_same_clock_give_the_same_answers() {
    let run = || -> (ObjectId, FileStat, Volume) {
        let handler = volume(1 << 20);
        let file = create(&handler, "file").unwrap();
        write(&*file, 10).unwrap();
        let stat = now(file.stat()).unwrap();
        (file.object(), stat, now(handler.volume()).unwrap())
    };
    assert_eq!(run(), run());
}

#[test]
fn two_volumes_have_different_identities() {
    let clock: Clock = Arc::new(|| FileTime(1));
    let volume = |label| MemoryHandler::new(MemoryOptions::new(label), clock.clone()).unwrap();
    let (first, second) = (
        create(&volume("a"), "x").unwrap(),
        create(&volume("b"), "x").unwrap(),
    );
    assert_ne!(first.object().volume, second.object().volume);
}
