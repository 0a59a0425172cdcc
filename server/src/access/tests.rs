use proptest::prelude::*;
use wire::dtyp::{AceFlags, Acl};

use super::*;

mod descriptors;

const ALICE: Sid = Sid::domain_account([1, 2, 3], 1000);
const BOB: Sid = Sid::domain_account([1, 2, 3], 1001);
const STAFF: Sid = Sid::domain_account([1, 2, 3], 2000);

const READ: AccessMask = AccessMask::FILE_GENERIC_READ;
const ALL: AccessMask = AccessMask::FILE_ALL_ACCESS;
const WRITE_DATA: AccessMask = AccessMask::FILE_WRITE_DATA;
const READ_DATA: AccessMask = AccessMask::FILE_READ_DATA;
const OWNER_IMPLICIT: AccessMask = AccessMask::READ_CONTROL.with(AccessMask::WRITE_DAC);
const MAXIMUM: AccessMask = AccessMask::MAXIMUM_ALLOWED;

const DENIED: Result<AccessMask, NtStatus> = Err(NtStatus::ACCESS_DENIED);

const OI: AceFlags = AceFlags::OBJECT_INHERIT;
const CI: AceFlags = AceFlags::CONTAINER_INHERIT;
const NP: AceFlags = AceFlags::NO_PROPAGATE_INHERIT;
const IO: AceFlags = AceFlags::INHERIT_ONLY;
const ID: AceFlags = AceFlags::INHERITED;

fn alice_with(privileges: Privileges) -> SecurityToken {
    SecurityToken::for_log_on(LogOn::Authenticated, ALICE, STAFF, Vec::new(), privileges)
}

fn alice() -> SecurityToken {
    alice_with(Privileges::NONE)
}

fn allow(sid: Sid, mask: AccessMask) -> Ace {
    Ace::allowed(sid, mask, AceFlags::NONE)
}

fn deny(sid: Sid, mask: AccessMask) -> Ace {
    Ace::denied(sid, mask, AceFlags::NONE)
}

fn list(aces: impl IntoIterator<Item = Ace>) -> AclSlot {
    AclSlot::List(Acl::from_aces(aces).unwrap())
}

fn owned_by(owner: Sid, aces: impl IntoIterator<Item = Ace>) -> SecurityDescriptor {
    SecurityDescriptor {
        owner: Some(owner),
        group: Some(STAFF),
        dacl: list(aces),
        ..SecurityDescriptor::default()
    }
}

fn dacl(descriptor: &SecurityDescriptor) -> &[Ace] {
    descriptor.dacl.list().map_or(&[], Acl::aces)
}

// test [MS-DTYP] 2.5.3.2
#[test]
fn the_access_of_somebody_else_is_what_the_entries_say_in_their_order() {
    let table = [
        (vec![], AccessMask::NONE),
        (vec![allow(ALICE, READ)], READ),
        (vec![allow(STAFF, READ)], READ),
        (vec![allow(Sid::EVERYONE, READ)], READ),
        (vec![allow(Sid::AUTHENTICATED_USERS, READ)], READ),
        (vec![allow(BOB, READ)], AccessMask::NONE),
        (vec![allow(Sid::CREATOR_OWNER, READ)], AccessMask::NONE),
        (vec![allow(Sid::OWNER_RIGHTS, READ)], AccessMask::NONE),
        (vec![allow(ALICE, AccessMask::GENERIC_READ)], READ),
        (
            vec![deny(ALICE, READ_DATA), allow(ALICE, READ)],
            READ.without(READ_DATA),
        ),
        (
            vec![deny(STAFF, READ_DATA), allow(ALICE, READ)],
            READ.without(READ_DATA),
        ),
        (vec![deny(BOB, READ_DATA), allow(ALICE, READ)], READ),
        (vec![allow(ALICE, READ), deny(ALICE, READ_DATA)], READ),
        (
            vec![allow(ALICE, READ_DATA), allow(STAFF, WRITE_DATA)],
            READ_DATA.with(WRITE_DATA),
        ),
        (
            vec![Ace::allowed(ALICE, READ, IO.with(CI))],
            AccessMask::NONE,
        ),
        (
            vec![Ace::denied(ALICE, READ, IO.with(CI)), allow(ALICE, READ)],
            READ,
        ),
        (
            vec![Ace::audit(ALICE, READ, AceFlags::NONE)],
            AccessMask::NONE,
        ),
    ];
    for (aces, expected) in table {
        let descriptor = owned_by(BOB, aces);
        assert_eq!(
            maximal_access(&alice(), &descriptor),
            expected,
            "{descriptor:?}"
        );
    }
}

