//! Opening and creating.
//!
//! Owns the steps of CREATE that concern the disk: find or make the object, open it for what was
//! asked, tell what it is. Nothing that exists is changed here; what is made is undone when a later
//! step fails.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use rustix::fs::{FileType, Mode as HostMode, OFlags, Statx};
use rustix::io::Errno;
use server::access;
use server::share::{Caller, Disposition, FileStat, Name, OpenHow, Opened, StreamType, Wanted};
use wire::NtStatus;
use wire::dtyp::{AccessMask, SecurityDescriptor};
use wire::fscc::FileAttributes;

use super::attributes::{file_stat, file_type};
use super::create::create;
use super::errno::status;
use super::file::{File, Mode, Opening};
use super::handle::DiskHandle;
use super::resolve::{Found, Refusal, object_id};
use super::streams::OpenStream;
use super::{DiskShare, extended, identity, resolve, security, streams};

/// An object that was found or made, before it becomes an open.
pub(super) struct Object {
    pub file: File,
    pub host: Statx,
    pub name: Name,
    pub created: bool,
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
            match existing(share, caller, name, how) {
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
    // The name of a stream, the file's own too, is none where there are no streams.
    if !share.options.streams && name.stream_type().is_some() {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    if name.stream().is_none() {
        return Ok(());
    }
    // [MS-FSA] 2.1.5.1
    if how.wanted == Wanted::Directory {
        return Err(NtStatus::NOT_A_DIRECTORY);
    }
    Ok(())
}

/// Opens what exists, as widely as was asked.
fn existing(
    share: &DiskShare,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
) -> Result<Object, NtStatus> {
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
            Err(Refusal {
                error: Errno::ISDIR,
                ..
            }) => {
                if how.wanted == Wanted::File && !of_stream {
                    return Err(NtStatus::FILE_IS_A_DIRECTORY);
                }
                modes = METADATA;
            }
            Err(denied) if MAY_BE_NARROWER.contains(&denied.error) => {
                if let Some(object) = granted(share, caller, name, how, *mode) {
                    check_kind(&object, name, how)?;
                    return Ok(object);
                }
                refusal = denied;
            }
            Err(other) => return Err(other.status),
        }
    }
    Err(refusal.status)
}

/// Opens as the server what the host refuses the caller and the descriptor stored beside the object
/// grants, or a privilege of who opens it for a backup. The object is found, and its descriptor
/// read, before it is opened for anything; then that very object is opened.
fn granted(
    share: &DiskShare,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
    mode: Mode,
) -> Option<Object> {
    let needed = match mode {
        Mode::Path => return None,
        Mode::Read => AccessMask::FILE_READ_DATA,
        Mode::Write => AccessMask::FILE_WRITE_DATA,
        Mode::ReadWrite => AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA,
    };
    if !identity::can_switch() {
        return None;
    }
    let found = share.root.open_name(name, OFlags::PATH).ok()?;
    let object = recognised(share, found, Mode::Path).ok()?;
    let usable = matches!(
        (file_type(&object.host), mode),
        (FileType::RegularFile, _) | (FileType::Directory, Mode::Read)
    );
    if !usable || !security::grants_open(caller, &object.file, how, needed) {
        return None;
    }
    let path = format!("/proc/self/fd/{}", object.file.as_fd().as_raw_fd());
    let flags = mode.flags() | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = identity::as_self(|| rustix::fs::open(path, flags, HostMode::empty()));
    let descriptor = Arc::new(opened.ok()?.ok()?);
    let file = File {
        descriptor,
        mode,
        directory: object.file.directory,
    };
    Some(Object { file, ..object })
}

