//! Opens that outlive their connection: who finds them again, and what ends their wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use conformance::client::{Offer, Reply, requests};
use conformance::fuzz::rig::{Rig, leftovers};
use conformance::sim::{Virtual, world};
use server::Server;
use wire::create::{CreateAction, CreateContext, CreateOptions, DurableHandleFlags};
use wire::create::{LeaseContext, LeaseFlags, LeaseState};
use wire::dtyp::Guid;
use wire::fscc::{Fsctl, fsctl_data::ResiliencyRequest};
use wire::ioctl::IoctlFlags;
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::{
    CreateRequest, CreateResponse, Dialect, FileId, HeaderFlags, IoctlRequest, LeaseKey,
    LockRequest, LogoffRequest, NtStatus, OplockLevel, Request, TreeDisconnectRequest, Writer,
};

const GUID: Guid = Guid(*b"create, the 1st!");

/// A server whose clients come and go.
struct Scene {
    server: Arc<Server>,
    environment: Virtual,
}

impl Scene {
    fn new() -> Self {
        let (server, environment) = world::build(3, |memory, _| Arc::new(memory));
        Self {
            server,
            environment,
        }
    }

    fn client(&self, number: u8) -> Rig {
        let offer = Offer {
            client_guid: Guid([number; 16]),
            ..Offer::dialect(Dialect::SMB_3_1_1)
        };
        let mut rig = Rig::connect(&self.server, &self.environment, offer);
        rig.log_on();
        rig
    }

    /// Lets time pass step by step, as much as asked for.
    fn pass(&self, time: Duration) {
        let end = self.environment.elapsed() + time;
        while self.environment.elapsed() < end {
            self.environment.advance(end - self.environment.elapsed());
            self.environment.run();
        }
    }

    fn cut(&self, mut rig: Rig) {
        rig.end.close(None);
        self.environment.run();
    }
}

fn send(rig: &mut Rig, request: impl Into<Request>) -> Reply {
    let request = rig.client.prepare(rig.scope, request.into());
    rig.ask(&request)
}

fn status(rig: &mut Rig, request: impl Into<Request>) -> NtStatus {
    send(rig, request).status()
}

fn opened(reply: &Reply) -> CreateResponse {
    assert_eq!(reply.status(), NtStatus::SUCCESS);
    reply.body().expect("a CREATE response")
}

/// Opens or creates a file with a batch oplock, durably.
fn durable(name: &str) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        contexts: vec![CreateContext::DurableHandleRequestV2 {
            timeout_ms: 0,
            flags: DurableHandleFlags::NONE,
            create_guid: GUID,
        }]
        .into(),
        ..requests::open_or_create(name)
    }
}

fn reconnecting(file_id: FileId, create_guid: Guid) -> CreateRequest {
    CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnectV2 {
            file_id,
            create_guid,
            flags: DurableHandleFlags::NONE,
        }]
        .into(),
        ..requests::open("whatever")
    }
}

fn with_lease(request: CreateRequest, key: u8) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey([key; 16]),
        lease_state: LeaseState::READ_CACHING | LeaseState::HANDLE_CACHING,
        lease_flags: LeaseFlags::NONE,
        v2: None,
    };
    let mut contexts: Vec<_> = request.contexts.iter().cloned().collect();
    contexts.push(CreateContext::RequestLease(lease));
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: contexts.into(),
        ..request
    }
}

fn locking(file_id: FileId, sequence: LockSequence) -> LockRequest {
    LockRequest {
        lock_sequence: sequence,
        file_id,
        locks: vec![LockElement {
            offset: 0,
            length: 1,
            flags: LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
        }],
    }
}

fn resilient(file_id: FileId, timeout_ms: u32) -> IoctlRequest {
    let mut input = BytesMut::new();
    ResiliencyRequest { timeout_ms }.encode(&mut Writer::new(&mut input));
    IoctlRequest {
        ctl_code: Fsctl::LMR_REQUEST_RESILIENCY,
        file_id,
        max_input_response: 0,
        max_output_response: 0,
        flags: IoctlFlags::IS_FSCTL,
        input: input.freeze(),
    }
}

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
        "the old volatile id is no id of the new session"
    );
    let again = opened(&send(&mut client, reconnecting(first, GUID)));
    assert_eq!(again.create_action, CreateAction::OPENED);
    assert_eq!(again.oplock_level, OplockLevel::BATCH);
    assert_eq!(again.file_id.persistent, first.persistent);
    assert_ne!(again.file_id.volatile, first.volatile);
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
            share_access: wire::create::ShareAccess::NONE,
            ..durable("file")
        };
        let file_id = opened(&send(&mut client, alone)).file_id;
        if let Some(timeout_ms) = timeout_ms {
            let request = resilient(file_id, timeout_ms);
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
        (resilient(file_id, 301_000), NtStatus::INVALID_PARAMETER),
        (
            IoctlRequest {
                input: bytes::Bytes::from_static(&[0; 7]),
                ..resilient(file_id, 1)
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
            share_access: wire::create::ShareAccess::NONE,
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
