//! The bytes of a file: reading, writing, sizes, and putting them on stable storage.
//!
//! Owns the decision which of these may be done where they stand. A read that the page cache can answer and a
//! write that the page cache takes never leave the thread that asks; everything that may wait for a
//! device goes to the pool. None of it needs the caller's identity: the descriptor has been opened with it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use server::share::{Answer, FileRegion, Place, ReplyRoom, WriteAt};
use wire::NtStatus;
use wire::fscc::FileAttributes;

use super::attributes::time;
use super::errno::status;
use super::file::Opening;
use super::{CachedReads, ready};

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
        if room.region_allowed() && room.length() >= SMALLEST_REGION {
            if let Some(region) = self.cached_region(at, room.length()) {
                let length = region.length;
                room.put_region(region);
                return ready(Ok(length));
            }
        }
        let file = self.file.as_fd();
        let (read, end) = match self.share.cached_reads {
            CachedReads::Always => {
                read_full(&self.file.descriptor, at, room.as_mut_slice(), ReadWriteFlags::empty())
            }
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

    /// The stretch of the file for the transport to send by itself, if it is in the page cache as far as its two ends
    /// tell.
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
        if let Some(stream) = &self.stream {
            return ready(self.stream_write(stream, at.place, &data));
        }
        if self.file.directory {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        }
        let through = at.write_through || self.write_through;
        if !through && data.len() <= self.share.largest_inline_write {
            return ready(self.write_now(at.place, &data, through));
        }
        let opening = Arc::clone(self);
        self.share.work.on_pool(None, move || opening.write_now(at.place, &data, through))
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
        if at.checked_add(data.len() as u64).is_none_or(|end| end > LARGEST_FILE) && !data.is_empty() {
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

    /// [MS-FSA] 2.1.4.17, before the change: remembers the write time that is to be seen for a while yet, and
    /// marks the file as one to be archived.
    fn note_write(&self) -> Result<(), NtStatus> {
        self.object.before_write(|| self.file.stat().ok().map(|stat| time(stat.stx_mtime)));
        if !self.wrote.swap(true, Ordering::Relaxed) {
            self.mark_archive()?;
        }
        Ok(())
    }

    fn mark_archive(&self) -> Result<(), NtStatus> {
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
            Ok(())
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

    /// Puts a new object's name on stable storage, once.
    fn sync_name(&self) -> Result<(), NtStatus> {
        if !self.unsynced_name.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let Ok(place) = self.place() else { return Ok(()) };
        let folder = self.share.root.open_path(
            &place.folder.path,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY,
        );
        // Without the right to list the folder, the file's own fsync has to do.
        folder.map_or(Ok(()), |folder: OwnedFd| rustix::fs::fsync(&folder).map_err(status))
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