/// What has been opened. Of a special file nothing but the metadata is ever used.
fn recognised(share: &DiskShare, found: Found, mode: Mode) -> Result<Object, NtStatus> {
    let host = resolve::stat(found.descriptor.as_fd()).map_err(status)?;
    let special = !matches!(
        file_type(&host),
        FileType::RegularFile | FileType::Directory
    );
    if special && mode != Mode::Path {
        if mode != Mode::Read {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let found = share.root.open_name(&found.name, OFlags::PATH)?;
        return recognised(share, found, Mode::Path);
    }
    let directory = file_type(&host) == FileType::Directory;
    let file = File {
        descriptor: Arc::new(found.descriptor),
        mode,
        directory,
    };
    Ok(Object {
        file,
        host,
        name: found.name,
        created: false,
    })
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

/// Makes an open of an object, and finds or makes the stream.
fn opened(
    share: &Arc<DiskShare>,
    caller: &Caller,
    name: &Name,
    how: &OpenHow,
    object: Object,
) -> Result<Opened, NtStatus> {
    let Object {
        file,
        host,
        name: stored_name,
        mut created,
    } = object;
    let shared = share.objects.share(object_id(&host));
    let security = share.security_of(caller, &file, &host)?;
    let mut stream = None;
    let created_with_file = created && name.stream().is_some();
    if let Some(wanted) = name.stream() {
        let mut open = shared.streams.lock();
        let found = streams::find(&file, wanted, share.options.case_sensitive)?;
        created = found.is_none();
        let found = match (found, how.disposition) {
            (None, Disposition::Existing) => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            (Some(_), Disposition::New) => return Err(NtStatus::OBJECT_NAME_COLLISION),
            (Some(found), _) => found,
            (None, _) => {
                if !created_with_file {
                    check_may_add_stream(caller, &file, &security)?;
                }
                streams::create(&file, wanted)?
            }
        };
        stream = Some(OpenStream::of(&mut open, found));
    }
    if created && stream.is_none() && !file.directory {
        shared.reserve(how.allocation_size);
    }
    let hidden = share.hidden_names.hides_name(&stored_name);
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
        hidden: AtomicBool::new(hidden),
        watching: AtomicBool::new(false),
        wish: Mutex::default(),
    });
    let stat = first_stat(&opening, &host)?;
    let stream = opening.stream.as_ref().map(|stream| stream.name());
    let name = opening.name.lock().with_stream(stream.clone());
    Ok(Opened {
        handle: Arc::new(DiskHandle(opening)),
        created,
        created_with_file,
        stat,
        security: Some(security),
        stream,
        name,
    })
}

/// A stream that does not exist is made before CREATE can look at the access asked for.
// [MS-FSA] 2.1.5.1.2
fn check_may_add_stream(
    caller: &Caller,
    file: &File,
    security: &SecurityDescriptor,
) -> Result<(), NtStatus> {
    let kept = file.dos_attributes()?.unwrap_or_default();
    if kept.attributes.contains(FileAttributes::READONLY) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    access::check(&caller.token, security, AccessMask::FILE_WRITE_DATA).map(|_| ())
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
    opening.show_hidden(&mut stat);
    Ok(stat)
}

