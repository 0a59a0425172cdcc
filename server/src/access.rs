//! Who may do what: the access check, and how descriptors come about.
//!
//! Owns the security token of a session and the rules of [MS-DTYP] 2.5.3. Never looks at a
//! file, a share's own access list or a lock; those are for the commands and the object store.

mod descriptor;
mod parts;
mod posix;
#[cfg(test)]
mod tests;

pub use descriptor::{ObjectKind, inherit, is_canonical, replace};
pub use parts::{needed_to_read, needed_to_set};
pub use posix::PosixPermissions;

use wire::NtStatus;
use wire::dtyp::{AccessMask, Ace, AceType, AclSlot, GenericMapping, SecurityDescriptor, Sid};

/// How somebody logged on, which decides the groups that everybody like that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOn {
    /// With an account and its password or ticket.
    Authenticated,
    /// As a guest.
    Guest,
    /// Without saying who.
    Anonymous,
}

/// What the access check knows of a user.
// [MS-DTYP] 2.5.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityToken {
    user: Sid,
    primary_group: Sid,
    /// All groups, ascending.
    groups: Vec<Sid>,
    privileges: Privileges,
}

impl SecurityToken {
    /// A token of exactly these groups; the primary group need not be among them.
    #[must_use]
    pub fn new(
        user: Sid,
        primary_group: Sid,
        mut groups: Vec<Sid>,
        privileges: Privileges,
    ) -> Self {
        groups.push(primary_group);
        groups.sort_unstable();
        groups.dedup();
        Self {
            user,
            primary_group,
            groups,
            privileges,
        }
    }

    /// A token for a log-on over the network: as [`SecurityToken::new`], with the groups that
    /// follow from how the user logged on.
    #[must_use]
    pub fn for_log_on(
        log_on: LogOn,
        user: Sid,
        primary_group: Sid,
        mut groups: Vec<Sid>,
        privileges: Privileges,
    ) -> Self {
        // [MS-DTYP] 2.4.2.4
        groups.extend([Sid::EVERYONE, Sid::NETWORK]);
        match log_on {
            LogOn::Authenticated => groups.push(Sid::AUTHENTICATED_USERS),
            LogOn::Guest => groups.push(Sid::GUESTS),
            LogOn::Anonymous => groups.push(Sid::ANONYMOUS),
        }
        Self::new(user, primary_group, groups, privileges)
    }

    /// The user.
    #[must_use]
    pub const fn user(&self) -> &Sid {
        &self.user
    }

    /// The group of what the user creates.
    #[must_use]
    pub const fn primary_group(&self) -> &Sid {
        &self.primary_group
    }

    /// All groups, ascending.
    #[must_use]
    pub fn groups(&self) -> &[Sid] {
        &self.groups
    }

    /// The privileges.
    #[must_use]
    pub const fn privileges(&self) -> Privileges {
        self.privileges
    }

    /// The same token with these privileges besides.
    #[must_use]
    pub fn with_privileges(self, more: Privileges) -> Self {
        Self {
            privileges: self.privileges.with(more),
            ..self
        }
    }

    /// Whether the user is, or is a member of, `sid`.
    // [MS-DTYP] 2.5.3.1.1
    #[must_use]
    pub fn contains(&self, sid: &Sid) -> bool {
        self.user == *sid || self.groups.binary_search(sid).is_ok()
    }
}

/// A set of privileges: what a user may do whatever an object's descriptor says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Privileges(u32);

impl Privileges {
    /// No privilege.
    pub const NONE: Self = Self(0);
    /// SeBackupPrivilege: read everything, if opened for backup.
    pub const BACKUP: Self = Self(1);
    /// SeRestorePrivilege: write everything, if opened for backup; set any owner.
    pub const RESTORE: Self = Self(1 << 1);
    /// SeTakeOwnershipPrivilege: open anything to become its owner.
    pub const TAKE_OWNERSHIP: Self = Self(1 << 2);
    /// SeSecurityPrivilege: read and set system access control lists.
    pub const SECURITY: Self = Self(1 << 3);
    /// SeCreateSymbolicLinkPrivilege.
    pub const CREATE_SYMBOLIC_LINK: Self = Self(1 << 4);
    /// SeManageVolumePrivilege: set the valid data length.
    pub const MANAGE_VOLUME: Self = Self(1 << 5);

