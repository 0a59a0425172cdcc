//! A share of a map: each key is a file, and its value is what the file holds.
//!
//! `cargo run -p smbd --example key_value`, and then what it prints. The tutorial
//! `docs/writing-a-share-handler.md` goes through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use server::share::{
    Answer, Caller, CloseHow, Disposition, Entry, Features, FileStat, Handle, ListFrom, Name,
    ObjectId, OpenHow, Opened, ReplyRoom, ShareHandler, ShareKind, Wanted,
};
use smbd::{Failure, ServerBuilder};
use wire::dtyp::FileTime;
use wire::fscc::{FileAttributes, Pattern};
use wire::{NtStatus, Utf16String};

/// The share. Its opens keep the map too, whatever becomes of the share.
pub struct MapShare(Arc<Map>);

type Map = BTreeMap<String, String>;

impl MapShare {
    /// A share of these keys, which have to be names of files.
    pub fn new(map: Map) -> Self {
        Self(Arc::new(map))
    }

    fn open_now(&self, name: &Name, how: &OpenHow) -> Result<Opened, NtStatus> {
        let node = match name.components() {
            _ if name.stream().is_some() => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            [] => Node::Root,
            [key] => self.find(&key.to_string_lossy(), how.disposition)?,
            _ => return Err(NtStatus::OBJECT_PATH_NOT_FOUND),
        };
        match (how.wanted, &node) {
            _ if how.disposition == Disposition::New => Err(NtStatus::OBJECT_NAME_COLLISION),
            (Wanted::File, Node::Root) => Err(NtStatus::FILE_IS_A_DIRECTORY),
            (Wanted::Directory, Node::Key(_)) => Err(NtStatus::NOT_A_DIRECTORY),
            _ => Ok(self.opened(node)),
        }
    }

    /// The file of a key, whatever its case: that is what Windows expects.
    fn find(&self, wanted: &str, disposition: Disposition) -> Result<Node, NtStatus> {
        let is_wanted = |key: &&String| key.to_lowercase() == wanted.to_lowercase();
        match (self.0.keys().find(is_wanted), disposition) {
            (Some(key), _) => Ok(Node::Key(key.clone())),
            (None, Disposition::Existing) => Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            (None, _) => Err(NtStatus::MEDIA_WRITE_PROTECTED),
        }
    }

    fn opened(&self, node: Node) -> Opened {
        let map = self.0.clone();
        let handle = MapHandle { map, node };
        Opened {
            created: false,
            created_with_file: false,
            stat: handle.stat_now(),
            security: None,
            stream: None,
            name: handle.name_now(),
            handle: Arc::new(handle),
        }
    }
}

impl ShareHandler for MapShare {
    fn features(&self) -> Features {
        Features {
            read_only: true,
            ..Features::plain(ShareKind::Disk)
        }
    }

    fn open<'a>(
        &'a self,
        _caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        known(self.open_now(name, how))
    }
}

/// What can be opened.
enum Node {
    Root,
    Key(String),
}

struct MapHandle {
    map: Arc<Map>,
    node: Node,
}

impl MapHandle {
    fn stat_now(&self) -> FileStat {
        match &self.node {
            Node::Root => stat(ROOT, FileAttributes::DIRECTORY, 0),
            Node::Key(key) => self.stat_of(key),
        }
    }

    fn stat_of(&self, key: &str) -> FileStat {
        let place = self.map.keys().position(|each| each == key);
        let number = ROOT + 1 + place.unwrap_or_default() as u64;
        let length = self.map.get(key).map_or(0, String::len) as u64;
        stat(number, FileAttributes::READONLY, length)
    }

    fn name_now(&self) -> Name {
        match &self.node {
            Node::Root => Name::root(),
            Node::Key(key) => Name::root().child(Utf16String::from(key.as_str())),
        }
    }
}

impl Handle for MapHandle {
    fn object(&self) -> ObjectId {
        ObjectId {
            volume: VOLUME,
            file: self.stat_now().file_id,
        }
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        known(Ok(self.stat_now()))
    }

    fn name(&self) -> Answer<'_, Name> {
        known(Ok(self.name_now()))
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        let Node::Key(key) = &self.node else {
            return known(Err(NtStatus::INVALID_DEVICE_REQUEST));
        };
        let value = self.map.get(key).map_or(&[][..], String::as_bytes);
        let rest = usize::try_from(at).ok().and_then(|at| value.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(room.length());
        room.as_mut_slice()[..length].copy_from_slice(&rest[..length]);
        known(Ok(length as u32))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        _room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        if let Node::Key(_) = self.node {
            return known(Err(NtStatus::INVALID_PARAMETER));
        }
        let dots = [".", ".."].map(|name| (name, stat(ROOT, FileAttributes::DIRECTORY, 0)));
        let keys = self.map.keys().map(|key| (key.as_str(), self.stat_of(key)));
        let entries = (1..).zip(dots.into_iter().chain(keys));
        let entries = entries.map(|(position, (name, stat))| Entry {
            name: Utf16String::from(name),
            stat,
            position,
        });
        let is_wanted = |entry: &Entry| match from {
            ListFrom::Start => pattern.matches(entry.name.as_units()),
            ListFrom::After(last) => {
                entry.position > last && pattern.matches(entry.name.as_units())
            }
        };
        known(Ok(entries.filter(is_wanted).collect()))
    }

    fn close(&self, _how: CloseHow) -> Answer<'_, ()> {
        known(Ok(()))
    }
}

/// An answer that need not be waited for.
fn known<'a, T: Send + 'a>(answer: Result<T, NtStatus>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

fn stat(file_id: u64, attributes: FileAttributes, end_of_file: u64) -> FileStat {
    let time = FileTime::from_unix(1_700_000_000, 0);
    FileStat {
        creation_time: time,
        last_access_time: time,
        last_write_time: time,
        change_time: time,
        attributes,
        allocation_size: end_of_file,
        end_of_file,
        links: 1,
        file_id,
        ..FileStat::default()
    }
}

/// Tells this share's objects from those of other shares.
const VOLUME: u64 = u64::from_be_bytes(*b"key\0val\0");
const ROOT: u64 = 1;

/// Serves the map until somebody presses return.
#[allow(dead_code, reason = "tests take the share alone")]
#[tokio::main]
async fn main() -> Result<(), Failure> {
    let map = [("colour", "green\n"), ("answer", "42\n")];
    let map = map.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let server = ServerBuilder::new()
        .account("alice", "Wonder-land-1")
        .share("settings", Arc::new(MapShare::new(Map::from(map))))
        .start()
        .await?;
    let port = server.address().port();
    println!(
        "smbclient //127.0.0.1/settings -p {port} -U alice%Wonder-land-1 -c 'ls; get answer -'"
    );
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    server.stop().await;
    Ok(())
}
