//! Control groups of version 2: the one that was configured, and those below it.
//!
//! Owns every file and folder of the kernel's that the share touches. A group is a descriptor of its folder,
//! and all that is done to it is done by that descriptor and a name of one component, so that nothing outside
//! is ever reached, whoever makes or moves what meanwhile.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use wire::NtStatus;

use super::items::id_of;
use crate::disk::errno::control_group_status as status;

/// A control group.
pub(super) struct Group {
    folder: OwnedFd,
    /// The number that the kernel gave it.
    id: u64,
    /// What is above it, and what it is called there; none for the configured one.
    above: Option<(Arc<Group>, Vec<u8>)>,
}

/// Why a control group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not there and cannot be made, or cannot be opened.
    #[error("it cannot be opened: {0}. {ADVICE}")]
    Missing(Errno),
    /// It is no control group of version 2.
    #[error("it is no control group of version 2. {ADVICE}")]
    NoGroup,
    /// It is the one that everything is in.
    #[error("it is the root of all control groups, with the whole machine in it. {ADVICE}")]
    Everything,
    /// It belongs to somebody else.
    #[error("it is not delegated to the server: {0}. {ADVICE}")]
    NotDelegated(Errno),
    /// The server itself is in it.
    #[error("the server itself is in it, and would be one of its processes. {ADVICE}")]
    HoldsServer,
}

