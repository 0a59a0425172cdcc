//! Sessions on several connections: who may bind them, what each channel is good for, and what the
//! loss of one leaves.

mod log_ons;

use std::sync::Arc;

use auth::AccountFile;
use auth::client::Credentials;
use bytes::BytesMut;
use conformance::client::{Logon, Offer, Outgoing, Protection, Received, Reply};
use conformance::client::{Related, requests};
use conformance::fuzz::rig::{Rig, leftovers};
use conformance::sim::world::{PASSWORD, USER};
use server::Environment;
use server::crypto::{Cipher, SigningAlgorithm};
use wire::dtyp::{FileTime, Guid};
use wire::negotiate::Capabilities;
use wire::oplock_break::OplockBreak;
use wire::{
    CreateRequest, CreateResponse, Dialect, EchoRequest, LogoffRequest, NtStatus,
    OplockBreakAcknowledgment, OplockLevel, Request, Response, SessionId,
};

use log_ons::{change_log_ons, change_settings};

/// A client with a session on one connection.
fn client() -> Rig {
    Rig::logged_on(Dialect::SMB_3_1_1)
}

/// A further connection of the same client.
fn connection(first: &Rig, offer: Offer) -> Rig {
    Rig::connect(&first.server, &first.environment, offer)
}

fn alice() -> Credentials {
    Credentials::password(USER, "", PASSWORD)
}

/// A second channel of the first one's session.
fn channel(first: &Rig) -> Rig {
    let mut second = connection(first, Offer::dialect(Dialect::SMB_3_1_1));
    let refused = second.bind(first, alice()).map(|reply| reply.status());
    assert_eq!(refused, None);
    second
}

fn prepare(rig: &mut Rig, request: impl Into<Request>) -> Outgoing {
    let request = rig.client.prepare(rig.scope, request.into());
    request.protected(Protection::Signed)
}

fn ask(rig: &mut Rig, request: impl Into<Request>) -> Reply {
    let request = prepare(rig, request);
    rig.ask(&request)
}

fn status(rig: &mut Rig, request: impl Into<Request>) -> NtStatus {
    ask(rig, request).status()
}

fn cut(mut rig: Rig) {
    rig.end.close(None);
    rig.environment.run();
}

fn channels(rig: &Rig) -> usize {
    let session = rig.server.session(rig.scope.session);
    session.map_or(0, |session| session.channels().len())
}

// test [MS-SMB2] 3.3.7.1
#[test]
fn a_session_outlives_all_its_connections_but_the_last() {
    let first = client();
    let (open, server) = (first.opens[0], first.server.clone());
    let mut second = channel(&first);
    let mut third = channel(&first);
    assert_eq!(channels(&first), 3);
    assert_eq!(
        status(&mut second, requests::write(open, 0, "x".into())),
        NtStatus::SUCCESS
    );
    cut(first);
    let read = ask(&mut third, requests::read(open, 0, 1));
    assert_eq!(
        (read.status(), read.received),
        (NtStatus::SUCCESS, Received::Signed)
    );
    let read = prepare(&mut second, requests::read(open, 0, 1));
    let sealed = second.ask(&read.protected(Protection::Sealed));
    assert_eq!(sealed.status(), NtStatus::SUCCESS);
    assert_eq!(sealed.received, Received::Sealed(second.scope.session));
    cut(second);
    assert_eq!(status(&mut third, requests::close(open)), NtStatus::SUCCESS);
    cut(third);
    assert_eq!(leftovers(&server), None);
}

/// A further connection of the same client, that knows the session without being its channel.
fn with_keys_of(first: &Rig) -> Rig {
    let mut other = connection(first, Offer::dialect(Dialect::SMB_3_1_1));
    let session = first.client.session(first.scope.session).expect("is there");
    other.client.insert_session(session.unbound());
    other.scope = first.scope;
    other
}

