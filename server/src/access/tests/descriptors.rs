use wire::dtyp::{SecurityControl, SecurityInformation};

use super::*;

/// What a child of each kind inherits from one entry for CREATOR OWNER with these flags: the flags
/// of each entry and whether it still names the creator.
type Inherited = Vec<(AceFlags, bool)>;

// test [MS-DTYP] 2.5.3.4.4
#[test]
fn an_entry_for_the_creator_is_inherited_by_its_flags() {
    const NONE: AceFlags = AceFlags::NONE;
    const FOR_OWNER: (AceFlags, bool) = (NONE, false);
    let table: [(AceFlags, Inherited, Inherited); 7] = [
        (NONE, vec![], vec![]),
        (OI, vec![FOR_OWNER], vec![(OI.with(IO), true)]),
        (OI.with(NP), vec![FOR_OWNER], vec![]),
        (CI, vec![], vec![FOR_OWNER, (CI.with(IO), true)]),
        (CI.with(NP), vec![], vec![FOR_OWNER]),
        (
            CI.with(OI),
            vec![FOR_OWNER],
            vec![FOR_OWNER, (CI.with(OI).with(IO), true)],
        ),
        (CI.with(OI).with(NP), vec![FOR_OWNER], vec![FOR_OWNER]),
    ];
    for (flags, file, directory) in table {
        for (flags, mark, control) in [
            (flags, NONE, SecurityControl::NONE),
            (flags.with(IO), NONE, SecurityControl::NONE),
            (flags, ID, SecurityControl::DACL_AUTO_INHERITED),
        ] {
            let entry = Ace::allowed(Sid::CREATOR_OWNER, WRITE_DATA, flags);
            let parent = SecurityDescriptor {
                control,
                ..owned_by(BOB, [entry])
            };
            for (kind, expected) in [
                (ObjectKind::File, &file),
                (ObjectKind::Directory, &directory),
            ] {
                let child = inherit(&parent, &alice(), None, kind).unwrap();
                let expected: Vec<Ace> = expected
                    .iter()
                    .map(|(flags, names_creator)| {
                        let sid = if *names_creator {
                            Sid::CREATOR_OWNER
                        } else {
                            ALICE
                        };
                        Ace::allowed(sid, WRITE_DATA, flags.with(mark))
                    })
                    .collect();
                if expected.is_empty() {
                    let default = [allow(ALICE, ALL), allow(Sid::SYSTEM, ALL)];
                    assert_eq!(dacl(&child), default, "{flags:?} {kind:?}");
                } else {
                    assert_eq!(dacl(&child), expected, "{flags:?} {kind:?}");
                    assert!(child.control.contains(control));
                }
                assert_eq!((child.owner, child.group), (Some(ALICE), Some(STAFF)));
            }
        }
    }
}

#[test]
fn a_concrete_entry_is_inherited_as_one_and_a_generic_one_as_two() {
    let both = OI.with(CI);
    let parent = owned_by(BOB, [Ace::allowed(BOB, READ_DATA, both)]);
    let child = inherit(&parent, &alice(), None, ObjectKind::Directory).unwrap();
    assert_eq!(dacl(&child), [Ace::allowed(BOB, READ_DATA, both)]);

    let generic = AccessMask::GENERIC_READ;
    let parent = owned_by(BOB, [Ace::denied(BOB, generic, both)]);
    let child = inherit(&parent, &alice(), None, ObjectKind::Directory).unwrap();
    let expected = [
        Ace::denied(BOB, READ, AceFlags::NONE),
        Ace::denied(BOB, generic, both.with(IO)),
    ];
    assert_eq!(dacl(&child), expected);
    let file = inherit(&parent, &alice(), None, ObjectKind::File).unwrap();
    assert_eq!(dacl(&file), [deny(BOB, READ)]);
}

