//! Breaks of oplocks and leases as their holders see them: when they come, and what ends them.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use conformance::client::{Offer, Outgoing, Related, Reply, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::world;
use server::Environment;
use share_handlers::faulty::{Fault, Faults, Faulty};
use wire::create::{
    CreateContext, CreateDisposition, LeaseContext, LeaseContextV2, LeaseFlags, LeaseState,
};
use wire::dtyp::Guid;
use wire::oplock_break::{LeaseBreak, LeaseBreakNotification, OplockBreak};
use wire::{
    CreateRequest, CreateResponse, Dialect, FileId, LeaseKey, NtStatus, OplockBreakAcknowledgment,
    OplockBreakNotification, OplockLevel, Request, Response,
};

const R: LeaseState = LeaseState::READ_CACHING;
const RH: LeaseState = R.with(LeaseState::HANDLE_CACHING);
const RWH: LeaseState = RH.with(LeaseState::WRITE_CACHING);
/// Longer than a client may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(36);

/// Two clients of one server whose handler takes a second for the calls named.
fn two_clients(slow: &'static [&'static str]) -> [Rig; 2] {
    let (server, environment) = world::build(7, |memory, environment| {
        let slow = Slow(environment.clone(), slow);
        Arc::new(Faulty::new(Arc::new(memory), Arc::new(slow)))
    });
    [1, 2].map(|number| {
        let offer = Offer {
            client_guid: Guid([number; 16]),
            ..Offer::dialect(Dialect::SMB_3_1_1)
        };
        let mut rig = Rig::connect(&server, &environment, offer);
        rig.log_on();
        rig
    })
}

struct Slow(conformance::sim::Virtual, &'static [&'static str]);

impl Faults for Slow {
    fn next(&self, call: &'static str) -> Fault {
        let is_slow = self.1.contains(&call);
        let delay = is_slow.then(|| self.0.sleep(Duration::from_secs(1)));
        Fault {
            delay,
            status: None,
        }
    }
}

/// Sends a request and returns what has come back when the server rests.
fn send(rig: &mut Rig, request: impl Into<Request>) -> Vec<Reply> {
    let request = rig.client.prepare(rig.scope, request.into());
    send_all(rig, &[request])
}

fn send_all(rig: &mut Rig, requests: &[Outgoing]) -> Vec<Reply> {
    let mut frame = BytesMut::new();
    rig.client.encode(requests, &mut frame);
    rig.send(frame).expect("the connection stands")
}

/// What has come for a client meanwhile.
fn received(rig: &mut Rig) -> Vec<Reply> {
    rig.send_nothing().expect("the connection stands")
}

/// Lets time pass step by step, as much as asked for.
fn pass(rig: &Rig, time: Duration) {
    let end = rig.environment.elapsed() + time;
    while rig.environment.elapsed() < end {
        rig.environment.advance(end - rig.environment.elapsed());
        rig.environment.run();
    }
}

fn statuses(replies: &[Reply]) -> Vec<NtStatus> {
    replies.iter().map(Reply::status).collect()
}

fn with_oplock(request: CreateRequest, level: OplockLevel) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: level,
        ..request
    }
}

fn with_lease(request: CreateRequest, key: u8, state: LeaseState) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey([key; 16]),
        lease_state: state,
        lease_flags: LeaseFlags::NONE,
        v2: Some(LeaseContextV2 {
            parent_lease_key: LeaseKey([0; 16]),
            epoch: 0,
        }),
    };
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: vec![CreateContext::RequestLease(lease)].into(),
        ..request
    }
}

fn overwriting(name: &str) -> CreateRequest {
    CreateRequest {
        create_disposition: CreateDisposition::OVERWRITE_IF,
        ..requests::open_or_create(name)
    }
}

fn opened(reply: &Reply) -> CreateResponse {
    assert_eq!(reply.status(), NtStatus::SUCCESS);
    reply.body().expect("a CREATE response")
}

fn broken_oplock(reply: &Reply) -> OplockBreak {
    assert!(reply.is_notification());
    match reply.response() {
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Oplock(broken))) => broken,
        other => panic!("no break of an oplock: {other:?}"),
    }
}

fn broken_lease(reply: &Reply) -> LeaseBreakNotification {
    assert!(reply.is_notification());
    match reply.response() {
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Lease(broken))) => broken,
        other => panic!("no break of a lease: {other:?}"),
    }
}

fn keep_oplock(file_id: FileId, oplock_level: OplockLevel) -> OplockBreakAcknowledgment {
    OplockBreakAcknowledgment::Oplock(OplockBreak {
        oplock_level,
        file_id,
    })
}

