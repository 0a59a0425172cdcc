//! Opening: the checks of [MS-FSA] 2.1.5.1.2 in their order, then the entry in every count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8};

use parking_lot::Mutex;
use wire::dtyp::AccessMask;
use wire::{LeaseKey, NtStatus, OplockLevel};

use super::attachment::{Attached, Attachment, phase};
use super::effect::{Decision, Effects, Outcome};
use super::holding::Holder;
use super::location::PathKey;
use super::object::{FileState, Object, Shared};
use super::oplock::{self, Contender, Loss, OplockRequest};
use super::share_mode::Mode;
use super::{Arrival, Caching, Granted, GrantedCaching, OpenRequest, StreamKind, lease};

/// Arbitrates an open.
pub(super) fn open(shared: &Arc<Shared>, request: &OpenRequest<'_>) -> Outcome<Granted> {
    let keys = shared.names.keys(&request.location);
    let mut effects = Effects::default();
    let Some(mut shard) = shared.shard(request.object) else {
        return Outcome::deny(NtStatus::INSUFFICIENT_RESOURCES);
    };
    let object = Arc::clone(
        shard
            .entry(request.object)
            .or_insert_with(|| Arc::new(Object::new(request.object, shared))),
    );
    let arrival = Arriving::new(shared, request, &keys);
    let is_free = arrival.check_lease(&object);
    let mut state = object.lock();
    let checked = arrival
        .check_name(&object, &state)
        .and_then(|()| Ok(is_free?))
        .and_then(|()| arrival.check_others(&object, &mut state, &mut effects));
    let decision = match checked {
        Ok(()) => Decision::Grant(arrival.enter(&object, &mut state)),
        Err(refusal) => refusal.into_decision(&object, &mut state),
    };
    if state.is_idle() {
        shard.remove(&request.object);
    }
    Outcome::new(decision, effects)
}

/// Whether share modes as they are now would let an open in.
pub(super) fn is_shared(shared: &Shared, request: &OpenRequest<'_>) -> bool {
    let keys = shared.names.keys(&request.location);
    let arrival = Arriving::new(shared, request, &keys);
    let conflicts = |object: Arc<Object>| {
        let state = object.lock();
        state.sharing_conflicts(arrival.stream.as_deref(), arrival.mode)
    };
    !shared.object(request.object).is_some_and(conflicts)
}

/// Enters an open that was there before the server was started anew: nothing waits and nobody is told.
pub(super) fn restore(
    shared: &Arc<Shared>,
    request: &OpenRequest<'_>,
    own_parent: Option<LeaseKey>,
) -> Result<Granted, NtStatus> {
    let keys = shared.names.keys(&request.location);
    let shard = shared.shard(request.object);
    let mut shard = shard.ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let object = Arc::clone(
        shard
            .entry(request.object)
            .or_insert_with(|| Arc::new(Object::new(request.object, shared))),
    );
    let arrival = Arriving {
        parent: own_parent,
        ..Arriving::new(shared, request, &keys)
    };
    let is_free = arrival.check_lease(&object);
    let mut state = object.lock();
    let restored = is_free
        .and_then(|()| arrival.check_restored(&object, &mut state))
        .map(|()| arrival.enter(&object, &mut state));
    if state.is_idle() {
        shard.remove(&request.object);
    }
    restored
}

/// An open on its way in.
struct Arriving<'a> {
    request: &'a OpenRequest<'a>,
    keys: &'a [PathKey],
    stream: Option<Box<[u16]>>,
    /// What the open's shares and access mean for others while it arrives: with the access that
    /// its disposition implies.
    mode: Mode,
    contender: Contender,
    /// The key of leases on the directory above that it names as its own.
    parent: Option<LeaseKey>,
}

/// Why an open cannot go on now.
enum Refusal {
    Deny(NtStatus),
    WaitForBreak,
}

impl Refusal {
    fn into_decision<T>(self, object: &Arc<Object>, state: &mut FileState) -> Decision<T> {
        match self {
            Self::Deny(status) => Decision::Deny(status),
            Self::WaitForBreak => object.wait_for_break(state),
        }
    }
}

impl From<NtStatus> for Refusal {
    fn from(status: NtStatus) -> Self {
        Self::Deny(status)
    }
}

impl<'a> Arriving<'a> {
    fn new(shared: &Shared, request: &'a OpenRequest<'a>, keys: &'a [PathKey]) -> Self {
        let OpenRequest {
            granted_access,
            share_access,
            arrival,
            location,
            ..
        } = *request;
        let implied = arrival.implied_access();
        let mode = Mode {
            access: granted_access | implied,
            share: share_access,
        };
        let stream = location
            .name
            .stream()
            .map(|name| location.case.fold(name.0.as_units()));
        let (holder, parent) = match request.caching {
            Caching::Lease(lease) => (lease.holder(), lease.parent),
            Caching::None | Caching::Oplock(_) => (Holder::Open(shared.next_attachment()), None),
        };
        let contender = Contender {
            holder,
            spares: None,
            access: request.desired_access | implied,
        };
        Self {
            request,
            keys,
            stream,
            mode,
            contender,
            parent,
        }
    }

