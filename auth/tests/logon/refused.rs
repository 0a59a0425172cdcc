//! Every way to fail, by accident or by attack.

use std::time::Duration;

use auth::client::{NtlmClient, SignMessages};
use auth::ntlm::NegotiateFlags;
use auth::{ChannelBindings, Oid};
use wire::NtStatus;

use super::*;

#[test]
fn a_client_without_a_character_set_is_refused() {
    let options = ClientOptions {
        flags: NegotiateFlags::NTLM,
        ..ClientOptions::default()
    };
    let reason = refusal(AuthPolicy::default(), &mut alice(options));
    assert_eq!(reason, Refusal::NoCharacterSet);
    assert_eq!(reason.status(), NtStatus::INVALID_PARAMETER);
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_a_logon_failure_with_a_name_for_the_log() {
    for (user, reason) in [
        ("alice", Refusal::WrongPassword),
        ("mallory", Refusal::UnknownUser),
    ] {
        let credentials = Credentials::password(user, "LAB", "wrong");
        match log_on(
            AuthPolicy::default(),
            &mut spnego(credentials, ClientOptions::default()),
        ) {
            Err(Failure::Server(error)) => {
                assert_eq!(
                    (error.status(), &error.reason),
                    (NtStatus::LOGON_FAILURE, &reason)
                );
                assert!(error.is_failed_guess());
                assert_eq!(error.name.unwrap().to_string(), format!("LAB\\{user}"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn accounts_that_are_not_usable_say_so_only_to_who_knows_the_password() {
    for (user, status) in [
        ("disabled", NtStatus::ACCOUNT_DISABLED),
        ("locked", NtStatus::ACCOUNT_LOCKED_OUT),
        ("expired", NtStatus::PASSWORD_EXPIRED),
        ("new", NtStatus::PASSWORD_MUST_CHANGE),
        ("keyless", NtStatus::LOGON_FAILURE),
    ] {
        for (password, status) in [("secret", status), ("wrong", NtStatus::LOGON_FAILURE)] {
            let credentials = Credentials::password(user, "", password);
            let mut client = spnego(credentials, ClientOptions::default());
            assert_eq!(
                refusal(AuthPolicy::default(), &mut client).status(),
                status,
                "{user} {password}"
            );
        }
    }
}

#[test]
fn taking_a_mechanism_out_of_the_list_is_noticed() {
    let options = ClientOptions {
        other_mechanisms: vec![Oid::KERBEROS],
        ..ClientOptions::default()
    };
    let result = run(
        &mut alice(options),
        &mut *start(AuthPolicy::default()),
        |number, token| {
            if number == 0 {
                // Kerberos becomes something as long that nobody has heard of.
                let at = token
                    .windows(9)
                    .position(|window| window == Oid::KERBEROS.contents())
                    .unwrap();
                token[at + 8] = 3;
            }
        },
    );
    assert!(matches!(
        result,
        Err(Failure::Server(AuthError {
            reason: Refusal::MechListMic,
            ..
        }))
    ));
}

#[test]
fn every_change_to_a_token_of_the_client_is_noticed() {
    let plain = {
        let mut client = alice(ClientOptions::default());
        let mut context = start(AuthPolicy::default());
        let Ok(Step::Continue(challenge)) = context.step(&client.start(), NOW) else {
            panic!()
        };
        let Ok(ClientStep::Send(token)) = client.step(&challenge) else {
            panic!()
        };
        token
    };
    let ntlm = plain
        .windows(8)
        .position(|window| window == b"NTLMSSP\0")
        .unwrap();
    for at in ntlm..plain.len() {
        let result = run(
            &mut alice(ClientOptions::default()),
            &mut *start(AuthPolicy::default()),
            |number, token| {
                if number == 2 {
                    token[at] ^= 0x40;
                }
            },
        );
        assert!(result.is_err(), "byte {} of AUTHENTICATE", at - ntlm);
    }
}

#[test]
fn a_changed_challenge_is_noticed_by_the_signature_over_all_messages() {
    for field in [20, 24, 60, 90] {
        let result = run(
            &mut alice(ClientOptions::default()),
            &mut *start(AuthPolicy::default()),
            |number, token| {
                if number == 1 {
                    let ntlm = token
                        .windows(8)
                        .position(|window| window == b"NTLMSSP\0")
                        .unwrap();
                    token[ntlm + field] ^= 0x10;
                }
            },
        );
        assert!(
            matches!(result, Err(Failure::Server(_))),
            "{field}: {result:?}"
        );
    }
}

#[test]
fn a_client_that_promises_a_signature_must_keep_it() {
    let zero_mic = |number: usize, token: &mut Vec<u8>| {
        if number == 2 {
            let ntlm = token
                .windows(8)
                .position(|window| window == b"NTLMSSP\0")
                .unwrap();
            token[ntlm + 72..ntlm + 88].fill(0);
        }
    };
    let result = run(
        &mut alice(ClientOptions::default()),
        &mut *start(AuthPolicy::default()),
        zero_mic,
    );
    assert!(matches!(
        result,
        Err(Failure::Server(AuthError {
            reason: Refusal::Mic,
            ..
        }))
    ));
    let never = ClientOptions {
        mic: SignMessages::Never,
        ..ClientOptions::default()
    };
    run(
        &mut alice(never),
        &mut *start(AuthPolicy::default()),
        zero_mic,
    )
    .unwrap();
}

#[test]
fn a_changed_signature_of_the_server_is_noticed_by_the_client() {
    let result = run(
        &mut alice(ClientOptions::default()),
        &mut *start(AuthPolicy::default()),
        |number, token| {
            if number == 3 {
                *token.last_mut().unwrap() ^= 1;
                let at = token.len() - 5;
                token[at] ^= 1;
            }
        },
    );
    assert!(matches!(
        result,
        Err(Failure::Client(ClientError::MechListMic))
    ));
}

#[test]
fn channel_bindings_are_checked_as_the_policy_says() {
    let policy = |channel_bindings| AuthPolicy {
        channel_bindings,
        ..AuthPolicy::default()
    };
    let bound = |channel_bindings| {
        alice(ClientOptions {
            channel_bindings,
            ..ClientOptions::default()
        })
    };
    let (ours, theirs) = (Some(BINDINGS), Some([1; 16]));
    for binding in [None, ours, theirs] {
        assert_is_alice(&mut bound(binding), policy(ChannelBindings::Ignored));
    }
    assert_is_alice(&mut bound(None), policy(ChannelBindings::Checked));
    for required in [ChannelBindings::Checked, ChannelBindings::Required] {
        assert_is_alice(&mut bound(ours), policy(required));
        let reason = refusal(policy(required), &mut bound(theirs));
        assert_eq!(
            (reason.status(), reason),
            (NtStatus::BAD_BINDINGS, Refusal::ChannelBindings)
        );
    }
    assert_eq!(
        refusal(policy(ChannelBindings::Required), &mut bound(None)),
        Refusal::ChannelBindings
    );
}

#[test]
fn a_client_that_means_another_server_is_refused_if_the_policy_names_ours() {
    let policy = || AuthPolicy {
        target_names: vec!["server.example".to_owned()],
        ..AuthPolicy::default()
    };
    let target = |name: Option<&str>| {
        alice(ClientOptions {
            target_name: name.map(str::to_owned),
            ..ClientOptions::default()
        })
    };
    for right in [
        "cifs/server.example",
        "cifs/SERVER.example:445",
        "server.example",
        "cifs/server.example/x",
    ] {
        assert_is_alice(&mut target(Some(right)), policy());
    }
    let reason = refusal(policy(), &mut target(Some("cifs/other")));
    assert_eq!(
        (reason.status(), reason),
        (
            NtStatus::ACCESS_DENIED,
            Refusal::TargetName("cifs/other".to_owned())
        )
    );
    assert_eq!(
        refusal(policy(), &mut target(None)),
        Refusal::TargetName(String::new())
    );
}

#[test]
fn an_old_response_is_refused_if_the_policy_limits_its_age() {
    let policy = |seconds| AuthPolicy {
        max_clock_difference: Some(Duration::from_secs(seconds)),
        ..AuthPolicy::default()
    };
    // The client answers with the time of the challenge; the server has moved on by two seconds.
    let at = |seconds| {
        let mut client = alice(ClientOptions::default());
        let mut context = start(policy(seconds));
        let Ok(Step::Continue(challenge)) = context.step(&client.start(), NOW) else {
            panic!()
        };
        let Ok(ClientStep::Send(token)) = client.step(&challenge) else {
            panic!()
        };
        context
            .step(&token, FileTime(NOW.0 + 20_000_000))
            .map(drop)
            .map_err(|error| error.reason)
    };
    assert_eq!(at(3), Ok(()));
    assert_eq!(at(1), Err(Refusal::Stale));
}

#[test]
fn tokens_that_are_not_due_are_invalid_parameters_and_end_the_log_on() {
    let authenticate = {
        let mut client = NtlmClient::new(
            Credentials::password("alice", "", "secret"),
            ClientOptions::default(),
            client_facts(),
        );
        let mut context = start(AuthPolicy::default());
        let Ok(Step::Continue(challenge)) = context.step(&client.start(), NOW) else {
            panic!()
        };
        let Ok(ClientStep::Send(token)) = client.step(&challenge) else {
            panic!()
        };
        context.step(&token, NOW).unwrap();
        let again = context.step(&token, NOW).unwrap_err();
        assert_eq!(
            (again.status(), again.reason),
            (NtStatus::INVALID_PARAMETER, Refusal::OutOfSequence)
        );
        token
    };
    let oversize = [&b"NTLMSSP\0\x01\0\0\0"[..], &[0xff; 70_000]].concat();
    for token in [
        &b""[..],
        b"NTLMSSP\0",
        b"\x60\x00",
        b"\xa1\x02\x30\x00",
        b"hello",
        &authenticate,
    ] {
        let error = start(AuthPolicy::default()).step(token, NOW).unwrap_err();
        assert_eq!(error.status(), NtStatus::INVALID_PARAMETER, "{token:?}");
    }
    assert!(
        start(AuthPolicy::default()).step(&oversize, NOW).is_ok(),
        "what follows the flags is not read"
    );
}

#[test]
fn a_response_recorded_from_one_challenge_does_not_answer_another() {
    let mut client = alice(ClientOptions::default());
    let mut first = start(AuthPolicy::default());
    let negotiate = client.start();
    let Ok(Step::Continue(challenge)) = first.step(&negotiate, NOW) else {
        panic!()
    };
    let Ok(ClientStep::Send(token)) = client.step(&challenge) else {
        panic!()
    };
    let facts = AcceptFacts {
        entropy: [0x11; 32],
        channel_bindings: None,
    };
    let mut second = server(AuthPolicy::default()).start(&facts);
    assert!(matches!(
        second.step(&negotiate, NOW),
        Ok(Step::Continue(_))
    ));
    assert_eq!(
        second.step(&token, NOW).unwrap_err().reason,
        Refusal::WrongPassword
    );
}

#[test]
fn only_mechanisms_of_the_client_and_the_server_are_negotiated() {
    let kerberos_only = auth::spnego::token::NegTokenInit::new(vec![Oid::KERBEROS], Some(vec![1]));
    let error = start(AuthPolicy::default())
        .step(&kerberos_only.encode(), NOW)
        .unwrap_err();
    assert_eq!(
        error.reason,
        Refusal::NoCommonMechanism(vec![Oid::KERBEROS])
    );
    assert_eq!(
        error.to_string(),
        "the client offers only [Kerberos], none of which is served here"
    );
}

/// The response that a tool of Windows sends: NTLMv2 in form, with attribute-value pairs of noise.
#[test]
fn attribute_value_pairs_of_noise_are_an_invalid_parameter() {
    let result = run(
        &mut alice(ClientOptions::default()),
        &mut *start(AuthPolicy::default()),
        |number, token| {
            if number == 2 {
                let first_pair = token
                    .windows(8)
                    .position(|window| window == [2, 0, 12, 0, b'S', 0, b'E', 0])
                    .unwrap();
                token[first_pair..first_pair + 4].copy_from_slice(&[0x11, 0xa2, 0x08, 0x81]);
            }
        },
    );
    match result {
        Err(Failure::Server(error)) => assert_eq!(error.status(), NtStatus::INVALID_PARAMETER),
        other => panic!("{other:?}"),
    }
}
