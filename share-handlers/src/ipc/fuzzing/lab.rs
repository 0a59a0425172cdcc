//! The server that fuzzers ask: a few shares, a printer, accounts, sessions and opens, and who asks it.
//!
//! It agrees to every change, and panics if the change is one for administrators and somebody else gets so far.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use server::access::{Privileges, SecurityToken};
use server::accounts::{Account, Group, Identity, LogonKind, NtHash, SessionKey};
use server::share::{
    AccountChange, Administration, Answer, Caller, CloseHow, FileStat, Handle, JobChange, JobState,
    LogOnFacts, MachineId, Name, NewJob, ObjectId, OpenSnapshot, PrintJob, PrintQueue, Printer,
    ServerSnapshot, ServerView, SessionSnapshot, SetInfo, SettingChange, ShareChange, ShareKind,
    ShareSnapshot, TreeConnectSnapshot, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, FileTime, SecurityDescriptor, SecurityInformation, Sid};

use super::super::rpc::Services;
use super::super::workers::Workers;
use crate::offload::{Inline, Offload};

/// The part of the lab's security identifiers that inputs name.
const MACHINE: MachineId = [1, 2, 3];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Administrator,
    User,
    Anonymous,
}

/// The server as it is there for a caller of this rank.
struct Lab(Rank);

impl Lab {
    /// A change that was asked for and has been found to be allowed.
    fn change(&self) -> Answer<'static, ()> {
        assert_eq!(self.0, Rank::Administrator, "not theirs to change");
        Box::pin(std::future::ready(Ok(())))
    }

    fn laser(&self) -> Printer {
        Printer {
            name: "laser".to_owned(),
            comment: "for fuzzers".to_owned(),
            hidden: false,
            may_print: true,
            queue: Arc::new(Self(self.0)),
            caller: Caller::clone(&caller(self.0)),
        }
    }
}

/// Leaves undone what would take long.
struct Idle;

impl Offload for Idle {
    fn run(&self, _: Box<dyn FnOnce() + Send>) {}
}

pub(super) fn services(rank: Rank) -> Arc<Services> {
    Arc::new(Services {
        workers: Workers::new(Arc::new(Idle)),
        pool: Arc::new(Inline),
        view: Arc::new(Lab(rank)),
        administration: Arc::new(Lab(rank)),
    })
}

/// Whoever asks, from the rank.
pub(super) fn caller(rank: Rank) -> Arc<Caller> {
    let (user, sid, groups, kind) = match rank {
        Rank::Administrator => (
            "boss",
            Sid::domain_account(MACHINE, 1001),
            vec![Sid::ADMINISTRATORS],
            LogonKind::User,
        ),
        Rank::User => (
            "alice",
            Sid::domain_account(MACHINE, 1002),
            vec![Sid::USERS],
            LogonKind::User,
        ),
        Rank::Anonymous => ("", Sid::ANONYMOUS, vec![], LogonKind::Anonymous),
    };
    let token = SecurityToken::new(sid, Sid::USERS, groups, Privileges::NONE);
    let identity = Identity {
        user: user.to_owned(),
        domain: String::new(),
        workstation: String::new(),
        kind,
        account: None,
        method: "none",
        expires: None,
    };
    Arc::new(Caller {
        user: user.into(),
        token: Arc::new(token),
        host: None,
        log_on: Some(Arc::new(LogOnFacts {
            identity: Arc::new(identity),
            session_key: Some(SessionKey::new(&[7; 16])),
            address: None,
            encrypted: false,
        })),
    })
}

/// One job, on which every document goes.
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
        let document = Arc::new(Paper);
        Box::pin(std::future::ready(Ok(NewJob { id: 1, document })))
    }

    fn change<'a>(&'a self, _: &'a Caller, _: u32, _: JobChange) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Where documents and descriptors go.
struct Paper;

impl Handle for Paper {
    fn object(&self) -> ObjectId {
        ObjectId { volume: 1, file: 1 }
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        Box::pin(std::future::ready(Ok(FileStat::default())))
    }

    fn name(&self) -> Answer<'_, Name> {
        Box::pin(std::future::ready(Ok(Name::root())))
    }

    fn write(&self, _: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let written = u32::try_from(data.len()).map_err(|_| NtStatus::DISK_FULL);
        Box::pin(std::future::ready(written))
    }

    fn security(&self, _: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        Box::pin(std::future::ready(Ok(SecurityDescriptor::default())))
    }

    fn set(&self, _: SetInfo) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self, _: CloseHow) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
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
        vec![self.laser()]
    }

    fn printer(&self, _: &Arc<LogOnFacts>, _: &str) -> Result<Printer, NtStatus> {
        Ok(self.laser())
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

    fn close_session(&self, _: u64) -> Answer<'static, ()> {
        self.change()
    }

    fn close_open(&self, _: u64) -> Answer<'static, ()> {
        self.change()
    }

    fn open_object(
        &self,
        _: &Arc<LogOnFacts>,
        _: &str,
        _: Name,
        _: AccessMask,
    ) -> Answer<'static, Arc<dyn Handle>> {
        let object: Arc<dyn Handle> = Arc::new(Paper);
        Box::pin(std::future::ready(Ok(object)))
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
                nt_hash: Some(NtHash::of_password("Secret-Word-9")),
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

    fn change_account(&self, change: AccountChange) -> Answer<'static, ()> {
        match (self.0, change) {
            // Whoever knows the old password.
            (Rank::User, AccountChange::Update { update, .. }) if update.nt_hash.is_some() => {
                Box::pin(std::future::ready(Ok(())))
            }
            _ => self.change(),
        }
    }

    fn change_share(&self, _: ShareChange) -> Answer<'static, ()> {
        self.change()
    }

    fn change_setting(&self, _: SettingChange) -> Answer<'static, ()> {
        self.change()
    }
}
