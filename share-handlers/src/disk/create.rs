//! Making files and folders, whole or not at all.
//!
//! Owns what a new object is given: its owner, attributes, descriptor, extended attributes and
//! reserved room.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode as HostMode, OFlags, Statx};
use server::share::{Caller, Name, OpenHow, StreamType, Wanted};
use wire::fscc::FileAttributes;
use wire::{NtStatus, Utf16String};

use super::attributes::birth;
use super::data::reserve;
use super::dosattrib::DosAttributes;
use super::errno::status;
use super::file::{File, Mode};
use super::open::Object;
use super::rename::unlink_at;
use super::resolve::{Folder, object_id};
use super::security::{self, ParentSecurity};
use super::watch::Kind;
use super::{DiskShare, extended, identity, names, resolve};

/// Makes the file or folder, with everything that belongs to a new one.
pub(super) fn create(
    share: &Arc<DiskShare>,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
) -> Result<Object, NtStatus> {
    if name.is_root() {
        return Err(NtStatus::OBJECT_NAME_COLLISION);
    }
    let directory =
        how.wanted == Wanted::Directory || name.stream_type() == Some(StreamType::IndexAllocation);
    let (folder, last) = share.root.parent(name)?;
    let tunnelled = share.root.tunnelled(&folder, last);
    let last = tunnelled.as_ref().map_or(last, Utf16String::as_units);
    let stored = names::to_disk(last).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
    let parent = ParentSecurity::of(&folder)?;
    parent.check_may_add(caller, directory)?;
    let _alone = share.changing(&folder);
    if share.root.stored(&folder, last).map_err(status)?.is_some() {
        return Err(NtStatus::OBJECT_NAME_COLLISION);
    }
    let descriptor = if directory {
        make_folder(share, caller, &folder, &stored)?
    } else {
        make_file(share, caller, &folder, &stored)?
    };
    let file = File {
        descriptor: Arc::new(descriptor),
        mode: if directory {
            Mode::Read
        } else {
            Mode::ReadWrite
        },
        directory,
    };
    match equip(share, caller, &folder, parent, &file, how) {
        Ok(host) => {
            let name = folder.name.child(names::as_read(last));
            Ok(Object {
                file,
                host,
                name,
                created: true,
            })
        }
        Err(status) => {
            // Nothing is left of what could not be made whole.
            let _ = unlink_at(&folder, &stored);
            Err(status)
        }
    }
}

fn make_file(
    share: &DiskShare,
    caller: &Caller,
    folder: &Folder,
    stored: &[u8],
) -> Result<OwnedFd, NtStatus> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = HostMode::from_raw_mode(share.options.file_mode);
    let own = [(folder.id, stored, Kind::Added)];
    let make = || {
        let made = || rustix::fs::openat(&folder.descriptor, stored, flags, mode);
        share.watcher.own(&own, made)
    };
    let granted = || security::folder_grants(caller, folder, security::to_add(false));
    security::as_stored(make, granted).map_err(status)
}

/// Making and opening a folder are two steps, between which somebody else may put another folder in
/// its place: only one that has the right owner and no folders in it is taken.
fn make_folder(
    share: &DiskShare,
    caller: &Caller,
    folder: &Folder,
    stored: &[u8],
) -> Result<OwnedFd, NtStatus> {
    let mode = HostMode::from_raw_mode(share.options.directory_mode);
    let own = [(folder.id, stored, Kind::Added)];
    let make = || {
        share.watcher.own(&own, || {
            rustix::fs::mkdirat(&folder.descriptor, stored, mode)
        })
    };
    let granted = || security::folder_grants(caller, folder, security::to_add(true));
    security::as_stored(make, granted).map_err(status)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = identity::as_self(|| {
        rustix::fs::openat(&folder.descriptor, stored, flags, HostMode::empty())
    })?;
    let opened = opened.map_err(status)?;
    let host = resolve::stat(opened.as_fd()).map_err(status)?;
    let owners = [identity::worn_uid(), identity::own_ids().0];
    if !owners.contains(&host.stx_uid) || host.stx_nlink > 2 {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(opened)
}

/// What the server had to make in the caller's stead becomes the caller's.
fn give_to_caller(caller: &Caller, file: &File, host: &Statx) -> Result<(), NtStatus> {
    let Some(user) = caller
        .host
        .as_ref()
        .filter(|_| host.stx_uid != identity::worn_uid())
    else {
        return Ok(());
    };
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(user.uid),
        rustix::fs::Gid::from_raw(user.gid),
    );
    identity::as_self(|| rustix::fs::fchown(file, Some(uid), Some(gid)))?.map_err(status)
}

/// Gives a new object its attributes, descriptor, extended attributes and reserved room.
fn equip(
    share: &DiskShare,
    caller: &Caller,
    folder: &Folder,
    parent: ParentSecurity,
    file: &File,
    how: &OpenHow,
) -> Result<Statx, NtStatus> {
    let host = file.stat()?;
    share.watcher.touched(object_id(&host));
    give_to_caller(caller, file, &host)?;
    let mut attributes = how.attributes & FileAttributes::SETTABLE;
    if !file.directory {
        // [MS-FSA] 2.1.5.1.1
        attributes |= FileAttributes::ARCHIVE;
    }
    let creation_time = Some(birth(&host));
    file.set_dos_attributes(&DosAttributes {
        attributes,
        creation_time,
        change_time: None,
    })?;
    parent.equip(caller, folder, file, how.security.as_ref())?;
    extended::set(file, &how.extended_attributes)?;
    if !file.directory {
        reserve(file, how.allocation_size)?;
    }
    file.stat()
}
