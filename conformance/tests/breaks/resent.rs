//! Notices that a lost channel took with it, and that come again over the next.

use std::time::Duration;

use conformance::client::requests;
use wire::NtStatus;
use wire::create::{LeaseContext, LeaseFlags};

use crate::clients::*;

fn epoch(lease: LeaseContext) -> u16 {
    lease.v2.expect("a lease of version 2").epoch
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn what_is_told_again_is_news_to_a_client_that_has_opened_the_file_meanwhile() {
    let [mut holder, mut other] = two_clients(&[]);
    send(
        &mut holder,
        with_lease(requests::open_or_create("file"), 1, RWH),
    );
    let mut second = channel(&holder);
    let waits = send(&mut other, requests::open("file"));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    let joined = send(&mut second, with_lease(requests::open("file"), 1, RWH));
    let told = told_lease(&joined[0]);
    assert_eq!(told.lease_state, RWH);
    assert_eq!(told.lease_flags, LeaseFlags::BREAK_IN_PROGRESS);

    holder.end.close(None);
    let broken = broken_lease(&received(&mut second)[0]);
    assert_eq!(broken.current_lease_state, RWH);
    assert_eq!(broken.new_lease_state, RH);
    assert_eq!(broken.new_epoch, epoch(told) + 1);
    let joined = send(&mut second, with_lease(requests::open("file"), 1, RWH));
    assert_eq!(epoch(told_lease(&joined[0])), broken.new_epoch);
    let kept = send(&mut second, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(&mut other)), [NtStatus::SUCCESS]);
    finish([second, other]);
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn what_is_told_again_is_the_same_to_a_client_that_has_heard_of_nothing_else() {
    let [mut holder, mut other] = two_clients(&[]);
    let created = send(
        &mut holder,
        with_lease(requests::open_or_create("file"), 1, RWH),
    );
    let mut second = channel(&holder);
    send(&mut other, requests::open("file"));
    holder.end.close(None);
    let broken = broken_lease(&received(&mut second)[0]);
    assert_eq!(broken.new_epoch, epoch(told_lease(&created[0])) + 1);
    let kept = send(&mut second, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(&mut other)), [NtStatus::SUCCESS]);
    finish([second, other]);
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn what_is_told_again_follows_the_reply_to_a_create_under_way() {
    let [mut holder, mut other] = two_clients(&["set"]);
    send(
        &mut holder,
        with_lease(requests::open_or_create("file"), 1, RWH),
    );
    let mut second = channel(&holder);
    send(&mut other, requests::open("file"));
    assert!(send(&mut second, with_lease(overwriting("file"), 1, RWH)).is_empty());
    holder.end.close(None);
    assert!(received(&mut second).is_empty());

    pass(&second, Duration::from_secs(2));
    let [created, broken] = &received(&mut second)[..] else {
        panic!("a reply and a break");
    };
    let told = told_lease(created);
    assert_eq!(told.lease_state, RWH);
    let broken = broken_lease(broken);
    assert_eq!(broken.new_lease_state, RH);
    assert_eq!(broken.new_epoch, epoch(told) + 1);
    let kept = send(&mut second, keep_lease(1, RH));
    assert_eq!(statuses(&kept), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(&mut other)), [NtStatus::SUCCESS]);
    finish([second, other]);
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn what_is_told_again_of_a_lease_that_was_given_anew_is_no_news() {
    let [mut holder, mut other] = two_clients(&[]);
    let created = send(
        &mut holder,
        with_lease(requests::open_or_create("file"), 1, R),
    );
    let mut second = channel(&holder);
    let file = opened(&send(&mut other, requests::open_or_create("file"))[0]).file_id;
    let data = bytes::Bytes::from_static(b"data");
    let written = send(&mut other, requests::write(file, 0, data));
    assert_eq!(statuses(&written), [NtStatus::SUCCESS]);
    let joined = send(&mut second, with_lease(requests::open("file"), 1, R));
    let told = told_lease(&joined[0]);
    assert_eq!(told.lease_state, R);
    assert_eq!(epoch(told), epoch(told_lease(&created[0])) + 2);

    holder.end.close(None);
    let broken = broken_lease(&received(&mut second)[0]);
    assert_eq!(broken.new_epoch, epoch(told) - 1);
    let joined = send(&mut second, with_lease(requests::open("file"), 1, R));
    assert_eq!(epoch(told_lease(&joined[0])), epoch(told));
    finish([second, other]);
}
