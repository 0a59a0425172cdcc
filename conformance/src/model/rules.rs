//! Which answers an operation may have.

use wire::NtStatus;
use wire::create::LeaseState;

use super::away;
use super::files::{File, Model, Open};
use super::locks::Lock;
use super::operation::{Access, Disposition, Holder, Operation, Sharing};
use super::restart::Reservation;

/// All statuses that are right; `SUCCESS` among them if it is. None where no answer is right yet.
pub(super) fn allowed(model: &Model, client: usize, operation: &Operation) -> Vec<NtStatus> {
    let open = match operation {
        Operation::Open { .. } => return allowed_open(model, client, operation),
        Operation::Reconnect { .. } => return away::allowed(model, client, operation),
        Operation::OpenRoot { .. } | Operation::OpenAgain { .. } | Operation::List => {
            return one(NtStatus::SUCCESS);
        }
        Operation::Refusal { status } => return one(*status),
        Operation::Acknowledge { holder, kept } => {
            return allowed_acknowledgment(model, *holder, *kept);
        }
        Operation::Watch { room, .. } => return model.allowed_watch(client, *room),
        Operation::Read { open, .. }
        | Operation::Write { open, .. }
        | Operation::SetEndOfFile { open, .. }
        | Operation::SetDisposition { open, .. }
        | Operation::Rename { open, .. }
        | Operation::Query { open }
        | Operation::Lock { open, .. }
        | Operation::LockList { open, .. }
        | Operation::Unlock { open, .. }
        | Operation::MakeResilient { open, .. }
        | Operation::Close { open } => *open,
    };
    match model.opens.get(&open) {
        Some(found) => allowed_on(model, operation, open, found),
        // It was closed while the request waited.
        None if operation.is_lock() => vec![
            NtStatus::FILE_CLOSED,
            NtStatus::CANCELLED,
            NtStatus::RANGE_NOT_LOCKED,
        ],
        // Something else may be wrong by then, too.
        None if matches!(operation, Operation::Rename { .. }) => vec![
            NtStatus::FILE_CLOSED,
            NtStatus::OBJECT_NAME_COLLISION,
            NtStatus::OBJECT_PATH_NOT_FOUND,
        ],
        None if matches!(operation, Operation::SetDisposition { .. }) => {
            vec![NtStatus::FILE_CLOSED, NtStatus::DIRECTORY_NOT_EMPTY]
        }
        None => vec![NtStatus::FILE_CLOSED],
    }
}

// [MS-FSA] 2.1.5.1
fn allowed_open(model: &Model, client: usize, operation: &Operation) -> Vec<NtStatus> {
    let Operation::Open {
        name,
        disposition,
        lease,
        ..
    } = operation
    else {
        return Vec::new();
    };
    let mut wrong: Vec<_> = model.refused_path(name).into_iter().collect();
    let known = model.names.get(name);
    let holder = lease.map(|lease| Holder::Lease {
        client,
        key: lease.key,
    });
    // [MS-SMB2] 3.3.5.9.8
    let leased = holder.and_then(|holder| model.caches.get(&holder));
    let is_elsewhere = |file: u64| Some(&file) != known && !model.files[&file].delete_pending;
    if leased.is_some_and(|cache| is_elsewhere(cache.file)) {
        wrong.push(NtStatus::INVALID_PARAMETER);
    }
    let Some(id) = known else {
        wrong.push(match disposition {
            Disposition::Open | Disposition::Overwrite => NtStatus::OBJECT_NAME_NOT_FOUND,
            _ if wrong.is_empty() => NtStatus::SUCCESS,
            _ => return wrong,
        });
        return wrong;
    };
    let reservation = model.reservation(client, operation, *id);
    if reservation == Reservation::ForAnother {
        wrong.push(NtStatus::FILE_NOT_AVAILABLE);
    }
    let file = &model.files[id];
    if file.delete_pending {
        wrong.push(NtStatus::DELETE_PENDING);
    }
    if *disposition == Disposition::Create {
        wrong.push(NtStatus::OBJECT_NAME_COLLISION);
    }
    let mut allowed = if wrong.is_empty() {
        allowed_beside_others(model, holder, operation, *id)
    } else {
        wrong
    };
    // [MS-SMB2] 3.3.5.9
    if reservation == Reservation::SinceItBegan {
        allowed.push(NtStatus::FILE_NOT_AVAILABLE);
    }
    allowed
}

