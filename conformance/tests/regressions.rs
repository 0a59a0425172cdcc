//! What once went wrong in the server, each as a conversation with it, or as the seed of a simulation.

use bytes::BytesMut;
use conformance::client::{Outgoing, Protection, Received, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::Random;
use conformance::sim::plan::{Plan, Profile};
use conformance::sim::simulation::run;
use wire::create::CreateOptions;
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation, Sid};
use wire::fscc::{FileInfoClass, SetFileInformation, file_info::FileMode};
use wire::query_info::InfoType;
use wire::{
    CreateRequest, Dialect, EchoRequest, LogoffRequest, NtStatus, QueryInfoRequest, Request,
    SetInfoRequest, Writer,
};

fn prepare(rig: &mut Rig, request: impl Into<Request>) -> Outgoing {
    rig.client.prepare(rig.scope, request.into())
}

// test [MS-SMB2] 3.3.4.1.4
#[test]
fn replies_behind_a_logoff_in_an_encrypted_frame_are_encrypted() {
    let mut rig = Rig::logged_on(Dialect::SMB_3_1_1);
    let file = rig.opens[0];
    let chain = [
        prepare(&mut rig, requests::close(file)),
        prepare(&mut rig, LogoffRequest),
        prepare(&mut rig, EchoRequest),
    ]
    .map(|request| request.protected(Protection::Sealed));
    let mut frame = BytesMut::new();
    rig.client.encode(&chain, &mut frame);
    let session = rig.scope.session;
    let replies = rig.send(frame).unwrap();
    assert_eq!(replies.len(), chain.len());
    for reply in replies {
        assert_eq!(reply.status(), NtStatus::SUCCESS);
        assert_eq!(reply.received, Received::Sealed(session));
    }
}

#[test]
fn a_refused_open_deletes_nothing() {
    let mut rig = Rig::logged_on(Dialect::SMB_3_1_1);
    loop {
        let request = prepare(&mut rig, requests::open_or_create("file"));
        let status = rig.ask(&request).status();
        if status == NtStatus::TOO_MANY_OPENED_FILES {
            break;
        }
        assert_eq!(status, NtStatus::SUCCESS);
    }
    let deleting = CreateRequest {
        desired_access: AccessMask::DELETE,
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..requests::open("file")
    };
    let request = prepare(&mut rig, deleting);
    let status = rig.ask(&request).status();
    assert_eq!(status, NtStatus::TOO_MANY_OPENED_FILES);
    for open in std::mem::take(&mut rig.opens) {
        let request = prepare(&mut rig, requests::close(open));
        assert_eq!(rig.ask(&request).status(), NtStatus::SUCCESS);
    }
    let request = prepare(&mut rig, requests::open("file"));
    assert_eq!(rig.ask(&request).status(), NtStatus::SUCCESS);
    rig.finish();
}

#[test]
fn a_pattern_longer_than_any_name_is_refused() {
    let mut rig = Rig::logged_on(Dialect::SMB_3_1_1);
    let folder = rig.opens[1];
    let mut list = requests::list(folder, 4096);
    for (length, status) in [
        (255, NtStatus::NO_SUCH_FILE),
        (256, NtStatus::OBJECT_NAME_INVALID),
    ] {
        list.file_name = "?".repeat(length).as_str().into();
        list.flags = wire::query_directory::QueryDirectoryFlags::REOPEN;
        let request = prepare(&mut rig, list.clone());
        assert_eq!(rig.ask(&request).status(), status);
    }
}

// test [MS-SMB2] 3.3.5.21.3
#[test]
fn no_part_of_a_descriptor_is_set_or_told_without_its_access() {
    let mut rig = Rig::logged_on(Dialect::SMB_3_1_1);
    let only = CreateRequest {
        desired_access: AccessMask::FILE_READ_ATTRIBUTES,
        ..requests::open("file")
    };
    let request = prepare(&mut rig, only);
    rig.ask(&request);
    let file = rig.opens[2];
    let descriptor = SecurityDescriptor {
        owner: Some(Sid::EVERYONE),
        group: Some(Sid::EVERYONE),
        ..SecurityDescriptor::default()
    };
    let mut buffer = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut buffer));
    let buffer = buffer.freeze();
    for part in [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x1_0000].map(SecurityInformation::from_bits)
    {
        let set = SetInfoRequest {
            info_type: InfoType::SECURITY,
            additional_information: part.bits(),
            buffer: buffer.clone(),
            ..requests::set_file(file, &SetFileInformation::Mode(FileMode::NONE))
        };
        let query = QueryInfoRequest {
            info_type: InfoType::SECURITY,
            additional_information: part.bits(),
            ..requests::query_file(file, FileInfoClass::BASIC)
        };
        for request in [prepare(&mut rig, set), prepare(&mut rig, query)] {
            assert_eq!(
                rig.ask(&request).status(),
                NtStatus::ACCESS_DENIED,
                "{part:?}"
            );
        }
    }
}

