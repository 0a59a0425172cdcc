//! Short ways to use a handler: names as text, answers waited for, refusals as results.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use server::share::{
    Caller, CloseHow, Controlled, Disposition, Entry, FileStat, ListFrom, Name, ObjectId, OpenHow,
    Opened, Place, Replace, ReplyRoom, SetInfo, ShareHandler, Wanted, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, Sid};
use wire::fscc::file_info::BasicChange;
use wire::fscc::{CaseRule, FileAttributes, Fsctl, Pattern};

use super::{Subject, caller};
use crate::offload::tests::wait;

/// A share under test.
pub(super) struct Volume {
    subject: Subject,
}

/// An open of it, and who opened it.
pub(super) struct File(pub Opened, Caller);

impl Volume {
    pub(super) fn new(subject: Subject) -> Self {
        Self { subject }
    }

    pub(super) fn handler(&self) -> &Arc<dyn ShareHandler> {
        &self.subject.handler
    }

    /// Who may do everything in the root.
    pub(super) fn owner(&self) -> &Caller {
        &self.subject.owner
    }

    pub(super) fn open(&self, name: &str, how: &OpenHow) -> Result<File, NtStatus> {
        self.open_as(self.owner(), name, how)
    }

    pub(super) fn open_as(
        &self,
        caller: &Caller,
        name: &str,
        how: &OpenHow,
    ) -> Result<File, NtStatus> {
        self.open_name(caller, &Name::parse_text(name).unwrap(), how)
    }

    pub(super) fn open_name(
        &self,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<File, NtStatus> {
        wait(self.handler().open(caller, name, how)).map(|opened| File(opened, caller.clone()))
    }

    /// Opens what exists.
    pub(super) fn look(&self, name: &str) -> Result<File, NtStatus> {
        self.open(name, &how(Disposition::Existing, Wanted::Any))
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        match self.look(name) {
            Ok(_) => true,
            Err(NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::OBJECT_PATH_NOT_FOUND) => false,
            Err(status) => panic!("{name}: {status}"),
        }
    }

    /// Makes a file with these contents.
    pub(super) fn file(&self, name: &str, contents: &[u8]) -> File {
        let file = self
            .open(name, &how(Disposition::New, Wanted::File))
            .unwrap();
        assert!(file.0.created, "{name}");
        if !contents.is_empty() {
            file.write(0, contents).unwrap();
        }
        file
    }

    pub(super) fn folder(&self, name: &str) -> File {
        let folder = self
            .open(name, &how(Disposition::New, Wanted::Directory))
            .unwrap();
        assert!(folder.0.created, "{name}");
        folder
    }

    /// The names in a folder, sorted, without `.` and `..`.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.look(folder).unwrap().list_all(&Pattern::any());
        let names = entries.iter().map(|entry| entry.name.to_string_lossy());
        let mut names: Vec<_> = names.filter(|name| name != "." && name != "..").collect();
        names.sort();
        names
    }

    /// The contents of a file.
    pub(super) fn contents(&self, name: &str) -> Vec<u8> {
        self.look(name).unwrap().contents()
    }
}

impl File {
    pub(super) fn object(&self) -> ObjectId {
        self.0.handle.object()
    }

    pub(super) fn stat(&self) -> FileStat {
        wait(self.0.handle.stat()).unwrap()
    }

    pub(super) fn attributes(&self) -> FileAttributes {
        self.stat().attributes
    }

    pub(super) fn name(&self) -> String {
        wait(self.0.handle.name()).unwrap().to_string()
    }

    pub(super) fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, NtStatus> {
        // What is not read must not be touched by accident either.
        let buffer = BytesMut::from(&vec![0xEE; length + 8][..]);
        let mut room = ReplyRoom::new(buffer, 8, length);
        let read = wait(self.0.handle.read(at, &mut room))?;
        let bytes = room.as_mut_slice();
        assert!(
            bytes[read as usize..]
                .iter()
                .all(|byte| [0xEE, 0].contains(byte))
        );
        Ok(bytes[..read as usize].to_vec())
    }

    pub(super) fn contents(&self) -> Vec<u8> {
        let length = usize::try_from(self.stat().end_of_file).unwrap();
        self.read(0, length + 1).unwrap()
    }

