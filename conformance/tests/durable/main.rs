//! Opens that outlive their connection: who finds them again, and what ends their wait.

mod leases;
mod persistent;
mod reloads;
mod scene;

use std::time::Duration;

use bytes::BytesMut;
use conformance::client::{Reply, requests};
use conformance::fuzz::rig::{Rig, leftovers};
use wire::create::{
    CreateAction, CreateContext, CreateOptions, CreateResponseContext, DurableHandleFlags,
    ShareAccess,
};
use wire::dtyp::Guid;
use wire::lock::{LockFlags, LockSequence};
use wire::{
    CreateRequest, Dialect, HeaderFlags, IoctlRequest, LockRequest, LogoffRequest, NtStatus,
    OplockLevel, TreeDisconnectRequest,
};

use scene::*;

// test [MS-SMB2] 3.3.5.9.12
// test [MS-SMB2] 3.3.7.1
// test [MS-SMB2] 3.3.5.14
#[test]
fn a_client_that_comes_back_finds_its_open_with_its_locks() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let first = opened(&send(&mut client, durable("file"))).file_id;
    let sequence = LockSequence::new(3, 1);
    assert_eq!(
        status(&mut client, locking(first, sequence)),
        NtStatus::SUCCESS
    );
    scene.cut(client);
    let mut client = scene.client(1);
    assert_eq!(
        status(&mut client, requests::read(first, 0, 1)),
        NtStatus::FILE_CLOSED,
        "an open that waits is in no session"
    );
    let mut request = reconnecting(first, GUID);
    let mut contexts: Vec<_> = request.contexts.iter().cloned().collect();
    contexts.push(CreateContext::QueryOnDiskId);
    request.contexts = contexts.into();
    let again = opened(&send(&mut client, request));
    let names: Vec<_> = again
        .contexts
        .iter()
        .map(CreateResponseContext::name)
        .collect();
    assert_eq!(names, [b"QFid"], "what else is asked for is told, no more");
    assert_eq!(again.create_action, CreateAction::OPENED);
    assert_eq!(again.oplock_level, OplockLevel::BATCH);
    assert_eq!(
        again.file_id, first,
        "what the client repeats finds its open"
    );
    assert_eq!(
        status(&mut client, locking(again.file_id, sequence)),
        NtStatus::SUCCESS,
        "a repeated request is known as such"
    );
    assert_eq!(
        status(&mut client, locking(again.file_id, LockSequence::new(4, 1))),
        NtStatus::LOCK_NOT_GRANTED,
        "the lock is held"
    );
    assert_eq!(
        status(&mut client, requests::close(again.file_id)),
        NtStatus::SUCCESS
    );
    assert_eq!(
        status(&mut client, reconnecting(again.file_id, GUID)),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    client.finish();
}

// test [MS-SMB2] 3.3.6.2
#[test]
fn an_open_whose_client_stays_away_is_closed_when_its_time_is_over() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let request = CreateRequest {
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..durable("file")
    };
    let file_id = opened(&send(&mut client, request)).file_id;
    scene.cut(client);
    scene.pass(Duration::from_secs(59));
    assert_eq!(scene.server.open_count(), 1);
    scene.pass(Duration::from_secs(2));
    assert_eq!(leftovers(&scene.server), None);
    let mut client = scene.client(1);
    assert_eq!(
        status(&mut client, reconnecting(file_id, GUID)),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    assert_eq!(
        status(&mut client, requests::open("file")),
        NtStatus::OBJECT_NAME_NOT_FOUND,
        "it was deleted on close"
    );
    client.finish();
}

