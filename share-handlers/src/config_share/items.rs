//! What the share's tree is made of: folders and files that are found anew whenever they are asked for.
//!
//! Owns the two traits and the walk from the root to a name. A folder keeps no list of what is in it: the
//! server or the machine is asked, so nothing here can be out of date.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use server::share::{Answer, Name};
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityControl, SecurityDescriptor, Sid,
};
use wire::{NtStatus, Utf16String};

use super::cgroup::Group;
use super::start_bin::StartBin;
use crate::ready::ready;

/// What a folder has under a name.
pub(super) enum Item {
    /// A folder.
    Folder(Arc<dyn Folder>),
    /// A file.
    File(Arc<dyn File>),
    /// A folder in memory, which looks after everything in it.
    StartBin(Arc<StartBin>),
}

/// A folder. Its calls may block.
pub(super) trait Folder: Send + Sync {
    /// What tells it apart from everything else in the tree.
    fn id(&self) -> u64;

    /// What administrators may do with it.
    fn access(&self) -> AccessMask {
        access::FOLDER
    }

    /// All that is in it, in a stable order.
    ///
    /// # Errors
    /// What the machine says.
    fn entries(&self) -> Result<Vec<Listed>, NtStatus>;

    /// What is in it under this name; none if nothing is.
    ///
    /// # Errors
    /// What the machine says.
    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus>;

    /// Makes a folder in it, which is found by this name then.
    ///
    /// # Errors
    /// `ACCESS_DENIED` where no folder of this name can be made.
    fn make_folder(&self, _name: &Utf16String) -> Result<(), NtStatus> {
        Err(NtStatus::ACCESS_DENIED)
    }

    /// Whether it could be deleted now.
    ///
    /// # Errors
    /// `CANNOT_DELETE`, `DIRECTORY_NOT_EMPTY`.
    fn check_delete(&self) -> Result<(), NtStatus> {
        Err(NtStatus::CANNOT_DELETE)
    }

    /// Deletes it.
    ///
    /// # Errors
    /// As [`Folder::check_delete`].
    fn delete(&self) -> Result<(), NtStatus> {
        Err(NtStatus::CANNOT_DELETE)
    }

    /// The compartment whose processes are in it, if it is such a folder.
    fn group_of_processes(&self) -> Option<&Arc<Group>> {
        None
    }
}

/// A file. Its calls may block, but for those that answer later.
pub(super) trait File: Send + Sync {
    /// What tells it apart from everything else in the tree.
    fn id(&self) -> u64;

    /// What administrators may do with it.
    fn access(&self) -> AccessMask;

    /// What it holds at this moment.
    ///
    /// # Errors
    /// What the machine says.
    fn contents(&self) -> Result<Bytes, NtStatus> {
        Ok(Bytes::new())
    }

    /// Gives it another value.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for a value that does not fit.
    fn write(&self, _value: Bytes) -> Answer<'static, ()> {
        ready(Err(NtStatus::ACCESS_DENIED))
    }

    /// Whether it could be deleted now.
    ///
    /// # Errors
    /// `CANNOT_DELETE`.
    fn check_delete(&self) -> Result<(), NtStatus> {
        Err(NtStatus::CANNOT_DELETE)
    }

    /// Does what deleting it stands for.
    ///
    /// # Errors
    /// What the server or the machine says.
    fn delete(&self) -> Answer<'static, ()> {
        ready(Err(NtStatus::CANNOT_DELETE))
    }

    /// Moves what it stands for to another compartment.
    ///
    /// # Errors
    /// `ACCESS_DENIED` for what cannot be moved.
    fn move_to(&self, _group: &Arc<Group>) -> Result<(), NtStatus> {
        Err(NtStatus::ACCESS_DENIED)
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The name.
    pub name: Utf16String,
    /// The identity of what it leads to.
    pub id: u64,
    /// What it leads to.
    pub kind: Kind,
}

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
}

/// Where a name leads.
pub(super) enum Place {
    /// To something that is there, with its name as it is stored.
    Found(Target, Name),
    /// Nowhere, but its folder is there.
    Missing(Arc<dyn Folder>, Name),
    /// To a folder in memory or into it: that folder's name, and the rest of the name.
    InMemory(Arc<StartBin>, Name, Name),
}

/// What can be opened by itself.
#[derive(Clone)]
pub(super) enum Target {
    /// A folder.
    Folder(Arc<dyn Folder>),
    /// A file.
    File(Arc<dyn File>),
}