fn keep_lease(key: u8, lease_state: LeaseState) -> OplockBreakAcknowledgment {
    OplockBreakAcknowledgment::Lease(LeaseBreak {
        lease_key: LeaseKey([key; 16]),
        lease_state,
    })
}

/// Nothing is left when all clients have gone.
fn finish(clients: [Rig; 2]) {
    let [mut first, second] = clients;
    first.end.close(None);
    second.finish();
}

// test [MS-SMB2] 3.3.4.6
#[test]
fn an_oplock_that_is_broken_before_its_create_is_answered_is_broken_after_the_reply() {
    let mut clients = two_clients(&["set"]);
    let [holder, other] = &mut clients;
    let file = opened(&send(holder, requests::open_or_create("file"))[0]).file_id;
    send(holder, requests::close(file));
    let create = with_oplock(overwriting("file"), OplockLevel::BATCH);
    assert!(send(holder, create).is_empty(), "the handler is slow");
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    assert!(received(holder).is_empty());

    pass(holder, Duration::from_secs(2));
    let [created, broken] = &received(holder)[..] else {
        panic!("a reply and a break");
    };
    let created = opened(created);
    assert_eq!(created.oplock_level, OplockLevel::BATCH);
    let broken = broken_oplock(broken);
    assert_eq!(broken.file_id, created.file_id);
    assert_eq!(broken.oplock_level, OplockLevel::II);
    assert!(received(other).is_empty(), "it waits for the holder");
    let kept = send(holder, keep_oplock(created.file_id, OplockLevel::II));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    finish(clients);
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn a_lease_that_is_broken_before_its_create_is_answered_is_broken_after_the_reply() {
    let mut clients = two_clients(&["set"]);
    let [holder, other] = &mut clients;
    let file = opened(&send(holder, requests::open_or_create("file"))[0]).file_id;
    send(holder, requests::close(file));
    assert!(send(holder, with_lease(overwriting("file"), 1, RWH)).is_empty());
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);

    pass(holder, Duration::from_secs(2));
    let [created, broken] = &received(holder)[..] else {
        panic!("a reply and a break");
    };
    assert_eq!(opened(created).oplock_level, OplockLevel::LEASE);
    let broken = broken_lease(broken);
    assert_eq!(broken.current_lease_state, RWH);
    assert_eq!(broken.new_lease_state, RH);
    let kept = send(holder, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    finish(clients);
}

// test [MS-SMB2] 3.3.4.6
#[test]
fn a_break_of_what_a_compound_opens_follows_the_compound() {
    let mut clients = two_clients(&["flush"]);
    let [holder, other] = &mut clients;
    let create = with_oplock(requests::open_or_create("file"), OplockLevel::EXCLUSIVE);
    let create = holder.client.prepare(holder.scope, create.into());
    let flush = wire::FlushRequest {
        file_id: FileId {
            persistent: u64::MAX,
            volatile: u64::MAX,
        },
    };
    let flush = holder
        .client
        .prepare(holder.scope, flush.into())
        .related(Related::ToTheOneBefore);
    assert!(send_all(holder, &[create, flush]).is_empty());
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);

    pass(holder, Duration::from_secs(2));
    let [created, flushed, broken] = &received(holder)[..] else {
        panic!("two replies and a break");
    };
    assert_eq!(opened(created).oplock_level, OplockLevel::EXCLUSIVE);
    assert_eq!(flushed.status(), NtStatus::SUCCESS);
    assert_eq!(broken_oplock(broken).file_id, opened(created).file_id);
    finish(clients);
}

#[test]
fn a_further_break_follows_the_reply_to_the_acknowledgment() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RWH));
    send(other, requests::open("file"));
    assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, RH);
    // A further open, which overwrites, wants the rest while the first break is in progress.
    send(other, overwriting("file"));
    assert!(received(holder).is_empty());
    let [kept, broken] = &send(holder, keep_lease(1, RH))[..] else {
        panic!("a reply and a break");
    };
    assert_eq!(kept.status(), NtStatus::SUCCESS);
    assert_eq!(broken_lease(broken).current_lease_state, RH);
    finish(clients);
}

