//! Corpora: the inputs that runs start from, and that tests replay.
//!
//! Seeds are made here from typed messages; what fuzzing found lies beside them in
//! `conformance/fuzz/corpus/TARGET`.

use std::fs;
use std::io;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use wire::change_notify::ChangeNotifyFlags;
use wire::dtyp::SecurityDescriptor;
use wire::fscc::CompletionFilter;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::fscc::{FileInfoClass, Fsctl, SetFileInformation};
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::{ChangeNotifyRequest, Encode, FileId, Header, LockRequest, Request, Writer};

use super::Target;
use super::calls::held;
use super::connection::{control, push_piece};
use crate::client::{Offer, requests};

/// The folder of a target's corpus, which all that are held to one interface have in common.
#[must_use]
pub fn folder(target: &Target) -> PathBuf {
    let name = match target.interface {
        Some(_) => "rpc_stubs",
        None => target.name,
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name)
}

/// Everything in a target's corpus, by file name, and its seeds.
///
/// # Errors
/// A file cannot be read; a missing folder is an empty corpus.
pub fn load(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    match fs::read_dir(folder(target)) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    paths.sort();
    let files: io::Result<Vec<_>> = paths.into_iter().map(fs::read).collect();
    let mut all = files?;
    all.extend(seeds(target.name));
    if let Some(interface) = target.interface {
        all = all
            .iter()
            .filter_map(|input| held(input, interface))
            .collect();
    }
    Ok(all)
}

/// Inputs that lead deep into a target.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "deframer" => vec![
            vec![0, 3, 0, 0, 0, 4, 0xfe, b'S', b'M', b'B', 0, 0, 0, 0],
            vec![1, 1, 0, 0, 0, 1, 7, 0x85, 0, 0, 0],
            [&[2, 9, 0x81, 0, 0, 68][..], &[0x20; 68]].concat(),
        ],
        "decoders" => decoder_seeds(),
        "connection" => connection_seeds(),
        "config" => vec![
            b"[server]\nlisten = [\"127.0.0.1:4450\"]\n[limits]\ncredits = 512\n".to_vec(),
            b"[[share]]\nname = \"a\"\nkind = \"memory\"\nread_only = true\n".to_vec(),
        ],
        "tokens" => token_seeds(),
        // What clients sent is kept in files.
        _ => Vec::new(),
    }
}

fn decoder_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for request in typical_requests() {
        let mut seed = vec![0, u8::try_from(request.command().code()).unwrap_or(0)];
        seed.extend_from_slice(&[0; Header::SIZE]);
        seed.extend_from_slice(&body(&request));
        seeds.push(seed);
    }
    let mut descriptor = BytesMut::new();
    SecurityDescriptor::default().encode(&mut Writer::new(&mut descriptor));
    seeds.push([&[7, 0][..], &descriptor].concat());
    // The four protocols that a first byte can announce, the compressed one in both its forms.
    for start in [
        &b"\xfeSMB\x40\0\x01\0"[..],
        b"\xfdSMB",
        b"\xfcSMB\0\x10\0\0\x01\0\0\0\0\0\0\0",
        b"\xfcSMB\0\x10\0\0\x04\0\x01\0\x08\0\0\0",
        b"\xffSMB\x72",
    ] {
        seeds.push([&[4, 0][..], start, &[0; 64]].concat());
    }
    for decoder in 4..12 {
        for class in [4, 5, 10, 20] {
            seeds.push([&[decoder, class][..], &[0; 96]].concat());
        }
    }
    seeds
}

fn token_seeds() -> Vec<Vec<u8>> {
    let raw = b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\0\x61\x4a\0\0\0\x0f";
    let mut accept = vec![0, 40, 0];
    accept.extend_from_slice(raw);
    accept.extend_from_slice(&[12, 0]);
    accept.extend_from_slice(b"NTLMSSP\0\x03\0\0\0");
    let account = b"\x03# accounts\nalice:1000:0123456789ABCDEF0123456789ABCDEF:\n".to_vec();
    vec![
        accept,
        [&[1][..], &[0; 76]].concat(),
        [&[2, 16, 0][..], &[0xa1; 16]].concat(),
        account,
    ]
}

