//! Which dialects and shares have which oplocks and leases.

use std::sync::Arc;

use bytes::Bytes;
use conformance::client::{Offer, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::world;
use wire::create::{CreateContext, CreateDisposition, LeaseState};
use wire::fscc::Fsctl;
use wire::ioctl::IoctlFlags;
use wire::negotiate::Capabilities;
use wire::{CreateRequest, Dialect, IoctlRequest, NtStatus, OplockLevel};

use crate::clients::*;

fn client(dialect: Dialect) -> Rig {
    client_of(dialect, "")
}

fn client_of(dialect: Dialect, share_settings: &str) -> Rig {
    let (server, environment) = world::build_with(7, share_settings, |memory, _| Arc::new(memory));
    let mut rig = Rig::connect(&server, &environment, Offer::dialect(dialect));
    rig.log_on();
    rig
}

/// The same request with a lease of version 1.
fn version_1(mut request: CreateRequest) -> CreateRequest {
    let lease = request.contexts.lease().copied();
    let lease = lease.map(|lease| wire::create::LeaseContext { v2: None, ..lease });
    request.contexts = lease.map(CreateContext::RequestLease).into_iter().collect();
    request
}

// test [MS-SMB2] 3.3.5.4
#[test]
fn leases_are_announced_from_2_1_on_and_those_on_directories_from_3_0_on() {
    let leasing = Capabilities::LEASING;
    let both = leasing | Capabilities::DIRECTORY_LEASING;
    for (dialect, expected) in [
        (Dialect::SMB_2_0_2, Capabilities::NONE),
        (Dialect::SMB_2_1, leasing),
        (Dialect::SMB_3_0, both),
        (Dialect::SMB_3_0_2, both),
        (Dialect::SMB_3_1_1, both),
    ] {
        let rig = client(dialect);
        let negotiated = rig.client.negotiated().expect("is negotiated");
        assert_eq!(
            negotiated.response.capabilities & both,
            expected,
            "{dialect:?}"
        );
    }
}

// test [MS-SMB2] 3.3.5.9.8
// test [MS-SMB2] 3.3.5.9.11
#[test]
fn a_lease_that_the_dialect_does_not_know_is_not_given() {
    let folder = CreateRequest {
        create_disposition: CreateDisposition::OPEN_IF,
        ..requests::open_directory("folder")
    };
    let on_folder = with_lease(folder, 1, RH);
    let on_file = with_lease(requests::open_or_create("file"), 2, RWH);
    let nothing: &[(Dialect, CreateRequest)] = &[
        (Dialect::SMB_2_0_2, version_1(on_file.clone())),
        (Dialect::SMB_2_1, on_file.clone()),
        (Dialect::SMB_2_1, version_1(on_folder.clone())),
    ];
    for (dialect, request) in nothing {
        let created = opened(&send(&mut client(*dialect), request.clone())[0]);
        assert_eq!(created.oplock_level, OplockLevel::NONE, "{dialect:?}");
        assert!(created.contexts.is_empty());
    }
    let something: &[(Dialect, CreateRequest, LeaseState)] = &[
        (Dialect::SMB_2_1, version_1(on_file.clone()), RWH),
        (Dialect::SMB_3_0, version_1(on_file.clone()), RWH),
        (Dialect::SMB_3_0, on_file, RWH),
        (Dialect::SMB_3_0, on_folder, RH),
    ];
    for (dialect, request, state) in something {
        let reply = &send(&mut client(*dialect), request.clone())[0];
        assert_eq!(granted_lease(reply), *state, "{dialect:?}");
        assert_eq!(opened(reply).oplock_level, OplockLevel::LEASE);
    }
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn a_share_gives_no_more_than_it_is_configured_to() {
    let mut reading = client_of(Dialect::SMB_3_1_1, "oplocks = \"reading\"");
    let request = with_oplock(requests::open_or_create("one"), OplockLevel::BATCH);
    let one = opened(&send(&mut reading, request)[0]);
    assert_eq!(one.oplock_level, OplockLevel::II);
    let request = with_lease(requests::open_or_create("two"), 2, RWH);
    assert_eq!(granted_lease(&send(&mut reading, request)[0]), RH);

    let mut never = client_of(Dialect::SMB_3_1_1, "oplocks = \"never\"");
    for request in [
        with_oplock(requests::open_or_create("one"), OplockLevel::II),
        with_lease(requests::open_or_create("two"), 2, RWH),
    ] {
        let created = opened(&send(&mut never, request)[0]);
        assert_eq!(created.oplock_level, OplockLevel::NONE);
        assert!(created.contexts.is_empty());
    }
}

// test [MS-SMB2] 3.3.5.15.8
#[test]
fn no_control_code_asks_for_an_oplock_or_acknowledges_a_break() {
    let mut rig = client(Dialect::SMB_3_1_1);
    let file = opened(&send(&mut rig, requests::open_or_create("file"))[0]).file_id;
    // Level I, level II, batch, acknowledge, close pending, notify, filter, and any of these.
    let codes = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x5c, 0x240];
    for code in codes.map(|low| Fsctl(0x0009_0000 | low)) {
        let request = IoctlRequest {
            ctl_code: code,
            file_id: file,
            max_input_response: 0,
            max_output_response: 24,
            flags: IoctlFlags::IS_FSCTL,
            input: Bytes::from_static(&[0; 12]),
        };
        let refused = statuses(&send(&mut rig, request));
        assert_eq!(refused, [NtStatus::NOT_SUPPORTED], "{code:?}");
    }
    let mut other = further_client(&rig, 2);
    assert_eq!(
        statuses(&send(&mut other, overwriting("file"))),
        [NtStatus::SUCCESS]
    );
    assert!(received(&mut rig).is_empty(), "nothing is broken");
    finish([rig, other]);
}