// test [MS-DTYP] 2.5.3.2
#[test]
fn a_null_list_grants_everything_and_an_empty_one_nothing_but_to_the_owner() {
    for slot in [AclSlot::Absent, AclSlot::Null] {
        let descriptor = SecurityDescriptor {
            dacl: slot,
            ..owned_by(BOB, [])
        };
        assert_eq!(check(&alice(), &descriptor, MAXIMUM), Ok(ALL));
        assert_eq!(check(&alice(), &descriptor, WRITE_DATA), Ok(WRITE_DATA));
    }
    assert_eq!(check(&alice(), &owned_by(BOB, []), MAXIMUM), DENIED);
    assert_eq!(
        check(&alice(), &owned_by(ALICE, []), MAXIMUM),
        Ok(OWNER_IMPLICIT)
    );
    assert_eq!(check(&alice(), &owned_by(ALICE, []), READ_DATA), DENIED);
    assert_eq!(
        check(&alice(), &owned_by(STAFF, []), MAXIMUM),
        Ok(OWNER_IMPLICIT),
        "by group"
    );
}

#[test]
fn an_owner_keeps_its_implicit_rights_unless_an_entry_speaks_of_owner_rights() {
    let rights = |aces: Vec<Ace>| maximal_access(&alice(), &owned_by(ALICE, aces));
    assert_eq!(rights(vec![deny(ALICE, ALL)]), OWNER_IMPLICIT);
    assert_eq!(
        rights(vec![allow(ALICE, READ)]),
        READ.with(AccessMask::WRITE_DAC)
    );
    // The rights of the owner by name and by that entry add up.
    let both = vec![allow(ALICE, READ), allow(Sid::OWNER_RIGHTS, WRITE_DATA)];
    assert_eq!(rights(both), READ.with(WRITE_DATA));
    let denied_first = vec![deny(Sid::OWNER_RIGHTS, READ_DATA), allow(ALICE, READ)];
    assert_eq!(rights(denied_first), READ.without(READ_DATA));
    let denied_last = vec![
        allow(ALICE, READ),
        allow(Sid::OWNER_RIGHTS, WRITE_DATA),
        deny(Sid::OWNER_RIGHTS, WRITE_DATA.with(READ_DATA)),
    ];
    assert_eq!(rights(denied_last), READ.with(WRITE_DATA));
    let inherit_only = vec![Ace::allowed(Sid::OWNER_RIGHTS, READ, IO.with(OI))];
    assert_eq!(rights(inherit_only), OWNER_IMPLICIT);
}

#[test]
fn bits_beside_maximum_allowed_must_be_granted_as_well() {
    let descriptor = owned_by(ALICE, [allow(Sid::AUTHENTICATED_USERS, READ)]);
    let all_of_it = READ.with(AccessMask::WRITE_DAC);
    for bit in (0..32).map(|shift| AccessMask::from_bits(1 << shift)) {
        let expected = match bit {
            AccessMask::ACCESS_SYSTEM_SECURITY => Err(NtStatus::PRIVILEGE_NOT_HELD),
            MAXIMUM | AccessMask::GENERIC_READ => Ok(all_of_it),
            _ if all_of_it.contains(bit) => Ok(all_of_it),
            _ => DENIED,
        };
        assert_eq!(
            check(&alice(), &descriptor, MAXIMUM.with(bit)),
            expected,
            "{bit:?}"
        );
    }
}

#[test]
fn the_request_is_granted_as_asked_and_not_more() {
    let descriptor = owned_by(BOB, [allow(ALICE, ALL)]);
    assert_eq!(check(&alice(), &descriptor, READ_DATA), Ok(READ_DATA));
    assert_eq!(
        check(&alice(), &descriptor, AccessMask::GENERIC_ALL),
        Ok(ALL)
    );
    let unknown = AccessMask::from_bits(0x0000_0200);
    assert_eq!(
        check(&alice(), &descriptor, READ_DATA.with(unknown)),
        DENIED
    );
}

#[test]
fn privileges_give_what_the_descriptor_does_not() {
    let descriptor = owned_by(BOB, []);
    let system = AccessMask::ACCESS_SYSTEM_SECURITY;
    let with = |privilege, desired| check(&alice_with(privilege), &descriptor, desired);
    let not_held = Err(NtStatus::PRIVILEGE_NOT_HELD);
    assert_eq!(with(Privileges::NONE, system), not_held);
    assert_eq!(with(Privileges::SECURITY, system), Ok(system));
    assert_eq!(with(Privileges::SECURITY, system.with(MAXIMUM)), Ok(system));
    assert_eq!(with(Privileges::SECURITY, system.with(READ_DATA)), DENIED);
    let null = SecurityDescriptor {
        dacl: AclSlot::Null,
        ..descriptor.clone()
    };
    let maximal = check(&alice_with(Privileges::SECURITY), &null, MAXIMUM);
    assert_eq!(maximal, Ok(ALL), "the SACL must be asked for by name");
    let take = AccessMask::WRITE_OWNER;
    assert_eq!(with(Privileges::TAKE_OWNERSHIP, take), Ok(take));
    assert_eq!(
        with(Privileges::TAKE_OWNERSHIP, take.with(READ_DATA)),
        DENIED
    );
    // Backup and restore count only for an open with that intent.
    assert_eq!(
        with(Privileges::BACKUP.with(Privileges::RESTORE), READ_DATA),
        DENIED
    );
    let backup = by_backup_intent(&alice_with(Privileges::BACKUP));
    assert!(backup.contains(READ) && !backup.intersects(WRITE_DATA));
    let restore = by_backup_intent(&alice_with(Privileges::RESTORE));
    assert!(restore.contains(WRITE_DATA.with(take)) && !restore.contains(READ_DATA));
    assert!(!(backup | restore).contains(system));
    let both = by_backup_intent(&alice_with(Privileges::BACKUP.with(Privileges::SECURITY)));
    assert_eq!(both, backup | system);
    let neither = by_backup_intent(&alice_with(Privileges::SECURITY));
    assert_eq!(neither, AccessMask::NONE);
}

