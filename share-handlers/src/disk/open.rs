//! Opening and creating.
//!
//! Owns the steps of CREATE that concern the disk: find or make the object, open it for what was asked, tell
//! what it is. Nothing that exists is changed here; what is made is undone when a later step fails.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use rustix::fs::{FileType, Mode as HostMode, OFlags, Statx};
use rustix::io::Errno;
use server::share::{
    Caller, Disposition, FileStat, Name, OpenHow, Opened, StreamType, Wanted,
};
use wire::dtyp::AccessMask;
use wire::fscc::FileAttributes;
use wire::{NtStatus, Utf16String};

use super::attributes::{birth, file_stat, file_type};
use super::data::reserve;
use super::dosattrib::DosAttributes;
use super::errno::status;
use super::file::{File, Mode, Opening};
use super::handle::DiskHandle;
use super::rename::unlink;
use super::resolve::{Folder, Found, Refusal, object_id};
use super::{DiskShare, extended, identity, names, resolve, streams};

/// An object that was found or made, before it becomes an open.
struct Object {
    file: File,
    host: Statx,
    name: Name,
    created: bool,
}

/// Opens or creates, under the identity that the thread wears.
pub(super) fn open_now(
    share: &Arc<DiskShare>,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
) -> Result<Opened, NtStatus> {
    check_request(share, name, how)?;
    let of_stream = name.stream().is_some();
    // A name that exists but is to be made anew is a collision, which making it tells.
    let may_exist = how.disposition != Disposition::New || of_stream;
    let may_create = how.disposition != Disposition::Existing;
    for _ in 0..MOST_ATTEMPTS {
        if may_exist {
            match existing(share, name, how) {
                Ok(object) => return opened(share, caller, name, how, object),
                Err(NtStatus::OBJECT_NAME_NOT_FOUND) if may_create => {}
                Err(status) => return Err(status),
            }
        }
        match create(share, caller, name, how) {
            Ok(object) => return opened(share, caller, name, how, object),
            // Somebody else has just made it.
            Err(NtStatus::OBJECT_NAME_COLLISION) if may_exist => {}
            Err(status) => return Err(status),
        }
    }
    Err(NtStatus::INSUFFICIENT_RESOURCES)
}

