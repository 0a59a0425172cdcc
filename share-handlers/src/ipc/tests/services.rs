//! What the services answer.

use super::*;

// test [MS-SRVS] 3.1.4.8
#[test]
fn macos_is_told_the_shares() {
    let pipe = open("srvsvc");
    let ack = transact(&*pipe, &bytes(MACOS_BIND)).data;
    // Windows' longest packet in both directions, one result: acceptance.
    assert_eq!(hex(&ack[16..20]), "b810b810");
    assert_eq!(hex(&ack[40..48]), "0100000000000000");
    let answer = transact(&*pipe, &bytes(MACOS_SHARE_ENUM)).data;
    let expected = "0500020310000000cc00000000000000b400000000000000
        0100000001000000040002000200000008000200020000000c000200030000801000020014000200000000001800020005
        000000000000000500000049005000430024000000000006000000000000000600000070006900700065007300000007
        000000000000000700000053006800610072006500640000000000 0e000000000000000e00000053006800610072006500
        6400200046006f006c00640065007200000002000000 1c000200 00000000 00000000";
    assert_eq!(hex(&answer), hex(&bytes(expected)));
}

// test [MS-SRVS] 3.1.4.10
#[test]
fn windows_is_told_of_one_share() {
    let pipe = bound(&[], "srvsvc");
    // The share there was called lustre.
    let mut asked = bytes(WINDOWS_SHARE_GET_INFO);
    let name: Vec<u8> = "Shared".encode_utf16().flat_map(u16::to_le_bytes).collect();
    asked[80..92].copy_from_slice(&name);
    let answer = transact(&*pipe, &asked).data;
    assert_eq!(
        hex(&answer[24..48]),
        "010000000400020008000200000000000c00020007000000"
    );
    assert!(texts(&answer[24..]).contains("Shared"));
    assert_eq!(last_number(&answer), 0);
}

#[test]
fn every_level_of_a_share_is_answered_or_refused_by_the_right_code() {
    let pipe = bound(&[Sid::ADMINISTRATORS], "srvsvc");
    let ask = |name: &str, level: u32| {
        let units: Vec<u16> = name.encode_utf16().chain([0]).collect();
        let count = units.len() as u32;
        let mut stub = numbers(&[0, count, 0, count]);
        stub.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        stub.resize(stub.len().next_multiple_of(4), 0);
        stub.extend(numbers(&[level]));
        call(&*pipe, 16, &stub)
    };
    for (level, fields) in [(0, 1), (1, 3), (2, 8), (501, 4), (502, 10), (1005, 1)] {
        let stub = ask("VAULT", level);
        assert_eq!(last_number(&stub), 0, "level {level}");
        assert!(stub.len() >= 8 + 4 * fields + 4, "level {level}");
    }
    assert_eq!(ask("vault", 1005), numbers(&[1005, 0x0002_0004, 0xc030, 0]));
    assert_eq!(last_number(&ask("vault", 503)), 0);
    assert_eq!(ask("vault", 7), numbers(&[7, 124]));
    assert_eq!(ask("none", 1), numbers(&[1, 0, 2310]));
    assert_eq!(ask("", 1), numbers(&[1, 0, 87]));
    assert!(texts(&ask("shared", 2)).contains("C:\\Shared"));
}

#[test]
fn lists_of_shares_leave_hidden_ones_out_and_tell_totals_honestly() {
    let pipe = bound(&[], "srvsvc");
    for level in [2, 502, 503] {
        let stub = call(&*pipe, 15, &share_enum(level, u32::MAX, None));
        assert_eq!(
            stub,
            numbers(&[level, level, 0, 0, 0, 5]),
            "what is behind is not told"
        );
    }
    for level in [0, 1, 501] {
        let stub = call(&*pipe, 15, &share_enum(level, u32::MAX, None));
        let text = texts(&stub);
        assert!(
            text.contains("IPC$") && text.contains("Shared"),
            "level {level}"
        );
        assert!(!text.contains("vault"), "level {level}");
        assert_eq!(last_number(&stub), 0, "level {level}");
    }
    assert_eq!(
        call(&*pipe, 15, &share_enum(503, u32::MAX, None)),
        numbers(&[503, 503, 0, 0, 0, 5])
    );
    assert_eq!(
        call(&*pipe, 15, &share_enum(9, u32::MAX, None)),
        numbers(&[9, 9, 0, 0, 124])
    );
    assert_eq!(
        call(&*pipe, 36, &share_enum(501, u32::MAX, None)),
        numbers(&[501, 501, 0, 0, 0, 124])
    );
}

