//! Named streams, each kept in one extended attribute as Samba's `streams_xattr` keeps them.
//!
//! Owns the attributes `user.DosStream.NAME:$DATA`. The value is the stream's bytes and one NUL
//! behind them, so that an empty stream still exists. A stream is read and written whole, under the
//! object's lock, which bounds it to what an extended attribute can hold.

use std::ffi::{CStr, CString};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use server::share::{FileStat, Place, Replace, StreamEntry, StreamName};
use wire::fscc::FileAttributes;
use wire::fscc::upcase::eq_ignore_case;
use wire::{NtStatus, Utf16String};

use super::attributes::UNIT;
use super::errno::status;
use super::extended::for_each_name;
use super::file::{File, Opening};
use super::names;

/// A named stream and where it is kept.
#[derive(Debug, Clone)]
pub(super) struct DiskStream {
    /// The name as stored.
    pub name: StreamName,
    attribute: CString,
}

impl DiskStream {
    fn new(name: &StreamName) -> Result<Self, NtStatus> {
        let mut attribute = PREFIX.to_vec();
        names::append_wtf8(name.0.as_units(), &mut attribute);
        attribute.extend_from_slice(SUFFIX);
        if attribute.len() > LONGEST_ATTRIBUTE_NAME {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let attribute = CString::new(attribute).map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
        Ok(Self {
            name: name.clone(),
            attribute,
        })
    }

    fn of_attribute(attribute: &CStr) -> Option<Self> {
        let name = attribute.to_bytes().strip_prefix(PREFIX)?;
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        let name = StreamName(Utf16String::from_units(names::from_wtf8(name)));
        Some(Self {
            name,
            attribute: attribute.to_owned(),
        })
    }
}

/// A stream that is open: all its opens follow when it is renamed.
pub(super) struct OpenStream(Mutex<DiskStream>);

impl OpenStream {
    /// The open of `stream` among those of its file, or a new one.
    pub(super) fn of(open: &mut Vec<Weak<Self>>, stream: DiskStream) -> Arc<Self> {
        open.retain(|other| other.strong_count() > 0);
        let others = open.iter().filter_map(Weak::upgrade);
        let same = |other: &Arc<Self>| other.0.lock().attribute == stream.attribute;
        if let Some(other) = others.into_iter().find(same) {
            return other;
        }
        let new = Arc::new(Self(Mutex::new(stream)));
        open.push(Arc::downgrade(&new));
        new
    }

    /// What the stream is called now.
    pub(super) fn name(&self) -> StreamName {
        self.current().name
    }

