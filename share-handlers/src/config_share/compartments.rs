//! Compartments: control groups as folders, their limits as files.
//!
//! ```text
//! processes             a file for each process
//! start_bin             where programs are started from
//! cpu.max, ...          limits, as the kernel reads and writes them
//! subcompartment_NAME   the groups below
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use server::Environment;
use server::share::Answer;
use wire::dtyp::AccessMask;
use wire::{NtStatus, Utf16String};

use super::Worker;
use super::cgroup::{Group, LIMITS};
use super::items::{File, Folder, Item, Kind, Listed, access, id_of, is_called};
use super::process::{self, Processes};
use super::start::Starter;
use super::start_bin::{self, StartBin};
use crate::disk::ChangeSink;
use crate::disk::names::{from_disk, to_disk};
use crate::memory::{MemoryHandler, MemoryOptions};

/// What all compartments of a share know.
pub(super) struct Compartments {
    /// The configured group.
    pub root: Arc<Group>,
    /// Where calls that block run.
    pub worker: Worker,
    /// Time, and what runs by itself.
    pub environment: Arc<dyn Environment>,
    /// How long a process may take to end.
    pub end_after: Duration,
    /// What starts programs.
    pub starter: Starter,
    /// Hears of files that come and go by themselves.
    pub changes: Arc<dyn ChangeSink>,
    /// The folders from which programs are started, by group.
    pub bins: Mutex<HashMap<u64, Bin>>,
}

/// A folder from which programs are started, and the group that they are started in.
pub(super) struct Bin {
    group: Arc<Group>,
    memory: Arc<MemoryHandler>,
}

impl Compartments {
    /// The folder in memory of one group. It is empty when it is asked for the first time, and after the
    /// group has gone.
    fn bin(&self, group: &Arc<Group>) -> Result<Arc<MemoryHandler>, NtStatus> {
        let mut bins = self.bins.lock();
        if let Some(bin) = bins.get(&group.id()) {
            return Ok(Arc::clone(&bin.memory));
        }
        // Groups may go without the server's doing.
        bins.retain(|_, bin| bin.group.exists());
        if bins.len() >= MOST_BINS {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let environment = Arc::clone(&self.environment);
        let options = MemoryOptions {
            size: BIN_SIZE,
            ..MemoryOptions::new(format!("start_bin {}", group.id()))
        };
        let clock = Arc::new(move || environment.wall_clock());
        let memory = Arc::new(MemoryHandler::new(options, clock)?);
        let bin = Bin {
            group: Arc::clone(group),
            memory: Arc::clone(&memory),
        };
        bins.insert(group.id(), bin);
        Ok(memory)
    }

    fn forget_bin(&self, group: &Group) {
        self.bins.lock().remove(&group.id());
    }
}

/// A compartment.
pub(super) struct Compartment {
    shared: Arc<Compartments>,
    group: Arc<Group>,
}

impl Compartment {
    /// The folder that shows `group`.
    pub(super) fn new(shared: Arc<Compartments>, group: Arc<Group>) -> Self {
        Self { shared, group }
    }

    fn processes(&self) -> Item {
        let folder = Processes::new(Arc::clone(&self.shared), Arc::clone(&self.group));
        Item::Folder(Arc::new(folder))
    }

    fn limit(&self, name: &'static str) -> Item {
        Item::File(Arc::new(Limit {
            shared: Arc::clone(&self.shared),
            group: Arc::clone(&self.group),
            name,
        }))
    }

    fn below(&self, group: Arc<Group>) -> Item {
        Item::Folder(Arc::new(Self::new(Arc::clone(&self.shared), group)))
    }

    fn start_bin(&self) -> Result<Item, NtStatus> {
        let memory = self.shared.bin(&self.group)?;
        let (shared, group) = (Arc::clone(&self.shared), Arc::clone(&self.group));
        Ok(Item::StartBin(Arc::new(StartBin::new(
            shared, group, memory,
        ))))
    }
}

impl Folder for Compartment {
    fn id(&self) -> u64 {
        id_of(("compartment", self.group.id()))
    }