    pub(super) fn write(&self, at: u64, data: &[u8]) -> Result<u32, NtStatus> {
        self.write_at(Place::Offset(at), data)
    }

    pub(super) fn append(&self, data: &[u8]) -> Result<u32, NtStatus> {
        self.write_at(Place::End, data)
    }

    fn write_at(&self, place: Place, data: &[u8]) -> Result<u32, NtStatus> {
        let at = WriteAt {
            place,
            write_through: false,
        };
        wait(self.0.handle.write(at, Bytes::copy_from_slice(data)))
    }

    pub(super) fn set(&self, request: SetInfo) -> Result<(), NtStatus> {
        wait(self.0.handle.set(request))
    }

    pub(super) fn set_basic(&self, change: BasicChange) {
        self.set(SetInfo::Basic(change)).unwrap();
    }

    pub(super) fn set_attributes(&self, attributes: FileAttributes) {
        self.set_basic(BasicChange {
            file_attributes: Some(attributes),
            ..BasicChange::default()
        });
    }

    pub(super) fn rename(&self, target: &str, replace: Replace) -> Result<(), NtStatus> {
        let target = Name::parse_text(target).unwrap();
        self.set(SetInfo::Rename { target, replace })
    }

    pub(super) fn link(&self, target: &str, replace: Replace) -> Result<(), NtStatus> {
        let target = Name::parse_text(target).unwrap();
        self.set(SetInfo::Link { target, replace })
    }

    pub(super) fn overwrite(
        &self,
        attributes: FileAttributes,
        supersede: bool,
    ) -> Result<(), NtStatus> {
        self.set(SetInfo::Overwrite {
            attributes,
            supersede,
            allocation_size: 0,
            extended_attributes: Vec::new(),
        })
    }

    pub(super) fn control(
        &self,
        code: Fsctl,
        input: &[u8],
        room_bytes: usize,
    ) -> Result<Bytes, NtStatus> {
        let controlled = self.control_in_part(code, input, room_bytes)?;
        assert!(!controlled.more, "there was to be room for all");
        Ok(controlled.output)
    }

    pub(super) fn control_in_part(
        &self,
        code: Fsctl,
        input: &[u8],
        room_bytes: usize,
    ) -> Result<Controlled, NtStatus> {
        let input = Bytes::copy_from_slice(input);
        wait(self.0.handle.control(code, input, room_bytes))
    }

    pub(super) fn list(
        &self,
        from: ListFrom,
        pattern: &Pattern,
        room_bytes: usize,
    ) -> Result<Vec<Entry>, NtStatus> {
        wait(self.0.handle.list(from, pattern, room_bytes))
    }

    /// All entries that match, in pieces.
    pub(super) fn list_all(&self, pattern: &Pattern) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let from = all
                .last()
                .map_or(ListFrom::Start, |last| ListFrom::After(last.position));
            let more = self.list(from, pattern, 2000).unwrap();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// The full names of the streams.
    pub(super) fn streams(&self) -> Vec<String> {
        let streams = wait(self.0.handle.streams()).unwrap();
        streams
            .iter()
            .map(|stream| stream.name.to_string_lossy())
            .collect()
    }

    pub(super) fn check_delete(&self) -> Result<(), NtStatus> {
        wait(self.0.handle.check_delete())
    }

    pub(super) fn close(&self) {
        wait(self.0.handle.close(CloseHow::Keep)).unwrap();
    }

    pub(super) fn delete(&self) -> Result<(), NtStatus> {
        wait(self.0.handle.close(CloseHow::Delete(self.1.clone())))
    }
}

/// An open for everything.
pub(super) fn how(disposition: Disposition, wanted: Wanted) -> OpenHow {
    OpenHow {
        disposition,
        wanted,
        ..OpenHow::to_look(AccessMask::FILE_ALL_ACCESS)
    }
}

/// Somebody else.
pub(super) fn stranger() -> Caller {
    caller(STRANGER, Sid::USERS)
}

/// Who [`stranger`] is.
pub(super) const STRANGER: Sid = Sid::unix_user(1234);

/// A search pattern, case ignored.
pub(super) fn pattern(text: &str) -> Pattern {
    let units: Vec<u16> = text.encode_utf16().collect();
    Pattern::new(&units, CaseRule::Ignore)
}
