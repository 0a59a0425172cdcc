//! Opens that outlive the server: what a client finds again after it was killed, and who finds nothing.

mod absent;
mod estate;
mod joined;
mod moved;
mod recorded;
mod refused;
mod replayed;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conformance::client::requests;
use conformance::fuzz::rig::{Rig, leftovers};
use server::durable;
use server::persistence::Restored;
use wire::create::{CreateDisposition, CreateOptions, LeaseState, ShareAccess};
use wire::dtyp::AccessMask;
use wire::fscc::file_info::{BasicChange, RenameFlags, RenameInformation};
use wire::fscc::{SetFileInformation, TimeChange};
use wire::lock::LockSequence;
use wire::oplock_break::LeaseBreak;
use wire::{CreateRequest, FileId, LeaseKey, NtStatus, OplockBreakAcknowledgment, OplockLevel};

use crate::scene::*;
use estate::*;

// test [MS-SMB2] 3.3.5.9.10
// test [MS-SMB2] 3.3.5.9.12
// test [MS-SMB2] 3.3.5.14
#[test]
fn a_client_finds_its_open_again_as_it_was_after_the_server_was_killed() {
    let world = World::new();
    let mut client = world.client(1);
    let request = CreateRequest {
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..with_lease_v2(persistent("file"), 9, RWH, 5)
    };
    let first = opened(&send(&mut client, request));
    assert_eq!(granted(&first), (Some(PERSISTENT), Some((RWH, 6))));
    let sequence = LockSequence::new(3, 1);
    assert_eq!(
        status(&mut client, locking(first.file_id, sequence)),
        NtStatus::SUCCESS
    );
    let data = Bytes::from_static(b"kept");
    let write = requests::write(first.file_id, 0, data);
    assert_eq!(status(&mut client, write), NtStatus::SUCCESS);

    let (world, restored) = world.killed(Duration::from_secs(20));
    assert_eq!(restored, only_open());
    let mut other = world.client(2);
    assert_eq!(
        status(&mut other, requests::open("file")),
        NtStatus::FILE_NOT_AVAILABLE
    );
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", first.file_id), 9, LeaseState::NONE, 0);
    let again = opened(&send(&mut client, request));
    assert_eq!(again.file_id.persistent, first.file_id.persistent);
    assert_eq!(granted(&again), (None, Some((RWH, 6))), "no more is told");
    assert_eq!(
        status(&mut client, locking(again.file_id, sequence)),
        NtStatus::SUCCESS,
        "a repeated request is known as such"
    );
    let second = locking(again.file_id, LockSequence::new(4, 1));
    assert_eq!(status(&mut client, second), NtStatus::LOCK_NOT_GRANTED);
    let close = requests::close(again.file_id);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    assert_eq!(
        status(&mut client, requests::open("file")),
        NtStatus::OBJECT_NAME_NOT_FOUND,
        "it was deleted on close"
    );
    assert_eq!(world.estate.records.all(), []);
    other.end.close(None);
    client.finish();
}

// test [MS-SMB2] 3.3.5.9
// test [MS-SMB2] 3.3.5.9.10
#[test]
fn an_open_without_caching_is_persistent_too_and_keeps_its_share_mode() {
    let world = World::new();
    let mut client = world.client(1);
    let request = CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        share_access: ShareAccess::READ,
        ..persistent("file")
    };
    let first = opened(&send(&mut client, request));
    assert_eq!(granted(&first), (Some(PERSISTENT), None));
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", first.file_id)));
    let writing = requests::open_or_create("file");
    assert_eq!(status(&mut client, writing), NtStatus::SHARING_VIOLATION);
    let reading = CreateRequest {
        desired_access: AccessMask::FILE_READ_DATA,
        ..requests::open("file")
    };
    assert_eq!(status(&mut client, reading), NtStatus::SUCCESS);
    let new = requests::open_or_create("other");
    let new = opened(&send(&mut client, new)).file_id;
    assert!(new.persistent > again.file_id.persistent);
    client.finish();
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn nobody_opens_a_file_meanwhile_but_its_own_client_under_the_same_lease_or_to_look_at_it() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RWH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let (world, _) = world.killed(Duration::ZERO);
    let shares = |key| with_lease_v2(requests::open("file"), key, RWH, 0);
    let mut strangers = [world.client(2), world.scene.client_of_another_user(1)];
    let looking = CreateRequest {
        desired_access: AccessMask::FILE_READ_ATTRIBUTES,
        ..requests::open("file")
    };
    for stranger in &mut strangers {
        assert_eq!(status(stranger, shares(9)), NtStatus::FILE_NOT_AVAILABLE);
        assert_eq!(
            status(stranger, looking.clone()),
            NtStatus::FILE_NOT_AVAILABLE
        );
    }
    let mut client = world.client(1);
    let emptying = CreateRequest {
        create_disposition: CreateDisposition::OVERWRITE,
        ..looking.clone()
    };
    for request in [requests::open("file"), shares(8), emptying] {
        assert_eq!(status(&mut client, request), NtStatus::FILE_NOT_AVAILABLE);
    }
    assert_eq!(status(&mut client, shares(9)), NtStatus::SUCCESS);
    assert_eq!(status(&mut client, looking), NtStatus::SUCCESS);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    strangers.into_iter().for_each(|mut it| it.end.close(None));
    client.finish();
}

