//! Security descriptors: kept, handed on, and asked before anything is made.

use server::access;
use server::share::{Disposition, OpenHow, Replace, Wanted};
use wire::NtStatus;
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityControl, SecurityDescriptor,
    SecurityInformation, Sid,
};

use super::rules;
use super::volume::{File, STRANGER, Volume, how, stranger};
use crate::offload::tests::wait;

rules![
    a_descriptor_is_kept_part_by_part,
    a_descriptor_asked_for_at_creation_is_given,
    nobody_makes_somebody_else_the_owner,
    children_inherit,
    who_may_not_add_adds_nothing,
    who_may_not_add_moves_and_links_nothing_there,
    the_parents_descriptor_is_told,
    who_may_not_write_a_file_adds_no_stream,
];

const PARTS: SecurityInformation = SecurityInformation::OWNER
    .with(SecurityInformation::GROUP)
    .with(SecurityInformation::DACL);

fn descriptor(aces: impl IntoIterator<Item = Ace>) -> SecurityDescriptor {
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: Some(Sid::unix_user(0)),
        group: Some(Sid::unix_group(0)),
        dacl: AclSlot::List(Acl::from_aces(aces).unwrap()),
        ..SecurityDescriptor::default()
    }
}

/// The owner may do everything, and a stranger this, here and in everything below.
fn allowing(mask: AccessMask) -> SecurityDescriptor {
    let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    descriptor([
        Ace::allowed(Sid::unix_user(0), AccessMask::FILE_ALL_ACCESS, inherit),
        Ace::allowed(STRANGER, mask, inherit),
    ])
}

fn secure(file: &File, descriptor: &SecurityDescriptor) {
    wait(file.0.handle.set_security(PARTS, descriptor.clone())).unwrap();
}

fn security(file: &File) -> SecurityDescriptor {
    wait(file.0.handle.security(PARTS)).unwrap()
}

/// What a stranger may do with it.
fn strangers_access(file: &File) -> AccessMask {
    access::maximal_access(&stranger().token, file.0.security.as_ref().unwrap())
}

// test [MS-FSA] 2.1.5.17
fn a_descriptor_is_kept_part_by_part(volume: &Volume) {
    for file in [volume.file("file", b""), volume.folder("folder")] {
        let set = allowing(AccessMask::FILE_GENERIC_READ);
        secure(&file, &set);
        assert_eq!(security(&file).dacl, set.dacl);
        assert_eq!(security(&file).owner, set.owner);
        let only_dacl = allowing(AccessMask::FILE_GENERIC_WRITE);
        let changed = SecurityDescriptor {
            owner: None,
            group: None,
            ..only_dacl.clone()
        };
        wait(
            file.0
                .handle
                .set_security(SecurityInformation::DACL, changed),
        )
        .unwrap();
        assert_eq!(security(&file).dacl, only_dacl.dacl);
        assert_eq!(security(&file).owner, set.owner, "the owner stays");
        let part = wait(file.0.handle.security(SecurityInformation::OWNER)).unwrap();
        assert_eq!((part.owner, &part.dacl), (set.owner, &AclSlot::Absent));
        let again = volume.look(&file.name()).unwrap();
        assert_eq!(again.0.security.as_ref().unwrap().dacl, only_dacl.dacl);
    }
}

// test [MS-DTYP] 2.5.3.4.1
fn a_descriptor_asked_for_at_creation_is_given(volume: &Volume) {
    let asked = descriptor([Ace::allowed(
        STRANGER,
        AccessMask::FILE_GENERIC_READ,
        AceFlags::NONE,
    )]);
    for (name, wanted) in [("file", Wanted::File), ("folder", Wanted::Directory)] {
        let how = OpenHow {
            security: Some(asked.clone()),
            ..how(Disposition::New, wanted)
        };
        let made = volume.open(name, &how).unwrap();
        assert_eq!(made.0.security.as_ref().unwrap().dacl, asked.dacl, "{name}");
        assert_eq!(security(&made).dacl, asked.dacl, "{name}");
    }
}

// test [MS-FSA] 2.1.5.17
fn nobody_makes_somebody_else_the_owner(volume: &Volume) {
    let anothers = SecurityDescriptor {
        owner: Some(STRANGER),
        ..allowing(AccessMask::FILE_GENERIC_READ)
    };
    let file = volume.file("file", b"");
    let before = security(&file);
    let set = wait(file.0.handle.set_security(PARTS, anothers.clone()));
    assert_eq!(set, Err(NtStatus::INVALID_OWNER));
    assert_eq!(security(&file), before);
    let how = OpenHow {
        security: Some(anothers),
        ..how(Disposition::New, Wanted::File)
    };
    let made = volume.open("new", &how).err();
    assert_eq!(made, Some(NtStatus::INVALID_OWNER));
    let left = volume.look("new").err();
    assert_eq!(left, Some(NtStatus::OBJECT_NAME_NOT_FOUND));
}

