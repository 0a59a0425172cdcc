//! Leases: caching that several opens of one client share under a key of the client's choice.
//!
//! Owns the table that finds a lease by client and key, and the rules of asking for one. The state
//! of a lease is a holding of its stream, see [`super::holding`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use wire::dtyp::{AccessMask, Guid};
use wire::{LeaseKey, NtStatus};

use super::effect::{Effects, LeaseBreak};
use super::holding::{Holder, Holding, HoldingKind, LeaseFacts, Tally, legal};
use super::location::Location;
use super::object::{Object, Shared, Stream, StreamId};
use super::oplock;
use super::{Caching, LeaseState, OpenId, StreamKind};
use crate::share::ObjectId;

/// A lease that an open asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The client, `Connection.ClientGuid`.
    pub client: Guid,
    /// The client's key of the lease.
    pub key: LeaseKey,
    /// The client's key of its lease on the directory above; version 2 only.
    pub parent: Option<LeaseKey>,
    /// The caching wanted.
    pub state: LeaseState,
    /// The version of the context.
    pub version: LeaseVersion,
    /// The client's epoch; version 2 only.
    pub epoch: u16,
}

/// The version of a lease: that of the request that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseVersion {
    /// SMB2_CREATE_REQUEST_LEASE.
    V1,
    /// SMB2_CREATE_REQUEST_LEASE_V2.
    V2,
}

/// A lease that an open got, or joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// The client's key.
    pub key: LeaseKey,
    /// The caching allowed.
    pub state: LeaseState,
    /// A break is in progress: SMB2_LEASE_FLAG_BREAK_IN_PROGRESS.
    pub breaking: bool,
    /// Which response context to send: that of the lease, not of the request.
    pub version: LeaseVersion,
    /// The epoch; 0 in version 1.
    pub epoch: u16,
    /// The key of the lease on the directory above, if the lease was made with one.
    pub parent: Option<LeaseKey>,
}

/// All leases, by client and key.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<Holder, LeasedStream>>);

#[derive(Clone)]
struct LeasedStream {
    object: Weak<Object>,
    stream: StreamId,
}

impl LeaseRequest {
    pub(super) fn holder(&self) -> Holder {
        Holder::Lease(self.client, self.key)
    }
}

impl Leases {
    fn find(&self, holder: Holder) -> Option<(Arc<Object>, StreamId)> {
        let leased = self.0.lock().get(&holder).cloned()?;
        Some((leased.object.upgrade()?, leased.stream))
    }

    /// Forgets a lease whose last open has ended, unless its key has gone to another object.
    pub(super) fn remove(&self, holder: Holder, object: ObjectId) {
        let mut leases = self.0.lock();
        let is_it = |leased: &LeasedStream| {
            leased
                .object
                .upgrade()
                .is_none_or(|leased| leased.id == object)
        };
        if leases.get(&holder).is_some_and(is_it) {
            leases.remove(&holder);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// A key names one file as long as the lease exists: checked by name, before anything is created.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn check_name(
    shared: &Shared,
    location: &Location<'_>,
    caching: &Caching,
) -> Result<(), NtStatus> {
    let Caching::Lease(request) = caching else {
        return Ok(());
    };
    let Some((object, stream)) = shared.leases.find(request.holder()) else {
        return Ok(());
    };
    let keys = shared.names.keys(location);
    let state = object.lock();
    let same_stream = state
        .stream(stream)
        .is_some_and(|stream| stream.is_named(location));
    let same_file = state
        .links
        .iter()
        .any(|link| Some(&link.key) == keys.last());
    if (same_file && same_stream) || state.is_going(stream) {
        return Ok(());
    }
    Err(NtStatus::INVALID_PARAMETER)
}

/// The same check by identity, once the object is open: that the key is no other object's. Takes that one's
/// lock, and so must not be called under any object's.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn check_object(object: &Arc<Object>, request: &LeaseRequest) -> Result<(), NtStatus> {
    match object.shared.leases.find(request.holder()) {
        Some((leased, stream)) if !Arc::ptr_eq(&leased, object) => {
            if leased.lock().is_going(stream) {
                Ok(())
            } else {
                Err(NtStatus::INVALID_PARAMETER)
            }
        }
        _ => Ok(()),
    }
}

/// That the key is no other stream's of the object.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn check_stream(
    object: &Arc<Object>,
    stream: Option<StreamId>,
    request: &LeaseRequest,
) -> Result<(), NtStatus> {
    match object.shared.leases.find(request.holder()) {
        Some((leased, at)) if Arc::ptr_eq(&leased, object) && Some(at) != stream => {
            Err(NtStatus::INVALID_PARAMETER)
        }
        _ => Ok(()),
    }
}

