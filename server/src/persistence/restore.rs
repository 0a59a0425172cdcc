//! Making opens out of their records when the server starts.
//!
//! Everything that has a place in a table is made again, as a client left it that has just lost its
//! connection. What a record says is not believed where the world has moved on: the share, the account
//! and the user's rights must still be there, and the file must be the same one.

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::{AccountStore, Identity, LogonKind};
use bytes::Bytes;
use parking_lot::Mutex;
use wire::create::CreateOptions;
use wire::dtyp::{AccessMask, Guid};
use wire::{DecodeError, FileId, NtStatus, SessionId, TreeId};

use super::record::{self, Record, RecordedFile, RecordedUser};
use super::{Change, Row, all, later, note, settle};
use crate::commands::{teardown, tree_connect};
use crate::durable::{self, Durability, DurableOwner};
use crate::entitlement;
use crate::object_store::{
    Arrival, Disposition, LockElement, Moment, OpenId, OpenRequest, StreamKind,
};
use crate::open::{Open, OpenState};
use crate::server::Server;
use crate::share::{self, Caller, CloseHow, LogOnFacts, Name, OpenHow, Opened, Share, Wanted};
use crate::tree_connect::TreeConnect;

/// What became of the records.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Opens that wait for their client again.
    pub opens: usize,
    /// Opens that wait for their share or volume.
    pub absent: usize,
    /// Opens whose time was over, which have been closed.
    pub expired: usize,
    /// Records that no open could be made of.
    pub refused: usize,
    /// Records that could not be read.
    pub unreadable: usize,
}

/// What the server before has left of an open.
#[derive(Debug)]
pub(super) struct Remains {
    record: Record,
    /// Its byte-range locks, the oldest first.
    locks: Vec<LockElement>,
}

impl Remains {
    /// Reads the rows of one open, in their order.
    ///
    /// # Errors
    /// The first is no record, or one behind no lock.
    fn read(rows: &[(Row, Bytes)]) -> Result<Self, DecodeError> {
        let (record, locks) = match rows {
            [(Row { part: 0, .. }, record), locks @ ..] => (&record[..], locks),
            _ => (&[][..], rows),
        };
        let locks = locks.iter().map(|(_, lock)| record::decode_lock(lock));
        Ok(Self {
            record: Record::decode(record)?,
            locks: locks.collect::<Result<_, _>>()?,
        })
    }

    /// CreateGuid.
    pub(super) fn create_guid(&self) -> Guid {
        self.record.create_guid
    }

    /// DurableOwner.
    pub(super) fn owner(&self) -> &DurableOwner {
        &self.record.owner
    }

    /// Whether this is the open's file.
    pub(super) fn is_on(&self, opened: &Opened) -> bool {
        let mut files = iter::once(&self.record.file).chain(&self.record.coming);
        files.any(|file| is_same(opened, file))
    }
}

/// Why no open is made out of a record.
#[derive(Debug)]
enum Refusal {
    /// The share is not there, or not meant for such opens any more.
    Share,
    /// The volume that the file is on is not there.
    Volume,
    /// The account is not there, or may not use the share as it could.
    User,
    /// The file cannot be opened.
    Open(NtStatus),
    /// Another file has come to the name.
    OtherFile,
    /// The open cannot stand beside those that are there.
    Conflict(NtStatus),
    /// There are as many opens as there may be.
    TooMany,
}

/// Makes opens out of what the server before has left, which comes in the order of the rows. Nobody may be
/// connected yet.
///
/// The opens that were made last come first: what could not stand beside them had ended when they were
/// made, and only its record had not been dropped yet. Records that cannot be used are logged, counted and
/// dropped; those whose share or volume is not there wait for it, see [`retry`].
pub async fn restore(
    server: &Arc<Server>,
    accounts: &dyn AccountStore,
    rows: &[(Row, Bytes)],
) -> Restored {
    let mut told = Restored::default();
    let mut left = Vec::new();
    for rows in rows.chunk_by(|one, next| one.0.open == next.0.open).rev() {
        let Some(number) = rows.first().map(|(row, _)| row.open) else {
            continue;
        };
        server.skip_file_ids_to(number);
        if let Ok(mut remains) = Remains::read(rows) {
            let record = &mut remains.record;
            let now = server.environment().wall_clock();
            // What is promised no longer, nobody waits for.
            let limits = server.limits();
            let longest = limits.durable_timeout.max(limits.resiliency_timeout);
            record.timeout = record.timeout.min(longest);
            record.waits_until.get_or_insert(later(now, record.timeout));
            left.push((number, Arc::new(remains)));
        } else {
            tracing::warn!(number, "the record of a persistent open cannot be read");
            told.unreadable = told.unreadable.saturating_add(1);
            drop_record(server, number).await;
        }
    }
    bring_back(server, accounts, left, &mut told).await;
    told
}

