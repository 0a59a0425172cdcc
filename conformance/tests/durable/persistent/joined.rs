//! Leases of which one open waits for its client, while that makes another one.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conformance::client::{Reply, requests};
use conformance::fuzz::rig::Rig;
use wire::create::{CreateContext, LeaseFlags, LeaseState};
use wire::dtyp::AccessMask;
use wire::fscc::SetFileInformation;
use wire::{CreateRequest, FileId, LeaseKey, NtStatus, Request};

use super::estate::*;
use super::{acknowledge, deletion_in_absence};
use crate::scene::*;

/// A further open of the file under the persistent open's lease, with all the caching there is.
fn joining() -> CreateRequest {
    with_lease_v2(requests::open("file"), 9, RWH, 0)
}

/// All that the client hears when it has sent a request.
fn told(client: &mut Rig, request: impl Into<Request>) -> Vec<Reply> {
    let request = client.client.prepare(client.scope, request.into());
    let mut frame = BytesMut::new();
    client.client.encode(&[request], &mut frame);
    client.send(frame).expect("the connection stands")
}

fn lease(client: &mut Rig, request: CreateRequest) -> LeaseState {
    let (_, lease) = granted(&opened(&send(client, request)));
    lease.expect("a lease").0
}

/// The persistent open's client takes it up again, and then knows what is left of its lease.
fn return_and_join(client: &mut Rig, file_id: FileId) -> [LeaseState; 2] {
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    [lease(client, request), lease(client, joining())]
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn a_client_that_makes_another_open_hears_of_a_break_that_has_waited_for_it() {
    let world = World::new();
    let (file_id, mut other) = deletion_in_absence(&world);
    let mut client = world.client(1);
    let told = told(&mut client, joining());
    assert_eq!(granted(&opened(&told[0])).1, Some((RH, 2)));
    assert!(told[1].is_notification());
    let kept = LeaseState::READ_CACHING;
    assert_eq!(status(&mut client, acknowledge(9, kept)), NtStatus::SUCCESS);
    let done = other.send_nothing().expect("the connection stands");
    assert_eq!(done[0].status(), NtStatus::SUCCESS);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    assert_eq!(lease(&mut client, request), kept);
    other.end.close(None);
    client.finish();
}

// test [MS-SMB2] 3.3.5.9.11
#[test]
fn what_was_lost_with_a_killed_server_is_given_anew_only_to_who_knows_of_the_loss() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, RH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    let write = requests::write(others, 0, Bytes::from_static(b"new"));
    assert_eq!(status(&mut other, write), NtStatus::SUCCESS);
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    assert_eq!(lease(&mut client, joining()), LeaseState::NONE);
    let known = return_and_join(&mut client, file_id);
    assert_eq!(known, [LeaseState::NONE, RWH]);
    client.finish();
}

// test [MS-SMB2] 3.3.4.7
// test [MS-SMB2] 3.3.5.9.11
#[test]
fn what_was_lost_in_absence_is_given_anew_only_to_who_knows_of_the_loss() {
    let world = World::new();
    let mut client = world.client(1);
    let request = with_lease_v2(persistent("file"), 9, LeaseState::READ_CACHING, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let mut other = world.client(2);
    let others = opened(&send(&mut other, requests::open_or_create("file"))).file_id;
    world.scene.cut(client);
    let write = requests::write(others, 0, Bytes::from_static(b"new"));
    assert_eq!(status(&mut other, write), NtStatus::SUCCESS);
    let mut client = world.client(1);
    assert_eq!(lease(&mut client, joining()), LeaseState::NONE);
    let known = return_and_join(&mut client, file_id);
    assert_eq!(known, [LeaseState::NONE, RH], "another writes");
    other.end.close(None);
    client.finish();
}

/// The request names the client's lease on the folder above besides.
fn with_parent(mut request: CreateRequest, key: u8) -> CreateRequest {
    let named = request.contexts.iter().cloned().map(|context| {
        let CreateContext::RequestLease(mut lease) = context else {
            return context;
        };
        lease.lease_flags = LeaseFlags::PARENT_LEASE_KEY_SET;
        if let Some(v2) = &mut lease.v2 {
            v2.parent_lease_key = LeaseKey([key; 16]);
        }
        CreateContext::RequestLease(lease)
    });
    request.contexts = named.collect();
    request
}

// test [MS-FSA] 2.1.4.12
#[test]
fn each_open_names_the_lease_on_its_folder_for_itself_after_a_restart_too() {
    let world = World::new();
    let mut client = world.client(1);
    let first = with_lease_v2(requests::open_or_create("file"), 9, RH, 0);
    let first = opened(&send(&mut client, with_parent(first, 5))).file_id;
    let request = CreateRequest {
        desired_access: AccessMask::FILE_READ_ATTRIBUTES.with(AccessMask::DELETE),
        ..persistent("file")
    };
    let request = with_lease_v2(request, 9, RH, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    assert_eq!(
        status(&mut client, requests::close(first)),
        NtStatus::SUCCESS
    );
    let (world, _) = world.killed(Duration::ZERO);
    let mut client = world.client(1);
    let folder = with_lease_v2(requests::open_directory(""), 5, RH, 0);
    assert_eq!(lease(&mut client, folder), RH);
    let request = with_lease_v2(returning("file", file_id), 9, LeaseState::NONE, 0);
    let file_id = opened(&send(&mut client, request)).file_id;
    let delete = requests::set_file(file_id, &SetFileInformation::Disposition(true));
    assert_eq!(status(&mut client, delete), NtStatus::SUCCESS);
    let told = told(&mut client, requests::close(file_id));
    let is_broken = told.iter().any(Reply::is_notification);
    assert!(is_broken, "it names no folder's lease");
    assert!(told.iter().all(|reply| reply.status() == NtStatus::SUCCESS));
    client.finish();
}