#[test]
fn an_explicit_list_is_taken_as_it_is_unless_it_asks_to_be_merged() {
    let marked = SecurityControl::DACL_AUTO_INHERITED;
    let parent = SecurityDescriptor {
        control: marked,
        ..owned_by(BOB, [Ace::allowed(BOB, READ_DATA, OI.with(CI))])
    };
    let own = [
        allow(STAFF, AccessMask::GENERIC_READ),
        Ace::allowed(BOB, WRITE_DATA, ID),
    ];
    let explicit = |control| SecurityDescriptor {
        control,
        owner: Some(STAFF),
        dacl: list(own.clone()),
        ..SecurityDescriptor::default()
    };
    let create = |control| {
        inherit(
            &parent,
            &alice(),
            Some(&explicit(control)),
            ObjectKind::File,
        )
        .unwrap()
    };
    let plain = create(SecurityControl::NONE);
    assert_eq!(dacl(&plain), [allow(STAFF, READ), own[1].clone()]);
    assert_eq!((plain.owner, plain.group), (Some(STAFF), Some(STAFF)));
    assert_eq!(plain.control, SecurityControl::SELF_RELATIVE);

    let required = SecurityControl::DACL_AUTO_INHERIT_REQUIRED;
    let merged = create(required);
    assert_eq!(
        dacl(&merged),
        [allow(STAFF, READ), Ace::allowed(BOB, READ_DATA, ID)]
    );
    assert!(merged.control.contains(marked) && !merged.control.contains(required));

    let protected = create(required | SecurityControl::DACL_PROTECTED);
    assert_eq!(dacl(&protected).len(), 2);
    assert!(protected.control.contains(SecurityControl::DACL_PROTECTED));

    let null = SecurityDescriptor {
        dacl: AclSlot::Null,
        ..SecurityDescriptor::default()
    };
    let null = inherit(&parent, &alice(), Some(&null), ObjectKind::File).unwrap();
    assert_eq!(null.dacl, AclSlot::Null);
}

#[test]
fn a_system_list_needs_the_privilege() {
    let audit = Ace::audit(Sid::EVERYONE, READ_DATA, AceFlags::FAILED_ACCESS);
    let explicit = SecurityDescriptor {
        sacl: list([audit.clone()]),
        ..SecurityDescriptor::default()
    };
    let parent = owned_by(BOB, []);
    let create = |token| inherit(&parent, &token, Some(&explicit), ObjectKind::File);
    assert_eq!(create(alice()), Err(NtStatus::PRIVILEGE_NOT_HELD));
    let created = create(alice_with(Privileges::SECURITY)).unwrap();
    assert_eq!(created.sacl, explicit.sacl);

    let inheritable = audit.clone().with_flags(audit.flags().with(OI));
    let parent = SecurityDescriptor {
        sacl: list([inheritable]),
        ..owned_by(BOB, [])
    };
    let created = inherit(&parent, &alice(), None, ObjectKind::File).unwrap();
    assert_eq!(
        created.sacl,
        list([audit]),
        "inherited without the privilege"
    );
}

#[test]
fn lists_that_would_grow_too_large_are_refused() {
    let generic = Ace::allowed(BOB, AccessMask::GENERIC_READ, OI.with(CI));
    let parent = owned_by(BOB, std::iter::repeat_n(generic, 1_800));
    let child = inherit(&parent, &alice(), None, ObjectKind::Directory);
    assert_eq!(child, Err(NtStatus::BAD_INHERITANCE_ACL));
    assert!(inherit(&parent, &alice(), None, ObjectKind::File).is_ok());
}

// test [MS-FSA] 2.1.5.17
#[test]
fn only_the_parts_that_are_named_are_replaced() {
    let current = owned_by(ALICE, [allow(ALICE, ALL)]);
    let new = owned_by(BOB, [allow(BOB, AccessMask::GENERIC_READ)]);
    let dacl_only = replace(&current, &new, SecurityInformation::DACL, &alice()).unwrap();
    assert_eq!(dacl_only.owner, Some(ALICE));
    assert_eq!(dacl(&dacl_only), [allow(BOB, READ)]);
    let restorer = alice_with(Privileges::RESTORE);
    let owner_only = replace(&current, &new, SecurityInformation::OWNER, &restorer).unwrap();
    assert_eq!(
        (owner_only.owner, dacl(&owner_only)),
        (Some(BOB), dacl(&current))
    );
    let none = SecurityDescriptor::default();
    let refused = |parts| replace(&current, &none, parts, &alice()).unwrap_err();
    assert_eq!(refused(SecurityInformation::OWNER), NtStatus::INVALID_OWNER);
    assert_eq!(
        refused(SecurityInformation::GROUP),
        NtStatus::INVALID_PRIMARY_GROUP
    );
    let no_list = replace(&current, &none, SecurityInformation::DACL, &alice()).unwrap();
    assert_eq!(no_list.dacl, AclSlot::Null);
}