// test [MS-SMB2] 3.3.6.2
// test [MS-SMB2] 3.3.7.1
#[test]
fn an_open_whose_client_stays_away_ends_with_its_record_and_its_file() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, deleting("file"))).file_id;
    let (world, restored) = world.killed(Duration::from_hours(24));
    assert_eq!(restored, only_open(), "its client was there to the end");
    world.scene.pass(Duration::from_secs(59));
    assert_eq!(world.scene.server.open_count(), 1);
    world.scene.pass(Duration::from_secs(2));
    assert_eq!(leftovers(&world.scene.server), None);
    assert_eq!(world.estate.records.all(), []);
    let mut client = world.client(1);
    for request in [returning("file", file_id), requests::open("file")] {
        assert_eq!(
            status(&mut client, request),
            NtStatus::OBJECT_NAME_NOT_FOUND
        );
    }
    client.finish();
}

// test [MS-SMB2] 3.3.6.2
#[test]
fn the_time_that_an_open_may_wait_goes_on_while_there_is_no_server() {
    for (down, expected) in [
        (Duration::from_secs(20), only_open()),
        (Duration::from_secs(40), only_expired()),
    ] {
        let world = World::new();
        let mut client = world.client(1);
        opened(&send(&mut client, deleting("file")));
        world.scene.cut(client);
        world.scene.pass(Duration::from_secs(30));
        let (world, restored) = world.killed(down);
        assert_eq!(restored, expected);
        world.scene.pass(Duration::from_secs(11));
        assert_eq!(leftovers(&world.scene.server), None);
        assert_eq!(world.estate.records.all(), []);
        let mut client = world.client(1);
        assert_eq!(
            status(&mut client, requests::open("file")),
            NtStatus::OBJECT_NAME_NOT_FOUND,
            "the file went with the open"
        );
        client.finish();
    }
}

#[test]
fn a_server_that_stops_in_order_leaves_persistent_opens_to_the_next() {
    let world = World::new();
    let mut client = world.client(1);
    let file_id = opened(&send(&mut client, deleting("file"))).file_id;
    world.scene.cut(client);
    let server = world.scene.server.clone();
    let stop = async move { durable::close_all(&server).await };
    run(&world.scene.environment, stop);
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("file", file_id)));
    let close = requests::close(again.file_id);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    client.finish();
}

fn rename(file_id: FileId, to: &str) -> wire::SetInfoRequest {
    let change = SetFileInformation::Rename(RenameInformation {
        flags: RenameFlags::NONE,
        root_directory: 0,
        file_name: to.into(),
    });
    requests::set_file(file_id, &change)
}

#[test]
fn an_open_is_found_again_under_a_new_name_with_a_new_time_of_creation_and_pending_deletion() {
    let world = World::new();
    let mut client = world.client(1);
    let shared = CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        ..persistent("file")
    };
    let file_id = opened(&send(&mut client, shared)).file_id;
    // By other opens of the file, which are not persistent.
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    let created = SetFileInformation::Basic(BasicChange {
        creation_time: TimeChange::Set(wire::dtyp::FileTime(133_000_000_000_000_000)),
        ..BasicChange::default()
    });
    for request in [
        requests::set_file(others, &created),
        rename(others, "new"),
        requests::set_file(others, &SetFileInformation::Disposition(true)),
    ] {
        assert_eq!(status(&mut other, request), NtStatus::SUCCESS);
    }
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let again = opened(&send(&mut client, returning("new", file_id)));
    let close = requests::close(again.file_id);
    assert_eq!(status(&mut client, close), NtStatus::SUCCESS);
    let request = requests::open("new");
    assert_eq!(
        status(&mut client, request),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    client.finish();
}

