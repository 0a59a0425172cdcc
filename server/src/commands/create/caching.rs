//! The caching that a CREATE asks for, as far as dialect and share have it, and that of an open which
//! is there already.

use std::sync::Arc;

use config::Oplocks;
use wire::create::{LeaseContext, LeaseFlags};
use wire::dtyp::Guid;
use wire::negotiate::Capabilities;
use wire::{CreateRequest, Dialect, OplockLevel};

use crate::commands::breaks::{CachingHolder, Unanswered, tell_now};
use crate::commands::negotiate::Negotiated;
use crate::context::Context;
use crate::durable;
use crate::object_store::{
    Caching, GrantedCaching, LeaseGrant, LeaseRequest, LeaseState, LeaseVersion,
};
use crate::open::Open;
use crate::server::Server;
use crate::share::ShareKind;

/// The oplock or lease asked for.
// [MS-SMB2] 3.3.5.9
pub(super) fn asked(context: &Context, request: &CreateRequest) -> Caching {
    let (Some(negotiated), Ok(tree)) = (context.connection.negotiated(), context.tree()) else {
        return Caching::None;
    };
    let oplocks = tree.share.settings.oplocks;
    if tree.share.features().kind != ShareKind::Disk || oplocks == Oplocks::Never {
        return Caching::None;
    }
    let asked = of_dialect(negotiated, request);
    if oplocks == Oplocks::Reading {
        without_writing(asked)
    } else {
        asked
    }
}

/// What is left where the share gives no exclusive caching rights: Share.ForceLevel2Oplock.
// [MS-SMB2] 3.3.5.9
// [MS-SMB2] 3.3.5.9.8
fn without_writing(asked: Caching) -> Caching {
    match asked {
        Caching::None => Caching::None,
        Caching::Oplock(_) => Caching::Oplock(OplockLevel::II),
        Caching::Lease(lease) => Caching::Lease(LeaseRequest {
            state: lease.state.without(LeaseState::WRITE_CACHING),
            ..lease
        }),
    }
}

fn of_dialect(negotiated: &Negotiated, request: &CreateRequest) -> Caching {
    let level = request.requested_oplock_level;
    match level {
        OplockLevel::II | OplockLevel::EXCLUSIVE | OplockLevel::BATCH => Caching::Oplock(level),
        OplockLevel::LEASE if negotiated.dialect != Dialect::SMB_2_0_2 => {
            // [MS-SMB2] 3.3.5.9.11
            let is_known = |lease: &&LeaseContext| negotiated.is_smb3() || lease.v2.is_none();
            let lease = request.contexts.lease().filter(is_known);
            lease.map_or(Caching::None, |lease| {
                Caching::Lease(lease_request(lease, negotiated.client_guid))
            })
        }
        _ => Caching::None,
    }
}

fn lease_request(lease: &LeaseContext, client: Guid) -> LeaseRequest {
    let has_parent = lease.lease_flags.contains(LeaseFlags::PARENT_LEASE_KEY_SET);
    let parent = lease
        .v2
        .filter(|_| has_parent)
        .map(|v2| v2.parent_lease_key);
    LeaseRequest {
        client,
        key: lease.lease_key,
        state: lease.lease_state,
        parent,
        version: match lease.v2 {
            Some(_) => LeaseVersion::V2,
            None => LeaseVersion::V1,
        },
        epoch: lease.v2.map_or(0, |v2| v2.epoch),
    }
}

/// Whether this client was told that there are leases on directories.
// [MS-SMB2] 3.3.5.4
pub(super) fn has_directory_leases(context: &Context) -> bool {
    let negotiated = context.connection.negotiated();
    negotiated.is_some_and(|negotiated| {
        let offered = negotiated.server_capabilities;
        offered.contains(Capabilities::DIRECTORY_LEASING)
    })
}

/// What to ask the object store for: no more than is left of a lease of which the client may not know what it has
/// lost. By a reply that gives it the same anew, it would not learn that others have changed the file meanwhile.
// departs [MS-SMB2] 3.3.5.9.8: such a lease is not promoted, until its client has taken up again what waits for it
// departs [MS-SMB2] 3.3.5.9.11: the same; who had more than it gets anew learns of the loss by no epoch (3.2.5.7.5)
pub(super) fn without_unknown_losses(server: &Server, asked: Caching) -> Caching {
    match asked {
        Caching::Lease(lease) if may_have_lost(server, &lease) => Caching::Lease(LeaseRequest {
            state: LeaseState::NONE,
            ..lease
        }),
        _ => asked,
    }
}

/// Tells a client, behind the reply to its CREATE, of the breaks of a lease that it was away for.
// [MS-SMB2] 3.3.4.7
pub(super) fn tell_of_breaks(server: &Arc<Server>, asked: &Caching) {
    if let Caching::Lease(lease) = asked
        && may_have_lost(server, lease)
    {
        tell_now(server, CachingHolder::Lease(lease.client, lease.key));
    }
}

/// Whether an open under this lease waits for its client, which is not told of breaks meanwhile.
fn may_have_lost(server: &Server, lease: &LeaseRequest) -> bool {
    let opens = server.object_store.lease_opens(lease.client, lease.key);
    durable::misses_breaks(server, &opens)
}

/// Has breaks of what an open caches wait for the reply that will name it to the client again.
pub(super) fn hold_back_breaks(context: &mut Context, open: &Open) -> CachingHolder {
    let held = context.server.object_store.held(&open.attachment);
    let holder = match held.caching {
        GrantedCaching::Oplock(_) => CachingHolder::Open(open.id()),
        GrantedCaching::Lease(lease) => CachingHolder::Lease(open.client_guid, lease.key),
    };
    let unanswered = Unanswered::begin(&context.server, holder);
    context.hold_back_breaks(unanswered);
    holder
}

/// What a reply tells the client that it may cache. A break that was under way when the store agreed may be over
/// by now; one that has come since, and is held back until the reply has left, the client does not know yet.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn told(context: &Context, open: &Open, granted: GrantedCaching) -> GrantedCaching {
    let GrantedCaching::Lease(mut lease) = granted else {
        return granted;
    };
    let server = &context.server;
    let was_breaking = lease.breaking;
    if was_breaking {
        let held = server.object_store.held(&open.attachment);
        lease = held.lease().unwrap_or(lease);
    }
    let kept = server
        .unanswered
        .kept(open.client_guid, lease.key, lease.epoch);
    if let Some(untold) = kept {
        lease.epoch = epoch_before(&lease);
        if was_breaking {
            lease.state = untold.current;
            lease.breaking = false;
        }
    } else if was_breaking {
        let notices = &server.sent_notices;
        notices.tell(open.client_guid, lease.key, lease.epoch);
    }
    GrantedCaching::Lease(lease)
}

/// To a client, a notice is news only if that has another epoch than it knows.
// [MS-SMB2] 3.2.5.19.2
fn epoch_before(lease: &LeaseGrant) -> u16 {
    match lease.version {
        LeaseVersion::V1 => 0,
        LeaseVersion::V2 => lease.epoch.wrapping_sub(1),
    }
}