/// Makes opens out of what waits for its share or volume, as far as that is there by now. What has waited for
/// as long as its client was promised is dropped. Clients are told meanwhile to ask again. Does nothing while
/// it is under way already.
pub async fn retry(server: &Arc<Server>, accounts: &dyn AccountStore) -> Restored {
    let mut told = Restored::default();
    let absent = &server.persistent.absent;
    if absent.len() == 0 {
        return told;
    }
    let Some(_search) = absent.search() else {
        told.absent = absent.len();
        return told;
    };
    for number in absent.take_expired(server.environment().now()) {
        tracing::warn!(
            number,
            "a persistent open is lost: its share or volume has not come"
        );
        told.expired = told.expired.saturating_add(1);
        drop_record(server, number).await;
    }
    bring_back(server, accounts, absent.all(), &mut told).await;
    told
}

/// Makes opens out of what is left of them: first all with what they cache, then their locks.
async fn bring_back(
    server: &Arc<Server>,
    accounts: &dyn AccountStore,
    left: Vec<(u64, Arc<Remains>)>,
    told: &mut Restored,
) {
    let mut entered = Vec::new();
    for (number, remains) in left {
        match enter(server, accounts, OpenId(number), &remains.record).await {
            Ok(open) => entered.push((remains, open)),
            Err(Refusal::Share | Refusal::Volume)
                if time_left(server, &remains.record).is_some() =>
            {
                let time = time_left(server, &remains.record).unwrap_or_default();
                let now = server.environment().now();
                let until = now.checked_add(time).unwrap_or(now);
                server.persistent.absent.insert(number, remains, until);
                told.absent = told.absent.saturating_add(1);
            }
            Err(refusal) => {
                lost(number, &remains, &refusal, told);
                drop_record(server, number).await;
                server.persistent.absent.remove(number);
            }
        }
    }
    for (remains, open) in entered {
        match resume(server, &remains, &open) {
            Ok(Resumed::Waits) => told.opens = told.opens.saturating_add(1),
            Ok(Resumed::Expired) => {
                told.expired = told.expired.saturating_add(1);
                teardown::opens(server, vec![open.clone()]).await;
            }
            Err(refusal) => {
                lost(open.id().0, &remains, &refusal, told);
                // Nothing that was there is deleted by an open that its client never gets back.
                server.object_store.keep_on_close(&open.attachment);
                teardown::opens(server, vec![open.clone()]).await;
            }
        }
        server.persistent.absent.remove(open.id().0);
    }
    settle(server).await;
}

fn lost(number: u64, remains: &Remains, refusal: &Refusal, told: &mut Restored) {
    let share = &remains.record.share;
    tracing::warn!(number, share, %refusal, "a persistent open is lost");
    told.refused = told.refused.saturating_add(1);
}

async fn drop_record(server: &Server, number: u64) {
    let store = server.persistent_store();
    let removed = store.map(|store| store.change(vec![Change::RemoveAll(number)]));
    if let Err(status) = all(removed).await {
        tracing::warn!(number, %status, "the record of a persistent open could not be dropped");
    }
}

/// Opens the file again and enters the open into the tables, without its locks.
async fn enter(
    server: &Arc<Server>,
    accounts: &dyn AccountStore,
    id: OpenId,
    record: &Record,
) -> Result<Arc<Open>, Refusal> {
    let tree = tree(server, accounts, record)?;
    let caller = tree.caller.load_full();
    let looked_up = server.object_store.moment();
    let (opened, file) = reopen(&tree.share, &caller, record).await?;
    match make_open(server, id, record, tree, &opened, looked_up) {
        Ok(open) => {
            {
                let mut state = open.state.lock();
                state.recorded_file = Some(file);
                // The rows of its locks stay, until it has the locks themselves.
                state.recorded_after = server.persistent_store().map(|store| store.failures());
            }
            server.persistent.insert(&open);
            server.app_instances.insert(&open);
            Ok(open)
        }
        Err(refusal) => {
            // Nobody is told how that went: the open is lost either way.
            let _ = opened.handle.close(CloseHow::Keep).await;
            Err(refusal)
        }
    }
}

