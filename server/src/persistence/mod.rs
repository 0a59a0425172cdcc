//! Persistent opens: those that outlive the server itself.
//!
//! Owns what is written of them and when. Each has one record in the store that the server is given
//! ([`PersistentStore`]), which holds all of it but its locks ([`record`]), and a row for each lock. The record
//! is written anew, with the rows of the locks that have changed, whenever something changes that the client is
//! told of, before it is told. [`restore`] makes opens out of records when the server starts. Never decides
//! which opens are persistent: that is CREATE's.
//!
//! ```text
//! CREATE ──begin──> record ──save: LOCK, SET_INFO, acknowledgments, reconnect──> record ──note_end: the end──> none
//!                     │ ^                                             the server ends │ ^
//!                     │ └──────────────────────── restore <───────────────────────────┘ │
//!                     └── note_waiting: the connection is lost ─────────────────────────┘
//! ```

mod absent;
mod file;
mod record;
mod restore;
mod store;
mod table;

use std::sync::Arc;

use auth::LogonKind;
use wire::create::LeaseState;
use wire::dtyp::{FileTime, Guid};
use wire::{LeaseKey, NtStatus, OplockLevel};

use crate::durable::Durability;
use crate::object_store::{
    Caching, GrantedCaching, Held, LeaseRequest, LockChange, LockExtent, OpenId,
};
use crate::open::{Open, OpenState};
use crate::server::Server;
use crate::share::{Answer, ObjectId, Opened};
use record::{Record, RecordedUser};

use file::locate;
pub(crate) use file::{Coming, announce, save_file};
pub use record::RecordedFile;
pub use restore::{Restored, restore, retry};
pub use store::{Change, PersistentStore, Row};
pub(crate) use table::PersistentOpens;

/// Whether there is anywhere to keep records of opens.
pub(crate) fn is_possible(server: &Server) -> bool {
    server.persistent_store().is_some()
}

/// Writes the first record of an open that is new, if it is persistent, and those of others that have
/// more in common with it now: its lease may allow more than before.
///
/// # Errors
/// Those of [`PersistentStore::change`], and of the handler.
pub(crate) async fn begin(server: &Server, open: &Arc<Open>) -> Result<(), NtStatus> {
    if is_persistent(open) {
        locate(open).await?;
        server.object_store.record_locks(&open.attachment);
        server.persistent.insert(open);
    } else if server.persistent.is_empty() {
        return Ok(());
    }
    let lease = server.object_store.held(&open.attachment).lease();
    match lease {
        Some(lease) => all(note_lease(server, open.client_guid, lease.key)).await,
        None => save(server, open).await,
    }
}

/// Writes an open's record as the open is now, if it is persistent.
///
/// # Errors
/// Those of [`PersistentStore::change`].
pub(crate) async fn save(server: &Server, open: &Open) -> Result<(), NtStatus> {
    all(note(server, open)).await
}

/// Begins to write an open's record as the open is now; nothing if it is not persistent. Whoever has
/// changed the open calls this before anybody else can act on the change.
pub(crate) fn note(server: &Server, open: &Open) -> Option<Answer<'static, ()>> {
    let store = server.persistent_store()?;
    if server.persistent.is_empty() {
        return None;
    }
    // Held until the record is in the store's hands, so that records come there in the order of the changes.
    let mut state = open.state.lock();
    let record = record_of(server, open, &state)?;
    let failures = store.failures();
    let extent = if state.recorded_after == Some(failures) {
        LockExtent::Changes
    } else {
        // Which rows there are is not known.
        LockExtent::All
    };
    state.recorded_after = Some(failures);
    let locks = server
        .object_store
        .locks_to_record(&open.attachment, extent);
    let written = store.change(changes(open.id(), &record, extent, locks));
    Some(unless_others_failed(store.clone(), failures, written))
}

/// The answer to what was written after so many failures. One that has come since may have lost what this
/// builds upon: locks of this request that went with the record of another one.
fn unless_others_failed(
    store: Arc<dyn PersistentStore>,
    failures: u64,
    written: Answer<'static, ()>,
) -> Answer<'static, ()> {
    Box::pin(async move {
        written.await?;
        if store.failures() == failures {
            Ok(())
        } else {
            Err(NtStatus::INSUFFICIENT_RESOURCES)
        }
    })
}

/// What is to be changed in the store for an open's record to be this one, and for its locks to be these.
fn changes(id: OpenId, record: &Record, extent: LockExtent, locks: Vec<LockChange>) -> Vec<Change> {
    let row = |part| Row { open: id.0, part };
    let whole = (extent == LockExtent::All).then_some(Change::RemoveAll(id.0));
    let locks = locks.into_iter().map(|LockChange { number, lock }| {
        let row = row(number.saturating_add(1));
        match lock {
            Some(lock) => Change::Put(row, record::encode_lock(&lock)),
            None => Change::Remove(row),
        }
    });
    let record = Change::Put(row(0), record.encode());
    whole.into_iter().chain([record]).chain(locks).collect()
}

/// [`note`] for all persistent opens of a file.
pub(crate) fn note_file(server: &Server, object: ObjectId) -> Vec<Answer<'static, ()>> {
    let opens = server.persistent.of_object(server, object);
    opens.iter().filter_map(|open| note(server, open)).collect()
}

