//! One file or directory: everything but its names.
//!
//! Owns metadata, streams, extended attributes and the security descriptor, and the rules by which changing one moves
//! another's time. A node lives as long as a name or an open of it.

use std::sync::Arc;

use parking_lot::RwLock;
use server::access::ObjectKind;
use server::share::{FileStat, StreamName};
use wire::NtStatus;
use wire::dtyp::{FileTime, SecurityDescriptor};
use wire::fscc::FileAttributes;
use wire::fscc::file_info::FullEa;
use wire::fscc::upcase::eq_ignore_case;

use super::budget::Budget;
use super::contents::Contents;
use super::write_time::WriteTime;

/// A file or directory.
#[derive(Debug)]
pub(super) struct Node {
    /// The number that no other object of the volume has or had.
    pub id: u64,
    /// What it is.
    pub kind: ObjectKind,
    /// What changes.
    pub body: RwLock<Body>,
}

/// What changes in a file or directory.
#[derive(Debug)]
pub(super) struct Body {
    /// The four times.
    pub times: Times,
    /// Attributes, without DIRECTORY and SPARSE_FILE, which follow from other fields.
    pub attributes: FileAttributes,
    /// Owner and access.
    pub security: Arc<SecurityDescriptor>,
    /// Extended attributes, in the order in which they were first set.
    pub extended_attributes: Vec<FullEa>,
    /// How many names there are.
    pub links: u32,
    /// The unnamed stream; none for a directory.
    data: Option<Data>,
    named: Vec<NamedStream>,
    last_stream: u64,
    /// What metadata has taken from the budget.
    taken: u64,
    budget: Arc<Budget>,
}

/// The times of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// CreationTime.
    pub creation: FileTime,
    /// LastAccessTime.
    pub access: FileTime,
    /// LastModificationTime.
    pub write: WriteTime,
    /// LastChangeTime.
    pub change: FileTime,
}

/// The times that a client has set or frozen through one open: operations on it no longer move them.
// [MS-FSA] 2.1.1.6
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UserSet {
    /// UserSetAccessTime.
    pub access: bool,
    /// UserSetModificationTime.
    pub write: bool,
    /// UserSetChangeTime.
    pub change: bool,
}

/// One data stream.
#[derive(Debug)]
pub(super) struct Data {
    /// The bytes.
    pub contents: Contents,
    /// Bytes that were asked to be reserved, 0 if none.
    pub reserved: u64,
    /// IsSparse.
    pub is_sparse: bool,
}

/// A named stream.
#[derive(Debug)]
pub(super) struct NamedStream {
    /// What opens know it by, whatever it is renamed to.
    pub id: StreamId,
    /// Its name as stored.
    pub name: StreamName,
    /// Its bytes.
    pub data: Data,
}

/// A named stream among those of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamId(u64);

impl Node {
    /// A new object without names, contents or extended attributes.
    ///
    /// # Errors
    /// `DISK_FULL`.
    pub(super) fn new(
        id: u64,
        kind: ObjectKind,
        security: SecurityDescriptor,
        now: FileTime,
        budget: &Arc<Budget>,
    ) -> Result<Self, NtStatus> {
        let times = Times {
            creation: now,
            access: now,
            write: WriteTime::new(now),
            change: now,
        };
        let mut body = Body {
            times,
            attributes: FileAttributes::NONE,
            security: Arc::new(security),
            extended_attributes: Vec::new(),
            links: 0,
            data: (kind == ObjectKind::File).then(|| Data::new(budget)),
            named: Vec::new(),
            last_stream: 0,
            taken: 0,
            budget: Arc::clone(budget),
        };
        body.settle()?;
        Ok(Self {
            id,
            kind,
            body: RwLock::new(body),
        })
    }

