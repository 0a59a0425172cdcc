//! Changes of shares: adding, setting, removing, for administrators.

use std::path::PathBuf;

use server::share::{NewShare, ShareChange};
use wire::{NtStatus, Utf16String};

use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::shares::{UNLIMITED, find, is_wrong_in_share};
use super::types::ShareInfo;
use super::{BACKSLASH, Text};

type AddArguments = (Text, u32, ShareInfo, Option<u32>);
type ChangeResults = (Option<u32>, u32);

// [MS-SRVS] 3.1.4.7
pub(super) fn share_add(
    call: &mut Call<'_>,
    (_, _, info, wrong): AddArguments,
) -> Result<Later<ChangeResults>, Fault> {
    let described = match info {
        ShareInfo::Level2(Some(info)) => Ok(info),
        ShareInfo::Level502(Some(info)) => Ok(info.common),
        ShareInfo::Level503(Some(info)) => Ok(info.common),
        ShareInfo::Level2(None) | ShareInfo::Level502(None) | ShareInfo::Level503(None) => {
            Err(win32::INVALID_PARAMETER)
        }
        _ => Err(win32::INVALID_LEVEL),
    };
    let change = described.and_then(|info| {
        let name = info.common.name.unwrap_or_default().to_string_lossy();
        if name.is_empty() || name.chars().any(is_wrong_in_share) {
            return Err(win32::INVALID_NAME);
        }
        let path = info.path.as_ref().and_then(host_path);
        Ok(ShareChange::Add(NewShare {
            name,
            path: path.ok_or(win32::INVALID_NAME)?,
            comment: info.common.comment.unwrap_or_default().to_string_lossy(),
            max_uses: Some(info.max_uses).filter(|most| *most != UNLIMITED),
        }))
    });
    Ok(make(call, change, wrong))
}

// [MS-SRVS] 3.1.4.11
pub(super) fn share_set_info(
    call: &mut Call<'_>,
    (_, name, _, info, wrong): (Text, Utf16String, u32, ShareInfo, Option<u32>),
) -> Result<Later<ChangeResults>, Fault> {
    let change = find(call, &name).and_then(|share| {
        let mut new = NewShare {
            name: share.name.clone(),
            path: share.path.clone().unwrap_or_default(),
            comment: share.comment.clone(),
            max_uses: share.max_uses,
        };
        let limit = |most: u32| Some(most).filter(|most| *most != UNLIMITED);
        let (comment, most) = match info {
            ShareInfo::Level1(Some(info)) => (info.comment, None),
            ShareInfo::Level2(Some(info)) => (info.common.comment, Some(info.max_uses)),
            ShareInfo::Level502(Some(info)) => {
                (info.common.common.comment, Some(info.common.max_uses))
            }
            ShareInfo::Level503(Some(info)) => {
                (info.common.common.comment, Some(info.common.max_uses))
            }
            ShareInfo::Level1004(Some(info)) => (info.comment, None),
            ShareInfo::Level1006(Some(info)) => {
                new.max_uses = limit(info.max_uses);
                return Ok(ShareChange::Set(new));
            }
            // Who may come in, and what clients may cache, is for the configuration to say.
            ShareInfo::Level1005(_) | ShareInfo::Level1007(_) | ShareInfo::Level1501(_) => {
                return Err(win32::NOT_SUPPORTED);
            }
            ShareInfo::Level0(_) | ShareInfo::Level501(_) | ShareInfo::Other(_) => {
                return Err(win32::INVALID_LEVEL);
            }
            _ => return Err(win32::INVALID_PARAMETER),
        };
        if let Some(comment) = comment {
            new.comment = comment.to_string_lossy();
        }
        if let Some(most) = most {
            new.max_uses = limit(most);
        }
        Ok(ShareChange::Set(new))
    });
    Ok(make(call, change, wrong))
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
