//! Binding, fragments, faults.

use super::*;

// test [MS-RPCE] 3.3.1.5.3
#[test]
fn windows_is_bound_with_both_representations_and_kept_when_a_call_is_orphaned() {
    let pipe = open("srvsvc");
    assert_eq!(write(&*pipe, &bytes(WINDOWS_BIND)), Ok(160));
    let (ack, is_partial) = read(&*pipe, 1024).unwrap();
    let expected = "05000c03100000007400000002000000b810b81001000000
        0d005c504950455c737276737663000003000000
        00000000045d888aeb1cc9119fe808002b10486002000000
        0000000033057171babe37498319b5dbef9ccc3601000000
        030002000000000000000000000000000000000000000000";
    assert_eq!(hex(&ack), hex(&bytes(expected)));
    assert!(!is_partial);
}

#[test]
fn a_request_in_pieces_is_put_together() {
    let pipe = bound(&[], "srvsvc");
    let stub = share_enum(1, u32::MAX, None);
    let whole = call(&*pipe, 15, &stub);
    let (first, rest) = stub.split_at(8);
    let (second, third) = rest.split_at(8);
    write(&*pipe, &fragment(0x01, 7, 15, first)).unwrap();
    write(&*pipe, &fragment(0x00, 7, 15, second)).unwrap();
    let answer = transact(&*pipe, &fragment(0x02, 7, 15, third)).data;
    assert_eq!(&answer[24..], whole);
    // A packet may also come in several writes.
    let packet = request(8, 15, &stub);
    for byte in &packet[..packet.len() - 1] {
        write(&*pipe, std::slice::from_ref(byte)).unwrap();
    }
    assert_eq!(
        &transact(&*pipe, &packet[packet.len() - 1..]).data[24..],
        whole
    );
}

/// Many shares with long comments, so that a list of them takes several packets.
struct Many;

impl ServerView for Many {
    fn facts(&self) -> ServerSnapshot {
        Lab.facts()
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        let share = Lab.shares().remove(1);
        let named = |number: u32| ShareSnapshot {
            name: format!("share{number:03}"),
            comment: "x".repeat(100),
            ..share.clone()
        };
        (0..100).map(named).collect()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        Vec::new()
    }
}

// test [C706] 12.6.4.10
#[test]
fn a_long_answer_comes_in_packets_that_the_client_can_take() {
    let handler = IpcHandler::new(Arc::new(Many), Arc::new(NoAdministration), Arc::new(Inline));
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    let name = Name::parse_text("srvsvc").unwrap();
    let pipe = now(handler.open(&caller(&[]), &name, &how)).unwrap().handle;
    transact(&*pipe, &bytes(WINDOWS_BIND));
    write(&*pipe, &request(1, 15, &share_enum(1, u32::MAX, None))).unwrap();
    let mut stub = Vec::new();
    let mut packets = 0;
    loop {
        let (packet, is_partial) = read(&*pipe, 65_536).unwrap();
        assert!(packet.len() <= 4280 && !is_partial);
        assert_eq!(packet[3] & 0x01 != 0, packets == 0, "first");
        stub.extend_from_slice(&packet[24..]);
        packets += 1;
        if packet[3] & 0x02 != 0 {
            break;
        }
        assert_eq!((packet.len() - 24) % 8, 0);
    }
    assert!(packets > 5);
    assert!(texts(&stub).contains("share099"));
    assert_eq!(last_number(&stub), 0);
}

#[test]
fn what_cannot_be_carried_out_is_a_fault_and_the_pipe_lives_on() {
    let pipe = bound(&[], "srvsvc");
    let good = share_enum(1, u32::MAX, None);
    assert_eq!(
        fault(&*pipe, &request(1, 999, &good)),
        0x1c01_0002,
        "nca_op_rng_error"
    );
    assert_eq!(
        fault(&*pipe, &request(1, 15, &good[..10])),
        0x6f7,
        "RPC_X_BAD_STUB_DATA"
    );
    let mut other_context = request(1, 15, &good);
    other_context[20] = 9;
    assert_eq!(
        fault(&*pipe, &other_context),
        0x1c00_001c,
        "nca_invalid_pres_context_id"
    );
    assert_eq!(
        fault(&*pipe, &fragment(0x02, 1, 15, &good)),
        0x1c01_000b,
        "nca_proto_error"
    );
    let long = vec![0; 60_000];
    write(&*pipe, &fragment(0x01, 1, 15, &long)).unwrap();
    write(&*pipe, &fragment(0x00, 1, 15, &long)).unwrap();
    assert_eq!(
        fault(&*pipe, &fragment(0x00, 1, 15, &long)),
        0x1c00_001b,
        "no memory"
    );
    assert_eq!(last_number(&call(&*pipe, 15, &good)), 0);
}

/// Calls a procedure and gives the status of its fault.
fn fault(pipe: &dyn Handle, packet: &[u8]) -> u32 {
    let answer = transact(pipe, packet).data;
    assert_eq!(answer[2], 3, "a fault: {}", hex(&answer));
    u32::from_le_bytes(answer[24..28].try_into().unwrap())
}

#[test]
fn big_endian_clients_are_understood() {
    let pipe = open("srvsvc");
    let bind = "05000b03000000000048000000000001 10b810b8 00000000 01000000 00000100
        4b324fc8167001d312785a47bf6ee188 00000003 8a885d041ceb11c99fe808002b104860 00000002";
    let ack = transact(&*pipe, &bytes(bind)).data;
    assert_eq!(hex(&ack[40..48]), "0100000000000000", "accepted");
    let request = "050000030000000000200000000000020000000800000015 00000000 00000064";
    let answer = transact(&*pipe, &bytes(request)).data;
    assert!(texts(&answer[24..]).contains("LAB"));
}