// test [MS-DTYP] 2.5.3.4.1
fn children_inherit(volume: &Volume) {
    let folder = volume.folder("folder");
    let granted = AccessMask::FILE_GENERIC_READ.with(AccessMask::DELETE);
    secure(&folder, &allowing(granted));
    let file = volume.file("folder\\file", b"");
    volume.folder("folder\\sub");
    let below = volume.file("folder\\sub\\file", b"");
    for file in [&file, &below] {
        assert_eq!(strangers_access(file), granted);
        let again = volume.look(&file.name()).unwrap();
        assert_eq!(strangers_access(&again), granted);
    }
    // What was there before stays as it was.
    secure(&folder, &allowing(AccessMask::FILE_GENERIC_WRITE));
    assert_eq!(
        strangers_access(&volume.look("folder\\file").unwrap()),
        granted
    );
}

// test [MS-FSA] 2.1.5.1.1
fn who_may_not_add_adds_nothing(volume: &Volume) {
    let add_file = AccessMask::FILE_ADD_FILE;
    let add_folder = AccessMask::FILE_ADD_SUBDIRECTORY;
    let read = AccessMask::FILE_GENERIC_READ.with(AccessMask::FILE_TRAVERSE);
    for (name, granted) in [
        ("none", read),
        ("files", read | add_file),
        ("folders", read | add_folder),
    ] {
        secure(&volume.folder(name), &allowing(granted));
        let add = |name: String, wanted| {
            let new = how(Disposition::New, wanted);
            volume.open_as(&stranger(), &name, &new).map(drop)
        };
        let expected = |right| {
            if granted.contains(right) {
                Ok(())
            } else {
                Err(NtStatus::ACCESS_DENIED)
            }
        };
        assert_eq!(
            add(format!("{name}\\file"), Wanted::File),
            expected(add_file),
            "{name}"
        );
        assert_eq!(
            add(format!("{name}\\sub"), Wanted::Directory),
            expected(add_folder),
            "{name}"
        );
        assert_eq!(
            add(format!("{name}\\s:s"), Wanted::Any),
            expected(add_file),
            "{name}"
        );
    }
    assert_eq!(volume.names("none"), [] as [&str; 0]);
    assert_eq!(volume.names("files"), ["file", "s"]);
    assert_eq!(volume.names("folders"), ["sub"]);
}

fn who_may_not_add_moves_and_links_nothing_there(volume: &Volume) {
    secure(
        &volume.folder("mine"),
        &allowing(AccessMask::FILE_ALL_ACCESS),
    );
    secure(
        &volume.folder("closed"),
        &allowing(AccessMask::FILE_GENERIC_READ),
    );
    volume.file("mine\\file", b"x");
    let existing = how(Disposition::Existing, Wanted::Any);
    let file = volume
        .open_as(&stranger(), "mine\\file", &existing)
        .unwrap();
    assert_eq!(
        file.rename("closed\\x", Replace::Never),
        Err(NtStatus::ACCESS_DENIED)
    );
    assert_eq!(
        file.link("closed\\x", Replace::Never),
        Err(NtStatus::ACCESS_DENIED)
    );
    assert_eq!(volume.names("closed"), [] as [&str; 0]);
    assert_eq!(volume.names("mine"), ["file"]);
    assert_eq!(file.rename("mine\\y", Replace::Never), Ok(()));
}

fn the_parents_descriptor_is_told(volume: &Volume) {
    let folder = volume.folder("folder");
    let set = allowing(AccessMask::FILE_GENERIC_READ);
    secure(&folder, &set);
    let file = volume.file("folder\\file", b"");
    let parent = wait(file.0.handle.parent_security()).unwrap().unwrap();
    assert_eq!(parent.dacl, set.dacl);
    let root = volume.look("").unwrap();
    assert_eq!(wait(root.0.handle.parent_security()), Ok(None));
}

// test [MS-FSA] 2.1.5.1.2
fn who_may_not_write_a_file_adds_no_stream(volume: &Volume) {
    let file = volume.file("file", b"");
    secure(&file, &allowing(AccessMask::FILE_GENERIC_READ));
    let reading = OpenHow {
        desired_access: AccessMask::FILE_GENERIC_READ,
        ..how(Disposition::Either, Wanted::Any)
    };
    let refused = volume.open_as(&stranger(), "file:s", &reading).map(drop);
    assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
    assert_eq!(file.streams(), ["::$DATA"]);
}
