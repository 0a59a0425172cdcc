//! Who gets no persistent open: by what it says, because of what has become of the file, or because
//! nothing can be recorded.

use std::time::Duration;

use bytes::Bytes;
use conformance::client::requests;
use conformance::fuzz::rig::leftovers;
use server::persistence::{Restored, Row};
use wire::create::{CreateContext, CreateOptions, LeaseState};
use wire::dtyp::Guid;
use wire::lock::LockSequence;
use wire::{CreateRequest, NtStatus};

use super::estate::*;
use super::only_refused;
use crate::scene::*;

// test [MS-SMB2] 3.3.5.9.12
#[test]
fn only_who_names_a_restored_open_rightly_gets_it() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RWH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let (world, _) = world.killed(Duration::ZERO);
    let leased = |request, key| with_lease_v2(request, key, LeaseState::NONE, 0);
    let rightly = leased(returning("file", file_id), 9);
    let mut stranger = world.scene.client_of_another_user(1);
    assert_eq!(
        status(&mut stranger, rightly.clone()),
        NtStatus::ACCESS_DENIED
    );
    stranger.end.close(None);
    let mut stranger = world.client(2);
    assert_eq!(
        status(&mut stranger, rightly.clone()),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    stranger.end.close(None);
    let mut client = world.client(1);
    let other_guid = CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnectV2 {
            file_id,
            create_guid: Guid([7; 16]),
            flags: PERSISTENT,
        }]
        .into(),
        ..returning("file", file_id)
    };
    let not_persistent = CreateRequest {
        name: "file".into(),
        ..reconnecting(file_id, GUID)
    };
    for (request, expected) in [
        (leased(other_guid, 9), NtStatus::OBJECT_NAME_NOT_FOUND),
        (leased(not_persistent, 9), NtStatus::OBJECT_NAME_NOT_FOUND),
        (
            leased(returning("file", file_id), 8),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        ),
        (returning("file", file_id), NtStatus::OBJECT_NAME_NOT_FOUND),
        (
            leased(returning("other", file_id), 9),
            NtStatus::INVALID_PARAMETER,
        ),
    ] {
        assert_eq!(status(&mut client, request), expected);
    }
    assert_eq!(world.scene.server.open_count(), 1);
    assert_eq!(status(&mut client, rightly), NtStatus::SUCCESS);
    client.finish();
}

#[test]
fn another_file_that_has_come_to_the_name_is_not_served_under_the_old_open() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, deleting("file"))).file_id;
    // Somebody who knows nothing of the records replaces the file meanwhile.
    let (unknowing, estate) = world.without_records();
    let mut other = unknowing.client(2);
    for options in [CreateOptions::DELETE_ON_CLOSE, CreateOptions::NONE] {
        let request = CreateRequest {
            create_options: options,
            ..requests::open_or_create("file")
        };
        let opened = opened(&send(&mut other, request)).file_id;
        assert_eq!(
            status(&mut other, requests::close(opened)),
            NtStatus::SUCCESS
        );
    }
    other.finish();
    let scene = unknowing.scene;
    let (world, restored) = World { scene, estate }.killed(Duration::ZERO);
    assert_eq!(restored, only_refused());
    assert_eq!(leftovers(&world.scene.server), None);
    assert_eq!(world.estate.records.all(), []);
    let mut client = world.client(1);
    assert_eq!(
        status(&mut client, returning("file", file_id)),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    assert_eq!(
        status(&mut client, requests::open("file")),
        NtStatus::SUCCESS,
        "the new file stays"
    );
    client.finish();
}

// test [MS-SMB2] 3.3.5.7
#[test]
fn whom_the_permissions_of_the_share_do_not_let_in_any_more_finds_nothing() {
    let mut world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, deleting("file"))).file_id;
    let readers = "D:(A;;FR;;;WD)".parse().expect("is a list of permissions");
    world.estate.permissions = Some(readers);
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_refused());
    assert_eq!(leftovers(&world.scene.server), None);
    assert_eq!(world.estate.records.all(), []);
    let mut client = world.client(1);
    assert_eq!(
        status(&mut client, returning("file", file_id)),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    assert_eq!(
        status(&mut client, requests::open("file")),
        NtStatus::SUCCESS,
        "nothing is deleted by it"
    );
    client.finish();
}

#[test]
fn a_record_that_cannot_be_read_costs_the_others_nothing() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, persistent("file"))).file_id;
    for (open, bytes) in [(70, &b""[..]), (71, b"nonsense"), (72, &[1; 500])] {
        let spoilt = Bytes::copy_from_slice(bytes);
        world.estate.records.spoil(Row { open, part: 0 }, spoilt);
    }
    let (world, restored) = world.killed(Duration::ZERO);
    let expected = Restored {
        opens: 1,
        unreadable: 3,
        ..Restored::default()
    };
    assert_eq!(restored, expected);
    assert_eq!(world.estate.records.all().len(), 1);
    let mut client = world.client(1);
    let request = returning("file", file_id);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    let new = opened(&send(&mut client, requests::open_or_create("new"))).file_id;
    assert!(new.persistent > 72, "no number is used that a record had");
    client.finish();
}

#[test]
fn what_cannot_be_recorded_is_not_promised() {
    let world = World::new();
    let mut client = world.client(1);
    world.estate.records.set_full(true);
    let request = persistent("file");
    assert_eq!(status(&mut client, request.clone()), NtStatus::DISK_FULL);
    assert_eq!(world.scene.server.open_count(), 0);
    world.estate.records.set_full(false);
    let file_id = opened(&send(&mut client, request)).file_id;
    world.estate.records.set_full(true);
    let sequence = LockSequence::new(3, 1);
    let lock = locking(file_id, sequence);
    assert_eq!(status(&mut client, lock.clone()), NtStatus::DISK_FULL);
    world.estate.records.set_full(false);
    let mut other = locking(file_id, LockSequence::default());
    assert_eq!(
        status(&mut client, other.clone()),
        NtStatus::SUCCESS,
        "the lock was not kept"
    );
    other.locks[0].flags = wire::lock::LockFlags::UNLOCK;
    assert_eq!(status(&mut client, other), NtStatus::SUCCESS);
    assert_eq!(
        status(&mut client, lock),
        NtStatus::SUCCESS,
        "nor taken for done"
    );
    client.finish();
}

// test [MS-SMB2] 3.3.5.9.10
#[test]
fn an_open_is_only_durable_on_a_share_that_is_not_continuously_available() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let first = opened(&send(&mut client, persistent("file")));
    let none = wire::create::DurableHandleFlags::NONE;
    assert_eq!(granted(&first).0, Some(none));
    client.finish();
}
