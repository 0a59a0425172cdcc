//! How security descriptors come about: by inheritance for a new object, by being set.

use wire::NtStatus;
use wire::dtyp::{
    AccessMask, Ace, AceFlags, AceType, Acl, AclSlot, AclTooLarge, GenericMapping, SecurityControl,
    SecurityDescriptor, SecurityInformation, Sid,
};

use super::{Privileges, SecurityToken};

/// What a descriptor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A file, which has no children.
    File,
    /// A directory.
    Directory,
}

/// The descriptor of a new object: what its creator asked for, completed from the parent's and,
/// where that has nothing to hand on, from the creator's defaults.
///
/// # Errors `PRIVILEGE_NOT_HELD` for a SACL without the privilege, `INVALID_OWNER` for an owner that the creator may not
/// make one, `BAD_INHERITANCE_ACL` when a list would be larger than a list can be.
// [MS-DTYP] 2.5.3.4.1
pub fn inherit(
    parent: &SecurityDescriptor,
    creator: &SecurityToken,
    explicit: Option<&SecurityDescriptor>,
    kind: ObjectKind,
) -> Result<SecurityDescriptor, NtStatus> {
    let none = SecurityDescriptor::default();
    let explicit = explicit.unwrap_or(&none);
    if explicit.sacl.list().is_some() && !creator.privileges().contains(Privileges::SECURITY) {
        return Err(NtStatus::PRIVILEGE_NOT_HELD);
    }
    if let Some(owner) = &explicit.owner {
        check_owner(creator, owner)?;
    }
    let owner = explicit.owner.unwrap_or(*creator.user());
    let group = explicit.group.unwrap_or(*creator.primary_group());
    let heir = Heir { owner, group, kind };
    let default = default_dacl(owner).map_err(too_large)?;
    let dacl = new_list(&DACL, parent, explicit, &heir, AclSlot::List(default))?;
    let sacl = new_list(&SACL, parent, explicit, &heir, AclSlot::Absent)?;
    Ok(SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE
            .with(dacl.control)
            .with(sacl.control),
        resource_manager: explicit.resource_manager,
        owner: Some(owner),
        group: Some(group),
        sacl: sacl.slot,
        dacl: dacl.slot,
    })
}

/// The descriptor after `setter` has set those `parts` of it to those of `new`. Who stays the owner may be anybody.
///
/// # Errors
/// `INVALID_OWNER` or `INVALID_PRIMARY_GROUP` when `new` lacks what is to be set, `INVALID_OWNER` for one that `setter`
/// may not make the owner, `BAD_INHERITANCE_ACL` when the system list would grow too large.
// [MS-FSA] 2.1.5.17
pub fn replace(
    current: &SecurityDescriptor,
    new: &SecurityDescriptor,
    parts: SecurityInformation,
    setter: &SecurityToken,
) -> Result<SecurityDescriptor, NtStatus> {
    use SecurityInformation as Info;
    let mut result = current.clone();
    if parts.intersects(Info::OWNER | Info::BACKUP) {
        let owner = new.owner.ok_or(NtStatus::INVALID_OWNER)?;
        if current.owner != Some(owner) {
            check_owner(setter, &owner)?;
        }
        result.owner = Some(owner);
    }
    if parts.intersects(Info::GROUP | Info::BACKUP) {
        result.group = Some(new.group.ok_or(NtStatus::INVALID_PRIMARY_GROUP)?);
    }
    if parts.intersects(Info::DACL | Info::BACKUP) {
        result.control = set_control(&DACL, current, new, parts);
        result.dacl = match &new.dacl {
            // What is set without a list becomes a null list.
            AclSlot::Absent | AclSlot::Null => AclSlot::Null,
            AclSlot::List(list) => AclSlot::List(mapped(list).map_err(too_large)?),
        };
    }
    let system = Info::SACL | Info::LABEL | Info::ATTRIBUTE | Info::SCOPE;
    if parts.intersects(system | Info::BACKUP) {
        if parts.intersects(Info::SACL | Info::BACKUP) {
            result.control = set_control(&SACL, &result, new, parts);
        }
        result.sacl = replaced_sacl(current, new, parts)?;
    }
    Ok(result)
}

/// Whether somebody may make `owner` the owner of something: itself or a group that it is in, and anybody with
/// SeRestorePrivilege.
// [MS-FSA] 2.1.5.17
fn check_owner(token: &SecurityToken, owner: &Sid) -> Result<(), NtStatus> {
    if token.contains(owner) || token.privileges().contains(Privileges::RESTORE) {
        Ok(())
    } else {
        Err(NtStatus::INVALID_OWNER)
    }
}

/// Whether a list is in the order in which Windows writes it: what is explicit before what is
/// inherited, and of what is explicit, denials first.
// [MS-DTYP] 2.4.5
#[must_use]
pub fn is_canonical(list: &Acl) -> bool {
    list.aces().iter().map(canonical_rank).is_sorted()
}

