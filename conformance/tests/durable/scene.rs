//! A server whose clients come and go, and what they ask of it.

use std::sync::Arc;
use std::time::Duration;

use conformance::client::{Offer, Reply, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::{Virtual, world, world::OTHER_USER};
use server::Server;
use wire::create::{CreateContext, DurableHandleFlags, LeaseContext, LeaseFlags, LeaseState};
use wire::dtyp::Guid;
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::{
    CreateRequest, CreateResponse, Dialect, FileId, LeaseKey, LockRequest, NtStatus, OplockLevel,
    Request,
};

pub const GUID: Guid = Guid(*b"create, the 1st!");

/// A server whose clients come and go.
pub struct Scene {
    pub server: Arc<Server>,
    pub environment: Virtual,
}

impl Scene {
    pub fn new() -> Self {
        let (server, environment) = world::build(3, |memory, _| Arc::new(memory));
        Self {
            server,
            environment,
        }
    }

    pub fn client(&self, number: u8) -> Rig {
        self.client_of_dialect(number, Dialect::SMB_3_1_1)
    }

    pub fn client_of_dialect(&self, number: u8, dialect: Dialect) -> Rig {
        let offer = Offer {
            client_guid: Guid([number; 16]),
            ..Offer::dialect(dialect)
        };
        let mut rig = Rig::connect(&self.server, &self.environment, offer);
        rig.log_on();
        rig
    }

    /// The same client, at which somebody else has logged on.
    pub fn client_of_another_user(&self, number: u8) -> Rig {
        let offer = Offer {
            client_guid: Guid([number; 16]),
            ..Offer::dialect(Dialect::SMB_3_1_1)
        };
        let mut rig = Rig::connect(&self.server, &self.environment, offer);
        rig.log_on_as(OTHER_USER);
        rig
    }

    /// Lets time pass step by step, as much as asked for.
    pub fn pass(&self, time: Duration) {
        let end = self.environment.elapsed() + time;
        while self.environment.elapsed() < end {
            self.environment.advance(end - self.environment.elapsed());
            self.environment.run();
        }
    }

    pub fn cut(&self, mut rig: Rig) {
        rig.end.close(None);
        self.environment.run();
    }
}

pub fn send(rig: &mut Rig, request: impl Into<Request>) -> Reply {
    let request = rig.client.prepare(rig.scope, request.into());
    rig.ask(&request)
}

pub fn status(rig: &mut Rig, request: impl Into<Request>) -> NtStatus {
    send(rig, request).status()
}

pub fn opened(reply: &Reply) -> CreateResponse {
    assert_eq!(reply.status(), NtStatus::SUCCESS);
    reply.body().expect("a CREATE response")
}

/// Opens or creates a file with a batch oplock, durably.
pub fn durable(name: &str) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        contexts: vec![CreateContext::DurableHandleRequestV2 {
            timeout_ms: 0,
            flags: DurableHandleFlags::NONE,
            create_guid: GUID,
        }]
        .into(),
        ..requests::open_or_create(name)
    }
}

pub fn reconnecting(file_id: FileId, create_guid: Guid) -> CreateRequest {
    CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnectV2 {
            file_id,
            create_guid,
            flags: DurableHandleFlags::NONE,
        }]
        .into(),
        ..requests::open("whatever")
    }
}

pub const RH: LeaseState = LeaseState::READ_CACHING.with(LeaseState::HANDLE_CACHING);
pub const RWH: LeaseState = RH.with(LeaseState::WRITE_CACHING);

pub fn with_lease(request: CreateRequest, key: u8) -> CreateRequest {
    with_lease_state(request, key, RH)
}

pub fn with_lease_state(request: CreateRequest, key: u8, lease_state: LeaseState) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey([key; 16]),
        lease_state,
        lease_flags: LeaseFlags::NONE,
        v2: None,
    };
    let mut contexts: Vec<_> = request.contexts.iter().cloned().collect();
    contexts.push(CreateContext::RequestLease(lease));
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: contexts.into(),
        ..request
    }
}

pub fn locking(file_id: FileId, sequence: LockSequence) -> LockRequest {
    LockRequest {
        lock_sequence: sequence,
        file_id,
        locks: vec![LockElement {
            offset: 0,
            length: 1,
            flags: LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
        }],
    }
}
