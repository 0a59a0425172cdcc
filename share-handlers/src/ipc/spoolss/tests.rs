//! Printers as clients ask about them and print on them.

use std::time::{Duration, Instant};

use server::accounts::LogonKind;
use server::share::{Caller, ShareHandler};
use server::{Environment, Task};
use tempfile::TempDir;
use wire::dtyp::{FileTime, Sid};

use super::super::ndr::Array;
use super::super::testing::{Client, Desk, caller};
use super::types::*;
use super::*;
use crate::offload::Inline;
use crate::offload::tests::wait;
use crate::print::{PrintHandler, Queue, QueueOptions};

/// A host on which nothing is printed, so that jobs wait.
struct Host;

impl Environment for Host {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> FileTime {
        FileTime::from_unix(1_795_221_745, 0)
    }

    fn fill_random(&self, _: &mut [u8]) {}

    fn sleep(&self, _: Duration) -> Task {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _: Task) {}
}

struct Lab {
    folder: TempDir,
    desk: Arc<Desk>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = QueueOptions {
            most_jobs: 3,
            most_jobs_of_user: 2,
            longest_document: 100,
            printer: None,
        };
        let queue = Queue::open(folder.path(), options, Arc::new(Inline), Arc::new(Host)).unwrap();
        let queue = PrintHandler::new("laser", queue).print_queue().unwrap();
        let printer = |name: &str, hidden, caller: Caller| Printer {
            name: name.to_owned(),
            comment: "second floor".to_owned(),
            hidden,
            may_print: !hidden,
            queue: Arc::clone(&queue),
            caller,
        };
        let alice = caller("alice", LogonKind::User, &[]);
        let bob = caller("bob", LogonKind::User, &[]);
        let printers = vec![printer("laser", false, alice), printer("secret", true, bob)];
        Self {
            folder,
            desk: Arc::new(Desk {
                printers,
                ..Desk::default()
            }),
        }
    }

    fn client(&self, groups: &[Sid]) -> Client {
        Client::new(self.desk.clone(), &SPOOLSS, groups)
    }

    fn documents(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let documents = paths.filter(|path| path.extension().is_some_and(|end| end == "data"));
        documents.map(|path| std::fs::read(path).unwrap()).collect()
    }
}

fn text(text: &str) -> Text {
    Some(text.into())
}

fn no_devmode() -> DevMode {
    DevMode {
        size: 0,
        data: None,
    }
}

fn open(client: &mut Client, name: Text, access: u32) -> (Handle, u32) {
    let arguments = (name, None::<Utf16String>, no_devmode(), access);
    client.call(1, &arguments).unwrap()
}

fn open_laser(client: &mut Client) -> Handle {
    let (handle, error) = open(client, text("\\\\server\\LASER"), 0);
    assert_eq!(error, 0);
    handle
}

fn start(client: &mut Client, handle: Handle, title: &str, datatype: Text) -> (u32, u32) {
    let document = Document {
        name: text(title),
        output_file: None,
        datatype,
    };
    let container = DocumentContainer {
        level: 1,
        document: DocumentInfo::Level1(Some(document)),
    };
    client.call(17, &(handle, container)).unwrap()
}

fn write(client: &mut Client, handle: Handle, data: &[u8]) -> (u32, u32) {
    let size = u32::try_from(data.len()).unwrap();
    client
        .call(19, &(handle, Array(data.to_vec()), size))
        .unwrap()
}

fn done(client: &mut Client, operation: u16, handle: Handle) -> u32 {
    let (error,) = client.call(operation, &(handle,)).unwrap();
    error
}

fn jobs(client: &mut Client, handle: Handle, level: u32) -> (Vec<u8>, u32, u32) {
    let empty = (handle, 0_u32, u32::MAX, level, None::<Array<u8>>, 0_u32);
    type Results = (Option<Array<u8>>, u32, u32, u32);
    let (_, needed, _, error): Results = client.call(4, &empty).unwrap();
    if error != win32::INSUFFICIENT_BUFFER {
        return (Vec::new(), 0, error);
    }
    let room = Some(Array(vec![0_u8; needed as usize]));
    let arguments = (handle, 0_u32, u32::MAX, level, room, needed);
    let (buffer, _, number, error): Results = client.call(4, &arguments).unwrap();
    (buffer.unwrap().0, number, error)
}

