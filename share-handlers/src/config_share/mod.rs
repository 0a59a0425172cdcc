//! The administration share: the server, and compartments of the machine, as a file system for
//! administrators.
//!
//! ```text
//! \statistics                       what the server does; sessions and opens, closed by deleting them
//! \settings                         the configuration in force, changed by writing
//! \processes                        the processes of a control group, ended by deleting them
//! \start_bin                        where programs are started in it
//! \cpu.max, ...                     its limits
//! \subcompartment_NAME              the groups below it, each like the root
//! ```
//!
//! The last four are there if a control group is configured.
//!
//! Nothing is kept here that the server or the machine knows: each folder and file asks when it is asked.
//! Whoever is no administrator is not let in, and sees nothing if he was one when he came.
//!
//! ```text
//! handle ── items (Folder, File, walk) ── statistics ── reports ── table
//!    └── watcher                       ├── settings
//!                                      └── compartments ── process, start_bin ── start
//!                                                └── cgroup
//! ```

mod cgroup;
mod compartments;
mod handle;
mod items;
mod pattern;
mod process;
mod reports;
mod settings;
mod start;
mod start_bin;
mod statistics;
mod table;
mod watcher;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use server::Environment;
use server::share::{
    Administration, Answer, Caller, Disposition, Features, Name, OpenHow, Opened, ServerView,
    ShareHandler, ShareKind, Volume, Wanted,
};
use wire::dtyp::{AccessMask, Sid};
use wire::{NtStatus, Utf16String};

pub use self::cgroup::Unusable;
pub use self::settings::setting_status;
pub use self::start::{Launch, Launcher};

use self::cgroup::Group;
use self::compartments::{Compartment, Compartments};
use self::handle::ConfigHandle;
use self::items::{Folder, Item, Kind, Listed, Place, Target, id_of, is_called, walk};
use self::settings::Settings;
use self::start::Starter;
use self::start_bin::StartBin;
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
    /// What runs programs.
    pub launcher: Arc<dyn Launcher>,
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
    worker: Worker,
    root: Arc<dyn Folder>,
    watcher: Arc<Watcher>,
}

/// Runs what may block, as the server itself.
#[derive(Clone)]
struct Worker(Arc<dyn Offload>);

impl Worker {
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'static, T> {
        elsewhere(&*self.0, move || {
            identity::wear(None)?;
            work()
        })
    }
}

impl ConfigShare {
    /// The share that `settings` describe. No two of a server have the same name.
    ///
    /// # Errors
    /// The control group of the settings cannot be used.
    pub fn new(settings: &config::Share, parts: Parts) -> Result<Self, Unusable> {
        let group = settings.compartments.control_group.as_deref();
        let group = group.map(Group::configured).transpose()?;
        Ok(Self::with_group(settings, parts, group))
    }

    /// [`ConfigShare::new`] with a control group that is known to be one.
    fn with_group(settings: &config::Share, parts: Parts, group: Option<Arc<Group>>) -> Self {
        let worker = Worker(parts.pool);
        let compartment = group.map(|group| {
            let shared = Compartments {
                root: Arc::clone(&group),
                worker: worker.clone(),
                environment: Arc::clone(&parts.environment),
                end_after: settings.compartments.end_after,
                starter: Starter::new(settings.programs.clone(), parts.launcher),
                changes: Arc::clone(&parts.changes),
                bins: Mutex::default(),
            };
            Compartment::new(Arc::new(shared), group)
        });
        let statistics: Arc<dyn Folder> = Arc::new(Statistics::new(Arc::clone(&parts.view)));
        let live: Arc<dyn Folder> = Arc::new(Settings::new(parts.view, parts.administration));
        let root: Arc<dyn Folder> = Arc::new(Root {
            own: [(statistics::NAME, statistics), (settings::NAME, live)],
            compartment,
        });
        let watcher = Watcher::new(
            Arc::clone(&root),
            parts.changes,
            Arc::clone(&parts.environment),
            worker.clone(),
            settings.compartments.look_every,
        );
        let shared = Shared {
            label: settings.name.clone(),
            // Numbers of the host's devices are far smaller.
            volume: id_of(("administration", &settings.name)) | 1 << 63,
            environment: parts.environment,
            worker,
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
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        let asked = how.clone();
        let found = self
            .shared
            .worker
            .work(move || shared.open_now(&name, &asked));
        Box::pin(async move {
            match found.await? {
                Found::Opened(opened) => Ok(opened),
                Found::InMemory(bin, own, below) => {
                    bin.open(own, below, caller.clone(), how.clone()).await
                }
            }
        })
    }

    fn volume(&self) -> Answer<'_, Volume> {
        let label = self.shared.label.clone();
        let now = self.shared.environment.wall_clock();
        ready(Ok(Volume {
            sectors_per_unit: 8,
            ..Volume::virtual_one(label, self.shared.volume, now)
        }))
    }
}

