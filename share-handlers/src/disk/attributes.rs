//! What an object is: its metadata, read in one go, and changed piece by piece.
//!
//! Owns the translation between the host's stat and the attribute kept beside it on one side, and
//! [`FileStat`] on the other. Nothing that others can change is cached.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, FileType, Statx, StatxFlags, StatxTimestamp, Timespec, Timestamps, XattrFlags,
};
use rustix::io::Errno;
use server::share::FileStat;
use wire::NtStatus;
use wire::dtyp::FileTime;
use wire::fscc::file_info::BasicChange;
use wire::fscc::{FileAttributes, TimeChange};

use super::dosattrib::{self, DOSATTRIB, DosAttributes, SetChangeTime};
use super::errno::status;
use super::file::{File, Opening};
use super::hidden::show_hidden;
use super::{extended, resolve};

impl Opening {
    /// The present metadata, with what is held back for a while ([`super::objects`]).
    pub(super) fn present_stat(&self) -> Result<FileStat, NtStatus> {
        let (host, mut stat) = self.file.full_stat()?;
        self.object.show(&mut stat, &host);
        self.show_hidden(&mut stat);
        if let Some(stream) = &self.stream {
            self.stream_stat(stream, &mut stat)?;
        }
        Ok(stat)
    }

    /// Shows as hidden what its name hides.
    pub(super) fn show_hidden(&self, stat: &mut FileStat) {
        if self.hidden.load(Ordering::Relaxed) {
            show_hidden(stat);
        }
    }

    /// Carries out FileBasicInformation. [MS-FSA] 2.1.5.15.2
    pub(super) fn set_basic(&self, change: &BasicChange) -> Result<(), NtStatus> {
        let before = self.file.stat()?;
        self.object.release(&before);
        let present = match change.change_time {
            TimeChange::Freeze => self.file.full_stat()?.1.change_time,
            TimeChange::Keep | TimeChange::Set(_) | TimeChange::Thaw => FileTime::default(),
        };
        let mut sticky = self.sticky.lock();
        let modified = time(before.stx_mtime);
        sticky.write_time = sticky_time(sticky.write_time, change.last_write_time, modified);
        sticky.change_time = sticky_time(sticky.change_time, change.change_time, present);
        let change_time = sticky.change_time;
        drop(sticky);
        let access = to_set(change.last_access_time);
        let write = to_set(change.last_write_time);
        if access.is_some() || write.is_some() {
            self.file.set_times(access, write)?;
        }
        if let Some(write) = write {
            self.object.write_time_was_set(write);
        }
        let creation = to_set(change.creation_time);
        if creation.is_none() && change_time.is_none() && change.file_attributes.is_none() {
            return Ok(());
        }
        self.change_dos_attributes(|kept| {
            if let Some(mut attributes) = change.file_attributes {
                // A share's root that cannot be seen cannot be found.
                if self.object.id == self.share.root_id {
                    attributes =
                        attributes.without(FileAttributes::HIDDEN | FileAttributes::SYSTEM);
                }
                let sparse = kept.attributes & FileAttributes::SPARSE_FILE;
                kept.attributes = (attributes & FileAttributes::SETTABLE) | sparse;
            }
            if creation.is_some() {
                kept.creation_time = creation;
            }
            kept.change_time = change_time.map(|time| SetChangeTime {
                time,
                until: soon(),
            });
        })
    }

    /// Reads, changes and writes the kept attributes; the creation time is kept from the first
    /// change on.
    pub(super) fn change_dos_attributes(
        &self,
        change: impl FnOnce(&mut DosAttributes),
    ) -> Result<(), NtStatus> {
        let _alone = self.object.attributes.lock();
        let stat = self.file.stat()?;
        let mut kept = self.file.dos_attributes()?.unwrap_or_default();
        kept.creation_time = kept.creation_time.or_else(|| Some(birth(&stat)));
        change(&mut kept);
        self.file.set_dos_attributes(&kept)
    }
}

impl File {
    /// The host's metadata.
    pub(super) fn stat(&self) -> Result<Statx, NtStatus> {
        resolve::stat(self.as_fd()).map_err(status)
    }

    /// The host's metadata and what a client sees of it.
    pub(super) fn full_stat(&self) -> Result<(Statx, FileStat), NtStatus> {
        let host = self.stat()?;
        let kept = self.dos_attributes()?;
        let mut stat = file_stat(&host, kept.as_ref());
        stat.ea_size = extended::total_size(self);
        Ok((host, stat))
    }

    /// What the object's extended attribute keeps; none if it has none.
    pub(super) fn dos_attributes(&self) -> Result<Option<DosAttributes>, NtStatus> {
        let mut buffer = [0; dosattrib::LONGEST];
        match self.get_xattr(DOSATTRIB, &mut buffer) {
            Ok(length) => Ok(DosAttributes::decode(&buffer[..length])),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(None),
            Err(error) => Err(status(error)),
        }
    }

