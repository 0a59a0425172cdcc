//! Our client against our server: every way to log on, and every way to fail.
//!
//! Here are a server with a few accounts, a client, and a wire between them that may tamper.

use std::sync::Arc;

use auth::client::{
    Client, ClientError, ClientFacts, ClientOptions, ClientStep, Credentials, SpnegoClient,
};
use auth::{
    AcceptFacts, Account, AccountFile, AuthError, AuthPolicy, Context, Identity, LogonKind,
    Mechanism, NtHash, NtlmMechanism, Refusal, ServerNames, SessionKey, Spnego, Step,
};
use wire::dtyp::FileTime;

mod accepted;
mod refused;

const NOW: FileTime = FileTime(133_000_000_000_000_000);
const BINDINGS: [u8; 16] = [0xcb; 16];

fn accounts() -> AccountFile {
    let mut file = AccountFile::default();
    let mut add = |name: &str, change: &dyn Fn(&mut Account)| {
        let mut account = Account::new(name, NtHash::of_password("secret"));
        change(&mut account);
        file.add(account).unwrap();
    };
    add("Alice", &|_| {});
    add("visitor", &|account| account.disabled = true);
    add("disabled", &|account| account.disabled = true);
    add("locked", &|account| account.locked = true);
    add("expired", &|account| {
        account.password_expires = auth::accounts::Day::parse("2000-01-01");
    });
    add("new", &|account| account.password_must_change = true);
    add("keyless", &|account| account.nt_hash = None);
    file
}

fn server(policy: AuthPolicy) -> Spnego {
    let names = ServerNames::standalone("SERVER", "server.example");
    Spnego::new(vec![Arc::new(NtlmMechanism::new(
        names,
        policy,
        Arc::new(accounts()),
    ))])
}

fn start(policy: AuthPolicy) -> Box<dyn Context> {
    let facts = AcceptFacts {
        entropy: [0x5e; 32],
        channel_bindings: Some(BINDINGS),
    };
    server(policy).start(&facts)
}

fn client_facts() -> ClientFacts {
    ClientFacts {
        entropy: std::array::from_fn(|at| u8::try_from(at).unwrap()),
        now: NOW,
    }
}

fn spnego(credentials: Credentials, options: ClientOptions) -> SpnegoClient {
    SpnegoClient::new(credentials, options, client_facts())
}

fn alice(options: ClientOptions) -> SpnegoClient {
    spnego(Credentials::password("alice", "LAB", "secret"), options)
}

#[derive(Debug)]
enum Failure {
    Server(AuthError),
    Client(ClientError),
}

/// Runs a log-on to its end. `tamper` may change each token on its way; it is given the token's
/// number, even for the client's.
fn run(
    client: &mut dyn Client,
    context: &mut dyn Context,
    tamper: impl Fn(usize, &mut Vec<u8>),
) -> Result<(Identity, SessionKey, usize), Failure> {
    let mut token = client.start();
    for number in (0..10).step_by(2) {
        tamper(number, &mut token);
        let (mut reply, done) = match context.step(&token, NOW).map_err(Failure::Server)? {
            Step::Continue(reply) => (Some(reply), None),
            Step::Done {
                token,
                identity,
                session_key,
            } => (token, Some((identity, session_key))),
        };
        if let Some(reply) = &mut reply {
            tamper(number + 1, reply);
        }
        let answer = match &reply {
            Some(reply) => client.step(reply).map_err(Failure::Client)?,
            None => ClientStep::Done,
        };
        match (done, answer) {
            (Some((identity, key)), ClientStep::Done) => {
                return Ok((identity, key, number / 2 + 1));
            }
            (None, ClientStep::Send(next)) => token = next,
            (done, answer) => panic!("out of step: {done:?} {answer:?}"),
        }
    }
    panic!("no end");
}

fn log_on(
    policy: AuthPolicy,
    client: &mut dyn Client,
) -> Result<(Identity, SessionKey, usize), Failure> {
    run(client, &mut *start(policy), |_, _| {})
}

fn refusal(policy: AuthPolicy, client: &mut dyn Client) -> Refusal {
    match log_on(policy, client) {
        Err(Failure::Server(error)) => error.reason,
        other => panic!("{other:?}"),
    }
}

fn assert_is_alice(client: &mut dyn Client, policy: AuthPolicy) -> usize {
    let (identity, key, rounds) = log_on(policy, client).unwrap();
    assert_eq!(
        (identity.user.as_str(), identity.kind),
        ("Alice", LogonKind::User)
    );
    assert_eq!(identity.account.unwrap().name, "Alice");
    assert_eq!(identity.workstation, "CLIENT");
    assert_eq!(Some(&key), client.session_key());
    assert_ne!(*key.first_16(), [0; 16]);
    rounds
}