fn canonical_rank(ace: &Ace) -> u8 {
    match ace.ace_type() {
        _ if ace.flags().contains(AceFlags::INHERITED) => 2,
        AceType::ACCESS_DENIED
        | AceType::ACCESS_DENIED_CALLBACK
        | AceType::ACCESS_DENIED_OBJECT
        | AceType::ACCESS_DENIED_CALLBACK_OBJECT => 0,
        _ => 1,
    }
}

/// The new object, as far as it matters to the entries that it inherits.
struct Heir {
    owner: Sid,
    group: Sid,
    kind: ObjectKind,
}

/// What differs between the two lists of a descriptor.
struct Which {
    slot: fn(&SecurityDescriptor) -> &AclSlot,
    auto_inherit_required: SecurityControl,
    auto_inherited: SecurityControl,
    protected: SecurityControl,
    defaulted: SecurityControl,
    set_protected: SecurityInformation,
    set_unprotected: SecurityInformation,
}

const DACL: Which = Which {
    slot: |descriptor| &descriptor.dacl,
    auto_inherit_required: SecurityControl::DACL_AUTO_INHERIT_REQUIRED,
    auto_inherited: SecurityControl::DACL_AUTO_INHERITED,
    protected: SecurityControl::DACL_PROTECTED,
    defaulted: SecurityControl::DACL_DEFAULTED,
    set_protected: SecurityInformation::PROTECTED_DACL,
    set_unprotected: SecurityInformation::UNPROTECTED_DACL,
};

const SACL: Which = Which {
    slot: |descriptor| &descriptor.sacl,
    auto_inherit_required: SecurityControl::SACL_AUTO_INHERIT_REQUIRED,
    auto_inherited: SecurityControl::SACL_AUTO_INHERITED,
    protected: SecurityControl::SACL_PROTECTED,
    defaulted: SecurityControl::SACL_DEFAULTED,
    set_protected: SecurityInformation::PROTECTED_SACL,
    set_unprotected: SecurityInformation::UNPROTECTED_SACL,
};

/// A list of a new descriptor with the control bits that go with it.
struct NewList {
    slot: AclSlot,
    control: SecurityControl,
}

// [MS-DTYP] 2.5.3.4.2
fn new_list(
    which: &Which,
    parent: &SecurityDescriptor,
    explicit: &SecurityDescriptor,
    heir: &Heir,
    default: AclSlot,
) -> Result<NewList, NtStatus> {
    let marked = parent.control.contains(which.auto_inherited);
    let inherited = || {
        let aces = (which.slot)(parent).list().map_or(&[][..], Acl::aces);
        aces.iter()
            .flat_map(|ace| inherited_aces(ace, heir, marked))
    };
    let of_inheritance = if marked {
        which.auto_inherited
    } else {
        SecurityControl::NONE
    };
    match (which.slot)(explicit) {
        AclSlot::Null => Ok(NewList {
            slot: AclSlot::Null,
            control: SecurityControl::NONE,
        }),
        AclSlot::List(list) => {
            let protected = explicit.control & which.protected;
            let merges =
                explicit.control.contains(which.auto_inherit_required) && protected.is_empty();
            let own = list
                .aces()
                .iter()
                .filter(|ace| !merges || !is_inherited(ace));
            let own = own.flat_map(|ace| own_aces(ace, heir));
            if merges {
                let slot =
                    AclSlot::List(Acl::from_aces(own.chain(inherited())).map_err(too_large)?);
                return Ok(NewList {
                    slot,
                    control: which.auto_inherited,
                });
            }
            let slot = AclSlot::List(Acl::from_aces(own).map_err(too_large)?);
            Ok(NewList {
                slot,
                control: protected,
            })
        }
        AclSlot::Absent => {
            let list = Acl::from_aces(inherited()).map_err(too_large)?;
            // departs [MS-DTYP] 2.5.3.4.2: the default is used whenever nothing was inherited, as
            // Windows does, not only when nothing could be inherited by any object
            if list.aces().is_empty() {
                return Ok(NewList {
                    slot: default,
                    control: SecurityControl::NONE,
                });
            }
            Ok(NewList {
                slot: AclSlot::List(list),
                control: of_inheritance,
            })
        }
    }
}

/// The entries that an object inherits from one entry of its parent: none, one that counts, one to
/// be handed on, or both.
///
/// Two are needed where the one that counts differs from the one to be handed on, because it names
/// its creator or has generic rights.
// departs [MS-DTYP] 2.5.3.4.4: by the table at its end, not by the pseudocode, which would not let
// entries be inherited that are marked as inherit-only
fn inherited_aces(ace: &Ace, heir: &Heir, marked: bool) -> impl Iterator<Item = Ace> + use<> {
    let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let flags = ace.flags();
    let mark = if marked {
        AceFlags::INHERITED
    } else {
        AceFlags::NONE
    };
    let base = (flags & (AceFlags::SUCCESSFUL_ACCESS | AceFlags::FAILED_ACCESS)).with(mark);
    let counts_by = match heir.kind {
        ObjectKind::File => AceFlags::OBJECT_INHERIT,
        ObjectKind::Directory => AceFlags::CONTAINER_INHERIT,
    };
    let counts = flags.contains(counts_by);
    let hands_on = heir.kind == ObjectKind::Directory
        && flags.intersects(inherit)
        && !flags.contains(AceFlags::NO_PROPAGATE_INHERIT);
    let concrete = concrete(ace, heir);
    let is_same = concrete == *ace;
    let handing_on = base.with(flags & inherit);
    let (first, second) = match (counts, hands_on) {
        (true, true) if is_same => (Some(concrete.with_flags(handing_on)), None),
        (true, hands_on) => (
            Some(concrete.with_flags(base)),
            hands_on.then(|| ace.clone().with_flags(handing_on | AceFlags::INHERIT_ONLY)),
        ),
        (false, true) => (
            Some(ace.clone().with_flags(handing_on | AceFlags::INHERIT_ONLY)),
            None,
        ),
        (false, false) => (None, None),
    };
    first.into_iter().chain(second)
}