// test [MS-FSA] 2.1.5.17
#[test]
fn nobody_makes_somebody_else_the_owner_without_the_restore_privilege() {
    let of = |owner| owned_by(owner, []);
    let set = |current, new, token: &SecurityToken| {
        let replaced = replace(&of(current), &of(new), SecurityInformation::OWNER, token);
        replaced.map(|descriptor| descriptor.owner)
    };
    let refused = Err(NtStatus::INVALID_OWNER);
    assert_eq!(set(ALICE, BOB, &alice()), refused);
    let taker = alice_with(Privileges::TAKE_OWNERSHIP.with(Privileges::BACKUP));
    assert_eq!(set(ALICE, BOB, &taker), refused);
    assert_eq!(set(BOB, BOB, &alice()), Ok(Some(BOB)), "it stays as it is");
    for own in [ALICE, STAFF] {
        assert_eq!(set(BOB, own, &alice()), Ok(Some(own)));
    }
    let restorer = alice_with(Privileges::RESTORE);
    assert_eq!(set(ALICE, BOB, &restorer), Ok(Some(BOB)));
    let create = |token: &SecurityToken| {
        let made = inherit(&of(ALICE), token, Some(&of(BOB)), ObjectKind::File);
        made.map(|descriptor| descriptor.owner)
    };
    assert_eq!(create(&alice()), refused);
    assert_eq!(create(&restorer), Ok(Some(BOB)));
}

#[test]
fn control_bits_are_kept_as_windows_keeps_them() {
    use SecurityControl as Control;
    let (marked, required) = (
        Control::DACL_AUTO_INHERITED,
        Control::DACL_AUTO_INHERIT_REQUIRED,
    );
    let protected = Control::DACL_PROTECTED;
    for (set, kept) in [
        (marked, Control::NONE),
        (required, Control::NONE),
        (marked | required, marked),
        (protected, protected),
        (protected | marked | required, protected | marked),
    ] {
        let new = SecurityDescriptor {
            control: set,
            ..owned_by(ALICE, [])
        };
        let result = replace(
            &owned_by(ALICE, []),
            &new,
            SecurityInformation::DACL,
            &alice(),
        )
        .unwrap();
        assert_eq!(result.control, kept, "{set:?}");
    }
    let parts = SecurityInformation::DACL | SecurityInformation::PROTECTED_DACL;
    let result = replace(&owned_by(ALICE, []), &owned_by(ALICE, []), parts, &alice()).unwrap();
    assert_eq!(result.control, protected);
    let parts = SecurityInformation::DACL | SecurityInformation::UNPROTECTED_DACL;
    let result = replace(&result, &result.clone(), parts, &alice()).unwrap();
    assert_eq!(result.control, Control::NONE);
}

#[test]
fn setting_the_label_leaves_the_audit_entries() {
    let label = [
        0x11, 0, 0x14, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 16, 0, 0x20, 0, 0,
    ];
    let label = Ace::decode(&mut wire::Reader::new("test", &label)).unwrap();
    let audit = Ace::audit(Sid::EVERYONE, READ_DATA, AceFlags::FAILED_ACCESS);
    let current = SecurityDescriptor {
        sacl: list([audit.clone()]),
        ..owned_by(ALICE, [])
    };
    let new = SecurityDescriptor {
        sacl: list([label.clone()]),
        ..owned_by(ALICE, [])
    };
    let labelled = replace(&current, &new, SecurityInformation::LABEL, &alice()).unwrap();
    assert_eq!(labelled.sacl, list([label.clone(), audit]));
    let cleared = SecurityDescriptor {
        sacl: list([]),
        ..owned_by(ALICE, [])
    };
    let cleared = replace(&labelled, &cleared, SecurityInformation::SACL, &alice()).unwrap();
    assert_eq!(cleared.sacl, list([label]));
}

// test [MS-DTYP] 2.4.5
#[test]
fn canonical_order_is_explicit_denials_then_explicit_grants_then_what_was_inherited() {
    let canonical = |aces: Vec<Ace>| is_canonical(&Acl::from_aces(aces).unwrap());
    let (no, yes) = (deny(BOB, READ), allow(BOB, READ));
    let (old_no, old_yes) = (no.clone().with_flags(ID), yes.clone().with_flags(ID));
    assert!(canonical(vec![]));
    assert!(canonical(vec![
        no.clone(),
        yes.clone(),
        old_yes.clone(),
        old_no.clone()
    ]));
    assert!(!canonical(vec![yes.clone(), no]));
    assert!(!canonical(vec![old_yes, yes]));
}

