//! Opening and creating.
//!
//! Nothing that exists is changed here, and what cannot be made whole leaves nothing behind.

use std::sync::Arc;

use server::access::{self, ObjectKind, SecurityToken};
use server::share::{Caller, Disposition, Name, OpenHow, Opened, StreamType, Wanted};
use server::share::{is_made_name, is_short_name_of};
use wire::dtyp::{AccessMask, SecurityDescriptor};
use wire::fscc::FileAttributes;
use wire::{NtStatus, Utf16String};

use super::Store;
use super::handle::MemoryHandle;
use super::metadata::changed_attributes;
use super::names::{LinkId, Names, Place};
use super::node::{Node, StreamId};

impl Store {
    /// Opens or creates.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        // There are no versions of the past.
        if how.snapshot.is_some() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        // [MS-FSA] 2.1.5.1
        // Phase 7
        if how.wanted == Wanted::Directory && name.stream().is_some() {
            return Err(NtStatus::NOT_A_DIRECTORY);
        }
        {
            let names = self.names.read();
            if let Some(found) = found(&names, name)? {
                self.note_short_name(&names, &found, name);
                return self.existing(&names, found, caller, name, how);
            }
        }
        if how.disposition == Disposition::Existing {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        let mut names = self.names.write();
        // Somebody else may have made it meanwhile.
        match names.find(name)? {
            Place::Root => self.existing(&names, Found::root(&names), caller, name, how),
            Place::Existing(link) => {
                let found = Found::at(&names, link)?;
                self.existing(&names, found, caller, name, how)
            }
            Place::Free(parent) => {
                // Only the root has no last component.
                let last = name.file_name().ok_or(NtStatus::OBJECT_NAME_INVALID)?;
                let tunnelled = self.tunnelled(&parent, last);
                let last = tunnelled.as_ref().unwrap_or(last);
                self.create(&mut names, &parent, last, caller, name, how)
            }
        }
    }

    /// Notes the long name of what was found by its short one: it may be made anew by that.
    fn note_short_name(&self, names: &Names, found: &Found, name: &Name) {
        let link = found.link.and_then(|id| names.link(id));
        let asked = name
            .file_name()
            .filter(|name| is_made_name(name.as_units()));
        if let (Some(link), Some(asked)) = (link, asked)
            && is_short_name_of(asked.as_units(), link.name.as_units())
        {
            let folder = self.object_id(&link.parent);
            self.tunnel.found(folder, link.name.as_units(), self.now());
        }
    }

    /// The name that what is made in `parent` under this one is to have, if that is another. Where case
    /// counts, each name is what it is.
    // [MS-FSA] 2.1.1.2
    fn tunnelled(&self, parent: &Node, last: &Utf16String) -> Option<Utf16String> {
        let folder = self.object_id(parent);
        let last = last.as_units();
        let may_be_short = !self.options.case_sensitive && is_made_name(last);
        may_be_short.then(|| self.tunnel.long_name(folder, last, self.now()))?
    }

