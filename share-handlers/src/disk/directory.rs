//! Listing a folder.
//!
//! Owns the order of entries (`.`, `..`, then the file system's own) and their positions, by which
//! a listing resumes after any entry, also after a restart of the handle's cursor. A pattern
//! without wildcards is looked up, not searched for.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, OFlags, RawDir, SeekFrom, Statx, StatxFlags};
use rustix::io::Errno;
use server::share::{Entry, FileStat, ListFrom};
use wire::fscc::Pattern;
use wire::{NtStatus, Utf16String};

use super::attributes::{file_stat, file_type, now};
use super::dosattrib::{self, DOSATTRIB, DosAttributes};
use super::errno::status;
use super::file::Opening;
use super::hidden::show_hidden;
use super::resolve::{Folder, join};
use super::{SymbolicLinks, extended, link, names, resolve, sys};

/// Where a handle's listing stands: what has been read of the folder and not been listed yet.
#[derive(Default)]
pub(super) struct Listing {
    /// The position before the first entry of `ahead`.
    position: u64,
    ahead: VecDeque<RawEntry>,
    /// Nothing is left behind `ahead`.
    at_end: bool,
}

struct RawEntry {
    name: CString,
    /// Behind the entry.
    position: u64,
}

impl Opening {
    /// Lists entries that match, from `from` on, about as many as encode into `room_bytes`.
    pub(super) fn list_now(
        &self,
        from: ListFrom,
        pattern: &Pattern,
        room_bytes: usize,
    ) -> Result<Vec<Entry>, NtStatus> {
        if !self.file.directory || self.stream.is_some() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if let Some(literal) = pattern.literal().filter(|name| !is_dot(name)) {
            return self.look_up(from, literal);
        }
        let mut listing = self.listing.lock();
        let mut position = match from {
            ListFrom::Start => {
                *listing = Listing::default();
                0
            }
            ListFrom::After(position) => position,
        };
        let mut entries = Vec::new();
        let mut used = 0;
        while used < room_bytes || entries.is_empty() {
            let found = match position {
                BEGIN => Some(self.dot(&[DOT], BEHIND_DOT)?),
                BEHIND_DOT => Some(self.dot(&[DOT, DOT], BEHIND_DOTS)?),
                _ => {
                    let Some(raw) = self.next_raw(&mut listing, position)? else {
                        break;
                    };
                    position = raw.position;
                    self.entry(&raw, pattern)?
                }
            };
            let Some(found) = found else { continue };
            position = found.position;
            if pattern.matches(found.name.as_units()) {
                used += (ENTRY_SIZE + found.name.len_bytes()).next_multiple_of(8);
                if used > room_bytes && !entries.is_empty() {
                    break;
                }
                entries.push(found);
            }
        }
        Ok(entries)
    }

    /// The one entry that a pattern without wildcards can match.
    fn look_up(&self, from: ListFrom, name: &[u16]) -> Result<Vec<Entry>, NtStatus> {
        if from != ListFrom::Start {
            return Ok(Vec::new());
        }
        let folder = self.as_folder()?;
        let stored = self.share.root.stored(&folder, name).map_err(status)?;
        let Some(stored) = stored.and_then(|stored| CString::new(stored).ok()) else {
            return Ok(Vec::new());
        };
        let entry = self.entry(
            &RawEntry {
                name: stored,
                position: u64::MAX,
            },
            &Pattern::any(),
        )?;
        Ok(entry.into_iter().collect())
    }

