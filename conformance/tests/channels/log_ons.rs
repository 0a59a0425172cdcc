//! Who a session's log-ons make of it, and what it may do as that.

use std::sync::Arc;

use auth::{AcceptFacts, AuthError, Identity, LogonKind, Mechanism, Step};
use conformance::client::{Logon, LogonStep, Offer, Protection, requests};
use conformance::fuzz::rig::Rig;
use server::{Server, Settings};
use wire::create::CreateContext;
use wire::dtyp::{FileTime, Guid};
use wire::lock::LockFlags;
use wire::{CreateRequest, CreateResponse, Dialect, NtStatus, OplockLevel};

use super::{alice, ask, channel, client, connection, cut, status};

// test [MS-SMB2] 3.3.5.5.3
// test [MS-SMB2] 3.3.7.1
#[test]
fn a_client_speaks_one_dialect_on_all_its_connections() {
    let mut first = client();
    for (dialect, guid, expected) in [
        (Dialect::SMB_3_0, None, NtStatus::USER_SESSION_DELETED),
        (Dialect::SMB_2_1, None, NtStatus::USER_SESSION_DELETED),
        (Dialect::SMB_3_1_1, None, NtStatus::SUCCESS),
        (Dialect::SMB_2_0_2, None, NtStatus::SUCCESS),
        (Dialect::SMB_3_0, Some(Guid([7; 16])), NtStatus::SUCCESS),
    ] {
        let mut offer = Offer::dialect(dialect);
        offer.client_guid = guid.unwrap_or(offer.client_guid);
        let mut other = connection(&first, offer);
        assert_eq!(log_on(&mut other), expected, "{dialect:?}");
        let refused = usize::from(expected != NtStatus::SUCCESS);
        assert_eq!(first.server.sessions().len() + refused, 2);
        cut(other);
    }
    assert_eq!(
        status(&mut first, requests::open("file")),
        NtStatus::SUCCESS
    );
    let mut other = connection(&first, Offer::dialect(Dialect::SMB_3_0));
    cut(first);
    assert_eq!(log_on(&mut other), NtStatus::SUCCESS);
    other.finish();
}

/// How a log-on ends.
fn log_on(rig: &mut Rig) -> NtStatus {
    let negotiate = rig.client.negotiate();
    rig.ask(&negotiate);
    let mut logon = Logon::ntlm(alice(), [4; 32], FileTime(0));
    let mut request = logon.start(&mut rig.client);
    loop {
        let reply = rig.ask(&request);
        match logon.step(&mut rig.client, &reply) {
            LogonStep::Send(next) => request = next,
            _ => return reply.status(),
        }
    }
}

// test [MS-SMB2] 3.3.5.2.9
#[test]
fn a_session_expires_when_its_mechanism_says_so_and_goes_on_when_it_is_renewed() {
    let mut first = client();
    let open = first.opens[0];
    let mut second = channel(&first);
    change_log_ons(&first.server, |identity| {
        identity.expires = Some(FileTime(u64::MAX));
    });
    reauthenticate(&mut first);
    change_log_ons(&first.server, |identity| {
        identity.expires = Some(FileTime(0));
    });
    reauthenticate(&mut second);
    for rig in [&mut first, &mut second] {
        let expired = status(rig, requests::read(open, 0, 1));
        assert_eq!(expired, NtStatus::NETWORK_SESSION_EXPIRED);
    }
    let mut third = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let refused = third.bind(&first, alice()).expect("a refusal");
    assert_eq!(refused.status(), NtStatus::NETWORK_SESSION_EXPIRED);
    for (flags, expected) in [
        (LockFlags::EXCLUSIVE_LOCK, NtStatus::NETWORK_SESSION_EXPIRED),
        (LockFlags::UNLOCK, NtStatus::RANGE_NOT_LOCKED),
    ] {
        assert_eq!(
            status(&mut first, requests::lock(open, 0, 1, flags)),
            expected
        );
    }
    assert_eq!(status(&mut first, requests::close(open)), NtStatus::SUCCESS);
    change_log_ons(&first.server, |identity| identity.expires = None);
    reauthenticate(&mut first);
    let opened = status(&mut second, requests::open("file"));
    assert_eq!(opened, NtStatus::SUCCESS);
}

