//! Two clients of one server in virtual time, and the requests that are about caching.

use std::sync::Arc;
use std::time::Duration;

use auth::client::Credentials;
use bytes::BytesMut;
use config::Configuration;
use conformance::client::{Offer, Outgoing, Reply, requests};
use conformance::fuzz::rig::Rig;
use conformance::sim::{Virtual, world};
use server::{Environment, Server, Settings};
use share_handlers::wrappers::faulty::{Fault, Faults, Faulty};
use wire::create::{
    CreateContext, CreateDisposition, CreateResponseContext, LeaseContext, LeaseContextV2,
    LeaseFlags, LeaseState,
};
use wire::dtyp::Guid;
use wire::oplock_break::{LeaseBreak, LeaseBreakNotification, OplockBreak};
use wire::{
    CreateRequest, CreateResponse, Dialect, FileId, LeaseKey, NtStatus, OplockBreakAcknowledgment,
    OplockBreakNotification, OplockLevel, Request, Response,
};

pub const R: LeaseState = LeaseState::READ_CACHING;
pub const RH: LeaseState = R.with(LeaseState::HANDLE_CACHING);
pub const RWH: LeaseState = RH.with(LeaseState::WRITE_CACHING);

/// Two clients of one server whose handler takes a second for the calls named.
pub fn two_clients(slow: &'static [&'static str]) -> [Rig; 2] {
    two_clients_who_wait(Duration::from_secs(1), slow)
}

/// Two clients of one server whose handler takes so long for the calls named.
pub fn two_clients_who_wait(delay: Duration, slow: &'static [&'static str]) -> [Rig; 2] {
    let (server, environment) = world::build(7, |memory, environment| {
        let environment = environment.clone();
        let slow = Slow {
            environment,
            delay,
            calls: slow,
        };
        Faulty::over(Arc::new(memory), Arc::new(slow))
    });
    [1, 2].map(|number| client(&server, &environment, number))
}

/// The first client on a new connection, after its own is lost.
pub fn reconnected(mut first: Rig) -> Rig {
    first.end.close(None);
    first.environment.run();
    client(&first.server, &first.environment, 1)
}

/// A further channel of the first client's session.
pub fn channel(first: &Rig) -> Rig {
    let mut second = connection(&first.server, &first.environment, 1);
    let credentials = Credentials::password(world::USER, "", world::PASSWORD);
    assert!(second.bind(first, credentials).is_none());
    second
}

/// A further session of the first client.
pub fn second_session(first: &Rig) -> Rig {
    client(&first.server, &first.environment, 1)
}

/// What says to be the first client, where somebody else has logged on.
pub fn impostor(first: &Rig) -> Rig {
    let mut other = connection(&first.server, &first.environment, 1);
    other.log_on_as(world::OTHER_USER);
    other
}

/// Takes over settings that are like those in force but for what `change` does.
pub fn change_settings(server: &Server, change: impl FnOnce(&mut Configuration)) {
    let now = server.settings();
    let mut settings = Settings {
        configuration: now.configuration.clone(),
        shares: now.shares.clone(),
        mechanism: now.mechanism.clone(),
        negotiate_token: now.negotiate_token.clone(),
    };
    change(&mut settings.configuration);
    server.reload(settings);
}

/// A further client of the same server.
pub fn further_client(first: &Rig, number: u8) -> Rig {
    client(&first.server, &first.environment, number)
}

fn client(server: &Arc<Server>, environment: &Virtual, number: u8) -> Rig {
    let mut rig = connection(server, environment, number);
    rig.log_on();
    rig
}

fn connection(server: &Arc<Server>, environment: &Virtual, number: u8) -> Rig {
    let offer = Offer {
        client_guid: Guid([number; 16]),
        ..Offer::dialect(Dialect::SMB_3_1_1)
    };
    Rig::connect(server, environment, offer)
}

struct Slow {
    environment: Virtual,
    delay: Duration,
    calls: &'static [&'static str],
}

impl Faults for Slow {
    fn next(&self, call: &'static str) -> Fault {
        let is_slow = self.calls.contains(&call);
        let delay = is_slow.then(|| self.environment.sleep(self.delay));
        Fault {
            delay,
            ..Fault::default()
        }
    }
}

