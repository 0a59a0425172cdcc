//! An open object: its descriptor, what it was opened for, and what all opens of it share.
//!
//! Owns [`File`], which can do to a descriptor what the host allows whatever it was opened for, and
//! [`Opening`], which is what stands behind a handle.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use rustix::fs::{Access, AtFlags, CWD, XattrFlags};
use rustix::io::Errno;
use server::share::{Caller, Name};
use wire::dtyp::FileTime;

use super::DiskShare;
use super::directory::Listing;
use super::objects::Object;
use super::streams::OpenStream;
use super::{identity, security, sys};

/// What a descriptor can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Metadata only.
    Path,
    /// Reading, and listing for a folder.
    Read,
    /// Writing only.
    Write,
    /// Both.
    ReadWrite,
}

/// A file or folder of the host.
pub(super) struct File {
    /// The descriptor; shared with replies that are sent straight from the file.
    pub descriptor: Arc<OwnedFd>,
    /// What it can be used for.
    pub mode: Mode,
    /// Whether it is a folder.
    pub directory: bool,
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl File {
    /// Whether the descriptor only stands for the object, so that its extended attributes are
    /// reached by its path below `/proc/self/fd`, which leads to this very object.
    pub(super) fn is_path(&self) -> bool {
        self.mode == Mode::Path
    }

    /// Reads an extended attribute, as the server: the caller has the object open already.
    pub(super) fn get_xattr(&self, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut get = || match self.proc_path() {
            Some(_) if self.directory => sys::getxattr_at(self.as_fd(), c".", name, buffer),
            Some(path) => rustix::fs::getxattr(path, name, &mut *buffer),
            None => rustix::fs::fgetxattr(self, name, &mut *buffer),
        };
        match get() {
            Err(Errno::ACCESS | Errno::PERM) => {
                identity::as_self(get).map_err(|_| Errno::ACCESS)?
            }
            result => result,
        }
    }

    /// Reads a whole extended attribute of at most `most` bytes; none if there is none.
    pub(super) fn whole_xattr(&self, name: &CStr, most: usize) -> Result<Option<Vec<u8>>, Errno> {
        let mut buffer = vec![0; FIRST_ATTEMPT.min(most)];
        loop {
            match self.get_xattr(name, &mut buffer) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
                Err(Errno::RANGE) if buffer.len() < most => buffer.resize(most, 0),
                Err(error) => return Err(error),
            }
        }
    }

    /// Does `work`, a change of metadata that CREATE has granted the caller, as the caller; and again
    /// as the server where the host refuses the caller, the superuser's word is needed, and the
    /// grant has a foundation of its own.
    pub(super) fn as_granted<T>(&self, work: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match work() {
            Err(refused @ (Errno::ACCESS | Errno::PERM)) if self.grant_is_founded() => {
                identity::as_self(work).map_err(|_| refused)?
            }
            result => result,
        }
    }

    /// Whether the caller, whom this thread wears, owns the object, may write it by the host's own
    /// word, or has its rights from a descriptor that is stored beside the object.
    fn grant_is_founded(&self) -> bool {
        let is_owner = || {
            self.stat()
                .is_ok_and(|host| host.stx_uid == identity::worn_uid())
        };
        let may_write = || {
            let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
            rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
        };
        is_owner() || may_write() || security::is_described(self)
    }

    /// Sets an extended attribute, as [`File::as_granted`] says.
    pub(super) fn set_xattr(
        &self,
        name: &CStr,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        self.as_granted(|| match self.proc_path() {
            Some(path) => rustix::fs::setxattr(path, name, value, flags),
            None => rustix::fs::fsetxattr(self, name, value, flags),
        })
    }

    /// Removes an extended attribute, in the same way.
    pub(super) fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        self.as_granted(|| match self.proc_path() {
            Some(path) => rustix::fs::removexattr(path, name),
            None => rustix::fs::fremovexattr(self, name),
        })
    }

    /// The names of all extended attributes, each ended by a NUL.
    pub(super) fn list_xattrs(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self.proc_path() {
            Some(path) => rustix::fs::listxattr(path, buffer),
            None => rustix::fs::flistxattr(self, buffer),
        }
    }

    fn proc_path(&self) -> Option<String> {
        self.is_path()
            .then(|| format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }
}

/// One open of a file, folder or stream.
pub(super) struct Opening {
    /// The share it belongs to.
    pub share: Arc<DiskShare>,
    /// Who opened it.
    pub caller: Caller,
    /// The file or folder.
    pub file: File,
    /// What all opens of the object share.
    pub object: Arc<Object>,
    /// The named stream, where one was opened.
    pub stream: Option<Arc<OpenStream>>,
    /// The name it was opened by, kept up through renames by this handle.
    pub name: Mutex<Name>,
    /// Times that this handle's operations must not move.
    pub sticky: Mutex<Sticky>,
    /// Where a listing stands.
    pub listing: Mutex<Listing>,
    /// Every write goes to stable storage before it is answered.
    pub write_through: bool,
    /// The object was made or renamed by this open, and its folder has not been put on stable storage
    /// since.
    pub unsynced_name: AtomicBool,
    /// This handle has changed the contents.
    pub wrote: AtomicBool,
    /// The name is one that is shown as hidden.
    pub hidden: AtomicBool,
    /// Whether outside changes were asked for, and under which number.
    pub watching: AtomicBool,
    /// The number of the wish, once it counts.
    pub wish: Mutex<Option<u64>>,
}

/// Times that one handle's operations must not move. [MS-FSA] 2.1.1.6, UserSetModificationTime
#[derive(Debug, Default)]
pub(super) struct Sticky {
    /// LastWriteTime.
    pub write_time: Option<FileTime>,
    /// ChangeTime; only FileBasicInformation keeps it.
    pub change_time: Option<FileTime>,
}

const FIRST_ATTEMPT: usize = 4096;
