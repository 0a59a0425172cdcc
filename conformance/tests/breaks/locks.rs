//! Requests that wait for a byte-range lock: however many there are, nobody else waits.

use config::Limits;
use conformance::client::requests;
use conformance::fuzz::rig::Rig;
use server::Census;
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::{FileId, LockRequest, NtStatus};

use crate::clients::*;

const AT_ONCE: LockFlags = LockFlags::EXCLUSIVE_LOCK.with(LockFlags::FAIL_IMMEDIATELY);

/// A request for many ranges of one byte each.
fn each_of(file_id: FileId, bytes: std::ops::Range<u64>, flags: LockFlags) -> LockRequest {
    let element = |offset| LockElement {
        offset,
        length: 1,
        flags,
    };
    LockRequest {
        lock_sequence: LockSequence::default(),
        file_id,
        locks: bytes.map(element).collect(),
    }
}

fn open(rig: &mut Rig, name: &str) -> FileId {
    opened(&send(rig, requests::open_or_create(name))[0]).file_id
}

// test [MS-SMB2] 3.3.5.14.2
// test [MS-SMB2] 3.3.4.2
#[test]
fn a_hundred_thousand_locks_that_wait_disturb_nobody_and_end_with_their_clients() {
    const CLIENTS: u8 = 20;
    const LOCKED: u64 = 20_000;
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    change_settings(&holder.server, |settings| {
        settings.limits.async_operations = Limits::default().async_operations;
    });
    let file = open(holder, "file");
    // What overlaps everything has each of the others be looked at by who looks at one after the other.
    let everything = requests::lock(file, 0, u64::MAX, LockFlags::SHARED_LOCK);
    assert_eq!(statuses(&send(holder, everything)), [NtStatus::SUCCESS]);
    let shared = LockFlags::SHARED_LOCK.with(LockFlags::FAIL_IMMEDIATELY);
    for first in (0..LOCKED).step_by(2_000) {
        let lock = each_of(file, first..first + 2_000, shared);
        assert_eq!(statuses(&send(holder, lock)), [NtStatus::SUCCESS]);
    }

    let mut crowd = Vec::new();
    let (mut waiting, mut refused) = (0, 0);
    for number in 0..CLIENTS {
        let mut rig = further_client(holder, 10 + number);
        let file = open(&mut rig, "file");
        for _ in 0..100_000 / u32::from(CLIENTS) {
            let lock = requests::lock(file, u64::MAX - 1, 1, LockFlags::EXCLUSIVE_LOCK);
            match statuses(&send(&mut rig, lock))[..] {
                [NtStatus::PENDING] => waiting += 1,
                [NtStatus::INSUFFICIENT_RESOURCES] => refused += 1,
                ref answers => panic!("{answers:?}"),
            }
        }
        crowd.push(rig);
    }
    assert_eq!((waiting, refused), (8_192, 100_000 - 8_192));
    let census = Census::of(&holder.server);
    assert_eq!(census.store.waiting_locks, 8_192);

    // Others do what they like, on this file and elsewhere.
    let elsewhere = open(other, "elsewhere");
    let lock = requests::lock(elsewhere, 0, 1, AT_ONCE);
    assert_eq!(statuses(&send(other, lock)), [NtStatus::SUCCESS]);
    let same = open(other, "file");
    let read = requests::read(same, 0, 1);
    assert_eq!(statuses(&send(other, read)), [NtStatus::END_OF_FILE]);

    // What is unlocked is nobody's but the first one's who waits for it.
    for first in (0..LOCKED).step_by(2_000) {
        let unlock = each_of(file, first..first + 2_000, LockFlags::UNLOCK);
        assert_eq!(statuses(&send(holder, unlock)), [NtStatus::SUCCESS]);
    }
    assert!(crowd.iter_mut().all(|rig| received(rig).is_empty()));
    let unlock = requests::lock(file, 0, u64::MAX, LockFlags::UNLOCK);
    assert_eq!(statuses(&send(holder, unlock)), [NtStatus::SUCCESS]);
    let told: Vec<_> = crowd.iter_mut().map(|rig| received(rig).len()).collect();
    assert_eq!((told[0], told.iter().sum()), (1, 1));

    for mut rig in crowd {
        rig.end.close(None);
    }
    holder.environment.run();
    let census = Census::of(&holder.server);
    assert_eq!(census.store.waiting_locks, 0);
    assert_eq!(census.store.locks, 1, "that of elsewhere");
    finish(clients);
}