// test [MS-SMB2] 3.3.4.6
// test [MS-SMB2] 3.3.2.4
#[test]
fn a_durable_open_gives_way_to_others_and_a_resilient_one_does_not() {
    let scene = Scene::new();
    let mut other = scene.client(2);
    for (timeout_ms, expected) in [
        (None, NtStatus::SUCCESS),
        (Some(30_000), NtStatus::SHARING_VIOLATION),
    ] {
        let mut client = scene.client(1);
        let alone = CreateRequest {
            share_access: ShareAccess::NONE,
            ..durable("file")
        };
        let file_id = opened(&send(&mut client, alone)).file_id;
        if let Some(timeout_ms) = timeout_ms {
            let request = requests::resilient(file_id, timeout_ms);
            assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
        }
        scene.cut(client);
        let request = other
            .client
            .prepare(other.scope, requests::open("file").into());
        let mut frame = BytesMut::new();
        other.client.encode(&[request], &mut frame);
        let replies = other.send(frame).expect("the connection stands");
        let last = replies.last().expect("an answer");
        assert_eq!(last.status(), expected);
        if expected == NtStatus::SUCCESS {
            let opened = opened(last).file_id;
            assert_eq!(
                status(&mut other, requests::close(opened)),
                NtStatus::SUCCESS
            );
        }
    }
    other.finish();
}

// test [MS-SMB2] 3.3.5.15.9
#[test]
fn resiliency_for_longer_than_allowed_is_refused() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let file_id = opened(&send(&mut client, requests::open_or_create("file"))).file_id;
    for (request, expected) in [
        (
            requests::resilient(file_id, 301_000),
            NtStatus::INVALID_PARAMETER,
        ),
        (
            IoctlRequest {
                input: bytes::Bytes::from_static(&[0; 7]),
                ..requests::resilient(file_id, 1)
            },
            NtStatus::INVALID_PARAMETER,
        ),
    ] {
        assert_eq!(status(&mut client, request), expected);
    }
    scene.cut(client);
    assert_eq!(leftovers(&scene.server), None, "nothing was kept");
}

// test [MS-SMB2] 3.3.5.9.7
// test [MS-SMB2] 3.3.5.9.12
#[test]
fn an_open_is_given_back_only_to_who_names_it_rightly() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let request = with_lease(durable("file"), 9);
    let file_id = opened(&send(&mut client, request)).file_id;
    let named = CreateRequest {
        name: "FILE".into(),
        ..reconnecting(file_id, GUID)
    };
    let rightly = with_lease(named.clone(), 9);
    assert_eq!(
        status(&mut client, rightly.clone()),
        NtStatus::OBJECT_NAME_NOT_FOUND,
        "it is in use"
    );
    scene.cut(client);
    let mut stranger = scene.client(2);
    assert_eq!(
        status(&mut stranger, rightly.clone()),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    stranger.end.close(None);
    let mut client = scene.client(1);
    let other_guid = reconnecting(file_id, Guid([7; 16]));
    let both = CreateContext::DurableHandleReconnect { file_id };
    let mut contexts: Vec<_> = rightly.contexts.iter().cloned().collect();
    contexts.push(both);
    for (request, expected) in [
        (named, NtStatus::OBJECT_NAME_NOT_FOUND),
        (with_lease(other_guid, 9), NtStatus::OBJECT_NAME_NOT_FOUND),
        (
            with_lease(reconnecting(file_id, GUID), 8),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        ),
        (
            with_lease(reconnecting(file_id, GUID), 9),
            NtStatus::INVALID_PARAMETER,
        ),
        (
            CreateRequest {
                contexts: contexts.into(),
                ..rightly.clone()
            },
            NtStatus::INVALID_PARAMETER,
        ),
        (
            with_lease(
                CreateRequest {
                    contexts: vec![CreateContext::DurableHandleReconnectV2 {
                        file_id,
                        create_guid: GUID,
                        flags: DurableHandleFlags::PERSISTENT,
                    }]
                    .into(),
                    ..rightly.clone()
                },
                9,
            ),
            NtStatus::INVALID_PARAMETER,
        ),
        (rightly, NtStatus::SUCCESS),
    ] {
        assert_eq!(status(&mut client, request), expected);
    }
    client.finish();
}

