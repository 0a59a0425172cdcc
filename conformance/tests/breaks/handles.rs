//! What takes handle caching, and waits until it is given up.

use conformance::client::requests;
use wire::create::CreateOptions;
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation, Sid};
use wire::query_info::InfoType;
use wire::{CreateRequest, NtStatus, OplockLevel, SetInfoRequest, Writer};

use crate::clients::*;

fn deleting(name: &str) -> CreateRequest {
    CreateRequest {
        desired_access: AccessMask::DELETE,
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..requests::open(name)
    }
}

// test [MS-FSA] 2.1.5.15.3
#[test]
fn a_close_that_deletes_waits_until_a_cached_handle_is_closed_and_then_the_name_is_free() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_lease(requests::open_or_create("file"), 1, RH);
    let cached = opened(&send(holder, create)[0]).file_id;
    let deleting = opened(&send(other, deleting("file"))[0]).file_id;
    assert!(received(holder).is_empty(), "the file may stay");
    let waits = send(other, requests::close(deleting));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    let broken = broken_lease(&received(holder)[0]);
    assert_eq!(
        (broken.current_lease_state, broken.new_lease_state),
        (RH, R)
    );
    let closed = send(holder, requests::close(cached));
    assert_eq!(statuses(&closed), [NtStatus::SUCCESS]);
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    let gone = send(other, requests::open("file"));
    assert_eq!(statuses(&gone), [NtStatus::OBJECT_NAME_NOT_FOUND]);
    finish(clients);
}

#[test]
fn a_close_that_deletes_closes_though_its_wait_is_cancelled() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_lease(requests::open_or_create("file"), 1, RH);
    let cached = opened(&send(holder, create)[0]).file_id;
    let file = opened(&send(other, deleting("file"))[0]).file_id;
    let waits = send(other, requests::close(file));
    let cancel = other.client.cancel(waits[0].message_id(), other.scope);
    let closed = send_all(other, &[cancel]);
    assert_eq!(statuses(&closed), [NtStatus::SUCCESS]);
    let again = send(other, requests::close(file));
    assert_eq!(statuses(&again), [NtStatus::FILE_CLOSED]);
    // The last one that has it open deletes it.
    let pending = send(other, requests::open("file"));
    assert_eq!(statuses(&pending), [NtStatus::DELETE_PENDING]);
    send(holder, requests::close(cached));
    let gone = send(other, requests::open("file"));
    assert_eq!(statuses(&gone), [NtStatus::OBJECT_NAME_NOT_FOUND]);
    finish(clients);
}

// test [MS-FSA] 2.1.5.17
#[test]
fn setting_security_takes_handle_caching_first() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    send(holder, with_lease(requests::open_or_create("file"), 1, RH));
    let all = CreateRequest {
        desired_access: AccessMask::FILE_ALL_ACCESS,
        ..requests::open("file")
    };
    let file = opened(&send(other, all)[0]).file_id;
    let mut buffer = bytes::BytesMut::new();
    let descriptor = SecurityDescriptor {
        group: Some(Sid::EVERYONE),
        ..SecurityDescriptor::default()
    };
    descriptor.encode(&mut Writer::new(&mut buffer));
    let mode = wire::fscc::file_info::FileMode::NONE;
    let set = SetInfoRequest {
        info_type: InfoType::SECURITY,
        additional_information: SecurityInformation::GROUP.bits(),
        buffer: buffer.freeze(),
        ..requests::set_file(file, &wire::fscc::SetFileInformation::Mode(mode))
    };
    let waits = send(other, set);
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, R);
    send(holder, keep_lease(1, R));
    assert_eq!(statuses(&received(other)), [NtStatus::SUCCESS]);
    finish(clients);
}

// test [MS-FSA] 2.1.5.19
#[test]
fn the_end_of_level_two_is_not_to_be_acknowledged() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let create = with_oplock(requests::open_or_create("file"), OplockLevel::II);
    let file = opened(&send(holder, create)[0]).file_id;
    let writer = opened(&send(other, requests::open_or_create("file"))[0]).file_id;
    let data = bytes::Bytes::from_static(b"x");
    let written = send(other, requests::write(writer, 0, data));
    assert_eq!(statuses(&written), [NtStatus::SUCCESS]);
    let broken = broken_oplock(&received(holder)[0]);
    assert_eq!(broken.oplock_level, OplockLevel::NONE);
    assert_eq!(holder.server.awaited_breaks(), 0);
    let refused = [
        NtStatus::INVALID_OPLOCK_PROTOCOL,
        NtStatus::INVALID_DEVICE_STATE,
    ];
    for status in refused {
        let answer = send(holder, keep_oplock(file, OplockLevel::NONE));
        assert_eq!(statuses(&answer), [status]);
    }
    finish(clients);
}
