//! A complete file system in memory: for tests, the simulator and laboratories without disks.
//!
//! Behaves as an NTFS volume does, as far as a client can see. Nothing outlives the process, every answer is ready
//! at its first poll, and the same calls with the same clock give the same answers.
//!
//! ```text
//! handle ── open ── names           which name leads to which node
//!    ├── listing, rename
//!    └── data, metadata ── node ── contents ── budget
//! ```
//!
//! Two kinds of locks, always taken in this order: all names of the volume, then one node. Reading and writing a
//! file takes only the second.

mod budget;
mod contents;
mod data;
mod handle;
mod listing;
mod metadata;
mod names;
mod node;
mod open;
mod rename;
mod write_time;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use server::access::ObjectKind;
use server::share::{
    Answer, Caller, Features, Name, ObjectId, OpenHow, Opened, ShareHandler, ShareKind,
    TunnelCache, Volume,
};
use wire::NtStatus;
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, FileTime, SecurityControl, SecurityDescriptor, Sid,
};

use self::budget::Budget;
use self::names::Names;
use self::node::{CLUSTER, Node};
use crate::ready::ready;

/// Tells the time of day.
pub type Clock = Arc<dyn Fn() -> FileTime + Send + Sync>;

/// What a memory share is made of.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// The volume's label, from which its identity follows: no two memory shares of a server have the same.
    pub label: String,
    /// The most that files, their names and their metadata may take, in bytes.
    pub size: u64,
    /// Names are compared with case.
    pub case_sensitive: bool,
    /// The descriptor of the root, which everything inherits from.
    pub security: SecurityDescriptor,
}

impl MemoryOptions {
    /// A volume of 1 GiB in which everybody may do everything.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            size: 1 << 30,
            case_sensitive: false,
            security: open_to_everyone(),
        }
    }
}

/// A volume in memory, served as a share.
#[derive(Debug)]
pub struct MemoryHandler {
    store: Arc<Store>,
}

impl MemoryHandler {
    /// An empty volume.
    ///
    /// # Errors
    /// `DISK_FULL` when not even the root fits.
    pub fn new(options: MemoryOptions, clock: Clock) -> Result<Self, NtStatus> {
        let now = clock();
        let budget = Arc::new(Budget::new(options.size));
        let security = options.security.clone();
        let root = Node::new(ROOT, ObjectKind::Directory, security, now, &budget)?;
        let names = Names::new(Arc::new(root), options.case_sensitive);
        let mut hasher = DefaultHasher::new();
        options.label.hash(&mut hasher);
        let store = Store {
            // Numbers of the host's devices are far smaller.
            volume: hasher.finish() | 1 << 63,
            options,
            clock,
            creation_time: now,
            budget,
            names: RwLock::new(names),
            tunnel: TunnelCache::default(),
            last_node: AtomicU64::new(ROOT),
        };
        Ok(Self {
            store: Arc::new(store),
        })
    }
}

impl ShareHandler for MemoryHandler {
    fn features(&self) -> Features {
        Features {
            kind: ShareKind::Disk,
            case_sensitive: self.store.options.case_sensitive,
            streams: true,
            extended_attributes: true,
            security: true,
            sparse: true,
            reparse_points: false,
            read_only: false,
        }
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        ready(self.store.open(caller, name, how))
    }

    fn volume(&self) -> Answer<'_, Volume> {
        ready(Ok(self.store.facts()))
    }
}

/// What all opens of a volume share.
struct Store {
    options: MemoryOptions,
    volume: u64,
    clock: Clock,
    creation_time: FileTime,
    budget: Arc<Budget>,
    names: RwLock<Names>,
    tunnel: TunnelCache,
    last_node: AtomicU64,
}

impl Store {
    fn now(&self) -> FileTime {
        (self.clock)()
    }

    fn object_id(&self, node: &Node) -> ObjectId {
        ObjectId {
            volume: self.volume,
            file: node.id,
        }
    }

    fn new_node_id(&self) -> u64 {
        self.last_node.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn facts(&self) -> Volume {
        let free_units = self.budget.free() / CLUSTER;
        let mut object_id = [0; 16];
        object_id[..8].copy_from_slice(&self.volume.to_le_bytes());
        Volume {
            label: self.options.label.clone(),
            serial_number: (self.volume ^ (self.volume >> 32)) as u32,
            creation_time: self.creation_time,
            total_units: self.budget.limit() / CLUSTER,
            free_units,
            caller_free_units: free_units,
            sectors_per_unit: (CLUSTER / SECTOR) as u32,
            bytes_per_sector: SECTOR as u32,
            file_system: "NTFS".to_owned(),
            longest_name: LONGEST_NAME as u32,
            object_id,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Everybody may do everything, here and in everything that is made here.
fn open_to_everyone() -> SecurityDescriptor {
    let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let everyone = Ace::allowed(Sid::EVERYONE, AccessMask::FILE_ALL_ACCESS, inherit);
    // One entry always fits.
    let dacl = Acl::from_aces([everyone]).map_or(AclSlot::Null, AclSlot::List);
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: Some(Sid::ADMINISTRATORS),
        group: Some(Sid::ADMINISTRATORS),
        dacl,
        ..SecurityDescriptor::default()
    }
}

/// The root's number, as on every NTFS volume.
const ROOT: u64 = 5;
const SECTOR: u64 = 512;
/// In UTF-16 units, as on NTFS.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests;
