//! The host's own permissions as descriptors: owner, group, mode, and the access control lists that
//! the kernel tells in extended attributes.
//!
//! Owns the form of those lists and whose identifiers stand in a descriptor; what permissions
//! mean in a client's words is [`server::access`]'s.

use std::ffi::CStr;

use rustix::fs::Statx;
use rustix::io::Errno;
use server::access::{ObjectKind, PosixPermissions};
use server::share::Caller;
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, Sid};

use super::attributes::is_directory;
use super::errno::status;
use super::file::File;
use super::identity;
use super::security::kind_of;

/// What the host's owner, group and permissions amount to.
pub(super) fn from_host(caller: &Caller, file: &File) -> Result<SecurityDescriptor, NtStatus> {
    translated(caller, file, &file.stat()?)
}

/// [`from_host`] for an object whose owner and mode are known.
pub(super) fn translated(
    caller: &Caller,
    file: &File,
    host: &Statx,
) -> Result<SecurityDescriptor, NtStatus> {
    let kind = kind_of(is_directory(host));
    let permissions = match PosixAcl::of(file, ACCESS).map_err(status)? {
        Some(list) => with_sids(caller, host, &list),
        None => {
            let owner = owner_of(caller, host.stx_uid);
            let group = group_of(caller, host.stx_gid);
            PosixPermissions::from_mode(owner, group, u32::from(host.stx_mode))
        }
    };
    let defaults = match kind {
        ObjectKind::Directory => PosixAcl::of(file, DEFAULT).map_err(status)?,
        ObjectKind::File => None,
    };
    let defaults = defaults.map(|list| with_sids(caller, host, &list));
    Ok(permissions.descriptor(kind, defaults.as_ref()))
}

/// The entries of a list of the host with the identifiers that clients know.
fn with_sids(caller: &Caller, host: &Statx, list: &PosixAcl) -> PosixPermissions {
    let user = |(uid, bits): &(u32, u32)| (owner_of(caller, *uid), *bits);
    let group = |(gid, bits): &(u32, u32)| (group_of(caller, *gid), *bits);
    PosixPermissions {
        owner: user(&(host.stx_uid, list.owner)),
        users: list.users.iter().map(user).collect(),
        group: group(&(host.stx_gid, list.group)),
        groups: list.groups.iter().map(group).collect(),
        others: list.others,
    }
}

/// A user of the host by its own identifier; the caller itself by the one it goes by, where the
/// host's identifier is not among its groups.
fn owner_of(caller: &Caller, uid: u32) -> Sid {
    let sid = Sid::unix_user(uid);
    let own = caller
        .host
        .as_ref()
        .map_or(identity::own_ids().0, |host| host.uid);
    if uid == own && !caller.token.contains(&sid) {
        *caller.token.user()
    } else {
        sid
    }
}

fn group_of(caller: &Caller, gid: u32) -> Sid {
    let sid = Sid::unix_group(gid);
    let own = caller
        .host
        .as_ref()
        .map_or(identity::own_ids().1, |host| host.gid);
    if gid == own && !caller.token.contains(&sid) {
        *caller.token.primary_group()
    } else {
        sid
    }
}

/// A list: who may do what. Permissions are the three bits of a mode, what the mask takes away gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct PosixAcl {
    owner: u32,
    /// Further users by number.
    users: Vec<(u32, u32)>,
    group: u32,
    /// Further groups by number.
    groups: Vec<(u32, u32)>,
    others: u32,
}

impl PosixAcl {
    /// The list kept in `attribute`; none where there is none, or the file system has no such
    /// lists.
    fn of(file: &File, attribute: &CStr) -> Result<Option<Self>, Errno> {
        match file.whole_xattr(attribute, LONGEST) {
            Ok(bytes) => bytes
                .map(|bytes| Self::decode(&bytes).ok_or(Errno::ACCESS))
                .transpose(),
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        let (entries, rest) = entries.as_chunks::<8>();
        if *version != VERSION || !rest.is_empty() {
            return None;
        }
        let (mut list, mut mask) = (Self::default(), ALL);
        for entry in entries {
            let [tag_low, tag_high, bits_low, bits_high, id @ ..] = *entry;
            let bits = u32::from(u16::from_le_bytes([bits_low, bits_high])) & ALL;
            let id = u32::from_le_bytes(id);
            match u16::from_le_bytes([tag_low, tag_high]) {
                0x01 => list.owner = bits,
                0x02 => list.users.push((id, bits)),
                0x04 => list.group = bits,
                0x08 => list.groups.push((id, bits)),
                0x10 => mask = bits,
                0x20 => list.others = bits,
                _ => return None,
            }
        }
        list.group &= mask;
        let named = list.users.iter_mut().chain(&mut list.groups);
        named.for_each(|(_, bits)| *bits &= mask);
        Some(list)
    }
}

/// The list that counts beside the mode.
const ACCESS: &CStr = c"system.posix_acl_access";
/// The list that a folder hands on.
const DEFAULT: &CStr = c"system.posix_acl_default";

const VERSION: [u8; 4] = [2, 0, 0, 0];
const ALL: u32 = 0o7;
const LONGEST: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    use rustix::fs::{XattrFlags, setxattr};
    use server::access::maximal_access;
    use server::share::{Disposition, Opened, SetInfo};
    use wire::dtyp::{AccessMask, FileTime};
    use wire::fscc::TimeChange;
    use wire::fscc::file_info::BasicChange;

