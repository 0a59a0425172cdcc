//! Further names of a file.
//!
//! Owns hard links, and the names that they have on their way: where a link takes the name of another
//! file, it is made under such a name in the same folder and renamed from there, so that at each moment
//! the name is one file's or the other's. Clients neither see nor reach names on their way
//! ([`names::is_on_its_way`]). One that a server has left that was killed is removed by whoever next
//! lists the folder or wants to delete it, unless it has become the only name of its file.

use std::ffi::CStr;
use std::hash::BuildHasher;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FileType};
use rustix::io::Errno;
use server::share::{Name, Replace};
use wire::NtStatus;
use wire::dtyp::FileTime;

use super::attributes::{file_type, now};
use super::errno::status;
use super::file::{File, Opening};
use super::rename::{Place, may_remove, moved, reopened};
use super::resolve::{Folder, link_stat};
use super::security::{self, ParentSecurity};
use super::watch::Kind;
use super::{identity, names};

impl Opening {
    /// Gives the file a further name. [MS-FSA] 2.1.5.15.8
    pub(super) fn link_now(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        if self.file.directory {
            return Err(NtStatus::FILE_IS_A_DIRECTORY);
        }
        if self.stream.is_some() || target.is_root() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let (folder, last) = self.share.root.parent(target)?;
        let wanted = names::to_disk(last).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        ParentSecurity::of(&folder)?.check_may_add(&self.caller, self.file.directory)?;
        let _alone = self.share.changing(&folder);
        let Some(existing) = self.share.root.stored(&folder, last).map_err(status)? else {
            let own = [(folder.id, &wanted[..], Kind::Added)];
            let link = || self.link_at(&folder, &wanted);
            return self.share.watcher.own(&own, link).map_err(moved);
        };
        if replace == Replace::Never {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        let Some(victim) = self.may_replace(&folder, &existing, replace)? else {
            return Ok(());
        };
        self.link_onto(&folder, &existing, &victim)?;
        if existing != wanted {
            let place = Place {
                folder: reopened(&folder)?,
                stored: existing,
            };
            // In the old one's spelling, the name is the file's all the same.
            let _ = self.rename(&place, &folder, &wanted, None);
        }
        Ok(())
    }

    /// Gives the file a name that is free.
    fn link_at(&self, folder: &Folder, name: &[u8]) -> Result<(), Errno> {
        let source = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
        let flags = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(CWD, source, &folder.descriptor, name, flags)
    }

    /// Gives the file the name that is `victim`'s.
    fn link_onto(&self, folder: &Folder, existing: &[u8], victim: &File) -> Result<(), NtStatus> {
        let on_its_way = self.link_on_its_way(folder)?;
        let own = [(folder.id, existing, Kind::Added)];
        let rename = || {
            self.share.watcher.own(&own, || {
                let place = &folder.descriptor;
                rustix::fs::renameat(place, &on_its_way[..], place, existing)
            })
        };
        let granted = || may_remove(&self.caller, victim, folder);
        let renamed = security::as_stored(rename, granted);
        // It is there still if that failed, or if the name has become the file's own meanwhile: between two
        // names of one file the host's rename does nothing at all.
        remove(folder.descriptor.as_fd(), &on_its_way);
        renamed.map_err(moved)
    }

    /// Gives the file a name on its way, which is returned.
    fn link_on_its_way(&self, folder: &Folder) -> Result<Vec<u8>, NtStatus> {
        let mut result = Err(Errno::EXIST);
        for attempt in 0..MOST_ATTEMPTS {
            let chosen = self.share.hasher.hash_one((now().0, attempt));
            let name = names::on_its_way(chosen);
            result = self.link_at(folder, &name).map(|()| name);
            if !matches!(result, Err(Errno::EXIST)) {
                break;
            }
        }
        result.map_err(moved)
    }
}

/// Removes a name on its way, unless a server may still need it, or it is the last name of a file: then somebody
/// else has called it so, or removed the other, and there is something to lose.
pub(super) fn remove_if_left(folder: BorrowedFd<'_>, name: &CStr, now: FileTime) {
    let Ok(stat) = link_stat(folder, name.to_bytes()) else {
        return;
    };
    // Making the link has changed the file.
    let changed = FileTime::from_unix(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec);
    let age = Duration::from_nanos(now.0.saturating_sub(changed.0).saturating_mul(100));
    let has_others = stat.stx_nlink > 1 && file_type(&stat) != FileType::Directory;
    if age > LONGEST_WAY && has_others {
        remove(folder, name.to_bytes());
    }
}

/// Removes a name on its way, whoever's the file is. Nobody waits for it: a later one may succeed.
fn remove(folder: BorrowedFd<'_>, name: &[u8]) {
    let _ = identity::as_self(|| rustix::fs::unlinkat(folder, name, AtFlags::empty()));
}

/// Names tried for one link.
const MOST_ATTEMPTS: u32 = 8;
/// A name that has been on its way for longer has been left there.
const LONGEST_WAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use server::share::{CloseHow, Opened, SetInfo};
    use wire::fscc::FileAttributes;
    use wire::fscc::file_info::BasicChange;

