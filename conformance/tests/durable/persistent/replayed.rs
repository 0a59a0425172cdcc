//! CREATEs that are repeated because the client never had an answer: the server may have gone with it.

use std::time::Duration;

use conformance::client::{Reply, requests};
use conformance::fuzz::rig::Rig;
use wire::create::{CreateAction, ShareAccess};
use wire::dtyp::AccessMask;
use wire::{CreateRequest, HeaderFlags, NtStatus};

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
