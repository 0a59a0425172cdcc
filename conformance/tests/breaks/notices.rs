//! When a break is told, and what ends it.

use std::time::Duration;

use conformance::client::{Related, requests};
use wire::create::{CreateContext, DurableHandleFlags, LeaseFlags, LeaseState, ShareAccess};
use wire::dtyp::Guid;
use wire::{CreateRequest, FileId, HeaderFlags, NtStatus, OplockLevel};

use crate::clients::*;

/// Longer than a client may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(36);

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

// test [MS-SMB2] 3.3.5.9.11
#[test]
fn a_create_reply_tells_what_has_become_of_the_lease_meanwhile() {
    let mut clients = two_clients(&["set"]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RWH));
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    let broken = broken_lease(&received(holder)[0]);
    assert!(send(holder, with_lease(overwriting("file"), 1, RWH)).is_empty());
    let kept = send(holder, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);

    pass(holder, Duration::from_secs(2));
    let lease = told_lease(&received(holder)[0]);
    assert_eq!(lease.lease_state, RH);
    assert_eq!(lease.lease_flags, LeaseFlags::NONE);
    assert_eq!(lease.v2.map(|v2| v2.epoch), Some(broken.new_epoch));
    finish(clients);
}

// test [MS-SMB2] 3.3.5.9.11
#[test]
fn a_create_reply_tells_of_a_lease_what_is_true_before_the_notice_behind_it() {
    let mut clients = two_clients(&["set"]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RWH));
    send(other, requests::open("file"));
    let first = broken_lease(&received(holder)[0]);
    assert!(send(holder, with_lease(overwriting("file"), 1, RWH)).is_empty());
    send(holder, keep_lease(1, RH));
    let waits = send(
        other,
        CreateRequest {
            share_access: ShareAccess::NONE,
            ..requests::open("file")
        },
    );
    assert_eq!(statuses(&waits), [NtStatus::SUCCESS, NtStatus::PENDING]);

    pass(holder, Duration::from_secs(2));
    let [created, broken] = &received(holder)[..] else {
        panic!("a reply and a break");
    };
    let lease = told_lease(created);
    assert_eq!(lease.lease_state, RH);
    assert_eq!(lease.lease_flags, LeaseFlags::NONE);
    assert_eq!(lease.v2.map(|v2| v2.epoch), Some(first.new_epoch));
    let second = broken_lease(broken);
    assert_eq!(second.current_lease_state, RH);
    assert_eq!(second.new_epoch, first.new_epoch + 1);
    finish(clients);
}

// test [MS-SMB2] 3.3.6.1
#[test]
fn nobody_waits_for_a_break_longer_because_the_holders_create_is_not_answered() {
    let mut clients = two_clients_who_wait(3 * PATIENCE, &["set"]);
    let [holder, other] = &mut clients;
    let file = opened(&send(holder, requests::open_or_create("file"))[0]).file_id;
    send(holder, requests::close(file));
    let create = with_oplock(overwriting("file"), OplockLevel::BATCH);
    assert!(send(holder, create).is_empty(), "the handler is very slow");
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);

    pass(holder, PATIENCE);
    assert!(received(holder).is_empty());
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    pass(holder, 3 * PATIENCE);
    let [created, broken] = &received(holder)[..] else {
        panic!("a reply, and what it holds no more");
    };
    let created = opened(created).file_id;
    assert_eq!(broken_oplock(broken).file_id, created);
    let late = send(holder, keep_oplock(created, OplockLevel::II));
    assert_eq!(statuses(&late), [NtStatus::INVALID_DEVICE_STATE]);
    assert_eq!(other.server.awaited_breaks(), 0);
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

// test [MS-SMB2] 3.3.5.9.7
#[test]
fn an_open_that_is_broken_while_its_client_takes_it_up_again_is_broken_after_the_reply() {
    let [mut holder, mut other] = two_clients(&["stat"]);
    let create = CreateRequest {
        contexts: vec![CreateContext::DurableHandleRequest].into(),
        ..with_oplock(requests::open_or_create("file"), OplockLevel::BATCH)
    };
    let file_id = opened(&send(&mut holder, create)[0]).file_id;
    let mut holder = reconnected(holder);
    let reconnect = CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnect { file_id }].into(),
        ..requests::open("file")
    };
    assert!(
        send(&mut holder, reconnect).is_empty(),
        "the handler is slow"
    );
    let waits = send(&mut other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    pass(&holder, Duration::from_secs(2));
    let [created, broken] = &received(&mut holder)[..] else {
        panic!("a reply and a break");
    };
    assert_eq!(opened(created).oplock_level, OplockLevel::BATCH);
    assert_eq!(broken_oplock(broken).file_id, opened(created).file_id);
    finish([holder, other]);
}

