//! Giving objects other names, and none.
//!
//! Owns where an object is now: every change of a name begins with the folder that holds it,
//! opened, and with the check that the name there still is the object. A name that has come to be
//! another's is never touched.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use rustix::fs::{Access, AtFlags, FileType, OFlags, RenameFlags};
use rustix::io::Errno;
use server::share::{Caller, Name, Replace};
use wire::NtStatus;
use wire::dtyp::AccessMask;
use wire::fscc::FileAttributes;

use super::attributes::{file_type, now};
use super::errno::status;
use super::file::{File, Mode, Opening};
use super::resolve::{self, Folder, join, link_stat, object_id};
use super::security::{self, ParentSecurity};
use super::watch::Kind;
use super::{identity, link, names};

/// Where an object is.
pub(super) struct Place {
    /// The folder that holds it.
    pub folder: Folder,
    /// Its name there, on disk.
    pub stored: Vec<u8>,
}

impl Opening {
    /// Where the object is now: under the name it was opened by if that still is the object, else
    /// wherever the host says it has gone.
    ///
    /// # Errors
    /// `FILE_DELETED` when it is nowhere below the root any more.
    pub(super) fn place(&self) -> Result<Place, NtStatus> {
        let name = self.name.lock().clone();
        if let Some(place) = self.place_by_name(&name) {
            return Ok(place);
        }
        let path = self.share.root.path_of(self.file.as_fd())?;
        let name = resolve::name_of(&path);
        let stored = path
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
            .to_vec();
        let (folder, _) = self
            .share
            .root
            .parent(&name)
            .map_err(|_| NtStatus::FILE_DELETED)?;
        if !self.is_here(&folder, &stored) {
            return Err(NtStatus::FILE_DELETED);
        }
        *self.name.lock() = name;
        Ok(Place { folder, stored })
    }

    fn place_by_name(&self, name: &Name) -> Option<Place> {
        let (folder, last) = self.share.root.parent(name).ok()?;
        let stored = names::to_disk(last)?;
        self.is_here(&folder, &stored)
            .then_some(Place { folder, stored })
    }

    /// Whether `stored` in `folder` is this object, or a link through which it was opened.
    fn is_here(&self, folder: &Folder, stored: &[u8]) -> bool {
        let Ok(stat) = link_stat(folder.descriptor.as_fd(), stored) else {
            return false;
        };
        if file_type(&stat) != FileType::Symlink {
            return object_id(&stat) == self.object.id;
        }
        let target = self
            .share
            .root
            .open_path(&join(&folder.path, stored), OFlags::PATH);
        let stat = target.and_then(|target| resolve::stat(target.as_fd()));
        stat.is_ok_and(|stat| object_id(&stat) == self.object.id)
    }

    /// The present name below the root, stream included.
    pub(super) fn present_name(&self) -> Result<Name, NtStatus> {
        let stream = self.stream.as_ref().map(|stream| stream.name());
        if self.object.id == self.share.root_id {
            return Ok(Name::root().with_stream(stream));
        }
        self.place()?;
        Ok(self.name.lock().with_stream(stream))
    }

