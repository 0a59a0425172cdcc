//! The pipes as clients use them: packets that real clients sent, and packets that none should.

mod calls;
mod pipes;
mod services;
mod shares;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use server::access::{Privileges, SecurityToken};
use server::share::{
    CloseHow, Handle, NoAdministration, Place, ReplyRoom, ServerSnapshot, SessionSnapshot,
    ShareSnapshot, Transacted, WriteAt,
};
use wire::dtyp::{AccessMask, Sid};
use wire::fscc::file_info::{PipeInformation, PipeType};
use wire::fscc::fsctl_data::PipePeekResponse;
use wire::fscc::{FileInfoClass, FileInformation, Fsctl};

use super::testing::share;
use super::*;
use crate::offload::Inline;

/// A server with three shares, one of them hidden, and two sessions.
struct Lab;

impl ServerView for Lab {
    fn facts(&self) -> ServerSnapshot {
        ServerSnapshot {
            name: "LAB".to_owned(),
            domain: "WORKGROUP".to_owned(),
            comment: "a laboratory".to_owned(),
            // 2026-11-21 00:42:25.5, and an hour before.
            now: FileTime::from_unix(1_795_221_745, 500_000_000),
            start_time: FileTime::from_unix(1_795_218_145, 500_000_000),
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        vec![
            share("IPC$", ShareKind::Pipe, "pipes"),
            share("Shared", ShareKind::Disk, "Shared Folder"),
            ShareSnapshot {
                hidden: true,
                max_uses: Some(10),
                encrypted: true,
                continuous_availability: true,
                caching: config::Caching::Never,
                ..share("vault", ShareKind::Disk, "")
            },
        ]
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        let session = |user: &str, opens| SessionSnapshot {
            id: 1,
            client: "192.0.2.7".to_owned(),
            user: user.to_owned(),
            is_guest: false,
            opens,
            creation_time: FileTime::from_unix(1_795_221_700, 500_000_000),
            idle: std::time::Duration::from_secs(7),
        };
        vec![session("alice", 3), session("bob", 0)]
    }
}

fn caller(groups: &[Sid]) -> Caller {
    let token = SecurityToken::new(Sid::EVERYONE, Sid::USERS, groups.to_vec(), Privileges::NONE);
    Caller {
        user: "user".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    }
}

fn open_as(groups: &[Sid], name: &str) -> Result<Opened, NtStatus> {
    let handler = IpcHandler::new(Arc::new(Lab), Arc::new(NoAdministration), Arc::new(Inline));
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    now(handler.open(&caller(groups), &Name::parse_text(name).unwrap(), &how))
}

fn open(name: &str) -> Arc<dyn Handle> {
    open_as(&[], name).unwrap().handle
}

/// Takes an answer that needs no waiting.
fn now<T>(mut answer: Answer<'_, T>) -> Result<T, NtStatus> {
    poll(&mut answer).expect("ready at once")
}

fn poll<T>(answer: &mut Answer<'_, T>) -> Option<Result<T, NtStatus>> {
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

const AT: WriteAt = WriteAt {
    place: Place::Offset(0),
    write_through: false,
};

fn write(pipe: &dyn Handle, data: &[u8]) -> Result<u32, NtStatus> {
    now(pipe.write(AT, Bytes::copy_from_slice(data)))
}

/// Reads a message, or as much of it as fits, and whether more of it is left.
fn read(pipe: &dyn Handle, length: usize) -> Result<(Vec<u8>, bool), NtStatus> {
    let mut room = ReplyRoom::new(BytesMut::new(), 0, length);
    let read = now(pipe.read(0, &mut room))?;
    let is_partial = room.is_partial();
    Ok((room.as_mut_slice()[..read as usize].to_vec(), is_partial))
}

fn transact(pipe: &dyn Handle, data: &[u8]) -> Transacted {
    now(pipe.transact(Bytes::copy_from_slice(data), 65_536)).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Windows 10 binds srvsvc (captures/win10-srvsvc-enum-311.pcapng, frame 17): NDR, NDR64, features.
const WINDOWS_BIND: &str = "05000b0310000000a000000002000000b810b8100000000003000000
    00000100c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000
    01000100c84f324b7016d30112785a47bf6ee1880300000033057171babe37498319b5dbef9ccc3601000000
    02000100c84f324b7016d30112785a47bf6ee188030000002c1cb76c12984045030000000000000001000000";
/// macOS binds srvsvc (captures/macos-samba-ioctl-err-311.pcapng, frame 53).
const MACOS_BIND: &str = "05000b03100000004800000001000000ffffffff000000000100000000000100
    c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000";
/// macOS asks for the shares, level 1 (frame 59 of the same).
const MACOS_SHARE_ENUM: &str = "050000031000000064000000000000004c00000000000f00
    010000000d000000000000000d0000003100390032002e003100360038002e0032002e00360039000000
    0000010000000100000001000000000000000000 0000ffffffff0100000000000000";
/// Windows 7's Explorer asks for one share, level 1
/// (captures/win7-explorer-samba-krb5.pcap, frame 30).
const WINDOWS_SHARE_GET_INFO: &str = "050000031000000064000000020000004c000000000010000000
    02000d000000000000000d0000007000680078006c0061006200620061006c00380032003100000000000700000000
    000000070000006c00750073007400720065000000000001000000";

/// A request of one fragment.
fn request(call_id: u32, operation: u16, stub: &[u8]) -> Vec<u8> {
    fragment(0x03, call_id, operation, stub)
}

fn fragment(flags: u8, call_id: u32, operation: u16, stub: &[u8]) -> Vec<u8> {
    let mut packet = vec![5, 0, 0, flags, 0x10, 0, 0, 0];
    packet.extend_from_slice(&(24 + stub.len() as u16).to_le_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&call_id.to_le_bytes());
    packet.extend_from_slice(&(stub.len() as u32).to_le_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&operation.to_le_bytes());
    packet.extend_from_slice(stub);
    packet
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The stub of a NetrShareEnum without a server's name.
fn share_enum(level: u32, room: u32, resume: Option<u32>) -> Vec<u8> {
    let mut stub = numbers(&[0, level, level, 1, 0, 0, room]);
    stub.extend(match resume {
        None => numbers(&[0]),
        Some(resume) => numbers(&[1, resume]),
    });
    stub
}

/// A pipe that macOS has bound.
fn bound(groups: &[Sid], name: &str) -> Arc<dyn Handle> {
    let pipe = open_as(groups, name).unwrap().handle;
    let mut bind = bytes(MACOS_BIND);
    if name == "wkssvc" {
        bind[32..48].copy_from_slice(&bytes("98d0ff6b12a11036983346c3f87e345a"));
        bind[48] = 1;
    }
    assert_eq!(transact(&*pipe, &bind).data[2], 12);
    pipe
}

/// Calls a procedure and gives the stub of its results.
fn call(pipe: &dyn Handle, operation: u16, stub: &[u8]) -> Vec<u8> {
    let answer = transact(pipe, &request(7, operation, stub)).data;
    assert_eq!(answer[2], 2, "a response: {}", hex(&answer));
    answer[24..].to_vec()
}

fn last_number(stub: &[u8]) -> u32 {
    u32::from_le_bytes(*stub.last_chunk().unwrap())
}

/// The strings of a stub, as far as they are of letters.
fn texts(stub: &[u8]) -> String {
    let units = stub.chunks(2).map(|pair| pair[0]);
    units
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(byte)
            } else {
                ' '
            }
        })
        .collect()
}