/// Sends a request and returns what has come back when the server rests.
pub fn send(rig: &mut Rig, request: impl Into<Request>) -> Vec<Reply> {
    let request = rig.client.prepare(rig.scope, request.into());
    send_all(rig, &[request])
}

pub fn send_all(rig: &mut Rig, requests: &[Outgoing]) -> Vec<Reply> {
    let mut frame = BytesMut::new();
    rig.client.encode(requests, &mut frame);
    rig.send(frame).expect("the connection stands")
}

/// What has come for a client meanwhile.
pub fn received(rig: &mut Rig) -> Vec<Reply> {
    rig.send_nothing().expect("the connection stands")
}

/// Lets time pass step by step, as much as asked for.
pub fn pass(rig: &Rig, time: Duration) {
    let end = rig.environment.elapsed() + time;
    while rig.environment.elapsed() < end {
        rig.environment.advance(end - rig.environment.elapsed());
        rig.environment.run();
    }
}

pub fn statuses(replies: &[Reply]) -> Vec<NtStatus> {
    replies.iter().map(Reply::status).collect()
}

pub fn with_oplock(request: CreateRequest, level: OplockLevel) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: level,
        ..request
    }
}

pub fn with_lease(request: CreateRequest, key: u8, state: LeaseState) -> CreateRequest {
    with_lease_below(request, key, state, None)
}

/// A lease whose holder has one on the folder too.
pub fn with_lease_below(
    request: CreateRequest,
    key: u8,
    state: LeaseState,
    parent: Option<u8>,
) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey([key; 16]),
        lease_state: state,
        lease_flags: match parent {
            Some(_) => LeaseFlags::PARENT_LEASE_KEY_SET,
            None => LeaseFlags::NONE,
        },
        v2: Some(LeaseContextV2 {
            parent_lease_key: LeaseKey([parent.unwrap_or_default(); 16]),
            epoch: 0,
        }),
    };
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: vec![CreateContext::RequestLease(lease)].into(),
        ..request
    }
}

pub fn overwriting(name: &str) -> CreateRequest {
    CreateRequest {
        create_disposition: CreateDisposition::OVERWRITE_IF,
        ..requests::open_or_create(name)
    }
}

pub fn opened(reply: &Reply) -> CreateResponse {
    assert_eq!(reply.status(), NtStatus::SUCCESS);
    reply.body().expect("a CREATE response")
}

/// The lease that an open got.
pub fn told_lease(reply: &Reply) -> LeaseContext {
    let lease = opened(reply)
        .contexts
        .into_iter()
        .find_map(|context| match context {
            CreateResponseContext::Lease(lease) => Some(lease),
            _ => None,
        });
    lease.expect("a lease")
}

/// The state of the lease that an open got.
pub fn granted_lease(reply: &Reply) -> LeaseState {
    told_lease(reply).lease_state
}

pub fn broken_oplock(reply: &Reply) -> OplockBreak {
    assert!(reply.is_notification());
    match reply.response() {
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Oplock(broken))) => broken,
        other => panic!("no break of an oplock: {other:?}"),
    }
}

pub fn broken_lease(reply: &Reply) -> LeaseBreakNotification {
    assert!(reply.is_notification());
    match reply.response() {
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Lease(broken))) => broken,
        other => panic!("no break of a lease: {other:?}"),
    }
}

pub fn keep_oplock(file_id: FileId, oplock_level: OplockLevel) -> OplockBreakAcknowledgment {
    OplockBreakAcknowledgment::Oplock(OplockBreak {
        oplock_level,
        file_id,
    })
}

pub fn keep_lease(key: u8, lease_state: LeaseState) -> OplockBreakAcknowledgment {
    OplockBreakAcknowledgment::Lease(LeaseBreak {
        lease_key: LeaseKey([key; 16]),
        lease_state,
    })
}

/// Nothing is left when all clients have gone.
pub fn finish(clients: [Rig; 2]) {
    let [mut first, second] = clients;
    first.end.close(None);
    second.finish();
}
