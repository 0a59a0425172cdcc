//! From names to objects, always below the share's root and always by the kernel's own check.
//!
//! Owns the root's descriptor and the one call that opens anything below it. A name is tried as it
//! stands first, in one system call; only when it does not exist are its components looked up one
//! by one, without regard to case. Everything a caller does next uses the descriptor that was
//! opened, never the name again.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use server::share::{Name, ObjectId, TunnelCache, is_made_name};
use wire::{NtStatus, Utf16String};

use super::attributes::now;
use super::errno::{path_status, status};
use super::index::{NameIndex, scan_for_short};
use super::{SymbolicLinks, names};

/// The root of a share and how names below it are read.
pub(super) struct Root {
    descriptor: OwnedFd,
    links: SymbolicLinks,
    index: Option<NameIndex>,
    tunnel: TunnelCache,
}

/// A folder that was found, and where.
pub(super) struct Folder {
    /// The folder, opened for passing through only.
    pub descriptor: OwnedFd,
    /// Its identity.
    pub id: ObjectId,
    /// Its path on disk below the root; empty for the root itself.
    pub path: Vec<u8>,
    /// Its name below the root, as stored.
    pub name: Name,
}

/// An object that was found, and under which name.
pub(super) struct Found {
    /// The object, opened with the flags that were asked for.
    pub descriptor: OwnedFd,
    /// Its name below the root, as stored.
    pub name: Name,
}

