//! The administration share: the server, and compartments of the machine, as a file system for
//! administrators.
//!
//! ```text
//! \statistics                       what the server does; sessions and opens, closed by deleting them
//! \settings                         the configuration in force, changed by writing
//! ```
//!
//! Nothing is kept here that the server or the machine knows: each folder and file asks when it is asked.
//! Whoever is no administrator is not let in, and sees nothing if he was one when he came.
//!
//! ```text
//! handle ── items (Folder, File, walk) ── statistics ── reports ── table
//!    └── watcher                       └── settings
//! ```

mod handle;
mod items;
mod reports;
mod settings;
mod statistics;
mod table;
mod watcher;

use std::fmt;
use std::sync::Arc;

use server::Environment;
use server::share::{
    Administration, Answer, Caller, Disposition, Features, Name, OpenHow, Opened, ServerView,
    ShareHandler, ShareKind, Volume, Wanted,
};
use wire::dtyp::Sid;
use wire::{NtStatus, Utf16String};

pub use self::settings::setting_status;

use self::handle::ConfigHandle;
use self::items::{Folder, Item, Listed, Place, id_of, is_called, walk};
use self::settings::Settings;
use self::statistics::Statistics;
use self::watcher::Watcher;
use crate::disk::{ChangeSink, identity};
use crate::offload::{Offload, elsewhere};
use crate::ready::ready;

/// What the share is made with.
pub struct Parts {
    /// By which the share sees the server.
    pub view: Arc<dyn ServerView>,
    /// What changes settings.
    pub administration: Arc<dyn Administration>,
    /// Time, and what runs by itself.
    pub environment: Arc<dyn Environment>,
    /// Where calls that block run.
    pub pool: Arc<dyn Offload>,
    /// Hears of what comes and goes by itself.
    pub changes: Arc<dyn ChangeSink>,
}

/// The administration share.
pub struct ConfigShare {
    shared: Arc<Shared>,
}

/// What all opens of the share know.
struct Shared {
    label: String,
    volume: u64,
    environment: Arc<dyn Environment>,
    pool: Arc<dyn Offload>,
    root: Arc<dyn Folder>,
    watcher: Arc<Watcher>,
}

impl ConfigShare {
    /// The share that `settings` describe. No two of a server have the same name.
    #[must_use]
    pub fn new(settings: &config::Share, parts: Parts) -> Self {
        let statistics: Arc<dyn Folder> = Arc::new(Statistics::new(Arc::clone(&parts.view)));
        let live: Arc<dyn Folder> = Arc::new(Settings::new(parts.view, parts.administration));
        let root: Arc<dyn Folder> = Arc::new(Root {
            own: [(statistics::NAME, statistics), (settings::NAME, live)],
        });
        let watcher = Watcher::new(
            Arc::clone(&root),
            parts.changes,
            Arc::clone(&parts.environment),
            Arc::clone(&parts.pool),
            settings.compartments.look_every,
        );
        let shared = Shared {
            label: settings.name.clone(),
            // Numbers of the host's devices are far smaller.
            volume: id_of(("administration", &settings.name)) | 1 << 63,
            environment: parts.environment,
            pool: parts.pool,
            root,
            watcher: Arc::new(watcher),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl ShareHandler for ConfigShare {
    fn features(&self) -> Features {
        Features {
            kind: ShareKind::Disk,
            case_sensitive: false,
            streams: false,
            extended_attributes: false,
            security: true,
            sparse: false,
            reparse_points: false,
            read_only: false,
        }
    }

    fn admit(&self, caller: &Caller) -> Result<(), NtStatus> {
        if caller.token.contains(&Sid::ADMINISTRATORS) {
            Ok(())
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        if let Err(status) = self.admit(caller) {
            return ready(Err(status));
        }
        let (shared, name, how) = (Arc::clone(&self.shared), name.clone(), how.clone());
        self.shared.work(move || shared.open_now(&name, &how))
    }

    fn volume(&self) -> Answer<'_, Volume> {
        let volume = self.shared.volume;
        let mut object_id = [0; 16];
        object_id[..8].copy_from_slice(&volume.to_le_bytes());
        ready(Ok(Volume {
            label: self.shared.label.clone(),
            serial_number: (volume ^ (volume >> 32)) as u32,
            creation_time: self.shared.environment.wall_clock(),
            total_units: 0,
            free_units: 0,
            caller_free_units: 0,
            sectors_per_unit: 8,
            bytes_per_sector: 512,
            file_system: "NTFS".to_owned(),
            longest_name: 255,
            object_id,
        }))
    }
}

impl Shared {
    /// Runs what may block, as the server itself.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'static, T> {
        elsewhere(&*self.pool, move || {
            identity::wear(None)?;
            work()
        })
    }

    fn open_now(self: &Arc<Self>, name: &Name, how: &OpenHow) -> Result<Opened, NtStatus> {
        if name.stream().is_some() || how.snapshot.is_some() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        let (item, name, created) = match walk(&self.root, name)? {
            Place::Found(..) if how.disposition == Disposition::New => {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            Place::Found(item, name) => (item, name, false),
            Place::Missing(..) if how.disposition == Disposition::Existing => {
                return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
            }
            Place::Missing(folder, name) => {
                let last = name.file_name().ok_or(NtStatus::OBJECT_NAME_INVALID)?;
                if how.wanted != Wanted::Directory {
                    return Err(NtStatus::ACCESS_DENIED);
                }
                let item = folder.make_folder(last)?;
                self.watcher.added(&name);
                (item, name, true)
            }
        };
        match (&item, how.wanted) {
            (Item::Folder(_), Wanted::File) => return Err(NtStatus::FILE_IS_A_DIRECTORY),
            (Item::File(_), Wanted::Directory) => return Err(NtStatus::NOT_A_DIRECTORY),
            _ => {}
        }
        let handle = ConfigHandle::new(Arc::clone(self), item, name)?;
        Ok(handle.opened(created))
    }
}

impl fmt::Debug for ConfigShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigShare")
            .field("label", &self.shared.label)
            .finish_non_exhaustive()
    }
}

/// The share's root.
struct Root {
    /// What is in it whatever the machine is like.
    own: [(&'static str, Arc<dyn Folder>); 2],
}

impl Folder for Root {
    fn id(&self) -> u64 {
        id_of("root")
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let own = self.own.iter();
        Ok(own
            .map(|(name, folder)| Item::Folder(Arc::clone(folder)).listed(*name))
            .collect())
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        let found = self.own.iter().find(|(own, _)| is_called(own, name));
        Ok(found.map(|(own, folder)| ((*own).into(), Item::Folder(Arc::clone(folder)))))
    }
}

#[cfg(test)]
mod tests;