    /// Whether the lease's key is no other object's. Called under no object's lock.
    fn check_lease(&self, object: &Arc<Object>) -> Result<(), NtStatus> {
        match &self.request.caching {
            Caching::Lease(request) => lease::check_object(object, request),
            Caching::None | Caching::Oplock(_) => Ok(()),
        }
    }

    /// Whether the name is still the object's, and nothing of that is being deleted.
    // [MS-FSA] 2.1.5.1.2
    fn check_name(&self, object: &Object, state: &FileState) -> Result<(), Refusal> {
        let lost_names = &object.shared.lost_names;
        if lost_names.has_lost(object.id, self.request.looked_up) {
            return Err(NtStatus::RETRY.into());
        }
        let key = self.keys.last();
        let link = state.links.iter().find(|link| Some(&link.key) == key);
        let link = link.filter(|link| link.is_deleted());
        let stream = state
            .stream_named(self.stream.as_deref())
            .filter(|stream| stream.is_deleted());
        match (
            link.map(|link| link.opens),
            stream.map(|stream| stream.opens),
        ) {
            (None, None) => Ok(()),
            // Nobody has it open any more: it is gone in a moment, and the name then another's.
            (Some(0), _) | (None, Some(0)) => Err(Refusal::WaitForBreak),
            _ => Err(NtStatus::DELETE_PENDING.into()),
        }
    }

    /// Whether the open may go on beside others; begins the breaks that it needs.
    // [MS-FSA] 2.1.5.1.2
    fn check_others(
        &self,
        object: &Arc<Object>,
        state: &mut FileState,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = self.stream.as_deref();
        // Before anything is taken from others for an open that must not be.
        if let Caching::Lease(request) = &self.request.caching {
            let stream = state.stream_named(name).map(|stream| stream.id);
            lease::check_stream(object, stream, request)?;
        }
        let loss = match self.request.arrival {
            Arrival::Overwritten | Arrival::Superseded => Loss::OVERWRITE,
            Arrival::Created | Arrival::Opened => Loss::OPEN,
        };
        let holds_batch = |state: &FileState| {
            state
                .stream_named(name)
                .is_some_and(|stream| stream.oplocks.holds_batch())
        };
        if holds_batch(state) {
            self.break_for(loss, object, state, effects)?;
        }
        if state.sharing_conflicts(name, self.mode) {
            self.break_for(Loss::CONFLICT, object, state, effects)?;
            return Err(NtStatus::SHARING_VIOLATION.into());
        }
        self.break_for(loss, object, state, effects)?;
        Ok(())
    }

    /// Whether the open can stand beside those that are there. What they cache beside it, they have lost
    /// before it was made, even where their records do not say so yet.
    fn check_restored(&self, object: &Arc<Object>, state: &mut FileState) -> Result<(), NtStatus> {
        let name = self.stream.as_deref();
        if state.sharing_conflicts(name, self.mode) {
            return Err(NtStatus::SHARING_VIOLATION);
        }
        if let Caching::Lease(request) = &self.request.caching {
            let stream = state.stream_named(name).map(|stream| stream.id);
            lease::check_stream(object, stream, request)?;
        }
        let stream = state
            .streams
            .iter_mut()
            .find(|it| it.name.as_deref() == name);
        if let Some(stream) = stream {
            oplock::overrule(stream, Loss::OPEN, &self.contender);
        }
        Ok(())
    }

    fn break_for(
        &self,
        loss: Loss,
        object: &Arc<Object>,
        state: &mut FileState,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(stream) = state.stream_named(self.stream.as_deref()) else {
            return Ok(());
        };
        let id = stream.id;
        if oplock::check(object, state, id, loss, &self.contender, effects) {
            return Err(Refusal::WaitForBreak);
        }
        Ok(())
    }

    /// Enters the open everywhere and gives it what caching there is.
    fn enter(self, object: &Arc<Object>, state: &mut FileState) -> Granted {
        let Self {
            request,
            keys,
            stream,
            contender,
            parent,
            ..
        } = self;
        let shared = &object.shared;
        let mode = Mode {
            access: request.granted_access,
            share: request.share_access,
        };
        let is_directory = request.kind == StreamKind::Directory;
        let stream = state.enter_stream(stream, request.kind, mode);
        // The last key is there: a share's root has one too.
        let link = state.enter_link(keys.last().copied().unwrap_or_default());
        shared.names.enter(keys, object);
        let id = match contender.holder {
            Holder::Open(id) => id,
            Holder::Lease(..) => shared.next_attachment(),
        };
        let caching = match (request.caching, state.stream_mut(stream)) {
            (Caching::Lease(lease), Some(stream)) => GrantedCaching::Lease(lease::grant(
                object,
                stream,
                mode.access,
                request.open,
                &lease,
            )),
            (Caching::Oplock(level), Some(stream)) => {
                let asks = OplockRequest {
                    holder: contender.holder,
                    open: request.open,
                    level,
                };
                GrantedCaching::Oplock(oplock::grant(stream, mode.access, asks))
            }
            _ => GrantedCaching::Oplock(OplockLevel::NONE),
        };
        let attachment = Attachment::new(Attached {
            id,
            object: Arc::clone(object),
            stream,
            link,
            kind: request.kind,
            mode,
            holder: contender.holder,
            parent,
            open: request.open,
            caller: request.caller.clone(),
            delete_on_close: AtomicBool::new(request.delete_on_close),
            // [MS-FSA] 2.1.5.1.2
            marked_deleted: AtomicBool::new(is_directory && request.delete_on_close),
            phase: AtomicU8::new(phase::OPEN),
            has_written: AtomicBool::new(false),
            deletes_for_others: AtomicBool::new(false),
            watch: Mutex::new(None),
        });
        Granted {
            attachment,
            caching,
        }
    }
}

