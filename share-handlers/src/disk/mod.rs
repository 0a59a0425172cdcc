//! A folder of the host as a share.
//!
//! Owns everything that touches the host's file system. Paths leave this module only through
//! [`resolve`], which stays below the share's root by the kernel's own check; errors only through
//! [`errno`]. It knows nothing of share modes, locks and leases, and never sees a packet.
//!
//! ```text
//! handle ── open ── resolve ── index, names         names to descriptors
//!    ├── data, control                              bytes
//!    ├── attributes, extended, streams, security    what is kept beside the bytes
//!    ├── directory, rename, link, watch             folders
//!    └── objects                                    what opens of one file share
//! ```

mod attributes;
mod control;
mod create;
mod data;
mod directory;
mod dosattrib;
pub(crate) mod errno;
mod extended;
mod file;
mod handle;
mod hidden;
pub(crate) mod identity;
mod index;
mod link;
pub(crate) mod names;
mod ntacl;
mod objects;
mod open;
mod permissions;
mod rename;
mod resolve;
mod security;
mod streams;
mod sys;
#[cfg(test)]
mod testing;
mod watch;
mod watch_events;
mod watch_table;

use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use server::share::{
    Answer, Caller, Features, HostUser, Name, ObjectId, OpenHow, Opened, ShareHandler, ShareKind,
    Volume,
};
use wire::NtStatus;

use self::errno::status;
use self::hidden::HiddenNames;
use self::objects::Objects;
use self::resolve::{Folder, Root};
pub use self::watch::ChangeSink;
use self::watch::Watcher;
use crate::offload::{Offload, elsewhere};

/// What a disk share is made of.
#[derive(Debug, Clone)]
pub struct DiskOptions {
    /// The folder.
    pub path: PathBuf,
    /// Names are compared with case.
    pub case_sensitive: bool,
    /// Whether links in the folder are followed.
    pub symbolic_links: SymbolicLinks,
    /// Named streams exist.
    pub streams: bool,
    /// Names that begin with a dot are shown as hidden.
    pub hide_dot_files: bool,
    /// Patterns, with `*` and `?`, of further names that are shown as hidden.
    pub hide_files: Vec<String>,
    /// The host's permissions of new files, such as 0o644.
    pub file_mode: u32,
    /// The host's permissions of new folders, such as 0o755.
    pub directory_mode: u32,
    /// The volume's label.
    pub label: String,
}

impl DiskOptions {
    /// The usual settings for a share of the folder `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            case_sensitive: false,
            symbolic_links: SymbolicLinks::WithinShare,
            streams: true,
            hide_dot_files: true,
            hide_files: Vec::new(),
            file_mode: 0o644,
            directory_mode: 0o755,
            label: String::new(),
        }
    }
}

/// Whether links in a share's folder are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolicLinks {
    /// Links are neither followed nor listed.
    Never,
    /// Links that stay in the folder are followed; others are neither followed nor listed.
    WithinShare,
}

/// A folder of the host, served as a share.
pub struct DiskHandler {
    share: Arc<DiskShare>,
}

/// What all opens of a share use.
struct DiskShare {
    options: DiskOptions,
    root: Root,
    root_id: ObjectId,
    hidden_names: HiddenNames,
    objects: Arc<Objects>,
    work: Work,
    watcher: Arc<Watcher>,
    cached_reads: CachedReads,
    /// The longest write that is done where it stands, in bytes.
    largest_inline_write: usize,
    /// One of these is held while a name is made in a folder, so that of two names that differ only
    /// in case one is made.
    changing: Vec<Mutex<()>>,
    hasher: RandomState,
}

/// Whether the page cache can be asked without waiting for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CachedReads {
    /// The file system is in memory: reading never waits.
    Always,
    /// `RWF_NOWAIT` tells.
    Probed,
    /// A read may take any time.
    Never,
}

