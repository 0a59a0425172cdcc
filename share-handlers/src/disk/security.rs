//! Security descriptors of files and folders.
//!
//! Owns where they are kept and which one counts: the one stored beside the object, else the one
//! that the host's owner, group and permissions amount to. A new object's descriptor is stored only
//! when somebody asked for one or the folder has one to hand on. The access check is
//! [`server::access`]'s.
//!
//! A descriptor that the server stored with privilege is also what counts against the host's
//! permissions: where those refuse a caller what the stored descriptor grants, the server acts
//! itself ([`as_stored`]). Without privilege it cannot, and the host's permissions bound
//! everything.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Statx, XattrFlags};
use rustix::io::Errno;
use server::access::{self, ObjectKind};
use server::share::{Caller, OpenHow};
use wire::NtStatus;
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation};

use super::errno::status;
use super::file::{File, Mode, Opening};
use super::permissions::{from_host, translated};
use super::resolve::Folder;
use super::{DiskShare, identity, ntacl};

/// Where descriptors are kept without privileges.
pub(super) const USER_NTACL: &CStr = c"user.NTACL";
/// Where Samba keeps them: only the superuser can write there.
const SECURITY_NTACL: &CStr = c"security.NTACL";
/// More than the largest descriptor and what stands before it: XATTR_SIZE_MAX.
const LONGEST: usize = 65_536;

/// What a folder's stored descriptor says about what is made in it.
pub(super) struct ParentSecurity {
    stored: Option<SecurityDescriptor>,
}

impl ParentSecurity {
    /// Reads the folder's descriptor.
    pub(super) fn of(folder: &Folder) -> Result<Self, NtStatus> {
        Ok(Self {
            stored: stored(&folder_file(folder)?)?,
        })
    }

    /// Whether `caller` may make a file or folder there. [MS-FSA] 2.1.5.1.1
    ///
    /// Without a stored descriptor the host's own permissions say the same when the name is made.
    pub(super) fn check_may_add(&self, caller: &Caller, directory: bool) -> Result<(), NtStatus> {
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        access::check(&caller.token, stored, to_add(directory)).map(|_| ())
    }

    /// Stores a new object's descriptor, if it has one of its own. [MS-FSA] 2.1.5.1.1
    pub(super) fn equip(
        self,
        caller: &Caller,
        folder: &Folder,
        file: &File,
        asked: Option<&SecurityDescriptor>,
    ) -> Result<(), NtStatus> {
        let parent = match self.stored {
            Some(descriptor) => descriptor,
            None if asked.is_none() => return Ok(()),
            None => from_host(caller, &folder_file(folder)?)?,
        };
        let kind = kind_of(file.directory);
        let descriptor = access::inherit(&parent, &caller.token, asked, kind)?;
        store(file, &descriptor)
    }
}

/// The right to make something in a folder.
pub(super) fn to_add(directory: bool) -> AccessMask {
    if directory {
        AccessMask::FILE_ADD_SUBDIRECTORY
    } else {
        AccessMask::FILE_ADD_FILE
    }
}

impl DiskShare {
    /// The descriptor that counts.
    pub(super) fn security_of(
        &self,
        caller: &Caller,
        file: &File,
        host: &Statx,
    ) -> Result<Arc<SecurityDescriptor>, NtStatus> {
        let descriptor = match stored(file)? {
            Some(descriptor) => descriptor,
            None => translated(caller, file, host)?,
        };
        Ok(Arc::new(descriptor))
    }
}

/// Does `work` as the caller, and again as the server where the host refuses the caller and
/// `granted` finds that a stored descriptor grants it.
pub(super) fn as_stored<T>(
    work: impl Fn() -> Result<T, Errno>,
    granted: impl Fn() -> bool,
) -> Result<T, Errno> {
    match work() {
        Err(refused @ (Errno::ACCESS | Errno::PERM)) if identity::can_switch() && granted() => {
            identity::as_self(work).map_err(|_| refused)?
        }
        result => result,
    }
}

/// Whether the descriptor stored beside `file` grants `needed`, or a privilege of who opens it for a backup.
pub(super) fn grants_open(caller: &Caller, file: &File, how: &OpenHow, needed: AccessMask) -> bool {
    // [MS-FSA] 2.1.5.1
    let by_privilege =
        how.backup_intent && access::by_backup_intent(&caller.token).contains(needed);
    by_privilege || grants(caller, file, needed)
}

