//! Entry points for fuzzers: plain functions of bytes that must neither panic nor run away.

use std::sync::Arc;

use wire::dtyp::FileTime;

use crate::accounts::{Account, AccountFile, NtHash};
use crate::client::{
    Client as _, ClientFacts, ClientOptions, Credentials, NtlmClient, SpnegoClient,
};
use crate::mechanism::{AcceptFacts, Mechanism as _, Step};
use crate::ntlm::{NtlmMechanism, ServerNames};
use crate::policy::{Anonymous, AuthPolicy, ChannelBindings, Guest, NtlmV1};
use crate::spnego::Spnego;

/// Feeds a server's side of a log-on with tokens: each a length of two bytes, and as many bytes.
///
/// Under a policy that allows everything, so that all of the code is reached.
pub fn accept(input: &[u8]) {
    let mut context = server().start(&AcceptFacts {
        entropy: [7; 32],
        channel_bindings: None,
    });
    for token in tokens(input) {
        match context.step(token, NOW) {
            Ok(Step::Continue(_)) => {}
            Ok(Step::Done { .. }) | Err(_) => return,
        }
    }
}

/// Negotiates well with a server up to the challenge, then gives it `input` for an NTLM AUTHENTICATE.
pub fn authenticate(input: &[u8]) {
    let mut context = server().start(&AcceptFacts {
        entropy: [7; 32],
        channel_bindings: None,
    });
    let facts = ClientFacts {
        entropy: [9; 32],
        now: NOW,
    };
    let mut client = NtlmClient::new(Credentials::anonymous(), ClientOptions::default(), facts);
    if context.step(&client.start(), NOW).is_ok() {
        let message = [&b"NTLMSSP\0\x03\0\0\0"[..], input].concat();
        let _ = context.step(&message, NOW);
    }
}

/// Feeds a client's side of a log-on with tokens, framed as in [`accept`].
pub fn connect(input: &[u8]) {
    let facts = ClientFacts {
        entropy: [9; 32],
        now: NOW,
    };
    let credentials = Credentials::password("alice", "LAB", "secret");
    let mut client = SpnegoClient::new(credentials, ClientOptions::default(), facts);
    client.start();
    for token in tokens(input) {
        if client.step(token).is_err() {
            return;
        }
    }
}

/// Reads an account file and, if it can be read, checks that writing and reading changes nothing.
pub fn account_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(file) = AccountFile::parse(&text) {
        let again = AccountFile::parse(&file.render());
        assert!(again.is_ok_and(|again| again.accounts().eq(file.accounts())));
    }
    AccountFile::default().import_smbpasswd(&text);
}

fn server() -> Spnego {
    let mut accounts = AccountFile::default();
    let _ = accounts.add(Account::new("alice", NtHash::of_password("secret")));
    let policy = AuthPolicy {
        ntlm_v1: NtlmV1::Allowed,
        anonymous: Anonymous::Allowed,
        guest: Guest::BadUser,
        channel_bindings: ChannelBindings::Checked,
        target_names: vec!["server".to_owned()],
        ..AuthPolicy::default()
    };
    let names = ServerNames::standalone("SERVER", "server.example");
    Spnego::new(vec![Arc::new(NtlmMechanism::new(
        names,
        policy,
        Arc::new(accounts),
    ))])
}

fn tokens(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (token, rest) = rest.split_at_checked(length)?;
        input = rest;
        Some(token)
    })
}

const NOW: FileTime = FileTime(133_000_000_000_000_000);