/// The entries that an explicit entry becomes: itself made concrete and, if a directory hands it
/// on, itself as it was.
// [MS-DTYP] 2.5.3.4.7
fn own_aces(ace: &Ace, heir: &Heir) -> impl Iterator<Item = Ace> + use<> {
    let flags = ace.flags();
    let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let hands_on = heir.kind == ObjectKind::Directory && flags.intersects(inherit);
    let concrete = concrete(ace, heir);
    let (first, second) = if !ace.is_effective() || concrete == *ace {
        (ace.clone(), None)
    } else if hands_on {
        let counting = flags.without(inherit | AceFlags::NO_PROPAGATE_INHERIT);
        let handed_on = ace.clone().with_flags(flags | AceFlags::INHERIT_ONLY);
        (concrete.with_flags(counting), Some(handed_on))
    } else {
        (concrete, None)
    };
    [first].into_iter().chain(second)
}

/// An entry with the creator's identifiers and generic rights replaced by what they stand for.
// [MS-DTYP] 2.5.3.4.7
fn concrete(ace: &Ace, heir: &Heir) -> Ace {
    let Some((sid, mask)) = ace.principal() else {
        return ace.clone();
    };
    let sid = match *sid {
        Sid::CREATOR_OWNER => heir.owner,
        Sid::CREATOR_GROUP => heir.group,
        sid => sid,
    };
    ace.clone()
        .with_principal(sid, mask.map_generic(&GenericMapping::FILE))
}

fn is_inherited(ace: &Ace) -> bool {
    ace.flags().contains(AceFlags::INHERITED)
}

/// The list of an object whose parent has nothing to hand on: its owner and the system.
fn default_dacl(owner: Sid) -> Result<Acl, AclTooLarge> {
    let full = |sid| Ace::allowed(sid, AccessMask::FILE_ALL_ACCESS, AceFlags::NONE);
    Acl::from_aces([full(owner), full(Sid::SYSTEM)])
}

/// A list that is set: generic rights become what they stand for in the entries that count.
fn mapped(list: &Acl) -> Result<Acl, AclTooLarge> {
    Acl::from_aces(list.aces().iter().map(|ace| {
        match ace.principal() {
            Some((sid, mask)) if ace.is_effective() => ace
                .clone()
                .with_principal(*sid, mask.map_generic(&GenericMapping::FILE)),
            _ => ace.clone(),
        }
    }))
}

/// The control bits after a list was set.
// [MS-DTYP] 2.4.6
fn set_control(
    which: &Which,
    current: &SecurityDescriptor,
    new: &SecurityDescriptor,
    parts: SecurityInformation,
) -> SecurityControl {
    let own =
        which.auto_inherited | which.protected | which.defaulted | which.auto_inherit_required;
    let mut control = current.control.without(own);
    // "Inherited" stays only if the setter also says that it computed inheritance.
    if new
        .control
        .contains(which.auto_inherited | which.auto_inherit_required)
    {
        control |= which.auto_inherited;
    }
    if parts.intersects(which.set_protected) {
        control |= which.protected;
    } else if !parts.intersects(which.set_unprotected) {
        control |= new.control & which.protected;
    }
    control
}

/// The system list with those entries replaced that `parts` speak of.
// [MS-FSA] 2.1.5.17
fn replaced_sacl(
    current: &SecurityDescriptor,
    new: &SecurityDescriptor,
    parts: SecurityInformation,
) -> Result<AclSlot, NtStatus> {
    let entries = |slot: &AclSlot| {
        slot.list()
            .map_or_else(Vec::new, |list| list.aces().to_vec())
    };
    let set = entries(&new.sacl)
        .into_iter()
        .filter(|ace| parts.selects(ace.ace_type()));
    let kept = entries(&current.sacl)
        .into_iter()
        .filter(|ace| !parts.selects(ace.ace_type()));
    let list = Acl::from_aces(set.chain(kept)).map_err(too_large)?;
    if list.aces().is_empty() {
        return Ok(new.sacl.clone());
    }
    mapped(&list).map(AclSlot::List).map_err(too_large)
}

fn too_large(AclTooLarge: AclTooLarge) -> NtStatus {
    NtStatus::BAD_INHERITANCE_ACL
}