/// Whether the descriptor stored beside `file` grants `needed`.
pub(super) fn grants(caller: &Caller, file: &File, needed: AccessMask) -> bool {
    let stored = stored(file).ok().flatten();
    stored.is_some_and(|stored| access::check(&caller.token, &stored, needed).is_ok())
}

/// Whether a descriptor is stored beside `file`.
pub(super) fn is_described(file: &File) -> bool {
    matches!(stored(file), Ok(Some(_)))
}

/// Whether the descriptor stored beside the folder grants `needed`.
pub(super) fn folder_grants(caller: &Caller, folder: &Folder, needed: AccessMask) -> bool {
    folder_file(folder).is_ok_and(|file| grants(caller, &file, needed))
}

impl Opening {
    /// The parts of the descriptor that are asked for.
    pub(super) fn security_parts(
        &self,
        parts: SecurityInformation,
    ) -> Result<SecurityDescriptor, NtStatus> {
        Ok(self.descriptor()?.parts(parts))
    }

    /// The folder's descriptor.
    pub(super) fn parent_security_now(&self) -> Result<Option<SecurityDescriptor>, NtStatus> {
        if self.object.id == self.share.root_id {
            return Ok(None);
        }
        let parent = folder_file(&self.place()?.folder)?;
        match stored(&parent)? {
            Some(descriptor) => Ok(Some(descriptor)),
            None => from_host(&self.caller, &parent).map(Some),
        }
    }

    /// Stores parts of the descriptor. [MS-FSA] 2.1.5.17
    pub(super) fn set_security_now(
        &self,
        parts: SecurityInformation,
        new: &SecurityDescriptor,
    ) -> Result<(), NtStatus> {
        let _alone = self.object.attributes.lock();
        let replaced = access::replace(&self.descriptor()?, new, parts, &self.caller.token)?;
        store(&self.file, &replaced)
    }

    fn descriptor(&self) -> Result<SecurityDescriptor, NtStatus> {
        match stored(&self.file)? {
            Some(descriptor) => Ok(descriptor),
            None => from_host(&self.caller, &self.file),
        }
    }
}

/// The descriptor stored beside the object. The privileged place counts where there is a choice,
/// and alone for a server that can write there: whoever owns a file can write to the other.
fn stored(file: &File) -> Result<Option<SecurityDescriptor>, NtStatus> {
    let places: &[&CStr] = if identity::can_switch() {
        &[SECURITY_NTACL]
    } else {
        &[USER_NTACL, SECURITY_NTACL]
    };
    for place in places {
        let bytes = match file.whole_xattr(place, LONGEST) {
            Ok(bytes) => bytes,
            // A file system or a sandbox without that name space has no such descriptors.
            Err(Errno::PERM | Errno::ACCESS | Errno::INVAL) => None,
            Err(error) => return Err(status(error)),
        };
        if let Some(bytes) = bytes {
            // One that cannot be read denies: nobody knows what it would have said.
            return ntacl::decode(&bytes)
                .map(Some)
                .ok_or(NtStatus::ACCESS_DENIED);
        }
    }
    Ok(None)
}

fn store(file: &File, descriptor: &SecurityDescriptor) -> Result<(), NtStatus> {
    let bytes = ntacl::encode(descriptor);
    let place = if identity::can_switch() {
        SECURITY_NTACL
    } else {
        USER_NTACL
    };
    match file.set_xattr(place, &bytes, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => Err(NtStatus::NOT_SUPPORTED),
        Err(Errno::RANGE | Errno::TOOBIG) => Err(NtStatus::DISK_FULL),
        result => result.map_err(status),
    }
}

pub(super) fn kind_of(directory: bool) -> ObjectKind {
    if directory {
        ObjectKind::Directory
    } else {
        ObjectKind::File
    }
}