/// What those who have the file open already have to say to a CREATE.
// [MS-FSA] 2.1.5.1.2
fn allowed_beside_others(
    model: &Model,
    holder: Option<Holder>,
    operation: &Operation,
    file: u64,
) -> Vec<NtStatus> {
    let Operation::Open {
        access,
        sharing,
        disposition,
        ..
    } = operation
    else {
        return Vec::new();
    };
    let implied = Access {
        read: access.read,
        write: access.write
            || matches!(
                disposition,
                Disposition::Overwrite | Disposition::OverwriteIf
            ),
        delete: access.delete || *disposition == Disposition::Supersede,
    };
    let others = model.opens.values().filter(|open| open.file == file);
    let excludes = |open: &&Open| conflicts((implied, *sharing), (open.access, open.sharing));
    let excluding: Vec<_> = others.filter(excludes).collect();
    // Who would give a handle up is asked to before anybody is refused because of it.
    let would_give_up = |open: &&Open| Some(open.holder) != holder && model.keeps_handle(open);
    if excluding.is_empty() {
        one(NtStatus::SUCCESS)
    } else if excluding.iter().any(would_give_up) {
        Vec::new()
    } else {
        one(NtStatus::SHARING_VIOLATION)
    }
}

/// A break that is over without its acknowledgment cannot be acknowledged any more.
// [MS-SMB2] 3.3.5.22.1
// [MS-SMB2] 3.3.5.22.2
fn allowed_acknowledgment(model: &Model, holder: Holder, kept: LeaseState) -> Vec<NtStatus> {
    let cache = model.caches.get(&holder);
    let breaking = cache.and_then(|cache| cache.breaking);
    match (breaking, holder) {
        (Some(breaking), _) if breaking.to.contains(kept) => one(NtStatus::SUCCESS),
        (Some(_), _) => one(NtStatus::REQUEST_NOT_ACCEPTED),
        (None, Holder::Open(_)) => vec![
            NtStatus::INVALID_DEVICE_STATE,
            NtStatus::INVALID_OPLOCK_PROTOCOL,
            NtStatus::FILE_CLOSED,
        ],
        (None, Holder::Lease { .. }) => {
            vec![NtStatus::UNSUCCESSFUL, NtStatus::OBJECT_NAME_NOT_FOUND]
        }
    }
}

/// Whether two opens exclude each other.
// [MS-FSA] 2.1.5.1.2.2
pub(super) fn conflicts(one: (Access, Sharing), other: (Access, Sharing)) -> bool {
    let is_contended = |access: Access| access.read || access.write || access.delete;
    let refuses = |access: Access, sharing: Sharing| {
        access.read && !sharing.read
            || access.write && !sharing.write
            || access.delete && !sharing.delete
    };
    is_contended(one.0)
        && is_contended(other.0)
        && (refuses(one.0, other.1) || refuses(other.0, one.1))
}

