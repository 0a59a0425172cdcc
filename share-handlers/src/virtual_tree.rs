//! A read-only share made of (path, function) pairs: the function gives what the file holds.
//!
//! Owns the tree, and opening, reading and listing in it. A file's contents are taken when it is
//! opened and stay what they are for that open; how long a file is before that is not known, so
//! listings say 0. Names are compared without case.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use server::share::{
    Answer, Caller, CloseHow, Disposition, Entry, Features, FileStat, Handle, ListFrom, Name,
    NameError, ObjectId, OpenHow, Opened, ReplyRoom, ShareHandler, ShareKind, Volume, Wanted,
};
use wire::dtyp::FileTime;
use wire::fscc::{FileAttributes, Pattern};
use wire::{NtStatus, Utf16String};

use crate::memory::Clock;
use crate::ready::ready;

/// Gives what a file holds for somebody who opens it, or refuses.
pub type Contents = Arc<dyn Fn(&Caller) -> Result<Bytes, NtStatus> + Send + Sync>;

/// A tree of files whose contents are made when they are opened.
pub struct VirtualTree {
    volume: u64,
    label: String,
    clock: Clock,
    /// The root is the first.
    nodes: Vec<Arc<Node>>,
    /// By path, in lower case.
    by_path: HashMap<String, usize>,
}

/// A file or folder.
struct Node {
    name: Name,
    object: ObjectId,
    body: Body,
}

enum Body {
    /// Its entries, by name in lower case.
    Folder(BTreeMap<String, usize>),
    File(Contents),
}

impl VirtualTree {
    /// An empty tree. No two trees of a server have the same label.
    #[must_use]
    pub fn new(label: impl Into<String>, clock: Clock) -> Self {
        let label = label.into();
        let mut hasher = DefaultHasher::new();
        ("virtual tree", &label).hash(&mut hasher);
        let mut tree = Self {
            // Numbers of the host's devices are far smaller.
            volume: hasher.finish() | 1 << 63,
            label,
            clock,
            nodes: Vec::new(),
            by_path: HashMap::new(),
        };
        tree.add(Name::root(), Body::Folder(BTreeMap::new()));
        tree
    }

    /// The tree with a file at `path`, whose parts are separated by `\`. Folders that are missing
    /// are made. A later file takes the place of an earlier one of the same path.
    ///
    /// # Errors
    /// The path cannot be the name of a file, or leads through one.
    pub fn file(
        mut self,
        path: &str,
        contents: impl Fn(&Caller) -> Result<Bytes, NtStatus> + Send + Sync + 'static,
    ) -> Result<Self, NameError> {
        let name = Name::parse_text(path)?;
        if name.is_root() || name.stream_type().is_some() {
            return Err(NameError::Invalid);
        }
        self.place(&name, Body::File(Arc::new(contents)))?;
        Ok(self)
    }

    /// Puts a node where its name says, and gives its number.
    fn place(&mut self, name: &Name, body: Body) -> Result<usize, NameError> {
        let Some(parent) = name.parent() else {
            return Ok(0);
        };
        let parent = match self.by_path.get(&key_of(&parent)) {
            Some(number) => *number,
            None => self.place(&parent, Body::Folder(BTreeMap::new()))?,
        };
        let number = self.nodes.len();
        let last = name.file_name().map(Utf16String::to_string_lossy);
        let last = last.unwrap_or_default().to_lowercase();
        // Nobody has an open yet, so the tree alone holds its nodes.
        let folder = Arc::get_mut(&mut self.nodes[parent]).map(|node| &mut node.body);
        let Some(Body::Folder(entries)) = folder else {
            return Err(NameError::Invalid);
        };
        if let Some(existing) = entries.get(&last) {
            let existing = *existing;
            let node = Arc::get_mut(&mut self.nodes[existing]).ok_or(NameError::Invalid)?;
            return match (&node.body, &body) {
                (Body::File(_), Body::File(_)) => {
                    node.body = body;
                    Ok(existing)
                }
                _ => Err(NameError::Invalid),
            };
        }
        entries.insert(last, number);
        Ok(self.add(name.clone(), body))
    }

    fn add(&mut self, name: Name, body: Body) -> usize {
        let number = self.nodes.len();
        self.by_path.insert(key_of(&name), number);
        let object = ObjectId {
            volume: self.volume,
            file: number as u64 + 1,
        };
        self.nodes.push(Arc::new(Node { name, object, body }));
        number
    }