/// A lease as it is now.
pub(super) fn describe(key: LeaseKey, holding: &Holding, facts: &LeaseFacts) -> LeaseGrant {
    LeaseGrant {
        key,
        state: holding.state,
        breaking: holding.is_breaking(),
        version: facts.version,
        epoch: facts.epoch,
        parent: facts.parent,
    }
}

/// Joins the lease with this key, or makes it; promotes it where that is asked for and possible.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn grant(
    object: &Arc<Object>,
    stream: &mut Stream,
    access: AccessMask,
    open: OpenId,
    request: &LeaseRequest,
) -> LeaseGrant {
    let holder = request.holder();
    if stream.oplocks.get(holder).is_none() {
        let LeaseRequest {
            version,
            epoch,
            parent,
            ..
        } = *request;
        let epoch = if version == LeaseVersion::V2 {
            epoch
        } else {
            0
        };
        let facts = LeaseFacts {
            opens: BTreeSet::new(),
            users: 0,
            version,
            epoch,
            parent,
        };
        let holding = Holding::new(LeaseState::NONE, HoldingKind::Lease(facts));
        stream.oplocks.insert(holder, holding);
        let leased = LeasedStream {
            object: Arc::downgrade(object),
            stream: stream.id,
        };
        object.shared.leases.0.lock().insert(holder, leased);
    }
    let joined = stream.oplocks.change(holder, |holding| {
        let mut users = 0;
        if let HoldingKind::Lease(facts) = &mut holding.kind {
            facts.opens.insert(open);
            facts.users = facts
                .users
                .saturating_add(u32::from(oplock::is_user(access)));
            users = facts.users;
        }
        (holding.state, holding.is_breaking(), users)
    });
    let (held, breaking, users) = joined.unwrap_or_default();
    let state = if breaking {
        held
    } else {
        promote(stream, holder, users, held, request.state)
    };
    let (key, version) = (request.key, request.version);
    let mut grant = LeaseGrant {
        key,
        state,
        breaking,
        version,
        epoch: 0,
        parent: None,
    };
    stream.oplocks.change(holder, |holding| {
        holding.state = state;
        if let HoldingKind::Lease(facts) = &mut holding.kind {
            if state != held {
                facts.advance();
            }
            (grant.version, grant.epoch, grant.parent) = (facts.version, facts.epoch, facts.parent);
        }
    });
    grant
}

/// Counts the changes of a lease on from where they stood before the server was started anew.
pub(super) fn restore_epoch(stream: &mut Stream, request: &LeaseRequest) {
    stream.oplocks.change(request.holder(), |holding| {
        if let HoldingKind::Lease(facts) = &mut holding.kind {
            facts.epoch = request.epoch;
        }
    });
}

/// The state after a request: more than is held, if it can stand beside the others; less is never
/// taken.
fn promote(
    stream: &Stream,
    holder: Holder,
    users: u32,
    held: LeaseState,
    wanted: LeaseState,
) -> LeaseState {
    let mut wanted = legal(wanted.without(wanted.unknown()));
    if stream.kind == StreamKind::Directory {
        wanted = wanted.without(LeaseState::WRITE_CACHING);
    }
    if !wanted.contains(held) {
        return held;
    }
    // [MS-SMB2] 3.3.5.9
    let without_write = wanted.without(LeaseState::WRITE_CACHING);
    let steps = [
        wanted,
        without_write,
        without_write.without(LeaseState::HANDLE_CACHING),
    ];
    // observed: Windows promotes a lease that has a state to what was asked for, or not at all
    let tries = if held.is_empty() { steps.len() } else { 1 };
    let fits = |state: &LeaseState| may_hold(stream, holder, users, *state);
    steps.into_iter().take(tries).find(fits).unwrap_or(held)
}

// [MS-FSA] 2.1.5.18
fn may_hold(stream: &Stream, holder: Holder, users: u32, state: LeaseState) -> bool {
    let handle = state.contains(LeaseState::HANDLE_CACHING);
    if state.contains(LeaseState::WRITE_CACHING) {
        return stream.may_hold_alone(holder, users, state);
    }
    // [MS-FSA] 2.1.5.18.2
    let Tally {
        writing, oplocks, ..
    } = stream.oplocks.others(holder);
    let is_refused = handle && (oplocks > 0 || stream.is_deleted());
    writing == 0 && !is_refused && !stream.locks.has_locks()
}