fn check_request(share: &DiskShare, name: &Name, how: &OpenHow) -> Result<(), NtStatus> {
    // There are no versions of the past.
    if how.snapshot.is_some() {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    if name.stream().is_none() {
        return Ok(());
    }
    if !share.options.streams {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    // [MS-FSA] 2.1.5.1
    if how.wanted == Wanted::Directory {
        return Err(NtStatus::NOT_A_DIRECTORY);
    }
    Ok(())
}

/// Opens what exists, as widely as was asked.
fn existing(share: &DiskShare, name: &Name, how: &OpenHow) -> Result<Object, NtStatus> {
    let of_stream = name.stream().is_some();
    let mut modes = if of_stream { METADATA } else { modes(how) };
    let mut refusal = Refusal::from(NtStatus::ACCESS_DENIED);
    while let Some((mode, narrower)) = modes.split_first() {
        let mut flags = mode.flags();
        if how.wanted == Wanted::Directory {
            flags |= OFlags::DIRECTORY;
        }
        modes = narrower;
        match share.root.open_name(name, flags) {
            Ok(found) => {
                let object = recognised(share, found, *mode)?;
                check_kind(&object, name, how)?;
                return Ok(object);
            }
            // A folder is opened for listing whatever is to be added to it.
            Err(Refusal { error: Errno::ISDIR, .. }) => {
                if how.wanted == Wanted::File && !of_stream {
                    return Err(NtStatus::FILE_IS_A_DIRECTORY);
                }
                modes = METADATA;
            }
            Err(denied @ Refusal { error: Errno::ACCESS | Errno::PERM, .. }) => refusal = denied,
            // A socket, or a pipe that nobody reads: it has a name and nothing to write to.
            Err(Refusal { error: Errno::NXIO, .. }) => return Err(NtStatus::ACCESS_DENIED),
            Err(other) => return Err(other.status),
        }
    }
    Err(refusal.status)
}

/// What has been opened. Of a special file nothing but the metadata is ever used.
fn recognised(share: &DiskShare, found: Found, mode: Mode) -> Result<Object, NtStatus> {
    let host = resolve::stat(found.descriptor.as_fd()).map_err(status)?;
    let special = !matches!(file_type(&host), FileType::RegularFile | FileType::Directory);
    if special && mode != Mode::Path {
        if mode != Mode::Read {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let found = share.root.open_name(&found.name, OFlags::PATH)?;
        return recognised(share, found, Mode::Path);
    }
    let directory = file_type(&host) == FileType::Directory;
    let file = File { descriptor: Arc::new(found.descriptor), mode, directory };
    Ok(Object { file, host, name: found.name, created: false })
}

/// [MS-FSA] 2.1.5.1
fn check_kind(object: &Object, name: &Name, how: &OpenHow) -> Result<(), NtStatus> {
    let directory = object.file.directory;
    let as_data = how.wanted == Wanted::File || name.stream_type() == Some(StreamType::Data);
    if directory && as_data && name.stream().is_none() {
        return Err(NtStatus::FILE_IS_A_DIRECTORY);
    }
    if !directory && name.stream_type() == Some(StreamType::IndexAllocation) {
        return Err(NtStatus::NOT_A_DIRECTORY);
    }
    let wants_data = how.desired_access.intersects(READS.with(WRITES)) && name.stream().is_none();
    if object.file.is_path() && !directory && wants_data {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(())
}

/// Makes the file or folder, with everything that belongs to a new one.
fn create(
    share: &Arc<DiskShare>,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
) -> Result<Object, NtStatus> {
    if name.is_root() {
        return Err(NtStatus::OBJECT_NAME_COLLISION);
    }
    let directory = how.wanted == Wanted::Directory
        || name.stream_type() == Some(StreamType::IndexAllocation);
    let (folder, last) = share.root.parent(name)?;
    let stored = names::to_disk(last).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
    share.check_may_add(caller, &folder, directory)?;
    let _alone = share.changing(&folder);
    if share.root.stored(&folder, last).map_err(status)?.is_some() {
        return Err(NtStatus::OBJECT_NAME_COLLISION);
    }
    let descriptor = if directory {
        make_folder(share, &folder, &stored)?
    } else {
        make_file(share, &folder, &stored)?
    };
    let file = File {
        descriptor: Arc::new(descriptor),
        mode: if directory { Mode::Read } else { Mode::ReadWrite },
        directory,
    };
    match equip(share, caller, &folder, &file, how) {
        Ok(host) => {
            let name = folder.name.child(Utf16String::from_units(last.to_vec()));
            Ok(Object { file, host, name, created: true })
        }
        Err(status) => {
            // Nothing is left of what could not be made whole.
            let _ = unlink(&folder, &stored);
            Err(status)
        }
    }
}

fn make_file(share: &DiskShare, folder: &Folder, stored: &[u8]) -> Result<OwnedFd, NtStatus> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = HostMode::from_raw_mode(share.options.file_mode);
    rustix::fs::openat(&folder.descriptor, stored, flags, mode).map_err(status)
}

/// Making and opening a folder are two steps, between which somebody else may put another folder in its place: only an
/// empty one of the caller's own is taken.
fn make_folder(share: &DiskShare, folder: &Folder, stored: &[u8]) -> Result<OwnedFd, NtStatus> {
    let mode = HostMode::from_raw_mode(share.options.directory_mode);
    rustix::fs::mkdirat(&folder.descriptor, stored, mode).map_err(status)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = identity::as_self(|| {
        rustix::fs::openat(&folder.descriptor, stored, flags, HostMode::empty())
    })?;
    let opened = opened.map_err(status)?;
    let host = resolve::stat(opened.as_fd()).map_err(status)?;
    if host.stx_uid != identity::worn_uid() || host.stx_nlink > 2 {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(opened)
}

/// Gives a new object its attributes, descriptor, extended attributes and reserved room.
fn equip(
    share: &DiskShare,
    caller: &Caller,
    folder: &Folder,
    file: &File,
    how: &OpenHow,
) -> Result<Statx, NtStatus> {
    let host = file.stat()?;
    let mut attributes = how.attributes & FileAttributes::SETTABLE;
    if !file.directory {
        // [MS-FSA] 2.1.5.1.1
        attributes |= FileAttributes::ARCHIVE;
    }
    let creation_time = Some(birth(&host));
    file.set_dos_attributes(&DosAttributes { attributes, creation_time, change_time: None })?;
    share.set_first_security(caller, folder, file, how.security.as_ref())?;
    extended::set(file, &how.extended_attributes)?;
    if !file.directory {
        reserve(file, how.allocation_size)?;
    }
    file.stat()
}

/// Makes an open of an object, and finds or makes the stream.
fn opened(
    share: &Arc<DiskShare>,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
    object: Object,
) -> Result<Opened, NtStatus> {
    let Object { file, host, name: stored_name, mut created } = object;
    let shared = share.objects.share(object_id(&host));
    let mut stream = None;
    if let Some(wanted) = name.stream() {
        let _alone = shared.streams.lock();
        stream = streams::find(&file, wanted, share.options.case_sensitive)?;
        created = stream.is_none();
        match how.disposition {
            Disposition::Existing if created => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            Disposition::New if !created => return Err(NtStatus::OBJECT_NAME_COLLISION),
            _ if created => stream = Some(streams::create(&file, wanted)?),
            _ => {}
        }
    }
    if created && stream.is_none() && !file.directory {
        shared.reserve(how.allocation_size);
    }
    let security = share.security_of(&file, &host)?;
    let opening = Arc::new(Opening {
        share: Arc::clone(share),
        caller: caller.clone(),
        file,
        object: shared,
        stream,
        name: Mutex::new(stored_name),
        sticky: Mutex::default(),
        listing: Mutex::default(),
        write_through: how.write_through,
        unsynced_name: AtomicBool::new(created),
        wrote: AtomicBool::new(false),
    });
    let stat = first_stat(&opening, &host)?;
    let stream = opening.stream.as_ref().map(|stream| stream.name.clone());
    let name = opening.name.lock().with_stream(stream.clone());
    Ok(Opened { handle: Arc::new(DiskHandle(opening)), created, stat, security, stream, name })
}

/// The metadata, without asking the host again for what it has just said.
fn first_stat(opening: &Opening, host: &Statx) -> Result<FileStat, NtStatus> {
    if opening.stream.is_some() {
        return opening.present_stat();
    }
    let kept = opening.file.dos_attributes()?;
    let mut stat = file_stat(host, kept.as_ref());
    stat.ea_size = extended::total_size(&opening.file);
    opening.object.show(&mut stat, host);
    Ok(stat)
}

/// What the descriptor is to be opened for, best first.
fn modes(how: &OpenHow) -> &'static [Mode] {
    let access = how.desired_access;
    if how.wanted == Wanted::Directory {
        return METADATA;
    }
    if access.contains(AccessMask::MAXIMUM_ALLOWED) {
        return &[Mode::ReadWrite, Mode::Read, Mode::Write, Mode::Path];
    }
    let reads = access.intersects(READS);
    let writes = access.intersects(WRITES) || how.overwrite;
    match (reads, writes) {
        (true, true) => &[Mode::ReadWrite],
        (true, false) => &[Mode::Read],
        (false, true) => &[Mode::Write],
        (false, false) => METADATA,
    }
}

impl Mode {
    fn flags(self) -> OFlags {
        match self {
            Self::Path => OFlags::PATH,
            Self::Read => OFlags::RDONLY,
            Self::Write => OFlags::WRONLY,
            Self::ReadWrite => OFlags::RDWR,
        }
    }
}

const METADATA: &[Mode] = &[Mode::Read, Mode::Path];
const READS: AccessMask = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_EXECUTE);
const WRITES: AccessMask = AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA);
const MOST_ATTEMPTS: u32 = 16;