fn simulate(seed: u64, steps: usize, profile: Profile) {
    let plan = Plan {
        seed,
        clients: 2 + Random::new(seed).below(7),
        steps,
        profile,
        verbose: false,
    };
    run(plan).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn an_open_that_waited_while_its_file_was_deleted_opens_what_has_the_name_now() {
    simulate(56, 600, Profile::Oplocks);
}

#[test]
fn an_open_that_waited_while_its_file_was_replaced_by_a_rename_starts_again() {
    simulate(1268, 600, Profile::Oplocks);
}

#[test]
fn a_deletion_that_becomes_pending_during_a_rename_is_not_counted_for_ever() {
    simulate(135, 600, Profile::Oplocks);
}

#[test]
fn a_rename_that_waited_until_its_open_was_closed_says_so() {
    simulate(940, 600, Profile::Oplocks);
}

#[test]
fn a_rename_that_waited_while_its_file_was_renamed_tells_of_the_name_that_goes() {
    simulate(122, 1_000, Profile::Folders);
}

#[test]
fn a_break_of_an_open_that_could_not_be_taken_up_again_is_told_to_nobody() {
    simulate(507, 1_000, Profile::Durable);
}

#[test]
fn opens_by_the_old_and_the_new_name_of_a_file_that_is_being_renamed_leave_nothing() {
    simulate(51_803, 500, Profile::Leases);
    simulate(131_279, 500, Profile::Folders);
}

#[test]
fn a_lease_that_waits_where_its_file_is_no_longer_to_be_deleted_is_refused_for_its_name() {
    simulate(100_858, 500, Profile::Folders);
}

#[test]
fn a_create_reply_tells_of_a_lease_what_an_acknowledgment_has_left_meanwhile() {
    simulate(124_351, 500, Profile::Folders);
}

#[test]
fn a_lease_that_is_given_anew_before_its_end_was_told_is_told_as_it_was_given() {
    simulate(5_956, 500, Profile::Durable);
    simulate(19_122, 500, Profile::Durable);
}

#[test]
fn a_break_of_a_lease_that_a_reply_granted_with_durability_follows_what_the_reply_told() {
    simulate(5_070, 500, Profile::Locks);
}

#[test]
fn of_what_two_channels_tell_of_a_lease_at_once_the_older_may_come_last() {
    simulate(6_422, 500, Profile::Channels);
    simulate(100_232, 500, Profile::Channels);
}

#[test]
fn many_opens_that_one_acknowledgment_sets_free_are_judged_in_the_end() {
    simulate(3_802, 500, Profile::Oplocks);
}

#[test]
fn an_open_that_waited_when_a_persistent_open_lost_its_client_is_not_told_of_that() {
    simulate(1_006, 500, Profile::Persistent);
    simulate(3_884, 500, Profile::Persistent);
    simulate(5_990, 500, Profile::Persistent);
}

#[test]
fn locks_outlive_a_server_that_another_open_had_broken_the_caching_of_while_it_began() {
    simulate(2_386, 500, Profile::Persistent);
}

#[test]
fn nobody_waits_for_caching_that_was_being_broken_when_the_server_was_killed() {
    simulate(330, 500, Profile::Persistent);
    simulate(3_234, 500, Profile::Persistent);
}

#[test]
fn what_was_under_way_when_the_server_was_killed_may_have_broken_caching() {
    simulate(6_012, 500, Profile::Persistent);
}

#[test]
fn an_open_that_deletes_on_close_breaks_the_caching_of_others_at_its_end() {
    simulate(7_798, 500, Profile::Persistent);
    simulate(52_952, 500, Profile::Persistent);
    simulate(23_270, 500, Profile::Persistent);
}

#[test]
fn replies_about_one_lease_may_come_in_any_order_where_handlers_are_late() {
    simulate(1_225, 500, Profile::Persistent);
}

#[test]
fn a_break_that_a_lost_connection_took_with_it_may_wait_for_its_client() {
    simulate(19_380, 500, Profile::Persistent);
}

#[test]
fn a_lease_is_not_given_anew_before_its_client_knows_what_it_has_lost() {
    simulate(10_280, 500, Profile::Persistent);
    simulate(32_436, 500, Profile::Persistent);
    simulate(35_032, 500, Profile::Persistent);
}

#[test]
fn a_lock_that_another_has_superseded_is_not_known_again_by_the_next_server() {
    simulate(47_486, 500, Profile::Persistent);
}

#[test]
fn an_open_that_names_no_lease_on_its_folder_breaks_that_after_a_restart_too() {
    simulate(65_226, 500, Profile::Persistent);
}

#[test]
fn durable_opens_under_a_lease_that_a_resilient_one_keeps_go_with_what_is_lost_of_it() {
    simulate(22_148, 500, Profile::Resilient);
    simulate(36_168, 500, Profile::Resilient);
    simulate(37_708, 500, Profile::Resilient);
}

#[test]
fn a_deletion_at_the_loss_of_a_client_breaks_what_its_resilient_opens_cache() {
    simulate(39_258, 500, Profile::Resilient);
}