    fn access(&self) -> AccessMask {
        if self.group.is_root() {
            access::PARENT
        } else {
            access::PARENT.with(AccessMask::DELETE)
        }
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let mut listed = vec![
            self.processes().listed(process::NAME),
            Listed {
                name: start_bin::NAME.into(),
                id: start_bin::id(&self.group),
                kind: Kind::Folder,
            },
        ];
        let limits = self.group.limits();
        listed.extend(limits.map(|name| self.limit(name).listed(name)));
        for name in self.group.children()? {
            // One that has gone meanwhile is not there.
            if let Ok(group) = self.group.child(&name) {
                listed.push(self.below(group).listed(shown_name(&name)));
            }
        }
        Ok(listed)
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        if is_called(process::NAME, name) {
            return Ok(Some((process::NAME.into(), self.processes())));
        }
        if is_called(start_bin::NAME, name) {
            return Ok(Some((start_bin::NAME.into(), self.start_bin()?)));
        }
        if let Some(limit) = LIMITS.iter().find(|limit| is_called(limit, name)) {
            let has_it = self.group.limits().any(|one| one == *limit);
            return Ok(has_it.then(|| ((*limit).into(), self.limit(limit))));
        }
        let Some(wanted) = group_name(name) else {
            return Ok(None);
        };
        let found = match self.group.child(&wanted) {
            // Groups are told apart by case, names of the share are not.
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) => {
                let text = name.to_string_lossy().to_lowercase();
                let is_it =
                    |own: &Vec<u8>| shown_name(own).to_string_lossy().to_lowercase() == text;
                let Some(own) = self.group.children()?.into_iter().find(is_it) else {
                    return Ok(None);
                };
                self.group.child(&own).map(|group| (own, group))
            }
            other => other.map(|group| (wanted, group)),
        };
        let (own, group) = found?;
        Ok(Some((shown_name(&own), self.below(group))))
    }

    fn make_folder(&self, name: &Utf16String) -> Result<(), NtStatus> {
        let name = group_name(name).ok_or(NtStatus::ACCESS_DENIED)?;
        self.group.make(&name)
    }

    fn check_delete(&self) -> Result<(), NtStatus> {
        self.group.check_remove()
    }

    fn delete(&self) -> Result<(), NtStatus> {
        self.group.remove()?;
        self.shared.forget_bin(&self.group);
        Ok(())
    }
}

/// A limit of a compartment.
struct Limit {
    shared: Arc<Compartments>,
    group: Arc<Group>,
    name: &'static str,
}

impl File for Limit {
    fn id(&self) -> u64 {
        id_of(("limit", self.group.id(), self.name))
    }

    fn access(&self) -> AccessMask {
        access::VALUE
    }

    fn contents(&self) -> Result<Bytes, NtStatus> {
        Ok(self.group.limit(self.name)?.into())
    }

    fn write(&self, value: Bytes) -> Answer<'static, ()> {
        let (group, name) = (Arc::clone(&self.group), self.name);
        self.shared
            .worker
            .work(move || group.set_limit(name, &value))
    }
}

/// What the folder of a group below another one is called.
fn shown_name(group: &[u8]) -> Utf16String {
    let mut units: Vec<u16> = PREFIX.encode_utf16().collect();
    units.extend(from_disk(group));
    Utf16String::from_units(units)
}

/// The group whose folder is called so; none for what is no name of a group's folder.
fn group_name(name: &Utf16String) -> Option<Vec<u8>> {
    let prefix: Vec<u16> = PREFIX.encode_utf16().collect();
    let (own, rest) = name.as_units().split_at_checked(prefix.len())?;
    let own = Utf16String::from_units(own.to_vec());
    if !is_called(PREFIX, &own) {
        return None;
    }
    to_disk(rest)
}

/// What the folders of groups below another one begin with.
const PREFIX: &str = "subcompartment_";
/// What a folder in memory may hold, in bytes.
const BIN_SIZE: u64 = 1 << 20;
/// How many groups may have such a folder.
const MOST_BINS: usize = 1_000;