    use super::super::identity::tests::{skipped_without_root, stranger};
    use super::super::testing::{Fixture, caller, how, looking, set};
    use super::*;

    const NOBODY: u32 = u32::MAX;

    /// A list with these entries: tag, permissions, number.
    fn encode(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let entry = |(tag, bits, id): &(u16, u16, u32)| {
            let mut bytes = [tag.to_le_bytes(), bits.to_le_bytes()].concat();
            bytes.extend(id.to_le_bytes());
            bytes
        };
        [VERSION.to_vec(), entries.iter().flat_map(entry).collect()].concat()
    }

    #[test]
    fn the_mask_limits_all_but_the_owner_and_others() {
        let bytes = encode(&[
            (0x01, 7, NOBODY),
            (0x02, 6, 1000),
            (0x04, 7, NOBODY),
            (0x08, 3, 100),
            (0x10, 4, NOBODY),
            (0x20, 7, NOBODY),
        ]);
        let expected = PosixAcl {
            owner: 7,
            users: vec![(1000, 4)],
            group: 4,
            groups: vec![(100, 0)],
            others: 7,
        };
        assert_eq!(PosixAcl::decode(&bytes), Some(expected));
    }

    #[test]
    fn what_is_no_list_is_none() {
        let list = encode(&[(0x01, 7, 0)]);
        assert!(PosixAcl::decode(&list).is_some());
        for wrong in [&list[..11], &list[..3], &encode(&[(0x03, 7, 0)])[..]] {
            assert_eq!(PosixAcl::decode(wrong), None);
        }
        let newer = [&[3, 0, 0, 0], &list[4..]].concat();
        assert_eq!(PosixAcl::decode(&newer), None);
    }

    #[test]
    fn a_user_whom_a_list_of_the_host_names_gets_what_it_says() {
        if skipped_without_root("a_user_whom_a_list_of_the_host_names_gets_what_it_says") {
            return;
        }
        let fixture = Fixture::new();
        set_permissions(fixture.outside.path(), Permissions::from_mode(0o755)).unwrap();
        fixture.create("a");
        set_permissions(fixture.path("a"), Permissions::from_mode(0o600)).unwrap();
        let user = caller(Some(stranger()));
        let open = || fixture.open_as(&user, "a", &how(Disposition::Existing));
        assert_eq!(open().err(), Some(NtStatus::ACCESS_DENIED));
        let list = encode(&[
            (0x01, 6, NOBODY),
            (0x02, 6, stranger().uid),
            (0x04, 0, NOBODY),
            (0x10, 6, NOBODY),
            (0x20, 0, NOBODY),
        ]);
        match setxattr(fixture.path("a"), ACCESS, &list, XattrFlags::empty()) {
            Err(Errno::NOTSUP) => return eprintln!("skipped: the file system has no such lists"),
            set => set.unwrap(),
        }
        let rights = maximal_access(&user.token, &open().unwrap().security.unwrap());
        assert!(rights.contains(AccessMask::FILE_GENERIC_READ | AccessMask::FILE_GENERIC_WRITE));
        assert!(!rights.intersects(AccessMask::DELETE | AccessMask::WRITE_DAC));
    }

    #[test]
    fn the_server_lends_its_rights_only_to_owners_writers_and_whom_a_descriptor_names() {
        if skipped_without_root(
            "the_server_lends_its_rights_only_to_owners_writers_and_whom_a_descriptor_names",
        ) {
            return;
        }
        let fixture = Fixture::new();
        set_permissions(fixture.outside.path(), Permissions::from_mode(0o755)).unwrap();
        let made = fixture.create("a");
        let user = caller(Some(stranger()));
        let opened = fixture.open_as(&user, "a", &looking()).unwrap();
        let time = |opened: &Opened, ticks| {
            let last_write_time = TimeChange::Set(FileTime(ticks));
            let change = BasicChange {
                last_write_time,
                ..BasicChange::default()
            };
            set(opened, SetInfo::Basic(change))
        };
        let ticks = 130_000_000_000_000_000;
        let permit = |mode| {
            set_permissions(fixture.path("a"), Permissions::from_mode(mode)).unwrap();
        };
        // Whoever asks has been granted the right by the commands; the host has a say too.
        permit(0o644);
        assert_eq!(time(&opened, ticks), Err(NtStatus::ACCESS_DENIED));
        permit(0o666);
        assert_eq!(time(&opened, ticks), Ok(()));
        permit(0o444);
        assert_eq!(time(&opened, ticks), Err(NtStatus::ACCESS_DENIED));
        chown(fixture.path("a"), Some(stranger().uid), None).unwrap();
        assert_eq!(time(&opened, ticks), Ok(()));
        chown(fixture.path("a"), Some(0), None).unwrap();
        let descriptor = super::super::security::tests::list([]);
        let dacl = wire::dtyp::SecurityInformation::DACL;
        crate::offload::tests::wait(made.handle.set_security(dacl, descriptor)).unwrap();
        assert_eq!(time(&opened, ticks), Ok(()));
    }
}