    /// Whether this is a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.kind == ObjectKind::Directory
    }

    /// The metadata of the object, or of one of its named streams, as it is seen now.
    ///
    /// # Errors
    /// `FILE_DELETED` when the stream is gone.
    pub(super) fn stat(
        &self,
        stream: Option<StreamId>,
        now: impl FnOnce() -> FileTime,
    ) -> Result<FileStat, NtStatus> {
        let body = self.body.read();
        let mut attributes = body.attributes;
        if self.is_directory() && stream.is_none() {
            attributes |= FileAttributes::DIRECTORY;
        }
        if body.is_sparse() {
            attributes |= FileAttributes::SPARSE_FILE;
        }
        let data = match stream {
            None => body.data.as_ref(),
            Some(_) => Some(body.data(stream)?),
        };
        Ok(FileStat {
            creation_time: body.times.creation,
            last_access_time: body.times.access,
            last_write_time: body.times.write.seen(now),
            change_time: body.times.change,
            attributes: attributes.reported(),
            allocation_size: data.map_or(0, Data::allocation_size),
            end_of_file: data.map_or(0, |data| data.contents.size()),
            links: body.links,
            file_id: self.id,
            reparse_tag: 0,
            ea_size: FullEa::list_size(&body.extended_attributes),
        })
    }
}

impl Body {
    /// The bytes of a stream.
    ///
    /// # Errors
    /// `INVALID_DEVICE_REQUEST` for a directory, `FILE_DELETED` when the stream is gone.
    pub(super) fn data(&self, stream: Option<StreamId>) -> Result<&Data, NtStatus> {
        let Some(id) = stream else {
            return self.data.as_ref().ok_or(NtStatus::INVALID_DEVICE_REQUEST);
        };
        let found = self.named.iter().find(|named| named.id == id);
        found.map(|named| &named.data).ok_or(NtStatus::FILE_DELETED)
    }

    /// As [`Body::data`], to change them.
    pub(super) fn data_mut(&mut self, stream: Option<StreamId>) -> Result<&mut Data, NtStatus> {
        let Some(id) = stream else {
            return self.data.as_mut().ok_or(NtStatus::INVALID_DEVICE_REQUEST);
        };
        let found = self.named.iter_mut().find(|named| named.id == id);
        found
            .map(|named| &mut named.data)
            .ok_or(NtStatus::FILE_DELETED)
    }

    /// The named streams in the order in which they were made.
    pub(super) fn named_streams(&self) -> &[NamedStream] {
        &self.named
    }

    /// The named stream called `name`.
    pub(super) fn find_stream(
        &self,
        name: &StreamName,
        case_sensitive: bool,
    ) -> Option<&NamedStream> {
        let wanted = name.0.as_units();
        self.named.iter().find(|named| {
            let stored = named.name.0.as_units();
            stored == wanted || !case_sensitive && eq_ignore_case(stored, wanted)
        })
    }

    /// Adds an empty stream.
    ///
    /// # Errors
    /// `DISK_FULL`.
    pub(super) fn add_stream(&mut self, name: &StreamName) -> Result<StreamId, NtStatus> {
        let id = StreamId(self.last_stream + 1);
        self.named.push(NamedStream {
            id,
            name: name.clone(),
            data: Data::new(&self.budget),
        });
        if let Err(status) = self.settle() {
            self.named.pop();
            return Err(status);
        }
        self.last_stream = id.0;
        Ok(id)
    }

    /// Removes a stream; one that is gone already is no error.
    pub(super) fn remove_stream(&mut self, id: StreamId) {
        self.named.retain(|named| named.id != id);
        self.settle_less();
    }

    /// Removes all named streams.
    pub(super) fn remove_streams(&mut self) {
        self.named.clear();
        self.settle_less();
    }

    /// Gives a stream another name.
    ///
    /// # Errors
    /// `FILE_DELETED` when the stream is gone.
    pub(super) fn rename_stream(
        &mut self,
        id: StreamId,
        name: &StreamName,
    ) -> Result<(), NtStatus> {
        let found = self.named.iter_mut().find(|named| named.id == id);
        found.ok_or(NtStatus::FILE_DELETED)?.name = name.clone();
        Ok(())
    }

    /// Replaces the extended attributes.
    ///
    /// # Errors
    /// `DISK_FULL`, and nothing has changed.
    pub(super) fn set_extended_attributes(&mut self, list: Vec<FullEa>) -> Result<(), NtStatus> {
        let before = std::mem::replace(&mut self.extended_attributes, list);
        self.settle()
            .inspect_err(|_| self.extended_attributes = before)
    }

