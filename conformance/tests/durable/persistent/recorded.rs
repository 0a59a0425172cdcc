//! What the records say at any moment: no more and no less than what clients have been told.

use std::time::Duration;

use bytes::Bytes;
use conformance::client::requests;
use server::persistence::Restored;
use wire::create::{LeaseState, ShareAccess};
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
    for (key, record) in records {
        world.estate.records.spoil(key, record);
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

// test [MS-SMB2] 3.3.5.14.1
#[test]
fn what_a_request_unlocks_before_it_fails_is_not_locked_again() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let locking = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    let lock = ranges(file_id, &[1, 2], locking);
    assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
    let unlock = ranges(file_id, &[1, 7], LockFlags::UNLOCK);
    assert_eq!(status(&mut client, unlock), NtStatus::RANGE_NOT_LOCKED);
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", file_id)));
    for (offset, expected) in [(1, NtStatus::SUCCESS), (2, NtStatus::LOCK_NOT_GRANTED)] {
        let lock = ranges(again.file_id, &[offset], locking);
        assert_eq!(status(&mut client, lock), expected);
    }
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
