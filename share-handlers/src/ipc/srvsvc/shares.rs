//! Shares: lists of them, and what each is.

use std::path::Path;

use bytes::BytesMut;
use config::{Caching, Oplocks};
use server::share::{ShareKind, ShareSnapshot};
use wire::dtyp::{AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityDescriptor, Sid};
use wire::fscc::upcase::eq_ignore_case;
use wire::{Utf16String, Writer};

use super::super::enumeration::{Wanted, listed};
use super::super::ndr::Array;
use super::super::rpc::{Call, Fault};
use super::super::win32;
use super::types::{
    Descriptor, Share0, Share1, Share2, Share501, Share502, Share503, Share1004, Share1005,
    Share1006, Share1007, ShareEnum, ShareInfo, Shares,
};
use super::{Text, is_same, text};

type EnumArguments = (Text, ShareEnum, u32, Option<u32>);
type EnumResults = (ShareEnum, u32, Option<u32>, u32);

// [MS-SRVS] 3.1.4.8
pub(super) fn share_enum(
    call: &mut Call<'_>,
    (_, asked, room, resume): EnumArguments,
) -> Result<EnumResults, Fault> {
    let is_anonymous = call.is_anonymous();
    let refusal = match asked.level {
        // What is behind a share is for its administrators.
        2 | 502 | 503 if !call.is_administrator() => Some(win32::ACCESS_DENIED),
        501 if is_anonymous => Some(win32::ACCESS_DENIED),
        _ => None,
    };
    Ok(list(call, &asked, Wanted { room, resume }, refusal))
}

// [MS-SRVS] 3.1.4.9
// Only shares that outlive a restart are wanted: all of these do.
pub(super) fn share_enum_sticky(
    call: &mut Call<'_>,
    (_, asked, room, resume): EnumArguments,
) -> Result<EnumResults, Fault> {
    let refusal = match asked.level {
        501 => Some(win32::INVALID_LEVEL),
        2 | 502 | 503 if !call.is_administrator() => Some(win32::ACCESS_DENIED),
        _ => None,
    };
    Ok(list(call, &asked, Wanted { room, resume }, refusal))
}

fn list(call: &Call<'_>, asked: &ShareEnum, wanted: Wanted, refusal: Option<u32>) -> EnumResults {
    let level = asked.level;
    let refused = |error| {
        let list = emptied(&asked.list);
        (ShareEnum { level, list }, 0, wanted.resume, error)
    };
    if let Some(error) = refusal {
        return refused(error);
    }
    let is_administrator = call.is_administrator();
    let shares = call.services.view.shares().into_iter();
    let shown = shares.filter(|share| !share.hidden || is_administrator);
    let (list, total, resume, error) = match asked.list {
        Shares::Level0(_) => listed!(
            wanted,
            Shares::Level0,
            shown.map(|share| share_0(&share)).collect()
        ),
        Shares::Level1(_) => listed!(
            wanted,
            Shares::Level1,
            shown.map(|share| share_1(&share)).collect()
        ),
        Shares::Level2(_) => listed!(
            wanted,
            Shares::Level2,
            shown.map(|share| share_2(&share)).collect()
        ),
        Shares::Level501(_) => {
            listed!(
                wanted,
                Shares::Level501,
                shown.map(|share| share_501(&share)).collect()
            )
        }
        Shares::Level502(_) => {
            listed!(
                wanted,
                Shares::Level502,
                shown.map(|share| share_502(&share)).collect()
            )
        }
        Shares::Level503(_) => {
            listed!(
                wanted,
                Shares::Level503,
                shown.map(|share| share_503(&share)).collect()
            )
        }
        Shares::Other(_) => return refused(win32::INVALID_LEVEL),
    };
    (ShareEnum { level, list }, total, resume, error)
}

/// The same arm without a list.
fn emptied(list: &Shares) -> Shares {
    match list {
        Shares::Level0(_) => Shares::Level0(None),
        Shares::Level1(_) => Shares::Level1(None),
        Shares::Level2(_) => Shares::Level2(None),
        Shares::Level501(_) => Shares::Level501(None),
        Shares::Level502(_) => Shares::Level502(None),
        Shares::Level503(_) => Shares::Level503(None),
        Shares::Other(level) => Shares::Other(*level),
    }
}