/// The folder as an object with metadata.
fn folder_file(folder: &Folder) -> Result<File, NtStatus> {
    let descriptor: OwnedFd = folder
        .descriptor
        .try_clone()
        .map_err(|_| NtStatus::TOO_MANY_OPENED_FILES)?;
    Ok(File {
        descriptor: Arc::new(descriptor),
        mode: Mode::Path,
        directory: true,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use server::access::Privileges;
    use server::share::{Disposition, OpenHow, Opened, Replace, Wanted};
    use wire::dtyp::{Ace, AceFlags, Acl, AclSlot, SecurityControl, Sid};

    use super::super::identity::tests::{skipped_without_root, stranger};
    use super::super::testing::{Fixture, caller, delete, how, read, rename, write};
    use super::*;
    use crate::offload::tests::wait;

    const PARTS: SecurityInformation = SecurityInformation::OWNER.with(SecurityInformation::DACL);

    pub(in crate::disk) fn list(aces: impl IntoIterator<Item = Ace>) -> SecurityDescriptor {
        SecurityDescriptor {
            control: SecurityControl::SELF_RELATIVE.with(SecurityControl::DACL_PRESENT),
            dacl: AclSlot::List(Acl::from_aces(aces).unwrap()),
            ..SecurityDescriptor::default()
        }
    }

    fn set(opened: &Opened, descriptor: SecurityDescriptor) {
        wait(
            opened
                .handle
                .set_security(SecurityInformation::DACL, descriptor),
        )
        .unwrap();
    }

    fn query(opened: &Opened) -> SecurityDescriptor {
        wait(opened.handle.security(PARTS)).unwrap()
    }

    #[test]
    fn without_a_stored_descriptor_the_permissions_of_the_host_speak() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let descriptor = query(&file);
        let own = *fixture.caller.token.user();
        assert_eq!(descriptor.owner, Some(own));
        let full = AccessMask::FILE_ALL_ACCESS;
        assert_eq!(
            access::maximal_access(&fixture.caller.token, &descriptor),
            full
        );
        let reads = AccessMask::FILE_GENERIC_READ;
        let other = caller(Some(stranger()));
        assert_eq!(access::maximal_access(&other.token, &descriptor), reads);
    }

    #[test]
    fn a_descriptor_reads_back_as_it_was_set() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let entry = Ace::allowed(Sid::USERS, AccessMask::FILE_GENERIC_READ, AceFlags::NONE);
        set(&file, list([entry.clone()]));
        let again = fixture.existing("a").unwrap();
        let AclSlot::List(stored) = query(&again).dacl else {
            panic!("no list")
        };
        assert_eq!(stored.aces(), [entry]);
        assert_eq!(again.security.unwrap().owner, query(&file).owner);
        set(&file, SecurityDescriptor::default());
        assert_eq!(query(&file).dacl, AclSlot::Null);
    }

    #[test]
    fn what_a_folder_hands_on_is_stored_with_what_is_made_in_it() {
        let fixture = Fixture::new();
        let folder = fixture.create("folder\\");
        let everyone = |mask, flags| Ace::allowed(Sid::EVERYONE, mask, flags);
        let both = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
        set(&folder, list([everyone(AccessMask::FILE_ALL_ACCESS, both)]));
        let file = fixture.create("folder\\file");
        let AclSlot::List(inherited) = query(&file).dacl else {
            panic!("no list")
        };
        let expected = Some((&Sid::EVERYONE, AccessMask::FILE_ALL_ACCESS));
        assert_eq!(inherited.aces()[0].principal(), expected);
        let parent = wait(file.handle.parent_security()).unwrap().unwrap();
        assert_eq!(parent.dacl, query(&folder).dacl);
        let root = fixture.existing("").unwrap();
        assert_eq!(wait(root.handle.parent_security()), Ok(None));
    }

    #[test]
    fn a_folder_that_does_not_let_add_does_not_let_create() {
        let fixture = Fixture::new();
        let folder = fixture.create("folder\\");
        let only_files = AccessMask::FILE_ADD_FILE;
        set(
            &folder,
            list([Ace::allowed(Sid::EVERYONE, only_files, AceFlags::NONE)]),
        );
        assert!(fixture.open("folder\\file", &how(Disposition::New)).is_ok());
        let directory = OpenHow {
            wanted: Wanted::Directory,
            ..how(Disposition::New)
        };
        let refused = fixture.open("folder\\sub", &directory).err();
        assert_eq!(refused, Some(NtStatus::ACCESS_DENIED));
        let outside = fixture.create("sub\\");
        let refused = rename(&outside, "folder\\sub", Replace::Never);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
        assert!(!fixture.path("folder/sub").exists());
    }

    #[test]
    fn a_descriptor_asked_for_at_creation_is_stored() {
        let fixture = Fixture::new();
        let asked = list([Ace::allowed(
            Sid::USERS,
            AccessMask::FILE_READ_DATA,
            AceFlags::NONE,
        )]);
        let with = OpenHow {
            security: Some(asked.clone()),
            ..how(Disposition::New)
        };
        let file = fixture.open("a", &with).unwrap();
        assert_eq!(query(&file).dacl, asked.dacl);
        assert_eq!(file.security.unwrap().dacl, asked.dacl);
    }

    #[test]
    fn what_a_stored_descriptor_grants_counts_against_the_hosts_permissions() {
        if skipped_without_root(
            "what_a_stored_descriptor_grants_counts_against_the_hosts_permissions",
        ) {
            return;
        }
        let fixture = Fixture::new();
        fs::set_permissions(fixture.outside.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = fixture.create("folder\\");
        let file = fixture.create("folder\\file");
        fs::set_permissions(
            fixture.path("folder/file"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        let user = caller(Some(stranger()));
        let open = |name, disposition| fixture.open_as(&user, name, &how(disposition));
        let denied = Some(NtStatus::ACCESS_DENIED);
        assert_eq!(open("folder\\file", Disposition::Existing).err(), denied);
        assert_eq!(open("folder\\new", Disposition::New).err(), denied);
        let all = Ace::allowed(
            *user.token.user(),
            AccessMask::FILE_ALL_ACCESS,
            AceFlags::NONE,
        );
        set(&file, list([all.clone()]));
        set(&folder, list([all]));
        let opened = open("folder\\file", Disposition::Existing).unwrap();
        write(&opened.handle, 0, b"granted").unwrap();
        rename(&opened, "folder\\renamed", Replace::Never).unwrap();
        open("folder\\new", Disposition::New).unwrap();
        assert_eq!(
            fs::metadata(fixture.path("folder/new")).unwrap().uid(),
            54_321
        );
        assert_eq!(wait(opened.handle.check_delete()), Ok(()));
        delete(&opened).unwrap();
        assert!(!fixture.path("folder/renamed").exists());
    }

    // test [MS-FSA] 2.1.5.1
    #[test]
    fn a_backups_privilege_reads_what_the_host_refuses_and_with_that_intent_only() {
        if skipped_without_root(
            "a_backups_privilege_reads_what_the_host_refuses_and_with_that_intent_only",
        ) {
            return;
        }
        let fixture = Fixture::new();
        fs::set_permissions(fixture.outside.path(), fs::Permissions::from_mode(0o755)).unwrap();
        write(&fixture.create("secret").handle, 0, b"mine").unwrap();
        let path = fixture.path("secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let denied = Some(NtStatus::ACCESS_DENIED);
        let user = |privileges| {
            let user = caller(Some(stranger()));
            let token = (*user.token).clone().with_privileges(privileges);
            Caller {
                token: Arc::new(token),
                ..user
            }
        };
        let open = |privileges, desired_access, backup_intent| {
            let how = OpenHow {
                desired_access,
                backup_intent,
                ..how(Disposition::Existing)
            };
            fixture.open_as(&user(privileges), "secret", &how)
        };
        let (reads, writes) = (AccessMask::FILE_READ_DATA, AccessMask::FILE_WRITE_DATA);
        for (privileges, wanted, intent) in [
            (Privileges::NONE, reads, true),
            (Privileges::BACKUP, reads, false),
            (Privileges::BACKUP, writes, true),
            (Privileges::RESTORE, reads, true),
            (Privileges::RESTORE, writes, false),
            (
                Privileges::TAKE_OWNERSHIP.with(Privileges::SECURITY),
                reads,
                true,
            ),
        ] {
            let refused = open(privileges, wanted, intent).err();
            assert_eq!(refused, denied, "{privileges:?} {wanted:?} {intent}");
        }
        let opened = open(Privileges::BACKUP, reads, true).unwrap();
        assert_eq!(read(&opened.handle, 0, 9).unwrap(), b"mine");
        let restored = open(Privileges::RESTORE, writes, true).unwrap();
        write(&restored.handle, 0, b"over").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"over");
    }

    #[test]
    fn a_descriptor_that_cannot_be_read_denies() {
        let fixture = Fixture::new();
        fixture.create("a");
        let place = if identity::can_switch() {
            SECURITY_NTACL
        } else {
            USER_NTACL
        };
        rustix::fs::setxattr(fixture.path("a"), place, b"garbage", XattrFlags::empty()).unwrap();
        assert_eq!(fixture.existing("a").err(), Some(NtStatus::ACCESS_DENIED));
    }
}
