//! Descriptors for objects that have only the permissions of a POSIX system.

use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityControl, SecurityDescriptor, Sid,
};

use super::ObjectKind;

/// The descriptor that says in Windows' words what the nine permission bits of `mode` say.
///
/// The rights of owner, group and others add up here, while a POSIX system looks at one class only;
/// the host's own check still stands behind this one. An owner who may read and write has full
/// control, as it could give itself the rest. A directory hands its rights on to what is created in
/// it.
#[must_use]
pub fn from_mode(owner: Sid, group: Sid, mode: u32, kind: ObjectKind) -> SecurityDescriptor {
    let class = |shift: u32| mode.checked_shr(shift).unwrap_or(0) & 0o7;
    let inherit = match kind {
        ObjectKind::File => None,
        ObjectKind::Directory => {
            Some(AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT | AceFlags::INHERIT_ONLY)
        }
    };
    // Each principal with its rights, and whom it becomes for what is created in a directory.
    let entries = [
        (owner, owner_rights(class(6), kind), Sid::CREATOR_OWNER),
        (group, rights(class(3), kind), Sid::CREATOR_GROUP),
        (Sid::SYSTEM, AccessMask::FILE_ALL_ACCESS, Sid::SYSTEM),
        (Sid::EVERYONE, rights(class(0), kind), Sid::EVERYONE),
    ];
    let entries = entries
        .into_iter()
        .filter(|(_, rights, _)| !rights.is_empty());
    let aces = entries.flat_map(|(sid, rights, heir)| {
        let own = Ace::allowed(sid, rights, AceFlags::NONE);
        [own]
            .into_iter()
            .chain(inherit.map(|flags| Ace::allowed(heir, rights, flags)))
    });
    // Eight entries always fit.
    let dacl = Acl::from_aces(aces).map_or(AclSlot::List(Acl::new()), AclSlot::List);
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: Some(owner),
        group: Some(group),
        dacl,
        ..SecurityDescriptor::default()
    }
}

fn owner_rights(bits: u32, kind: ObjectKind) -> AccessMask {
    if bits & (READ | WRITE) == READ | WRITE {
        return AccessMask::FILE_ALL_ACCESS;
    }
    // Whatever the bits, an owner can change bits, times and group, and see what it has changed.
    rights(bits, kind)
        | AccessMask::FILE_READ_ATTRIBUTES
        | AccessMask::FILE_WRITE_ATTRIBUTES
        | AccessMask::READ_CONTROL
        | AccessMask::WRITE_DAC
        | AccessMask::SYNCHRONIZE
}

/// The rights of three permission bits.
fn rights(bits: u32, kind: ObjectKind) -> AccessMask {
    let mut rights = AccessMask::NONE;
    if bits & READ != 0 {
        rights |= AccessMask::FILE_GENERIC_READ;
    }
    if bits & WRITE != 0 {
        rights |= AccessMask::FILE_GENERIC_WRITE;
        if kind == ObjectKind::Directory {
            rights |= AccessMask::FILE_DELETE_CHILD;
        }
    }
    if bits & EXECUTE != 0 {
        rights |= AccessMask::FILE_GENERIC_EXECUTE;
    }
    rights
}

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
const EXECUTE: u32 = 0o1;