// test [MS-RPRN] 3.1.4.1.5
#[test]
fn names_are_of_the_server_of_a_printer_or_of_nothing() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    for name in [
        None,
        text("\\\\server"),
        text("laser"),
        text("\\\\1.2.3.4\\Laser, Job 1"),
        text("secret"),
    ] {
        let (handle, error) = open(&mut client, name.clone(), 0);
        assert_eq!(error, 0, "{name:?}");
        let closed: (Handle, u32) = client.call(29, &(handle,)).unwrap();
        assert_eq!(closed, (Handle::NULL, 0));
    }
    for name in [
        "",
        "\\\\",
        "\\\\\\",
        "\\\\\\laser",
        "\\\\server\\",
        "\\\\server\\a\\b",
        "a\\b",
        "inkjet",
        "laser , Job 1",
    ] {
        let refused = open(&mut client, text(name), 0);
        assert_eq!(
            refused,
            (Handle::NULL, win32::INVALID_PRINTER_NAME),
            "{name}"
        );
    }
    let emf = (text("laser"), text("NT EMF 1.008"), no_devmode(), 0_u32);
    let refused: (Handle, u32) = client.call(1, &emf).unwrap();
    assert_eq!(refused.1, win32::INVALID_DATATYPE);
}

// test [MS-RPRN] 2.2.3.1
#[test]
fn only_administrators_may_administer_and_anonymous_users_nothing() {
    const ALL: u32 = 0x000f_000c;
    let lab = Lab::new();
    let open = |groups: &[Sid], access| open(&mut lab.client(groups), text("laser"), access).1;
    assert_eq!(open(&[], ALL), win32::ACCESS_DENIED);
    assert_eq!(open(&[], 8), 0);
    assert_eq!(open(&[Sid::ADMINISTRATORS], ALL), 0);
    assert_eq!(open(&[Sid::ANONYMOUS], 8), win32::ACCESS_DENIED);
    let room = (2_u32, None::<Utf16String>, 1_u32, None::<Array<u8>>, 0_u32);
    let told: (Option<Array<u8>>, u32, u32, u32) =
        lab.client(&[Sid::ANONYMOUS]).call(0, &room).unwrap();
    assert_eq!(told.3, win32::ACCESS_DENIED);
}

// test [MS-RPRN] 3.1.4.2.2
#[test]
fn a_printer_whose_share_would_deny_the_caller_is_denied() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let before = open_laser(&mut client);
    lab.desk.closed_printers.lock().push("laser");
    let refused = open(&mut client, text("laser"), 0);
    assert_eq!(refused, (Handle::NULL, win32::ACCESS_DENIED));
    let refused = start(&mut client, before, "letter", None);
    assert_eq!(refused, (0, win32::ACCESS_DENIED));
    assert!(lab.desk.printers[0].queue.jobs().is_empty());
}

// test [MS-RPRN] 3.1.4.2.1
#[test]
fn printers_are_listed_but_for_hidden_ones() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let room = |size| Some(Array(vec![0_u8; size]));
    let mut ask = |flags: u32, level: u32| -> (Option<Array<u8>>, u32, u32, u32) {
        let arguments = (flags, text("\\\\server"), level, room(2000), 2000_u32);
        client.call(0, &arguments).unwrap()
    };
    for level in [0, 1, 2, 4, 5] {
        let (buffer, _, number, error) = ask(2, level);
        assert_eq!((number, error), (1, 0), "level {level}");
        let name = "\\\\server\\laser"
            .encode_utf16()
            .flat_map(u16::to_le_bytes);
        let name: Vec<u8> = name.collect();
        let buffer = buffer.unwrap().0;
        assert!(
            buffer.windows(name.len()).any(|part| part == name),
            "level {level}"
        );
    }
    assert_eq!(ask(2, 3).3, win32::INVALID_LEVEL);
    assert_eq!(ask(0x40, 2).3, win32::INVALID_LEVEL);
    assert_eq!(ask(0x40, 1).3, win32::CANNOT_COMPLETE);
    assert_eq!(ask(4, 1).2, 0);
}

