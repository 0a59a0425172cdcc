//! Services as clients look at them.

use std::sync::Arc;

use server::share::ShareKind;
use wire::dtyp::Sid;

use super::super::testing::{Client, Desk, share};
use super::*;

fn client(groups: &[Sid]) -> Client {
    let desk = Desk {
        shares: vec![share("laser", ShareKind::Print, "")],
        ..Desk::default()
    };
    Client::new(Arc::new(desk), &SVCCTL, groups)
}

fn administrator() -> (Client, Handle) {
    let mut client = client(&[Sid::ADMINISTRATORS]);
    let (manager, error) = manager(&mut client, None, ENUMERATE);
    assert_eq!(error, 0);
    (client, manager)
}

fn manager(client: &mut Client, database: Option<&str>, access: u32) -> (Handle, u32) {
    let database = database.map(Utf16String::from);
    client
        .call(15, &(None::<Utf16String>, database, access))
        .unwrap()
}

fn service(client: &mut Client, manager: Handle, name: &str, access: u32) -> (Handle, u32) {
    client
        .call(16, &(manager, Utf16String::from(name), access))
        .unwrap()
}

// test [MS-SCMR] 3.1.4.15
#[test]
fn everybody_connects_and_administrators_look() {
    let open = |groups: &[Sid], access| manager(&mut client(groups), None, access).1;
    assert_eq!(open(&[], 1), 0);
    assert_eq!(open(&[], ENUMERATE), win32::ACCESS_DENIED);
    assert_eq!(open(&[Sid::ANONYMOUS], 1), win32::ACCESS_DENIED);
    assert_eq!(open(&[Sid::ADMINISTRATORS], 0x000f_003f), 0);
    let database = |name| manager(&mut client(&[]), Some(name), 1).1;
    assert_eq!(database("servicesactive"), 0);
    assert_eq!(database("ServicesFailed"), win32::DATABASE_DOES_NOT_EXIST);
    assert_eq!(database("Other"), win32::INVALID_NAME);
    let mut user = client(&[]);
    let (handle, _) = manager(&mut user, None, 1);
    let refused = service(&mut user, handle, "LanmanServer", QUERY_STATUS);
    assert_eq!(refused, (Handle::NULL, win32::ACCESS_DENIED));
}