    /// These privileges and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every privilege of `other` is held.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Decides whether a user may have `desired` access, and gives the access that is granted.
///
/// `MAXIMUM_ALLOWED` asks for all that can be had; other bits beside it must be among that.
/// `ACCESS_SYSTEM_SECURITY` is granted only if it is asked for by name.
///
/// # Errors
/// `PRIVILEGE_NOT_HELD` for the SACL without the privilege, else `ACCESS_DENIED`.
// [MS-DTYP] 2.5.3.2
pub fn check(
    token: &SecurityToken,
    descriptor: &SecurityDescriptor,
    desired: AccessMask,
) -> Result<AccessMask, NtStatus> {
    resolve(token, maximal_access(token, descriptor), desired)
}

/// As [`check`], where what can be had is known already: from the descriptor, from the parent
/// ([`from_parent`]) and by a backup's privileges ([`by_backup_intent`]).
///
/// # Errors
/// `PRIVILEGE_NOT_HELD` for the SACL without the privilege, else `ACCESS_DENIED`.
// [MS-FSA] 2.1.5.1.2.1
pub fn resolve(
    token: &SecurityToken,
    mut allowed: AccessMask,
    desired: AccessMask,
) -> Result<AccessMask, NtStatus> {
    let desired = desired.map_generic(&GenericMapping::FILE);
    let named = desired.without(AccessMask::MAXIMUM_ALLOWED);
    if named.contains(AccessMask::ACCESS_SYSTEM_SECURITY) {
        check_system_security(token)?;
        allowed |= AccessMask::ACCESS_SYSTEM_SECURITY;
    }
    if !allowed.contains(named) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    if !desired.contains(AccessMask::MAXIMUM_ALLOWED) {
        return Ok(named);
    }
    if allowed.is_empty() {
        Err(NtStatus::ACCESS_DENIED)
    } else {
        Ok(allowed)
    }
}

/// Whether a user may ask for `ACCESS_SYSTEM_SECURITY`.
///
/// # Errors
/// `PRIVILEGE_NOT_HELD`.
pub fn check_system_security(token: &SecurityToken) -> Result<(), NtStatus> {
    // departs [MS-DTYP] 2.5.3.2: Windows answers PRIVILEGE_NOT_HELD instead of ACCESS_DENIED
    if token.privileges.contains(Privileges::SECURITY) {
        Ok(())
    } else {
        Err(NtStatus::PRIVILEGE_NOT_HELD)
    }
}

/// All the access that a descriptor and the user's privileges give, but for
/// `ACCESS_SYSTEM_SECURITY`.
// [MS-DTYP] 2.5.3.2
#[must_use]
pub fn maximal_access(token: &SecurityToken, descriptor: &SecurityDescriptor) -> AccessMask {
    let AclSlot::List(list) = &descriptor.dacl else {
        return AccessMask::FILE_ALL_ACCESS;
    };
    let effective = || list.aces().iter().filter(|ace| ace.is_effective());
    let is_owner = descriptor
        .owner
        .as_ref()
        .is_some_and(|owner| token.contains(owner));
    let mut granted = AccessMask::NONE;
    if token.privileges.contains(Privileges::TAKE_OWNERSHIP) {
        granted |= AccessMask::WRITE_OWNER;
    }
    let names_owner_rights = |ace: &Ace| {
        ace.principal()
            .is_some_and(|(sid, _)| *sid == Sid::OWNER_RIGHTS)
    };
    if is_owner && !effective().any(names_owner_rights) {
        granted |= AccessMask::READ_CONTROL | AccessMask::WRITE_DAC;
    }
    let mut denied = AccessMask::NONE;
    for ace in effective() {
        let Some((sid, mask)) = ace.principal() else {
            continue;
        };
        let concerns_user = token.contains(sid) || is_owner && *sid == Sid::OWNER_RIGHTS;
        if !concerns_user {
            continue;
        }
        let mask = mask.map_generic(&GenericMapping::FILE);
        match effect(ace.ace_type()) {
            // departs [MS-DTYP] 2.5.3.2: what an earlier entry gave stays given, for
            // MAXIMUM_ALLOWED too, so that both ways of asking agree
            Effect::Allow => granted |= mask.without(denied),
            Effect::Deny => denied |= mask.without(granted),
            Effect::None => {}
        }
    }
    granted
}

/// What the parent's descriptor gives for its children: who may delete them, and who may read their
/// attributes.
// [MS-FSA] 2.1.5.1.2.1
#[must_use]
pub fn from_parent(token: &SecurityToken, parent: &SecurityDescriptor) -> AccessMask {
    let allowed = maximal_access(token, parent);
    let mut granted = AccessMask::NONE;
    if allowed.contains(AccessMask::FILE_DELETE_CHILD) {
        granted |= AccessMask::DELETE;
    }
    if allowed.contains(AccessMask::FILE_LIST_DIRECTORY) {
        granted |= AccessMask::FILE_READ_ATTRIBUTES;
    }
    granted
}

/// What the backup and restore privileges give to an open with FILE_OPEN_FOR_BACKUP_INTENT.
///
/// With SeSecurityPrivilege besides, `ACCESS_SYSTEM_SECURITY` is part of it; those who only ask for `MAXIMUM_ALLOWED` get
/// it too.
// departs [MS-FSA] 2.1.5.1: without that privilege it is not, so that one privilege alone decides about system lists
#[must_use]
pub fn by_backup_intent(token: &SecurityToken) -> AccessMask {
    let mut granted = AccessMask::NONE;
    if token.privileges.contains(Privileges::BACKUP) {
        granted |=
            AccessMask::READ_CONTROL | AccessMask::FILE_GENERIC_READ | AccessMask::FILE_TRAVERSE;
    }
    if token.privileges.contains(Privileges::RESTORE) {
        granted |= AccessMask::WRITE_DAC
            | AccessMask::WRITE_OWNER
            | AccessMask::FILE_GENERIC_WRITE
            | AccessMask::FILE_ADD_FILE
            | AccessMask::FILE_ADD_SUBDIRECTORY
            | AccessMask::DELETE;
    }
    if !granted.is_empty() && token.privileges.contains(Privileges::SECURITY) {
        granted |= AccessMask::ACCESS_SYSTEM_SECURITY;
    }
    granted
}

/// What an entry of a DACL does.
enum Effect {
    Allow,
    Deny,
    None,
}

fn effect(ace_type: AceType) -> Effect {
    match ace_type {
        AceType::ACCESS_ALLOWED => Effect::Allow,
        // departs [MS-DTYP] 2.5.3.1.5: conditions are not evaluated, and one whose outcome is
        // unknown gives nothing but denies
        AceType::ACCESS_DENIED | AceType::ACCESS_DENIED_CALLBACK => Effect::Deny,
        _ => Effect::None,
    }
}