// test [MS-SMB2] 3.3.6.1
// test [MS-SMB2] 3.3.6.5
#[test]
fn a_break_that_nobody_acknowledges_ends_in_time_and_leaves_nothing_to_the_holder() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_oplock(requests::open_or_create("one"), OplockLevel::BATCH);
    let one = opened(&send(holder, create)[0]).file_id;
    send(holder, with_lease(requests::open_or_create("two"), 2, RWH));
    let waits = [
        send(other, requests::open("one")),
        send(other, requests::open("two")),
    ];
    assert_eq!(statuses(&waits.concat()), [NtStatus::PENDING; 2]);
    assert_eq!(received(holder).len(), 2);
    assert_eq!(other.server.awaited_breaks(), 2);
    // Who has nothing to do with it is not kept waiting.
    let reply = send(other, requests::open_or_create("three"));
    assert_eq!(statuses(&reply), [NtStatus::SUCCESS]);

    pass(holder, Duration::from_secs(34));
    assert!(received(other).is_empty(), "the holder still has time");
    pass(holder, PATIENCE);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS; 2]);
    assert_eq!(other.server.awaited_breaks(), 0);
    let late = [
        send(holder, keep_oplock(one, OplockLevel::II)),
        send(holder, keep_lease(2, RH)),
    ];
    let refused = [NtStatus::INVALID_DEVICE_STATE, NtStatus::UNSUCCESSFUL];
    assert_eq!(statuses(&late.concat()), refused);
    finish(clients);
}

// test [MS-SMB2] 3.3.5.22.1
// test [MS-SMB2] 3.3.5.22.2
#[test]
fn acknowledgments_that_nobody_asked_for_are_refused_and_change_nothing() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_oplock(requests::open_or_create("one"), OplockLevel::BATCH);
    let one = opened(&send(holder, create)[0]).file_id;
    send(holder, with_lease(requests::open_or_create("two"), 2, RWH));
    let unasked = [
        send(holder, keep_oplock(one, OplockLevel::NONE)),
        send(holder, keep_lease(2, LeaseState::NONE)),
        send(holder, keep_lease(3, R)),
    ];
    let refused = [
        NtStatus::INVALID_DEVICE_STATE,
        NtStatus::UNSUCCESSFUL,
        NtStatus::OBJECT_NAME_NOT_FOUND,
    ];
    assert_eq!(statuses(&unasked.concat()), refused);
    // Both are held still: an open has to wait for each.
    send(other, requests::open("one"));
    send(other, requests::open("two"));
    assert_eq!(received(holder).len(), 2);
    // Another client cannot answer for the holder.
    let foreign = [
        send(other, keep_oplock(one, OplockLevel::NONE)),
        send(other, keep_lease(2, LeaseState::NONE)),
    ];
    let refused = [NtStatus::FILE_CLOSED, NtStatus::OBJECT_NAME_NOT_FOUND];
    assert_eq!(statuses(&foreign.concat()), refused);
    assert_eq!(other.server.awaited_breaks(), 2);
    // Nor can the holder keep more than it was offered.
    let greedy = send(holder, keep_lease(2, RWH));
    assert_eq!(statuses(&greedy), [NtStatus::REQUEST_NOT_ACCEPTED]);
    assert_eq!(other.server.awaited_breaks(), 2);
    finish(clients);
}

#[test]
fn a_connection_that_is_lost_during_its_break_keeps_nobody_waiting() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_oplock(requests::open_or_create("one"), OplockLevel::BATCH);
    send(holder, create);
    send(holder, with_lease(requests::open_or_create("two"), 2, RWH));
    send(other, requests::open("one"));
    send(other, requests::open("two"));
    assert_eq!(other.server.awaited_breaks(), 2);
    holder.end.close(None);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS; 2]);
    assert_eq!(other.server.awaited_breaks(), 0);
    finish(clients);
}

// test [MS-SMB2] 3.3.2.1
#[test]
fn an_acknowledged_break_leaves_no_timer() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    send(other, requests::open_or_create("file"));
    let [kept] = other.opens[..] else {
        panic!("one open");
    };
    send(other, requests::close(kept));
    for _ in 0..10_000 {
        let create = with_lease(requests::open_or_create("file"), 1, RWH);
        let file = opened(&send(holder, create)[0]).file_id;
        let waits = send(other, requests::open("file"));
        assert_eq!(statuses(&waits), [NtStatus::PENDING]);
        received(holder);
        send(holder, keep_lease(1, RH));
        let [answer] = &received(other)[..] else {
            panic!("one reply");
        };
        let second = opened(answer).file_id;
        send(holder, requests::close(file));
        send(other, requests::close(second));
    }
    assert_eq!(holder.server.awaited_breaks(), 0);
    assert!(holder.environment.tasks() <= 1, "one task for all breaks");
    finish(clients);
}