// test [MS-SMB2] 3.3.5.2.4
#[test]
fn each_channel_signs_with_a_key_of_its_own() {
    let mut first = client();
    let mut second = channel(&first);
    let own = second.client.remove_session(second.scope.session);
    let keys = first.client.session(first.scope.session).expect("is there");
    second.client.insert_session(keys.unbound());
    assert_eq!(
        status(&mut second, requests::open("file")),
        NtStatus::ACCESS_DENIED
    );
    second.client.insert_session(own.expect("was there"));
    assert_eq!(
        status(&mut second, requests::open("file")),
        NtStatus::SUCCESS
    );
    let reply = ask(&mut first, requests::open("file"));
    assert_eq!(reply.received, Received::Signed);
}

// test [MS-SMB2] 3.3.5.5
#[test]
fn a_connection_that_protects_messages_in_another_way_is_no_channel() {
    let mut first = client();
    let base = || Offer::dialect(Dialect::SMB_3_1_1);
    let cases = [
        (
            Offer::dialect(Dialect::SMB_2_1),
            NtStatus::REQUEST_OUT_OF_SEQUENCE,
        ),
        (
            Offer {
                signing_algorithms: vec![SigningAlgorithm::AesCmac],
                ..base()
            },
            NtStatus::REQUEST_OUT_OF_SEQUENCE,
        ),
        (
            Offer {
                ciphers: vec![Cipher::Aes128Ccm],
                ..base()
            },
            NtStatus::INVALID_PARAMETER,
        ),
    ];
    for (offer, expected) in cases {
        let mut other = connection(&first, offer);
        let refused = other.bind(&first, alice()).expect("a refusal");
        assert_eq!(refused.status(), expected);
    }
    assert_eq!(channels(&first), 1);
    assert_eq!(
        status(&mut first, requests::open("file")),
        NtStatus::SUCCESS
    );
}

// test [MS-SMB2] 3.3.5.5
#[test]
fn a_request_to_bind_must_be_signed_by_the_session_that_it_names() {
    let mut first = client();
    for (protection, expected) in [
        (Protection::Plain, NtStatus::INVALID_PARAMETER),
        (Protection::WronglySigned, NtStatus::ACCESS_DENIED),
    ] {
        let mut other = with_keys_of(&first);
        let reply = bind_with(&mut other, protection, first.scope.session);
        assert_eq!(reply.status(), expected);
        assert_eq!(reply.received, Received::Plain);
    }
    let mut other = with_keys_of(&first);
    let unknown = SessionId(first.scope.session.0 ^ 1);
    let reply = bind_with(&mut other, Protection::Plain, unknown);
    assert_eq!(reply.status(), NtStatus::USER_SESSION_DELETED);
    assert_eq!(channels(&first), 1);
    assert_eq!(
        status(&mut first, requests::open("file")),
        NtStatus::SUCCESS
    );
}

#[test]
fn a_thousand_bindings_with_a_wrong_key_cost_neither_the_session_nor_the_connection_anything() {
    let mut first = client();
    let mut other = with_keys_of(&first);
    let refused = bind_with(&mut other, Protection::WronglySigned, first.scope.session);
    assert_eq!(refused.status(), NtStatus::ACCESS_DENIED);
    for _ in 0..1_000 {
        let logon = Logon::ntlm(alice(), [3; 32], FileTime(0));
        let request = logon
            .binding(first.scope.session)
            .start(&mut other.client)
            .protected(Protection::WronglySigned);
        assert_eq!(other.ask(&request).status(), NtStatus::ACCESS_DENIED);
    }
    assert_eq!(channels(&first), 1);
    assert_eq!(
        status(&mut first, requests::open("file")),
        NtStatus::SUCCESS
    );
    let mut third = channel(&first);
    assert_eq!(
        status(&mut third, requests::open("file")),
        NtStatus::SUCCESS
    );
    let server = first.server.clone();
    for rig in [first, other, third] {
        cut(rig);
    }
    assert_eq!(leftovers(&server), None);
}