    /// Opens what has the name already.
    fn existing(
        self: &Arc<Self>,
        names: &Names,
        found: Found,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        check_kind(&found.node, name, how)?;
        let (stream, created) = match name.stream() {
            Some(_) => self.stream(&found, caller, name, how)?,
            None if how.disposition == Disposition::New => {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            None => (None, false),
        };
        self.opened(names, found, stream, caller, created)
    }

    /// Finds or makes the named stream of a file that exists, and tells whether it made it.
    // [MS-FSA] 2.1.5.1.2
    fn stream(
        &self,
        found: &Found,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<(Option<StreamId>, bool), NtStatus> {
        let wanted = name.stream().ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        let mut body = found.node.body.write();
        if let Some(stream) = body.find_stream(wanted, self.options.case_sensitive) {
            return match how.disposition {
                Disposition::New => Err(NtStatus::OBJECT_NAME_COLLISION),
                Disposition::Existing | Disposition::Either => Ok((Some(stream.id), false)),
            };
        }
        if how.disposition == Disposition::Existing {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        // CREATE grants whatever was asked for on what is new, so what the file itself refuses is refused here.
        let needed = how.desired_access.with(AccessMask::FILE_WRITE_DATA);
        let mut allowed = access::maximal_access(&caller.token, &body.security);
        if let Some(parent) = &found.parent_security {
            allowed |= access::from_parent(&caller.token, parent);
        }
        if how.backup_intent {
            allowed |= access::by_backup_intent(&caller.token);
        }
        access::resolve(&caller.token, allowed, needed)?;
        if body.attributes.contains(FileAttributes::READONLY) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let id = body.add_stream(wanted)?;
        let now = self.now();
        body.times.change = now;
        if !found.node.is_directory() {
            body.attributes |= FileAttributes::ARCHIVE;
        }
        Ok((Some(id), true))
    }

    /// Makes a file or directory called `last`.
    // [MS-FSA] 2.1.5.1.1
    fn create(
        self: &Arc<Self>,
        names: &mut Names,
        parent: &Arc<Node>,
        last: &Utf16String,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        let is_index = name.stream_type() == Some(StreamType::IndexAllocation);
        let kind = if how.wanted == Wanted::Directory || is_index {
            ObjectKind::Directory
        } else {
            ObjectKind::File
        };
        let (parent_security, indexed) = {
            let body = parent.body.read();
            let indexed = body.attributes & FileAttributes::NOT_CONTENT_INDEXED;
            (Arc::clone(&body.security), indexed)
        };
        check_may_add(&caller.token, &parent_security, kind, how.backup_intent)?;
        let security =
            access::inherit(&parent_security, &caller.token, how.security.as_ref(), kind)?;
        let now = self.now();
        let node = Node::new(self.new_node_id(), kind, security, now, &self.budget)?;
        let stream = {
            let mut body = node.body.write();
            body.attributes = (how.attributes & FileAttributes::SETTABLE).with(indexed);
            body.set_extended_attributes(changed_attributes(&[], &how.extended_attributes)?)?;
            let wanted = name.stream().map(|stream| body.add_stream(stream));
            let stream = wanted.transpose()?;
            if kind == ObjectKind::File {
                body.attributes |= FileAttributes::ARCHIVE;
                self.budget.check(how.allocation_size)?;
                body.data_mut(stream)?.reserve(how.allocation_size);
            }
            stream
        };
        let node = Arc::new(node);
        let link = names.add(parent, last, &node);
        parent.body.write().note_entries_changed(now);
        let found = Found {
            node,
            link: Some(link),
            parent_security: Some(parent_security),
        };
        let created_with_file = stream.is_some();
        self.opened(names, found, stream, caller, true)
            .map(|opened| Opened {
                created_with_file,
                ..opened
            })
    }

    fn opened(
        self: &Arc<Self>,
        names: &Names,
        found: Found,
        stream: Option<StreamId>,
        caller: &Caller,
        created: bool,
    ) -> Result<Opened, NtStatus> {
        let Found { node, link, .. } = found;
        let stat = node.stat(stream, || self.now())?;
        let (security, stream_name) = {
            let body = node.body.read();
            let mut named = body.named_streams().iter();
            let name = named
                .find(|named| Some(named.id) == stream)
                .map(|named| named.name.clone());
            (Arc::clone(&body.security), name)
        };
        let name = link.map_or(Ok(Name::root()), |link| names.full_name(link))?;
        let handle = MemoryHandle::new(Arc::clone(self), node, link, stream, caller);
        Ok(Opened {
            handle: Arc::new(handle),
            created,
            created_with_file: false,
            stat,
            security: Some(security),
            name: name.with_stream(stream_name.clone()),
            stream: stream_name,
        })
    }
}

/// An object that exists, and by which name it was found.
struct Found {
    node: Arc<Node>,
    /// None for the root.
    link: Option<LinkId>,
    parent_security: Option<Arc<SecurityDescriptor>>,
}

impl Found {
    fn root(names: &Names) -> Self {
        Self {
            node: Arc::clone(names.root()),
            link: None,
            parent_security: None,
        }
    }

    fn at(names: &Names, id: LinkId) -> Result<Self, NtStatus> {
        let link = names.link(id).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        Ok(Self {
            node: Arc::clone(&link.node),
            link: Some(id),
            parent_security: Some(Arc::clone(&link.parent.body.read().security)),
        })
    }
}

fn found(names: &Names, name: &Name) -> Result<Option<Found>, NtStatus> {
    Ok(match names.find(name)? {
        Place::Root => Some(Found::root(names)),
        Place::Existing(link) => Some(Found::at(names, link)?),
        Place::Free(_) => None,
    })
}

// [MS-FSA] 2.1.5.1
// Phase 7
fn check_kind(node: &Node, name: &Name, how: &OpenHow) -> Result<(), NtStatus> {
    let is_index = name.stream_type() == Some(StreamType::IndexAllocation);
    let as_directory = how.wanted == Wanted::Directory || is_index;
    let as_data = how.wanted == Wanted::File || name.stream_type() == Some(StreamType::Data);
    if as_directory && !node.is_directory() {
        return Err(if how.disposition == Disposition::New {
            NtStatus::OBJECT_NAME_COLLISION
        } else {
            NtStatus::NOT_A_DIRECTORY
        });
    }
    if !node.is_directory() || name.stream().is_some() {
        return Ok(());
    }
    if as_data {
        return Err(NtStatus::FILE_IS_A_DIRECTORY);
    }
    // [MS-FSA] 2.1.5.1.2
    match (how.overwrite, name.is_root()) {
        (false, _) => Ok(()),
        (true, true) => Err(NtStatus::ACCESS_DENIED),
        (true, false) => Err(NtStatus::OBJECT_NAME_COLLISION),
    }
}

/// Whether the caller may give an object of this kind a name in a directory with this descriptor.
// [MS-FSA] 2.1.5.1.1
pub(super) fn check_may_add(
    token: &SecurityToken,
    parent: &SecurityDescriptor,
    kind: ObjectKind,
    backup_intent: bool,
) -> Result<(), NtStatus> {
    let needed = match kind {
        ObjectKind::File => AccessMask::FILE_ADD_FILE,
        ObjectKind::Directory => AccessMask::FILE_ADD_SUBDIRECTORY,
    };
    let mut allowed = access::maximal_access(token, parent);
    if backup_intent {
        allowed |= access::by_backup_intent(token);
    }
    access::resolve(token, allowed, needed).map(drop)
}
