//! What an open caches now: for who wants to know whether it is worth keeping without its client.

use wire::OplockLevel;

use super::attachment::Attached;
use super::holding::{HANDLE, Holder, Holding, HoldingKind, level};
use super::location::Location;
use super::{GrantedCaching, LeaseGrant, lease};

/// What an open caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its oplock or lease.
    pub caching: GrantedCaching,
    /// A break of it is in progress.
    pub breaking: bool,
}

impl Held {
    /// Whether the client may keep the handle as long as it likes: OplockState is Held, and there is a
    /// batch oplock or a lease with handle caching.
    #[must_use]
    pub fn keeps_handle(&self) -> bool {
        !self.breaking && self.has_handle()
    }

    /// Whether there is a batch oplock or a lease with handle caching, even one that is being broken.
    #[must_use]
    pub fn has_handle(&self) -> bool {
        match self.caching {
            GrantedCaching::Oplock(level) => level == OplockLevel::BATCH,
            GrantedCaching::Lease(lease) => lease.state.contains(HANDLE),
        }
    }

    /// The lease, if it is one.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseGrant> {
        match self.caching {
            GrantedCaching::Oplock(_) => None,
            GrantedCaching::Lease(lease) => Some(lease),
        }
    }
}

/// What the open caches now.
pub(super) fn held(attachment: &Attached) -> Held {
    let state = attachment.object.lock();
    let holding = state
        .stream(attachment.stream)
        .and_then(|stream| stream.oplocks.get(attachment.holder));
    Held {
        caching: caching(attachment.holder, holding),
        breaking: holding.is_some_and(Holding::is_breaking),
    }
}

fn caching(holder: Holder, holding: Option<&Holding>) -> GrantedCaching {
    match (holder, holding.map(|holding| (&holding.kind, holding))) {
        (Holder::Lease(_, key), Some((HoldingKind::Lease(facts), holding))) => {
            GrantedCaching::Lease(lease::describe(key, holding, facts))
        }
        (Holder::Open(_), Some((HoldingKind::Oplock(_), holding))) => {
            GrantedCaching::Oplock(level(holding.state))
        }
        _ => GrantedCaching::Oplock(OplockLevel::NONE),
    }
}

/// Whether `location` is the present name of what is open, or the open's file is going and has none.
pub(super) fn is_named(attachment: &Attached, location: &Location<'_>) -> bool {
    let keys = attachment.object.shared.names.keys(location);
    let state = attachment.object.lock();
    let same_file = state
        .link(attachment.link)
        .is_some_and(|link| Some(&link.key) == keys.last());
    let same_stream = state
        .stream(attachment.stream)
        .is_some_and(|stream| stream.is_named(location));
    (same_file && same_stream) || state.is_going(attachment.stream)
}