    fn current(&self) -> DiskStream {
        self.0.lock().clone()
    }
}

/// Whether an extended attribute is a stream.
pub(super) fn is_stream(attribute: &CStr) -> bool {
    attribute.to_bytes().starts_with(PREFIX)
}

/// Finds the stream `name` of a file, in any case unless `case_sensitive`.
pub(super) fn find(
    file: &File,
    name: &StreamName,
    case_sensitive: bool,
) -> Result<Option<DiskStream>, NtStatus> {
    let exact = DiskStream::new(name)?;
    if read(file, &exact)?.is_some() {
        return Ok(Some(exact));
    }
    let mut found = None;
    for_each_name(file, |attribute| {
        let stream = DiskStream::of_attribute(attribute);
        let same = |stream: &DiskStream| {
            let (left, right) = (stream.name.0.as_units(), name.0.as_units());
            if case_sensitive {
                left == right
            } else {
                eq_ignore_case(left, right)
            }
        };
        found = found.take().or(stream.filter(same));
    })
    .map_err(status)?;
    Ok(found)
}

/// Makes an empty stream.
pub(super) fn create(file: &File, name: &StreamName) -> Result<DiskStream, NtStatus> {
    let stream = DiskStream::new(name)?;
    file.set_xattr(&stream.attribute, &[0], XattrFlags::CREATE)
        .map_err(no_room)?;
    Ok(stream)
}

/// All named streams and their sizes, in the order of the file system.
pub(super) fn list(file: &File) -> Result<Vec<StreamEntry>, NtStatus> {
    let mut streams = Vec::new();
    for_each_name(file, |attribute| {
        streams.extend(DiskStream::of_attribute(attribute));
    })
    .map_err(status)?;
    let mut entries = Vec::with_capacity(streams.len());
    for stream in streams {
        let Some(contents) = read(file, &stream)? else {
            continue;
        };
        let name = [COLON, stream.name.0.as_units(), DATA].concat();
        entries.push(entry(name, contents.len() as u64));
    }
    Ok(entries)
}

/// Removes every named stream.
pub(super) fn remove_all(file: &File) -> Result<(), NtStatus> {
    let mut streams = Vec::new();
    for_each_name(file, |attribute| {
        streams.extend(DiskStream::of_attribute(attribute));
    })
    .map_err(status)?;
    streams.iter().try_for_each(|stream| remove(file, stream))
}

/// Removes one stream; one that is gone already is no error.
fn remove(file: &File, stream: &DiskStream) -> Result<(), NtStatus> {
    match file.remove_xattr(&stream.attribute) {
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(error) => Err(status(error)),
    }
}

impl Opening {
    /// The streams as FileStreamInformation lists them. [MS-FSA] 2.1.5.12.29
    pub(super) fn all_streams(&self) -> Result<Vec<StreamEntry>, NtStatus> {
        let mut entries = Vec::new();
        if !self.file.directory {
            let (_, stat) = self.file.full_stat()?;
            let name = [COLON, DATA].concat();
            let allocation_size = stat.allocation_size;
            entries.push(StreamEntry {
                allocation_size,
                ..entry(name, stat.end_of_file)
            });
        }
        entries.extend(list(&self.file)?);
        Ok(entries)
    }

    pub(super) fn stream_stat(
        &self,
        stream: &OpenStream,
        stat: &mut FileStat,
    ) -> Result<(), NtStatus> {
        let stream = stream.current();
        let contents = read(&self.file, &stream)?.ok_or(NtStatus::FILE_DELETED)?;
        stat.end_of_file = contents.len() as u64;
        stat.allocation_size = stat.end_of_file.next_multiple_of(UNIT);
        stat.attributes = stat
            .attributes
            .without(FileAttributes::DIRECTORY)
            .reported();
        Ok(())
    }

    pub(super) fn stream_read(
        &self,
        stream: &OpenStream,
        at: u64,
        into: &mut [u8],
    ) -> Result<u32, NtStatus> {
        let stream = stream.current();
        let contents = read(&self.file, &stream)?.ok_or(NtStatus::FILE_DELETED)?;
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = contents.get(from..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length as u32)
    }

    pub(super) fn stream_write(
        &self,
        stream: &OpenStream,
        place: Place,
        data: &[u8],
    ) -> Result<u32, NtStatus> {
        let _alone = self.object.streams.lock();
        let stream = stream.current();
        let mut contents = read(&self.file, &stream)?.ok_or(NtStatus::FILE_DELETED)?;
        let at = match place {
            Place::Offset(at) => usize::try_from(at).unwrap_or(usize::MAX),
            Place::End => contents.len(),
        };
        let end = at.saturating_add(data.len());
        if data.is_empty() {
            return Ok(0);
        }
        if end > LONGEST_STREAM {
            return Err(NtStatus::DISK_FULL);
        }
        if contents.len() < end {
            contents.resize(end, 0);
        }
        contents[at..end].copy_from_slice(data);
        write(&self.file, &stream, contents)?;
        Ok(data.len() as u32)
    }

    pub(super) fn stream_resize(&self, stream: &OpenStream, size: u64) -> Result<(), NtStatus> {
        let _alone = self.object.streams.lock();
        let stream = stream.current();
        let mut contents = read(&self.file, &stream)?.ok_or(NtStatus::FILE_DELETED)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > LONGEST_STREAM {
            return Err(NtStatus::DISK_FULL);
        }
        contents.resize(size, 0);
        write(&self.file, &stream, contents)
    }