// [MS-SRVS] 3.1.4.10
pub(super) fn share_get_info(
    call: &mut Call<'_>,
    (_, name, level): (Text, Utf16String, u32),
) -> Result<(ShareInfo, u32), Fault> {
    if matches!(level, 2 | 502 | 503 | 1501) && !call.is_administrator() {
        return Ok((nothing(level), win32::ACCESS_DENIED));
    }
    let share = match find(call, &name) {
        Ok(share) => share,
        Err(error) => return Ok((nothing(level), error)),
    };
    let info = match level {
        0 => ShareInfo::Level0(Some(share_0(&share))),
        1 => ShareInfo::Level1(Some(share_1(&share))),
        2 => ShareInfo::Level2(Some(share_2(&share))),
        501 => ShareInfo::Level501(Some(share_501(&share))),
        502 => ShareInfo::Level502(Some(share_502(&share))),
        503 => ShareInfo::Level503(Some(share_503(&share))),
        1005 => ShareInfo::Level1005(Some(Share1005 {
            flags: flags_of(&share),
        })),
        // departs [MS-SRVS] 3.1.4.10: Windows and Samba also tell by the levels that are for setting
        1004 => ShareInfo::Level1004(Some(Share1004 {
            comment: text(&share.comment),
        })),
        1006 => ShareInfo::Level1006(Some(Share1006 {
            max_uses: share.max_uses.unwrap_or(UNLIMITED),
        })),
        1007 => ShareInfo::Level1007(Some(Share1007 {
            flags: flags_of(&share),
            other_name: text(""),
        })),
        1501 => {
            let (length, bytes) = descriptor(&share);
            ShareInfo::Level1501(Some(Descriptor { length, bytes }))
        }
        _ => return Ok((nothing(level), win32::INVALID_LEVEL)),
    };
    Ok((info, win32::SUCCESS))
}

fn nothing(level: u32) -> ShareInfo {
    match level {
        0 => ShareInfo::Level0(None),
        1 => ShareInfo::Level1(None),
        2 => ShareInfo::Level2(None),
        501 => ShareInfo::Level501(None),
        502 => ShareInfo::Level502(None),
        503 => ShareInfo::Level503(None),
        1004 => ShareInfo::Level1004(None),
        1005 => ShareInfo::Level1005(None),
        1006 => ShareInfo::Level1006(None),
        1007 => ShareInfo::Level1007(None),
        1501 => ShareInfo::Level1501(None),
        other => ShareInfo::Other(other),
    }
}

/// The share with this name.
pub(super) fn find(call: &Call<'_>, name: &Utf16String) -> Result<ShareSnapshot, u32> {
    if name.is_empty() {
        return Err(win32::INVALID_PARAMETER);
    }
    let mut shares = call.services.view.shares().into_iter();
    let found = shares.find(|share| is_same(name, &share.name));
    found.ok_or(win32::NET_NAME_NOT_FOUND)
}

/// Tells what is shared from a path, as clients are told of paths.
// [MS-SRVS] 3.1.4.16
pub(super) fn share_check(
    call: &mut Call<'_>,
    (_, device): (Text, Utf16String),
) -> Result<(u32, u32), Fault> {
    let shares = call.services.view.shares();
    let is_told = |share: &&ShareSnapshot| {
        share_2(share)
            .path
            .is_some_and(|path| is_same_text(&path, &device))
    };
    let found = shares.iter().find(is_told);
    Ok(match found {
        Some(share) => (share_type(share.kind), win32::SUCCESS),
        None => (0, win32::DEVICE_NOT_SHARED),
    })
}

fn share_0(share: &ShareSnapshot) -> Share0 {
    Share0 {
        name: text(&share.name),
    }
}

fn share_1(share: &ShareSnapshot) -> Share1 {
    Share1 {
        name: text(&share.name),
        kind: share_type(share.kind),
        comment: text(&share.comment),
    }
}

fn share_2(share: &ShareSnapshot) -> Share2 {
    let path = share.path.as_deref().map(|path| text(&client_path(path)));
    Share2 {
        common: share_1(share),
        permissions: 0,
        max_uses: share.max_uses.unwrap_or(UNLIMITED),
        current_uses: share.current_uses,
        // What has no folder is shown as if it had one, because clients expect it.
        path: path.unwrap_or_else(|| match share.kind {
            ShareKind::Pipe => text("C:\\tmp"),
            ShareKind::Disk | ShareKind::Print => text(&format!("C:\\{}", share.name)),
        }),
        password: None,
    }
}

fn share_501(share: &ShareSnapshot) -> Share501 {
    Share501 {
        common: share_1(share),
        flags: flags_of(share),
    }
}

