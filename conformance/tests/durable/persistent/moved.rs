//! Files that get another name or time of creation while the server is killed.

use std::time::Duration;

use conformance::client::requests;
use wire::dtyp::FileTime;
use wire::fscc::file_info::BasicChange;
use wire::fscc::{SetFileInformation, TimeChange};
use wire::lock::{LockFlags, LockSequence};
use wire::{FileId, NtStatus, SetInfoRequest};

use super::estate::*;
use super::{only_open, rename};
use crate::scene::*;

type Change = fn(FileId) -> SetInfoRequest;

fn new_time(file_id: FileId) -> SetInfoRequest {
    let change = BasicChange {
        creation_time: TimeChange::Set(FileTime(133_000_000_000_000_000)),
        ..BasicChange::default()
    };
    requests::set_file(file_id, &SetFileInformation::Basic(change))
}

/// The server is killed when so many requests about the change have reached the store of records, or is
/// not; the open is found again under this name.
fn killed_at(stage: u32, name: &str, change: Change, found: &str) {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent(name))).file_id;
    world.estate.records.fill_after(stage);
    let changed = status(&mut client, change(file_id));
    let expected = if stage < 2 {
        NtStatus::DISK_FULL
    } else {
        NtStatus::SUCCESS
    };
    assert_eq!(changed, expected, "{stage} {name}");
    world.estate.records.set_full(false);
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open(), "{stage} {name}");
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning(found, file_id))).file_id;
    let close = requests::close(again);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    client.finish();
}

#[test]
fn an_open_is_found_wherever_a_server_that_is_killed_has_left_the_file() {
    let rename_file: Change = |file_id| rename(file_id, "new");
    let rename_stream: Change = |file_id| rename(file_id, ":other");
    for (name, change, after) in [
        ("file", rename_file, "new"),
        ("file:stream", rename_stream, "file:other"),
        ("file", new_time as Change, "file"),
    ] {
        // The change is not announced, and so not made; made, but not recorded; recorded.
        for (stage, found) in [(0, name), (1, after), (2, after)] {
            killed_at(stage, name, change, found);
        }
    }
}

#[test]
fn an_open_is_found_where_it_was_if_what_was_announced_has_not_been_done() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    world.estate.records.fill_after(1);
    let changed = status(&mut client, rename(file_id, "new"));
    assert_eq!(changed, NtStatus::DISK_FULL);
    world.estate.records.set_full(false);
    // As if it had not been renamed.
    let (unknowing, estate) = world.without_records();
    let mut other = unknowing.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("new"))).file_id;
    let back = rename(others, "file");
    assert_eq!(status(&mut other, back), NtStatus::SUCCESS);
    other.finish();
    let scene = unknowing.scene;
    let (world, restored) = World { scene, estate }.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let request = returning("file", file_id);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    client.finish();
}

#[test]
fn what_could_not_be_announced_is_not_in_later_records() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let before = world.estate.records.all();
    for change in [rename(file_id, "new"), new_time(file_id)] {
        world.estate.records.set_full(true);
        assert_eq!(status(&mut client, change), NtStatus::DISK_FULL);
        world.estate.records.set_full(false);
        let sequence = LockSequence::default();
        let lock = status(&mut client, locking(file_id, sequence));
        assert_eq!(lock, NtStatus::SUCCESS);
        let after = world.estate.records.all();
        assert_eq!(after[0], before[0]);
        let unlock = requests::lock(file_id, 0, 1, LockFlags::UNLOCK);
        assert_eq!(status(&mut client, unlock), NtStatus::SUCCESS);
    }
    client.finish();
}

#[test]
fn a_rename_that_is_refused_leaves_nothing_announced() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    let before = world.estate.records.all();
    let nowhere = rename(file_id, "no\\where");
    let expected = NtStatus::OBJECT_PATH_NOT_FOUND;
    assert_eq!(status(&mut client, nowhere), expected);
    assert_eq!(world.estate.records.all(), before);
    client.finish();
}
