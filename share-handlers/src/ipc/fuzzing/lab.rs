//! The server that fuzzers ask: a few shares, a printer, accounts, sessions and opens, and an administrator who asks.

use std::sync::Arc;
use std::time::Duration;

use server::access::{Privileges, SecurityToken};
use server::accounts::{Account, Group, Identity, LogonKind};
use server::share::{
    AccountChange, Administration, Answer, Caller, JobChange, JobState, LogOnFacts, MachineId,
    NewJob, OpenSnapshot, PrintJob, PrintQueue, Printer, ServerSnapshot, ServerView,
    SessionSnapshot, ShareChange, ShareKind, ShareSnapshot, TreeConnectSnapshot,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, FileTime, Sid};

use super::super::rpc::Services;
use super::super::workers::Workers;
use crate::offload::Offload;

/// The part of the lab's security identifiers that inputs name.
const MACHINE: MachineId = [1, 2, 3];

struct Lab;

/// Leaves undone what would take long.
struct Idle;

impl Offload for Idle {
    fn run(&self, _: Box<dyn FnOnce() + Send>) {}
}

pub(super) fn services() -> Arc<Services> {
    Arc::new(Services {
        workers: Workers::new(Arc::new(Idle)),
        view: Arc::new(Lab),
        administration: Arc::new(Lab),
    })
}

/// An administrator, so that nothing is refused before it is read.
pub(super) fn administrator() -> Arc<Caller> {
    let groups = vec![Sid::ADMINISTRATORS];
    let token = SecurityToken::new(Sid::SYSTEM, Sid::SYSTEM, groups, Privileges::NONE);
    let identity = Identity {
        user: "boss".to_owned(),
        domain: String::new(),
        workstation: String::new(),
        kind: LogonKind::User,
        account: None,
        method: "none",
        expires: None,
    };
    Arc::new(Caller {
        user: "boss".into(),
        token: Arc::new(token),
        host: None,
        log_on: Some(Arc::new(LogOnFacts {
            identity: Arc::new(identity),
            session_key: None,
            address: None,
            encrypted: false,
        })),
    })
}

/// One job, and no room for another.
impl PrintQueue for Lab {
    fn jobs(&self) -> Vec<PrintJob> {
        vec![PrintJob {
            id: 1,
            title: "letter".to_owned(),
            user: "boss".to_owned(),
            client: "127.0.0.1".to_owned(),
            submitted: FileTime::ZERO,
            size: 1 << 33,
            state: JobState::Queued,
        }]
    }

    fn begin<'a>(self: Arc<Self>, _: &'a Caller, _: &'a str) -> Answer<'a, NewJob> {
        Box::pin(std::future::ready(Err(NtStatus::PRINT_QUEUE_FULL)))
    }

    fn change<'a>(&'a self, _: &'a Caller, _: u32, _: JobChange) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn laser() -> Printer {
    Printer {
        name: "laser".to_owned(),
        comment: "for fuzzers".to_owned(),
        hidden: false,
        may_print: true,
        queue: Arc::new(Lab),
        caller: Caller::clone(&administrator()),
    }
}

impl ServerView for Lab {
    fn facts(&self) -> ServerSnapshot {
        ServerSnapshot {
            name: "FUZZ".to_owned(),
            domain: "WORKGROUP".to_owned(),
            ..ServerSnapshot::default()
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        let share = |name: &str, kind| ShareSnapshot {
            name: name.to_owned(),
            path: Some("/srv/work".into()),
            kind,
            comment: "for fuzzers".to_owned(),
            hidden: false,
            max_uses: Some(7),
            current_uses: 1,
            caching: config::Caching::Manual,
            oplocks: config::Oplocks::All,
            permissions: "D:(A;;FR;;;WD)".parse().ok(),
            encrypted: false,
            access_based_enumeration: true,
            continuous_availability: true,
        };
        vec![
            share("IPC$", ShareKind::Pipe),
            share("work", ShareKind::Disk),
            share("laser", ShareKind::Print),
        ]
    }

    fn printers(&self, _: &Arc<LogOnFacts>) -> Vec<Printer> {
        vec![laser()]
    }

    fn printer(&self, _: &Arc<LogOnFacts>, _: &str) -> Result<Printer, NtStatus> {
        Ok(laser())
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        vec![SessionSnapshot {
            id: 1,
            client: "127.0.0.1".to_owned(),
            user: "boss".to_owned(),
            is_guest: false,
            opens: 1,
            creation_time: FileTime::ZERO,
            idle: Duration::ZERO,
        }]
    }

    fn tree_connects(&self) -> Vec<TreeConnectSnapshot> {
        vec![TreeConnectSnapshot {
            id: 1,
            share: "work".to_owned(),
            kind: ShareKind::Disk,
            client: "127.0.0.1".to_owned(),
            user: "boss".to_owned(),
            opens: 1,
            creation_time: FileTime::ZERO,
        }]
    }

    fn opens(&self) -> Vec<OpenSnapshot> {
        vec![OpenSnapshot {
            id: 1,
            share: "work".to_owned(),
            folder: Some("/srv/work".into()),
            name: "file".to_owned(),
            is_pipe: false,
            user: "boss".to_owned(),
            client: "127.0.0.1".to_owned(),
            access: AccessMask::FILE_GENERIC_READ,
        }]
    }
}

impl Administration for Lab {
    fn machine(&self) -> MachineId {
        MACHINE
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        let account = |name: &str, rid, group: &str| {
            Arc::new(Account {
                name: name.to_owned(),
                nt_hash: None,
                uid: None,
                gid: None,
                rid: Some(rid),
                groups: vec![group.to_owned()],
                comment: "somebody".to_owned(),
                disabled: false,
                locked: false,
                password_must_change: false,
                password_expires: None,
                must_encrypt: false,
            })
        };
        vec![
            account("boss", 1001, "Administrators"),
            account("alice", 1002, "staff"),
        ]
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        let staff = Group {
            name: "staff".to_owned(),
            rid: Some(1003),
            comment: "those who are here".to_owned(),
        };
        vec![Arc::new(staff)]
    }

    fn host_user(&self, _: u32) -> Option<String> {
        Some("root".to_owned())
    }

    fn host_group(&self, _: u32) -> Option<String> {
        Some("root".to_owned())
    }

    fn change_account(&self, _: AccountChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn change_share(&self, _: ShareChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