    /// Keeps `kept` beside the object.
    pub(super) fn set_dos_attributes(&self, kept: &DosAttributes) -> Result<(), NtStatus> {
        let bytes = kept.encode(self.directory);
        match self.set_xattr(DOSATTRIB, &bytes, XattrFlags::empty()) {
            // Nowhere to keep it: attributes are lost, files are not refused.
            Err(Errno::OPNOTSUPP) => Ok(()),
            result => result.map_err(status),
        }
    }

    /// Sets the access and the write time, as the caller, or as the server where the host would let
    /// only the owner do what the object's descriptor has granted the caller.
    pub(super) fn set_times(
        &self,
        access: Option<FileTime>,
        write: Option<FileTime>,
    ) -> Result<(), NtStatus> {
        let times = Timestamps {
            last_access: timespec(access),
            last_modification: timespec(write),
        };
        let set = || {
            if self.is_path() {
                let path = format!("/proc/self/fd/{}", self.as_fd().as_raw_fd());
                rustix::fs::utimensat(rustix::fs::CWD, path, &times, AtFlags::empty())
            } else {
                rustix::fs::futimens(self, &times)
            }
        };
        self.as_granted(set).map_err(status)
    }
}

/// What clients see of an object that has this metadata.
pub(super) fn file_stat(host: &Statx, kept: Option<&DosAttributes>) -> FileStat {
    let directory = is_directory(host);
    let mut attributes = match kept {
        Some(kept) => kept.attributes,
        // Made by a program of the host: to be archived, as everything new.
        None if directory => FileAttributes::NONE,
        None => FileAttributes::ARCHIVE,
    };
    if directory {
        attributes |= FileAttributes::DIRECTORY;
    }
    let change_time = time(host.stx_ctime);
    let set = kept
        .and_then(|kept| kept.change_time)
        .filter(|set| change_time <= set.until);
    FileStat {
        creation_time: kept
            .and_then(|kept| kept.creation_time)
            .unwrap_or_else(|| birth(host)),
        last_access_time: time(host.stx_atime),
        last_write_time: time(host.stx_mtime),
        change_time: set.map_or(change_time, |set| set.time),
        attributes: attributes.reported(),
        allocation_size: if directory { 0 } else { allocation(host, 0) },
        end_of_file: if directory { 0 } else { host.stx_size },
        links: if directory { 1 } else { host.stx_nlink },
        file_id: host.stx_ino,
        reparse_tag: 0,
        ea_size: 0,
    }
}

/// The bytes that the contents, and the room reserved for them, take on the volume.
///
/// A file system that keeps extended attributes in a block of their own counts it with the file's;
/// one block more than the contents need is taken for that, so that an empty file has size 0.
pub(super) fn allocation(host: &Statx, reserved: u64) -> u64 {
    let have = host.stx_blocks.saturating_mul(512);
    let need = host
        .stx_size
        .max(reserved)
        .checked_next_multiple_of(UNIT)
        .unwrap_or(u64::MAX);
    match have.checked_sub(need) {
        Some(1..=UNIT) => need,
        _ => have,
    }
}

/// Whether the host says that this is a folder.
pub(super) fn is_directory(host: &Statx) -> bool {
    file_type(host) == FileType::Directory
}

/// What the host says that this is.
pub(super) fn file_type(host: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(host.stx_mode))
}

/// When the object was made, or the earliest time known of it.
pub(super) fn birth(host: &Statx) -> FileTime {
    if host.stx_mask & StatxFlags::BTIME.bits() != 0 {
        return time(host.stx_btime);
    }
    time(host.stx_mtime)
        .min(time(host.stx_ctime))
        .min(time(host.stx_atime))
}

/// A time of the host.
pub(super) fn time(time: StatxTimestamp) -> FileTime {
    FileTime::from_unix(time.tv_sec, time.tv_nsec)
}

fn timespec(time: Option<FileTime>) -> Timespec {
    let Some(time) = time else {
        return Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        };
    };
    let (tv_sec, nanoseconds) = time.to_unix();
    Timespec {
        tv_sec,
        tv_nsec: nanoseconds.into(),
    }
}

fn to_set(change: TimeChange) -> Option<FileTime> {
    match change {
        TimeChange::Set(time) => Some(time),
        TimeChange::Keep | TimeChange::Freeze | TimeChange::Thaw => None,
    }
}

/// The time that this handle's own operations must not move, after `change`.
fn sticky_time(before: Option<FileTime>, change: TimeChange, now: FileTime) -> Option<FileTime> {
    match change {
        TimeChange::Keep => before,
        TimeChange::Set(time) => Some(time),
        TimeChange::Freeze => before.or(Some(now)),
        TimeChange::Thaw => None,
    }
}

