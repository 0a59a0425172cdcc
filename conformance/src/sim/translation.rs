//! Operations as requests, and replies as outcomes.

use std::time::Duration;

use bytes::Bytes;
use wire::change_notify::ChangeNotifyFlags;
use wire::create::{
    CreateAction, CreateDisposition, CreateResponseContext, DurableHandleFlags, LeaseState,
    ShareAccess,
};
use wire::dtyp::AccessMask;
use wire::fscc::directory_info::decode_listing;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::fscc::{
    CompletionFilter, FileInfoClass, FileInformation, FileNotifyInformation, SetFileInformation,
};
use wire::lock::LockFlags;
use wire::{
    ChangeNotifyRequest, CreateResponse, FileId, NtStatus, OplockBreakResponse, OplockLevel,
    Request, Response,
};

use crate::client::{Reply, requests};
use crate::model::{Access, Disposition, Operation, Outcome, Sharing};

/// The request of an operation on an open.
pub fn request(operation: &Operation, file_id: FileId) -> Request {
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
            requests::lock(file_id, *offset, *length, flags).into()
        }
        Operation::Unlock { offset, length, .. } => {
            requests::lock(file_id, *offset, *length, LockFlags::UNLOCK).into()
        }
        Operation::MakeResilient { timeout, .. } => {
            let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            requests::resilient(file_id, timeout_ms).into()
        }
        Operation::Watch { room, folders } => watch(file_id, *room, *folders),
        _ => requests::close(file_id).into(),
    }
}

fn watch(file_id: FileId, room: u32, folders: bool) -> Request {
    let files = CompletionFilter::FILE_NAME;
    ChangeNotifyRequest {
        flags: ChangeNotifyFlags::NONE,
        output_buffer_length: room,
        file_id,
        completion_filter: if folders {
            files.with(CompletionFilter::DIR_NAME)
        } else {
            files
        },
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
        Response::ChangeNotify(_) if reply.status() == NtStatus::NOTIFY_ENUM_DIR => {
            Outcome::Refused(reply.status())
        }
        Response::ChangeNotify(changes) => {
            let list = FileNotifyInformation::decode_list(&changes.output).map_err(malformed)?;
            let named = list.into_iter();
            let named = named.map(|change| (change.action, change.file_name.to_string()));
            Outcome::Changes(named.collect())
        }
        Response::Create(create) => opened(&create),
        Response::OplockBreak(OplockBreakResponse::Oplock(kept)) => {
            Outcome::Kept(state_of(kept.oplock_level))
        }
        Response::OplockBreak(OplockBreakResponse::Lease(kept)) => Outcome::Kept(kept.lease_state),
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

fn opened(create: &CreateResponse) -> Outcome {
    let mut state = state_of(create.oplock_level);
    let mut durable = None;
    let mut persistent = false;
    for context in &create.contexts {
        match context {
            CreateResponseContext::Lease(lease) => state = lease.lease_state,
            CreateResponseContext::DurableHandle => durable = Some(V1_TIMEOUT),
            CreateResponseContext::DurableHandleV2 { timeout_ms, flags } => {
                persistent = flags.contains(DurableHandleFlags::PERSISTENT);
                durable = Some(Duration::from_millis((*timeout_ms).into()));
            }
            _ => {}
        }
    }
    Outcome::Opened {
        id: create.file_id.persistent,
        volatile: create.file_id.volatile,
        created: create.create_action == CreateAction::CREATED,
        state,
        durable,
        persistent,
    }
}

/// The caching that an oplock stands for.
pub fn state_of(level: OplockLevel) -> LeaseState {
    let read = LeaseState::READ_CACHING;
    match level {
        OplockLevel::II => read,
        OplockLevel::EXCLUSIVE => read | LeaseState::WRITE_CACHING,
        OplockLevel::BATCH => read | LeaseState::WRITE_CACHING | LeaseState::HANDLE_CACHING,
        _ => LeaseState::NONE,
    }
}

/// The access as the wire has it; attributes may always be read.
pub fn access_mask(access: Access) -> AccessMask {
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

/// The disposition as the wire has it.
pub fn create_disposition(disposition: Disposition) -> CreateDisposition {
    match disposition {
        Disposition::Open => CreateDisposition::OPEN,
        Disposition::Create => CreateDisposition::CREATE,
        Disposition::OpenIf => CreateDisposition::OPEN_IF,
        Disposition::Overwrite => CreateDisposition::OVERWRITE,
        Disposition::OverwriteIf => CreateDisposition::OVERWRITE_IF,
        Disposition::Supersede => CreateDisposition::SUPERSEDE,
    }
}

/// The share modes as the wire has them.
pub fn share_access(sharing: Sharing) -> ShareAccess {
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

/// How long the server keeps a durable open of version 1.
// [MS-SMB2] 3.3.5.9.6
const V1_TIMEOUT: Duration = Duration::from_secs(120);
