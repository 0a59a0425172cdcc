//! What simulated clients do: operations at random, as requests, and replies as outcomes.

use std::time::Duration;

use wire::create::{
    CreateContext, CreateContexts, CreateOptions, DurableHandleFlags, LeaseContext, LeaseContextV2,
    LeaseFlags, LeaseState,
};
use wire::dtyp::Guid;
use wire::query_directory::QueryDirectoryFlags;
use wire::{CreateRequest, Dialect, FileId, LeaseKey, OplockLevel, QueryDirectoryRequest};

use super::actor::{Actor, Asked};
use super::caches::Caches;
use super::locks;
use super::plan::Profile;
use super::random::Random;
use super::translation::{access_mask, create_disposition, request, share_access};
use super::trees;
use super::world::USER;
use crate::client::requests;
use crate::model::{Access, Disposition, Kind, Leasing, Operation, Sharing};

/// A durable or resilient open, as whoever wants to take it up again must name it.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The open.
    pub file_id: FileId,
    /// The CREATE that made it.
    pub operation: Operation,
}

/// Lets a client ask for something. These durable opens have been made so far.
pub fn act(actor: &mut Actor, handles: &[Handle], random: &mut Random) {
    let known: Vec<_> = actor
        .opens
        .iter()
        .map(|(id, file_id)| (*id, *file_id))
        .collect();
    let is_durable = actor.profile >= Profile::Durable;
    let wants_back = |handle: &&Handle| actor.lost.contains(&handle.file_id.persistent);
    if is_durable && random.once_in(3) {
        if let Some(handle) = handles.iter().find(wants_back) {
            actor.lost.remove(&handle.file_id.persistent);
            reconnect(actor, handle, random);
            return;
        }
        if !handles.is_empty() && random.once_in(6) {
            reconnect(actor, random.pick(handles), random);
            return;
        }
    }
    if actor.profile >= Profile::Folders && random.once_in(6) {
        look_at_root(actor, random);
        return;
    }
    let has_trees = actor.profile == Profile::Trees;
    if has_trees && random.once_in(3) {
        trees::act(actor, random);
        return;
    }
    if known.is_empty() || known.len() < MOST_OPENS && random.once_in(4) {
        open_file(actor, random);
        return;
    }
    if random.once_in(12)
        && let Some(root) = actor.root()
    {
        let request = QueryDirectoryRequest {
            flags: QueryDirectoryFlags::RESTART_SCANS,
            ..requests::list(root, LIST_ROOM)
        };
        actor.ask(Operation::List, request.into());
        return;
    }
    if actor.profile >= Profile::Locks && random.once_in(2) {
        locks::act(actor, &known, random);
        return;
    }
    let (open, file_id) = *random.pick(&known);
    let is_resilient = actor.profile.has_resilient_opens() && random.once_in(6);
    let mut operation = if is_resilient {
        make_resilient(actor, open, random)
    } else {
        on_open(open, random)
    };
    if has_trees && let Operation::Rename { target, .. } = &mut operation {
        *target = trees::name_below(target, random);
    }
    if actor.profile >= Profile::Channels && operation.is_lock() && actor.has_lock_under_way(open) {
        return;
    }
    if let Operation::Close { open } = operation {
        actor.opens.remove(&open);
    }
    let request = request(&operation, file_id);
    actor.ask(operation, request);
}

fn open_file(actor: &mut Actor, random: &mut Random) {
    let (mut operation, mut request) = open(random);
    if actor.profile == Profile::Trees
        && let Operation::Open { name, .. } = &mut operation
    {
        *name = trees::name_below(name, random);
        request.name = name.as_str().into();
    }
    if actor.profile >= Profile::Durable && random.once_in(2) {
        let client = actor.client + usize::from(random.once_in(4));
        take_own_name(&mut operation, &mut request, client);
    }
    if actor.profile >= Profile::Leases && random.once_in(2) {
        ask_for_lease(actor, &mut operation, &mut request, random);
    }
    if actor.profile >= Profile::Durable && random.once_in(2) {
        ask_for_durability(actor, &mut operation, &mut request, random);
    }
    actor.ask(operation, request.into());
}

/// Opens a file that one client wants more than others, so that what it caches is not always broken.
fn take_own_name(operation: &mut Operation, request: &mut CreateRequest, client: usize) {
    if let Operation::Open { name, .. } = operation {
        *name = format!("of {client}");
        request.name = name.as_str().into();
    }
}

/// Asks for a lease besides, of a new key or of one that the client has had for the name.
fn ask_for_lease(
    actor: &mut Actor,
    operation: &mut Operation,
    request: &mut CreateRequest,
    random: &mut Random,
) {
    let mut context = actor.caches.new_lease(random);
    let Operation::Open { name, lease, .. } = operation else {
        return;
    };
    if actor.profile >= Profile::Durable
        && random.once_in(3)
        && let Some(key) = actor.caches.key_for(name)
    {
        context.lease_key = key;
    }
    if actor.profile >= Profile::Folders
        && random.once_in(2)
        && let Some(v2) = &mut context.v2
    {
        let own = trees::folder_of(name).and_then(|folder| actor.caches.key_for(folder));
        v2.parent_lease_key = own.unwrap_or(Caches::root_key(actor.client));
        context.lease_flags = LeaseFlags::PARENT_LEASE_KEY_SET;
    }
    actor.caches.name_key(context.lease_key, name);
    *lease = leasing(&context, actor.dialect());
    request.requested_oplock_level = OplockLevel::LEASE;
    request.contexts = vec![CreateContext::RequestLease(context)].into();
}