/// Sends the first request of a binding.
fn bind_with(rig: &mut Rig, protection: Protection, session: SessionId) -> Reply {
    let negotiate = rig.client.negotiate();
    rig.ask(&negotiate);
    let now = FileTime(0);
    let mut logon = Logon::ntlm(alice(), [3; 32], now).binding(session);
    let request = logon.start(&mut rig.client).protected(protection);
    rig.ask(&request)
}

// test [MS-SMB2] 3.3.5.5.3
#[test]
fn nobody_binds_the_session_of_another_and_failing_does_it_no_harm() {
    let mut first = client();
    let mut other = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let wrong = Credentials::password(USER, "", "wrong");
    let refused = other.bind(&first, wrong).expect("a refusal");
    assert_eq!(refused.status(), NtStatus::LOGON_FAILURE);
    assert_eq!(refused.received, Received::Signed);
    change_log_ons(&first.server, |identity| {
        "bob".clone_into(&mut identity.user);
    });
    let mut other = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let refused = other.bind(&first, alice()).expect("a refusal");
    assert_eq!(refused.status(), NtStatus::ACCESS_DENIED);
    assert_eq!(channels(&first), 1);
    assert_eq!(
        status(&mut other, requests::open("file")),
        NtStatus::USER_SESSION_DELETED
    );
    assert_eq!(
        status(&mut first, requests::open("file")),
        NtStatus::SUCCESS
    );
}

// test [MS-SMB2] 3.3.5.5
#[test]
fn a_channel_may_come_from_what_says_to_be_another_client() {
    let mut first = client();
    let offer = Offer {
        client_guid: Guid([7; 16]),
        ..Offer::dialect(Dialect::SMB_3_1_1)
    };
    let mut other = connection(&first, offer);
    assert!(other.bind(&first, alice()).is_none());
    assert_eq!(channels(&first), 2);
    for rig in [&mut first, &mut other] {
        assert_eq!(status(rig, requests::open("file")), NtStatus::SUCCESS);
    }
}

#[test]
fn encryption_for_one_session_vouches_for_no_other() {
    let first = client();
    let mut other = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    other.log_on();
    let session = first.client.session(first.scope.session).expect("is there");
    other.client.insert_session(session.unbound());
    let mut logon = Logon::ntlm(alice(), [3; 32], FileTime(0)).binding(session.id);
    let setup = logon.start(&mut other.client);
    let header = setup.header;
    let mut setup = setup.related(Related::ToTheOneBefore);
    setup.header.session_id = header.session_id;
    let echo = other.client.prepare(other.scope, EchoRequest.into());
    let chain = [echo, setup].map(|request| request.protected(Protection::Sealed));
    let mut frame = BytesMut::new();
    other.client.encode(&chain, &mut frame);
    let replies = other.send(frame).expect("the connection stands");
    assert_eq!(replies[1].status(), NtStatus::INVALID_PARAMETER);
    assert_eq!(channels(&first), 1);
}

#[test]
fn a_session_has_no_more_channels_than_it_may_have_nor_any_where_the_server_offers_none() {
    let first = client();
    change_settings(&first.server, |settings| {
        settings.configuration.limits.channels_per_session = 2;
    });
    let second = channel(&first);
    let mut third = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let refused = third.bind(&first, alice()).expect("a refusal");
    assert_eq!(refused.status(), NtStatus::INSUFFICIENT_RESOURCES);
    cut(second);
    change_settings(&first.server, |settings| {
        settings.configuration.server.multichannel = false;
    });
    let mut third = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
    let refused = third.bind(&first, alice()).expect("a refusal");
    assert_eq!(refused.status(), NtStatus::REQUEST_NOT_ACCEPTED);
    assert_eq!(channels(&first), 1);
}