    /// Whether the object could be deleted. [MS-FSA] 2.1.5.15.3
    pub(super) fn check_delete_now(&self) -> Result<(), NtStatus> {
        let (_, stat) = self.file.full_stat()?;
        if stat.attributes.contains(FileAttributes::READONLY)
            || self.object.id == self.share.root_id
        {
            return Err(NtStatus::CANNOT_DELETE);
        }
        if self.stream.is_some() {
            return Ok(());
        }
        if self.file.directory && !self.is_empty_folder()? {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY);
        }
        let folder = self.place()?.folder;
        let needed = Access::WRITE_OK | Access::EXEC_OK;
        let may = || rustix::fs::accessat(&folder.descriptor, c".", needed, AtFlags::EACCESS);
        security::as_stored(may, || may_remove(&self.caller, &self.file, &folder)).map_err(status)
    }

    fn is_empty_folder(&self) -> Result<bool, NtStatus> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = identity::as_self(|| {
            rustix::fs::openat(&self.file, c".", flags, rustix::fs::Mode::empty())
        })?;
        let mut entries = rustix::fs::Dir::new(opened.map_err(status)?).map_err(status)?;
        let now = now();
        let is_child = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
            entry.is_ok_and(|entry| match entry.file_name().to_bytes() {
                b"." | b".." => false,
                name if names::is_on_its_way(name) => {
                    link::remove_if_left(self.file.as_fd(), entry.file_name(), now);
                    link_stat(self.file.as_fd(), name).is_ok()
                }
                _ => true,
            })
        };
        Ok(!entries.any(is_child))
    }

    /// Removes the stream, or the object's name. What has gone already is no error.
    pub(super) fn delete_now(&self, caller: &Caller) -> Result<(), NtStatus> {
        if let Some(stream) = &self.stream {
            return self.remove_stream(stream);
        }
        self.delete_file(caller)
    }

    /// Removes the file's name, even where this handle is for a named stream.
    pub(super) fn delete_file(&self, caller: &Caller) -> Result<(), NtStatus> {
        let place = match self.place() {
            Err(NtStatus::FILE_DELETED) => return Ok(()),
            place => place?,
        };
        self.unlink(caller, &self.file, &place.folder, &place.stored)
    }

    /// Renames the object, or the stream. [MS-FSA] 2.1.5.15.12
    pub(super) fn rename_now(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        if let Some(stream) = &self.stream {
            let name = target.stream().ok_or(NtStatus::INVALID_PARAMETER)?;
            return self.rename_stream(stream, name, replace);
        }
        if self.object.id == self.share.root_id || target.is_root() {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let place = self.place()?;
        let (folder, last) = self.share.root.parent(target)?;
        let wanted = names::to_disk(last).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        if folder.id != place.folder.id {
            ParentSecurity::of(&folder)?.check_may_add(&self.caller, self.file.directory)?;
        }
        let _alone = self.share.changing(&folder);
        let same_folder = folder.id == place.folder.id;
        match self.share.root.stored(&folder, last).map_err(status)? {
            Some(existing) if same_folder && existing == place.stored => {
                if existing != wanted {
                    self.rename(&place, &folder, &wanted, None)?;
                }
            }
            Some(existing) => self.rename_onto(&place, &folder, &existing, &wanted, replace)?,
            None => self.rename(&place, &folder, &wanted, None)?,
        }
        *self.name.lock() = folder.name.child(names::as_read(last));
        let hidden = self.share.hidden_names.hides(last);
        self.hidden.store(hidden, Ordering::Relaxed);
        self.unsynced_name.store(true, Ordering::Relaxed);
        if !self.file.directory {
            self.mark_archive()?;
        }
        Ok(())
    }

    fn rename_onto(
        &self,
        place: &Place,
        folder: &Folder,
        existing: &[u8],
        wanted: &[u8],
        replace: Replace,
    ) -> Result<(), NtStatus> {
        let Some(victim) = self.may_replace(folder, existing, replace)? else {
            // Between two names of one file the host's rename does nothing at all.
            self.unlink(&self.caller, &self.file, &place.folder, &place.stored)?;
            if existing != wanted {
                let there = link_stat(folder.descriptor.as_fd(), wanted);
                if matches!(there, Err(Errno::NOENT)) {
                    let place = Place {
                        folder: reopened(folder)?,
                        stored: existing.to_vec(),
                    };
                    return self.rename(&place, folder, wanted, None);
                }
            }
            return Ok(());
        };
        // The name is taken over in one step, so that whatever happens one of the two has it; then
        // it gets the spelling that is wanted.
        self.rename(place, folder, existing, Some(&victim))?;
        if existing == wanted {
            return Ok(());
        }
        let place = Place {
            folder: reopened(folder)?,
            stored: existing.to_vec(),
        };
        // In the old one's spelling, the name is the share's all the same.
        self.rename(&place, folder, wanted, None).or(Ok(()))
    }

    /// Removes a name of `file` for `caller`; one that has gone already is no error.
    pub(super) fn unlink(
        &self,
        caller: &Caller,
        file: &File,
        folder: &Folder,
        stored: &[u8],
    ) -> Result<(), NtStatus> {
        let own = [(folder.id, stored, Kind::Removed)];
        let unlink = || self.share.watcher.own(&own, || unlink_at(folder, stored));
        match security::as_stored(unlink, || may_remove(caller, file, folder)) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::EXIST) => Err(NtStatus::DIRECTORY_NOT_EMPTY),
            Err(error) => Err(status(error)),
        }
    }

    pub(super) fn rename(
        &self,
        place: &Place,
        folder: &Folder,
        wanted: &[u8],
        victim: Option<&File>,
    ) -> Result<(), NtStatus> {
        let flags = match victim {
            Some(_) => RenameFlags::empty(),
            None => RenameFlags::NOREPLACE,
        };
        let may_add = || {
            folder.id == place.folder.id
                || security::folder_grants(
                    &self.caller,
                    folder,
                    security::to_add(self.file.directory),
                )
        };
        let granted = || {
            may_remove(&self.caller, &self.file, &place.folder)
                && may_add()
                && victim.is_none_or(|victim| may_remove(&self.caller, victim, folder))
        };
        let own = [
            (place.folder.id, &place.stored[..], Kind::Removed),
            (folder.id, wanted, Kind::Added),
        ];
        let rename = || {
            self.share
                .watcher
                .own(&own, || rename_at(place, folder, wanted, flags))
        };
        security::as_stored(rename, granted).map_err(moved)
    }

    /// What stands in the way and may go; none when it is this very object.
    pub(super) fn may_replace(
        &self,
        folder: &Folder,
        existing: &[u8],
        replace: Replace,
    ) -> Result<Option<File>, NtStatus> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        let opened =
            rustix::fs::openat(&folder.descriptor, existing, flags, mode).map_err(status)?;
        let file = File {
            descriptor: opened.into(),
            mode: Mode::Path,
            directory: false,
        };
        let host = file.stat()?;
        match file_type(&host) {
            _ if object_id(&host) == self.object.id => Ok(None),
            _ if replace == Replace::Never => Err(NtStatus::OBJECT_NAME_COLLISION),
            FileType::Directory => Err(NtStatus::ACCESS_DENIED),
            FileType::Symlink => Ok(Some(file)),
            _ => {
                let kept = file.dos_attributes()?.unwrap_or_default();
                if kept.attributes.contains(FileAttributes::READONLY) {
                    return Err(NtStatus::ACCESS_DENIED);
                }
                Ok(Some(file))
            }
        }
    }
}

