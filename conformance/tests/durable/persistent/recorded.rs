//! What the records say at any moment: no more and no less than what clients have been told.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conformance::client::requests;
use conformance::fuzz::rig::Rig;
use conformance::sim::records::Trouble;
use server::persistence::Restored;
use wire::create::{CreateOptions, LeaseState, ShareAccess};
use wire::fscc::SetFileInformation;
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::{CreateRequest, FileId, LockRequest, NtStatus, OplockLevel};

use super::estate::*;
use super::only_open;
use crate::scene::*;

// test [MS-SMB2] 3.3.4.7
#[test]
fn caching_that_has_ended_unasked_is_not_found_again() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, LeaseState::READ_CACHING, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    let write = requests::write(others, 0, Bytes::from_static(b"new"));
    assert_eq!(status(&mut other, write), NtStatus::SUCCESS);
    let told = client.send_nothing().expect("the connection stands");
    assert!(told[0].is_notification());
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    let again = opened(&send(&mut client, request));
    assert_eq!(granted(&again), (None, Some((LeaseState::NONE, 2))));
    client.finish();
}

// test [MS-SMB2] 3.3.4.6
#[test]
fn an_oplock_that_has_ended_unasked_is_not_found_again() {
    let world = World::new();
    let mut client = world.client(1);
    let request = CreateRequest {
        requested_oplock_level: OplockLevel::II,
        ..persistent("file")
    };
    let first = opened(&send(&mut client, request));
    assert_eq!(first.oplock_level, OplockLevel::II);
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    let write = requests::write(others, 0, Bytes::from_static(b"new"));
    assert_eq!(status(&mut other, write), NtStatus::SUCCESS);
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", first.file_id)));
    assert_eq!(again.oplock_level, OplockLevel::NONE);
    client.finish();
}

#[test]
fn of_records_that_cannot_both_be_true_the_open_made_last_comes_back() {
    let world = World::new();
    let alone = CreateRequest {
        share_access: ShareAccess::NONE,
        ..persistent("file")
    };
    let mut client = world.client(1);
    let first = opened(&send(&mut client, alone.clone())).file_id;
    let records = world.estate.records.all();
    let close = requests::close(first);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    let mut other = world.client(2);
    let second = opened(&send(&mut other, alone)).file_id;
    // The server is killed before the first record is dropped.
    for (row, bytes) in records {
        world.estate.records.spoil(row, bytes);
    }
    let (world, restored) = world.killed(Duration::ZERO);
    let expected = Restored {
        refused: 1,
        ..only_open()
    };
    assert_eq!(restored, expected);
    let mut other = world.client(2);
    let again = opened(&send(&mut other, returning("file", second)));
    assert_eq!(again.file_id.persistent, second.persistent);
    assert_eq!(world.estate.records.all().len(), 1);
    other.finish();
}

/// Locks at once or not at all.
const LOCKING: LockFlags = LockFlags::EXCLUSIVE_LOCK.with(LockFlags::FAIL_IMMEDIATELY);

/// Locks or unlocks the bytes at these offsets.
fn ranges(file_id: FileId, offsets: &[u64], flags: LockFlags) -> LockRequest {
    let element = |offset: &u64| LockElement {
        offset: *offset,
        length: 1,
        flags,
    };
    LockRequest {
        lock_sequence: LockSequence::default(),
        file_id,
        locks: offsets.iter().map(element).collect(),
    }
}

/// Which of the bytes at these offsets are locked, by locking those that are not.
fn locked(client: &mut Rig, file_id: FileId, offsets: &[u64]) -> Vec<u64> {
    let mut locked = offsets.to_vec();
    locked.retain(|offset| {
        let lock = ranges(file_id, &[*offset], LOCKING);
        status(client, lock) == NtStatus::LOCK_NOT_GRANTED
    });
    locked
}

#[test]
fn each_lock_is_recorded_once_and_all_come_back() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let many: Vec<_> = (0..300).collect();
    for offsets in many.chunks(50) {
        let lock = ranges(file_id, offsets, LOCKING);
        assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    }
    let unlock = ranges(file_id, &many[10..60], LockFlags::UNLOCK);
    assert_eq!(status(&mut client, unlock), NtStatus::SUCCESS);
    let refused = ranges(file_id, &[500, 5], LOCKING);
    assert_eq!(status(&mut client, refused), NtStatus::LOCK_NOT_GRANTED);
    let puts = world.estate.records.puts();
    let further = ranges(file_id, &[400], LOCKING);
    assert_eq!(status(&mut client, further), NtStatus::SUCCESS);
    let puts = world.estate.records.puts() - puts;
    assert_eq!(puts, 2, "the lock, and the record for its sequence");
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let expected = 252;
    assert_eq!(world.estate.records.all().len(), expected);
    // What is restored can be restored again.
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    assert_eq!(world.estate.records.all().len(), expected);
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", file_id))).file_id;
    let asked = [0, 9, 10, 59, 60, 299, 400, 500];
    let held = locked(&mut client, again, &asked);
    assert_eq!(held, [0, 9, 60, 299, 400]);
    let close = requests::close(again);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    assert_eq!(world.estate.records.all(), []);
    client.finish();
}

