//! The names of a volume: which directory holds which names, and what each leads to.
//!
//! Owns links, which are the edges of the tree. A link has a number that it keeps when it is renamed; opens hold the
//! number, so that they follow their name wherever it goes, and listings use it as the position of an entry: it
//! only ever grows, so a position is never used twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use server::share::{Name, is_made_name, is_short_name_of};
use wire::fscc::upcase::upcase;
use wire::{NtStatus, Utf16String};

use super::node::Node;

/// All names of a volume.
#[derive(Debug)]
pub(super) struct Names {
    case_sensitive: bool,
    root: Arc<Node>,
    links: HashMap<LinkId, Link>,
    directories: HashMap<u64, Directory>,
    last_link: u64,
}

/// A link of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkId(pub u64);

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Link {
    /// The directory that holds it.
    pub parent: Arc<Node>,
    /// The name as stored.
    pub name: Utf16String,
    /// What it names.
    pub node: Arc<Node>,
}

#[derive(Debug, Default)]
struct Directory {
    /// The directory's own name; none for the root.
    own: Option<LinkId>,
    by_name: HashMap<Box<[u16]>, LinkId>,
    by_position: BTreeSet<LinkId>,
}

/// Where a name leads.
#[derive(Debug)]
pub(super) enum Place {
    /// The root.
    Root,
    /// An existing name.
    Existing(LinkId),
    /// A name that nothing has, in this existing directory.
    Free(Arc<Node>),
}

impl Names {
    /// A volume with nothing but its root.
    pub(super) fn new(root: Arc<Node>, case_sensitive: bool) -> Self {
        let directories = HashMap::from([(root.id, Directory::default())]);
        Self {
            case_sensitive,
            root,
            links: HashMap::new(),
            directories,
            last_link: LAST_RESERVED,
        }
    }

    /// The root directory.
    pub(super) fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// Follows `name`, without its stream.
    ///
    /// # Errors
    /// `OBJECT_PATH_NOT_FOUND` when a folder on the way is missing or a file.
    // [MS-FSA] 2.1.5.1
    // Phase 6
    pub(super) fn find(&self, name: &Name) -> Result<Place, NtStatus> {
        let Some((last, folders)) = name.components().split_last() else {
            return Ok(Place::Root);
        };
        let mut parent = &self.root;
        for folder in folders {
            let link = self.child(parent, folder.as_units());
            let link = link.and_then(|id| self.link(id));
            parent = &link.ok_or(NtStatus::OBJECT_PATH_NOT_FOUND)?.node;
        }
        if !parent.is_directory() {
            return Err(NtStatus::OBJECT_PATH_NOT_FOUND);
        }
        Ok(match self.child(parent, last.as_units()) {
            Some(id) => Place::Existing(id),
            None => Place::Free(Arc::clone(parent)),
        })
    }

    /// The entry of `directory` called `name`.
    pub(super) fn child(&self, directory: &Node, name: &[u16]) -> Option<LinkId> {
        let directory = self.directories.get(&directory.id)?;
        let found = if self.case_sensitive {
            directory.by_name.get(name)
        } else {
            directory.by_name.get(&*self.key(name))
        };
        // [MS-FSA] 2.1.5.1
        // The name may be a short one.
        found.copied().or_else(|| {
            let mut ids = directory.by_position.iter();
            let has_it = |id: &&LinkId| {
                let link = self.links.get(id);
                link.is_some_and(|link| is_short_name_of(name, link.name.as_units()))
            };
            is_made_name(name).then(|| ids.find(has_it).copied())?
        })
    }

    /// A link, unless it has been removed.
    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    /// The entries of a directory behind `position`, in their order.
    pub(super) fn entries(
        &self,
        directory: &Node,
        position: u64,
    ) -> impl Iterator<Item = (LinkId, &Link)> {
        let directory = self.directories.get(&directory.id);
        let ids = directory.map(|directory| {
            directory.by_position.range((
                std::ops::Bound::Excluded(LinkId(position)),
                std::ops::Bound::Unbounded,
            ))
        });
        ids.into_iter()
            .flatten()
            .filter_map(|id| Some((*id, self.links.get(id)?)))
    }