impl Group {
    /// The group whose folder is at `path`; it is made if it is missing.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub(super) fn configured(path: &Path) -> Result<Arc<Self>, Unusable> {
        let open = || rustix::fs::open(path, FOLDER, Mode::empty());
        let folder = match open() {
            Err(Errno::NOENT) => {
                rustix::fs::mkdir(path, MODE).map_err(Unusable::Missing)?;
                open()
            }
            other => other,
        };
        let folder = folder.map_err(Unusable::Missing)?;
        let facts = rustix::fs::fstatfs(&folder).map_err(Unusable::Missing)?;
        if facts.f_type as u64 != CGROUP2_MAGIC {
            return Err(Unusable::NoGroup);
        }
        // The only group without a type.
        if rustix::fs::accessat(&folder, "cgroup.type", Access::EXISTS, AtFlags::empty()).is_err() {
            return Err(Unusable::Everything);
        }
        for name in [".", PROCESSES, SUBTREE] {
            rustix::fs::accessat(&folder, name, Access::WRITE_OK, AtFlags::EACCESS)
                .map_err(Unusable::NotDelegated)?;
        }
        let group = Self::of(folder, None).map_err(Unusable::Missing)?;
        let own = rustix::process::getpid().as_raw_nonzero().get();
        if group.holds(own) {
            return Err(Unusable::HoldsServer);
        }
        Ok(group)
    }

    /// A folder that stands for a control group in tests.
    #[cfg(test)]
    pub(super) fn pretended(path: &Path) -> Arc<Self> {
        let folder = rustix::fs::open(path, FOLDER, Mode::empty()).unwrap();
        Self::of(folder, None).unwrap()
    }

    fn of(folder: OwnedFd, above: Option<(Arc<Self>, Vec<u8>)>) -> Result<Arc<Self>, Errno> {
        let stat = rustix::fs::fstat(&folder)?;
        Ok(Arc::new(Self {
            folder,
            id: id_of(("group", stat.st_dev, stat.st_ino)),
            above,
        }))
    }

    /// What tells it apart from every other group.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Whether it is the configured one.
    pub(super) fn is_root(&self) -> bool {
        self.above.is_none()
    }

    /// Whether it has not been removed.
    pub(super) fn exists(&self) -> bool {
        self.processes() != Err(NtStatus::OBJECT_NAME_NOT_FOUND)
    }

    /// The group below it that is called so.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND`, and what the kernel says.
    pub(super) fn child(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Self>, NtStatus> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        if !is_group_name(name) {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        let opened = rustix::fs::openat2(&self.folder, name, FOLDER, Mode::empty(), resolve);
        let folder = opened.map_err(|error| match error {
            // The kernel's own files are no groups, and there are no links.
            Errno::NOTDIR | Errno::LOOP => NtStatus::OBJECT_NAME_NOT_FOUND,
            error => status(error),
        })?;
        Self::of(folder, Some((Arc::clone(self), name.to_vec()))).map_err(status)
    }

    /// What the groups below it are called, sorted.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn children(&self) -> Result<Vec<Vec<u8>>, NtStatus> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.folder).map_err(status)? {
            let entry = entry.map_err(status)?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == FileType::Directory && is_group_name(name) {
                names.push(name.to_vec());
            }
            if names.len() >= MOST_CHILDREN {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a group below it, with limits of its own if the kernel lets it have any.
    ///
    /// # Errors
    /// `OBJECT_NAME_COLLISION`, `OBJECT_NAME_INVALID`, and what the kernel says.
    pub(super) fn make(&self, name: &[u8]) -> Result<(), NtStatus> {
        if !is_group_name(name) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        self.give_limits_to_children();
        rustix::fs::mkdirat(&self.folder, name, MODE).map_err(status)
    }

    /// Whether it could be removed now.
    ///
    /// # Errors
    /// `CANNOT_DELETE` for the configured one, `DIRECTORY_NOT_EMPTY` while there are processes or groups in it.
    pub(super) fn check_remove(&self) -> Result<(), NtStatus> {
        if self.is_root() {
            return Err(NtStatus::CANNOT_DELETE);
        }
        if self.children()?.is_empty() && self.processes()?.is_empty() {
            Ok(())
        } else {
            Err(NtStatus::DIRECTORY_NOT_EMPTY)
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// As [`Group::check_remove`], and what the kernel says.
    pub(super) fn remove(&self) -> Result<(), NtStatus> {
        self.check_remove()?;
        let (above, name) = self.above.as_ref().ok_or(NtStatus::CANNOT_DELETE)?;
        // Another group may have the name by now.
        if above.child(name)?.id != self.id {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        match rustix::fs::unlinkat(&above.folder, &name[..], AtFlags::REMOVEDIR) {
            Err(Errno::BUSY) => Err(NtStatus::DIRECTORY_NOT_EMPTY),
            other => other.map_err(status),
        }
    }

    /// Which of the limits it has.
    pub(super) fn limits(&self) -> impl Iterator<Item = &'static str> {
        LIMITS.iter().copied().filter(|name| {
            rustix::fs::accessat(&self.folder, *name, Access::EXISTS, AtFlags::empty()).is_ok()
        })
    }

    /// The text of a limit.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn limit(&self, name: &str) -> Result<Vec<u8>, NtStatus> {
        self.read(name)
    }

    /// Sets a limit, as if `value` were written to its file.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is no value of it, and what else the kernel says.
    pub(super) fn set_limit(&self, name: &str, value: &[u8]) -> Result<(), NtStatus> {
        self.write(name, value)
    }

    /// The processes in it, without those in groups below it, by number.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn processes(&self) -> Result<Vec<i32>, NtStatus> {
        let text = self.read(PROCESSES)?;
        let numbers = str::from_utf8(&text).unwrap_or_default().lines();
        // Those that this program's view of processes lacks have no number.
        let mut processes: Vec<i32> = numbers
            .filter_map(|number| number.trim().parse().ok())
            .filter(|number| *number > 0)
            .collect();
        processes.sort_unstable();
        Ok(processes)
    }

    /// Takes a process in.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn take_in(&self, process: i32) -> Result<(), NtStatus> {
        self.make_room();
        self.write(PROCESSES, process.to_string().as_bytes())
    }

    /// Whether the process is in it or in a group below it.
    pub(super) fn holds(self: &Arc<Self>, process: i32) -> bool {
        let mut room = MOST_GROUPS;
        self.holds_within(process, &mut room)
    }

    fn holds_within(self: &Arc<Self>, process: i32, room: &mut usize) -> bool {
        if self.processes().is_ok_and(|all| all.contains(&process)) {
            return true;
        }
        let children = self.children().unwrap_or_default();
        children.iter().any(|name| {
            *room = room.saturating_sub(1);
            *room > 0
                && self
                    .child(name)
                    .is_ok_and(|child| child.holds_within(process, room))
        })
    }

    /// A descriptor by which whoever writes `0` to it goes into the group.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn entrance(&self) -> Result<OwnedFd, NtStatus> {
        self.make_room();
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.folder, PROCESSES, flags, Mode::empty()).map_err(status)
    }

    /// Gives the groups below it every limit there is. Those that it cannot give are not there; a group with
    /// processes of its own gives none.
    fn give_limits_to_children(&self) {
        for controller in CONTROLLERS {
            let _ = self.write(SUBTREE, format!("+{controller}").as_bytes());
        }
    }

    /// Gives no limits any more when there is no group below that has them: a group that gives limits can have
    /// no processes.
    fn make_room(&self) {
        if !self.children().is_ok_and(|children| children.is_empty()) {
            return;
        }
        for controller in CONTROLLERS {
            let _ = self.write(SUBTREE, format!("-{controller}").as_bytes());
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, NtStatus> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.folder, name, flags, Mode::empty());
        let file = File::from(opened.map_err(status)?);
        let mut text = Vec::new();
        let read = file.take(LONGEST_TEXT).read_to_end(&mut text);
        match read.map_err(|error| Errno::from_io_error(&error)) {
            Ok(_) => Ok(text),
            // Groups of threads have no list of processes.
            Err(Some(Errno::OPNOTSUPP)) => Ok(Vec::new()),
            Err(error) => Err(status(error.unwrap_or(Errno::IO))),
        }
    }

    /// One value is one write: the kernel takes or refuses it whole.
    fn write(&self, name: &str, value: &[u8]) -> Result<(), NtStatus> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.folder, name, flags, Mode::empty());
        let file = opened.map_err(status)?;
        rustix::io::write(file.as_fd(), value)
            .map(drop)
            .map_err(status)
    }
}