// test [MS-RPRN] 3.1.4.9.1
// test [MS-RPRN] 3.1.4.9.3
// test [MS-RPRN] 3.1.4.9.7
#[test]
fn a_document_is_begun_written_and_ended() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let handle = open_laser(&mut client);
    assert_eq!(write(&mut client, handle, b"x"), (0, win32::NO_START_DOC));
    assert_eq!(done(&mut client, 23, handle), win32::NO_START_DOC);
    assert_eq!(start(&mut client, handle, "letter", text("raw")), (1, 0));
    let again = start(&mut client, handle, "letter", None);
    assert_eq!(again, (0, win32::INVALID_HANDLE));
    for part in [&b"dear "[..], b"reader"] {
        assert_eq!(done(&mut client, 18, handle), 0);
        assert_eq!(write(&mut client, handle, part).1, 0);
        assert_eq!(done(&mut client, 20, handle), 0);
    }
    assert!(lab.documents().is_empty());
    assert_eq!(done(&mut client, 23, handle), 0);
    assert_eq!(lab.documents(), [b"dear reader"]);
    let job = &lab.desk.printers[0].queue.jobs()[0];
    assert_eq!(
        (job.title.as_str(), job.user.as_str(), job.client.as_str()),
        ("letter", "alice", "192.0.2.7")
    );
}

// test [MS-RPRN] 3.1.4.9.5
// test [MS-RPRN] 3.1.4.2.9
#[test]
fn an_aborted_document_is_gone_and_one_that_was_not_ended_is_printed() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let handle = open_laser(&mut client);
    start(&mut client, handle, "a", None);
    write(&mut client, handle, b"a");
    assert_eq!(done(&mut client, 21, handle), 0);
    assert!(lab.desk.printers[0].queue.jobs().is_empty());
    start(&mut client, handle, "b", None);
    write(&mut client, handle, b"b");
    let closed: (Handle, u32) = client.call(29, &(handle,)).unwrap();
    assert_eq!(closed.1, 0);
    assert_eq!(lab.documents(), [b"b"]);
    // A client that goes without a word has printed nothing.
    let handle = open_laser(&mut client);
    start(&mut client, handle, "c", None);
    write(&mut client, handle, b"c");
    drop(client);
    assert_eq!(lab.documents(), [b"b"]);
    assert_eq!(lab.desk.printers[0].queue.jobs().len(), 1);
}

#[test]
fn a_document_that_would_be_one_job_too_many_is_not_begun() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    for _ in 0..2 {
        let handle = open_laser(&mut client);
        assert_eq!(start(&mut client, handle, "a", None).1, 0);
    }
    let handle = open_laser(&mut client);
    let refused = start(&mut client, handle, "a", None);
    assert_eq!(refused, (0, win32::PRINT_QUEUE_FULL));
    assert_eq!(write(&mut client, handle, b"x").1, win32::NO_START_DOC);
    let bobs = &lab.desk.printers[1];
    let begun = bobs.queue.clone().begin(&bobs.caller, "b");
    assert!(wait(begun).is_ok());
}

#[test]
fn limits_rights_and_deletion_meet_whoever_prints_from_afar() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let handle = open_laser(&mut client);
    start(&mut client, handle, "long", None);
    assert_eq!(
        write(&mut client, handle, &[0; 101]),
        (0, win32::NO_SPOOL_SPACE)
    );
    let deleted: (u32,) = client
        .call(2, &(handle, 1_u32, None::<JobContainer>, 5_u32))
        .unwrap();
    assert_eq!(deleted, (0,));
    assert_eq!(
        write(&mut client, handle, b"x"),
        (0, win32::PRINT_CANCELLED)
    );
    assert_eq!(done(&mut client, 18, handle), win32::PRINT_CANCELLED);
    let (secret, _) = open(&mut client, text("secret"), 0);
    assert_eq!(
        start(&mut client, secret, "a", None),
        (0, win32::ACCESS_DENIED)
    );
    let laser = open_laser(&mut client);
    let refused = start(&mut client, laser, "a", text("XPS"));
    assert_eq!(refused, (0, win32::INVALID_DATATYPE));
    assert!(lab.desk.printers[0].queue.jobs().is_empty());
}

