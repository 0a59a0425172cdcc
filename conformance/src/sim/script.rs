//! What simulated clients do: operations at random, as requests, and replies as outcomes.

use bytes::Bytes;
use wire::create::{CreateAction, CreateDisposition, CreateOptions, ShareAccess};
use wire::dtyp::AccessMask;
use wire::fscc::directory_info::decode_listing;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::fscc::{FileInfoClass, FileInformation, SetFileInformation};
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::query_directory::QueryDirectoryFlags;
use wire::{
    CreateRequest, FileId, LockRequest, NtStatus, OplockLevel, QueryDirectoryRequest, Request,
    Response,
};

use super::actor::Actor;
use super::random::Random;
use crate::client::{Reply, requests};
use crate::model::{Access, Disposition, Operation, Outcome, Sharing};

/// Lets a client ask for something.
pub fn act(actor: &mut Actor, random: &mut Random) {
    let known: Vec<_> = actor
        .opens
        .iter()
        .map(|(id, file_id)| (*id, *file_id))
        .collect();
    if known.is_empty() || known.len() < MOST_OPENS && random.once_in(4) {
        let (operation, mut request) = open(random);
        if actor.wants_leases && random.once_in(2) {
            actor.caches.ask_for_lease(&mut request, random);
        }
        actor.ask_open(operation, request);
        return;
    }
    if random.once_in(12)
        && let Some(root) = actor.root()
    {
        let request = QueryDirectoryRequest {
            flags: QueryDirectoryFlags::RESTART_SCANS,
            ..requests::list(root, LIST_ROOM)
        };
        actor.ask(Operation::List, request.into());
        return;
    }
    let (open, file_id) = *random.pick(&known);
    let operation = on_open(open, random);
    if let Operation::Close { open } = operation {
        actor.opens.remove(&open);
    }
    let request = request(&operation, file_id);
    actor.ask(operation, request);
}

fn open(random: &mut Random) -> (Operation, CreateRequest) {
    let mut often = |times: usize| !random.once_in(times);
    let mut access = Access {
        read: often(3),
        write: often(3),
        delete: !often(3),
    };
    let sharing = Sharing {
        read: often(5),
        write: often(5),
        delete: often(4),
    };
    let delete_on_close = random.once_in(10);
    access.delete |= delete_on_close;
    let disposition = *random.pick(&[
        Disposition::Open,
        Disposition::Create,
        Disposition::OpenIf,
        Disposition::OpenIf,
        Disposition::OpenIf,
        Disposition::Overwrite,
        Disposition::OverwriteIf,
        Disposition::Supersede,
    ]);
    let name = random.pick(&NAMES).to_string();
    let request = CreateRequest {
        requested_oplock_level: *random.pick(&[
            OplockLevel::NONE,
            OplockLevel::NONE,
            OplockLevel::II,
            OplockLevel::EXCLUSIVE,
            OplockLevel::BATCH,
        ]),
        desired_access: access_mask(access),
        share_access: share_access(sharing),
        create_disposition: match disposition {
            Disposition::Open => CreateDisposition::OPEN,
            Disposition::Create => CreateDisposition::CREATE,
            Disposition::OpenIf => CreateDisposition::OPEN_IF,
            Disposition::Overwrite => CreateDisposition::OVERWRITE,
            Disposition::OverwriteIf => CreateDisposition::OVERWRITE_IF,
            Disposition::Supersede => CreateDisposition::SUPERSEDE,
        },
        create_options: if delete_on_close {
            CreateOptions::NON_DIRECTORY_FILE | CreateOptions::DELETE_ON_CLOSE
        } else {
            CreateOptions::NON_DIRECTORY_FILE
        },
        ..requests::open(&name)
    };
    let operation = Operation::Open {
        name,
        access,
        sharing,
        disposition,
        delete_on_close,
    };
    (operation, request)
}

fn access_mask(access: Access) -> AccessMask {
    let mut mask = AccessMask::FILE_READ_ATTRIBUTES;
    for (wanted, bit) in [
        (access.read, AccessMask::FILE_READ_DATA),
        (access.write, AccessMask::FILE_WRITE_DATA),
        (access.delete, AccessMask::DELETE),
    ] {
        if wanted {
            mask |= bit;
        }
    }
    mask
}

fn share_access(sharing: Sharing) -> ShareAccess {
    let mut mask = ShareAccess::NONE;
    for (wanted, bit) in [
        (sharing.read, ShareAccess::READ),
        (sharing.write, ShareAccess::WRITE),
        (sharing.delete, ShareAccess::DELETE),
    ] {
        if wanted {
            mask |= bit;
        }
    }
    mask
}

