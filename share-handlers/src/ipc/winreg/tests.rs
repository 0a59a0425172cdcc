//! Keys and values as clients read them, and how nothing of them is changed.

use std::sync::Arc;

use wire::dtyp::Sid;

use super::super::testing::{Client, Desk};
use super::*;

fn client(groups: &[Sid]) -> Client {
    Client::new(Arc::new(Desk::default()), &WINREG, groups)
}

fn local_machine(client: &mut Client, access: u32) -> (Handle, u32) {
    client.call(2, &(None::<u16>, access)).unwrap()
}

fn text(text: &str) -> Text {
    Text::fitting(&text.into(), u16::MAX).unwrap()
}

fn open_key(client: &mut Client, parent: Handle, path: &str, access: u32) -> (Handle, u32) {
    client
        .call(15, &(parent, text(path), 0_u32, access))
        .unwrap()
}

fn current_version(client: &mut Client) -> Handle {
    let (root, _) = local_machine(client, READ);
    let path = "software\\microsoft\\windows nt\\CurrentVersion";
    let (key, error) = open_key(client, root, path, READ);
    assert_eq!(error, 0);
    key
}

fn value(client: &mut Client, key: Handle, name: &str, room: u32) -> Place {
    let data = Some(Varying {
        room,
        elements: Vec::<u8>::new(),
    });
    let arguments = (key, text(name), Some(0_u32), data, Some(room), Some(0_u32));
    client.call(17, &arguments).unwrap()
}

// test [MS-RRP] 3.1.5.17
#[test]
fn a_value_is_told_to_who_has_room_for_it() {
    let mut client = client(&[]);
    let key = current_version(&mut client);
    let (kind, data, size, length, error) = value(&mut client, key, "CURRENTMAJORVERSIONNUMBER", 4);
    assert_eq!((kind, size, length, error), (Some(4), Some(4), Some(4), 0));
    assert_eq!(data.unwrap().elements, 10_u32.to_le_bytes());
    let (_, data, size, length, error) = value(&mut client, key, "CurrentVersion", 4);
    assert_eq!((size, length, error), (Some(10), Some(0), win32::MORE_DATA));
    assert!(data.unwrap().elements.is_empty());
    assert_eq!(
        value(&mut client, key, "Nothing", 4).4,
        win32::FILE_NOT_FOUND
    );
}

// test [MS-RRP] 3.1.5.10
// test [MS-RRP] 3.1.5.11
#[test]
fn keys_and_values_are_enumerated_to_their_end() {
    let mut client = client(&[]);
    let (root, _) = local_machine(&mut client, READ);
    let mut name_at = |index: u32| -> (Option<Vec<u16>>, u32) {
        let arguments = (
            root,
            index,
            Text::empty(100),
            None::<Text>,
            None::<FileTime>,
        );
        let (name, _, _, error): KeyName = client.call(9, &arguments).unwrap();
        (name.units().map(<[u16]>::to_vec), error)
    };
    let software: Vec<u16> = "SOFTWARE".encode_utf16().collect();
    assert_eq!(name_at(0), (Some(software), 0));
    assert_eq!(name_at(2).1, win32::NO_MORE_ITEMS);
    let key = current_version(&mut client);
    let mut value_at = |index: u32| -> u32 {
        let arguments: EnumValueArguments = (key, index, Text::empty(100), None, None, None, None);
        let told: EnumValueResults = client.call(10, &arguments).unwrap();
        told.5
    };
    assert_eq!((value_at(0), value_at(4)), (0, 0));
    assert_eq!(value_at(5), win32::NO_MORE_ITEMS);
}

// test [MS-RRP] 3.1.5.15
#[test]
fn keys_that_are_not_there_are_not_found_and_a_closed_handle_is_none() {
    let mut client = client(&[]);
    let (root, _) = local_machine(&mut client, READ);
    for path in ["Hardware", "SOFTWARE\\Other", "SOFTWARE\\\\Microsoft"] {
        let refused = open_key(&mut client, root, path, READ);
        assert_eq!(refused, (Handle::NULL, win32::FILE_NOT_FOUND), "{path}");
    }
    let closed: (Handle, u32) = client.call(5, &(root,)).unwrap();
    assert_eq!(closed, (Handle::NULL, 0));
    let gone: Result<(Handle, u32), Fault> = client.call(5, &(root,));
    assert_eq!(gone.err(), Some(Fault::CONTEXT_MISMATCH));
}

// test [MS-RRP] 3.1.5.7
// test [MS-RRP] 3.1.5.22
#[test]
fn nobody_changes_the_registry_and_anonymous_users_do_not_read_it() {
    const SET_VALUE: u32 = 0x02;
    assert_eq!(
        local_machine(&mut client(&[Sid::ANONYMOUS]), READ).1,
        win32::ACCESS_DENIED
    );
    for groups in [&[][..], &[Sid::ADMINISTRATORS]] {
        let mut client = client(groups);
        assert_eq!(
            local_machine(&mut client, SET_VALUE).1,
            win32::ACCESS_DENIED
        );
        let key = current_version(&mut client);
        let set = (
            key,
            text("CurrentVersion"),
            1_u32,
            Array(vec![0_u8; 2]),
            2_u32,
        );
        assert_eq!(client.call(22, &set), Ok((win32::ACCESS_DENIED,)));
        for operation in [7, 8] {
            let delete = (key, text("CurrentVersion"));
            assert_eq!(client.call(operation, &delete), Ok((win32::ACCESS_DENIED,)));
        }
        let none = (None::<SecurityAttributes>, None::<u32>);
        let create = (
            key,
            text("New"),
            Text::empty(0),
            0_u32,
            READ,
            none.0,
            none.1,
        );
        let made: (Handle, Option<u32>, u32) = client.call(6, &create).unwrap();
        assert_eq!((made.0, made.2), (Handle::NULL, win32::ACCESS_DENIED));
        assert_eq!(
            open_key(&mut client, key, "New", READ).1,
            win32::FILE_NOT_FOUND
        );
        assert_eq!(value(&mut client, key, "CurrentVersion", 10).4, 0);
    }
}