    fn open_now(&self, caller: &Caller, name: &Name, how: &OpenHow) -> Result<Opened, NtStatus> {
        if name.stream().is_some() || how.snapshot.is_some() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        let node = self.find(name, how.disposition)?;
        let contents = match (&node.body, how.wanted) {
            _ if how.disposition == Disposition::New => {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            (Body::Folder(_), Wanted::File) => return Err(NtStatus::FILE_IS_A_DIRECTORY),
            (Body::File(_), Wanted::Directory) => return Err(NtStatus::NOT_A_DIRECTORY),
            _ if how.overwrite => return Err(NtStatus::MEDIA_WRITE_PROTECTED),
            (Body::Folder(entries), _) => Open::Folder(self.entries(node, entries)),
            (Body::File(contents), _) => Open::File(contents(caller)?),
        };
        let handle = VirtualHandle {
            stat: self.stat(node, contents.length()),
            node: node.clone(),
            contents,
        };
        Ok(Opened {
            created: false,
            created_with_file: false,
            stat: handle.stat,
            security: None,
            stream: None,
            name: node.name.clone(),
            handle: Arc::new(handle),
        })
    }

    fn find(&self, name: &Name, disposition: Disposition) -> Result<&Arc<Node>, NtStatus> {
        let node = self.by_path.get(&key_of(name)).copied();
        if let Some(node) = node.and_then(|number| self.nodes.get(number)) {
            return Ok(node);
        }
        let parent = name.parent().unwrap_or_default();
        let parent = self.by_path.get(&key_of(&parent)).copied();
        match parent.and_then(|number| self.nodes.get(number)) {
            Some(parent) if matches!(parent.body, Body::Folder(_)) => Err(match disposition {
                Disposition::Existing => NtStatus::OBJECT_NAME_NOT_FOUND,
                Disposition::New | Disposition::Either => NtStatus::MEDIA_WRITE_PROTECTED,
            }),
            _ => Err(NtStatus::OBJECT_PATH_NOT_FOUND),
        }
    }

    /// All entries of a folder, `.` and `..` first.
    fn entries(&self, folder: &Node, entries: &BTreeMap<String, usize>) -> Vec<Entry> {
        let dots = [".", ".."].map(|dot| (Utf16String::from(dot), self.stat(folder, 0)));
        let nodes = entries
            .values()
            .filter_map(|number| self.nodes.get(*number));
        let named = nodes.filter_map(|node| {
            let name = node.name.file_name()?.clone();
            Some((name, self.stat(node, 0)))
        });
        let all = (1..).zip(dots.into_iter().chain(named));
        let entry = |(position, (name, stat))| Entry {
            name,
            stat,
            position,
        };
        all.map(entry).collect()
    }

    fn stat(&self, node: &Node, length: u64) -> FileStat {
        let now: FileTime = (self.clock)();
        FileStat {
            creation_time: now,
            last_access_time: now,
            last_write_time: now,
            change_time: now,
            attributes: match node.body {
                Body::Folder(_) => FileAttributes::DIRECTORY,
                Body::File(_) => FileAttributes::READONLY,
            },
            allocation_size: length,
            end_of_file: length,
            links: 1,
            file_id: node.object.file,
            ..FileStat::default()
        }
    }
}

impl ShareHandler for VirtualTree {
    fn features(&self) -> Features {
        Features {
            read_only: true,
            ..Features::plain(ShareKind::Disk)
        }
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        ready(self.open_now(caller, name, how))
    }

    fn volume(&self) -> Answer<'_, Volume> {
        let label = self.label.clone();
        ready(Ok(Volume {
            sectors_per_unit: 8,
            ..Volume::virtual_one(label, self.volume, (self.clock)())
        }))
    }
}

impl fmt::Debug for VirtualTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTree")
            .field("label", &self.label)
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// An open, and what it showed when it was made.
struct VirtualHandle {
    node: Arc<Node>,
    stat: FileStat,
    contents: Open,
}

enum Open {
    Folder(Vec<Entry>),
    File(Bytes),
}

impl Open {
    fn length(&self) -> u64 {
        match self {
            Self::Folder(_) => 0,
            Self::File(contents) => contents.len() as u64,
        }
    }
}