#[test]
fn contexts_are_added_by_alter_context_and_other_interfaces_are_refused() {
    let pipe = bound(&[], "srvsvc");
    let mut alter = bytes(MACOS_BIND);
    alter[2] = 14;
    alter[28] = 5;
    let answer = transact(&*pipe, &alter).data;
    assert_eq!((answer[2], answer.len()), (15, 56));
    let mut in_context = request(1, 28, &numbers(&[0]));
    in_context[20] = 5;
    assert_eq!(transact(&*pipe, &in_context).data[2], 2);
    alter[28] = 6;
    alter[32] ^= 1;
    let refused = transact(&*pipe, &alter).data;
    assert_eq!(
        hex(&refused[32..36]),
        "02000100",
        "abstract_syntax_not_supported"
    );
}

// test [MS-RPCE] 3.3.1.5.6
#[test]
fn what_the_number_of_a_context_means_does_not_change() {
    let pipe = bound(&[], "lsarpc");
    let mut alter = bytes(MACOS_BIND);
    alter[2] = 14;
    alter[32..52].copy_from_slice(LSARPC.id.bytes().collect::<Vec<_>>().as_slice());
    assert_eq!(transact(&*pipe, &alter).data[2], 15, "the same again");
    alter[32..52].copy_from_slice(DSSETUP.id.bytes().collect::<Vec<_>>().as_slice());
    assert_eq!(fault(&*pipe, &alter), 0x1c01_000b, "nca_proto_error");
    assert_eq!(read(&*pipe, 100), Err(NtStatus::PIPE_BROKEN));
}

// test [MS-RPCE] 3.3.1.5.7
#[test]
fn pipes_of_one_association_group_have_their_handles_in_common() {
    let handler = IpcHandler::new(Arc::new(Lab), Arc::new(NoAdministration), Arc::new(Inline));
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    let name = Name::parse_text("lsarpc").unwrap();
    let bound_in = |group: &[u8], caller: &Caller| {
        let pipe = now(handler.open(caller, &name, &how)).unwrap().handle;
        let mut bind = bytes(MACOS_BIND);
        bind[20..24].copy_from_slice(group);
        bind[32..52].copy_from_slice(LSARPC.id.bytes().collect::<Vec<_>>().as_slice());
        let ack = transact(&*pipe, &bind).data;
        (pipe, ack[20..24].to_vec())
    };
    let (first, group) = bound_in(&[0; 4], &caller(&[]));
    let (second, joined) = bound_in(&group, &caller(&[]));
    let (other, own) = bound_in(&[0; 4], &caller(&[]));
    let mut stranger = caller(&[]);
    let token = SecurityToken::new(Sid::SYSTEM, Sid::USERS, Vec::new(), Privileges::NONE);
    stranger.token = Arc::new(token);
    let (third, refused) = bound_in(&group, &stranger);
    assert_eq!(joined, group);
    assert!(own != group && refused != group);
    // LsarOpenPolicy2 for LOOKUP_NAMES.
    let policy = call(&*first, 44, &numbers(&[0, 24, 0, 0, 0, 0, 0, 0x800]));
    assert_eq!(last_number(&policy), 0);
    let handle = &policy[..20];
    for pipe in [&other, &third] {
        let refused = fault(&**pipe, &request(1, 0, handle));
        assert_eq!(refused, 0x1c00_001a, "nca_s_fault_context_mismatch");
    }
    assert_eq!(call(&*second, 0, handle), vec![0; 24], "LsarClose");
    assert_eq!(fault(&*first, &request(1, 0, handle)), 0x1c00_001a);
}

#[test]
fn credentials_are_refused_and_nonsense_ends_the_association() {
    let pipe = open("srvsvc");
    let mut bind = bytes(MACOS_BIND);
    bind[10] = 16;
    let refused = transact(&*pipe, &bind).data;
    assert_eq!(
        (refused[2], refused[16]),
        (13, 8),
        "authentication_type_not_recognized"
    );
    for nonsense in [
        "04000b0310000000480000000100000000",
        "05000b03100000000f00000001000000",
    ] {
        let pipe = open("srvsvc");
        write(&*pipe, &bytes(nonsense)).unwrap();
        assert_eq!(read(&*pipe, 100), Err(NtStatus::PIPE_BROKEN));
        assert_eq!(
            write(&*pipe, &bytes(MACOS_BIND)),
            Err(NtStatus::PIPE_DISCONNECTED)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_a_pipe_panic(
        place in 0..160_usize,
        garbage in proptest::collection::vec(any::<u8>(), 0..64),
        which in 0..4_usize,
    ) {
        let pipe = if which == 0 { open("srvsvc") } else { bound(&[Sid::ADMINISTRATORS], "srvsvc") };
        let mut packet = [
            bytes(WINDOWS_BIND),
            bytes(MACOS_SHARE_ENUM),
            bytes(WINDOWS_SHARE_GET_INFO),
            request(1, 12, &numbers(&[0, 0, 0, 10, 10, 1, 0, 0, u32::MAX, 0])),
        ][which].clone();
        let place = place.min(packet.len());
        let end = (place + garbage.len()).min(packet.len());
        packet.splice(place..end, garbage);
        let _ = write(&*pipe, &packet);
        let mut room = ReplyRoom::new(BytesMut::new(), 0, 4096);
        let _ = poll(&mut pipe.read(0, &mut room));
    }
}