// test [MS-SMB2] 3.3.5.6
#[test]
fn a_logoff_ends_the_session_on_every_channel_with_an_answer_that_can_be_believed() {
    let first = client();
    let mut second = channel(&first);
    let mut first = first;
    assert_eq!(status(&mut second, LogoffRequest), NtStatus::SUCCESS);
    let reply = ask(&mut first, requests::open("file"));
    assert_eq!(reply.status(), NtStatus::USER_SESSION_DELETED);
    assert_eq!(reply.received, Received::Signed);
    assert_eq!(channels(&first), 0);
    let server = first.server.clone();
    cut(second);
    cut(first);
    assert_eq!(leftovers(&server), None);
}

// test [MS-SMB2] 3.3.4.6
#[test]
fn a_notice_that_a_lost_channel_took_with_it_comes_again_over_the_next() {
    let mut first = client();
    let batch = CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        ..requests::open_or_create("cached")
    };
    let held: CreateResponse = ask(&mut first, batch).body().expect("a CREATE response");
    assert_eq!(held.oplock_level, OplockLevel::BATCH);
    let mut second = channel(&first);
    let mut other = connection(&first, {
        Offer {
            client_guid: Guid([7; 16]),
            ..Offer::dialect(Dialect::SMB_3_1_1)
        }
    });
    other.log_on();
    let open = prepare(&mut other, requests::open("cached"));
    let mut frame = BytesMut::new();
    other.client.encode(std::slice::from_ref(&open), &mut frame);
    let interim = other.send(frame).expect("the connection stands");
    assert!(interim[0].is_interim());
    assert_eq!(notices(&mut first), 1);
    assert_eq!(notices(&mut second), 0);
    cut(first);
    assert_eq!(notices(&mut second), 1);
    let acknowledgment = OplockBreakAcknowledgment::Oplock(OplockBreak {
        oplock_level: OplockLevel::II,
        file_id: held.file_id,
    });
    assert_eq!(status(&mut second, acknowledgment), NtStatus::SUCCESS);
    let opened = other.send_nothing().expect("the connection stands");
    assert_eq!(opened[0].status(), NtStatus::SUCCESS);
    cut(second);
    assert_eq!(other.server.awaited_breaks(), 0);
}

/// How many notices of breaks have come.
fn notices(rig: &mut Rig) -> usize {
    let replies = rig.send_nothing().expect("the connection stands");
    let is_notice = |reply: &&Reply| {
        let response = reply.response();
        matches!(response, Ok(Response::OplockBreakNotification(_)))
    };
    replies.iter().filter(is_notice).count()
}

// test [MS-SMB2] 2.2.44.2
#[test]
fn a_client_that_wants_to_know_is_told_when_the_server_closes_its_session() {
    for capabilities in [Capabilities::NONE, Capabilities::NOTIFICATIONS] {
        let offer = Offer {
            capabilities: Capabilities::LARGE_MTU | Capabilities::MULTI_CHANNEL | capabilities,
            ..Offer::dialect(Dialect::SMB_3_1_1)
        };
        let wants_to_know = capabilities != Capabilities::NONE;
        let mut first = connection(&Rig::new(Dialect::SMB_3_1_1), offer.clone());
        first.log_on();
        let mut other = connection(&first, Offer::dialect(Dialect::SMB_3_1_1));
        let refused = other.bind(&first, alice()).map(|reply| reply.status());
        let expected = wants_to_know.then_some(NtStatus::INVALID_PARAMETER);
        assert_eq!(refused, expected, "channels must agree on it");
        let mut second = connection(&first, offer);
        assert!(second.bind(&first, alice()).is_none());
        let nobody = Arc::new(AccountFile::default());
        let server = first.server.clone();
        first.environment.spawn(Box::pin(async move {
            server::entitlement::enforce(&server, &*nobody).await;
        }));
        first.environment.run();
        let told = first.send_nothing().expect("the connection stands");
        assert_eq!(told.len(), usize::from(wants_to_know));
        for notice in told {
            assert_eq!(notice.header.session_id, first.scope.session);
            assert_eq!(notice.received, Received::Plain);
            let closed = notice.response().expect("a notification");
            assert!(matches!(closed, Response::ServerToClientNotification(_)));
        }
        assert!(second.send_nothing().expect("stands").is_empty());
    }
}
