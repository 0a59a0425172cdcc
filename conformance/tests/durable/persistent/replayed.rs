//! What a client repeats that never had an answer: the server may have gone with it.

use std::time::Duration;

use bytes::BytesMut;
use conformance::client::{Reply, requests};
use conformance::fuzz::rig::Rig;
use wire::create::{CreateAction, ShareAccess};
use wire::dtyp::AccessMask;
use wire::{CreateRequest, HeaderFlags, NtStatus, Request};

use super::estate::*;
use crate::scene::*;

/// Sends a request that says that it has been sent before.
pub fn repeat(client: &mut Rig, request: CreateRequest) -> Reply {
    let mut request = client.client.prepare(client.scope, request.into());
    request.header.flags |= HeaderFlags::REPLAY_OPERATION;
    client.ask(&request)
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn a_create_that_is_repeated_after_the_server_was_killed_gets_the_open_that_it_made() {
    let world = World::new();
    let mut client = world.client(1);
    let first = opened(&send(&mut client, persistent("file")));
    let (world, _) = world.killed(Duration::ZERO);
    let mut stranger = world.scene.client_of_another_user(1);
    assert_eq!(
        repeat(&mut stranger, persistent("file")).status(),
        NtStatus::ACCESS_DENIED
    );
    stranger.end.close(None);
    let mut client = world.client(1);
    assert_eq!(
        status(&mut client, persistent("file")),
        NtStatus::FILE_NOT_AVAILABLE,
        "this one says not that it is repeated"
    );
    for other in [
        CreateRequest {
            share_access: ShareAccess::NONE,
            ..persistent("file")
        },
        CreateRequest {
            desired_access: AccessMask::FILE_READ_DATA,
            ..persistent("file")
        },
    ] {
        let refused = repeat(&mut client, other).status();
        assert_eq!(refused, NtStatus::CONTEXT_MISMATCH);
    }
    let again = opened(&repeat(&mut client, persistent("file")));
    assert_eq!(again.file_id.persistent, first.file_id.persistent);
    assert_eq!(again.create_action, CreateAction::CREATED);
    assert_eq!(granted(&again).0, Some(PERSISTENT));
    let read = requests::read(again.file_id, 0, 1);
    assert_eq!(status(&mut client, read), NtStatus::END_OF_FILE);
    assert_eq!(
        repeat(&mut client, persistent("file")).status(),
        NtStatus::FILE_NOT_AVAILABLE,
        "it is in use"
    );
    assert_eq!(world.scene.server.open_count(), 1);
    client.finish();
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn a_leased_open_is_given_for_a_repeated_create_only_to_its_client_under_its_key() {
    let world = World::new();
    let mut client = world.client(1);
    let leased = |key| with_lease_v2(persistent("file"), key, RWH, 0);
    opened(&send(&mut client, leased(9)));
    let (world, _) = world.killed(Duration::ZERO);
    let mut stranger = world.client(2);
    let refused = repeat(&mut stranger, leased(9)).status();
    assert_eq!(refused, NtStatus::ACCESS_DENIED);
    stranger.end.close(None);
    let mut client = world.client(1);
    for other in [leased(8), persistent("file")] {
        let refused = repeat(&mut client, other).status();
        assert_eq!(refused, NtStatus::ACCESS_DENIED);
    }
    let again = opened(&repeat(&mut client, leased(9)));
    assert_eq!(granted(&again), (Some(PERSISTENT), Some((RWH, 1))));
    client.finish();
}

// test [MS-SMB2] 3.3.5.9.12
// test [MS-SMB2] 3.3.4.4
#[test]
fn what_is_repeated_right_behind_the_reconnect_finds_the_open_under_the_id_that_it_had() {
    let world = World::new();
    let mut client = world.client(1);
    let first = opened(&send(&mut client, persistent("file"))).file_id;
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let read = requests::read(first, 0, 1);
    assert_eq!(
        status(&mut client, read.clone()),
        NtStatus::FILE_NOT_AVAILABLE,
        "the session has it not yet"
    );
    let close = requests::close(first);
    assert_eq!(status(&mut client, close), NtStatus::FILE_CLOSED);
    let mut strangers = [world.client(2), world.scene.client_of_another_user(1)];
    for stranger in &mut strangers {
        assert_eq!(status(stranger, read.clone()), NtStatus::FILE_CLOSED);
    }
    strangers.into_iter().for_each(|mut it| it.end.close(None));
    world.estate.records.set_slow(true);
    let replies = begin(&mut client, returning("file", first));
    assert!(
        replies.is_empty(),
        "nothing is promised before it is recorded"
    );
    assert_eq!(status(&mut client, read), NtStatus::END_OF_FILE);
    world.estate.records.set_slow(false);
    let replies = client.send_nothing().expect("the connection stands");
    let [again] = &replies[..] else {
        panic!("one answer, not {replies:?}");
    };
    assert_eq!(opened(again).file_id, first);
    client.finish();
}

// test [MS-SMB2] 3.3.5.9.12
#[test]
fn an_open_that_cannot_be_recorded_for_its_session_waits_on() {
    let world = World::new();
    let mut client = world.client(1);
    let first = opened(&send(&mut client, persistent("file"))).file_id;
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    world.estate.records.set_full(true);
    let refused = status(&mut client, returning("file", first));
    assert_eq!(refused, NtStatus::DISK_FULL);
    world.estate.records.set_full(false);
    let read = requests::read(first, 0, 1);
    assert_eq!(status(&mut client, read), NtStatus::FILE_NOT_AVAILABLE);
    let again = opened(&send(&mut client, returning("file", first)));
    assert_eq!(again.file_id, first);
    client.finish();
}

/// Sends a request, and takes what is answered at once.
fn begin(client: &mut Rig, request: impl Into<Request>) -> Vec<Reply> {
    let request = client.client.prepare(client.scope, request.into());
    let mut frame = BytesMut::new();
    client
        .client
        .encode(std::slice::from_ref(&request), &mut frame);
    client.send(frame).expect("the connection stands")
}