/// Whether a group can be called so: the kernel's own files begin with the name of a controller and a dot, and
/// are files, so only those of the core are left out.
fn is_group_name(name: &[u8]) -> bool {
    let is_long = name.len() > LONGEST_NAME;
    let is_path = name == b"." || name == b".." || name.contains(&b'/');
    let is_own = name.starts_with(b"cgroup.");
    !name.is_empty() && !is_long && !is_path && !is_own && !name.contains(&b'\n')
}

/// The limits that the share shows.
pub(super) const LIMITS: &[&str] = &["cpu.max", "memory.max", "pids.max", "io.max"];
/// What gives them.
const CONTROLLERS: &[&str] = &["cpu", "memory", "pids", "io"];

const PROCESSES: &str = "cgroup.procs";
const SUBTREE: &str = "cgroup.subtree_control";
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const MODE: Mode = Mode::RWXU
    .union(Mode::RGRP)
    .union(Mode::XGRP)
    .union(Mode::ROTH)
    .union(Mode::XOTH);
/// What the kernel says the file system of control groups is.
const CGROUP2_MAGIC: u64 = 0x6367_7270;
/// What is read of one file.
const LONGEST_TEXT: u64 = 1 << 20;
const LONGEST_NAME: usize = 200;
/// Groups that are listed below one.
const MOST_CHILDREN: usize = 10_000;
/// Groups that are searched for a process.
const MOST_GROUPS: usize = 100_000;

const ADVICE: &str = "Compartments need a control group of version 2 that is delegated to the server: \
    start the system with systemd.unified_cgroup_hierarchy=1 (or cgroup_no_v1=all); below systemd, give the \
    service Delegate=yes and DelegateSubgroup=server, and name a group beside that one; otherwise make one, and \
    give it to the server's user with chown. Without control_group the share shows the server only";