impl Handle for VirtualHandle {
    fn object(&self) -> ObjectId {
        self.node.object
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.stat))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(self.node.name.clone()))
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        let Open::File(contents) = &self.contents else {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        };
        let rest = usize::try_from(at).ok().and_then(|at| contents.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(room.length());
        room.as_mut_slice()[..length].copy_from_slice(&rest[..length]);
        ready(Ok(length as u32))
    }

    /// Nothing is ever written that could be flushed.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        _room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        let Open::Folder(entries) = &self.contents else {
            return ready(Err(NtStatus::INVALID_PARAMETER));
        };
        let last = match from {
            ListFrom::Start => 0,
            ListFrom::After(position) => position,
        };
        let is_wanted =
            |entry: &&Entry| entry.position > last && pattern.matches(entry.name.as_units());
        ready(Ok(entries.iter().filter(is_wanted).cloned().collect()))
    }

    fn close(&self, _how: CloseHow) -> Answer<'_, ()> {
        ready(Ok(()))
    }
}

/// A name by which it is found in whatever case.
fn key_of(name: &Name) -> String {
    name.with_stream(None).to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::wrappers::testing::{Share, to_create, to_open};

    fn share(tree: VirtualTree) -> Share {
        Share::memory().under(|_| Arc::new(tree))
    }

    fn tree() -> VirtualTree {
        VirtualTree::new("t", Arc::new(|| FileTime(1)))
    }

    #[test]
    fn files_are_listed_and_hold_what_their_functions_give() {
        let tree = tree()
            .file("hello.txt", |_| Ok(Bytes::from_static(b"hello")))
            .and_then(|tree| tree.file("who\\Am I", |caller| Ok(caller.user.to_string().into())));
        let share = share(tree.unwrap());
        assert_eq!(share.names(""), ["hello.txt", "who"]);
        assert_eq!(share.names("WHO"), ["Am I"]);
        assert_eq!(share.read_file("Hello.TXT"), b"hello");
        let file = share.open("who\\am i", &to_open()).unwrap();
        assert_eq!(file.0.name.to_string(), "who\\Am I");
        assert_eq!(file.0.stat.end_of_file, 5);
        assert_eq!(file.read(100).unwrap(), b"alice");
    }

    #[test]
    fn an_open_keeps_what_it_was_given() {
        let count = AtomicU32::new(0);
        let next = move |_: &Caller| Ok(count.fetch_add(1, Ordering::Relaxed).to_string().into());
        let share = share(tree().file("count", next).unwrap());
        let first = share.open("count", &to_open()).unwrap();
        assert_eq!(share.read_file("count"), b"1");
        assert_eq!(first.read(10).unwrap(), b"0");
        assert_eq!(first.read(10).unwrap(), b"0");
    }

    #[test]
    fn a_function_may_refuse() {
        let refuse = |_: &Caller| Err(NtStatus::ACCESS_DENIED);
        let share = share(tree().file("secret", refuse).unwrap());
        let refused = share.open("secret", &to_open()).map(drop);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
        assert_eq!(share.names(""), ["secret"]);
    }

    #[test]
    fn what_is_not_there_is_neither_found_nor_made() {
        let tree = tree().file("a\\file", |_| Ok(Bytes::new())).unwrap();
        let share = share(tree);
        let refusal = |name: &str, disposition| {
            let opened = share.open(name, &to_create(disposition)).map(drop);
            opened.unwrap_err()
        };
        let (existing, new) = (Disposition::Existing, Disposition::New);
        assert_eq!(refusal("b", existing), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(refusal("b\\c", existing), NtStatus::OBJECT_PATH_NOT_FOUND);
        assert_eq!(
            refusal("a\\file\\c", existing),
            NtStatus::OBJECT_PATH_NOT_FOUND
        );
        assert_eq!(refusal("b", new), NtStatus::MEDIA_WRITE_PROTECTED);
        assert_eq!(refusal("a\\file", new), NtStatus::OBJECT_NAME_COLLISION);
        assert_eq!(refusal("a", existing), NtStatus::FILE_IS_A_DIRECTORY);
        let file = share.open("a\\file", &to_open()).unwrap();
        assert_eq!(file.write(b"x"), Err(NtStatus::INVALID_DEVICE_REQUEST));
        assert_eq!(file.check_delete(), Err(NtStatus::CANNOT_DELETE));
    }

    #[test]
    fn a_path_that_cannot_be_is_refused() {
        let none = |_: &Caller| Ok(Bytes::new());
        for path in ["", "a\\..", "a:stream", "a\\\\b", "*"] {
            assert!(tree().file(path, none).is_err(), "{path}");
        }
        let with_file = || tree().file("a", none).unwrap();
        assert!(with_file().file("a\\b", none).is_err());
        assert!(tree().file("a\\b", none).unwrap().file("A", none).is_err());
        assert!(with_file().file("A", none).is_ok());
    }
}
