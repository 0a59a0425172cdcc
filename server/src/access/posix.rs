//! Descriptors for objects that have only the permissions of a POSIX system.

use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityControl, SecurityDescriptor, Sid,
};

use super::ObjectKind;

/// The permissions of a POSIX system: three classes, and those that an access control list names.
///
/// Permissions are the three bits of a mode, as the system's own check uses them: what a list's
/// mask takes away is not in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PosixPermissions {
    /// The owner, and its permissions.
    pub owner: (Sid, u32),
    /// Further users that a list names.
    pub users: Vec<(Sid, u32)>,
    /// The owning group.
    pub group: (Sid, u32),
    /// Further groups that a list names.
    pub groups: Vec<(Sid, u32)>,
    /// Everybody else's permissions.
    pub others: u32,
}

impl PosixPermissions {
    /// What the nine permission bits of `mode` say.
    #[must_use]
    pub fn from_mode(owner: Sid, group: Sid, mode: u32) -> Self {
        let class = |shift: u32| mode.checked_shr(shift).unwrap_or(0) & ALL;
        Self {
            owner: (owner, class(6)),
            users: Vec::new(),
            group: (group, class(3)),
            groups: Vec::new(),
            others: class(0),
        }
    }

    /// The descriptor that says the same in Windows' words.
    ///
    /// A POSIX system looks at one class only, where the entries of a descriptor add up: a class
    /// that has less than those behind it is denied the difference. An owner who may read and
    /// write has full control, as it could give itself the rest. A directory hands on what
    /// `defaults`, its default list, says, and without one its own rights.
    #[must_use]
    pub fn descriptor(&self, kind: ObjectKind, defaults: Option<&Self>) -> SecurityDescriptor {
        let mut aces = self.entries(kind, AceFlags::NONE, Heirs::Named);
        if kind == ObjectKind::Directory {
            let flags = AceFlags::OBJECT_INHERIT
                .with(AceFlags::CONTAINER_INHERIT)
                .with(AceFlags::INHERIT_ONLY);
            let heirs = match defaults {
                Some(defaults) => defaults.entries(kind, flags, Heirs::Creator),
                None => self.classes().entries(kind, flags, Heirs::Creator),
            };
            aces.extend(heirs);
        }
        // A list that is too long for a descriptor grants nothing.
        let dacl = Acl::from_aces(aces).map_or(AclSlot::List(Acl::new()), AclSlot::List);
        SecurityDescriptor {
            control: SecurityControl::SELF_RELATIVE,
            owner: Some(self.owner.0),
            group: Some(self.group.0),
            dacl,
            ..SecurityDescriptor::default()
        }
    }

    /// Without those that a list names.
    fn classes(&self) -> Self {
        Self {
            users: Vec::new(),
            groups: Vec::new(),
            ..self.clone()
        }
    }

    /// The entries, in the order in which a POSIX system looks for the class that counts.
    fn entries(&self, kind: ObjectKind, flags: AceFlags, heirs: Heirs) -> Vec<Ace> {
        let of_groups = || std::iter::once(&self.group).chain(&self.groups);
        let behind_users = of_groups().fold(self.others, |all, (_, bits)| all | bits);
        let behind_owner = self
            .users
            .iter()
            .fold(behind_users, |all, (_, bits)| all | bits);
        let (owner, group) = match heirs {
            Heirs::Named => (self.owner.0, self.group.0),
            Heirs::Creator => (Sid::CREATOR_OWNER, Sid::CREATOR_GROUP),
        };
        let allow = |sid, rights| Ace::allowed(sid, rights, flags);
        let deny = |sid, bits| Ace::denied(sid, denied_rights(bits, kind), flags);

        let mut aces = vec![
            deny(owner, behind_owner & !self.owner.1),
            allow(owner, owner_rights(self.owner.1, kind)),
        ];
        for (user, bits) in &self.users {
            aces.push(deny(*user, behind_users & !bits));
            aces.push(allow(*user, rights(*bits, kind)));
        }
        // Of several groups, any may grant.
        let named = |sid: Sid| if sid == self.group.0 { group } else { sid };
        aces.extend(of_groups().map(|(sid, bits)| allow(named(*sid), rights(*bits, kind))));
        aces.extend(of_groups().map(|(sid, bits)| deny(named(*sid), self.others & !bits)));
        aces.push(allow(Sid::SYSTEM, AccessMask::FILE_ALL_ACCESS));
        aces.push(allow(Sid::EVERYONE, rights(self.others, kind)));
        let says_something = |ace: &Ace| {
            ace.principal()
                .is_some_and(|(_, rights)| !rights.is_empty())
        };
        aces.retain(says_something);
        aces
    }
}

/// Whom the entries of owner and group are for.
#[derive(Clone, Copy)]
enum Heirs {
    /// Those who have the object.
    Named,
    /// Whoever makes something in the directory.
    Creator,
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

/// The rights that go with permission bits that are missing, and with no other bit.
fn denied_rights(bits: u32, kind: ObjectKind) -> AccessMask {
    let shared = AccessMask::READ_CONTROL
        | AccessMask::SYNCHRONIZE
        | AccessMask::FILE_READ_ATTRIBUTES
        | AccessMask::FILE_WRITE_ATTRIBUTES;
    rights(bits, kind).without(shared)
}

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
const EXECUTE: u32 = 0o1;
const ALL: u32 = 0o7;