/// The latest change time that setting an attribute right now can give an object: clocks of file
/// systems tick in milliseconds.
fn soon() -> FileTime {
    FileTime(now().0.saturating_add(CLOCK_TICK))
}

/// The time of day.
pub(super) fn now() -> FileTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    FileTime::from_unix(
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}

/// 10 ms, in units of 100 ns.
const CLOCK_TICK: u64 = 100_000;
/// The unit that allocation sizes are told in.
pub(super) const UNIT: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use server::share::{Opened, SetInfo};

    use super::super::testing::{Fixture, set};
    use super::*;
    use crate::offload::tests::wait;

    fn change(opened: &Opened, change: BasicChange) -> FileStat {
        set(opened, SetInfo::Basic(change)).unwrap();
        wait(opened.handle.stat()).unwrap()
    }

    #[test]
    fn all_four_times_read_back_as_they_were_set() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        for seconds in [-63_158_400, -2, -1, 0, 1, 4_294_967_295, 10_000_000_000] {
            let time = FileTime::from_unix(seconds, 700);
            let set = TimeChange::Set(time);
            let stat = change(
                &file,
                BasicChange {
                    creation_time: set,
                    last_access_time: set,
                    last_write_time: set,
                    change_time: set,
                    file_attributes: None,
                },
            );
            let times = [
                stat.creation_time,
                stat.last_access_time,
                stat.last_write_time,
                stat.change_time,
            ];
            assert_eq!(times, [time; 4], "{seconds}");
        }
        std::thread::sleep(Duration::from_millis(20));
        fs::write(fixture.path("a"), "changed from outside").unwrap();
        let stat = wait(file.handle.stat()).unwrap();
        assert!(stat.change_time > FileTime::from_unix(1_600_000_000, 0));
    }

    #[test]
    fn a_change_time_that_was_set_stays_when_the_same_handle_changes_attributes() {
        // test [MS-FSA] 2.1.5.15.2
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let time = FileTime::from_unix(1_500_000_000, 0);
        let set = |change_time, file_attributes| BasicChange {
            change_time,
            file_attributes,
            ..BasicChange::default()
        };
        change(&file, set(TimeChange::Set(time), None));
        std::thread::sleep(Duration::from_millis(20));
        let hidden = Some(FileAttributes::HIDDEN);
        let stat = change(&file, set(TimeChange::Keep, hidden));
        assert_eq!(
            (stat.change_time, stat.attributes),
            (time, FileAttributes::HIDDEN)
        );
        let archive = Some(FileAttributes::ARCHIVE);
        let stat = change(&file, set(TimeChange::Thaw, archive));
        assert!(stat.change_time > time);
    }

    #[test]
    fn freezing_and_thawing_move_nothing() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        for time in [TimeChange::Freeze, TimeChange::Thaw, TimeChange::Keep] {
            let stat = change(
                &file,
                BasicChange {
                    creation_time: time,
                    last_write_time: time,
                    ..BasicChange::default()
                },
            );
            assert_eq!(stat.last_write_time, file.stat.last_write_time);
            assert_eq!(stat.creation_time, file.stat.creation_time);
        }
    }

    #[test]
    fn attributes_are_kept_beside_the_file() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let hidden = FileAttributes::HIDDEN | FileAttributes::READONLY;
        let file_attributes = Some(hidden | FileAttributes::NORMAL);
        change(
            &file,
            BasicChange {
                file_attributes,
                ..BasicChange::default()
            },
        );
        assert_eq!(fixture.existing("a").unwrap().stat.attributes, hidden);
        let file_attributes = Some(FileAttributes::NORMAL);
        let stat = change(
            &file,
            BasicChange {
                file_attributes,
                ..BasicChange::default()
            },
        );
        assert_eq!(stat.attributes, FileAttributes::NORMAL);
        assert_eq!(stat.creation_time, file.stat.creation_time);
        let folder = fixture.create("b\\");
        assert_eq!(folder.stat.attributes, FileAttributes::DIRECTORY);
    }

    #[test]
    fn a_file_of_another_program_is_to_be_archived() {
        let fixture = Fixture::new();
        fs::write(fixture.path("a"), "x").unwrap();
        let stat = fixture.existing("a").unwrap().stat;
        assert_eq!(stat.attributes, FileAttributes::ARCHIVE);
        assert_eq!((stat.end_of_file, stat.allocation_size), (1, 4096));
    }

    #[test]
    fn a_block_of_attributes_is_no_part_of_the_file() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let long = vec![7; 2000];
        if rustix::fs::setxattr(fixture.path("a"), c"user.long", &long, XattrFlags::empty()).is_ok()
        {
            assert_eq!(wait(file.handle.stat()).unwrap().allocation_size, 0);
        }
    }
}