/// A tree connect for the open to have been made on, with the rights that its user has now.
fn tree(
    server: &Server,
    accounts: &dyn AccountStore,
    record: &Record,
) -> Result<Arc<TreeConnect>, Refusal> {
    let settings = server.settings();
    let share = settings.shares.find(&record.share);
    let share = share.filter(|share| share.is_continuously_available());
    let share = share.ok_or(Refusal::Share)?;
    let identity = identity(server, accounts, &record.user).ok_or(Refusal::User)?;
    let caller = server.identities().caller(&identity, share);
    let mut caller = caller.map_err(|_| Refusal::User)?;
    let granted = tree_connect::maximal_access(share, share.access(&identity))
        .and_then(|granted| share.permit(granted, &caller.token));
    if !granted.is_ok_and(|granted| granted.contains(record.maximal_access)) {
        return Err(Refusal::User);
    }
    caller.log_on = Some(Arc::new(LogOnFacts {
        identity: Arc::new(identity),
        session_key: None,
        address: None,
        encrypted: false,
    }));
    Ok(Arc::new(TreeConnect {
        id: TreeId(0),
        share: share.clone(),
        maximal_access: record.maximal_access,
        creation_time: record.opened,
        caller: ArcSwap::from_pointee(caller),
        in_use: AtomicBool::new(false),
    }))
}

/// Who the user is now, if that is somebody who may have opens.
fn identity(server: &Server, accounts: &dyn AccountStore, user: &RecordedUser) -> Option<Identity> {
    let recorded = Identity {
        user: user.name.clone(),
        domain: user.domain.clone(),
        workstation: String::new(),
        kind: user.kind,
        account: match user.kind {
            LogonKind::User => accounts.find(&user.name),
            LogonKind::Guest | LogonKind::Anonymous => None,
        },
        method: "recorded",
        expires: None,
    };
    entitlement::renewed(server, &recorded, accounts)
}

/// Opens the file that the record is about: as it was, or else as it was about to become.
async fn reopen(
    share: &Share,
    caller: &Caller,
    record: &Record,
) -> Result<(Opened, RecordedFile), Refusal> {
    let mut result = Err(Refusal::OtherFile);
    for file in iter::once(&record.file).chain(&record.coming) {
        result = reopen_as(share, caller, record, file).await;
        if result.is_ok() {
            return result;
        }
    }
    if is_there(share, caller, &record.file).await {
        result
    } else {
        Err(Refusal::Volume)
    }
}

/// Whether the volume that a file was on may be what the share shows: where nothing is mounted any more, it
/// shows another.
async fn is_there(share: &Share, caller: &Caller, file: &RecordedFile) -> bool {
    let how = OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES);
    let root = share.handler.open(caller, &Name::root(), &how).await;
    let Ok(root) = root else { return false };
    let is_there = root.handle.object().volume == file.volume;
    // Nobody is told how that went: it was a look.
    let _ = root.handle.close(CloseHow::Keep).await;
    is_there
}

async fn reopen_as(
    share: &Share,
    caller: &Caller,
    record: &Record,
    file: &RecordedFile,
) -> Result<(Opened, RecordedFile), Refusal> {
    let name = &file.name;
    let how = OpenHow {
        desired_access: record.granted_access,
        disposition: share::Disposition::Existing,
        wanted: if name.stream().is_some() {
            Wanted::Any
        } else {
            Wanted::File
        },
        write_through: record.create_options.contains(CreateOptions::WRITE_THROUGH),
        open_reparse_point: record
            .create_options
            .contains(CreateOptions::OPEN_REPARSE_POINT),
        ..OpenHow::to_look(record.granted_access)
    };
    let opened = share.handler.open(caller, name, &how).await;
    let opened = opened.map_err(Refusal::Open)?;
    if is_same(&opened, file) {
        let volume = opened.handle.object().volume;
        let file = file.clone();
        return Ok((opened, RecordedFile { volume, ..file }));
    }
    // Nobody is told how that went: it was a look at another file.
    let _ = opened.handle.close(CloseHow::Keep).await;
    Err(Refusal::OtherFile)
}