fn on_open(open: u64, random: &mut Random) -> Operation {
    let offset = random.below(40) as u64;
    let length = 1 + random.below(20) as u64;
    match random.below(14) {
        0 | 1 => Operation::Read {
            open,
            offset,
            length: 1 + u32::try_from(random.below(30)).unwrap_or(0),
        },
        2 | 3 => {
            let mut data = vec![0; 1 + random.below(20)];
            random.fill(&mut data);
            Operation::Write { open, offset, data }
        }
        4 => Operation::SetEndOfFile {
            open,
            length: offset,
        },
        5 => Operation::SetDisposition {
            open,
            delete: !random.once_in(3),
        },
        6 => Operation::Rename {
            open,
            target: random.pick(&NAMES).to_string(),
            replace: random.once_in(2),
        },
        7 => Operation::Query { open },
        8..=10 => Operation::Lock {
            open,
            offset,
            length,
            exclusive: random.once_in(2),
            wait: random.once_in(2),
        },
        11 => Operation::Unlock {
            open,
            offset,
            length,
        },
        _ => Operation::Close { open },
    }
}

/// The request of an operation on an open.
fn request(operation: &Operation, file_id: FileId) -> Request {
    let set = |change: SetFileInformation| requests::set_file(file_id, &change).into();
    match operation {
        Operation::Read { offset, length, .. } => requests::read(file_id, *offset, *length).into(),
        Operation::Write { offset, data, .. } => {
            requests::write(file_id, *offset, Bytes::from(data.clone())).into()
        }
        Operation::SetEndOfFile { length, .. } => set(SetFileInformation::EndOfFile(*length)),
        Operation::SetDisposition { delete, .. } => set(SetFileInformation::Disposition(*delete)),
        Operation::Rename {
            target, replace, ..
        } => {
            let flags = if *replace {
                RenameFlags::REPLACE_IF_EXISTS
            } else {
                RenameFlags::NONE
            };
            set(SetFileInformation::Rename(RenameInformation {
                flags,
                root_directory: 0,
                file_name: target.as_str().into(),
            }))
        }
        Operation::Query { .. } => requests::query_file(file_id, FileInfoClass::STANDARD).into(),
        Operation::Lock {
            offset,
            length,
            exclusive,
            wait,
            ..
        } => {
            let kind = if *exclusive {
                LockFlags::EXCLUSIVE_LOCK
            } else {
                LockFlags::SHARED_LOCK
            };
            let flags = if *wait {
                kind
            } else {
                kind | LockFlags::FAIL_IMMEDIATELY
            };
            lock(file_id, *offset, *length, flags)
        }
        Operation::Unlock { offset, length, .. } => {
            lock(file_id, *offset, *length, LockFlags::UNLOCK)
        }
        Operation::Close { .. } | Operation::Open { .. } | Operation::List => {
            requests::close(file_id).into()
        }
    }
}

fn lock(file_id: FileId, offset: u64, length: u64, flags: LockFlags) -> Request {
    LockRequest {
        lock_sequence: LockSequence(0),
        file_id,
        locks: vec![LockElement {
            offset,
            length,
            flags,
        }],
    }
    .into()
}

/// What a reply says of the operation that it answers.
///
/// # Errors
/// The reply is malformed.
pub fn outcome(reply: &Reply) -> Result<Outcome, String> {
    let malformed = |error: wire::DecodeError| format!("{error} in {:?}", reply.header);
    let response = reply.response().map_err(malformed)?;
    Ok(match response {
        Response::Error(_) if reply.status() != NtStatus::SUCCESS => {
            Outcome::Refused(reply.status())
        }
        Response::Create(create) => Outcome::Opened {
            id: create.file_id.volatile,
            created: create.create_action == CreateAction::CREATED,
        },
        Response::Read(read) => Outcome::Data(read.data.to_vec()),
        Response::QueryInfo(info) => {
            let decoded = FileInformation::decode(FileInfoClass::STANDARD, &info.output);
            match decoded {
                Some(Ok(FileInformation::Standard(standard))) => Outcome::Standing {
                    length: standard.end_of_file,
                    delete_pending: standard.delete_pending,
                },
                _ => return Err("FileStandardInformation is malformed".to_owned()),
            }
        }
        Response::QueryDirectory(listing) => {
            let class = FileInfoClass::ID_BOTH_DIRECTORY;
            let entries = decode_listing(class, &listing.output).map_err(malformed)?;
            let names = entries.into_iter().map(|entry| entry.file_name.to_string());
            Outcome::Names(names.filter(|name| name != "." && name != "..").collect())
        }
        _ => Outcome::Done,
    })
}

/// The names that all clients use.
pub const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

const MOST_OPENS: usize = 6;
const LIST_ROOM: u32 = 65_536;