impl DiskHandler {
    /// Serves the folder that `options` names; blocking work goes to `offload`.
    ///
    /// # Errors
    /// The folder cannot be opened, or `/proc` is not there.
    pub fn new(options: DiskOptions, offload: Arc<dyn Offload>) -> std::io::Result<Self> {
        let root = Root::open(
            &options.path,
            options.symbolic_links,
            options.case_sensitive,
        )?;
        let host = resolve::stat(root.descriptor())?;
        // Where names have gone is asked of /proc.
        root.path_of(root.descriptor())
            .map_err(|_| std::io::Error::other("/proc is needed and not mounted"))?;
        let cached_reads = cached_reads(&root, &options.path);
        let in_memory = cached_reads == CachedReads::Always;
        let watcher = Arc::<Watcher>::default();
        let share = DiskShare {
            root_id: resolve::object_id(&host),
            hidden_names: HiddenNames::new(&options),
            root,
            options,
            objects: Arc::new(Objects::new(Arc::clone(&watcher))),
            watcher,
            work: Work {
                offload,
                names_inline: cached_reads != CachedReads::Never,
            },
            cached_reads,
            largest_inline_write: if in_memory {
                LARGEST_WRITE
            } else {
                LARGEST_INLINE_WRITE
            },
            changing: (0..CHANGING_LOCKS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        };
        Ok(Self {
            share: Arc::new(share),
        })
    }

    /// Has changes that others make in the folder reported to `sink` from now on, as far as clients
    /// watch. The first sink stays.
    pub fn report_to(&self, sink: Arc<dyn ChangeSink>) {
        self.share.watcher.report_to(sink);
    }
}

impl ShareHandler for DiskHandler {
    fn features(&self) -> Features {
        let options = &self.share.options;
        Features {
            kind: ShareKind::Disk,
            case_sensitive: options.case_sensitive,
            streams: options.streams,
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
        let (share, host) = (&self.share, caller.host.as_ref());
        if self.share.work.is_inline(host) {
            return ready(open::open_now(share, caller, name, how));
        }
        let (share, caller) = (Arc::clone(share), caller.clone());
        let (name, how) = (name.clone(), how.clone());
        let host = caller.host.clone();
        self.share.work.on_pool(host.as_ref(), move || {
            open::open_now(&share, &caller, &name, &how)
        })
    }

    fn volume(&self) -> Answer<'_, Volume> {
        let share = Arc::clone(&self.share);
        self.share.work.on_names(None, move || share.volume_now())
    }
}

impl DiskShare {
    /// Waits until nobody else makes names in `folder`.
    fn changing(&self, folder: &Folder) -> MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(folder.id) as usize % self.changing.len();
        self.changing[place].lock()
    }

    fn volume_now(&self) -> Result<Volume, NtStatus> {
        let facts = rustix::fs::fstatvfs(self.root.descriptor()).map_err(status)?;
        let host = resolve::stat(self.root.descriptor()).map_err(status)?;
        let unit = facts.f_frsize.max(SECTOR);
        let mut object_id = [0; 16];
        object_id[..8].copy_from_slice(&self.root_id.volume.to_le_bytes());
        object_id[8..].copy_from_slice(&self.root_id.file.to_le_bytes());
        Ok(Volume {
            label: self.options.label.clone(),
            serial_number: self.hashed_serial_number(),
            creation_time: attributes::birth(&host),
            total_units: facts.f_blocks,
            free_units: facts.f_bfree,
            caller_free_units: facts.f_bavail,
            sectors_per_unit: u32::try_from(unit / SECTOR).unwrap_or(1),
            bytes_per_sector: SECTOR as u32,
            file_system: "NTFS".to_owned(),
            longest_name: names::LONGEST_DISK_NAME as u32,
            object_id,
        })
    }

    /// The same after every start, another for another folder.
    fn hashed_serial_number(&self) -> u32 {
        let ObjectId { volume, file } = self.root_id;
        let mixed = volume.rotate_left(32) ^ file.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 32)) as u32
    }
}

/// Where work is done: the one place that decides between this thread and the pool.
struct Work {
    offload: Arc<dyn Offload>,
    /// The file system answers about names without waiting for a network.
    names_inline: bool,
}

impl Work {
    /// Whether work on names for `host` is done on the thread that asks: nobody's identity has to
    /// be put on, and a hand-over costs more than the work itself.
    fn is_inline(&self, host: Option<&Arc<HostUser>>) -> bool {
        self.names_inline && identity::is_own(host.map(|host| &**host))
    }

    /// Does work on names and metadata as `host`.
    fn on_names<T: Send + 'static>(
        &self,
        host: Option<&Arc<HostUser>>,
        work: impl FnOnce() -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'static, T> {
        if self.is_inline(host) {
            ready(work())
        } else {
            self.on_pool(host, work)
        }
    }

    /// Does work that may take long, as `host`, on the pool.
    fn on_pool<T: Send + 'static>(
        &self,
        host: Option<&Arc<HostUser>>,
        work: impl FnOnce() -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'static, T> {
        let host = host.cloned();
        elsewhere(&*self.offload, move || {
            identity::wear(host.as_ref())?;
            work()
        })
    }
}

/// An answer that is known already.
fn ready<'a, T: Send + 'a>(result: Result<T, NtStatus>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

/// Finds out how the file system below `root` can be read.
fn cached_reads(root: &Root, path: &Path) -> CachedReads {
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58F6];
    let facts = rustix::fs::fstatfs(root.descriptor().as_fd());
    if facts.is_ok_and(|facts| IN_MEMORY.contains(&(facts.f_type as u64))) {
        return CachedReads::Always;
    }
    if resolve::is_local(root.descriptor()) {
        return CachedReads::Probed;
    }
    tracing::info!(path = %path.display(), "file system may wait for others: all work on the pool");
    CachedReads::Never
}

const SECTOR: u64 = 512;
const CHANGING_LOCKS: usize = 64;
/// On a disk, more than this may wait for pages to be written back.
const LARGEST_INLINE_WRITE: usize = 64 << 10;
/// No request writes more.
const LARGEST_WRITE: usize = 16 << 20;