// test [MS-SMB2] 3.3.5.6
// test [MS-SMB2] 3.3.5.8
#[test]
fn a_durable_open_survives_logoff_but_not_tree_disconnect() {
    for (goes_by_logoff, expected) in [
        (true, NtStatus::SUCCESS),
        (false, NtStatus::OBJECT_NAME_NOT_FOUND),
    ] {
        let scene = Scene::new();
        let mut client = scene.client(1);
        let file_id = opened(&send(&mut client, durable("file"))).file_id;
        if goes_by_logoff {
            assert_eq!(status(&mut client, LogoffRequest), NtStatus::SUCCESS);
        } else {
            let request = TreeDisconnectRequest;
            assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
        }
        scene.cut(client);
        let mut client = scene.client(1);
        assert_eq!(status(&mut client, reconnecting(file_id, GUID)), expected);
        client.finish();
    }
}

// test [MS-SMB2] 3.3.7.1
#[test]
fn an_open_that_waits_gets_no_lock_that_a_session_before_has_asked_for() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let file_id = opened(&send(&mut client, requests::open_or_create("file"))).file_id;
    let request = requests::resilient(file_id, 60_000);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    let mut other = scene.client(2);
    let others = opened(&send(&mut other, requests::open("file"))).file_id;
    let request = locking(others, LockSequence::default());
    assert_eq!(status(&mut other, request), NtStatus::SUCCESS);
    let mut waits = locking(file_id, LockSequence::default());
    waits.locks[0].flags = LockFlags::EXCLUSIVE_LOCK;
    assert_eq!(status(&mut client, waits), NtStatus::PENDING);

    let logoff = client.client.prepare(client.scope, LogoffRequest.into());
    let mut frame = BytesMut::new();
    client.client.encode(&[logoff], &mut frame);
    let told = client.send(frame).expect("the connection stands");
    let mut told: Vec<_> = told.iter().map(Reply::status).collect();
    told.sort_unstable();
    assert_eq!(told, [NtStatus::SUCCESS, NtStatus::RANGE_NOT_LOCKED]);
    let mut back = scene.client(1);
    let again = opened(&send(&mut back, reconnecting(file_id, Guid::ZERO))).file_id;
    assert_eq!(
        status(&mut other, requests::close(others)),
        NtStatus::SUCCESS
    );
    let request = locking(again, LockSequence::default());
    assert_eq!(status(&mut back, request), NtStatus::SUCCESS);
    client.end.close(None);
    other.end.close(None);
    back.finish();
}

// test [MS-SMB2] 3.3.5.14.2
#[test]
fn a_lock_is_known_again_if_its_open_was_made_resilient_while_it_waited() {
    let scene = Scene::new();
    let mut client = scene.client_of_dialect(1, Dialect::SMB_2_1);
    let file_id = opened(&send(&mut client, requests::open_or_create("file"))).file_id;
    let mut other = scene.client(2);
    let others = opened(&send(&mut other, requests::open("file"))).file_id;
    let request = locking(others, LockSequence::default());
    assert_eq!(status(&mut other, request), NtStatus::SUCCESS);
    let mut waits = locking(file_id, LockSequence::new(3, 1));
    waits.locks[0].flags = LockFlags::EXCLUSIVE_LOCK;
    assert_eq!(status(&mut client, waits.clone()), NtStatus::PENDING);
    let request = requests::resilient(file_id, 60_000);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    assert_eq!(
        status(&mut other, requests::close(others)),
        NtStatus::SUCCESS
    );

    scene.cut(client);
    let mut client = scene.client_of_dialect(1, Dialect::SMB_2_1);
    let contexts = vec![CreateContext::DurableHandleReconnect { file_id }];
    let request = CreateRequest {
        contexts: contexts.into(),
        ..requests::open("file")
    };
    let again = opened(&send(&mut client, request)).file_id;
    let repeated = LockRequest {
        file_id: again,
        ..waits.clone()
    };
    assert_eq!(status(&mut client, repeated), NtStatus::SUCCESS);
    let another = LockRequest {
        file_id: again,
        lock_sequence: LockSequence::new(4, 1),
        ..waits
    };
    assert_eq!(status(&mut client, another), NtStatus::PENDING);
    other.end.close(None);
    client.end.close(None);
}