/// Counts a break once more that is told once more, unless the lease has changed since.
// [MS-SMB2] 3.3.4.7
pub(super) fn count_again(shared: &Shared, broken: &LeaseBreak) -> LeaseBreak {
    let holder = Holder::Lease(broken.client, broken.key);
    let count = |holding: &mut Holding| match &mut holding.kind {
        HoldingKind::Lease(facts) if facts.epoch == broken.epoch => facts.advance(),
        _ => broken.epoch,
    };
    let epoch = shared.leases.find(holder).and_then(|(object, stream)| {
        let mut state = object.lock();
        state.stream_mut(stream)?.oplocks.change(holder, count)
    });
    LeaseBreak {
        epoch: epoch.unwrap_or(broken.epoch),
        ..*broken
    }
}

/// The opens that share a lease, the oldest first.
// [MS-SMB2] 3.3.1.12
pub(super) fn opens(shared: &Shared, client: Guid, key: LeaseKey) -> Vec<OpenId> {
    let holder = Holder::Lease(client, key);
    let Some((object, stream)) = shared.leases.find(holder) else {
        return Vec::new();
    };
    let state = object.lock();
    let stream = state.stream(stream);
    match stream.and_then(|stream| stream.oplocks.get(holder)) {
        Some(Holding {
            kind: HoldingKind::Lease(facts),
            ..
        }) => facts.opens.iter().copied().collect(),
        _ => Vec::new(),
    }
}

/// Takes the acknowledgement of a lease break.
// [MS-SMB2] 3.3.5.22.2
pub(super) fn acknowledge(
    shared: &Shared,
    client: Guid,
    key: LeaseKey,
    kept: LeaseState,
) -> (Result<LeaseState, NtStatus>, Effects) {
    let mut effects = Effects::default();
    let holder = Holder::Lease(client, key);
    let Some((object, stream)) = shared.leases.find(holder) else {
        return (Err(NtStatus::OBJECT_NAME_NOT_FOUND), effects);
    };
    let mut state = object.lock();
    let holding = state
        .stream(stream)
        .and_then(|stream| stream.oplocks.get(holder));
    let Some(offered) = holding.and_then(Holding::offered) else {
        return (Err(NtStatus::UNSUCCESSFUL), effects);
    };
    if !offered.contains(kept) {
        return (Err(NtStatus::REQUEST_NOT_ACCEPTED), effects);
    }
    let kept = legal(kept);
    oplock::settle(&object, &mut state, stream, holder, kept, &mut effects);
    drop(state);
    (Ok(kept), effects)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::object_store::scripts::words::{caller, location, name};
    use crate::object_store::*;
    use crate::share::ObjectId;

    fn open(store: &ObjectStore, text: &str, number: u64) -> Attachment {
        let (name, caller) = (name(text), caller(0));
        let lease = LeaseRequest {
            client: Guid([1; 16]),
            key: LeaseKey([1; 16]),
            parent: None,
            state: LeaseState::READ_CACHING,
            version: LeaseVersion::V1,
            epoch: 0,
        };
        let request = OpenRequest {
            object: ObjectId {
                volume: 1,
                file: number,
            },
            location: location(&name),
            kind: StreamKind::Data,
            caller: &caller,
            arrival: Arrival::Opened,
            desired_access: AccessMask::DELETE,
            granted_access: AccessMask::DELETE,
            share_access: ShareAccess::DELETE,
            delete_on_close: false,
            caching: Caching::Lease(lease),
            open: OpenId(number),
            looked_up: store.moment(),
        };
        match store.open(&request).decision {
            Decision::Grant(granted) => granted.attachment,
            other => panic!("{other:?}"),
        }
    }

    // test [MS-SMB2] 3.3.5.9.8
    #[test]
    fn the_key_of_a_file_that_goes_is_free_though_others_are_busy_with_that_file() {
        let store = ObjectStore::new(Limits::default());
        let gone = open(&store, "gone", 1);
        drop(store.set_delete(&gone, Disposition::Delete));
        let holders = Arc::strong_count(&gone.object);
        let busy = gone.object.lock();
        let next = std::thread::scope(|scope| {
            let next = scope.spawn(|| open(&store, "next", 2));
            // Until it holds the object whose lock it waits for.
            while !next.is_finished() && Arc::strong_count(&gone.object) == holders {
                std::thread::yield_now();
            }
            drop(busy);
            next.join().expect("it is granted")
        });
        drop((gone, next));
        assert!(store.is_empty());
    }
}