#[test]
fn permission_bits_become_rights() {
    let uid = Sid::unix_user(1000);
    let gid = Sid::unix_group(100);
    let access = |mode, kind, sid, group| {
        let descriptor = PosixPermissions::from_mode(uid, gid, mode).descriptor(kind, None);
        let token =
            SecurityToken::for_log_on(LogOn::Authenticated, sid, group, vec![], Privileges::NONE);
        maximal_access(&token, &descriptor)
    };
    let (file, directory) = (ObjectKind::File, ObjectKind::Directory);
    let execute = AccessMask::FILE_GENERIC_EXECUTE;
    assert_eq!(access(0o644, file, uid, gid), ALL);
    assert_eq!(access(0o640, file, BOB, gid), READ);
    assert_eq!(access(0o640, file, BOB, STAFF), AccessMask::NONE);
    assert_eq!(access(0o755, directory, BOB, STAFF), READ.with(execute));
    assert!(access(0o777, directory, BOB, STAFF).contains(AccessMask::FILE_DELETE_CHILD));
    assert!(!access(0o666, file, BOB, STAFF).contains(AccessMask::FILE_DELETE_CHILD));
    assert!(!access(0o444, file, uid, gid).intersects(WRITE_DATA));
    assert!(access(0o000, file, uid, gid).contains(AccessMask::WRITE_DAC));
}

#[test]
fn what_is_created_in_a_directory_with_mode_bits_has_the_same_rights() {
    let (uid, gid) = (Sid::unix_user(1000), Sid::unix_group(100));
    let permissions = PosixPermissions::from_mode(uid, gid, 0o750);
    let parent = permissions.descriptor(ObjectKind::Directory, None);
    let creator =
        SecurityToken::for_log_on(LogOn::Authenticated, ALICE, gid, vec![], Privileges::NONE);
    let child = inherit(&parent, &creator, None, ObjectKind::File).unwrap();
    assert_eq!(maximal_access(&creator, &child), ALL);
    let group = READ.with(AccessMask::FILE_GENERIC_EXECUTE);
    assert_eq!(
        dacl(&child),
        [
            allow(ALICE, ALL),
            allow(gid, group),
            allow(Sid::SYSTEM, ALL)
        ]
    );
}

#[test]
fn a_posix_class_that_has_less_than_those_behind_it_is_denied_the_difference() {
    let (uid, gid) = (Sid::unix_user(1000), Sid::unix_group(100));
    let (extra, extras) = (Sid::unix_user(1001), Sid::unix_group(101));
    let permissions = PosixPermissions {
        users: vec![(extra, 0o2)],
        groups: vec![(extras, 0o6)],
        ..PosixPermissions::from_mode(uid, gid, 0o406)
    };
    let descriptor = permissions.descriptor(ObjectKind::File, None);
    let access = |user, groups: &[Sid]| {
        let (log_on, groups) = (LogOn::Authenticated, groups.to_vec());
        let token = SecurityToken::for_log_on(log_on, user, BOB, groups, Privileges::NONE);
        let rights = maximal_access(&token, &descriptor);
        let data = AccessMask::FILE_READ_DATA.with(WRITE_DATA);
        (rights & data, rights.contains(AccessMask::FILE_READ_EA))
    };
    let (reads, writes) = (AccessMask::FILE_READ_DATA, WRITE_DATA);
    assert_eq!(
        access(uid, &[gid, extras]),
        (reads, true),
        "the owner's class"
    );
    assert_eq!(access(extra, &[extras]), (writes, false), "a named user's");
    assert_eq!(
        access(BOB, &[gid]),
        (AccessMask::NONE, false),
        "the group's"
    );
    assert_eq!(
        access(BOB, &[gid, extras]),
        (reads.with(writes), true),
        "either group grants"
    );
    assert_eq!(access(BOB, &[]), (reads.with(writes), true), "others");
}

#[test]
fn a_directory_hands_its_default_list_on() {
    let (uid, gid, extra) = (
        Sid::unix_user(1000),
        Sid::unix_group(100),
        Sid::unix_user(1001),
    );
    let permissions = PosixPermissions::from_mode(uid, gid, 0o700);
    let defaults = PosixPermissions {
        users: vec![(extra, 0o4)],
        ..permissions.clone()
    };
    let parent = permissions.descriptor(ObjectKind::Directory, Some(&defaults));
    let creator = SecurityToken::new(ALICE, STAFF, vec![], Privileges::NONE);
    let child = inherit(&parent, &creator, None, ObjectKind::File).unwrap();
    assert_eq!(
        dacl(&child),
        [
            allow(ALICE, ALL),
            allow(extra, READ),
            allow(Sid::SYSTEM, ALL)
        ]
    );
}
