//! Changes of shares: adding, setting, removing, for administrators.

use std::path::PathBuf;

use config::{Caching, Oplocks, Permissions};
use server::share::{NewShare, ShareChange, ShareSnapshot};
use wire::dtyp::{AclSlot, SecurityDescriptor};
use wire::{NtStatus, Utf16String};

use super::super::ndr::Array;
use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::shares::{UNLIMITED, find, is_wrong_in_share, share_flags};
use super::types::{Share502, Share503, ShareInfo};
use super::{BACKSLASH, Text};

type AddArguments = (Text, u32, ShareInfo, Option<u32>);
type ChangeResults = (Option<u32>, u32);

// [MS-SRVS] 3.1.4.7
pub(super) fn share_add(
    call: &mut Call<'_>,
    (_, _, info, wrong): AddArguments,
) -> Result<Later<ChangeResults>, Fault> {
    let described = match info {
        ShareInfo::Level2(Some(info)) => Ok((info, None)),
        ShareInfo::Level502(Some(info)) => Ok((info.common, info.descriptor)),
        ShareInfo::Level503(Some(info)) => Ok((info.common, info.descriptor)),
        ShareInfo::Level2(None) | ShareInfo::Level502(None) | ShareInfo::Level503(None) => {
            Err(win32::INVALID_PARAMETER)
        }
        _ => Err(win32::INVALID_LEVEL),
    };
    let change = described.and_then(|(info, descriptor)| {
        let name = info.common.name.unwrap_or_default().to_string_lossy();
        if name.is_empty() || name.chars().any(is_wrong_in_share) {
            return Err(win32::INVALID_NAME);
        }
        let path = info.path.as_ref().and_then(host_path);
        Ok(ShareChange::Add(NewShare {
            name,
            path: path.ok_or(win32::INVALID_NAME)?,
            comment: info.common.comment.unwrap_or_default().to_string_lossy(),
            max_uses: limit(info.max_uses),
            permissions: descriptor.map(permissions).transpose()?.flatten(),
            caching: Caching::Manual,
            oplocks: Oplocks::All,
            encrypted: false,
            access_based_enumeration: false,
            continuous_availability: false,
        }))
    });
    Ok(make(call, change, wrong))
}

fn limit(most: u32) -> Option<u32> {
    Some(most).filter(|most| *most != UNLIMITED)
}

/// The permissions in a descriptor; none in one without a list, which gives everybody everything.
///
/// # Errors
/// `INVALID_PARAMETER`: it is no descriptor, or says what permissions cannot.
fn permissions(Array(bytes): Array<u8>) -> Result<Option<Permissions>, u32> {
    let descriptor = SecurityDescriptor::decode(&bytes).map_err(|_| win32::INVALID_PARAMETER)?;
    match descriptor.dacl {
        AclSlot::Absent | AclSlot::Null => Ok(None),
        AclSlot::List(list) => {
            let permissions = Permissions::new(&list).ok_or(win32::INVALID_PARAMETER)?;
            Ok(Some(permissions))
        }
    }
}

// [MS-SRVS] 3.1.4.11
pub(super) fn share_set_info(
    call: &mut Call<'_>,
    (_, name, _, info, wrong): (Text, Utf16String, u32, ShareInfo, Option<u32>),
) -> Result<Later<ChangeResults>, Fault> {
    let change = find(call, &name).and_then(|share| {
        let mut new = as_it_is(share);
        set(&mut new, info)?;
        Ok(ShareChange::Set(new))
    });
    Ok(make(call, change, wrong))
}

/// A share as somebody would describe it who wants it to stay as it is.
fn as_it_is(share: ShareSnapshot) -> NewShare {
    NewShare {
        name: share.name,
        path: share.path.unwrap_or_default(),
        comment: share.comment,
        max_uses: share.max_uses,
        permissions: share.permissions,
        caching: share.caching,
        oplocks: share.oplocks,
        encrypted: share.encrypted,
        access_based_enumeration: share.access_based_enumeration,
        continuous_availability: share.continuous_availability,
    }
}