fn allowed_on(model: &Model, operation: &Operation, id: u64, open: &Open) -> Vec<NtStatus> {
    let file = &model.files[&open.file];
    let Access {
        read,
        write,
        delete,
    } = open.access;
    let has_access = match operation {
        Operation::Read { .. } => read,
        Operation::Write { .. } | Operation::SetEndOfFile { .. } => write,
        Operation::SetDisposition { .. } | Operation::Rename { .. } => delete,
        Operation::Lock { .. } | Operation::Unlock { .. } => read || write,
        _ => true,
    };
    if !has_access {
        return vec![NtStatus::ACCESS_DENIED];
    }
    match operation {
        Operation::Read { offset, length, .. } => allowed_read(file, id, *offset, *length),
        Operation::Write { offset, data, .. } => {
            // [MS-FSA] 2.1.5.4
            let is_locked = file.is_locked_for_write(id, *offset, data.len() as u64);
            one(if is_locked {
                NtStatus::FILE_LOCK_CONFLICT
            } else {
                NtStatus::SUCCESS
            })
        }
        Operation::Lock {
            offset,
            length,
            exclusive,
            ..
        } => {
            // [MS-FSA] 2.1.5.8
            let is_locked = file.is_locked(&Lock {
                open: id,
                offset: *offset,
                length: *length,
                exclusive: *exclusive,
            });
            one(if is_locked {
                NtStatus::LOCK_NOT_GRANTED
            } else {
                NtStatus::SUCCESS
            })
        }
        Operation::LockList {
            elements, sequence, ..
        } => one(model.after_list(id, elements, *sequence).1),
        Operation::Unlock { offset, length, .. } => {
            let mut locks = file.locks.iter();
            let wanted = (id, *offset, *length);
            let is_held = locks.any(|lock| (lock.open, lock.offset, lock.length) == wanted);
            // [MS-FSA] 2.1.5.9
            one(if is_held {
                NtStatus::SUCCESS
            } else {
                NtStatus::RANGE_NOT_LOCKED
            })
        }
        Operation::MakeResilient {
            timeout, is_known, ..
        } => one(away::allowed_resiliency(*timeout, *is_known)),
        Operation::SetDisposition { delete: true, .. } => allowed_deletion(model, open, file),
        Operation::Rename {
            target, replace, ..
        } => allowed_rename(model, open, file, target, *replace),
        _ => one(NtStatus::SUCCESS),
    }
}

fn one(status: NtStatus) -> Vec<NtStatus> {
    vec![status]
}

// [MS-FSA] 2.1.5.15.3
fn allowed_deletion(model: &Model, open: &Open, file: &File) -> Vec<NtStatus> {
    if file.is_folder && !model.names_in(open.file).is_empty() {
        one(NtStatus::DIRECTORY_NOT_EMPTY)
    } else if model.others_keep_leased_handles(open.file, open.holder) {
        // [MS-FSA] 2.1.4.12
        Vec::new()
    } else {
        one(NtStatus::SUCCESS)
    }
}

// [MS-FSA] 2.1.5.3
fn allowed_read(file: &File, id: u64, offset: u64, length: u32) -> Vec<NtStatus> {
    let mut wrong = Vec::new();
    if file.is_locked_for_read(id, offset, length.into()) {
        wrong.push(NtStatus::FILE_LOCK_CONFLICT);
    }
    if offset >= file.contents.len() as u64 {
        wrong.push(NtStatus::END_OF_FILE);
    }
    if wrong.is_empty() {
        one(NtStatus::SUCCESS)
    } else {
        wrong
    }
}

// [MS-FSA] 2.1.5.15.12
fn allowed_rename(
    model: &Model,
    open: &Open,
    file: &File,
    target: &str,
    replace: bool,
) -> Vec<NtStatus> {
    let mut wrong = model.refused_target(target);
    if file.delete_pending {
        wrong.extend([NtStatus::ACCESS_DENIED, NtStatus::DELETE_PENDING]);
    }
    let below = model.opens_below(open.file);
    if below.iter().any(|open| !model.keeps_handle(open)) {
        wrong.push(NtStatus::ACCESS_DENIED);
    }
    let replaced = model.names.get(target).filter(|id| **id != open.file);
    if let Some(id) = replaced {
        if !replace {
            wrong.push(NtStatus::OBJECT_NAME_COLLISION);
        }
        if model.files[id].delete_pending {
            wrong.extend([NtStatus::DELETE_PENDING, NtStatus::ACCESS_DENIED]);
        }
        let mut opens = model.opens.values();
        let is_open = opens.any(|other| other.file == *id && !model.keeps_handle(other));
        if replace && (is_open || model.files[id].is_folder) {
            wrong.push(NtStatus::ACCESS_DENIED);
        }
    }
    let renames = model.names.get(target) != Some(&open.file);
    let waits = |file| model.others_keep_handles(file, open.holder);
    let must_wait = renames && (waits(open.file) || replaced.is_some_and(|id| waits(*id)));
    if wrong.is_empty() && (must_wait || !below.is_empty()) {
        Vec::new()
    } else if wrong.is_empty() {
        one(NtStatus::SUCCESS)
    } else {
        wrong
    }
}
