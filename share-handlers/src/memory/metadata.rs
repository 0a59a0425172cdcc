//! Times, attributes, extended attributes and descriptors, and the harm of overwriting.

use server::access;
use server::share::{SetInfo, StreamEntry};
use wire::dtyp::{FileTime, SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::{BasicChange, FullEa};
use wire::fscc::{FileAttributes, TimeChange};
use wire::{NtStatus, Utf16String};

use super::handle::MemoryHandle;
use super::node::Data;

impl MemoryHandle {
    /// Changes metadata, size or name.
    pub(super) fn set_now(&self, request: SetInfo) -> Result<(), NtStatus> {
        match request {
            SetInfo::Basic(change) => {
                self.set_basic(&change);
                Ok(())
            }
            SetInfo::EndOfFile(size) => self.set_end_of_file(size),
            SetInfo::Allocation(size) => self.set_allocation(size),
            SetInfo::Rename { target, replace } => self.rename_now(&target, replace),
            SetInfo::Link { target, replace } => self.link_now(&target, replace),
            SetInfo::ExtendedAttributes(list) => self.set_extended_attributes(&list),
            SetInfo::Overwrite {
                attributes,
                supersede,
                allocation_size,
                extended_attributes,
            } => self.overwrite(attributes, supersede, allocation_size, &extended_attributes),
        }
    }

    // [MS-FSA] 2.1.5.15.2
    fn set_basic(&self, change: &BasicChange) {
        let now = self.store.now();
        let mut body = self.node.body.write();
        let mut set = self.user_set.lock();
        let mut settable = FileAttributes::SETTABLE;
        if self.link.is_none() {
            settable = settable.without(FileAttributes::HIDDEN | FileAttributes::SYSTEM);
        }
        let times = [
            change.creation_time,
            change.last_access_time,
            change.last_write_time,
        ];
        let sets_time = times.iter().any(|time| to_set(*time).is_some());
        if let Some(attributes) = change.file_attributes {
            body.attributes = body.attributes.without(settable) | (attributes & settable);
        }
        let is_changed = sets_time || change.file_attributes.is_some();
        if is_changed && !set.change && change.change_time != TimeChange::Freeze {
            body.times.change = now;
        }
        let times = &mut body.times;
        times.creation = to_set(change.creation_time).unwrap_or(times.creation);
        times.access = to_set(change.last_access_time).unwrap_or(times.access);
        times.change = to_set(change.change_time).unwrap_or(times.change);
        times.write.release();
        if let Some(time) = to_set(change.last_write_time) {
            times.write.set(time);
        }
        set.access = is_set_by_user(change.last_access_time, set.access);
        set.change = is_set_by_user(change.change_time, set.change);
        set.write = is_set_by_user(change.last_write_time, set.write);
    }

    // [MS-FSA] 2.1.5.15.6
    fn set_extended_attributes(&self, list: &[FullEa]) -> Result<(), NtStatus> {
        let mut body = self.node.body.write();
        let changed = changed_attributes(&body.extended_attributes, list)?;
        body.set_extended_attributes(changed)?;
        body.note_changed(self.user_set(), self.store.now());
        Ok(())
    }

    /// The harm of FILE_OVERWRITE, FILE_OVERWRITE_IF and FILE_SUPERSEDE.
    // [MS-FSA] 2.1.5.1.2
    fn overwrite(
        &self,
        attributes: FileAttributes,
        supersede: bool,
        allocation_size: u64,
        extended_attributes: &[FullEa],
    ) -> Result<(), NtStatus> {
        let mut body = self.node.body.write();
        let guarded = FileAttributes::HIDDEN | FileAttributes::SYSTEM;
        let is_stream = self.stream.is_some();
        if !is_stream && !attributes.contains(body.attributes & guarded) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        body.data(self.stream)?;
        self.store.budget.check(allocation_size)?;
        if !is_stream {
            let list = changed_attributes(&[], extended_attributes)?;
            body.set_extended_attributes(list)?;
            body.remove_streams();
            // [MS-FSA] 2.1.5.1.2
            // Clears NOT_CONTENT_INDEXED from what is asked for.
            let asked = (attributes & FileAttributes::SETTABLE)
                .without(FileAttributes::NOT_CONTENT_INDEXED);
            body.attributes = if supersede {
                asked
            } else {
                body.attributes | asked
            };
        }
        let data = body.data_mut(self.stream)?;
        data.contents.resize(0);
        data.is_sparse = false;
        data.reserve(allocation_size);
        self.note_resized(&mut body);
        Ok(())
    }

    /// The data streams, the unnamed one first.
    // [MS-FSA] 2.1.5.12.29
    pub(super) fn streams_now(&self) -> Vec<StreamEntry> {
        let body = self.node.body.read();
        let unnamed = body.data(None).ok().map(|data| stream_entry(&[], data));
        let named = body.named_streams().iter();
        let named = named.map(|named| stream_entry(named.name.0.as_units(), &named.data));
        unnamed.into_iter().chain(named).collect()
    }

    // [MS-FSA] 2.1.5.17
    pub(super) fn set_security_now(
        &self,
        parts: SecurityInformation,
        descriptor: &SecurityDescriptor,
    ) -> Result<(), NtStatus> {
        let mut body = self.node.body.write();
        let replaced = access::replace(&body.security, descriptor, parts, &self.token)?;
        body.set_security(replaced)?;
        if !self.node.is_directory() {
            body.note_changed(self.user_set(), self.store.now());
        }
        Ok(())
    }
}

/// The extended attributes after those of `changes` were set, or removed where their value is empty.
///
/// # Errors
/// `INVALID_EA_NAME`, and `EA_TOO_LARGE` when there would be more than a file can have.
// [MS-FSA] 2.1.5.15.6
pub(super) fn changed_attributes(
    present: &[FullEa],
    changes: &[FullEa],
) -> Result<Vec<FullEa>, NtStatus> {
    let mut list = present.to_vec();
    for change in changes {
        if !change.has_valid_name() {
            return Err(NtStatus::INVALID_EA_NAME);
        }
        let found = list
            .iter()
            .position(|ea| ea.name.eq_ignore_ascii_case(&change.name));
        match found {
            Some(index) if change.value.is_empty() => {
                list.remove(index);
            }
            Some(index) => list[index].value.clone_from(&change.value),
            None if change.value.is_empty() => {}
            None => list.push(change.clone()),
        }
        if FullEa::list_size(&list) > MOST_EXTENDED_ATTRIBUTES {
            return Err(NtStatus::EA_TOO_LARGE);
        }
    }
    Ok(list)
}

fn to_set(change: TimeChange) -> Option<FileTime> {
    match change {
        TimeChange::Set(time) => Some(time),
        TimeChange::Keep | TimeChange::Freeze | TimeChange::Thaw => None,
    }
}

/// Whether the open's operations must not move a time after `change`.
fn is_set_by_user(change: TimeChange, before: bool) -> bool {
    match change {
        TimeChange::Keep => before,
        TimeChange::Set(_) | TimeChange::Freeze => true,
        TimeChange::Thaw => false,
    }
}

fn stream_entry(name: &[u16], data: &Data) -> StreamEntry {
    const COLON: &[u16] = &[0x3A];
    const TYPE: &[u16] = &[0x3A, 0x24, 0x44, 0x41, 0x54, 0x41];
    StreamEntry {
        name: Utf16String::from_units([COLON, name, TYPE].concat()),
        end_of_file: data.contents.size(),
        allocation_size: data.allocation_size(),
    }
}

/// 64 KiB less 5 bytes.
const MOST_EXTENDED_ATTRIBUTES: u32 = (64 << 10) - 5;
