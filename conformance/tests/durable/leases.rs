//! What others may do while the holder of a lease is away.

use bytes::BytesMut;
use conformance::client::requests;
use conformance::fuzz::rig::Rig;
use wire::create::{LeaseState, ShareAccess};
use wire::dtyp::AccessMask;
use wire::fscc::SetFileInformation;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::{CreateRequest, NtStatus, Request};

use super::scene::*;

/// Sends a request that may have to wait, and returns the status of its last reply.
fn last_status(rig: &mut Rig, request: impl Into<Request>) -> NtStatus {
    let request = rig.client.prepare(rig.scope, request.into());
    let mut frame = BytesMut::new();
    rig.client.encode(&[request], &mut frame);
    let replies = rig.send(frame).expect("the connection stands");
    replies.last().expect("an answer").status()
}

/// What another client does while the holder of a lease is away.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Opens for attributes alone.
    Look,
    /// Opens and asks for a lease.
    Open(LeaseState),
    /// Opens without sharing anything.
    OpenAlone,
    /// Opens and writes.
    Write,
    /// Opens and renames.
    Rename,
}

fn do_deed(other: &mut Rig, deed: Deed) {
    let open = requests::open_or_create("file");
    let open = match deed {
        Deed::Look => CreateRequest {
            desired_access: AccessMask::FILE_READ_ATTRIBUTES | AccessMask::SYNCHRONIZE,
            ..requests::open("file")
        },
        Deed::Open(state) => with_lease_state(open, 2, state),
        Deed::OpenAlone => CreateRequest {
            share_access: ShareAccess::NONE,
            ..open
        },
        Deed::Write | Deed::Rename => open,
    };
    assert_eq!(last_status(other, open), NtStatus::SUCCESS, "{deed:?}");
    let file_id = *other.opens.last().expect("an open");
    let data = bytes::Bytes::from_static(b"new");
    let renamed = SetFileInformation::Rename(RenameInformation {
        flags: RenameFlags::NONE,
        root_directory: 0,
        file_name: "other".into(),
    });
    let done = match deed {
        Deed::Write => last_status(other, requests::write(file_id, 0, data)),
        Deed::Rename => last_status(other, requests::set_file(file_id, &renamed)),
        Deed::Look | Deed::Open(_) | Deed::OpenAlone => NtStatus::SUCCESS,
    };
    assert_eq!(done, NtStatus::SUCCESS, "{deed:?}");
}

// test [MS-SMB2] 3.3.4.7
#[test]
fn a_leased_open_waits_as_long_as_others_take_nothing_of_its_lease() {
    for (state, deed, stays) in [
        (RH, Deed::Look, true),
        (RH, Deed::Open(RH), true),
        (RH, Deed::Open(RWH), true),
        (RWH, Deed::Look, true),
        (RWH, Deed::Open(RWH), false),
        (RWH, Deed::Open(RH), false),
        (RH, Deed::OpenAlone, false),
        (RH, Deed::Write, false),
        (RH, Deed::Rename, false),
    ] {
        let scene = Scene::new();
        let mut client = scene.client(1);
        let shared = with_lease_state(durable("file"), 1, state);
        let file_id = opened(&send(&mut client, shared)).file_id;
        scene.cut(client);
        let mut other = scene.client(2);
        do_deed(&mut other, deed);
        assert_eq!(
            scene.server.open_count(),
            1 + usize::from(stays),
            "{deed:?}"
        );
        let mut client = scene.client(1);
        let again = CreateRequest {
            name: "file".into(),
            ..reconnecting(file_id, GUID)
        };
        let expected = if stays {
            NtStatus::SUCCESS
        } else {
            NtStatus::OBJECT_NAME_NOT_FOUND
        };
        let again = with_lease_state(again, 1, LeaseState::NONE);
        assert_eq!(status(&mut client, again), expected, "{state:?} {deed:?}");
        other.end.close(None);
        client.finish();
    }
}