impl Shared {
    fn open_now(self: &Arc<Self>, name: &Name, how: &OpenHow) -> Result<Found, NtStatus> {
        if how.snapshot.is_some() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        let (target, name, created) = match walk(&self.root, name)? {
            Place::InMemory(bin, own, below) => {
                let below = below.with_stream(name.stream().cloned());
                return Ok(Found::InMemory(bin, own, below));
            }
            _ if name.stream().is_some() => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            Place::Found(..) if how.disposition == Disposition::New => {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            Place::Found(target, name) => (target, name, false),
            Place::Missing(..) if how.disposition == Disposition::Existing => {
                return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
            }
            Place::Missing(folder, name) => {
                let last = name.file_name().ok_or(NtStatus::OBJECT_NAME_INVALID)?;
                if how.wanted != Wanted::Directory {
                    return Err(NtStatus::ACCESS_DENIED);
                }
                folder.make_folder(last)?;
                let Place::Found(target, name) = walk(&self.root, &name)? else {
                    return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
                };
                self.watcher.added(&name, Kind::Folder);
                (target, name, true)
            }
        };
        match (&target, how.wanted) {
            (Target::Folder(_), Wanted::File) => return Err(NtStatus::FILE_IS_A_DIRECTORY),
            (Target::File(_), Wanted::Directory) => return Err(NtStatus::NOT_A_DIRECTORY),
            _ => {}
        }
        let handle = ConfigHandle::new(Arc::clone(self), target, name)?;
        Ok(Found::Opened(handle.opened(created)))
    }
}

/// What a name was found to be.
enum Found {
    /// Something that is open now.
    Opened(Opened),
    /// Something in a folder in memory: the folder's name, and the rest of the name.
    InMemory(Arc<StartBin>, Name, Name),
}

impl fmt::Debug for ConfigShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigShare")
            .field("label", &self.shared.label)
            .finish_non_exhaustive()
    }
}

/// The share's root: the configured compartment, and what is there without one.
struct Root {
    own: [(&'static str, Arc<dyn Folder>); 2],
    compartment: Option<Compartment>,
}

impl Folder for Root {
    fn id(&self) -> u64 {
        id_of("root")
    }

    fn access(&self) -> AccessMask {
        let compartment = self.compartment.as_ref();
        compartment.map_or(items::access::FOLDER, Compartment::access)
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let own = self.own.iter();
        let mut listed: Vec<Listed> = own
            .map(|(name, folder)| Item::Folder(Arc::clone(folder)).listed(*name))
            .collect();
        if let Some(compartment) = &self.compartment {
            listed.extend(compartment.entries()?);
        }
        Ok(listed)
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        if let Some((own, folder)) = self.own.iter().find(|(own, _)| is_called(own, name)) {
            return Ok(Some(((*own).into(), Item::Folder(Arc::clone(folder)))));
        }
        match &self.compartment {
            Some(compartment) => compartment.find(name),
            None => Ok(None),
        }
    }

    fn make_folder(&self, name: &Utf16String) -> Result<(), NtStatus> {
        match &self.compartment {
            Some(compartment) => compartment.make_folder(name),
            None => Err(NtStatus::ACCESS_DENIED),
        }
    }
}

#[cfg(test)]
mod tests;