#[test]
fn opens_that_share_a_lease_find_it_as_the_last_of_them_left_it() {
    let world = World::new();
    let mut client = world.client(1);
    let first = with_lease_v2(persistent("file"), 9, LeaseState::READ_CACHING, 0);
    let first = opened(&send(&mut client, first)).file_id;
    let second = with_lease_v2(requests::open("file"), 9, RWH, 0);
    let second = opened(&send(&mut client, second));
    assert_eq!(granted(&second), (None, Some((RWH, 2))));
    let (world, restored) = world.killed(Duration::ZERO);
    assert_eq!(restored, only_open());
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", first), 9, LeaseState::NONE, 0);
    let again = opened(&send(&mut client, request));
    assert_eq!(granted(&again), (None, Some((RWH, 2))));
    client.finish();
}

fn acknowledge(key: u8, lease_state: LeaseState) -> OplockBreakAcknowledgment {
    OplockBreakAcknowledgment::Lease(LeaseBreak {
        lease_key: LeaseKey([key; 16]),
        lease_state,
    })
}

// test [MS-SMB2] 3.3.5.22.2
#[test]
fn what_a_client_has_given_up_of_its_lease_it_does_not_find_again() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RWH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    assert_eq!(
        status(&mut other, requests::open("file")),
        NtStatus::PENDING
    );
    let told = client.send_nothing().expect("the connection stands");
    assert!(told[0].is_notification());
    assert_eq!(status(&mut client, acknowledge(9, RH)), NtStatus::SUCCESS);
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    let again = opened(&send(&mut client, request));
    assert_eq!(granted(&again), (None, Some((RH, 2))));
    client.finish();
}

// test [MS-SMB2] 3.3.6.5
#[test]
fn what_was_being_broken_when_the_server_was_killed_a_client_does_not_find_again() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    let data = Bytes::from_static(b"new");
    let write = requests::write(others, 0, data);
    assert_eq!(status(&mut other, write), NtStatus::SUCCESS);
    let told = client.send_nothing().expect("the connection stands");
    assert!(told[0].is_notification());
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    let again = opened(&send(&mut client, request));
    assert_eq!(granted(&again), (None, Some((LeaseState::NONE, 3))));
    client.finish();
}

/// A client with a leased persistent open, which is away, and another that deletes the file by an open
/// that was there before, and has to wait.
fn deletion_in_absence(world: &World) -> (FileId, Rig) {
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RWH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let looking = CreateRequest {
        desired_access: AccessMask::FILE_READ_ATTRIBUTES.with(AccessMask::DELETE),
        ..requests::open("file")
    };
    assert_eq!(status(&mut other, looking), NtStatus::PENDING);
    client.send_nothing().expect("the connection stands");
    assert_eq!(status(&mut client, acknowledge(9, RH)), NtStatus::SUCCESS);
    let opened = other.send_nothing().expect("the connection stands");
    assert_eq!(opened[0].status(), NtStatus::SUCCESS);
    world.scene.cut(client);
    let others = *other.opens.last().expect("an open");
    let delete = requests::set_file(others, &SetFileInformation::Disposition(true));
    assert_eq!(status(&mut other, delete), NtStatus::PENDING);
    world.scene.pass(Duration::from_secs(50));
    assert!(other.send_nothing().expect("it stands").is_empty());
    (file_id, other)
}

// test [MS-SMB2] 3.3.4.7
// test [MS-SMB2] 3.3.5.9.12
#[test]
fn a_client_hears_of_a_break_that_has_waited_for_it_behind_its_reply() {
    let world = World::new();
    let (file_id, mut other) = deletion_in_absence(&world);
    let mut client = world.client(1);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    let request = client.client.prepare(client.scope, request.into());
    let mut frame = BytesMut::new();
    client.client.encode(&[request], &mut frame);
    let told = client.send(frame).expect("the connection stands");
    assert_eq!(granted(&opened(&told[0])).1, Some((RH, 2)));
    assert!(told[1].is_notification());
    let kept = LeaseState::READ_CACHING;
    assert_eq!(status(&mut client, acknowledge(9, kept)), NtStatus::SUCCESS);
    let done = other.send_nothing().expect("the connection stands");
    assert_eq!(done[0].status(), NtStatus::SUCCESS);
    other.end.close(None);
    client.finish();
}

// test [MS-SMB2] 3.3.6.2
#[test]
fn a_break_that_waits_for_a_client_that_stays_away_ends_with_its_open() {
    let world = World::new();
    let (_, mut other) = deletion_in_absence(&world);
    world.scene.pass(Duration::from_secs(11));
    let done = other.send_nothing().expect("the connection stands");
    assert_eq!(done[0].status(), NtStatus::SUCCESS);
    assert_eq!(world.estate.records.all(), []);
    other.finish();
}

fn only_open() -> Restored {
    Restored {
        opens: 1,
        ..Restored::default()
    }
}

fn only_refused() -> Restored {
    Restored {
        refused: 1,
        ..Restored::default()
    }
}

fn only_expired() -> Restored {
    Restored {
        expired: 1,
        ..Restored::default()
    }
}