    /// This folder, opened anew for passing through.
    fn as_folder(&self) -> Result<Folder, NtStatus> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.file, c".", flags, rustix::fs::Mode::empty());
        Ok(Folder {
            descriptor: descriptor.map_err(status)?,
            id: self.object.id,
            path: Vec::new(),
            name: self.name.lock().clone(),
        })
    }

    /// `.` or `..`; the share's root is its own parent.
    fn dot(&self, name: &[u16], position: u64) -> Result<Entry, NtStatus> {
        let is_root = self.object.id == self.share.root_id;
        let parent = if name.len() == 2 && !is_root {
            parent_stat(self.file.as_fd())
        } else {
            None
        };
        let stat = match parent {
            Some(stat) => stat,
            None => self.file.full_stat()?.1,
        };
        let name = Utf16String::from_units(name.to_vec());
        Ok(Entry {
            name,
            stat,
            position,
        })
    }

    /// The next entry of the folder behind `position`, read ahead many at a time.
    fn next_raw(&self, listing: &mut Listing, position: u64) -> Result<Option<RawEntry>, NtStatus> {
        if listing.position != position {
            let start = position.saturating_sub(BEHIND_DOTS);
            rustix::fs::seek(&self.file, SeekFrom::Start(start)).map_err(status)?;
            *listing = Listing {
                position,
                ..Listing::default()
            };
        }
        if listing.ahead.is_empty() && !listing.at_end {
            self.read_ahead(listing)?;
        }
        let Some(entry) = listing.ahead.pop_front() else {
            return Ok(None);
        };
        listing.position = entry.position;
        Ok(Some(entry))
    }

    fn read_ahead(&self, listing: &mut Listing) -> Result<(), NtStatus> {
        let mut buffer = Vec::with_capacity(READ_AHEAD);
        let mut directory = RawDir::new(&self.file, buffer.spare_capacity_mut());
        loop {
            let Some(entry) = directory.next() else {
                listing.at_end = true;
                return Ok(());
            };
            let entry = entry.map_err(status)?;
            let name = entry.file_name();
            if names::is_on_its_way(name.to_bytes()) {
                link::remove_if_left(self.file.as_fd(), name, now());
            } else if !matches!(name.to_bytes(), b"." | b"..") {
                listing.ahead.push_back(RawEntry {
                    name: name.to_owned(),
                    position: entry.next_entry_cookie().saturating_add(BEHIND_DOTS),
                });
            }
            if directory.is_buffer_empty() && !listing.ahead.is_empty() {
                return Ok(());
            }
        }
    }

    /// What a client sees of an entry; none for one that does not match or that it cannot see.
    fn entry(&self, raw: &RawEntry, pattern: &Pattern) -> Result<Option<Entry>, NtStatus> {
        let name = names::from_disk(raw.name.to_bytes());
        if !pattern.matches(&name) {
            return Ok(None);
        }
        let Some(mut stat) = self.entry_stat(&raw.name)? else {
            return Ok(None);
        };
        if self.share.hidden_names.hides(&name) {
            show_hidden(&mut stat);
        }
        let name = Utf16String::from_units(name);
        Ok(Some(Entry {
            name,
            stat,
            position: raw.position,
        }))
    }

    /// None for what has been removed meanwhile, and for a link that leads nowhere a client may go.
    fn entry_stat(&self, name: &CStr) -> Result<Option<FileStat>, NtStatus> {
        let folder = self.file.as_fd();
        let host = match rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, STAT) {
            Ok(host) => host,
            Err(Errno::NOENT | Errno::STALE) => return Ok(None),
            Err(error) => return Err(status(error)),
        };
        if file_type(&host) == FileType::Symlink {
            return Ok(self.linked_stat(name));
        }
        let mut stat = with_attributes(&host, |buffer| {
            sys::getxattr_at(folder, name, DOSATTRIB, buffer)
        });
        stat.ea_size = extended::total_size_at(folder, name);
        Ok(Some(stat))
    }

    /// The metadata of what a link leads to, found from the root on as an open would.
    fn linked_stat(&self, name: &CStr) -> Option<FileStat> {
        if self.share.options.symbolic_links == SymbolicLinks::Never {
            return None;
        }
        let folder = self.share.root.path_of(self.file.as_fd()).ok()?;
        let path = join(&folder, name.to_bytes());
        let target = self.share.root.open_path(&path, OFlags::PATH).ok()?;
        let host = resolve::stat(target.as_fd()).ok()?;
        Some(with_attributes(&host, |buffer| {
            xattr_of_path(&target, buffer)
        }))
    }
}

fn parent_stat(folder: BorrowedFd<'_>) -> Option<FileStat> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(folder, c"..", flags, rustix::fs::Mode::empty()).ok()?;
    let host = resolve::stat(parent.as_fd()).ok()?;
    Some(with_attributes(&host, |buffer| {
        xattr_of_path(&parent, buffer)
    }))
}

fn xattr_of_path(object: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(object));
    rustix::fs::getxattr(path, DOSATTRIB, buffer)
}

