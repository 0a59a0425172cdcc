//! A server made for simulations and fuzzers: shares in memory, two accounts, virtual time.

use std::sync::Arc;

use auth::{
    Account, AccountFile, AuthPolicy, Identity, NtHash, NtlmMechanism, ServerNames, Spnego,
};
use config::{Configuration, Permissions};
use server::access::{LogOn, Privileges, SecurityToken};
use server::object_store::ShareId;
use server::persistence::PersistentStore;
use server::share::{Caller, Share, ShareHandler};
use server::{Environment, IdentityMap, Server, Settings, Surroundings};
use share_handlers::memory::{MemoryHandler, MemoryOptions};
use wire::NtStatus;
use wire::dtyp::{Guid, Sid};

use super::environment::Virtual;
use super::records::Records;

/// One account's name.
pub const USER: &str = "alice";
/// Another account's name.
pub const OTHER_USER: &str = "bob";
/// The password of both.
pub const PASSWORD: &str = "secret";
/// The writable share in memory.
pub const SHARE: &str = "sim";

/// A server with the share [`SHARE`] and the accounts [`USER`] and [`OTHER_USER`], in an environment of its own.
///
/// `wrap` may put something between the server and the share's memory.
///
/// # Panics
/// The configuration below is refused: a bug.
#[must_use]
pub fn build(
    seed: u64,
    wrap: impl FnOnce(MemoryHandler, &Virtual) -> Arc<dyn ShareHandler>,
) -> (Arc<Server>, Virtual) {
    build_with(seed, "", wrap)
}

/// The same, with further settings of the share.
///
/// # Panics
/// The settings are refused.
#[must_use]
pub fn build_with(
    seed: u64,
    share_settings: &str,
    wrap: impl FnOnce(MemoryHandler, &Virtual) -> Arc<dyn ShareHandler>,
) -> (Arc<Server>, Virtual) {
    let environment = Virtual::new(seed);
    let text = format!("{CONFIGURATION}{share_settings}\n");
    let configuration = Configuration::parse(&text, "sim.toml").expect("is legal");
    let handler = wrap(memory(&environment), &environment);
    let server = server(&environment, configuration, handler, None);
    (server, environment)
}

/// What outlives a server that is killed: a volume, and the records of persistent opens.
pub struct Estate {
    /// What the share [`SHARE`] shows.
    pub volume: Arc<dyn ShareHandler>,
    /// The records.
    pub records: Arc<Records>,
    /// The permissions of the share [`SHARE`].
    pub permissions: Option<Permissions>,
    /// How many opens of each user may wait.
    pub disconnected_opens_per_user: u32,
}

impl Estate {
    /// An empty volume and no records.
    #[must_use]
    pub fn new(environment: &Virtual) -> Self {
        Self {
            volume: Arc::new(memory(environment)),
            records: Arc::default(),
            permissions: None,
            disconnected_opens_per_user: 8,
        }
    }

    /// A server on all that is there, which gives persistent opens; none is restored yet.
    ///
    /// # Panics
    /// The configuration below is refused: a bug.
    #[must_use]
    pub fn server(&self, environment: &Virtual) -> Arc<Server> {
        let configuration = Configuration::parse(CONFIGURATION, "sim.toml");
        let mut configuration = configuration.expect("is legal");
        configuration.limits.disconnected_opens_per_user = self.disconnected_opens_per_user;
        // The configuration file refuses that for memory, which is empty after a restart. This one is not.
        for share in &mut configuration.shares {
            share.continuous_availability = true;
            share.permissions.clone_from(&self.permissions);
        }
        let volume = self.volume.clone();
        server(
            environment,
            configuration,
            volume,
            Some(self.records.clone()),
        )
    }
}

fn memory(environment: &Virtual) -> MemoryHandler {
    let clock = {
        let environment = environment.clone();
        Arc::new(move || environment.wall_clock())
    };
    let options = MemoryOptions {
        size: MEMORY,
        ..MemoryOptions::new(SHARE)
    };
    MemoryHandler::new(options, clock).expect("an empty volume fits")
}

fn server(
    environment: &Virtual,
    configuration: Configuration,
    handler: Arc<dyn ShareHandler>,
    records: Option<Arc<Records>>,
) -> Arc<Server> {
    let share = configuration.share(SHARE).expect("is configured").clone();
    let mechanism = mechanism();
    let settings = Settings {
        shares: [Arc::new(Share::new(ShareId(1), share, handler))]
            .into_iter()
            .collect(),
        negotiate_token: mechanism.hint().into(),
        mechanism: Arc::new(mechanism),
        configuration,
    };
    let surroundings = Surroundings {
        environment: Arc::new(environment.clone()),
        identities: Arc::new(Everybody),
        persistent_store: records.map(|records| records as Arc<dyn PersistentStore>),
    };
    let server = Server::new(Guid(*b"simulated server"), surroundings, settings);
    Arc::new(server)
}

/// The accounts [`USER`] and [`OTHER_USER`].
///
/// # Panics
/// They are no accounts: a bug.
#[must_use]
pub fn accounts() -> AccountFile {
    let mut accounts = AccountFile::default();
    for user in [USER, OTHER_USER] {
        let account = Account::new(user, NtHash::of_password(PASSWORD));
        accounts.add(account).expect("a new account");
    }
    accounts
}

fn mechanism() -> Spnego {
    let ntlm = NtlmMechanism::new(
        ServerNames::standalone("SERVER", "server.example"),
        AuthPolicy::default(),
        Arc::new(accounts()),
    );
    Spnego::new(vec![Arc::new(ntlm)])
}

/// Gives everybody the same rights.
struct Everybody;

impl IdentityMap for Everybody {
    fn caller(&self, _: &Identity, _: &Share) -> Result<Caller, NtStatus> {
        let (user, group) = (Sid::unix_user(1000), Sid::unix_group(1000));
        let privileges = Privileges::NONE;
        let token =
            SecurityToken::for_log_on(LogOn::Authenticated, user, group, Vec::new(), privileges);
        Ok(Caller {
            user: "user".into(),
            token: Arc::new(token),
            host: None,
            log_on: None,
        })
    }
}

/// What the share may hold, in bytes: little, so that a full volume is met too.
const MEMORY: u64 = 16 << 20;

/// Limits are small, so that they are met.
const CONFIGURATION: &str = r#"
[server]
signing = "offered"

[limits]
opens_per_session = 64
disconnected_opens_per_user = 8
async_operations = 16
read_size = "1 MiB"
write_size = "1 MiB"
transact_size = "1 MiB"

[[share]]
name = "sim"
kind = "memory"
"#;