#[test]
fn a_list_is_given_in_parts_to_who_has_little_room() {
    let pipe = bound(&[], "srvsvc");
    // One entry of level 0: a pointer and five units.
    let stub = call(&*pipe, 15, &share_enum(0, 26, Some(0)));
    assert_eq!(hex(&stub[12..16]), "01000000", "one entry");
    let (body, end) = stub.split_at(stub.len() - 16);
    assert!(texts(body).contains("IPC$"));
    // Two in all, more from 1 on, ERROR_MORE_DATA.
    assert_eq!(end, numbers(&[2, 0x0002_0010, 1, 234]));
    let stub = call(&*pipe, 15, &share_enum(0, 100, Some(1)));
    assert!(texts(&stub).contains("Shared") && !texts(&stub).contains("IPC$"));
    assert!(stub.ends_with(&numbers(&[1, 0x0002_0010, 0, 0])));
    let stub = call(&*pipe, 15, &share_enum(0, 100, Some(2)));
    assert_eq!(
        stub,
        numbers(&[0, 0, 0x0002_0004, 0, 0, 0, 0x0002_0008, 0, 0])
    );
}

// test [MS-SRVS] 2.2.2.10
#[test]
fn a_list_of_which_nothing_fits_is_refused_and_not_asked_for_in_circles() {
    let pipe = bound(&[], "srvsvc");
    for room in [0, 1, 9] {
        let stub = call(&*pipe, 15, &share_enum(0, room, Some(1)));
        let (body, end) = stub.split_at(stub.len() - 16);
        assert!(!texts(body).contains("Shared"));
        assert_eq!(
            end,
            numbers(&[1, 0x0002_0008, 1, 2123]),
            "room for {room} bytes"
        );
    }
}

// test [MS-SRVS] 3.1.4.17
#[test]
fn the_server_tells_its_name_version_and_comment() {
    let pipe = bound(&[], "srvsvc");
    let ask = |level: u32| call(&*pipe, 21, &numbers(&[0, level]));
    assert!(texts(&ask(100)).contains("LAB"));
    let stub = ask(101);
    assert_eq!(
        hex(&stub[8..32]),
        "f4010000080002000a0000000000000003900000 0c000200".replace(' ', "")
    );
    assert!(texts(&stub).replace(' ', "").contains("alaboratory"));
    assert_eq!(last_number(&ask(102)), 0);
    assert_eq!(ask(502), numbers(&[502, 0, 5]));
    assert_eq!(ask(103), numbers(&[103, 124]));
}

// test [MS-SRVS] 3.1.4.21
#[test]
fn the_time_of_day_is_told_in_utc() {
    let pipe = bound(&[], "srvsvc");
    let stub = call(&*pipe, 28, &numbers(&[0]));
    let expected = [
        0x0002_0004,
        1_795_221_745,
        3_600_000,
        0,
        42,
        25,
        50,
        0,
        310,
        21,
        11,
        2026,
        6,
        0,
    ];
    assert_eq!(stub, numbers(&expected));
}

// test [MS-WKST] 3.2.4.1
#[test]
fn the_workstation_tells_its_domain() {
    let pipe = bound(&[], "wkssvc");
    let ask = |level: u32| call(&*pipe, 0, &numbers(&[0, level]));
    let stub = ask(100);
    assert_eq!(
        hex(&stub[8..28]),
        "f401000008000200 0c0002000a00000000000000".replace(' ', "")
    );
    assert!(texts(&stub).contains("WORKGROUP"));
    assert_eq!(last_number(&ask(101)), 0);
    assert_eq!(last_number(&ask(102)), 0);
    assert_eq!(ask(502), numbers(&[502, 0, 5]));
    assert_eq!(ask(1), numbers(&[1, 124]));
}

// test [MS-SRVS] 3.1.4.5
#[test]
fn sessions_are_told_to_administrators_only() {
    let stub = numbers(&[0, 0, 0, 10, 10, 1, 0, 0, u32::MAX, 0]);
    let refused = call(&*bound(&[], "srvsvc"), 12, &stub);
    assert_eq!(refused, numbers(&[10, 10, 0, 0, 0, 5]));
    let pipe = bound(&[Sid::ADMINISTRATORS], "srvsvc");
    let told = call(&*pipe, 12, &stub);
    assert!(texts(&told).contains("alice") && texts(&told).contains("bob"));
    assert_eq!(last_number(&told), 0);
    for level in [0, 1, 2, 502] {
        let stub = numbers(&[0, 0, 0, level, level, 1, 0, 0, u32::MAX, 0]);
        assert_eq!(last_number(&call(&*pipe, 12, &stub)), 0, "level {level}");
    }
}