#[test]
fn what_could_not_be_recorded_of_locks_is_with_the_next_record() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let lock = ranges(file_id, &[1, 2], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    world.estate.records.set_full(true);
    let unlock = ranges(file_id, &[1], LockFlags::UNLOCK);
    assert_eq!(status(&mut client, unlock), NtStatus::DISK_FULL);
    let lock = ranges(file_id, &[3], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::DISK_FULL);
    world.estate.records.set_full(false);
    let lock = ranges(file_id, &[4], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", file_id))).file_id;
    assert_eq!(locked(&mut client, again, &[1, 2, 3, 4]), [2, 4]);
    client.finish();
}

// test [MS-SMB2] 3.3.5.14
#[test]
fn a_lock_that_went_with_a_record_that_failed_is_not_told_as_granted() {
    let world = World::new();
    let mut client = world.client(1);
    let request = CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        ..persistent("file")
    };
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let passing = CreateRequest {
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..requests::open_or_create("file")
    };
    let others = opened(&send(&mut other, passing)).file_id;
    let lock = ranges(others, &[1], LOCKING);
    assert_eq!(status(&mut other, lock), NtStatus::SUCCESS);
    let waiting = ranges(file_id, &[1], LockFlags::EXCLUSIVE_LOCK);
    assert_eq!(status(&mut client, waiting), NtStatus::PENDING);
    // The close gives the lock away, and has the deletion recorded that is pending from now on.
    world.estate.records.fail_next(Trouble::NotMade);
    world.estate.records.set_slow(true);
    let close = other
        .client
        .prepare(other.scope, requests::close(others).into());
    let mut frame = BytesMut::new();
    other.client.encode(&[close], &mut frame);
    other.send(frame).expect("the connection stands");
    world.estate.records.set_slow(false);
    let told = client.send_nothing().expect("the connection stands");
    assert_eq!(told[0].status(), NtStatus::INSUFFICIENT_RESOURCES);
    let rows = world.estate.records.all().len();
    assert_eq!(rows, 1, "the open and no lock");
    let lock = ranges(file_id, &[1], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    other.end.close(None);
    client.finish();
}

// test [MS-SMB2] 3.3.5.14.2
#[test]
fn no_record_stays_of_a_lock_that_was_refused_for_want_of_one() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    world.estate.records.fail_next(Trouble::Made);
    let lock = ranges(file_id, &[1], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::DISK_FULL);
    assert_eq!(world.estate.records.all().len(), 1);
    client.finish();
}

// test [MS-SMB2] 3.3.5.14.2
#[test]
fn a_lock_that_was_refused_for_want_of_a_record_takes_no_other_of_its_range_along() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let exclusive = ranges(file_id, &[1], LOCKING);
    assert_eq!(status(&mut client, exclusive), NtStatus::SUCCESS);
    world.estate.records.fail_next(Trouble::NotMade);
    let flags = LockFlags::SHARED_LOCK | LockFlags::FAIL_IMMEDIATELY;
    let shared = ranges(file_id, &[1], flags);
    assert_eq!(status(&mut client, shared), NtStatus::DISK_FULL);
    // Who has it shared may not write it, either.
    let write = requests::write(file_id, 1, Bytes::from_static(b"x"));
    assert_eq!(status(&mut client, write), NtStatus::SUCCESS);
    for expected in [NtStatus::SUCCESS, NtStatus::RANGE_NOT_LOCKED] {
        let unlock = ranges(file_id, &[1], LockFlags::UNLOCK);
        assert_eq!(status(&mut client, unlock), expected);
    }
    client.finish();
}

// test [MS-SMB2] 3.3.5.14.1
#[test]
fn what_was_unlocked_without_a_record_of_it_is_recorded_soon_and_keeps_nobody_out() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let lock = ranges(file_id, &[1], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    world.estate.records.fail_next(Trouble::NotMade);
    let unlock = ranges(file_id, &[1], LockFlags::UNLOCK);
    assert_eq!(status(&mut client, unlock), NtStatus::DISK_FULL);
    assert_eq!(world.estate.records.all().len(), 1);
    client.finish();
}

// test [MS-SMB2] 3.3.5.14.1
#[test]
fn what_a_request_unlocks_before_it_fails_is_not_locked_again() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let lock = ranges(file_id, &[1, 2], LOCKING);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    let unlock = ranges(file_id, &[1, 7], LockFlags::UNLOCK);
    assert_eq!(status(&mut client, unlock), NtStatus::RANGE_NOT_LOCKED);
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", file_id)));
    assert_eq!(locked(&mut client, again.file_id, &[1, 2]), [2]);
    client.finish();
}

// test [MS-FSA] 2.1.5.15.3
#[test]
fn a_file_whose_deletion_could_not_be_recorded_stays() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let delete = requests::set_file(file_id, &SetFileInformation::Disposition(true));
    world.estate.records.set_full(true);
    assert_eq!(status(&mut client, delete), NtStatus::DISK_FULL);
    world.estate.records.set_full(false);
    let close = requests::close(file_id);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    let again = requests::open("file");
    assert_eq!(status(&mut client, again), NtStatus::SUCCESS);
    client.finish();
}

// test [MS-SMB2] 3.3.5.14
#[test]
fn a_lock_that_a_refused_one_has_superseded_is_not_known_again() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let lock = |file_id, number| locking(file_id, LockSequence::new(number, 3));
    assert_eq!(status(&mut client, lock(file_id, 1)), NtStatus::SUCCESS);
    let refused = NtStatus::LOCK_NOT_GRANTED;
    assert_eq!(status(&mut client, lock(file_id, 2)), refused);
    let puts = world.estate.records.puts();
    assert_eq!(status(&mut client, lock(file_id, 2)), refused);
    assert_eq!(world.estate.records.puts(), puts, "there is nothing new");
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, returning("file", file_id))).file_id;
    assert_eq!(status(&mut client, lock(file_id, 1)), refused);
    client.finish();
}
