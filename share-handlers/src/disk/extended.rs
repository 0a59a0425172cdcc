//! Extended attributes as OS/2 knew them, kept as the host's attributes of the `user` name space.
//!
//! Owns which of the host's attributes a client may see: not those in which this server, or Samba,
//! keeps something else.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{OFlags, XattrFlags};
use rustix::io::Errno;
use wire::NtStatus;
use wire::fscc::file_info::{EaFlags, FullEa};

use super::dosattrib::DOSATTRIB;
use super::errno::status;
use super::file::{File, Mode};
use super::{security, streams, sys};

/// The attributes that a client may see, with their values.
pub(super) fn list(file: &File) -> Result<Vec<FullEa>, NtStatus> {
    let mut names = Vec::new();
    for_each_name(file, |name| {
        names.extend(visible(name).map(|_| name.to_owned()));
    })
    .map_err(status)?;
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        let value = file.whole_xattr(&name, LONGEST_VALUE).map_err(status)?;
        let visible = visible(&name).unwrap_or_default().to_vec();
        attributes.extend(value.map(|value| FullEa {
            flags: EaFlags::NONE,
            name: visible,
            value,
        }));
    }
    Ok(attributes)
}

/// The size that EaSize tells. [MS-FSCC] 2.4.12
pub(super) fn total_size(file: &File) -> u32 {
    let mut any = false;
    let listed = for_each_name(file, |name| any |= visible(name).is_some());
    if listed.is_err() || !any {
        return 0;
    }
    let attributes = list(file).unwrap_or_default();
    let sizes = attributes
        .iter()
        .map(|attribute| 5 + attribute.name.len() + attribute.value.len());
    u32::try_from(4 + sizes.sum::<usize>()).unwrap_or(u32::MAX)
}

/// [`total_size`] for a name in a folder, which is opened only if it has attributes that a client
/// may see.
pub(super) fn total_size_at(folder: BorrowedFd<'_>, name: &CStr) -> u32 {
    let mut buffer = [0; 512];
    let any = match sys::listxattr_at(folder, name, &mut buffer) {
        Ok(length) => names_in(&buffer[..length]).any(|name| visible(name).is_some()),
        // Too many names for the buffer.
        Err(error) => error == Errno::RANGE,
    };
    if !any {
        return 0;
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder, name, flags, rustix::fs::Mode::empty());
    opened.map_or(0, |opened| {
        total_size(&File {
            descriptor: Arc::new(opened),
            mode: Mode::Path,
            directory: false,
        })
    })
}

/// Sets each attribute, or removes it when its value is empty. [MS-FSA] 2.1.5.15.6
pub(super) fn set(file: &File, attributes: &[FullEa]) -> Result<(), NtStatus> {
    check_names(attributes)?;
    for attribute in attributes {
        let present = stored_name(file, &attribute.name)?;
        let name = present
            .clone()
            .map_or_else(|| host_name(&attribute.name), Ok)?;
        let done = if !attribute.value.is_empty() {
            file.set_xattr(&name, &attribute.value, XattrFlags::empty())
        } else if present.is_some() {
            file.remove_xattr(&name)
        } else {
            Ok(())
        };
        done.map_err(|error| match error {
            Errno::NOSPC | Errno::RANGE | Errno::TOOBIG => NtStatus::EA_TOO_LARGE,
            Errno::OPNOTSUPP => NtStatus::EAS_NOT_SUPPORTED,
            error => status(error),
        })?;
    }
    Ok(())
}

/// Whether each name is one that can be kept; else nothing is.
// [MS-FSCC] 2.4.16
pub(super) fn check_names(attributes: &[FullEa]) -> Result<(), NtStatus> {
    const FORBIDDEN: &[u8] = b"\"*+,/:;<=>?[\\]|";
    for attribute in attributes {
        host_name(&attribute.name)?;
        let illegal = |byte: &u8| *byte < 0x20 || FORBIDDEN.contains(byte);
        if attribute.name.iter().any(illegal) {
            return Err(NtStatus::INVALID_EA_NAME);
        }
    }
    Ok(())
}

/// Removes all that a client may see.
pub(super) fn remove_all(file: &File) -> Result<(), NtStatus> {
    let mut names = Vec::new();
    for_each_name(file, |name| {
        names.extend(visible(name).map(|_| name.to_owned()));
    })
    .map_err(status)?;
    names
        .iter()
        .try_for_each(|name| file.remove_xattr(name).map_err(status))
}