    /// Removes the stream; one that is gone already is no error.
    pub(super) fn remove_stream(&self, stream: &OpenStream) -> Result<(), NtStatus> {
        let _alone = self.object.streams.lock();
        remove(&self.file, &stream.current())
    }

    /// Gives the stream another name. [MS-FSA] 2.1.5.15.12
    pub(super) fn rename_stream(
        &self,
        open: &OpenStream,
        target: &StreamName,
        replace: Replace,
    ) -> Result<(), NtStatus> {
        let _alone = self.object.streams.lock();
        let stream = open.current();
        let contents = read(&self.file, &stream)?.ok_or(NtStatus::FILE_DELETED)?;
        let existing = find(&self.file, target, self.share.options.case_sensitive)?;
        let renamed = DiskStream::new(target)?;
        if let Some(existing) = existing.filter(|other| other.attribute != stream.attribute) {
            if replace == Replace::Never {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            remove(&self.file, &existing)?;
        }
        write(&self.file, &renamed, contents)?;
        if renamed.attribute != stream.attribute {
            remove(&self.file, &stream)?;
        }
        *open.0.lock() = renamed;
        Ok(())
    }
}

/// A stream's bytes; none if there is no such stream.
fn read(file: &File, stream: &DiskStream) -> Result<Option<Vec<u8>>, NtStatus> {
    let contents = file
        .whole_xattr(&stream.attribute, LONGEST_STREAM + 1)
        .map_err(status)?;
    Ok(contents.map(|mut contents| {
        contents.pop();
        contents
    }))
}

fn write(file: &File, stream: &DiskStream, mut contents: Vec<u8>) -> Result<(), NtStatus> {
    contents.push(0);
    file.set_xattr(&stream.attribute, &contents, XattrFlags::empty())
        .map_err(no_room)
}

/// Whatever keeps an extended attribute from growing is a full disk to a client.
fn no_room(error: Errno) -> NtStatus {
    match error {
        Errno::RANGE | Errno::TOOBIG | Errno::NOSPC => NtStatus::DISK_FULL,
        Errno::EXIST => NtStatus::OBJECT_NAME_COLLISION,
        error => status(error),
    }
}

fn entry(name: Vec<u16>, end_of_file: u64) -> StreamEntry {
    StreamEntry {
        name: Utf16String::from_units(name),
        end_of_file,
        allocation_size: end_of_file.next_multiple_of(UNIT),
    }
}

const PREFIX: &[u8] = b"user.DosStream.";
const SUFFIX: &[u8] = b":$DATA";
const COLON: &[u16] = &[0x3A];
const DATA: &[u16] = &[0x3A, 0x24, 0x44, 0x41, 0x54, 0x41];
const LONGEST_ATTRIBUTE_NAME: usize = 255;
/// XATTR_SIZE_MAX, less the NUL.
const LONGEST_STREAM: usize = 65_535;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use server::share::{Disposition, OpenHow, SetInfo};
    use wire::dtyp::AccessMask;

    use super::super::identity::tests::{skipped_without_root, stranger};
    use super::super::testing::{Fixture, caller, delete, how, read, rename, set, write};
    use super::*;
    use crate::offload::tests::wait;