#[test]
fn no_more_opens_wait_for_one_user_than_the_limit_allows() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let most = scene.server.limits().disconnected_opens_per_user;
    for number in 0..=most {
        let contexts = vec![CreateContext::DurableHandleRequest].into();
        let request = CreateRequest {
            contexts,
            ..durable(&format!("file {number}"))
        };
        assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    }
    scene.cut(client);
    assert_eq!(scene.server.open_count(), usize::try_from(most).unwrap());
    scene.client(1).finish();
}

// test [MS-SMB2] 3.3.5.9
// test [MS-SMB2] 3.3.5.9.10
#[test]
fn a_repeated_create_is_answered_with_the_open_that_is_there_until_it_is_used() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let first = opened(&send(&mut client, durable("file")));
    let repeated = |client: &mut Rig| {
        let mut request = client.client.prepare(client.scope, durable("file").into());
        request.header.flags |= HeaderFlags::REPLAY_OPERATION;
        client.ask(&request)
    };
    let again = opened(&repeated(&mut client));
    assert_eq!(again.file_id, first.file_id);
    assert_eq!(again.create_action, CreateAction::CREATED);
    assert_eq!(
        status(&mut client, durable("file")),
        NtStatus::DUPLICATE_OBJECTID,
        "this one says not that it is repeated"
    );
    assert_eq!(scene.server.open_count(), 1);
    let read = requests::read(first.file_id, 0, 1);
    assert_eq!(status(&mut client, read), NtStatus::END_OF_FILE);
    assert!(
        repeated(&mut client).is_notification(),
        "it is a new request now, and breaks the oplock of the first"
    );
    client.finish();
}

// test [MS-SMB2] 3.3.5.9.13
#[test]
fn an_application_takes_its_open_from_its_other_client_but_not_from_a_later_start() {
    let scene = Scene::new();
    let for_application = |version: u64| {
        let alone = CreateRequest {
            share_access: ShareAccess::NONE,
            ..requests::open_or_create("file")
        };
        CreateRequest {
            contexts: vec![
                CreateContext::AppInstanceId(Guid([5; 16])),
                CreateContext::AppInstanceVersion {
                    high: 1,
                    low: version,
                },
            ]
            .into(),
            ..alone
        }
    };
    let [mut one, mut two] = [scene.client(1), scene.client(2)];
    let first = opened(&send(&mut one, for_application(2))).file_id;
    for version in [1, 2] {
        assert_eq!(
            status(&mut two, for_application(version)),
            NtStatus::FILE_FORCED_CLOSED
        );
    }
    assert_eq!(
        status(&mut one, requests::read(first, 0, 1)),
        NtStatus::END_OF_FILE
    );
    let second = opened(&send(&mut two, for_application(3))).file_id;
    assert_eq!(
        status(&mut one, requests::close(first)),
        NtStatus::FILE_CLOSED
    );
    assert_eq!(status(&mut two, requests::close(second)), NtStatus::SUCCESS);
    one.end.close(None);
    two.finish();
}

// test [MS-SMB2] 3.3.5.9.7
// test [MS-SMB2] 3.3.5.9.12
#[test]
fn nobody_gets_another_users_open_and_the_attempt_costs_its_owner_nothing() {
    let scene = Scene::new();
    let mut client = scene.client(1);
    let file_id = opened(&send(&mut client, durable("file"))).file_id;
    scene.cut(client);
    let mut stranger = scene.client_of_another_user(1);
    let by_version_1 = CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnect { file_id }].into(),
        ..requests::open("")
    };
    for request in [reconnecting(file_id, GUID), by_version_1] {
        assert_eq!(status(&mut stranger, request), NtStatus::ACCESS_DENIED);
    }
    assert_eq!(scene.server.open_count(), 1);
    stranger.end.close(None);
    let mut client = scene.client(1);
    let request = reconnecting(file_id, GUID);
    assert_eq!(status(&mut client, request), NtStatus::SUCCESS);
    client.finish();
}