/// Whether what was opened is the recorded file, whatever its name.
fn is_same(opened: &Opened, file: &RecordedFile) -> bool {
    // The number of the volume may be another after the host was started again.
    opened.handle.object().file == file.number
        && opened.stat.creation_time == file.creation_time
        && opened.stream.as_ref() == file.name.stream()
}

fn make_open(
    server: &Server,
    id: OpenId,
    record: &Record,
    tree: Arc<TreeConnect>,
    opened: &Opened,
    looked_up: Moment,
) -> Result<Arc<Open>, Refusal> {
    let caller = tree.caller.load_full();
    let request = OpenRequest {
        object: opened.handle.object(),
        location: tree.share.location(&opened.name),
        kind: StreamKind::Data,
        caller: &caller,
        arrival: Arrival::Opened,
        desired_access: record.granted_access,
        granted_access: record.granted_access,
        share_access: record.share_access,
        delete_on_close: record.delete_on_close,
        caching: record.caching,
        open: id,
        looked_up,
    };
    let granted = server.object_store.restore(&request, record.parent);
    let granted = granted.map_err(Refusal::Conflict)?;
    let state = OpenState {
        mode: record.mode,
        durability: Durability::Persistent(record.timeout),
        lock_sequences: record.lock_sequences.clone(),
        ..OpenState::default()
    };
    let open = Arc::new(Open {
        file_id: FileId {
            persistent: id.0,
            volatile: id.0,
        },
        session_id: SessionId(0),
        tree,
        handle: opened.handle.clone(),
        attachment: granted.attachment,
        desired_access: record.desired_access,
        granted_access: record.granted_access,
        share_access: record.share_access,
        create_options: record.create_options,
        is_directory: false,
        stream: opened.stream.clone(),
        name: opened.name.clone(),
        creation_time: record.opened,
        client_guid: record.client_guid,
        owner: record.owner.clone(),
        create_guid: Some(record.create_guid),
        app_instance: record.app_instance,
        is_encrypted_pipe: false,
        create_action: record.create_action,
        is_replay_eligible: AtomicBool::new(false),
        state: Mutex::new(state),
    });
    if server.insert_open(&open) {
        Ok(open)
    } else {
        Err(Refusal::TooMany)
    }
}

/// How an open goes on.
enum Resumed {
    /// It waits for its client.
    Waits,
    /// Its time was over before the server was there again.
    Expired,
}

/// Gives an open its locks and what is pending back, and has it wait for its client.
fn resume(server: &Arc<Server>, remains: &Remains, open: &Arc<Open>) -> Result<Resumed, Refusal> {
    let (store, record) = (&server.object_store, &remains.record);
    let locked = store.restore_locks(&open.attachment, &remains.locks);
    locked.map_err(Refusal::Conflict)?;
    store.record_locks(&open.attachment);
    if record.delete_pending {
        store.restore_disposition(&open.attachment, Disposition::Delete);
    }
    let Some(left) = time_left(server, record) else {
        return Ok(Resumed::Expired);
    };
    {
        let mut state = open.state.lock();
        state.waits_until = record.waits_until;
        // The locks have other numbers now: all their rows are written anew.
        state.recorded_after = None;
    }
    if !durable::wait_again(server, open, left) {
        return Err(Refusal::TooMany);
    }
    drop(note(server, open));
    Ok(Resumed::Waits)
}

/// How long an open still waits for its client; none if its time is over.
fn time_left(server: &Server, record: &Record) -> Option<Duration> {
    let (now, until) = (server.environment().wall_clock(), record.waits_until?);
    let ticks = until.0.checked_sub(now.0).filter(|ticks| *ticks > 0)?;
    // A clock that was set back lets nobody wait longer than was agreed.
    let left = Duration::from_nanos(ticks.saturating_mul(100));
    Some(left.min(record.timeout))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share => f.write_str("there is no such share for persistent opens"),
            Self::Volume => f.write_str("the volume is not there"),
            Self::User => f.write_str("the user may not use the share as before"),
            Self::Open(status) => write!(f, "the file cannot be opened: {status}"),
            Self::OtherFile => f.write_str("another file has its name"),
            Self::Conflict(status) => write!(f, "other opens exclude it: {status}"),
            Self::TooMany => f.write_str("there are too many opens"),
        }
    }
}