    fn names(fixture: &Fixture, file: &str) -> Vec<(String, u64)> {
        let opened = fixture.existing(file).unwrap();
        let streams = wait(opened.handle.streams()).unwrap();
        let mut names: Vec<_> = streams
            .iter()
            .map(|stream| (stream.name.to_string_lossy(), stream.end_of_file))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_stream_is_made_written_listed_and_removed() {
        let fixture = Fixture::new();
        let stream = fixture
            .open("file:Stream", &how(Disposition::Either))
            .unwrap();
        assert!(stream.created);
        write(&stream.handle, 3, b"abc").unwrap();
        assert_eq!(read(&stream.handle, 0, 10).unwrap(), b"\0\0\0abc");
        assert_eq!(wait(stream.handle.stat()).unwrap().end_of_file, 6);
        let again = fixture.existing("FILE:stream:$DATA").unwrap();
        assert_eq!(again.stream.unwrap().0.to_string(), "Stream");
        assert_eq!(again.handle.object(), stream.handle.object());
        let both = [("::$DATA".to_owned(), 0), (":Stream:$DATA".to_owned(), 6)];
        assert_eq!(names(&fixture, "file"), both);
        delete(&stream).unwrap();
        assert_eq!(names(&fixture, "file"), both[..1]);
        assert_eq!(
            fixture.existing("file:stream").err(),
            Some(NtStatus::OBJECT_NAME_NOT_FOUND)
        );
    }

    #[test]
    fn the_value_is_the_bytes_and_one_nul() {
        let fixture = Fixture::new();
        let stream = fixture
            .open("file:My Stream", &how(Disposition::Either))
            .unwrap();
        let mut buffer = [9; 8];
        let name = c"user.DosStream.My Stream:$DATA";
        let length = rustix::fs::getxattr(fixture.path("file"), name, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"\0");
        write(&stream.handle, 0, b"hi\n").unwrap();
        let length = rustix::fs::getxattr(fixture.path("file"), name, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hi\n\0");
    }

    #[test]
    fn a_stream_too_long_for_its_attribute_is_a_full_disk() {
        let fixture = Fixture::new();
        let stream = fixture.open("file:s", &how(Disposition::Either)).unwrap();
        write(&stream.handle, 0, b"kept").unwrap();
        assert_eq!(
            write(&stream.handle, 70_000, b"x"),
            Err(NtStatus::DISK_FULL)
        );
        assert_eq!(
            set(&stream, SetInfo::EndOfFile(1 << 40)),
            Err(NtStatus::DISK_FULL)
        );
        assert_eq!(read(&stream.handle, 0, 10).unwrap(), b"kept");
    }

    #[test]
    fn folders_have_streams_and_streams_are_renamed() {
        let fixture = Fixture::new();
        fixture.create("folder\\");
        let how = OpenHow {
            desired_access: AccessMask::FILE_WRITE_DATA,
            ..how(Disposition::Either)
        };
        let stream = fixture.open("folder:one", &how).unwrap();
        assert!(!stream.stat.is_directory());
        write(&stream.handle, 0, b"1").unwrap();
        fixture.open("folder:two", &how).unwrap();
        let refused = rename(&stream, "folder:TWO", Replace::Never);
        assert_eq!(refused, Err(NtStatus::OBJECT_NAME_COLLISION));
        rename(&stream, "folder:TWO", Replace::IfExists).unwrap();
        assert_eq!(names(&fixture, "folder"), [(":TWO:$DATA".to_owned(), 1)]);
    }

    #[test]
    fn whoever_may_not_write_a_file_adds_no_stream() {
        if skipped_without_root("whoever_may_not_write_a_file_adds_no_stream") {
            return;
        }
        let fixture = Fixture::new();
        std::fs::set_permissions(fixture.outside.path(), Permissions::from_mode(0o755)).unwrap();
        fixture.create("file");
        let user = caller(Some(stranger()));
        let refused = fixture
            .open_as(&user, "file:s", &how(Disposition::Either))
            .err();
        assert_eq!(refused, Some(NtStatus::ACCESS_DENIED));
        assert_eq!(names(&fixture, "file").len(), 1);
    }

    #[test]
    fn overwriting_a_file_takes_its_streams_and_attributes_along() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        write(&file.handle, 0, b"x").unwrap();
        fixture.open("file:s", &how(Disposition::Either)).unwrap();
        let overwrite = |attributes| SetInfo::Overwrite {
            attributes,
            supersede: false,
            allocation_size: 0,
            extended_attributes: vec![],
        };
        set(&file, overwrite(FileAttributes::HIDDEN)).unwrap();
        assert_eq!(names(&fixture, "file"), [("::$DATA".to_owned(), 0)]);
        let refused = set(&file, overwrite(FileAttributes::NONE));
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
    }
}