// test [MS-SMB2] 3.3.5.9.10
#[test]
fn an_open_that_is_broken_while_its_create_is_repeated_is_broken_after_the_reply() {
    let mut clients = two_clients(&["stat"]);
    let [holder, other] = &mut clients;
    let durable = CreateContext::DurableHandleRequestV2 {
        timeout_ms: 0,
        flags: DurableHandleFlags::NONE,
        create_guid: Guid([7; 16]),
    };
    let create = CreateRequest {
        contexts: vec![durable].into(),
        ..with_oplock(requests::open_or_create("file"), OplockLevel::BATCH)
    };
    let file_id = opened(&send(holder, create.clone())[0]).file_id;
    let mut again = holder.client.prepare(holder.scope, create.into());
    again.header.flags |= HeaderFlags::REPLAY_OPERATION;
    assert!(send_all(holder, &[again]).is_empty(), "the handler is slow");
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    assert!(received(holder).is_empty());
    pass(holder, Duration::from_secs(2));
    let [repeated, broken] = &received(holder)[..] else {
        panic!("a reply and a break");
    };
    assert_eq!(opened(repeated).file_id, file_id);
    assert_eq!(broken_oplock(broken).file_id, file_id);
    finish(clients);
}

// test [MS-SMB2] 3.3.4.2
#[test]
fn a_compound_whose_create_waits_for_a_break_goes_on_when_it_ends() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RWH));
    let chain: [wire::Request; 3] = [
        requests::open_or_create("file").into(),
        requests::write(FileId::NONE, 0, bytes::Bytes::from_static(b"data")).into(),
        requests::close(FileId::NONE).into(),
    ];
    let [create, write, close] = chain.map(|request| other.client.prepare(other.scope, request));
    let related = [write, close].map(|request| request.related(Related::ToTheOneBefore));
    let [write, close] = related;
    let waits = send_all(other, &[create, write, close]);
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, RH);
    let [_, broken] = &send(holder, keep_lease(1, RH))[..] else {
        panic!("a reply, and the break that the write needs");
    };
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS; 3]);
    assert_eq!(broken_lease(broken).new_lease_state, LeaseState::NONE);
    finish(clients);
}

// test [MS-SMB2] 3.3.4.6
#[test]
fn a_reply_that_a_lost_channel_took_with_it_holds_no_break_back() {
    let [mut holder, mut other] = two_clients(&["set"]);
    let file = opened(&send(&mut holder, requests::open_or_create("file"))[0]).file_id;
    send(&mut holder, requests::close(file));
    let mut second = channel(&holder);
    let create = with_oplock(overwriting("file"), OplockLevel::BATCH);
    assert!(send(&mut holder, create).is_empty(), "the handler is slow");
    let waits = send(&mut other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);

    // Whoever still looks at the lost connection, as a status report may, does not keep the reply either.
    let lost = holder.server.connections().remove(0);
    holder.end.close(None);
    pass(&second, Duration::from_secs(2));
    assert!(lost.negotiated().is_some());
    let broken = broken_oplock(&received(&mut second)[0]);
    let kept = keep_oplock(broken.file_id, OplockLevel::II);
    let kept = send(&mut second, kept);
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(&mut other)), [NtStatus::SUCCESS]);
    finish([second, other]);
}

// test [MS-FSA] 2.1.5.1.2
#[test]
fn of_those_who_wait_for_a_break_who_came_first_goes_on_first() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    for _ in 0..20 {
        let create = with_lease(requests::open_or_create("file"), 1, RH);
        let held = opened(&send(holder, create)[0]).file_id;
        let alone = CreateRequest {
            share_access: ShareAccess::NONE,
            ..requests::open("file")
        };
        let mut messages = Vec::new();
        for _ in 0..4 {
            let waits = send(other, alone.clone());
            assert_eq!(statuses(&waits), [NtStatus::PENDING]);
            messages.push(waits[0].message_id());
        }
        send(holder, requests::close(held));
        let mut answers = received(other);
        answers.sort_by_key(|answer| messages.iter().position(|id| *id == answer.message_id()));
        let mut expected = [NtStatus::SHARING_VIOLATION; 4];
        expected[0] = NtStatus::SUCCESS;
        assert_eq!(statuses(&answers), expected);
        send(other, requests::close(opened(&answers[0]).file_id));
    }
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

// test [MS-SMB2] 3.3.5.22.2
#[test]
fn a_lease_break_is_acknowledged_on_any_session_of_its_user_and_on_no_other() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let mut impostor = impostor(holder);
    let mut again = second_session(holder);
    for acknowledges_elsewhere in [true, false] {
        let create = with_lease(requests::open_or_create("file"), 1, RWH);
        let file = opened(&send(holder, create)[0]).file_id;
        let waits = send(other, requests::open("file"));
        assert_eq!(statuses(&waits), [NtStatus::PENDING]);
        assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, RH);
        let foreign = send(&mut impostor, keep_lease(1, RH));
        assert_eq!(statuses(&foreign), [NtStatus::OBJECT_NAME_NOT_FOUND]);
        assert_eq!(holder.server.awaited_breaks(), 1);
        let by = if acknowledges_elsewhere {
            &mut again
        } else {
            &mut *holder
        };
        let kept = send(by, keep_lease(1, RH));
        assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
        let second = opened(&received(other)[0]).file_id;
        send(holder, requests::close(file));
        send(other, requests::close(second));
    }
    impostor.end.close(None);
    again.end.close(None);
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
    for _ in 0..2_000 {
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