// test [MS-FSA] 2.1.5.1.2.1
#[test]
fn a_parent_gives_deletion_and_attributes() {
    let given = |mask| from_parent(&alice(), &owned_by(BOB, [allow(ALICE, mask)]));
    assert_eq!(given(AccessMask::FILE_DELETE_CHILD), AccessMask::DELETE);
    assert_eq!(
        given(AccessMask::FILE_LIST_DIRECTORY),
        AccessMask::FILE_READ_ATTRIBUTES
    );
    assert_eq!(given(AccessMask::DELETE), AccessMask::NONE);
    let child = owned_by(BOB, [allow(ALICE, READ_DATA)]);
    let allowed = maximal_access(&alice(), &child).with(given(ALL));
    let desired = AccessMask::DELETE.with(READ_DATA);
    assert_eq!(resolve(&alice(), allowed, desired), Ok(desired));
    assert_eq!(resolve(&alice(), allowed, desired.with(WRITE_DATA)), DENIED);
}

#[test]
fn callbacks_deny_but_never_allow() {
    let callback = |ace_type: u8| {
        let mut bytes = vec![ace_type, 0, 0x14, 0, 1, 0, 0, 0];
        bytes.extend([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        Ace::decode(&mut wire::Reader::new("test", &bytes)).unwrap()
    };
    let access = |ace| maximal_access(&alice(), &owned_by(BOB, [ace, allow(ALICE, WRITE_DATA)]));
    assert_eq!(access(callback(0x09)), WRITE_DATA);
    let denied = owned_by(
        BOB,
        [callback(0x0A), allow(ALICE, READ_DATA.with(WRITE_DATA))],
    );
    assert_eq!(maximal_access(&alice(), &denied), WRITE_DATA);
}

#[test]
fn log_on_decides_the_groups_of_everybody() {
    let token = |log_on| SecurityToken::for_log_on(log_on, BOB, STAFF, vec![], Privileges::NONE);
    for (log_on, own) in [
        (LogOn::Authenticated, Sid::AUTHENTICATED_USERS),
        (LogOn::Guest, Sid::GUESTS),
        (LogOn::Anonymous, Sid::ANONYMOUS),
    ] {
        let token = token(log_on);
        let specific = [Sid::AUTHENTICATED_USERS, Sid::GUESTS, Sid::ANONYMOUS];
        assert!(
            [Sid::EVERYONE, Sid::NETWORK, STAFF, BOB, own]
                .iter()
                .all(|sid| token.contains(sid))
        );
        assert_eq!(specific.iter().filter(|sid| token.contains(sid)).count(), 1);
    }
}

proptest! {
    /// Asking for one bit at a time by [MS-DTYP] 2.5.3.2 as it is written finds the same rights.
    #[test]
    fn maximal_access_is_all_that_can_be_asked_for(
        entries in prop::collection::vec((any::<bool>(), 0..4_usize, 0..0x200_u32), 0..8),
    ) {
        let sids = [ALICE, BOB, STAFF, Sid::EVERYONE];
        let aces: Vec<Ace> = entries
            .into_iter()
            .map(|(allows, sid, mask)| {
                let mask = AccessMask::from_bits(mask);
                if allows { allow(sids[sid], mask) } else { deny(sids[sid], mask) }
            })
            .collect();
        let descriptor = owned_by(BOB, aces.clone());
        let maximal = maximal_access(&alice(), &descriptor);
        for bit in (0..9).map(|shift| AccessMask::from_bits(1 << shift)) {
            let first = aces.iter().find(|ace| {
                let (sid, mask) = ace.principal().unwrap();
                alice().contains(sid) && mask.contains(bit)
            });
            let allows = first.is_some_and(|ace| ace.ace_type() == AceType::ACCESS_ALLOWED);
            prop_assert_eq!(maximal.contains(bit), allows);
            prop_assert_eq!(check(&alice(), &descriptor, bit).is_ok(), allows);
        }
    }
}