fn share_502(share: &ShareSnapshot) -> Share502 {
    let (descriptor_length, descriptor) = descriptor(share);
    Share502 {
        common: share_2(share),
        descriptor_length,
        descriptor,
    }
}

fn share_503(share: &ShareSnapshot) -> Share503 {
    let (descriptor_length, descriptor) = descriptor(share);
    Share503 {
        common: share_2(share),
        server_name: text("*"),
        descriptor_length,
        descriptor,
    }
}

/// The length and the bytes of a share's descriptor: of its permissions, or of everything for everybody where it has
/// none. The lists of users that the configuration has besides cannot be told. Pipes have no descriptor.
fn descriptor(share: &ShareSnapshot) -> (u32, Option<Array<u8>>) {
    if share.kind == ShareKind::Pipe {
        return (0, None);
    }
    let list = share.permissions.as_ref().map_or_else(
        || {
            let all = AccessMask::FILE_ALL_ACCESS;
            let everybody = Ace::allowed(Sid::EVERYONE, all, AceFlags::NONE);
            Acl::from_aces([everybody]).unwrap_or_else(|_| Acl::new())
        },
        |permissions| permissions.list().clone(),
    );
    let descriptor = SecurityDescriptor {
        owner: Some(Sid::ADMINISTRATORS),
        group: Some(Sid::ADMINISTRATORS),
        dacl: AclSlot::List(list),
        ..SecurityDescriptor::default()
    };
    let mut bytes = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut bytes));
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    (length, Some(Array(bytes.to_vec())))
}

// [MS-SRVS] 2.2.2.4
fn share_type(kind: ShareKind) -> u32 {
    const STYPE_PRINTQ: u32 = 1;
    const STYPE_IPC: u32 = 3;
    const STYPE_SPECIAL: u32 = 0x8000_0000;
    match kind {
        ShareKind::Disk => 0,
        ShareKind::Print => STYPE_PRINTQ,
        ShareKind::Pipe => STYPE_IPC | STYPE_SPECIAL,
    }
}

/// Flags of a share.
// [MS-SRVS] 2.2.4.29
pub(super) mod share_flags {
    pub(in super::super) const DFS: u32 = 0x0003;
    // [MS-SRVS] 2.2.2.5
    pub(in super::super) const CSC_MASK: u32 = 0x0030;
    pub(in super::super) const ACCESS_BASED_DIRECTORY_ENUM: u32 = 0x0800;
    pub(in super::super) const FORCE_LEVEL_2_OPLOCK: u32 = 0x1000;
    pub(in super::super) const ENABLE_CA: u32 = 0x4000;
    pub(in super::super) const ENCRYPT_DATA: u32 = 0x8000;
}

/// What is not told: caching of namespaces, shared opening and deleting that is forced, hashes and
/// compression, because no share has them.
// [MS-SRVS] 2.2.4.29
fn flags_of(share: &ShareSnapshot) -> u32 {
    let caching = match share.caching {
        Caching::Manual => 0x00,
        Caching::Documents => 0x10,
        Caching::Programs => 0x20,
        Caching::Never => 0x30,
    };
    let is_read_only_cached = share.kind != ShareKind::Pipe && share.oplocks != Oplocks::All;
    let optional = [
        (
            share.access_based_enumeration,
            share_flags::ACCESS_BASED_DIRECTORY_ENUM,
        ),
        (is_read_only_cached, share_flags::FORCE_LEVEL_2_OPLOCK),
        (share.continuous_availability, share_flags::ENABLE_CA),
        (share.encrypted, share_flags::ENCRYPT_DATA),
    ];
    let set = optional.into_iter().filter(|(is_set, _)| *is_set);
    set.fold(caching, |flags, (_, flag)| flags | flag)
}

/// How a client is told of a folder: as if all of the host were one drive.
pub(super) fn client_path(path: &Path) -> String {
    format!("C:{}", path.to_string_lossy().replace('/', "\\"))
}

/// What the name of a share cannot hold.
pub(super) fn is_wrong_in_share(letter: char) -> bool {
    letter.is_control() || "\"/\\[]:|<>+;,?*=".contains(letter)
}

fn is_same_text(one: &Utf16String, other: &Utf16String) -> bool {
    eq_ignore_case(one.as_units(), other.as_units())
}

/// No limit to the number of uses.
pub(super) const UNLIMITED: u32 = u32::MAX;