// test [MS-RPRN] 3.1.4.3.1
// test [MS-RPRN] 3.1.4.3.3
#[test]
fn the_queue_is_told_and_changed_by_owners() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let handle = open_laser(&mut client);
    assert_eq!(jobs(&mut client, handle, 1), (Vec::new(), 0, 0));
    assert_eq!(jobs(&mut client, handle, 9).2, win32::INVALID_LEVEL);
    start(&mut client, handle, "letter", None);
    write(&mut client, handle, b"hello");
    done(&mut client, 23, handle);
    let number =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (told, count, error) = jobs(&mut client, handle, 1);
    assert_eq!((count, error), (1, 0));
    // Its number, its state, its place.
    assert_eq!(
        (number(&told, 0), number(&told, 28), number(&told, 36)),
        (1, 0, 1)
    );
    let (told, _, _) = jobs(&mut client, handle, 2);
    assert_eq!(number(&told, 76), 5, "bytes");
    let set = |client: &mut Client, handle, job: u32, command: u32| -> u32 {
        let (error,) = client
            .call(2, &(handle, job, None::<JobContainer>, command))
            .unwrap();
        error
    };
    assert_eq!(set(&mut client, handle, 1, 1), 0);
    let (told, _, _) = jobs(&mut client, handle, 1);
    assert_eq!(number(&told, 28), 1, "paused");
    let (secret, _) = open(&mut client, text("secret"), 0);
    assert_eq!(
        set(&mut client, secret, 1, 3),
        win32::ACCESS_DENIED,
        "it is not bob's"
    );
    assert_eq!(set(&mut client, handle, 1, 9), win32::INVALID_PARAMETER);
    assert_eq!(set(&mut client, handle, 7, 3), win32::INVALID_PARAMETER);
    assert_eq!(set(&mut client, handle, 1, 3), 0);
    assert!(lab.documents().is_empty());
}

// test [MS-RPRN] 3.1.4.2.7
// test [MS-RPRN] 3.1.4.2.20
// test [MS-RPRN] 3.1.4.2.21
#[test]
fn what_is_not_kept_is_not_told() {
    let lab = Lab::new();
    let mut client = lab.client(&[]);
    let (server, _) = open(&mut client, None, 0);
    let laser = open_laser(&mut client);
    type Data = (u32, Array<u8>, u32, u32);
    let mut ask = |handle, value: &str, size: u32| -> Data {
        client
            .call(26, &(handle, Utf16String::from(value), size))
            .unwrap()
    };
    let major = Array(10_u32.to_le_bytes().to_vec());
    assert_eq!(ask(server, "MajorVersion", 4), (4, major, 4, 0));
    let short = ask(server, "MajorVersion", 2);
    assert_eq!((short.2, short.3), (4, win32::MORE_DATA));
    assert_eq!(ask(server, "Nonsense", 0).3, win32::INVALID_PARAMETER);
    assert_eq!(ask(laser, "MajorVersion", 0).3, win32::FILE_NOT_FOUND);
    let driver = (
        laser,
        None::<Utf16String>,
        2_u32,
        None::<Array<u8>>,
        0_u32,
        3_u32,
        0_u32,
    );
    let told: (Option<Array<u8>>, u32, u32, u32, u32) = client.call(53, &driver).unwrap();
    assert_eq!(told.4, win32::UNKNOWN_PRINTER_DRIVER);
    let forms = (laser, 1_u32, None::<Array<u8>>, 0_u32);
    let told: (Option<Array<u8>>, u32, u32, u32) = client.call(34, &forms).unwrap();
    assert_eq!(told, (None, 0, 0, 0));
    let mut keys = |handle, key: &str, size: u32| -> (Array<u16>, u32, u32) {
        client
            .call(80, &(handle, Utf16String::from(key), size))
            .unwrap()
    };
    // The main key is there, with nothing below.
    assert_eq!(keys(laser, "", 0), (Array(vec![]), 4, win32::MORE_DATA));
    assert_eq!(keys(laser, "", 4), (Array(vec![0, 0]), 4, 0));
    assert_eq!(keys(laser, "PrinterDriverData", 4).2, win32::FILE_NOT_FOUND);
    assert_eq!(keys(server, "", 4).2, win32::INVALID_HANDLE);
    let mut values = |key: &str| -> (Array<u8>, u32, u32, u32) {
        let arguments = (laser, Utf16String::from(key), 0_u32);
        client.call(79, &arguments).unwrap()
    };
    assert_eq!(values("").3, win32::INVALID_PARAMETER);
    assert_eq!(values("PrinterDriverData").3, win32::FILE_NOT_FOUND);
    let refused: Result<(u32,), Fault> = client.call(5, &(0_u32,));
    assert_eq!(refused, Err(Fault::OPERATION_RANGE));
}