// test [MS-SCMR] 3.1.4.14
#[test]
fn services_that_run_are_listed_whole_or_not_at_all() {
    type Listed = (Array<u8>, u32, u32, Option<u32>, u32);
    let (mut client, manager) = administrator();
    let mut ask = |kind: u32, state: u32, size: u32| -> Listed {
        client
            .call(14, &(manager, kind, state, size, Some(0_u32)))
            .unwrap()
    };
    let (_, needed, number, _, error) = ask(0x30, 3, 0);
    assert_eq!((number, error), (0, win32::MORE_DATA));
    let (buffer, _, number, resume, error) = ask(0x30, 1, needed + 10);
    assert_eq!((number, resume, error), (2, Some(0), 0));
    let number = |at: usize| u32::from_le_bytes(buffer.0[at..at + 4].try_into().unwrap());
    let text = |at: usize| {
        let units = buffer.0[at..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        String::from_utf16(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>()).unwrap()
    };
    // Names from the start of the buffer, kind and state.
    assert_eq!(text(number(0) as usize), "LanmanServer");
    assert_eq!(text(number(36) as usize), "Spooler");
    assert_eq!((number(8), number(12), number(16)), (0x20, 4, 0));
    assert_eq!(ask(0x30, 2, 1000).2, 0, "none has stopped");
    assert_eq!(ask(0x01, 3, 1000).2, 0, "none is a driver");
    assert_eq!(ask(0, 3, 1000).4, win32::INVALID_PARAMETER);
    assert_eq!(ask(0x30, 4, 1000).4, win32::INVALID_PARAMETER);
}

// test [MS-SCMR] 3.1.4.40
#[test]
fn the_longer_list_tells_processes_and_knows_no_groups() {
    type Listed = (Array<u8>, u32, u32, Option<u32>, u32);
    let (mut client, manager) = administrator();
    let mut ask = |level: u16, group: Option<&str>| -> Listed {
        let group = group.map(Utf16String::from);
        let arguments = (
            manager,
            Enum16(level),
            0x30_u32,
            3_u32,
            2000_u32,
            None::<u32>,
            group,
        );
        client.call(42, &arguments).unwrap()
    };
    let (buffer, _, number, resume, error) = ask(0, None);
    assert_eq!((number, resume, error), (2, None, 0));
    assert_eq!(buffer.0[36..40], std::process::id().to_le_bytes());
    assert_eq!(ask(0, Some("")).2, 2);
    assert_eq!(ask(0, Some("network")).4, win32::SERVICE_DOES_NOT_EXIST);
    assert_eq!(ask(1, None).4, win32::INVALID_LEVEL);
}

// test [MS-SCMR] 3.1.4.7
// test [MS-SCMR] 3.1.4.17
#[test]
fn a_service_tells_its_status_and_how_it_starts() {
    let (mut client, manager) = administrator();
    let (handle, error) = service(&mut client, manager, "SPOOLER", 0x8000_0000);
    assert_eq!(error, 0);
    let (status, error): (Status, u32) = client.call(6, &(handle,)).unwrap();
    assert_eq!(error, 0);
    let (interrogated, _): (Status, u32) = client.call(1, &(handle, 4_u32)).unwrap();
    assert_eq!(interrogated, status);
    let short: (Config, u32, u32) = client.call(17, &(handle, 0_u32)).unwrap();
    assert_eq!(
        (short.0, short.2),
        (Config::NONE, win32::INSUFFICIENT_BUFFER)
    );
    let (config, _, error): (Config, u32, u32) = client.call(17, &(handle, short.1)).unwrap();
    assert_eq!(
        (config.display_name, error),
        (Some("Print Spooler".into()), 0)
    );
    let process: (Array<u8>, u32, u32) = client.call(40, &(handle, Enum16(0), 36_u32)).unwrap();
    assert_eq!((process.1, process.2), (36, 0));
    let text: (Array<u8>, u32, u32) = client.call(39, &(handle, 1_u32, 200_u32)).unwrap();
    assert_eq!((text.0.0[0], text.2), (4, 0));
    let other: (Array<u8>, u32, u32) = client.call(39, &(handle, 2_u32, 200_u32)).unwrap();
    assert_eq!(other.2, win32::INVALID_LEVEL);
    let closed: (Handle, u32) = client.call(0, &(handle,)).unwrap();
    assert_eq!(closed, (Handle::NULL, 0));
    let gone: Result<(Status, u32), Fault> = client.call(6, &(handle,));
    assert_eq!(gone.err(), Some(Fault::CONTEXT_MISMATCH));
}

const ALL: u32 = 0x000f_01ff;

// test [MS-SCMR] 3.1.4.2
#[test]
fn services_take_no_control_but_to_tell_their_status() {
    let (mut client, manager) = administrator();
    let (handle, error) = service(&mut client, manager, "LanmanServer", ALL);
    assert_eq!(error, 0);
    let (status, _): (Status, u32) = client.call(6, &(handle,)).unwrap();
    for control in [1_u32, 2, 3, 6, 10, 128, 255] {
        let refused: (Status, u32) = client.call(1, &(handle, control)).unwrap();
        assert_eq!(refused, (status.clone(), win32::INVALID_SERVICE_CONTROL));
    }
    for undefined in [0_u32, 5, 11, 127, 256, u32::MAX] {
        let refused: (Status, u32) = client.call(1, &(handle, undefined)).unwrap();
        assert_eq!(refused, (Status::NONE, win32::INVALID_PARAMETER));
    }
    let (still, _): (Status, u32) = client.call(6, &(handle,)).unwrap();
    assert_eq!(still, status);
    let (reader, _) = service(&mut client, manager, "LanmanServer", QUERY_STATUS);
    for control in [1_u32, 2, 4, 9, 200] {
        let refused: (Status, u32) = client.call(1, &(reader, control)).unwrap();
        assert_eq!(refused, (Status::NONE, win32::ACCESS_DENIED));
    }
}

// test [MS-SCMR] 3.1.4.3
// test [MS-SCMR] 3.1.4.6
// test [MS-SCMR] 3.1.4.19
#[test]
fn services_are_not_started_deleted_or_given_to_others() {
    let (mut client, manager) = administrator();
    let (handle, _) = service(&mut client, manager, "LanmanServer", ALL);
    let (reader, _) = service(&mut client, manager, "LanmanServer", QUERY_STATUS);
    let mut refused = |operation, handle: Handle| -> u32 {
        let (error,) = client.call(operation, &(handle,)).unwrap();
        error
    };
    assert_eq!(refused(19, handle), win32::SERVICE_ALREADY_RUNNING);
    assert_eq!(refused(19, reader), win32::ACCESS_DENIED);
    assert_eq!(refused(2, handle), win32::ACCESS_DENIED);
    assert_eq!(refused(2, manager), win32::INVALID_HANDLE);
    let described: (Array<u8>, u32, u32) = client.call(4, &(handle, 4_u32, 500_u32)).unwrap();
    assert_eq!(described.2, 0);
    let own = described.0.0[..described.1 as usize].to_vec();
    let mut other = own.clone();
    *other.last_mut().unwrap() ^= 1;
    let mut set = |handle: Handle, parts: u32, descriptor: &[u8]| -> u32 {
        let size = descriptor.len() as u32;
        let arguments = (handle, parts, Array(descriptor.to_vec()), size);
        let (error,) = client.call(5, &arguments).unwrap();
        error
    };
    assert_eq!(set(handle, 4, &other), win32::ACCESS_DENIED);
    assert_eq!(
        set(handle, 5, &own),
        win32::ACCESS_DENIED,
        "there is an owner"
    );
    assert_eq!(set(handle, 4, &own), 0, "it is so already");
    assert_eq!(set(reader, 4, &own), win32::ACCESS_DENIED);
    assert_eq!(set(handle, 0, &own), win32::INVALID_PARAMETER);
    assert_eq!(set(handle, 4, &own[..9]), win32::INVALID_PARAMETER);
    let after: (Array<u8>, u32, u32) = client.call(4, &(handle, 4_u32, 500_u32)).unwrap();
    assert_eq!(after, described);
    let (status, _): (Status, u32) = client.call(6, &(handle,)).unwrap();
    assert_ne!(status, Status::NONE, "it is still there");
}

// test [MS-SCMR] 3.1.4.5
// test [MS-SCMR] 3.1.4.13
#[test]
fn parts_and_states_that_do_not_exist_are_refused() {
    let (mut client, manager) = administrator();
    let (handle, _) = service(&mut client, manager, "LanmanServer", ALL);
    for parts in [0_u32, 0x20, 0x8000_0004] {
        let refused: (Array<u8>, u32, u32) = client.call(4, &(handle, parts, 0_u32)).unwrap();
        assert_eq!((refused.1, refused.2), (0, win32::INVALID_PARAMETER));
    }
    let mut dependents = |state: u32| -> (Array<u8>, u32, u32, u32) {
        client.call(13, &(handle, state, 0_u32)).unwrap()
    };
    for state in [1, 2, 3] {
        assert_eq!(dependents(state).3, 0);
    }
    for state in [0, 4, u32::MAX] {
        assert_eq!(dependents(state).3, win32::INVALID_PARAMETER);
    }
}

// test [MS-SCMR] 3.1.4.20
// test [MS-SCMR] 3.1.4.21
#[test]
fn services_have_two_names() {
    let (mut client, manager) = administrator();
    let mut ask = |operation, name: &str, room: u32| -> (Utf16String, u32, u32) {
        client
            .call(operation, &(manager, Utf16String::from(name), room))
            .unwrap()
    };
    assert_eq!(ask(20, "lanmanserver", 6), ("Server".into(), 6, 0));
    assert_eq!(
        ask(20, "lanmanserver", 5),
        ("".into(), 6, win32::INSUFFICIENT_BUFFER)
    );
    assert_eq!(ask(21, "Print Spooler", 50), ("Spooler".into(), 7, 0));
    assert_eq!(ask(20, "nothing", 50).2, win32::SERVICE_DOES_NOT_EXIST);
    assert_eq!(ask(20, "a/b", 50).2, win32::INVALID_NAME);
}