/// Whether stored descriptors let `caller` take `file` out of its folder.
// [MS-FSA] 2.1.5.1.2.1
pub(super) fn may_remove(caller: &Caller, file: &File, folder: &Folder) -> bool {
    security::grants(caller, file, AccessMask::DELETE)
        || security::folder_grants(caller, folder, AccessMask::FILE_DELETE_CHILD)
}

/// Removes a name: a file's, a link's or an empty folder's.
pub(super) fn unlink_at(folder: &Folder, stored: &[u8]) -> Result<(), Errno> {
    let stat = link_stat(folder.descriptor.as_fd(), stored)?;
    let flags = match file_type(&stat) {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    rustix::fs::unlinkat(&folder.descriptor, stored, flags)
}

fn rename_at(
    place: &Place,
    folder: &Folder,
    wanted: &[u8],
    flags: RenameFlags,
) -> Result<(), Errno> {
    let (from, to) = (&place.folder.descriptor, &folder.descriptor);
    match rustix::fs::renameat_with(from, &place.stored[..], to, wanted, flags) {
        // The file system cannot refuse to replace by itself: the name was free a moment ago.
        Err(Errno::INVAL) if !flags.is_empty() => {
            rustix::fs::renameat(from, &place.stored[..], to, wanted)
        }
        result => result,
    }
}

/// Between names, EXDEV is about volumes and not about leaving the share.
pub(super) fn moved(error: Errno) -> NtStatus {
    match error {
        Errno::XDEV => NtStatus::NOT_SAME_DEVICE,
        error => status(error),
    }
}

pub(super) fn reopened(folder: &Folder) -> Result<Folder, NtStatus> {
    Ok(Folder {
        descriptor: folder
            .descriptor
            .try_clone()
            .map_err(|_| NtStatus::TOO_MANY_OPENED_FILES)?,
        id: folder.id,
        path: folder.path.clone(),
        name: folder.name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;

    use server::share::{HostUser, SetInfo};
    use wire::fscc::file_info::BasicChange;

    use super::super::identity::tests::{skipped_without_root, stranger};
    use super::super::testing::{Fixture, caller, delete, delete_as, looking, rename, set, write};
    use super::*;
    use crate::offload::tests::wait;

    #[test]
    fn a_rename_replaces_only_when_it_may() {
        let fixture = Fixture::new();
        let first = fixture.create("first");
        fixture.create("Second");
        let refused = rename(&first, "SECOND", Replace::Never);
        assert_eq!(refused, Err(NtStatus::OBJECT_NAME_COLLISION));
        rename(&first, "SECOND", Replace::IfExists).unwrap();
        assert_eq!(fixture.names(), ["SECOND"]);
        assert_eq!(wait(first.handle.name()).unwrap().to_string(), "SECOND");
        fixture.create("folder\\");
        let refused = rename(&first, "folder", Replace::IfExists);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
        let missing = rename(&first, "no\\where", Replace::Never);
        assert_eq!(missing, Err(NtStatus::OBJECT_PATH_NOT_FOUND));
    }

    #[test]
    fn a_rename_changes_case_alone() {
        let fixture = Fixture::new();
        let file = fixture.create("name");
        rename(&file, "NAME", Replace::Never).unwrap();
        assert_eq!(fixture.names(), ["NAME"]);
        rename(&file, "NAME", Replace::Never).unwrap();
        assert_eq!(fixture.existing("name").unwrap().name.to_string(), "NAME");
    }

    #[test]
    fn a_folder_moves_with_what_is_open_in_it() {
        let fixture = Fixture::new();
        let folder = fixture.create("old\\");
        let file = fixture.create("old\\file");
        fixture.create("other\\");
        rename(&folder, "other\\new", Replace::Never).unwrap();
        assert_eq!(
            wait(file.handle.name()).unwrap().to_string(),
            "other\\new\\file"
        );
        write(&file.handle, 0, b"x").unwrap();
        delete(&file).unwrap();
        delete(&folder).unwrap();
        assert!(!fixture.path("other/new").exists());
        let inside = rename(
            &fixture.existing("other").unwrap(),
            "other\\x",
            Replace::Never,
        );
        assert!(inside.is_err());
    }

    #[test]
    fn an_object_is_deleted_wherever_somebody_has_moved_it() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        fs::rename(fixture.path("a"), fixture.path("moved")).unwrap();
        fs::write(fixture.path("a"), "another").unwrap();
        delete(&file).unwrap();
        assert_eq!(fixture.names(), ["a"]);
        delete(&file).unwrap();
        assert_eq!(fs::read(fixture.path("a")).unwrap(), b"another");
    }

    #[test]
    fn a_deletion_has_the_rights_of_who_asked_for_it_and_not_of_who_closes_last() {
        if skipped_without_root(
            "a_deletion_has_the_rights_of_who_asked_for_it_and_not_of_who_closes_last",
        ) {
            return;
        }
        let fixture = Fixture::new();
        let folder = fixture.create("folder\\");
        fs::set_permissions(fixture.outside.path(), Permissions::from_mode(0o755)).unwrap();
        let (one, two) = (fixture.create("folder\\one"), fixture.create("folder\\two"));
        let owner = caller(Some(stranger()));
        // Nobody but the stranger may take names out of the folder.
        let host = stranger();
        std::os::unix::fs::chown(fixture.path("folder"), Some(host.uid), Some(host.gid)).unwrap();
        fs::set_permissions(fixture.path("folder"), Permissions::from_mode(0o755)).unwrap();
        let another = HostUser {
            uid: host.uid + 1,
            gid: host.gid + 1,
            groups: vec![],
        };
        let another = caller(Some(Arc::new(another)));
        let opened = fixture.open_as(&another, "folder\\one", &looking());
        drop((folder, one, two));
        assert_eq!(delete_as(&opened.unwrap(), &owner), Ok(()));
        assert!(!fixture.path("folder/one").exists());
        let opened = fixture.open_as(&owner, "folder\\two", &looking());
        let denied = Err(NtStatus::ACCESS_DENIED);
        assert_eq!(delete_as(&opened.unwrap(), &another), denied);
        assert!(fixture.path("folder/two").exists());
    }

    #[test]
    fn what_left_the_share_is_not_deleted() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        fs::rename(fixture.path("a"), fixture.outside.path().join("a")).unwrap();
        delete(&file).unwrap();
        assert!(fixture.outside.path().join("a").exists());
        assert_eq!(wait(file.handle.name()), Err(NtStatus::FILE_DELETED));
    }

    #[test]
    fn deleting_by_a_link_removes_the_link() {
        let fixture = Fixture::new();
        fixture.create("target");
        symlink("target", fixture.path("link")).unwrap();
        delete(&fixture.existing("link").unwrap()).unwrap();
        assert_eq!(fixture.names(), ["target"]);
    }

    #[test]
    fn what_must_stay_cannot_be_deleted() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        assert_eq!(wait(file.handle.check_delete()), Ok(()));
        let file_attributes = Some(FileAttributes::READONLY);
        set(
            &file,
            SetInfo::Basic(BasicChange {
                file_attributes,
                ..BasicChange::default()
            }),
        )
        .unwrap();
        assert_eq!(
            wait(file.handle.check_delete()),
            Err(NtStatus::CANNOT_DELETE)
        );
        let folder = fixture.create("folder\\");
        assert_eq!(wait(folder.handle.check_delete()), Ok(()));
        fixture.create("folder\\x");
        assert_eq!(
            wait(folder.handle.check_delete()),
            Err(NtStatus::DIRECTORY_NOT_EMPTY)
        );
        assert_eq!(delete(&folder), Err(NtStatus::DIRECTORY_NOT_EMPTY));
        let root = fixture.existing("").unwrap();
        assert_eq!(
            wait(root.handle.check_delete()),
            Err(NtStatus::CANNOT_DELETE)
        );
    }
}