fn with_attributes(host: &Statx, read: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> FileStat {
    let mut buffer = [0; dosattrib::LONGEST];
    let kept = read(&mut buffer)
        .ok()
        .and_then(|length| DosAttributes::decode(&buffer[..length]));
    file_stat(host, kept.as_ref())
}

fn is_dot(name: &[u16]) -> bool {
    matches!(name, [DOT] | [DOT, DOT])
}

const DOT: u16 = 0x2E;
/// Positions: those of the file system come behind the ones of `.` and `..`.
const BEGIN: u64 = 0;
const BEHIND_DOT: u64 = 1;
const BEHIND_DOTS: u64 = 2;
/// The fixed part of the largest of the common classes, FileIdBothDirectoryInformation.
const ENTRY_SIZE: usize = 104;
const READ_AHEAD: usize = 32 << 10;
const STAT: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::testing::{Fixture, write};
    use super::*;
    use crate::offload::tests::wait;

    #[test]
    fn a_listing_has_every_entry_once_with_the_dots_first() {
        let fixture = Fixture::new();
        for number in 0..1_500 {
            fs::write(fixture.path(&format!("File {number}")), "").unwrap();
        }
        let mut names = fixture.list("", "*");
        assert_eq!(names[..2], [".", ".."]);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 1_502);
        assert_eq!(fixture.list("", "file 7?").len(), 10);
        assert_eq!(fixture.list("", "*.nothing"), [""; 0]);
    }

    #[test]
    fn a_listing_resumes_behind_any_entry() {
        let fixture = Fixture::new();
        for number in 0..50 {
            fs::write(fixture.path(&number.to_string()), "").unwrap();
        }
        let folder = fixture.existing("").unwrap().handle;
        let all = wait(folder.list(ListFrom::Start, &Pattern::any(), 1 << 20)).unwrap();
        assert_eq!(all.len(), 52);
        for start in (0..52).rev() {
            let from = ListFrom::After(all[start].position);
            let rest = wait(folder.list(from, &Pattern::any(), 1 << 20)).unwrap();
            let names = |entries: &[Entry]| -> Vec<_> {
                entries.iter().map(|entry| entry.name.clone()).collect()
            };
            assert_eq!(names(&rest), names(&all[start + 1..]));
        }
    }

    #[test]
    fn a_name_without_wildcards_is_looked_up_in_any_case() {
        let fixture = Fixture::new();
        fs::write(fixture.path("Name"), "12345").unwrap();
        assert_eq!(fixture.list("", "nAME"), ["Name"]);
        assert_eq!(fixture.list("", "other"), [""; 0]);
        assert_eq!(fixture.list("", "."), ["."]);
    }

    #[test]
    fn entries_tell_what_a_stat_tells() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        write(&file.handle, 0, b"hello").unwrap();
        let stat = wait(file.handle.final_stat()).unwrap();
        let folder = fixture.existing("").unwrap().handle;
        let entries = wait(folder.list(ListFrom::Start, &Pattern::any(), 1 << 20)).unwrap();
        assert_eq!(entries[2].stat, stat);
        let root = wait(folder.stat()).unwrap();
        for dot in &entries[..2] {
            // Listing is access.
            let last_access_time = root.last_access_time;
            assert_eq!(
                FileStat {
                    last_access_time,
                    ..dot.stat
                },
                root
            );
        }
    }

    #[test]
    fn links_are_listed_as_what_they_lead_to_or_not_at_all() {
        let fixture = Fixture::new();
        fs::create_dir(fixture.path("folder")).unwrap();
        fs::write(fixture.path("file"), "12345").unwrap();
        symlink("../file", fixture.path("folder/good")).unwrap();
        symlink("../../outside", fixture.path("folder/outside")).unwrap();
        symlink("nowhere", fixture.path("folder/dangling")).unwrap();
        assert_eq!(fixture.list("folder", "*"), [".", "..", "good"]);
        let opened = fixture.existing("folder").unwrap().handle;
        let entries = wait(opened.list(ListFrom::Start, &Pattern::any(), 1 << 20)).unwrap();
        assert_eq!(entries[2].stat.end_of_file, 5);
    }

    #[test]
    fn a_file_is_not_listed() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        let refused = wait(file.handle.list(ListFrom::Start, &Pattern::any(), 1000));
        assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
    }
}