// test [MS-SMB2] 3.3.5.9.7
#[test]
fn a_session_takes_up_only_opens_of_whom_it_has_become() {
    let mut first = client();
    let create = CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        contexts: vec![CreateContext::DurableHandleRequest].into(),
        ..requests::open_or_create("kept")
    };
    let created: CreateResponse = ask(&mut first, create).body().expect("a CREATE response");
    let reconnect = CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnect {
            file_id: created.file_id,
        }]
        .into(),
        ..requests::open("kept")
    };
    let mut again = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let server = first.server.clone();
    again.log_on();
    cut(first);
    for (kind, expected) in [
        (LogonKind::Guest, NtStatus::ACCESS_DENIED),
        (LogonKind::User, NtStatus::SUCCESS),
    ] {
        match kind {
            LogonKind::Guest => change_log_ons(&server, |it| it.kind = LogonKind::Guest),
            _ => change_log_ons(&server, |it| it.kind = LogonKind::User),
        }
        reauthenticate(&mut again);
        assert_eq!(status(&mut again, reconnect.clone()), expected);
        assert_eq!(server.open_count(), 1);
    }
    cut(again);
}

// test [MS-SMB2] 3.3.5.9.7
#[test]
fn guests_are_told_apart_by_their_clients() {
    let first = Rig::new(Dialect::SMB_3_1_1);
    change_log_ons(&first.server, |it| it.kind = LogonKind::Guest);
    change_settings(&first.server, |settings| {
        let shares = settings.shares.iter();
        let open_to_guests = shares.map(|share| {
            let mut config = share.settings.clone();
            config.guest = true;
            Arc::new(share.with_settings(config))
        });
        settings.shares = open_to_guests.collect();
    });
    let guest = |number| {
        let offer = Offer {
            client_guid: Guid([number; 16]),
            ..Offer::dialect(Dialect::SMB_3_1_1)
        };
        let mut rig = connection(&first, offer);
        rig.log_on();
        rig
    };
    let create = CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        contexts: vec![CreateContext::DurableHandleRequest].into(),
        ..requests::open_or_create("kept")
    };
    let mut one = guest(1);
    let created: CreateResponse = ask(&mut one, create).body().expect("a CREATE response");
    cut(one);
    let reconnect = CreateRequest {
        contexts: vec![CreateContext::DurableHandleReconnect {
            file_id: created.file_id,
        }]
        .into(),
        ..requests::open("kept")
    };
    for (number, expected) in [(2, NtStatus::ACCESS_DENIED), (1, NtStatus::SUCCESS)] {
        let mut rig = guest(number);
        assert_eq!(status(&mut rig, reconnect.clone()), expected);
        cut(rig);
    }
}

fn reauthenticate(rig: &mut Rig) {
    let logon = Logon::ntlm(alice(), [5; 32], FileTime(0));
    let mut logon = logon.again(rig.scope.session);
    let mut request = logon.start(&mut rig.client);
    loop {
        let reply = rig.ask(&request.protected(Protection::Signed));
        match logon.step(&mut rig.client, &reply) {
            LogonStep::Send(next) => request = next,
            LogonStep::Done(_) => return,
            other => panic!("not renewed: {other:?}"),
        }
    }
}

/// Has every log-on from now on succeed as the identity that `change` makes of it.
pub fn change_log_ons(server: &Server, change: fn(&mut Identity)) {
    change_settings(server, |settings| {
        let inner = settings.mechanism.clone();
        settings.mechanism = Arc::new(Changed { inner, change });
    });
}

pub fn change_settings(server: &Server, change: impl FnOnce(&mut Settings)) {
    let now = server.settings();
    let mut settings = Settings {
        configuration: now.configuration.clone(),
        shares: now.shares.clone(),
        mechanism: now.mechanism.clone(),
        negotiate_token: now.negotiate_token.clone(),
    };
    change(&mut settings);
    server.reload(settings);
}

/// A mechanism whose log-ons end otherwise.
struct Changed {
    inner: Arc<dyn Mechanism>,
    change: fn(&mut Identity),
}

impl Mechanism for Changed {
    fn oid(&self) -> auth::Oid {
        self.inner.oid()
    }

    fn start(&self, facts: &AcceptFacts) -> Box<dyn auth::Context> {
        Box::new(ChangedLogOn {
            inner: self.inner.start(facts),
            change: self.change,
        })
    }
}

struct ChangedLogOn {
    inner: Box<dyn auth::Context>,
    change: fn(&mut Identity),
}

impl auth::Context for ChangedLogOn {
    fn step(&mut self, token: &[u8], now: FileTime) -> Result<Step, AuthError> {
        let mut step = self.inner.step(token, now)?;
        if let Step::Done { identity, .. } = &mut step {
            (self.change)(identity);
        }
        Ok(step)
    }

    fn mic(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.inner.mic(message)
    }

    fn verify_mic(&self, message: &[u8], mic: &[u8]) -> bool {
        self.inner.verify_mic(message, mic)
    }
}
