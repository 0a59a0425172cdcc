//! A server that can be killed and started again, and what its clients ask of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance::fuzz::rig::Rig;
use conformance::sim::Virtual;
use conformance::sim::world::{Estate, accounts};
use server::Environment;
use server::persistence::{self, Restored};
use wire::create::{
    CreateContext, CreateOptions, CreateResponseContext, DurableHandleFlags, LeaseContext,
    LeaseContextV2, LeaseFlags, LeaseState,
};
use wire::{CreateRequest, CreateResponse, FileId, LeaseKey, OplockLevel};

use crate::scene::*;

pub const PERSISTENT: DurableHandleFlags = DurableHandleFlags::PERSISTENT;

/// A server, and what outlives it.
pub struct World {
    pub scene: Scene,
    pub estate: Estate,
}

impl World {
    pub fn new() -> Self {
        let environment = Virtual::new(3);
        let estate = Estate::new(&environment);
        let server = estate.server(&environment);
        let scene = Scene {
            server,
            environment,
        };
        Self { scene, estate }
    }

    pub fn client(&self, number: u8) -> Rig {
        self.scene.client(number)
    }

    /// The server is killed, and some time later there is another one, which restores what it can.
    pub fn killed(self, down: Duration) -> (Self, Restored) {
        let world = self.without_server(down);
        let server = world.scene.server.clone();
        let records = world.estate.records.all();
        let restored = run(&world.scene.environment, async move {
            persistence::restore(&server, &accounts(), &records).await
        });
        (world, restored)
    }

    /// The same, but nothing is restored.
    pub fn without_server(self, down: Duration) -> Self {
        let environment = Virtual::new(4);
        environment.advance(self.scene.environment.elapsed() + down);
        let server = self.estate.server(&environment);
        let scene = Scene {
            server,
            environment,
        };
        Self { scene, ..self }
    }

    /// The server is killed, and the next one knows nothing of the records, which are given back.
    pub fn without_records(self) -> (Self, Estate) {
        let Self { scene, estate } = self.without_server(Duration::ZERO);
        let unknowing = Estate {
            volume: estate.volume.clone(),
            records: Arc::default(),
            permissions: None,
            disconnected_opens_per_user: 8,
        };
        let unknowing = Self {
            scene,
            estate: unknowing,
        };
        (unknowing, estate)
    }
}

/// Runs something to its end.
pub fn run<T: Send + 'static>(
    environment: &Virtual,
    task: impl Future<Output = T> + Send + 'static,
) -> T {
    let result = Arc::new(Mutex::new(None));
    let slot = result.clone();
    environment.spawn(Box::pin(async move {
        let done = task.await;
        *slot.lock().expect("one thread") = Some(done);
    }));
    environment.run();
    let done = result.lock().expect("one thread").take();
    done.expect("it waits for nothing")
}

/// Opens or creates a file with a batch oplock, persistently.
pub fn persistent(name: &str) -> CreateRequest {
    let request = CreateContext::DurableHandleRequestV2 {
        timeout_ms: 0,
        flags: PERSISTENT,
        create_guid: GUID,
    };
    CreateRequest {
        contexts: vec![request].into(),
        ..durable(name)
    }
}

/// Opens a file persistently that goes when the open does.
pub fn deleting(name: &str) -> CreateRequest {
    CreateRequest {
        create_options: CreateOptions::DELETE_ON_CLOSE,
        ..persistent(name)
    }
}

/// Wants a persistent open back.
pub fn returning(name: &str, file_id: FileId) -> CreateRequest {
    let reconnect = CreateContext::DurableHandleReconnectV2 {
        file_id,
        create_guid: GUID,
        flags: PERSISTENT,
    };
    CreateRequest {
        name: name.into(),
        contexts: vec![reconnect].into(),
        ..reconnecting(file_id, GUID)
    }
}

/// A request with a lease of version 2 besides.
pub fn with_lease_v2(
    request: CreateRequest,
    key: u8,
    lease_state: LeaseState,
    epoch: u16,
) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey([key; 16]),
        lease_state,
        lease_flags: LeaseFlags::NONE,
        v2: Some(LeaseContextV2 {
            parent_lease_key: LeaseKey::default(),
            epoch,
        }),
    };
    let mut contexts: Vec<_> = request.contexts.iter().cloned().collect();
    contexts.push(CreateContext::RequestLease(lease));
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: contexts.into(),
        ..request
    }
}

/// The flags of the durable open that a client is told of, and its lease's state and epoch.
pub fn granted(
    response: &CreateResponse,
) -> (Option<DurableHandleFlags>, Option<(LeaseState, u16)>) {
    let flags = response.contexts.iter().find_map(|each| match each {
        CreateResponseContext::DurableHandleV2 { flags, .. } => Some(*flags),
        _ => None,
    });
    let lease = response.contexts.iter().find_map(|each| match each {
        CreateResponseContext::Lease(lease) => Some((lease.lease_state, lease.v2?.epoch)),
        _ => None,
    });
    (flags, lease)
}
