//! What simulated clients do with folders: make, rename and delete them, put files below them, and close these where
//! they are in the way.

use wire::create::{CreateContext, CreateOptions};
use wire::{CreateRequest, Dialect, LeaseKey, OplockBreakAcknowledgment, OplockLevel};

use super::actor::Actor;
use super::random::Random;
use super::script::NAMES;
use super::translation::{access_mask, create_disposition, request, share_access};
use crate::client::requests;
use crate::model::{Access, Disposition, Kind, Leasing, Operation, Sharing};

/// Opens a folder, or does something with one that is open.
pub fn act(actor: &mut Actor, random: &mut Random) {
    let known = actor.folders.iter();
    let known: Vec<_> = known.map(|(id, file_id)| (*id, *file_id)).collect();
    if known.is_empty() || known.len() < MOST_OPENS && random.once_in(3) {
        open(actor, random);
        return;
    }
    let (open, file_id) = *random.pick(&known);
    let operation = match random.below(10) {
        0..6 if actor.may_move_folders => Operation::Rename {
            open,
            target: random.pick(&FOLDERS).to_string(),
            replace: random.once_in(3),
        },
        6 => Operation::SetDisposition {
            open,
            delete: !random.once_in(4),
        },
        _ => Operation::Close { open },
    };
    if let Operation::Close { open } = operation {
        actor.folders.remove(&open);
    }
    let request = request(&operation, file_id);
    actor.ask(operation, request);
}

impl Actor {
    /// Whether it has asked for a folder to be renamed, and has no answer.
    pub(super) fn moves_folder(&self) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| match &asked.operation {
            Operation::Rename { target, .. } => FOLDERS.contains(&target.as_str()),
            _ => false,
        })
    }

    /// Closes what is to be given up instead of saying so; false if the client does not know that it can.
    pub(super) fn close_broken(&mut self, broken: &OplockBreakAcknowledgment) -> bool {
        let is_leased = |create: &Operation, key: LeaseKey| {
            let lease = create.lease();
            lease.is_some_and(|lease| lease.key == u128::from_be_bytes(key.0))
        };
        let opens: Vec<_> = match broken {
            OplockBreakAcknowledgment::Oplock(kept) => vec![kept.file_id.persistent],
            OplockBreakAcknowledgment::Lease(kept) => {
                let creates = self.creates.iter();
                let shared = creates.filter(|(_, create)| is_leased(create, kept.lease_key));
                shared.map(|(open, _)| *open).collect()
            }
        };
        let known = opens.iter().filter_map(|open| self.opens.remove(open));
        let known: Vec<_> = known.collect();
        for file_id in &known {
            let open = file_id.persistent;
            self.creates.remove(&open);
            self.ask(Operation::Close { open }, requests::close(*file_id).into());
        }
        !known.is_empty()
    }
}

/// Puts every second name into one of the folders.
pub fn name_below(name: &str, random: &mut Random) -> String {
    if random.once_in(2) {
        return name.to_owned();
    }
    format!("{}\\{}", random.pick(&FOLDERS), random.pick(&NAMES[..2]))
}

/// The folder that a name is in.
pub fn folder_of(name: &str) -> Option<&str> {
    name.rsplit_once('\\').map(|(folder, _)| folder)
}

fn open(actor: &mut Actor, random: &mut Random) {
    let access = Access {
        read: random.once_in(3),
        write: random.once_in(8),
        delete: !random.once_in(3),
    };
    let sharing = Sharing {
        read: !random.once_in(12),
        write: !random.once_in(12),
        delete: !random.once_in(12),
    };
    let disposition = *random.pick(&[
        Disposition::Open,
        Disposition::OpenIf,
        Disposition::OpenIf,
        Disposition::Create,
    ]);
    let name = random.pick(&FOLDERS).to_string();
    let mut request = CreateRequest {
        desired_access: access_mask(access),
        share_access: share_access(sharing),
        create_disposition: create_disposition(disposition),
        create_options: CreateOptions::DIRECTORY_FILE,
        ..requests::open_directory(&name)
    };
    let has_leases = actor.dialect().0 >= Dialect::SMB_3_0.0;
    let lease = (has_leases && random.once_in(2)).then(|| {
        let mut context = actor.caches.new_lease(random);
        let own = actor.caches.key_for(&name).filter(|_| random.once_in(2));
        context.lease_key = own.unwrap_or(context.lease_key);
        actor.caches.name_key(context.lease_key, &name);
        let lease = Leasing {
            key: u128::from_be_bytes(context.lease_key.0),
            parent: None,
            is_v2: true,
        };
        context.v2 = Some(super::script::no_parent());
        request.requested_oplock_level = OplockLevel::LEASE;
        request.contexts = vec![CreateContext::RequestLease(context)].into();
        lease
    });
    let operation = Operation::Open {
        name,
        kind: Kind::Folder,
        access,
        sharing,
        disposition,
        delete_on_close: false,
        lease,
        create_guid: None,
        persistent: false,
        user: actor.user(),
    };
    actor.ask(operation, request.into());
}

/// The names of folders that all clients use.
const FOLDERS: [&str; 3] = ["left", "right", "middle"];

/// How many folders a client has open at most.
const MOST_OPENS: usize = 3;