/// [`note`] for all persistent opens that share a lease.
pub(crate) fn note_lease(server: &Server, client: Guid, key: LeaseKey) -> Vec<Answer<'static, ()>> {
    if server.persistent.is_empty() {
        return Vec::new();
    }
    let opens = server.object_store.lease_opens(client, key);
    let opens = opens.into_iter().filter_map(|id| server.open(id));
    opens.filter_map(|open| note(server, &open)).collect()
}

/// Notes that an open waits for its client from now on.
pub(crate) fn note_waiting(server: &Server, open: &Open) {
    let now = server.environment().wall_clock();
    {
        let mut state = open.state.lock();
        if let Durability::Persistent(timeout) = state.durability {
            state.waits_until = Some(later(now, timeout));
        }
    }
    // Nobody waits for an answer: were the record lost, the open would wait all its time anew.
    drop(note(server, open));
}

/// Begins to drop the record of an open that has ended; nothing the second time.
pub(crate) fn note_end(server: &Server, open: &Open) -> Option<Answer<'static, ()>> {
    let removed = {
        let mut state = open.state.lock();
        if !matches!(state.durability, Durability::Persistent(_)) {
            return None;
        }
        // What is still under way for the open must write no more.
        state.durability = Durability::None;
        server
            .persistent_store()
            .map(|store| store.change(vec![Change::RemoveAll(open.id().0)]))
    };
    server.persistent.remove(open);
    removed
}

/// Waits until everything written so far survives.
pub async fn settle(server: &Server) {
    let settled = server.persistent_store().map(|store| store.settle());
    if let Err(status) = all(settled).await {
        tracing::error!(%status, "persistent opens have not all been recorded");
    }
}

/// Waits for all of what is being written.
///
/// # Errors
/// The first failure.
pub(crate) async fn all(
    written: impl IntoIterator<Item = Answer<'static, ()>>,
) -> Result<(), NtStatus> {
    let mut result = Ok(());
    for one in written {
        result = result.and(one.await);
    }
    result
}

/// Whether the open outlives the server.
pub(crate) fn is_persistent(open: &Open) -> bool {
    matches!(open.state.lock().durability, Durability::Persistent(_))
}

/// The number of opens that wait for their share or volume, see [`retry`].
pub fn absent_count(server: &Server) -> usize {
    server.persistent.absent.len()
}

/// The persistent opens of what was opened that wait for their client.
pub(crate) fn waiting_on(server: &Server, opened: &Opened) -> Vec<Arc<Open>> {
    let object = opened.handle.object();
    let mut opens = server.persistent.of_object(server, object);
    opens.retain(|open| {
        file::is_of(open, opened.stream.as_ref()) && server.disconnected.find(open.id()).is_some()
    });
    opens
}

/// The record of an open that is in this state; none if it is not persistent.
fn record_of(server: &Server, open: &Open, state: &OpenState) -> Option<Record> {
    let Durability::Persistent(timeout) = state.durability else {
        return None;
    };
    let store = &server.object_store;
    let caller = open.tree.caller.load();
    let user = match &caller.log_on {
        Some(log_on) => RecordedUser {
            name: log_on.identity.user.clone(),
            domain: log_on.identity.domain.clone(),
            kind: log_on.identity.kind,
        },
        None => RecordedUser {
            name: String::new(),
            domain: String::new(),
            kind: LogonKind::Anonymous,
        },
    };
    Some(Record {
        share: open.tree.share.name().to_owned(),
        file: state.recorded_file.clone()?,
        coming: state.coming_file.clone(),
        owner: open.owner.clone(),
        user,
        client_guid: open.client_guid,
        create_guid: open.create_guid?,
        app_instance: open.app_instance,
        desired_access: open.desired_access,
        granted_access: open.granted_access,
        maximal_access: open.tree.maximal_access,
        share_access: open.share_access,
        create_options: open.create_options,
        create_action: open.create_action,
        mode: state.mode,
        opened: open.creation_time,
        timeout,
        waits_until: state.waits_until,
        caching: caching(open.client_guid, store.held(&open.attachment)),
        parent: open.attachment.parent_key(),
        delete_on_close: open.attachment.delete_on_close(),
        delete_pending: store.is_delete_pending(&open.attachment),
        lock_sequences: state.lock_sequences.clone(),
    })
}

/// What must be asked for to get this caching again. Of what is being broken nothing is left, as if the break
/// were never acknowledged: what it was broken for may have happened, and who comes next has not been told.
// [MS-SMB2] 3.3.6.1
// [MS-SMB2] 3.3.6.5
fn caching(client: Guid, held: Held) -> Caching {
    match held.caching {
        GrantedCaching::Oplock(OplockLevel::NONE) => Caching::None,
        GrantedCaching::Oplock(_) if held.breaking => Caching::None,
        GrantedCaching::Lease(lease) if held.breaking => Caching::Lease(LeaseRequest {
            client,
            key: lease.key,
            parent: lease.parent,
            state: LeaseState::NONE,
            version: lease.version,
            epoch: lease.epoch.wrapping_add(1),
        }),
        GrantedCaching::Oplock(level) => Caching::Oplock(level),
        GrantedCaching::Lease(lease) => Caching::Lease(LeaseRequest {
            client,
            key: lease.key,
            parent: lease.parent,
            state: lease.state,
            version: lease.version,
            epoch: lease.epoch,
        }),
    }
}

/// The time of day when `duration` has passed.
fn later(now: FileTime, duration: std::time::Duration) -> FileTime {
    let ticks = u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX);
    FileTime(now.0.saturating_add(ticks))
}
