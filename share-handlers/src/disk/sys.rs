//! The system calls that no crate offers safely yet. Each use of `unsafe` is reasoned in
//! `docs/unsafe.md`.

#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper; see docs/unsafe.md"
)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

/// Reads an extended attribute of `name` in `folder`, without following a link.
pub(super) fn getxattr_at(
    folder: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    if MISSING.load(Ordering::Relaxed) {
        return by_path(folder, name, attribute, buffer);
    }
    let arguments = XattrArguments {
        value: buffer.as_mut_ptr() as u64,
        size: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
        flags: 0,
    };
    // SAFETY: both names end in NUL and the buffer is writable for `size` bytes, all three for the
    // length of the call; the kernel reads `size_of::<XattrArguments>()` bytes of `arguments` and
    // keeps none of it.
    let result = unsafe {
        libc::syscall(
            GETXATTRAT,
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            attribute.as_ptr(),
            std::ptr::from_ref(&arguments),
            size_of::<XattrArguments>(),
        )
    };
    match usize::try_from(result) {
        Ok(length) => Ok(length),
        Err(_) => match last_error() {
            // Kernels before 6.13, and sandboxes that do not know the call.
            Errno::NOSYS | Errno::PERM => {
                MISSING.store(true, Ordering::Relaxed);
                by_path(folder, name, attribute, buffer)
            }
            error => Err(error),
        },
    }
}

/// The names of the extended attributes of `name` in `folder`, each ended by a NUL, without
/// following a link.
pub(super) fn listxattr_at(
    folder: BorrowedFd<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    if MISSING.load(Ordering::Relaxed) {
        return rustix::fs::llistxattr(proc_path(folder, name), buffer);
    }
    // SAFETY: the name ends in NUL and the buffer is writable for its length, both for the length
    // of the call; the kernel keeps neither pointer.
    let result = unsafe {
        libc::syscall(
            LISTXATTRAT,
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    match usize::try_from(result) {
        Ok(length) => Ok(length),
        Err(_) => match last_error() {
            Errno::NOSYS | Errno::PERM => {
                MISSING.store(true, Ordering::Relaxed);
                rustix::fs::llistxattr(proc_path(folder, name), buffer)
            }
            error => Err(error),
        },
    }
}

/// [`getxattr_at`] by way of `/proc`, whose link leads to the folder itself; twice as slow.
fn by_path(
    folder: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    rustix::fs::lgetxattr(proc_path(folder, name), attribute, buffer)
}

/// The path by which `/proc` leads to `name` in the open folder itself.
fn proc_path(folder: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    path
}

fn last_error() -> Errno {
    std::io::Error::last_os_error()
        .raw_os_error()
        .map_or(Errno::IO, Errno::from_raw_os_error)
}

/// `struct xattr_args` of the kernel.
#[repr(C)]
struct XattrArguments {
    value: u64,
    size: u32,
    flags: u32,
}

/// The same on all architectures, as all calls from 424 on.
const GETXATTRAT: libc::c_long = 464;
const LISTXATTRAT: libc::c_long = 465;
static MISSING: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn both_ways_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file");
        if rustix::fs::setxattr(&path, c"user.x", b"value", rustix::fs::XattrFlags::empty())
            .is_err()
        {
            eprintln!("skipped, no extended attributes here: both_ways_read_the_same");
            return;
        }
        let opened = std::fs::File::open(folder.path()).unwrap();
        let mut buffer = [0; 16];
        for read in [getxattr_at, by_path] {
            assert_eq!(read(opened.as_fd(), c"file", c"user.x", &mut buffer), Ok(5));
            assert_eq!(&buffer[..5], b"value");
            assert_eq!(
                read(opened.as_fd(), c"file", c"user.y", &mut buffer),
                Err(Errno::NODATA)
            );
            assert_eq!(
                read(opened.as_fd(), c"none", c"user.x", &mut buffer),
                Err(Errno::NOENT)
            );
        }
    }

    #[test]
    fn names_are_listed_without_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        rustix::fs::setxattr(&path, c"user.x", b"1", rustix::fs::XattrFlags::empty()).unwrap();
        let opened = std::fs::File::open(folder.path()).unwrap();
        let mut buffer = [0; 1024];
        let length = listxattr_at(opened.as_fd(), c"file", &mut buffer).unwrap();
        assert!(
            buffer[..length]
                .split(|byte| *byte == 0)
                .any(|name| name == b"user.x")
        );
        assert_eq!(
            listxattr_at(opened.as_fd(), c"none", &mut buffer),
            Err(Errno::NOENT)
        );
    }
}