/// The lease as servers of this dialect understand it; none if they do not.
fn leasing(context: &LeaseContext, dialect: Dialect) -> Option<Leasing> {
    let has_parent = context
        .lease_flags
        .contains(LeaseFlags::PARENT_LEASE_KEY_SET);
    let parent = context.v2.filter(|_| has_parent);
    let least = if context.v2.is_some() {
        Dialect::SMB_3_0
    } else {
        Dialect::SMB_2_1
    };
    (dialect.0 >= least.0).then(|| Leasing {
        key: u128::from_be_bytes(context.lease_key.0),
        parent: parent.map(|v2| u128::from_be_bytes(v2.parent_lease_key.0)),
        is_v2: context.v2.is_some(),
    })
}

/// Asks for a durable open besides; with a batch oplock, unless there is a lease.
fn ask_for_durability(
    actor: &Actor,
    operation: &mut Operation,
    request: &mut CreateRequest,
    random: &mut Random,
) {
    let Operation::Open {
        create_guid,
        persistent,
        user,
        ..
    } = operation
    else {
        return;
    };
    *user = actor.user();
    let is_shareable = actor.profile == Profile::Persistent && random.once_in(2);
    if request.requested_oplock_level != OplockLevel::LEASE && !is_shareable {
        request.requested_oplock_level = OplockLevel::BATCH;
    }
    let wants_v2 = match actor.profile {
        Profile::Persistent => !random.once_in(6),
        _ => random.once_in(2),
    };
    let is_v2 = wants_v2 && actor.dialect().0 >= Dialect::SMB_3_0.0;
    let context = if is_v2 {
        let guid = u128::from(random.number());
        *create_guid = Some(guid);
        *persistent = actor.profile == Profile::Persistent && !random.once_in(4);
        CreateContext::DurableHandleRequestV2 {
            timeout_ms: *random.pick(&[0, 10_000]),
            flags: flags(*persistent),
            create_guid: Guid(guid.to_be_bytes()),
        }
    } else {
        CreateContext::DurableHandleRequest
    };
    request.contexts = with(&request.contexts, context);
}

fn flags(is_persistent: bool) -> DurableHandleFlags {
    if is_persistent {
        DurableHandleFlags::PERSISTENT
    } else {
        DurableHandleFlags::NONE
    }
}

/// Has an open kept, mostly for some seconds; in vain for longer than servers like, or in the first dialect.
fn make_resilient(actor: &Actor, open: u64, random: &mut Random) -> Operation {
    let seconds = *random.pick(&[0, 5, 10, 20, 20, 301]);
    Operation::MakeResilient {
        open,
        timeout: Duration::from_secs(seconds),
        user: actor.user(),
        is_known: actor.dialect() != Dialect::SMB_2_0_2,
    }
}

/// Asks for an open back, mostly rightly.
fn reconnect(actor: &mut Actor, handle: &Handle, random: &mut Random) {
    let Operation::Open {
        name,
        lease,
        create_guid,
        persistent,
        ..
    } = &handle.operation
    else {
        return;
    };
    let (mut name, mut lease, mut create_guid) = (name.clone(), *lease, *create_guid);
    let mut persistent = *persistent;
    match random.below(24) {
        0 => name = random.pick(&NAMES).to_string(),
        1 => {
            lease = Some(Leasing {
                key: random.below(8) as u128,
                parent: None,
                is_v2: random.once_in(2),
            });
        }
        2 => lease = None,
        3 => create_guid = create_guid.map(|guid| guid + 1),
        4 => create_guid = Some(7),
        5 => create_guid = None,
        6 if actor.profile == Profile::Persistent => persistent = !persistent,
        _ => {}
    }
    create_guid = create_guid.filter(|_| actor.dialect().0 >= Dialect::SMB_3_0.0);
    let file_id = handle.file_id;
    let context = match create_guid {
        Some(guid) => CreateContext::DurableHandleReconnectV2 {
            file_id,
            create_guid: Guid(guid.to_be_bytes()),
            flags: flags(persistent),
        },
        None => CreateContext::DurableHandleReconnect { file_id },
    };
    let mut request = requests::open(&name);
    request.contexts = vec![context].into();
    if let Some(lease) = lease {
        request.requested_oplock_level = OplockLevel::LEASE;
        let context = lease_context(lease, LeaseState::READ_CACHING);
        request.contexts = with(&request.contexts, CreateContext::RequestLease(context));
    }
    let operation = Operation::Reconnect {
        open: file_id.persistent,
        name,
        lease,
        create_guid,
        persistent,
        user: actor.user(),
    };
    actor.ask(operation, request.into());
}

