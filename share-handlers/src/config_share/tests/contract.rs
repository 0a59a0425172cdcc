//! The part of the share that is written like files keeps the contract of handlers of files.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use server::share::{Features, Opened, Volume};

use super::*;
use crate::config_share::Worker;
use crate::config_share::cgroup::Group;
use crate::config_share::compartments::Compartments;
use crate::config_share::start::Starter;
use crate::config_share::start_bin::StartBin;
use crate::contract::{self, Subject};
use crate::memory::{MemoryHandler, MemoryOptions};

/// A `start_bin` as if it were a share.
struct Alone {
    bin: Arc<StartBin>,
    memory: Arc<MemoryHandler>,
}

impl ShareHandler for Alone {
    fn features(&self) -> Features {
        self.memory.features()
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        let bin = Arc::clone(&self.bin);
        Box::pin(bin.open(Name::root(), name.clone(), caller.clone(), how.clone()))
    }

    fn volume(&self) -> Answer<'_, Volume> {
        self.memory.volume()
    }
}

#[test]
fn start_bin_keeps_the_contract() {
    contract::check(|| {
        let made = Arc::new(Made::default());
        let parts = parts(&made);
        let folder = tempfile::tempdir().unwrap();
        let group = Group::pretended(folder.path());
        let shared = Compartments {
            root: Arc::clone(&group),
            worker: Worker(parts.pool),
            environment: parts.environment,
            end_after: Duration::ZERO,
            starter: Starter::new(Vec::new(), parts.launcher),
            changes: parts.changes,
            bins: Mutex::default(),
        };
        let ticks = AtomicU64::new(134_000_000_000_000_000);
        let clock = move || FileTime(ticks.fetch_add(10_000, Ordering::Relaxed));
        let options = MemoryOptions::new("contract");
        let memory = Arc::new(MemoryHandler::new(options, Arc::new(clock)).unwrap());
        let bin = StartBin::new(Arc::new(shared), group, Arc::clone(&memory));
        let bin = Arc::new(bin);
        Subject::new(Alone { bin, memory }).keeping(folder)
    });
}