/// Sets what a level can set. What is not there stays as it is.
fn set(share: &mut NewShare, info: ShareInfo) -> Result<(), u32> {
    let (comment, most, descriptor) = match info {
        ShareInfo::Level1(Some(info)) => (info.comment, None, None),
        ShareInfo::Level2(Some(info)) => (info.common.comment, Some(info.max_uses), None),
        ShareInfo::Level502(Some(Share502 {
            common, descriptor, ..
        }))
        | ShareInfo::Level503(Some(Share503 {
            common, descriptor, ..
        })) => (common.common.comment, Some(common.max_uses), descriptor),
        ShareInfo::Level1004(Some(info)) => (info.comment, None, None),
        ShareInfo::Level1005(Some(info)) => return set_flags(share, info.flags),
        ShareInfo::Level1006(Some(info)) => (None, Some(info.max_uses), None),
        ShareInfo::Level1501(Some(info)) => {
            let bytes = info.bytes.ok_or(win32::INVALID_PARAMETER)?;
            (None, None, Some(bytes))
        }
        ShareInfo::Level0(_)
        | ShareInfo::Level501(_)
        | ShareInfo::Level1007(_)
        | ShareInfo::Other(_) => return Err(win32::INVALID_LEVEL),
        _ => return Err(win32::INVALID_PARAMETER),
    };
    if let Some(comment) = comment {
        share.comment = comment.to_string_lossy();
    }
    if let Some(most) = most {
        share.max_uses = limit(most);
    }
    if let Some(descriptor) = descriptor {
        share.permissions = permissions(descriptor)?;
    }
    Ok(())
}

/// Sets what flags say; refuses the ones for what the server does not do.
// [MS-SRVS] 2.2.4.29
fn set_flags(share: &mut NewShare, flags: u32) -> Result<(), u32> {
    use share_flags::{
        ACCESS_BASED_DIRECTORY_ENUM, CSC_MASK, DFS, ENABLE_CA, ENCRYPT_DATA, FORCE_LEVEL_2_OPLOCK,
    };
    let caching = CSC_MASK | FORCE_LEVEL_2_OPLOCK;
    let known = DFS | caching | ACCESS_BASED_DIRECTORY_ENUM | ENABLE_CA | ENCRYPT_DATA;
    if flags & !known != 0 {
        return Err(win32::NOT_SUPPORTED);
    }
    share.caching = match flags & CSC_MASK {
        0x00 => Caching::Manual,
        0x10 => Caching::Documents,
        0x20 => Caching::Programs,
        _ => Caching::Never,
    };
    let may_be_exclusive = flags & FORCE_LEVEL_2_OPLOCK == 0;
    share.oplocks = match share.oplocks {
        Oplocks::All | Oplocks::Reading if may_be_exclusive => Oplocks::All,
        Oplocks::All => Oplocks::Reading,
        other => other,
    };
    share.access_based_enumeration = flags & ACCESS_BASED_DIRECTORY_ENUM != 0;
    share.encrypted = flags & ENCRYPT_DATA != 0;
    share.continuous_availability = flags & ENABLE_CA != 0;
    Ok(())
}

// [MS-SRVS] 3.1.4.12
pub(super) fn share_del(
    call: &mut Call<'_>,
    (_, name, _): (Text, Utf16String, u32),
) -> Result<Later<(u32,)>, Fault> {
    let change = find(call, &name).map(|share| ShareChange::Remove(share.name));
    let made = make(call, change, None);
    Ok(Box::pin(async move { (made.await.1,) }))
}

/// Has a change made, if the caller may have it.
fn make(
    call: &Call<'_>,
    change: Result<ShareChange, u32>,
    wrong: Option<u32>,
) -> Later<ChangeResults> {
    let change = if call.is_administrator() {
        change
    } else {
        Err(win32::ACCESS_DENIED)
    };
    let made = change.map(|change| call.services.administration.change_share(change));
    Box::pin(async move {
        let error = match made {
            Err(error) => error,
            Ok(made) => made.await.err().map_or(win32::SUCCESS, error_of_change),
        };
        (wrong.map(|_| 0), error)
    })
}

fn error_of_change(status: NtStatus) -> u32 {
    match status {
        NtStatus::OBJECT_NAME_COLLISION => win32::DUPLICATE_SHARE,
        NtStatus::OBJECT_NAME_NOT_FOUND => win32::NET_NAME_NOT_FOUND,
        NtStatus::OBJECT_PATH_NOT_FOUND => win32::UNKNOWN_DEVICE_OR_FOLDER,
        NtStatus::INVALID_PARAMETER => win32::INVALID_PARAMETER,
        _ => win32::ACCESS_DENIED,
    }
}

/// The folder that a client means by a path, with or without a drive; none for a path that is not absolute.
fn host_path(path: &Utf16String) -> Option<PathBuf> {
    let units = path.as_units();
    let colon = u16::from(b':');
    let below = match units {
        [_, second, rest @ ..] if *second == colon => rest,
        all => all,
    };
    let is_separator = |unit: &u16| *unit == BACKSLASH || *unit == u16::from(b'/');
    if !below.first().is_some_and(is_separator) {
        return None;
    }
    let path = Utf16String::from_units(below.to_vec()).to_string_lossy();
    let parts = path.split(['\\', '/']).filter(|part| !part.is_empty());
    let mut host = PathBuf::from("/");
    for part in parts {
        if part == "." || part == ".." || part.contains('\0') {
            return None;
        }
        host.push(part);
    }
    Some(host)
}