/// Watches the root, or asks to cache what is in it, or gives that up.
fn look_at_root(actor: &mut Actor, random: &mut Random) {
    let is_watch = |asked: &Asked| matches!(asked.operation, Operation::Watch { .. });
    match random.below(4) {
        0 | 1 => {
            let Some(root) = actor.root() else { return };
            if !actor.asked.values().any(is_watch) {
                let room = *random.pick(&[4096, 4096, 4096, 64, 20]);
                let folders = actor.profile == Profile::Trees;
                let operation = Operation::Watch { room, folders };
                let request = request(&operation, root);
                actor.ask(operation, request);
            }
        }
        2 if actor.dialect().0 >= Dialect::SMB_3_0.0 => {
            let lease = Leasing {
                key: u128::from_be_bytes(Caches::root_key(actor.client).0),
                parent: None,
                is_v2: true,
            };
            let state = LeaseState::READ_CACHING | LeaseState::HANDLE_CACHING;
            let context = lease_context(lease, state);
            let mut request = requests::open_directory("");
            request.requested_oplock_level = OplockLevel::LEASE;
            request.contexts = vec![CreateContext::RequestLease(context)].into();
            actor.ask(Operation::OpenRoot { lease }, request.into());
        }
        _ => {
            if let Some((open, file_id)) = actor.roots.pop_first() {
                let operation = Operation::Close { open };
                let request = request(&operation, file_id);
                actor.ask(operation, request);
            }
        }
    }
}

fn lease_context(lease: Leasing, lease_state: LeaseState) -> LeaseContext {
    LeaseContext {
        lease_key: LeaseKey(lease.key.to_be_bytes()),
        lease_state,
        lease_flags: LeaseFlags::NONE,
        v2: lease.is_v2.then_some(no_parent()),
    }
}

/// What version 2 of a lease adds, where the client names no lease on the folder above.
pub fn no_parent() -> LeaseContextV2 {
    LeaseContextV2 {
        parent_lease_key: LeaseKey([0; 16]),
        epoch: 0,
    }
}

fn with(contexts: &CreateContexts, further: CreateContext) -> CreateContexts {
    contexts.iter().cloned().chain([further]).collect()
}

fn open(random: &mut Random) -> (Operation, CreateRequest) {
    let mut often = |times: usize| !random.once_in(times);
    let mut access = Access {
        read: often(3),
        write: often(3),
        delete: !often(3),
    };
    let sharing = Sharing {
        read: often(5),
        write: often(5),
        delete: often(4),
    };
    let delete_on_close = random.once_in(10);
    access.delete |= delete_on_close;
    let disposition = *random.pick(&[
        Disposition::Open,
        Disposition::Create,
        Disposition::OpenIf,
        Disposition::OpenIf,
        Disposition::OpenIf,
        Disposition::Overwrite,
        Disposition::OverwriteIf,
        Disposition::Supersede,
    ]);
    let name = random.pick(&NAMES).to_string();
    let request = CreateRequest {
        requested_oplock_level: *random.pick(&[
            OplockLevel::NONE,
            OplockLevel::NONE,
            OplockLevel::II,
            OplockLevel::EXCLUSIVE,
            OplockLevel::BATCH,
        ]),
        desired_access: access_mask(access),
        share_access: share_access(sharing),
        create_disposition: create_disposition(disposition),
        create_options: if delete_on_close {
            CreateOptions::NON_DIRECTORY_FILE | CreateOptions::DELETE_ON_CLOSE
        } else {
            CreateOptions::NON_DIRECTORY_FILE
        },
        ..requests::open(&name)
    };
    let operation = Operation::Open {
        name,
        kind: Kind::File,
        access,
        sharing,
        disposition,
        delete_on_close,
        lease: None,
        create_guid: None,
        persistent: false,
        user: USER,
    };
    (operation, request)
}

fn on_open(open: u64, random: &mut Random) -> Operation {
    let offset = random.below(40) as u64;
    let length = 1 + random.below(20) as u64;
    match random.below(14) {
        0 | 1 => Operation::Read {
            open,
            offset,
            length: 1 + u32::try_from(random.below(30)).unwrap_or(0),
        },
        2 | 3 => {
            let mut data = vec![0; 1 + random.below(20)];
            random.fill(&mut data);
            Operation::Write { open, offset, data }
        }
        4 => Operation::SetEndOfFile {
            open,
            length: offset,
        },
        5 => Operation::SetDisposition {
            open,
            delete: !random.once_in(3),
        },
        6 => Operation::Rename {
            open,
            target: random.pick(&NAMES).to_string(),
            replace: random.once_in(2),
        },
        7 => Operation::Query { open },
        8..=10 => Operation::Lock {
            open,
            offset,
            length,
            exclusive: random.once_in(2),
            wait: random.once_in(2),
        },
        11 => Operation::Unlock {
            open,
            offset,
            length,
        },
        _ => Operation::Close { open },
    }
}

/// The names that all clients use.
pub const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

const MOST_OPENS: usize = 6;
const LIST_ROOM: u32 = 65_536;