/// Calls `take` with the name of each of the host's extended attributes.
pub(super) fn for_each_name(file: &File, mut take: impl FnMut(&CStr)) -> Result<(), Errno> {
    let mut short = [0; 1024];
    let mut long = Vec::new();
    let length = match file.list_xattrs(&mut short) {
        Err(Errno::RANGE) => {
            long.resize(LONGEST_LIST, 0);
            file.list_xattrs(&mut long)
        }
        Err(Errno::OPNOTSUPP) => return Ok(()),
        result => result,
    }?;
    let buffer = if long.is_empty() {
        &short[..]
    } else {
        &long[..]
    };
    names_in(&buffer[..length]).for_each(&mut take);
    Ok(())
}

/// The names in a list of names that each end in NUL.
fn names_in(list: &[u8]) -> impl Iterator<Item = &CStr> {
    list.split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
}

/// The name that a client sees; none for an attribute that is not its business.
fn visible(name: &CStr) -> Option<&[u8]> {
    let hidden = name == DOSATTRIB
        || name == security::USER_NTACL
        || streams::is_stream(name)
        || RESERVED
            .iter()
            .any(|reserved| name.to_bytes().starts_with(reserved));
    name.to_bytes().strip_prefix(PREFIX).filter(|_| !hidden)
}

/// The host's name of an attribute that exists, in whatever case.
fn stored_name(file: &File, name: &[u8]) -> Result<Option<CString>, NtStatus> {
    let mut found = None;
    for_each_name(file, |stored| {
        if visible(stored).is_some_and(|visible| visible.eq_ignore_ascii_case(name)) {
            found = Some(stored.to_owned());
        }
    })
    .map_err(status)?;
    Ok(found)
}

fn host_name(name: &[u8]) -> Result<CString, NtStatus> {
    let stored = CString::new([PREFIX, name].concat()).map_err(|_| NtStatus::INVALID_EA_NAME)?;
    if name.is_empty() || stored.as_bytes().len() > 255 || visible(&stored).is_none() {
        return Err(NtStatus::INVALID_EA_NAME);
    }
    Ok(stored)
}

const PREFIX: &[u8] = b"user.";
/// Where Samba and its kin keep things.
const RESERVED: [&[u8]; 4] = [
    b"user.SAMBA_PAI",
    b"user.DosStream",
    b"user.DosAttrib",
    b"user.org.netatalk",
];
/// XATTR_SIZE_MAX and XATTR_LIST_MAX.
const LONGEST_VALUE: usize = 65_536;
const LONGEST_LIST: usize = 65_536;

#[cfg(test)]
mod tests {
    use server::share::SetInfo;

    use super::super::testing::{Fixture, set};
    use super::*;
    use crate::offload::tests::wait;

    fn attribute(name: &str, value: &[u8]) -> FullEa {
        FullEa {
            flags: EaFlags::NONE,
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn attributes_are_set_in_any_case_and_removed_by_an_empty_value() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let put = |name, value| {
            set(
                &file,
                SetInfo::ExtendedAttributes(vec![attribute(name, value)]),
            )
        };
        assert_eq!(wait(file.handle.stat()).unwrap().ea_size, 0);
        put("One", b"1").unwrap();
        put("ONE", b"22").unwrap();
        let listed = wait(file.handle.extended_attributes()).unwrap();
        assert_eq!(listed, [attribute("One", b"22")]);
        assert_eq!(wait(file.handle.stat()).unwrap().ea_size, 4 + 5 + 3 + 2);
        put("one", b"").unwrap();
        put("never", b"").unwrap();
        assert_eq!(wait(file.handle.extended_attributes()).unwrap(), []);
    }

    #[test]
    fn what_the_server_keeps_is_neither_seen_nor_touched() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        for name in ["DOSATTRIB", "DosStream.x:$DATA", "NTACL", ""] {
            let refused = set(
                &file,
                SetInfo::ExtendedAttributes(vec![attribute(name, b"x")]),
            );
            assert_eq!(refused, Err(NtStatus::INVALID_EA_NAME), "{name}");
        }
        assert_eq!(wait(file.handle.extended_attributes()).unwrap(), []);
    }
}