    use super::super::testing::{Fixture, rename, set};
    use super::*;
    use crate::offload::tests::wait;

    fn link(file: &Opened, name: &str, replace: Replace) -> Result<(), NtStatus> {
        let target = Name::parse_text(name).unwrap();
        set(file, SetInfo::Link { target, replace })
    }

    #[test]
    fn a_link_is_a_further_name_of_the_file() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        link(&file, "second", Replace::Never).unwrap();
        assert_eq!(
            link(&file, "SECOND", Replace::Never),
            Err(NtStatus::OBJECT_NAME_COLLISION)
        );
        link(&file, "second", Replace::IfExists).unwrap();
        assert_eq!(wait(file.handle.stat()).unwrap().links, 2);
        let second = fixture.existing("second").unwrap();
        assert_eq!(second.handle.object(), file.handle.object());
        rename(&second, "file", Replace::IfExists).unwrap();
        assert_eq!(fixture.names(), ["file"]);
        wait(second.handle.close(CloseHow::Keep)).unwrap();
        let folder = fixture.create("folder\\");
        let refused = link(&folder, "x", Replace::Never);
        assert_eq!(refused, Err(NtStatus::FILE_IS_A_DIRECTORY));
    }

    #[test]
    fn a_name_that_a_link_takes_over_is_at_no_moment_nobodys() {
        let fixture = Fixture::new();
        let files = [fixture.create("one"), fixture.create("two")];
        fixture.create("Name");
        let done = std::sync::atomic::AtomicBool::new(false);
        let path = fixture.path("Name");
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let mut missed = 0;
                while !done.load(Ordering::Relaxed) {
                    missed += u32::from(!path.exists());
                }
                missed
            });
            for _ in 0..500 {
                for file in &files {
                    link(file, "Name", Replace::IfExists).unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(looking.join().unwrap(), 0);
        });
        assert_eq!(fixture.names(), ["Name", "one", "two"]);
        link(&files[0], "NAME", Replace::IfExists).unwrap();
        assert_eq!(fixture.names(), ["NAME", "one", "two"]);
        let name = fixture.existing("name").unwrap();
        assert_eq!(name.handle.object(), files[0].handle.object());
    }

    #[test]
    fn a_refused_replacement_leaves_both_files_as_they_were() {
        let fixture = Fixture::new();
        let (file, other) = (fixture.create("file"), fixture.create("other"));
        let file_attributes = Some(FileAttributes::READONLY);
        let change = BasicChange {
            file_attributes,
            ..BasicChange::default()
        };
        set(&other, SetInfo::Basic(change)).unwrap();
        fixture.create("folder\\");
        for name in ["other", "folder"] {
            let refused = link(&file, name, Replace::IfExists);
            assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
        }
        assert_eq!(fixture.names(), ["file", "folder", "other"]);
        assert_eq!(wait(file.handle.stat()).unwrap().links, 1);
    }

    #[test]
    fn a_name_that_was_left_on_its_way_is_never_shown_and_goes_in_time() {
        let fixture = Fixture::new();
        fixture.create("file");
        let left = String::from_utf8(names::on_its_way(7)).unwrap();
        let leave = || std::fs::hard_link(fixture.path("file"), fixture.path(&left)).unwrap();
        leave();
        assert_eq!(fixture.list("", "*"), [".", "..", "file"]);
        assert_eq!(fixture.list("", &left), [""; 0]);
        for name in [left.clone(), left.to_uppercase()] {
            let refused = fixture.existing(&name).map(drop);
            assert_eq!(refused, Err(NtStatus::OBJECT_NAME_INVALID));
        }
        assert_eq!(fixture.names().len(), 2, "it may be needed still");
        let folder = std::fs::File::open(fixture.path("")).unwrap();
        let name = std::ffi::CString::new(left).unwrap();
        let later = |seconds: u64| FileTime(now().0 + seconds * 10_000_000);
        remove_if_left(folder.as_fd(), &name, later(30));
        assert_eq!(fixture.names().len(), 2);
        remove_if_left(folder.as_fd(), &name, later(90));
        assert_eq!(fixture.names(), ["file"]);
    }

    #[test]
    fn a_file_that_has_no_other_name_is_never_removed() {
        let fixture = Fixture::new();
        let own = String::from_utf8(names::on_its_way(7)).unwrap();
        std::fs::write(fixture.path(&own), "of value").unwrap();
        let folder = std::fs::File::open(fixture.path("")).unwrap();
        let name = std::ffi::CString::new(own.clone()).unwrap();
        let later = FileTime(now().0 + 90 * 10_000_000);
        remove_if_left(folder.as_fd(), &name, later);
        assert_eq!(std::fs::read(fixture.path(&own)).unwrap(), b"of value");
    }
}