impl Root {
    /// Opens the folder at `path`. Without `case_sensitive`, names match in any case; `local` says
    /// that this kernel sees every change to the file system.
    pub(super) fn open(
        path: &Path,
        links: SymbolicLinks,
        case_sensitive: bool,
    ) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        let index = if case_sensitive {
            None
        } else {
            Some(NameIndex::new(is_local(descriptor.as_fd())))
        };
        Ok(Self {
            descriptor,
            links,
            index,
            tunnel: TunnelCache::default(),
        })
    }

    /// The root's descriptor, for passing through only.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Opens a path below the root. Nothing outside is ever reached, whatever links are on the way
    /// and whoever changes them meanwhile.
    pub(super) fn open_path(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if self.links == SymbolicLinks::Never {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        let mut flags = flags | OFlags::CLOEXEC;
        if !flags.contains(OFlags::PATH) {
            flags |= OFlags::NOCTTY | OFlags::NONBLOCK;
        }
        // EAGAIN: somebody renamed a folder on the way; the kernel wants to be asked again.
        let mut result = Err(Errno::AGAIN);
        for _ in 0..MOST_ATTEMPTS {
            result = rustix::fs::openat2(&self.descriptor, path, flags, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// Opens what `name` names, in any case where the share ignores case.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND`, `OBJECT_PATH_NOT_FOUND`, `OBJECT_NAME_INVALID`, `ACCESS_DENIED`,
    /// `FILE_IS_A_DIRECTORY` for flags that write.
    pub(super) fn open_name(&self, name: &Name, flags: OFlags) -> Result<Found, Refusal> {
        let path = disk_path(name.components())?;
        match self.open_path(&path, flags) {
            Ok(descriptor) => {
                return Ok(Found {
                    descriptor,
                    name: as_read(name.components()),
                });
            }
            Err(Errno::NOENT) if !name.is_root() => {}
            Err(error) => return Err(self.refusal(&path, flags, error)),
        }
        let (folder, last) = self.parent(name)?;
        let Some(stored) = self.stored(&folder, last).map_err(path_status)? else {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
        };
        let path = join(&folder.path, &stored);
        let descriptor = self
            .open_path(&path, flags)
            .map_err(|error| self.refusal(&path, flags, error))?;
        let name = folder
            .name
            .child(Utf16String::from_units(names::from_disk(&stored)));
        Ok(Found { descriptor, name })
    }

    /// The folder that holds `name`, and the name's last component.
    ///
    /// # Errors
    /// `OBJECT_PATH_NOT_FOUND`, `OBJECT_NAME_INVALID`, `ACCESS_DENIED`; `INVALID_PARAMETER` for the
    /// root.
    pub(super) fn parent<'a>(&self, name: &'a Name) -> Result<(Folder, &'a [u16]), NtStatus> {
        let Some((last, components)) = name.components().split_last() else {
            return Err(NtStatus::INVALID_PARAMETER);
        };
        Ok((self.folder(components)?, last.as_units()))
    }

    fn folder(&self, components: &[Utf16String]) -> Result<Folder, NtStatus> {
        let path = disk_path(components).map_err(|_| NtStatus::OBJECT_PATH_NOT_FOUND)?;
        match self.open_path(&path, FOLDER) {
            Ok(descriptor) => {
                let id = identity_of(descriptor.as_fd()).map_err(status)?;
                Ok(Folder {
                    descriptor,
                    id,
                    path,
                    name: as_read(components),
                })
            }
            Err(Errno::NOENT) if self.index.is_some() => self.walk(components),
            Err(error) => Err(path_status(error)),
        }
    }

    /// Finds a folder component by component, without regard to case.
    fn walk(&self, components: &[Utf16String]) -> Result<Folder, NtStatus> {
        let descriptor = self.open_path(b"", FOLDER).map_err(path_status)?;
        let id = identity_of(descriptor.as_fd()).map_err(status)?;
        let mut folder = Folder {
            descriptor,
            id,
            path: Vec::new(),
            name: Name::root(),
        };
        for component in components {
            let stored = self
                .stored(&folder, component.as_units())
                .map_err(path_status)?;
            let stored = stored.ok_or(NtStatus::OBJECT_PATH_NOT_FOUND)?;
            let path = join(&folder.path, &stored);
            let descriptor = self.open_path(&path, FOLDER).map_err(path_status)?;
            let id = identity_of(descriptor.as_fd()).map_err(status)?;
            let name = folder
                .name
                .child(Utf16String::from_units(names::from_disk(&stored)));
            folder = Folder {
                descriptor,
                id,
                path,
                name,
            };
        }
        Ok(folder)
    }

    /// The name on disk of `component` in `folder`: as it stands if that exists, else in any case,
    /// else of the file that has it as its short name.
    pub(super) fn stored(
        &self,
        folder: &Folder,
        component: &[u16],
    ) -> Result<Option<Vec<u8>>, Errno> {
        let Some(exact) = names::to_disk(component) else {
            return Ok(None);
        };
        match link_stat(folder.descriptor.as_fd(), &exact) {
            Ok(_) => return Ok(Some(exact)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let component = names::as_read(component);
        let component = component.as_units();
        let found = match &self.index {
            Some(index) => index.find(folder.descriptor.as_fd(), folder.id, component)?,
            None => None,
        };
        // [MS-FSA] 2.1.5.1
        // The name may be a short one.
        if found.is_some() || !is_made_name(component) {
            return Ok(found);
        }
        let found = scan_for_short(folder.descriptor.as_fd(), component)?;
        if let Some(stored) = &found {
            let name = names::from_disk(stored);
            self.tunnel.found(folder.id, &name, now());
        }
        Ok(found)
    }

    /// The name that what is made in `folder` under this one is to have, if that is another. Where case
    /// counts, each name is what it is.
    // [MS-FSA] 2.1.1.2
    pub(super) fn tunnelled(&self, folder: &Folder, component: &[u16]) -> Option<Utf16String> {
        let component = names::as_read(component);
        let component = component.as_units();
        let may_be_short = self.index.is_some() && is_made_name(component);
        may_be_short.then(|| self.tunnel.long_name(folder.id, component, now()))?
    }

    /// The object's present path on disk below the root.
    ///
    /// # Errors
    /// `FILE_DELETED` when it has no name any more, or none below the root.
    pub(super) fn path_of(&self, descriptor: BorrowedFd<'_>) -> Result<Vec<u8>, NtStatus> {
        let root = proc_path(self.descriptor.as_fd())?;
        let path = proc_path(descriptor)?;
        if path == root {
            return Ok(Vec::new());
        }
        let prefix = if root == b"/" { &[][..] } else { &root[..] };
        let below = path
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix(b"/"));
        below.map(<[u8]>::to_vec).ok_or(NtStatus::FILE_DELETED)
    }

    /// Tells ENOTDIR about the object itself from ENOTDIR about a folder on the way.
    fn refusal(&self, path: &[u8], flags: OFlags, error: Errno) -> Refusal {
        if error != Errno::NOTDIR {
            return Refusal {
                status: status(error),
                error,
            };
        }
        let status = match self.open_path(path, OFlags::PATH) {
            Ok(_) if flags.contains(OFlags::DIRECTORY) => NtStatus::NOT_A_DIRECTORY,
            _ => NtStatus::OBJECT_PATH_NOT_FOUND,
        };
        Refusal { status, error }
    }
}

/// Why an open failed, for the client and for whoever may try again with other flags.
pub(super) struct Refusal {
    /// For the client.
    pub status: NtStatus,
    /// What the host said.
    pub error: Errno,
}

impl From<NtStatus> for Refusal {
    fn from(status: NtStatus) -> Self {
        Self {
            status,
            error: Errno::NOENT,
        }
    }
}

impl From<Refusal> for NtStatus {
    fn from(refusal: Refusal) -> Self {
        refusal.status
    }
}

/// The path on disk below the root of a name's components, as they stand.
pub(super) fn disk_path(components: &[Utf16String]) -> Result<Vec<u8>, NtStatus> {
    let length: usize = components
        .iter()
        .map(|part| part.as_units().len() + 1)
        .sum();
    let mut path = Vec::with_capacity(length);
    for component in components {
        if !path.is_empty() {
            path.push(b'/');
        }
        if !names::append_to_path(component.as_units(), &mut path) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
    }
    Ok(path)
}

/// The name as clients see it once it is found by these components.
fn as_read(components: &[Utf16String]) -> Name {
    components.iter().fold(Name::root(), |name, part| {
        name.child(names::as_read(part.as_units()))
    })
}

/// The name below the root of a path on disk.
pub(super) fn name_of(path: &[u8]) -> Name {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    parts.fold(Name::root(), |name, part| {
        name.child(Utf16String::from_units(names::from_disk(part)))
    })
}

/// `folder/name`, or `name` in the root.
pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        name.to_vec()
    } else {
        [folder, name].join(&b'/')
    }
}

/// The metadata of what stands under `name` in `folder`, a link itself and not what it leads to.
pub(super) fn link_stat(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Statx, Errno> {
    rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, STAT)
}

/// The metadata of an open object.
pub(super) fn stat(descriptor: BorrowedFd<'_>) -> Result<Statx, Errno> {
    rustix::fs::statx(descriptor, c"", AtFlags::EMPTY_PATH, STAT)
}

/// The identity that a stat tells.
pub(super) fn object_id(stat: &Statx) -> ObjectId {
    let volume = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    ObjectId {
        volume,
        file: stat.stx_ino,
    }
}

fn identity_of(descriptor: BorrowedFd<'_>) -> Result<ObjectId, Errno> {
    stat(descriptor).map(|stat| object_id(&stat))
}

fn proc_path(descriptor: BorrowedFd<'_>) -> Result<Vec<u8>, NtStatus> {
    let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let path = std::fs::read_link(link).map_err(|_| NtStatus::OBJECT_NAME_NOT_FOUND)?;
    Ok(path.as_os_str().as_bytes().to_vec())
}

/// Whether this kernel sees every change to the file system.
pub(super) fn is_local(descriptor: BorrowedFd<'_>) -> bool {
    /// NFS, SMB, SMB2, CIFS, FUSE, 9P, Ceph, AFS, Coda, Lustre, GFS2, OCFS2.
    const SHARED: [u64; 12] = [
        0x6969,
        0x517B,
        0xFE53_4D42,
        0xFF53_4D42,
        0x6573_5546,
        0x0102_1997,
        0x00C3_6400,
        0x5346_414F,
        0x7375_7245,
        0x0BD0_0BD0,
        0x0116_1970,
        0x7461_636F,
    ];
    rustix::fs::fstatfs(descriptor)
        .is_ok_and(|facts| !SHARED.contains(&(facts.f_type as u64 & 0xFFFF_FFFF)))
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
const STAT: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);
const MOST_ATTEMPTS: u32 = 64;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use server::share::Disposition;

    use super::super::testing::{Fixture, delete, how, read};
    use super::*;

    #[test]
    fn links_are_followed_only_as_configured_and_never_outside() {
        for (links, inside) in [
            (SymbolicLinks::WithinShare, None),
            (SymbolicLinks::Never, Some(NtStatus::ACCESS_DENIED)),
        ] {
            let fixture = Fixture::with(|options| options.symbolic_links = links);
            fs::write(fixture.outside.path().join("secret"), "secret").unwrap();
            fs::create_dir(fixture.path("folder")).unwrap();
            fs::write(fixture.path("folder/file"), "x").unwrap();
            symlink("folder/file", fixture.path("inside")).unwrap();
            symlink("../secret", fixture.path("above")).unwrap();
            symlink(fixture.outside.path(), fixture.path("absolute")).unwrap();
            symlink("../inside", fixture.path("folder/back")).unwrap();
            for name in ["inside", "folder\\back"] {
                assert_eq!(fixture.existing(name).err(), inside, "{name}");
            }
            for name in ["above", "absolute", "absolute\\secret"] {
                let refused = fixture.existing(name).unwrap_err();
                assert!(
                    [NtStatus::ACCESS_DENIED, NtStatus::OBJECT_PATH_NOT_FOUND].contains(&refused),
                    "{name}: {refused:?}"
                );
            }
            let planted = fixture.open("absolute\\planted", &how(Disposition::Either));
            assert!(planted.is_err());
            assert!(!fixture.outside.path().join("planted").exists());
        }
    }

    #[test]
    fn whoever_flips_a_link_while_names_are_opened_gains_nothing() {
        let fixture = Fixture::new();
        fs::create_dir(fixture.outside.path().join("target")).unwrap();
        fs::write(fixture.outside.path().join("target/file"), "secret").unwrap();
        fs::create_dir(fixture.path("real")).unwrap();
        fs::write(fixture.path("real/file"), "public").unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (link, real) = (fixture.path("flip"), fixture.path("real"));
                while !stop.load(Ordering::Relaxed) {
                    symlink("../target", &link).unwrap();
                    fs::remove_file(&link).unwrap();
                    fs::rename(&real, &link).unwrap();
                    fs::rename(&link, &real).unwrap();
                }
            });
            for round in 0..3_000 {
                if let Ok(opened) = fixture.existing("flip\\file") {
                    assert_eq!(read(&opened.handle, 0, 10).unwrap(), b"public");
                }
                let name = format!("flip\\new{}", round % 10);
                if let Ok(opened) = fixture.open(&name, &how(Disposition::Either)) {
                    delete(&opened).unwrap();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(
            fs::read_dir(fixture.outside.path().join("target"))
                .unwrap()
                .count(),
            1
        );
    }
}