    /// Replaces the security descriptor.
    ///
    /// # Errors
    /// `DISK_FULL`, and nothing has changed.
    pub(super) fn set_security(&mut self, security: SecurityDescriptor) -> Result<(), NtStatus> {
        let before = std::mem::replace(&mut self.security, Arc::new(security));
        self.settle().inspect_err(|_| self.security = before)
    }

    /// Notes that contents were written through an open.
    // [MS-FSA] 2.1.4.17
    pub(super) fn note_written(&mut self, set: UserSet, now: FileTime) {
        if !set.write {
            self.times.write.written(now);
        }
        self.note_accessed(set, now);
    }

    /// Notes that the size was set through an open.
    // [MS-FSA] 2.1.4.17
    pub(super) fn note_resized(&mut self, set: UserSet, now: FileTime) {
        if !set.write {
            self.times.write.resized(now);
        }
        self.note_accessed(set, now);
    }

    fn note_accessed(&mut self, set: UserSet, now: FileTime) {
        if !set.access {
            self.times.access = now;
        }
        self.note_changed(set, now);
    }

    /// Notes that metadata was changed through an open.
    // [MS-FSA] 2.1.4.18
    pub(super) fn note_changed(&mut self, set: UserSet, now: FileTime) {
        if !set.change {
            self.times.change = now;
        }
        self.mark_archive();
    }

    /// Notes that a name was added to or removed from a directory.
    // [MS-FSA] 2.1.5.1.1
    pub(super) fn note_entries_changed(&mut self, now: FileTime) {
        self.times.write = WriteTime::new(now);
        self.times.access = now;
        self.times.change = now;
    }

    /// A file is to be archived; a directory never is by itself.
    fn mark_archive(&mut self) {
        if self.data.is_some() {
            self.attributes |= FileAttributes::ARCHIVE;
        }
    }

    /// Takes from the budget what metadata needs more than before.
    ///
    /// # Errors
    /// `DISK_FULL`.
    fn settle(&mut self) -> Result<(), NtStatus> {
        let needed = self.metadata_size();
        self.budget.take(needed.saturating_sub(self.taken))?;
        self.budget.give(self.taken.saturating_sub(needed));
        self.taken = needed;
        Ok(())
    }

    /// [`Body::settle`] where metadata can only have shrunk.
    fn settle_less(&mut self) {
        let settled = self.settle();
        debug_assert_eq!(settled, Ok(()));
    }

    fn metadata_size(&self) -> u64 {
        let attributes = FullEa::list_size(&self.extended_attributes);
        let names = self
            .named
            .iter()
            .map(|named| named.name.0.len_bytes() as u64);
        let streams = names.map(|length| length + STREAM_SIZE).sum::<u64>();
        NODE_SIZE + u64::from(attributes) + self.security.size() as u64 + streams
    }

    fn is_sparse(&self) -> bool {
        let named = self.named.iter().map(|named| &named.data);
        self.data.iter().chain(named).any(|data| data.is_sparse)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.give(self.taken);
    }
}

impl Data {
    fn new(budget: &Arc<Budget>) -> Self {
        Self {
            contents: Contents::new(Arc::clone(budget)),
            reserved: 0,
            is_sparse: false,
        }
    }

    /// AllocationSize: what was reserved, or what the contents take on an NTFS volume.
    pub(super) fn allocation_size(&self) -> u64 {
        let needed = if self.is_sparse {
            self.contents.allocated()
        } else {
            round_up(self.contents.size())
        };
        needed.max(self.reserved)
    }
}

/// `bytes` in whole clusters.
pub(super) fn round_up(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(CLUSTER).unwrap_or(u64::MAX)
}

/// Bytes of a cluster.
pub(super) const CLUSTER: u64 = 4096;
/// What an object takes in memory, about, with one name and its place in the tables.
const NODE_SIZE: u64 = 1024;
const STREAM_SIZE: u64 = 192;
