//! The bytes of a file: reading, writing, sizes, and putting them on stable storage.
//!
//! Owns the decision which of these may be done where they stand. A read that the page cache can
//! answer and a write that the page cache takes never leave the thread that asks; everything that
//! may wait for a device goes to the pool. None of it needs the caller's identity: the descriptor
//! has been opened with it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use server::share::{Answer, FileRegion, Place, ReplyRoom, WriteAt};
use wire::NtStatus;
use wire::fscc::FileAttributes;

use super::attributes::{file_type, time};
use super::errno::status;
use super::file::Opening;
use super::{CachedReads, ready, resolve};

impl Opening {
    /// Reads into `room` from `at` on.
    pub(super) fn read<'a>(
        self: &'a Arc<Self>,
        at: u64,
        room: &'a mut ReplyRoom,
    ) -> Answer<'a, u32> {
        if let Some(stream) = &self.stream {
            return ready(self.stream_read(stream, at, room.as_mut_slice()));
        }
        if self.file.directory {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        }
        if at >= LARGEST_FILE {
            return ready(Ok(0));
        }
        if room.region_allowed()
            && room.length() >= SMALLEST_REGION
            && let Some(region) = self.cached_region(at, room.length())
        {
            let length = region.length;
            room.put_region(region);
            return ready(Ok(length));
        }
        let file = self.file.as_fd();
        let (read, end) = match self.share.cached_reads {
            CachedReads::Always => read_full(
                &self.file.descriptor,
                at,
                room.as_mut_slice(),
                ReadWriteFlags::empty(),
            ),
            CachedReads::Probed => {
                read_full(&file, at, room.as_mut_slice(), ReadWriteFlags::NOWAIT)
            }
            CachedReads::Never => (0, Err(Errno::AGAIN)),
        };
        match end {
            Ok(()) => ready(Ok(length_of(read))),
            Err(Errno::AGAIN | Errno::OPNOTSUPP) => Box::pin(self.read_rest(at, read, room)),
            Err(error) => ready(Err(status(error))),
        }
    }

    /// Lets the pool read what is not in the page cache, into the reply's own buffer.
    async fn read_rest(
        self: &Arc<Self>,
        at: u64,
        done: usize,
        room: &mut ReplyRoom,
    ) -> Result<u32, NtStatus> {
        let mut taken = std::mem::replace(room, ReplyRoom::new(bytes::BytesMut::new(), 0, 0));
        let opening = Arc::clone(self);
        let answer = self.share.work.on_pool(None, move || {
            let rest = taken.as_mut_slice().get_mut(done..).unwrap_or_default();
            let flags = ReadWriteFlags::empty();
            let (read, end) = read_full(&opening.file, at + done as u64, rest, flags);
            Ok((taken, end.map(|()| done + read)))
        });
        let (returned, result) = answer.await?;
        *room = returned;
        result.map(length_of).map_err(status)
    }

    /// The stretch of the file for the transport to send by itself, if it is in the page cache as
    /// far as its two ends tell.
    fn cached_region(&self, at: u64, length: usize) -> Option<FileRegion> {
        let size = self.file.stat().ok()?.stx_size;
        let length = u32::try_from(size.checked_sub(at)?.min(length as u64)).ok()?;
        if (length as usize) < SMALLEST_REGION {
            return None;
        }
        let is_cached = |at| match self.share.cached_reads {
            CachedReads::Always => true,
            CachedReads::Never => false,
            CachedReads::Probed => {
                let mut byte = [0];
                let read = read_full(&self.file, at, &mut byte, ReadWriteFlags::NOWAIT);
                matches!(read, (1, Ok(())))
            }
        };
        let last = at + u64::from(length) - 1;
        (is_cached(at) && is_cached(last)).then(|| FileRegion {
            file: Arc::clone(&self.file.descriptor),
            offset: at,
            length,
        })
    }

    /// Writes all of `data`.
    pub(super) fn write(self: &Arc<Self>, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let through = at.write_through || self.write_through;
        if let Some(stream) = &self.stream {
            let written = self.stream_write(stream, at.place, &data);
            if !through || written.is_err() {
                return ready(written);
            }
            let opening = Arc::clone(self);
            let flush = move || opening.flush_now().and(written);
            return self.share.work.on_pool(None, flush);
        }
        if self.file.directory {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        }
        if !through && data.len() <= self.share.largest_inline_write {
            return ready(self.write_now(at.place, &data, through));
        }
        let opening = Arc::clone(self);
        self.share
            .work
            .on_pool(None, move || opening.write_now(at.place, &data, through))
    }

    fn write_now(&self, place: Place, data: &[u8], through: bool) -> Result<u32, NtStatus> {
        let mut flags = ReadWriteFlags::empty();
        let mut at = match place {
            Place::Offset(at) => at,
            Place::End => {
                flags |= ReadWriteFlags::APPEND;
                0
            }
        };
        // [MS-FSA] 2.1.5.4
        if at
            .checked_add(data.len() as u64)
            .is_none_or(|end| end > LARGEST_FILE)
            && !data.is_empty()
        {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if through {
            flags |= ReadWriteFlags::DSYNC;
        }
        self.note_write()?;
        let mut rest = data;
        while !rest.is_empty() {
            match pwritev2(&self.file, &[IoSlice::new(rest)], at, flags) {
                Ok(0) => return Err(NtStatus::DISK_FULL),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(status(error)),
            }
        }
        if through {
            self.sync_name()?;
        }
        self.keep_write_time()?;
        Ok(length_of(data.len()))
    }

    /// [MS-FSA] 2.1.4.17, before the change: remembers the write time that is to be seen for a
    /// while yet, and marks the file as one to be archived.
    fn note_write(&self) -> Result<(), NtStatus> {
        self.object
            .before_write(|| self.file.stat().ok().map(|stat| time(stat.stx_mtime)));
        if !self.wrote.swap(true, Ordering::Relaxed) {
            self.mark_archive()?;
        }
        Ok(())
    }

    /// Marks the file as one to be archived.
    pub(super) fn mark_archive(&self) -> Result<(), NtStatus> {
        let kept = self.file.dos_attributes()?;
        if kept.is_none_or(|kept| kept.attributes.contains(FileAttributes::ARCHIVE)) {
            return Ok(());
        }
        self.change_dos_attributes(|kept| kept.attributes |= FileAttributes::ARCHIVE)
    }

    /// Puts back the write time that this handle's operations must not move.
    fn keep_write_time(&self) -> Result<(), NtStatus> {
        match self.sticky.lock().write_time {
            None => Ok(()),
            write_time => self.file.set_times(None, write_time),
        }
    }

    /// Puts the file, and the name that this handle gave it, on stable storage.
    pub(super) fn flush_now(&self) -> Result<(), NtStatus> {
        let synced = if self.file.is_path() {
            self.sync_path()
        } else {
            rustix::fs::fsync(&self.file)
        };
        // A read-only file system has nothing to be put anywhere.
        match synced {
            Ok(()) | Err(Errno::ROFS | Errno::INVAL) => {}
            Err(error) => return Err(status(error)),
        }
        self.sync_name()?;
        if self.object.holds_back() {
            self.object.release(&self.file.stat()?);
        }
        Ok(())
    }

    /// Puts a file or folder that was opened for its metadata alone on stable storage: a stream may
    /// have been written through it.
    fn sync_path(&self) -> Result<(), Errno> {
        let host = resolve::stat(self.file.as_fd())?;
        if !matches!(
            file_type(&host),
            FileType::RegularFile | FileType::Directory
        ) {
            return Ok(());
        }
        let path = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::fsync(rustix::fs::open(path, flags, Mode::empty())?)
    }

    /// Puts the name that this handle gave the object on stable storage, once.
    fn sync_name(&self) -> Result<(), NtStatus> {
        if !self.unsynced_name.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let synced = self.sync_folder();
        if synced.is_err() {
            self.unsynced_name.store(true, Ordering::Relaxed);
        }
        synced
    }

    /// Puts the folder that holds the object on stable storage.
    fn sync_folder(&self) -> Result<(), NtStatus> {
        let Ok(place) = self.place() else {
            return Ok(());
        };
        let folder = self
            .share
            .root
            .open_path(&place.folder.path, OFlags::RDONLY | OFlags::DIRECTORY);
        // Without the right to list the folder, the file's own fsync has to do.
        folder.map_or(Ok(()), |folder: OwnedFd| {
            rustix::fs::fsync(&folder).map_err(status)
        })
    }

    /// Cuts the file or fills it up with zeros.
    pub(super) fn set_end_of_file(&self, size: u64) -> Result<(), NtStatus> {
        if let Some(stream) = &self.stream {
            return self.stream_resize(stream, size);
        }
        if self.file.directory {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        // [MS-FSA] 2.1.5.15.4
        if size > LARGEST_FILE {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        self.note_write()?;
        rustix::fs::ftruncate(&self.file, size).map_err(status)?;
        self.object.reserve(0);
        self.keep_write_time()?;
        self.object.release(&self.file.stat()?);
        Ok(())
    }

    /// Reserves `size` bytes, or cuts a file that is longer.
    pub(super) fn set_allocation(&self, size: u64) -> Result<(), NtStatus> {
        if self.stream.is_some() {
            return Ok(());
        }
        if self.file.directory || size > LARGEST_FILE {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        // [MS-FSA] 2.1.5.15.1
        if size < self.file.stat()?.stx_size {
            return self.set_end_of_file(size);
        }
        reserve(&self.file, size)?;
        self.object.reserve(size);
        Ok(())
    }
}

/// Reserves `size` bytes from the start of the file, without changing its size.
pub(super) fn reserve(file: &impl AsFd, size: u64) -> Result<(), NtStatus> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        // A file system that cannot reserve is not one that has no room.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(status(error)),
    }
}

/// Reads until `into` is full or the file ends, or an error, and says how far it came.
fn read_full(
    file: &impl AsFd,
    at: u64,
    into: &mut [u8],
    flags: ReadWriteFlags,
) -> (usize, Result<(), Errno>) {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match preadv2(file, &mut [IoSliceMut::new(rest)], at + done as u64, flags) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

fn length_of(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The largest file of an NTFS volume with the usual clusters: 16 TiB less 64 KiB.
pub(super) const LARGEST_FILE: u64 = 0x0FFF_FFFF_0000;
const SMALLEST_REGION: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::thread::sleep;
    use std::time::Duration;

    use server::share::{CloseHow, Disposition, OpenHow, Opened, SetInfo};
    use wire::dtyp::{AccessMask, FileTime};
    use wire::fscc::TimeChange;
    use wire::fscc::file_info::BasicChange;

    use super::super::testing::{Fixture, how, read, set, write};
    use super::*;
    use crate::offload::tests::wait;

    fn write_time(opened: &Opened) -> FileTime {
        wait(opened.handle.stat()).unwrap().last_write_time
    }

    #[test]
    fn what_is_written_is_read_back_at_any_offset() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        assert_eq!(read(&file.handle, 0, 10).unwrap(), b"");
        assert_eq!(write(&file.handle, 5, b"hello"), Ok(5));
        assert_eq!(read(&file.handle, 0, 100).unwrap(), b"\0\0\0\0\0hello");
        assert_eq!(read(&file.handle, 7, 2).unwrap(), b"ll");
        assert_eq!(read(&file.handle, 10, 1).unwrap(), b"");
        assert_eq!(write(&file.handle, 5 << 30, b"far"), Ok(3));
        assert_eq!(read(&file.handle, (5 << 30) - 1, 9).unwrap(), b"\0far");
    }

    #[test]
    fn large_and_write_through_writes_go_by_way_of_the_pool_and_arrive() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let data: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        assert_eq!(write(&file.handle, 0, &data), Ok(3_000_000));
        let at = WriteAt {
            place: Place::End,
            write_through: true,
        };
        assert_eq!(
            wait(file.handle.write(at, Bytes::from_static(b"end"))),
            Ok(3)
        );
        wait(file.handle.flush()).unwrap();
        assert_eq!(fs::metadata(fixture.path("a")).unwrap().len(), 3_000_003);
        assert_eq!(read(&file.handle, 0, 3_000_000).unwrap(), data);
    }

    #[test]
    fn the_largest_file_has_an_end() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let beyond = write(&file.handle, LARGEST_FILE, b"x");
        assert_eq!(beyond, Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(write(&file.handle, LARGEST_FILE, b""), Ok(0));
        let longer = set(&file, SetInfo::EndOfFile(LARGEST_FILE + 1));
        assert_eq!(longer, Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(fs::metadata(fixture.path("a")).unwrap().len(), 0);
    }

    #[test]
    fn a_folder_has_no_bytes() {
        let fixture = Fixture::new();
        let folder = fixture.create("a\\");
        assert_eq!(
            read(&folder.handle, 0, 1),
            Err(NtStatus::INVALID_DEVICE_REQUEST)
        );
        assert_eq!(
            write(&folder.handle, 0, b"x"),
            Err(NtStatus::INVALID_DEVICE_REQUEST)
        );
        assert_eq!(
            set(&folder, SetInfo::EndOfFile(1)),
            Err(NtStatus::INVALID_PARAMETER)
        );
    }

    #[test]
    fn sizes_are_set_and_room_is_reserved() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        assert_eq!(file.stat.allocation_size, 0);
        set(&file, SetInfo::EndOfFile(100)).unwrap();
        assert_eq!(read(&file.handle, 0, 200).unwrap(), [0; 100]);
        set(&file, SetInfo::Allocation(1 << 20)).unwrap();
        let stat = wait(file.handle.stat()).unwrap();
        assert_eq!((stat.end_of_file, stat.allocation_size), (100, 1 << 20));
        set(&file, SetInfo::Allocation(10)).unwrap();
        let stat = wait(file.handle.stat()).unwrap();
        assert_eq!(stat.end_of_file, 10);
        assert!(stat.allocation_size <= 4096);
    }

    #[test]
    fn a_region_is_handed_out_only_when_it_is_allowed_large_and_there() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        write(&file.handle, 0, &vec![1; 200_000]).unwrap();
        let region = |at, length, allowed| {
            let room = ReplyRoom::new(bytes::BytesMut::new(), 80, length);
            let mut room = if allowed { room.allow_region() } else { room };
            let read = wait(file.handle.read(at, &mut room)).unwrap();
            (
                read,
                room.into_parts()
                    .1
                    .map(|region| (region.offset, region.length)),
            )
        };
        assert_eq!(region(0, 65_536, true), (65_536, Some((0, 65_536))));
        assert_eq!(
            region(100_000, 1 << 20, true),
            (100_000, Some((100_000, 100_000)))
        );
        assert_eq!(region(0, 65_536, false), (65_536, None));
        assert_eq!(region(0, 4096, true), (4096, None));
        assert_eq!(region(199_000, 65_536, true), (1000, None));
    }

    #[test]
    fn a_write_shows_its_time_when_the_file_is_flushed_sized_or_closed() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let before = write_time(&file);
        sleep(Duration::from_millis(20));
        write(&file.handle, 0, b"x").unwrap();
        assert_eq!(write_time(&file), before);
        wait(file.handle.flush()).unwrap();
        let flushed = write_time(&file);
        assert!(flushed > before);
        sleep(Duration::from_millis(20));
        write(&file.handle, 0, b"y").unwrap();
        assert_eq!(write_time(&file), flushed);
        set(&file, SetInfo::EndOfFile(1)).unwrap();
        let sized = write_time(&file);
        assert!(sized > flushed);
        sleep(Duration::from_millis(20));
        write(&file.handle, 0, b"z").unwrap();
        assert!(wait(file.handle.final_stat()).unwrap().last_write_time > sized);
    }

    #[test]
    fn a_time_that_was_set_stays_through_writes_of_the_same_handle() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let then = FileTime::from_unix(1_000_000_000, 0);
        let last_write_time = TimeChange::Set(then);
        set(
            &file,
            SetInfo::Basic(BasicChange {
                last_write_time,
                ..BasicChange::default()
            }),
        )
        .unwrap();
        write(&file.handle, 0, b"x").unwrap();
        wait(file.handle.close(CloseHow::Keep)).unwrap();
        assert_eq!(
            fs::metadata(fixture.path("a")).unwrap().mtime(),
            1_000_000_000
        );
        assert_eq!(write_time(&file), then);
    }

    #[test]
    fn writing_marks_the_file_for_the_archive() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let file_attributes = Some(FileAttributes::HIDDEN);
        set(
            &file,
            SetInfo::Basic(BasicChange {
                file_attributes,
                ..BasicChange::default()
            }),
        )
        .unwrap();
        assert_eq!(
            wait(file.handle.stat()).unwrap().attributes,
            FileAttributes::HIDDEN
        );
        write(&file.handle, 0, b"x").unwrap();
        let marked = FileAttributes::HIDDEN | FileAttributes::ARCHIVE;
        assert_eq!(wait(file.handle.stat()).unwrap().attributes, marked);
    }

    #[test]
    fn a_handle_for_reading_does_not_write() {
        let fixture = Fixture::new();
        fixture.create("a");
        let desired_access = AccessMask::FILE_READ_DATA;
        let file = fixture
            .open(
                "a",
                &OpenHow {
                    desired_access,
                    ..how(Disposition::Existing)
                },
            )
            .unwrap();
        assert!(write(&file.handle, 0, b"x").is_err());
        assert_eq!(fs::read(fixture.path("a")).unwrap(), b"");
    }
}
