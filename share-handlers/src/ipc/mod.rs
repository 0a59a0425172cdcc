//! `IPC$`: the pipes by which clients ask the server about itself.
//!
//! ```text
//! pipe ── rpc ── srvsvc, wkssvc, .. ── ServerView, Administration
//!          └── pdu ── ndr
//! ```
//!
//! Owns the names of pipes. What is said over them is decoded by pure functions, answered from snapshots, and never
//! looks at a clock or a file.

mod budget;
mod calendar;
mod changes;
mod directory;
mod dssetup;
mod enumeration;
mod epmapper;
pub mod fuzzing;
mod infos;
mod initshutdown;
mod lsarpc;
mod mgmt;
mod ndr;
mod nt;
mod pdu;
mod pipe;
mod rights;
mod rpc;
mod samr;
mod spoolss;
mod srvsvc;
mod svcctl;
#[cfg(test)]
mod testing;
mod win32;
mod winreg;
mod wkssvc;
mod workers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use server::share::{
    Administration, Answer, Caller, Features, Name, ObjectId, OpenHow, Opened, ServerView,
    ShareHandler, ShareKind, Volume,
};
use wire::dtyp::FileTime;
use wire::fscc::upcase::eq_ignore_case;
use wire::{NtStatus, Utf16String};

use self::budget::Budget;
use self::dssetup::DSSETUP;
use self::epmapper::EPMAPPER;
use self::initshutdown::INITSHUTDOWN;
use self::lsarpc::LSARPC;
use self::mgmt::MGMT;
use self::pipe::Pipe;
use self::rpc::{Association, Groups, Interface, Services};
use self::samr::SAMR;
use self::spoolss::SPOOLSS;
use self::srvsvc::SRVSVC;
use self::svcctl::SVCCTL;
use self::winreg::WINREG;
use self::wkssvc::WKSSVC;
use self::workers::Workers;
use crate::offload::Offload;
use crate::ready::ready;

/// The pipes of a server.
pub struct IpcHandler {
    services: Arc<Services>,
    groups: Arc<Groups>,
    budget: Budget,
    last_open: AtomicU64,
}

impl IpcHandler {
    /// Pipes that tell what `view` shows, and change what `administration` keeps. What takes long is done on threads of
    /// `pool`.
    #[must_use]
    pub fn new(
        view: Arc<dyn ServerView>,
        administration: Arc<dyn Administration>,
        pool: Arc<dyn Offload>,
    ) -> Self {
        Self {
            services: Arc::new(Services {
                view,
                administration,
                workers: Workers::new(Arc::clone(&pool)),
                pool,
            }),
            groups: Arc::default(),
            budget: Budget::default(),
            last_open: AtomicU64::new(0),
        }
    }

    // [MS-FSA] 2.1.5.2
    fn open_now(&self, caller: &Caller, name: &Name) -> Result<Opened, NtStatus> {
        let (pipe, interfaces) = find(name).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        let number = self.last_open.fetch_add(1, Ordering::Relaxed) + 1;
        let object = ObjectId {
            volume: VOLUME,
            // Opens of one pipe have nothing to do with each other.
            file: number,
        };
        let caller = Arc::new(caller.clone());
        let services = Arc::clone(&self.services);
        let groups = Arc::clone(&self.groups);
        let association = Association::new(services, (pipe, interfaces), caller, groups);
        let name = Name::root().child(Utf16String::from(pipe));
        let pipe = Pipe::new(object, name.clone(), association, self.budget.part());
        Ok(Opened {
            created: false,
            created_with_file: false,
            stat: pipe.stat_now(),
            handle: Arc::new(pipe),
            security: None,
            stream: None,
            name,
        })
    }
}

impl ShareHandler for IpcHandler {
    fn features(&self) -> Features {
        Features::plain(ShareKind::Pipe)
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        _how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        ready(self.open_now(caller, name))
    }

    fn volume(&self) -> Answer<'_, Volume> {
        ready(Ok(Volume {
            label: String::new(),
            serial_number: 0,
            creation_time: FileTime::ZERO,
            total_units: 0,
            free_units: 0,
            caller_free_units: 0,
            sectors_per_unit: 1,
            bytes_per_sector: 512,
            file_system: "NPFS".to_owned(),
            longest_name: 255,
            object_id: [0; 16],
        }))
    }
}

impl fmt::Debug for IpcHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpcHandler").finish_non_exhaustive()
    }
}

/// The pipe that `name` means, which is a name below the root and no stream, and what is served there.
fn find(name: &Name) -> Option<(&'static str, &'static [&'static Interface])> {
    let [last] = name.components() else {
        return None;
    };
    let is_called = |(pipe, _): &&(&'static str, &[&Interface])| {
        eq_ignore_case(Utf16String::from(*pipe).as_units(), last.as_units())
    };
    PIPES
        .iter()
        .find(is_called)
        .copied()
        .filter(|_| name.stream().is_none())
}

/// The pipes and what is served behind each.
static PIPES: &[(&str, &[&Interface])] = &[
    ("InitShutdown", &[&INITSHUTDOWN, &MGMT]),
    ("epmapper", &[&EPMAPPER, &MGMT]),
    ("lsarpc", &[&LSARPC, &DSSETUP, &MGMT]),
    ("samr", &[&SAMR, &MGMT]),
    ("spoolss", &[&SPOOLSS, &MGMT]),
    ("srvsvc", &[&SRVSVC, &MGMT]),
    ("svcctl", &[&SVCCTL, &MGMT]),
    ("winreg", &[&WINREG, &MGMT]),
    ("wkssvc", &[&WKSSVC, &MGMT]),
];

/// No volume of files has this number.
const VOLUME: u64 = u64::MAX;
/// The version of Windows that is told: 10.0.
const VERSION: (u32, u32) = (10, 0);

#[cfg(test)]
mod tests;
