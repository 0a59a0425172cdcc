//! Giving objects other names, further names, and none.

use std::sync::Arc;

use server::access;
use server::share::{Name, Replace};
use wire::NtStatus;
use wire::dtyp::AccessMask;
use wire::fscc::FileAttributes;

use super::handle::MemoryHandle;
use super::names::{Link, LinkId, Names, Place};
use super::node::Node;
use super::open::check_may_add;

impl MemoryHandle {
    /// The present name below the root, stream included.
    pub(super) fn name_now(&self) -> Result<Name, NtStatus> {
        let name = match self.link {
            Some(link) => self.store.names.read().full_name(link)?,
            None => Name::root(),
        };
        let body = self.node.body.read();
        let mut streams = body.named_streams().iter();
        let stream = streams.find(|named| Some(named.id) == self.stream);
        Ok(name.with_stream(stream.map(|named| named.name.clone())))
    }

    /// Whether the object could be deleted.
    // [MS-FSA] 2.1.5.15.3
    pub(super) fn check_delete_now(&self) -> Result<(), NtStatus> {
        let names = self.store.names.read();
        let is_read_only = {
            let body = self.node.body.read();
            body.attributes.contains(FileAttributes::READONLY)
        };
        let is_root = self.link.is_none() && self.stream.is_none();
        if is_read_only || is_root {
            return Err(NtStatus::CANNOT_DELETE);
        }
        if self.stream.is_none() && self.node.is_directory() && !names.is_empty(&self.node) {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY);
        }
        Ok(())
    }

    /// Removes the stream, or the name by which the object was opened. What is gone already is no error.
    // [MS-FSA] 2.1.5.5
    pub(super) fn delete_now(&self) -> Result<(), NtStatus> {
        if let Some(stream) = self.stream {
            self.node.body.write().remove_stream(stream);
            return Ok(());
        }
        self.delete_file()
    }

    /// Removes the file's name, even where this handle is for a named stream.
    pub(super) fn delete_file(&self) -> Result<(), NtStatus> {
        let id = self.link.ok_or(NtStatus::CANNOT_DELETE)?;
        let now = self.store.now();
        let mut names = self.store.names.write();
        if self.node.is_directory() && !names.is_empty(&self.node) {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY);
        }
        let Some(parent) = names.link(id).map(|link| Arc::clone(&link.parent)) else {
            return Ok(());
        };
        names.remove(id);
        parent.body.write().note_entries_changed(now);
        let mut body = self.node.body.write();
        if body.links > 0 {
            body.note_changed(self.user_set(), now);
        }
        Ok(())
    }

    // [MS-FSA] 2.1.5.15.12
    pub(super) fn rename_now(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        if self.stream.is_some() {
            return self.rename_stream(target, replace);
        }
        let source = self.link.zip(target.file_name());
        let (id, last) = source.ok_or(NtStatus::ACCESS_DENIED)?;
        let now = self.store.now();
        let mut names = self.store.names.write();
        let link = names.link(id).ok_or(NtStatus::FILE_DELETED)?;
        let old_parent = Arc::clone(&link.parent);
        let is_same_name = link.name == *last;
        let spot = Spot::find(&names, target)?;
        if is_same_name && spot.parent.id == old_parent.id {
            return Ok(());
        }
        // A directory cannot go into itself: the folder to move to would be one that is open below it.
        if self.node.is_directory() && names.is_within(&spot.parent, &self.node) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        // Its own name in another case, and another name of the same file, are not in the way.
        let replaced = spot.existing.filter(|existing| *existing != id);
        if let Some(other) = replaced.and_then(|existing| names.link(existing))
            && other.node.id != self.node.id
        {
            self.check_may_replace(other, replace)?;
        }
        self.check_may_add_to(&spot.parent)?;
        if let Some(replaced) = replaced {
            names.remove(replaced);
        }
        names.rename(id, &spot.parent, last);
        old_parent.body.write().note_entries_changed(now);
        spot.parent.body.write().note_entries_changed(now);
        self.node.body.write().note_changed(self.user_set(), now);
        Ok(())
    }

    // [MS-FSA] 2.1.5.15.7
    pub(super) fn link_now(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        if self.node.is_directory() {
            return Err(NtStatus::FILE_IS_A_DIRECTORY);
        }
        let Some(last) = target.file_name().filter(|_| self.stream.is_none()) else {
            return Err(NtStatus::INVALID_PARAMETER);
        };
        let now = self.store.now();
        let mut names = self.store.names.write();
        match self.node.body.read().links {
            0 => return Err(NtStatus::ACCESS_DENIED),
            1..MOST_LINKS => {}
            _ => return Err(NtStatus::TOO_MANY_LINKS),
        }
        let spot = Spot::find(&names, target)?;
        self.check_may_add_to(&spot.parent)?;
        if let Some((id, existing)) = spot.existing.and_then(|id| Some((id, names.link(id)?))) {
            if existing.node.id == self.node.id && replace == Replace::IfExists {
                return Ok(());
            }
            self.check_may_replace(existing, replace)?;
            names.remove(id);
        }
        names.add(&spot.parent, last, &self.node);
        spot.parent.body.write().note_entries_changed(now);
        self.node.body.write().note_changed(self.user_set(), now);
        Ok(())
    }

    // [MS-FSA] 2.1.5.15.12.1
    fn rename_stream(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        let case_sensitive = self.store.options.case_sensitive;
        let id = self.stream.ok_or(NtStatus::INVALID_PARAMETER)?;
        let mut body = self.node.body.write();
        body.data(Some(id))?;
        // departs [MS-FSA] 2.1.5.15.12.1: a named stream does not become the unnamed one
        let name = target.stream().ok_or(NtStatus::INVALID_PARAMETER)?;
        let existing = body
            .find_stream(name, case_sensitive)
            .map(|stream| stream.id);
        match existing.filter(|existing| *existing != id) {
            Some(_) if replace == Replace::Never => return Err(NtStatus::OBJECT_NAME_COLLISION),
            Some(existing) => body.remove_stream(existing),
            None => {}
        }
        body.rename_stream(id, name)?;
        body.note_changed(self.user_set(), self.store.now());
        Ok(())
    }

    /// Whether the object that has the wanted name may lose it.
    // [MS-FSA] 2.1.5.15.12
    fn check_may_replace(&self, existing: &Link, replace: Replace) -> Result<(), NtStatus> {
        if replace == Replace::Never {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        let body = existing.node.body.read();
        let is_read_only = body.attributes.contains(FileAttributes::READONLY);
        if existing.node.is_directory() || is_read_only {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let allowed = access::maximal_access(&self.token, &body.security)
            | access::from_parent(&self.token, &existing.parent.body.read().security);
        access::resolve(&self.token, allowed, AccessMask::DELETE).map(drop)
    }

    fn check_may_add_to(&self, parent: &Node) -> Result<(), NtStatus> {
        let security = Arc::clone(&parent.body.read().security);
        check_may_add(&self.token, &security, self.node.kind, false)
    }
}

/// Where a name is to be put.
struct Spot {
    parent: Arc<Node>,
    /// What has the name now.
    existing: Option<LinkId>,
}

impl Spot {
    fn find(names: &Names, target: &Name) -> Result<Self, NtStatus> {
        match names.find(target)? {
            Place::Root => Err(NtStatus::ACCESS_DENIED),
            Place::Free(parent) => Ok(Self {
                parent,
                existing: None,
            }),
            Place::Existing(id) => {
                let link = names.link(id).ok_or(NtStatus::OBJECT_PATH_NOT_FOUND)?;
                Ok(Self {
                    parent: Arc::clone(&link.parent),
                    existing: Some(id),
                })
            }
        }
    }
}

/// A file has no more names than this.
const MOST_LINKS: u32 = 1024;