impl Arrival {
    /// The access that others see while the open arrives, besides what it holds.
    // [MS-FSA] 2.1.5.1.2
    fn implied_access(self) -> AccessMask {
        match self {
            Self::Created | Self::Opened => AccessMask::NONE,
            Self::Overwritten => AccessMask::FILE_WRITE_DATA,
            Self::Superseded => AccessMask::DELETE,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::create::ShareAccess;
    use wire::dtyp::AccessMask;

    use crate::object_store::scripts::words;
    use crate::object_store::{
        Arrival, Attachment, Caching, Decision, Limits, Location, NameCase, ObjectStore, OpenId,
        OpenRequest, ShareId, StreamKind,
    };
    use crate::share::{Name, ObjectId};

    /// One open as the specification's algorithms see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Plain {
        stream: u8,
        access: AccessMask,
        share: ShareAccess,
    }

    const DATA: u32 = 0x0001_0027;

    impl Plain {
        fn has(self, bits: u32) -> bool {
            self.access.bits() & bits != 0
        }

        fn shares(self, bit: u32) -> bool {
            self.share.bits() & bit != 0
        }

        /// The pseudocode, condition by condition.
        fn excludes(self, existing: Self) -> bool {
            const DELETE: u32 = 0x0001_0000;
            let base = |open: Self| open.stream == 0;
            let one = !self.shares(4) && self.has(DATA) && existing.has(DELETE) && base(existing);
            let two = self.has(DELETE) && base(self) && !existing.shares(4) && existing.has(DATA);
            let way = |user: Self, other: Self| {
                (!other.shares(1) && user.has(0x21))
                    || (!other.shares(2) && user.has(0x06))
                    || (!other.shares(4) && user.has(DELETE))
            };
            let same = self.stream == existing.stream && self.has(DATA) && existing.has(DATA);
            one || two || (same && (way(self, existing) || way(existing, self)))
        }
    }

    fn plain() -> impl Strategy<Value = Plain> {
        (0..3_u8, any::<u32>(), 0..8_u32).prop_map(|(stream, access, share)| Plain {
            stream,
            access: AccessMask::from_bits(access & 0x001f_01ff & (access >> 7)),
            share: ShareAccess::from_bits(share),
        })
    }

    fn open(store: &ObjectStore, plain: Plain) -> Option<Attachment> {
        let names = ["file", "file:one", "file:two"];
        let name = Name::parse_text(names[usize::from(plain.stream)]).unwrap();
        let request = OpenRequest {
            object: ObjectId { volume: 1, file: 1 },
            location: Location {
                share: ShareId(1),
                case: NameCase::Insensitive,
                name: &name,
            },
            kind: StreamKind::Data,
            caller: &words::caller(0),
            arrival: Arrival::Opened,
            desired_access: plain.access,
            granted_access: plain.access,
            share_access: plain.share,
            delete_on_close: false,
            caching: Caching::None,
            open: OpenId(1),
            looked_up: store.moment(),
        };
        match store.open(&request).decision {
            Decision::Grant(granted) => Some(granted.attachment),
            _ => None,
        }
    }

    proptest! {
        // test [MS-FSA] 2.1.5.1.2.1
        // test [MS-FSA] 2.1.5.1.2.2
        #[test]
        fn opens_of_all_streams_agree_with_the_specifications_lists(
            steps in prop::collection::vec((plain(), any::<prop::sample::Index>(), 0..3_u8), 1..40),
        ) {
            let store = ObjectStore::new(Limits::default());
            let mut opens: Vec<(Plain, Attachment)> = Vec::new();
            for (plain, index, step) in steps {
                if step == 0 && !opens.is_empty() {
                    let (_, attachment) = opens.swap_remove(index.index(opens.len()));
                    let _ = store.close(&attachment);
                    continue;
                }
                let expected = !opens.iter().any(|(existing, _)| plain.excludes(*existing));
                let attachment = open(&store, plain);
                prop_assert_eq!(attachment.is_some(), expected, "{:?}", plain);
                opens.extend(attachment.map(|attachment| (plain, attachment)));
            }
            drop(opens);
            prop_assert!(store.shared.is_empty());
        }
    }
}