    /// Whether a directory has no entries.
    pub(super) fn is_empty(&self, directory: &Node) -> bool {
        self.directories
            .get(&directory.id)
            .is_none_or(|directory| directory.by_name.is_empty())
    }

    /// The directory that holds `directory`; the root for the root.
    pub(super) fn parent_of(&self, directory: &Node) -> &Arc<Node> {
        let own = self
            .directories
            .get(&directory.id)
            .and_then(|directory| directory.own);
        own.and_then(|own| self.links.get(&own))
            .map_or(&self.root, |link| &link.parent)
    }

    /// The full name that ends in a link.
    ///
    /// # Errors
    /// `FILE_DELETED` when it, or a folder above it, has been removed.
    pub(super) fn full_name(&self, id: LinkId) -> Result<Name, NtStatus> {
        let mut components = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let link = self.links.get(&id).ok_or(NtStatus::FILE_DELETED)?;
            components.push(&link.name);
            let parent = self.directories.get(&link.parent.id);
            next = parent.ok_or(NtStatus::FILE_DELETED)?.own;
        }
        let root = Name::root();
        Ok(components
            .into_iter()
            .rev()
            .fold(root, |name, component| name.child(component.clone())))
    }

    /// Whether `directory` is `folder` or lies below it.
    pub(super) fn is_within(&self, directory: &Node, folder: &Node) -> bool {
        let mut at = directory.id;
        while at != folder.id {
            let own = self
                .directories
                .get(&at)
                .and_then(|directory| directory.own);
            let Some(link) = own.and_then(|own| self.links.get(&own)) else {
                return false;
            };
            at = link.parent.id;
        }
        true
    }

    /// Gives `node` the free name `name` in `parent`.
    pub(super) fn add(
        &mut self,
        parent: &Arc<Node>,
        name: &Utf16String,
        node: &Arc<Node>,
    ) -> LinkId {
        self.last_link += 1;
        let id = LinkId(self.last_link);
        let link = Link {
            parent: Arc::clone(parent),
            name: name.clone(),
            node: Arc::clone(node),
        };
        self.enter(id, &link);
        self.links.insert(id, link);
        node.body.write().links += 1;
        if node.is_directory() {
            let own = Some(id);
            self.directories.insert(
                node.id,
                Directory {
                    own,
                    ..Directory::default()
                },
            );
        }
        id
    }

    /// Takes a name away from what it names. A directory that is removed is empty.
    pub(super) fn remove(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        self.leave(id, &link);
        let mut body = link.node.body.write();
        body.links = body.links.saturating_sub(1);
        if link.node.is_directory() {
            self.directories.remove(&link.node.id);
        }
    }

    /// Moves a link to a name that is free, or that is its own in another case.
    pub(super) fn rename(&mut self, id: LinkId, parent: &Arc<Node>, name: &Utf16String) {
        let Some(mut link) = self.links.remove(&id) else {
            return;
        };
        self.leave(id, &link);
        link.parent = Arc::clone(parent);
        link.name = name.clone();
        self.enter(id, &link);
        self.links.insert(id, link);
    }

    fn enter(&mut self, id: LinkId, link: &Link) {
        let key = self.key(link.name.as_units());
        if let Some(directory) = self.directories.get_mut(&link.parent.id) {
            directory.by_name.insert(key, id);
            directory.by_position.insert(id);
        }
    }

    fn leave(&mut self, id: LinkId, link: &Link) {
        let key = self.key(link.name.as_units());
        if let Some(directory) = self.directories.get_mut(&link.parent.id) {
            directory.by_name.remove(&key);
            directory.by_position.remove(&id);
        }
    }

    /// What names are compared by.
    fn key(&self, name: &[u16]) -> Box<[u16]> {
        if self.case_sensitive {
            name.into()
        } else {
            name.iter().copied().map(upcase).collect()
        }
    }
}

/// Positions up to this belong to `.` and `..`.
pub(super) const LAST_RESERVED: u64 = 2;
