//! Which answers an operation may have.

use wire::NtStatus;

use super::files::{File, Model, Open};
use super::operation::{Access, Disposition, Operation, Sharing};

/// All statuses that are right; `SUCCESS` among them if it is.
pub(super) fn allowed(model: &Model, operation: &Operation) -> Vec<NtStatus> {
    let open = match operation {
        Operation::Open { .. } => return allowed_open(model, operation),
        Operation::List => return vec![NtStatus::SUCCESS],
        Operation::Read { open, .. }
        | Operation::Write { open, .. }
        | Operation::SetEndOfFile { open, .. }
        | Operation::SetDisposition { open, .. }
        | Operation::Rename { open, .. }
        | Operation::Query { open }
        | Operation::Lock { open, .. }
        | Operation::Unlock { open, .. }
        | Operation::Close { open } => *open,
    };
    match model.opens.get(&open) {
        Some(found) => allowed_on(model, operation, open, found),
        // It was closed while the request waited.
        None if matches!(operation, Operation::Lock { .. }) => vec![
            NtStatus::FILE_CLOSED,
            NtStatus::CANCELLED,
            NtStatus::RANGE_NOT_LOCKED,
        ],
        None => vec![NtStatus::FILE_CLOSED],
    }
}

// [MS-FSA] 2.1.5.1
fn allowed_open(model: &Model, operation: &Operation) -> Vec<NtStatus> {
    let Operation::Open {
        name,
        access,
        sharing,
        disposition,
        ..
    } = operation
    else {
        return Vec::new();
    };
    let Some(id) = model.names.get(name) else {
        return match disposition {
            Disposition::Open | Disposition::Overwrite => vec![NtStatus::OBJECT_NAME_NOT_FOUND],
            _ => vec![NtStatus::SUCCESS],
        };
    };
    let file = &model.files[id];
    let mut wrong = Vec::new();
    if file.delete_pending {
        wrong.push(NtStatus::DELETE_PENDING);
    }
    if *disposition == Disposition::Create {
        wrong.push(NtStatus::OBJECT_NAME_COLLISION);
    }
    if !wrong.is_empty() {
        return wrong;
    }
    let implied = Access {
        read: access.read,
        write: access.write
            || matches!(
                disposition,
                Disposition::Overwrite | Disposition::OverwriteIf
            ),
        delete: access.delete || *disposition == Disposition::Supersede,
    };
    let others = model.opens.values().filter(|open| open.file == *id);
    let mut others = others.map(|open| (open.access, open.sharing));
    if others.any(|other| conflicts((implied, *sharing), other)) {
        vec![NtStatus::SHARING_VIOLATION]
    } else {
        vec![NtStatus::SUCCESS]
    }
}

/// Whether two opens exclude each other.
// [MS-FSA] 2.1.5.1.2.2
fn conflicts(one: (Access, Sharing), other: (Access, Sharing)) -> bool {
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
            let is_locked = file.is_locked(id, *offset, *length, *exclusive);
            one(if is_locked {
                NtStatus::LOCK_NOT_GRANTED
            } else {
                NtStatus::SUCCESS
            })
        }
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
        Operation::Rename {
            target, replace, ..
        } => allowed_rename(model, open, file, target, *replace),
        _ => one(NtStatus::SUCCESS),
    }
}

fn one(status: NtStatus) -> Vec<NtStatus> {
    vec![status]
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
    let mut wrong = Vec::new();
    if file.delete_pending {
        wrong.extend([NtStatus::ACCESS_DENIED, NtStatus::DELETE_PENDING]);
    }
    let replaced = model.names.get(target).filter(|id| **id != open.file);
    if let Some(id) = replaced {
        if !replace {
            wrong.push(NtStatus::OBJECT_NAME_COLLISION);
        }
        if model.files[id].delete_pending {
            wrong.extend([NtStatus::DELETE_PENDING, NtStatus::ACCESS_DENIED]);
        }
        if replace && model.opens.values().any(|other| other.file == *id) {
            wrong.push(NtStatus::ACCESS_DENIED);
        }
    }
    if wrong.is_empty() {
        one(NtStatus::SUCCESS)
    } else {
        wrong
    }
}

impl File {
    // [MS-FSA] 2.1.4.10
    fn is_locked(&self, open: u64, offset: u64, length: u64, exclusive: bool) -> bool {
        let overlaps = |lock: &&super::files::Lock| {
            offset < lock.offset + lock.length && lock.offset < offset + length
        };
        let mut locks = self.locks.iter().filter(overlaps);
        locks.any(|lock| lock.exclusive && lock.open != open || exclusive)
    }

    fn is_locked_for_read(&self, open: u64, offset: u64, length: u64) -> bool {
        self.others_locks(open, offset, length, false)
    }

    fn is_locked_for_write(&self, open: u64, offset: u64, length: u64) -> bool {
        self.others_locks(open, offset, length, true)
    }

    // [MS-FSA] 2.1.4.10
    fn others_locks(&self, open: u64, offset: u64, length: u64, writes: bool) -> bool {
        self.locks.iter().any(|lock| {
            let overlaps = offset < lock.offset + lock.length && lock.offset < offset + length;
            overlaps && (lock.exclusive && lock.open != open || !lock.exclusive && writes)
        })
    }
}