/// Whole conversations: each command alone, all in a row, compounds, and before log-on.
fn connection_seeds() -> Vec<Vec<u8>> {
    let with_open = control::WITH_OPEN;
    let mut seeds = Vec::new();
    for dialect in 0..5 {
        let mut all = vec![dialect];
        let mut compound = vec![dialect];
        for request in typical_requests() {
            let piece = piece(&request);
            let mut alone = vec![dialect];
            push_piece(&mut alone, with_open, &piece);
            push_piece(&mut alone, with_open | control::SIGNED, &piece);
            push_piece(
                &mut alone,
                with_open | control::SEALED | control::LATEST_OPEN,
                &piece,
            );
            seeds.push(alone);
            push_piece(&mut all, with_open | control::LATEST_OPEN, &piece);
            push_piece(&mut compound, with_open | control::COMPOUND, &piece);
        }
        push_piece(&mut compound, control::RELATED, &[13, 4, 0, 0, 0]);
        seeds.extend([all, compound]);
        let mut early = vec![0x80 | dialect];
        push_piece(&mut early, 0, &piece(&Offer::everything().request().into()));
        push_piece(&mut early, 0, &piece(&session_setup()));
        seeds.push(early);
    }
    seeds
}

fn piece(request: &Request) -> Vec<u8> {
    let code = u8::try_from(request.command().code()).unwrap_or(0);
    [&[code][..], &body(request)].concat()
}

/// A request's body, with offsets that count from its header.
fn body(request: &Request) -> Bytes {
    let mut message = BytesMut::new();
    let mut out = Writer::new(&mut message);
    out.zeros(Header::SIZE);
    request.encode(&mut out);
    message.freeze().slice(Header::SIZE..)
}

fn session_setup() -> Request {
    let token =
        Bytes::from_static(b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    wire::SessionSetupRequest {
        flags: wire::session_setup::SessionSetupFlags::NONE,
        security_mode: wire::negotiate::SecurityMode::SIGNING_ENABLED,
        capabilities: wire::negotiate::Capabilities::DFS,
        previous_session_id: wire::SessionId(0),
        security_buffer: token,
    }
    .into()
}

/// One or more of each command, as a client would send them.
#[must_use]
pub fn typical_requests() -> Vec<Request> {
    let file = FileId::NONE;
    let mut all: Vec<Request> = vec![
        requests::open_or_create("folder\\new file").into(),
        requests::open_or_create("file:stream").into(),
        requests::open_directory("").into(),
        requests::write(file, 3, Bytes::from_static(b"hello")).into(),
        requests::read(file, 0, 100).into(),
        wire::FlushRequest { file_id: file }.into(),
        requests::list(file, 4096).into(),
        requests::tree_connect("\\\\server\\sim").into(),
        wire::EchoRequest.into(),
    ];
    for class in [4, 5, 6, 7, 8, 9, 14, 16, 18, 21, 22, 28, 34, 48, 68] {
        all.push(requests::query_file(file, FileInfoClass(class)).into());
    }
    for change in [
        SetFileInformation::EndOfFile(4096),
        SetFileInformation::Disposition(true),
        SetFileInformation::Rename(RenameInformation {
            flags: RenameFlags::REPLACE_IF_EXISTS,
            root_directory: 0,
            file_name: "folder\\renamed".into(),
        }),
    ] {
        all.push(requests::set_file(file, &change).into());
    }
    all.push(lock(file));
    all.push(change_notify(file));
    all.push(control_code(file, Fsctl::QUERY_ALLOCATED_RANGES, &[0; 16]));
    all.push(control_code(file, Fsctl::SRV_REQUEST_RESUME_KEY, &[]));
    all.push(requests::close(file).into());
    all
}

fn lock(file_id: FileId) -> Request {
    let range = |offset| LockElement {
        offset,
        length: 10,
        flags: LockFlags::EXCLUSIVE_LOCK,
    };
    LockRequest {
        lock_sequence: LockSequence(0),
        file_id,
        locks: vec![range(0), range(20)],
    }
    .into()
}

fn change_notify(file_id: FileId) -> Request {
    ChangeNotifyRequest {
        flags: ChangeNotifyFlags::WATCH_TREE,
        output_buffer_length: 4096,
        file_id,
        completion_filter: CompletionFilter::FILE_NAME,
    }
    .into()
}

fn control_code(file_id: FileId, code: Fsctl, input: &'static [u8]) -> Request {
    wire::IoctlRequest {
        ctl_code: code,
        file_id,
        input: Bytes::from_static(input),
        max_input_response: 0,
        max_output_response: 4096,
        flags: wire::ioctl::IoctlFlags::IS_FSCTL,
    }
    .into()
}