impl Item {
    /// A folder or file and the entry that leads to it.
    pub(super) fn listed(&self, name: impl Into<Utf16String>) -> Listed {
        let (id, kind) = match self {
            Self::Folder(folder) => (folder.id(), Kind::Folder),
            Self::File(file) => (file.id(), Kind::File),
            Self::StartBin(bin) => (bin.id(), Kind::Folder),
        };
        let name = name.into();
        Listed { name, id, kind }
    }
}

/// The entries of a folder that holds these items.
pub(super) fn entries_of(items: Vec<(String, Item)>) -> Vec<Listed> {
    let items = items.into_iter();
    items.map(|(name, item)| item.listed(&*name)).collect()
}

/// The one of these items that has this name.
pub(super) fn find_in(
    items: Vec<(String, Item)>,
    name: &Utf16String,
) -> Option<(Utf16String, Item)> {
    let mut items = items.into_iter();
    let found = items.find(|(own, _)| is_called(own, name));
    found.map(|(own, item)| (own.as_str().into(), item))
}

/// Goes from `root` to `name`.
///
/// # Errors
/// `OBJECT_PATH_NOT_FOUND` when a folder on the way is missing, and what the machine says.
pub(super) fn walk(root: &Arc<dyn Folder>, name: &Name) -> Result<Place, NtStatus> {
    let mut folder = Arc::clone(root);
    let mut stored = Name::root();
    let mut rest = name.components().iter();
    while let Some(component) = rest.next() {
        let is_last = rest.as_slice().is_empty();
        match folder.find(component)? {
            None if is_last => return Ok(Place::Missing(folder, stored.child(component.clone()))),
            None => return Err(NtStatus::OBJECT_PATH_NOT_FOUND),
            Some((own, item)) => {
                stored = stored.child(own);
                match item {
                    Item::Folder(found) => folder = found,
                    Item::StartBin(bin) => {
                        let below = rest.fold(Name::root(), |name, part| name.child(part.clone()));
                        return Ok(Place::InMemory(bin, stored, below));
                    }
                    Item::File(file) if is_last => {
                        return Ok(Place::Found(Target::File(file), stored));
                    }
                    Item::File(_) => return Err(NtStatus::OBJECT_PATH_NOT_FOUND),
                }
            }
        }
    }
    Ok(Place::Found(Target::Folder(folder), stored))
}

/// An identity made of what something is.
pub(super) fn id_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The entry that has this name; case does not count.
pub(super) fn is_called(own: &str, name: &Utf16String) -> bool {
    let name = name.to_string_lossy();
    own == name || own.to_lowercase() == name.to_lowercase()
}

/// The descriptor of what administrators may do this with, and nobody else anything.
pub(super) fn descriptor(access: AccessMask) -> SecurityDescriptor {
    let administrators = Ace::allowed(Sid::ADMINISTRATORS, access, AceFlags::NONE);
    // One entry always fits.
    let dacl = Acl::from_aces([administrators]).map_or(AclSlot::Null, AclSlot::List);
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: Some(Sid::ADMINISTRATORS),
        group: Some(Sid::ADMINISTRATORS),
        dacl,
        ..SecurityDescriptor::default()
    }
}

/// What administrators may do with the kinds of folders and files.
pub(super) mod access {
    use wire::dtyp::AccessMask;

    /// Look at it.
    pub const FOLDER: AccessMask =
        AccessMask::FILE_GENERIC_READ.with(AccessMask::FILE_GENERIC_EXECUTE);
    /// And make folders in it.
    pub const PARENT: AccessMask = FOLDER.with(AccessMask::FILE_ADD_SUBDIRECTORY);
    /// Read it.
    pub const READ: AccessMask = AccessMask::FILE_GENERIC_READ;
    /// Read and write it.
    pub const VALUE: AccessMask = READ.with(AccessMask::FILE_GENERIC_WRITE);
    /// Read it, and close what it stands for.
    pub const CLOSABLE: AccessMask = READ.with(AccessMask::DELETE);
    /// End or move what it stands for, but neither read nor write.
    pub const PROCESS: AccessMask = AccessMask::DELETE
        .with(AccessMask::FILE_READ_ATTRIBUTES)
        .with(AccessMask::READ_CONTROL)
        .with(AccessMask::SYNCHRONIZE);
}