/// What the descriptor is to be opened for, best first.
fn modes(how: &OpenHow) -> &'static [Mode] {
    let access = how.desired_access;
    if how.wanted == Wanted::Directory {
        return METADATA;
    }
    if access.contains(AccessMask::MAXIMUM_ALLOWED) && how.overwrite {
        return &[Mode::ReadWrite, Mode::Write];
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

/// Refusals that opening for less may not meet: no right, no writing here, an executable that runs;
/// and of a socket, or a pipe that nobody reads, that there is nothing to open but a name.
const MAY_BE_NARROWER: [Errno; 5] = [
    Errno::ACCESS,
    Errno::PERM,
    Errno::ROFS,
    Errno::TXTBSY,
    Errno::NXIO,
];
const METADATA: &[Mode] = &[Mode::Read, Mode::Path];
const READS: AccessMask = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_EXECUTE);
const WRITES: AccessMask = AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA);
const MOST_ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::thread;

    use super::super::identity::tests::{skipped_without_root, stranger};
    use server::share::Replace;

    use super::super::testing::{Fixture, caller, how, rename, write};
    use super::*;
    use crate::offload::tests::wait;

    fn status_of(opened: Result<Opened, NtStatus>) -> NtStatus {
        opened.map_or_else(|status| status, |opened| panic!("opened: {opened:?}"))
    }

    #[test]
    fn each_disposition_makes_or_finds() {
        let fixture = Fixture::new();
        let new = fixture.open("a", &how(Disposition::New)).unwrap();
        assert!(new.created);
        assert_eq!(new.stat.attributes, FileAttributes::ARCHIVE);
        let again = fixture.open("a", &how(Disposition::Either)).unwrap();
        assert!(!again.created);
        assert_eq!(again.handle.object(), new.handle.object());
        let collision = fixture.open("A", &how(Disposition::New));
        assert_eq!(status_of(collision), NtStatus::OBJECT_NAME_COLLISION);
        let missing = fixture.existing("b");
        assert_eq!(status_of(missing), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(
            status_of(fixture.existing("b\\c")),
            NtStatus::OBJECT_PATH_NOT_FOUND
        );
        assert_eq!(
            status_of(fixture.existing("a\\c")),
            NtStatus::OBJECT_PATH_NOT_FOUND
        );
    }

    #[test]
    fn kinds_are_told_apart() {
        let fixture = Fixture::new();
        fixture.create("folder\\");
        fixture.create("file");
        let file = OpenHow {
            wanted: Wanted::File,
            ..how(Disposition::Existing)
        };
        let directory = OpenHow {
            wanted: Wanted::Directory,
            ..how(Disposition::Existing)
        };
        assert_eq!(
            status_of(fixture.open("folder", &file)),
            NtStatus::FILE_IS_A_DIRECTORY
        );
        assert_eq!(
            status_of(fixture.open("file", &directory)),
            NtStatus::NOT_A_DIRECTORY
        );
        assert!(
            fixture
                .open("folder", &directory)
                .unwrap()
                .stat
                .is_directory()
        );
        assert!(fixture.existing("folder").unwrap().stat.is_directory());
        assert!(fixture.existing("").unwrap().stat.is_directory());
    }

    #[test]
    fn names_match_in_any_case_and_tell_how_they_are_stored() {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.path("Some/Deep/Folder")).unwrap();
        fs::write(fixture.path("Some/Deep/Folder/File.TXT"), "x").unwrap();
        let opened = fixture.existing("sOME\\deep\\FOLDER\\file.txt").unwrap();
        assert_eq!(opened.name.to_string(), "Some\\Deep\\Folder\\File.TXT");
        let created = fixture.create("SOME\\deep\\New");
        assert_eq!(created.name.to_string(), "Some\\Deep\\New");
        assert!(fixture.path("Some/Deep/New").exists());
        let sensitive = Fixture::with(|options| options.case_sensitive = true);
        sensitive.create("a");
        assert_eq!(
            status_of(sensitive.existing("A")),
            NtStatus::OBJECT_NAME_NOT_FOUND
        );
        assert!(sensitive.open("A", &how(Disposition::New)).unwrap().created);
    }

    #[test]
    fn of_names_that_differ_in_case_made_at_once_one_is_made() {
        let fixture = Fixture::new();
        let created: usize = thread::scope(|scope| {
            let names = ["name", "NAME", "Name", "nAmE"];
            let threads = names.map(|name| {
                let fixture = &fixture;
                scope.spawn(move || fixture.open(name, &how(Disposition::New)).is_ok())
            });
            threads
                .into_iter()
                .map(|thread| usize::from(thread.join().unwrap()))
                .sum()
        });
        assert_eq!(created, 1);
        assert_eq!(fs::read_dir(fixture.path("")).unwrap().count(), 1);
    }

    #[test]
    fn special_files_never_block() {
        let fixture = Fixture::new();
        let mode = HostMode::from_raw_mode(0o666);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            fixture.path("pipe"),
            FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        std::os::unix::net::UnixListener::bind(fixture.path("socket")).unwrap();
        for name in ["pipe", "socket"] {
            assert_eq!(
                status_of(fixture.existing(name)),
                NtStatus::ACCESS_DENIED,
                "{name}"
            );
            let only = OpenHow {
                desired_access: AccessMask::FILE_READ_ATTRIBUTES,
                ..how(Disposition::Existing)
            };
            let opened = fixture.open(name, &only);
            assert!(
                opened.is_ok_and(|opened| opened.stat.end_of_file == 0),
                "{name}"
            );
        }
    }

    #[test]
    fn a_caller_acts_as_its_own_user() {
        if skipped_without_root("a_caller_acts_as_its_own_user") {
            return;
        }
        let fixture = Fixture::new();
        fs::set_permissions(fixture.outside.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(fixture.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        fixture.create("private");
        fs::set_permissions(fixture.path("private"), fs::Permissions::from_mode(0o600)).unwrap();
        let user = caller(Some(stranger()));
        let refused = fixture.open_as(&user, "private", &how(Disposition::Existing));
        assert_eq!(status_of(refused), NtStatus::ACCESS_DENIED);
        let only = OpenHow {
            desired_access: AccessMask::FILE_READ_ATTRIBUTES,
            ..how(Disposition::Existing)
        };
        let stat = fixture.open_as(&user, "private", &only).unwrap().stat;
        assert_eq!(stat.attributes, FileAttributes::ARCHIVE);
        let own = fixture
            .open_as(&user, "own", &how(Disposition::New))
            .unwrap();
        write(&own.handle, 0, b"x").unwrap();
        let folder = OpenHow {
            wanted: Wanted::Directory,
            ..how(Disposition::New)
        };
        fixture.open_as(&user, "folder", &folder).unwrap();
        for name in ["own", "folder"] {
            assert_eq!(
                fs::metadata(fixture.path(name)).unwrap().uid(),
                54_321,
                "{name}"
            );
        }
        fs::set_permissions(fixture.path("folder"), fs::Permissions::from_mode(0o500)).unwrap();
        let refused = fixture.open_as(&user, "folder\\x", &how(Disposition::New));
        assert_eq!(status_of(refused), NtStatus::ACCESS_DENIED);
    }

    #[test]
    fn forbidden_characters_on_disk_are_reached_by_their_stand_ins() {
        let fixture = Fixture::new();
        fs::write(fixture.path("a:b?"), "x").unwrap();
        let opened = fixture.existing("A\u{F022}B\u{F025}").unwrap();
        assert_eq!(opened.name.to_string(), "a\u{F022}b\u{F025}");
        fixture.create("c\u{F021}");
        assert!(fixture.path("c*").exists());
    }

    #[test]
    fn a_name_that_ends_in_a_period_is_one_however_it_is_spelled() {
        let fixture = Fixture::new();
        let asked = ["long folder.\\x", "x.", "x "];
        let read = ["long folder\u{F029}\\x", "x\u{F029}", "x\u{F028}"];
        fixture.create("long folder.\\");
        for (asked, read) in asked.into_iter().zip(read) {
            assert_eq!(fixture.create(asked).name.to_string(), read);
            for spelled in [asked, read, &asked.to_uppercase()] {
                assert_eq!(fixture.existing(spelled).unwrap().name.to_string(), read);
            }
        }
        assert!(fixture.path("x.").exists());
        let renamed = fixture.create("other");
        rename(&renamed, "another.", Replace::Never).unwrap();
        let name = wait(renamed.handle.name()).unwrap();
        assert_eq!(name.to_string(), "another\u{F029}");
        let long = name.file_name().unwrap().as_units();
        let short = server::share::short_name(long).unwrap().to_string_lossy();
        assert_eq!(fixture.existing(&short).unwrap().name, name);
    }

    #[test]
    fn a_share_without_streams_knows_no_name_of_one() {
        let fixture = Fixture::with(|options| options.streams = false);
        fixture.create("a");
        for name in ["a:s", "a:s:$DATA", "a::$DATA", "b::$DATA"] {
            let status = status_of(fixture.open(name, &how(Disposition::Either)));
            assert_eq!(status, NtStatus::OBJECT_NAME_INVALID, "{name}");
        }
        assert!(!fixture.path("b").exists());
    }

    #[test]
    fn an_open_that_fails_leaves_nothing_behind() {
        let fixture = Fixture::new();
        let attribute = wire::fscc::file_info::FullEa {
            flags: wire::fscc::file_info::EaFlags::NONE,
            name: b"DOSATTRIB".to_vec(),
            value: b"x".to_vec(),
        };
        let bad = OpenHow {
            extended_attributes: vec![attribute],
            ..how(Disposition::New)
        };
        assert_eq!(
            status_of(fixture.open("a", &bad)),
            NtStatus::INVALID_EA_NAME
        );
        assert!(!fixture.path("a").exists());
    }
}
