//! Every way to log on.

use auth::client::{NtlmClient, ResponseKind, SignMechList};
use auth::ntlm::NegotiateFlags;
use auth::{Anonymous, Guest, NtlmV1, Oid};
use wire::NtStatus;

use super::*;

#[test]
fn a_user_logs_on_in_two_rounds() {
    assert_eq!(
        assert_is_alice(&mut alice(ClientOptions::default()), AuthPolicy::default()),
        2
    );
}

#[test]
fn a_user_logs_on_with_bare_ntlm() {
    let credentials = Credentials::password("ALICE", "", "secret");
    let mut client = NtlmClient::new(credentials, ClientOptions::default(), client_facts());
    assert_eq!(assert_is_alice(&mut client, AuthPolicy::default()), 2);
}

#[test]
fn every_variant_of_flags_leads_to_the_same_key_on_both_sides() {
    let optional = [
        NegotiateFlags::SIGN,
        NegotiateFlags::SEAL,
        NegotiateFlags::EXTENDED_SESSION_SECURITY,
        NegotiateFlags::KEY_EXCH,
        NegotiateFlags::KEY_128,
        NegotiateFlags::KEY_56,
        NegotiateFlags::VERSION,
        NegotiateFlags::UNICODE,
    ];
    for choice in 0..1_u32 << optional.len() {
        let mut flags = NegotiateFlags::OEM | NegotiateFlags::NTLM;
        for (at, flag) in optional.iter().enumerate() {
            if choice >> at & 1 == 1 {
                flags = flags | *flag;
            }
        }
        for mech_list_mic in [SignMechList::Always, SignMechList::Never] {
            let options = ClientOptions {
                flags,
                mech_list_mic,
                ..ClientOptions::default()
            };
            assert_is_alice(&mut alice(options.clone()), AuthPolicy::default());
            let policy = AuthPolicy {
                ntlm_v1: NtlmV1::Allowed,
                ..AuthPolicy::default()
            };
            let options = ClientOptions {
                response: ResponseKind::V1,
                ..options
            };
            assert_is_alice(&mut alice(options), policy);
        }
    }
}

#[test]
fn names_are_found_in_every_spelling() {
    for (user, domain) in [
        ("ALICE", "LAB"),
        ("alice", ""),
        ("alice@lab.example", ""),
        ("LAB\\alice", ""),
        ("Alice", "nowhere"),
    ] {
        let mut client = spnego(
            Credentials::password(user, domain, "secret"),
            ClientOptions::default(),
        );
        assert_is_alice(&mut client, AuthPolicy::default());
    }
}

// test [MS-NLMP] 3.2.5.1.2
#[test]
fn a_client_that_hashes_no_domain_is_understood_and_one_that_hashes_another_is_not() {
    let hashed = |domain: &str| {
        alice(ClientOptions {
            hashed_domain: Some(domain.to_owned()),
            ..ClientOptions::default()
        })
    };
    assert_is_alice(&mut hashed(""), AuthPolicy::default());
    assert_eq!(
        refusal(AuthPolicy::default(), &mut hashed("lab")),
        Refusal::WrongPassword
    );
}

#[test]
fn ntlm_v1_is_refused_unless_allowed_and_never_without_the_password() {
    let v1 = |password| {
        let options = ClientOptions {
            response: ResponseKind::V1,
            ..ClientOptions::default()
        };
        spnego(Credentials::password("alice", "LAB", password), options)
    };
    let allowed = AuthPolicy {
        ntlm_v1: NtlmV1::Allowed,
        ..AuthPolicy::default()
    };
    assert_eq!(
        refusal(AuthPolicy::default(), &mut v1("secret")),
        Refusal::NtlmV1
    );
    assert_is_alice(&mut v1("secret"), allowed.clone());
    assert_eq!(refusal(allowed, &mut v1("wrong")), Refusal::WrongPassword);
}

#[test]
fn nobody_is_refused_unless_allowed_and_has_a_key_that_everybody_knows() {
    let mut client = spnego(Credentials::anonymous(), ClientOptions::default());
    let reason = refusal(AuthPolicy::default(), &mut client);
    assert_eq!(
        (reason.status(), reason),
        (NtStatus::ACCESS_DENIED, Refusal::Anonymous)
    );
    let policy = AuthPolicy {
        anonymous: Anonymous::Allowed,
        ..AuthPolicy::default()
    };
    let mut client = spnego(Credentials::anonymous(), ClientOptions::default());
    let (identity, key, _) = log_on(policy, &mut client).unwrap();
    assert_eq!(
        (identity.kind, identity.user.as_str()),
        (LogonKind::Anonymous, "")
    );
    assert!(identity.account.is_none() && identity.explanation().is_some());
    assert_eq!(Some(&key), client.session_key());
}

#[test]
fn an_unknown_user_is_a_guest_if_allowed_but_a_known_one_never() {
    let policy = || AuthPolicy {
        guest: Guest::BadUser,
        guest_account: Some("visitor".to_owned()),
        ..AuthPolicy::default()
    };
    let mallory = Credentials::password("mallory", "LAB", "anything");
    // A client that signs the list of mechanisms cannot be sure of a server that does not answer it.
    let options = ClientOptions {
        mech_list_mic: SignMechList::Never,
        ..ClientOptions::default()
    };
    let (identity, _, _) = log_on(policy(), &mut spnego(mallory.clone(), options)).unwrap();
    assert_eq!(
        (identity.kind, identity.user.as_str()),
        (LogonKind::Guest, "mallory")
    );
    assert_eq!(identity.account.as_ref().unwrap().name, "visitor");
    assert!(!identity.kind.can_sign());
    assert!(identity.explanation().unwrap().contains("Windows 11"));
    let result = log_on(policy(), &mut spnego(mallory, ClientOptions::default()));
    assert!(
        matches!(result, Err(Failure::Client(ClientError::MechListMic))),
        "{result:?}"
    );
    let mut known = spnego(
        Credentials::password("alice", "", "wrong"),
        ClientOptions::default(),
    );
    assert_eq!(refusal(policy(), &mut known), Refusal::WrongPassword);
}

#[test]
fn a_favourite_that_is_not_served_leads_to_ntlm_and_must_be_signed() {
    let options = |mech_list_mic| ClientOptions {
        other_mechanisms: vec![Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NEGOEX],
        mech_list_mic,
        ..ClientOptions::default()
    };
    let policy = AuthPolicy::default;
    assert_eq!(
        assert_is_alice(&mut alice(options(SignMechList::Always)), policy()),
        3
    );
    assert_eq!(
        assert_is_alice(&mut alice(options(SignMechList::WhenAsked)), policy()),
        4
    );
    let mut never = alice(options(SignMechList::Never));
    assert_eq!(refusal(policy(), &mut never), Refusal::MechListMic);
}
