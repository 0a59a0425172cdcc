//! Folders that are renamed or deleted while somebody waits for a break, or opens what is below.

use conformance::client::requests;
use wire::create::{CreateDisposition, ShareAccess};
use wire::dtyp::AccessMask;
use wire::fscc::SetFileInformation;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::{CreateRequest, FileId, NtStatus, SetInfoRequest};

use crate::clients::*;

fn folder(desired_access: AccessMask) -> CreateRequest {
    CreateRequest {
        desired_access,
        create_disposition: CreateDisposition::OPEN_IF,
        ..requests::open_directory("folder")
    }
}

fn renaming(file_id: FileId, target: &str) -> SetInfoRequest {
    let rename = RenameInformation {
        flags: RenameFlags::NONE,
        root_directory: 0,
        file_name: target.into(),
    };
    requests::set_file(file_id, &SetFileInformation::Rename(rename))
}

fn deleting(file_id: FileId) -> SetInfoRequest {
    requests::set_file(file_id, &SetFileInformation::Disposition(true))
}

// test [MS-FSA] 2.1.5.1
// test [MS-FSA] 2.1.4.2
#[test]
fn an_open_that_waited_while_a_folder_above_was_renamed_looks_its_name_up_again() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let renamed = opened(&send(other, folder(AccessMask::DELETE))[0]).file_id;
    let create = with_lease(requests::open_or_create("folder\\file"), 1, RH);
    let cached = opened(&send(holder, create)[0]).file_id;
    let first = send(other, renaming(renamed, "moved"));
    assert_eq!(statuses(&first), [NtStatus::PENDING]);
    assert_eq!(broken_lease(&received(holder)[0]).new_lease_state, R);
    let alone = CreateRequest {
        share_access: ShareAccess::NONE,
        ..requests::open("folder\\file")
    };
    let second = send(other, alone);
    assert_eq!(statuses(&second), [NtStatus::PENDING]);
    send(holder, requests::close(cached));
    let answers = received(other);
    let answer = |id| answers.iter().find(|answer| answer.message_id() == id);
    let status = |id| answer(id).map(conformance::client::Reply::status);
    assert_eq!(status(first[0].message_id()), Some(NtStatus::SUCCESS));
    assert_eq!(
        status(second[0].message_id()),
        Some(NtStatus::OBJECT_PATH_NOT_FOUND)
    );
    let found = send(other, requests::open("moved\\file"));
    assert_eq!(statuses(&found), [NtStatus::SUCCESS]);
    finish(clients);
}

// test [MS-FSA] 2.1.5.15.12
#[test]
fn nothing_is_moved_into_a_folder_that_is_being_deleted() {
    let mut clients = two_clients(&[]);
    let [first, second] = &mut clients;
    let going = opened(&send(first, folder(AccessMask::DELETE))[0]).file_id;
    let kept = opened(&send(first, folder(AccessMask::FILE_READ_ATTRIBUTES))[0]).file_id;
    let deleted = send(first, deleting(going));
    assert_eq!(statuses(&deleted), [NtStatus::SUCCESS]);
    send(first, requests::close(going));
    let file = opened(&send(second, requests::open_or_create("file"))[0]).file_id;
    let moved = send(second, renaming(file, "folder\\file"));
    assert_eq!(statuses(&moved), [NtStatus::DELETE_PENDING]);
    send(first, requests::close(kept));
    let gone = send(second, requests::open_directory("folder"));
    assert_eq!(statuses(&gone), [NtStatus::OBJECT_NAME_NOT_FOUND]);
    let stays = send(second, requests::open("file"));
    assert_eq!(statuses(&stays), [NtStatus::SUCCESS]);
    finish(clients);
}

// test [MS-FSA] 2.1.5.15.3
#[test]
fn a_folder_that_is_filled_while_its_deletion_waits_is_not_deleted() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    let cached = with_lease(folder(AccessMask::FILE_READ_DATA), 9, RH);
    let cached = opened(&send(holder, cached)[0]).file_id;
    let going = opened(&send(other, folder(AccessMask::DELETE))[0]).file_id;
    let waits = send(other, deleting(going));
    assert_eq!(statuses(&waits), [NtStatus::PENDING]);
    let file = opened(&send(other, requests::open_or_create("folder\\file"))[0]).file_id;
    send(holder, requests::close(cached));
    let answers = received(other);
    assert_eq!(statuses(&answers), [NtStatus::DIRECTORY_NOT_EMPTY]);
    send(other, requests::close(file));
    send(other, requests::close(going));
    let stays = send(other, requests::open("folder\\file"));
    assert_eq!(statuses(&stays), [NtStatus::SUCCESS]);
    finish(clients);
}
