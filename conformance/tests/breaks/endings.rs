//! What ends while requests are under way, and what that is to others.

use std::time::Duration;

use bytes::Bytes;
use conformance::client::{Outgoing, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::world::SHARE;
use wire::change_notify::ChangeNotifyFlags;
use wire::fscc::CompletionFilter;
use wire::lock::LockFlags;
use wire::{
    ChangeNotifyRequest, FileId, HeaderFlags, LogoffRequest, NtStatus, Request,
    TreeDisconnectRequest,
};

use crate::clients::*;

fn watch(file_id: FileId) -> ChangeNotifyRequest {
    ChangeNotifyRequest {
        flags: ChangeNotifyFlags::NONE,
        output_buffer_length: 1_000,
        file_id,
        completion_filter: CompletionFilter::FILE_NAME,
    }
}

/// Sends a request that ends others, and returns how those and it have ended, in the order of asking.
fn ends(rig: &mut Rig, request: impl Into<Request>) -> Vec<NtStatus> {
    let mut answers = send(rig, request);
    answers.sort_by_key(|answer| answer.message_id().0);
    statuses(&answers)
}

// test [MS-SMB2] 3.3.5.6
// test [MS-SMB2] 3.3.5.8
#[test]
fn what_waits_in_a_session_that_is_logged_off_is_answered_at_once() {
    let logoff: Request = LogoffRequest.into();
    let disconnect: Request = TreeDisconnectRequest.into();
    for request in [logoff, disconnect] {
        let is_logoff = matches!(request, Request::Logoff(_));
        let mut clients = two_clients(&[]);
        let [holder, other] = &mut clients;
        let locked = opened(&send(holder, requests::open_or_create("locked"))[0]).file_id;
        let at_once = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
        assert_eq!(
            statuses(&send(holder, requests::lock(locked, 0, 1, at_once))),
            [NtStatus::SUCCESS]
        );
        send(
            holder,
            with_lease(requests::open_or_create("cached"), 1, RWH),
        );

        let file = opened(&send(other, requests::open("locked"))[0]).file_id;
        let folder = opened(&send(other, requests::open_directory(""))[0]).file_id;
        let waits = [
            send(other, requests::lock(file, 0, 1, LockFlags::EXCLUSIVE_LOCK)),
            send(other, watch(folder)),
        ];
        assert_eq!(statuses(&waits.concat()), [NtStatus::PENDING; 2]);
        let mut expected = vec![NtStatus::RANGE_NOT_LOCKED, NtStatus::NOTIFY_CLEANUP];
        if is_logoff {
            let waits = send(other, requests::open("cached"));
            assert_eq!(statuses(&waits), [NtStatus::PENDING]);
            expected.push(NtStatus::USER_SESSION_DELETED);
        }
        expected.push(NtStatus::SUCCESS);
        assert_eq!(ends(other, request), expected);

        // The holder has lost nothing, and keeps what it was asked to give up until it answers.
        assert_eq!(holder.server.awaited_breaks(), usize::from(is_logoff));
        assert_eq!(received(holder).len(), usize::from(is_logoff));
        if is_logoff {
            let kept = send(holder, keep_lease(1, RH));
            assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
        }
        let unlocked = send(holder, requests::lock(locked, 0, 1, LockFlags::UNLOCK));
        assert_eq!(statuses(&unlocked), [NtStatus::SUCCESS]);
        assert_eq!(other.server.open_count(), 2);
        finish(clients);
    }
}

// test [MS-SMB2] 3.3.5.6
// test [MS-SMB2] 3.3.5.8
#[test]
fn a_create_that_the_end_of_its_session_or_tree_connect_overtakes_leaves_nothing_open() {
    let logoff: Request = LogoffRequest.into();
    let disconnect: Request = TreeDisconnectRequest.into();
    for (request, expected) in [
        (logoff, NtStatus::USER_SESSION_DELETED),
        (disconnect, NtStatus::NETWORK_NAME_DELETED),
    ] {
        let mut clients = two_clients(&["set"]);
        let [holder, other] = &mut clients;
        let file = opened(&send(holder, requests::open_or_create("file"))[0]).file_id;
        send(holder, requests::close(file));
        let share = holder.server.settings().shares.find(SHARE).cloned();
        let share = share.expect("both use it");
        let create = with_lease(overwriting("file"), 1, RWH);
        assert!(send(holder, create).is_empty(), "the handler is slow");
        let uses = share.current_uses();
        assert_eq!(statuses(&send(holder, request)), [NtStatus::SUCCESS]);
        pass(holder, Duration::from_secs(2));
        assert_eq!(statuses(&received(holder)), [expected]);
        assert_eq!(share.current_uses(), uses - 1);
        assert_eq!(holder.server.open_count(), 0);
        let reply = &send(other, with_lease(requests::open("file"), 1, RWH))[0];
        assert_eq!(granted_lease(reply), RWH);
        finish(clients);
    }
}

/// A request as a client repeats it that has lost the channel of the first one.
fn repeated(rig: &mut Rig, request: impl Into<Request>) -> Outgoing {
    let mut request = rig.client.prepare(rig.scope, request.into());
    request.header.flags |= HeaderFlags::REPLAY_OPERATION;
    request.header.status = NtStatus(1);
    assert_eq!(request.header.channel_sequence(), 1);
    request
}

// test [MS-SMB2] 3.3.5.2.10
// test [MS-SMB2] 3.3.7.1
#[test]
fn what_a_lost_channel_took_with_it_is_done_once_and_can_be_asked_again_on_another() {
    let [mut first, other] = two_clients(&["write"]);
    let file = opened(&send(&mut first, requests::open_or_create("file"))[0]).file_id;
    let at_once = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    send(&mut first, requests::lock(file, 0, 1, at_once));
    let mut second = channel(&first);
    let write = requests::write(file, 0, Bytes::from_static(b"data"));
    assert!(
        send(&mut second, write.clone()).is_empty(),
        "the handler is slow"
    );
    second.end.close(None);

    let again = repeated(&mut first, write.clone());
    let refused = send_all(&mut first, &[again]);
    assert_eq!(
        statuses(&refused),
        [NtStatus::FILE_NOT_AVAILABLE],
        "the first is under way still"
    );
    pass(&first, Duration::from_secs(2));
    let again = repeated(&mut first, write);
    assert!(send_all(&mut first, &[again]).is_empty());
    pass(&first, Duration::from_secs(2));
    assert_eq!(statuses(&received(&mut first)), [NtStatus::SUCCESS]);
    let read = &send(&mut first, requests::read(file, 0, 9))[0];
    let read: wire::ReadResponse = read.body().expect("a READ response");
    assert_eq!(&read.data[..], b"data");
    let unlocked = send(&mut first, requests::lock(file, 0, 1, LockFlags::UNLOCK));
    assert_eq!(statuses(&unlocked), [NtStatus::SUCCESS]);
    finish([first, other]);
}

// test [MS-SMB2] 3.3.5.22.1
// test [MS-SMB2] 3.3.5.22.2
#[test]
fn a_hundred_thousand_acknowledgments_that_nobody_asked_for_disturb_nobody() {
    const AT_ONCE: u8 = 50;
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RWH));
    for _ in 0..100_000 / u32::from(AT_ONCE) {
        let chain: Vec<_> = (0..AT_ONCE)
            .map(|key| {
                let unasked = keep_lease(key, RH);
                other.client.prepare(other.scope, unasked.into())
            })
            .collect();
        let refused = send_all(other, &chain);
        let expected = NtStatus::OBJECT_NAME_NOT_FOUND;
        assert!(refused.iter().all(|answer| answer.status() == expected));
        assert_eq!(refused.len(), usize::from(AT_ONCE));
    }
    assert!(received(holder).is_empty());
    let waits = send(other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, RH);
    let kept = send(holder, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    finish(clients);
}
