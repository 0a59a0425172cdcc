//! Puts the server together from its configuration, and anew on reload.

use std::sync::Arc;

use auth::{
    AccountStore, Anonymous, AuthPolicy, Guest, NtHash, NtlmMechanism, NtlmV1, ServerNames, Spnego,
};
use bytes::Bytes;
use config::{Configuration, GuestPolicy, reload::Changes};
use parking_lot::Mutex;
use server::{
    Server, Settings, Surroundings,
    entitlement::{self, Ended},
    persistence::{self, Restored, Row},
};
use share_handlers::wrappers::configured as wrappers;
use transport::{BufferPool, Framing, LinkSettings, netbios::session::CalledNames};

use crate::{
    accounts::Accounts,
    administration::{Administrator, machine_id},
    environment::Host,
    failure::Failure,
    files::create_private_folder,
    identities::Identities,
    logging::Logging,
    names::server_names,
    records::Records,
    shares::Shares,
    state::server_guid,
};

/// What outlives a reload.
pub(crate) struct Assembly {
    names: ServerNames,
    accounts: Arc<Accounts>,
    identities: Arc<Identities>,
    shares: Shares,
    administrator: Administrator,
    environment: Arc<Host>,
    records: Arc<Records>,
    /// The rows that were there at the start, until opens are made out of them.
    left_rows: Mutex<Vec<(Row, Bytes)>>,
    logging: Logging,
    /// Buffers of long messages on their way in.
    buffers: BufferPool,
}

impl Assembly {
    /// Reads the accounts, and decides what the server is called and as whom it serves.
    pub(crate) fn new(
        configuration: &Configuration,
        host: &str,
        logging: Logging,
    ) -> Result<Self, Failure> {
        create_private_folder(&configuration.server.state_dir)?;
        let names = server_names(&configuration.server, host);
        let accounts = Arc::new(Accounts::open(configuration)?);
        let machine = machine_id(server_guid(&configuration.server.state_dir)?);
        let administrator = Administrator::new(configuration, accounts.clone(), machine);
        let identities = Arc::new(Identities::new(configuration, machine, accounts.clone())?);
        let (records, left_rows) = Records::open(&configuration.server.state_dir)?;
        let buffers = BufferPool::new(KEPT_BUFFERS);
        let environment = Arc::new(Host::here(buffers.clone()));
        let with = wrappers::Surroundings {
            environment: environment.clone(),
            own: identities.own_caller(),
        };
        let shares = Shares::new(
            &configuration.limits,
            &names.netbios_computer,
            administrator.clone(),
            with,
        );
        Ok(Self {
            shares,
            names,
            identities,
            accounts,
            administrator,
            environment,
            records: Arc::new(records),
            left_rows: Mutex::new(left_rows),
            logging,
            buffers,
        })
    }

    /// The server, with nobody connected.
    pub(crate) fn server(
        self: &Arc<Self>,
        configuration: Configuration,
    ) -> Result<Arc<Server>, Failure> {
        let guid = server_guid(&configuration.server.state_dir)?;
        let surroundings = Surroundings {
            environment: self.environment.clone(),
            identities: self.identities.clone(),
            persistent_store: Some(self.records.clone()),
        };
        let settings = self.settings(configuration, None)?;
        let server = Arc::new(Server::new(guid, surroundings, settings));
        self.shares.connect(&server);
        self.administrator.connect(self, &server);
        Ok(server)
    }

    /// Makes opens out of the records that the server before has left. Nobody may be connected yet.
    pub(crate) async fn restore(&self, server: &Arc<Server>) {
        let rows = std::mem::take(&mut *self.left_rows.lock());
        if rows.is_empty() {
            return;
        }
        tell(persistence::restore(server, &*self.accounts, &rows).await);
    }

    /// Has shares show what is mounted in the place of their folder by now, and makes opens out of records
    /// that wait for that.
    pub(crate) async fn look_again(self: &Arc<Self>, server: &Arc<Server>) {
        let (assembly, of) = (self.clone(), server.clone());
        // A file system that does not answer must keep nobody else waiting.
        let looked = tokio::task::spawn_blocking(move || assembly.show_what_moved(&of));
        match looked.await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => drop(entitlement::enforce(server, &*self.accounts).await),
            Ok(Err(failure)) => tracing::debug!("shares stay as they are: {failure}"),
            Err(error) => tracing::error!(%error, "nobody has looked at the folders of shares"),
        }
        let restored = persistence::retry(server, &*self.accounts).await;
        let still_waiting = Restored {
            absent: restored.absent,
            ..Restored::default()
        };
        if restored != still_waiting {
            tell(restored);
        }
    }

    /// Has shares show what another folder has come to the path of, and tells whether there are any. Blocks.
    fn show_what_moved(&self, server: &Arc<Server>) -> Result<bool, Failure> {
        let has_moved = self.shares.have_moved(&server.settings().shares);
        if has_moved {
            self.administrator
                .change(server, |now| self.replace(server, now))?;
        }
        Ok(has_moved)
    }

    /// Takes over the configuration that `read` finds and the accounts, or neither, and ends what they no
    /// longer entitle anybody to.
    pub(crate) async fn reload(
        &self,
        server: &Arc<Server>,
        read: impl FnOnce() -> Result<Configuration, Failure>,
    ) -> Result<(Changes, Ended), Failure> {
        let changes = self.administrator.change(server, |current| {
            let (new, changes) = current.reloaded(read()?);
            self.identities.check(&new)?;
            let identity = new.identity.clone();
            let settings = self.settings(new, Some(&server.settings()))?;
            self.accounts.reload()?;
            self.identities.reload(identity);
            server.reload(settings);
            Ok::<_, Failure>(changes)
        })?;
        let ended = entitlement::enforce(server, &*self.accounts).await;
        Ok((changes, ended))
    }

    /// Takes over a configuration in which nothing but shares, and what an administrator may change from
    /// a client, has changed. Only while nobody else changes it.
    pub(crate) fn replace(&self, server: &Server, new: Configuration) -> Result<(), Failure> {
        let settings = self.settings(new, Some(&server.settings()))?;
        let log = settings.configuration.log.clone();
        server.reload(settings);
        self.logging.reload(&log);
        Ok(())
    }

    /// As whom is served.
    pub(crate) fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Name and password of the demo account, if it is in the account file.
    pub(crate) fn demo<'a>(&self, configuration: &'a Configuration) -> Option<(&'a str, &'a str)> {
        let demo = &configuration.demo;
        let (user, password) = (demo.user.as_deref()?, demo.password.as_deref()?);
        let account = self.accounts.find(user)?;
        let is_unchanged = account.nt_hash == Some(NtHash::of_password(password));
        is_unchanged.then_some((user, password))
    }

    /// What all links have in common.
    pub(crate) fn link_settings(&self, server: &Server) -> LinkSettings {
        let called_names = CalledNames {
            names: vec![self.names.netbios_computer.clone()],
        };
        LinkSettings {
            framing: Framing::DirectTcp,
            largest_message: server.limits().frame_size.to_usize(),
            called_names: Arc::new(called_names),
            pool: self.buffers.clone(),
        }
    }

    /// What a reload replaces. Shares that the configuration leaves as they were stay the same
    /// objects.
    fn settings(
        &self,
        configuration: Configuration,
        old: Option<&Settings>,
    ) -> Result<Settings, Failure> {
        let shares = self
            .shares
            .list(&configuration, old.map(|old| &old.shares))?;
        let mechanism = self.mechanism(&configuration.server);
        Ok(Settings {
            shares,
            negotiate_token: mechanism.hint().into(),
            mechanism: Arc::new(mechanism),
            configuration,
        })
    }

    fn mechanism(&self, server: &config::Server) -> Spnego {
        mechanism(server, self.names.clone(), self.accounts.clone())
    }
}

fn tell(restored: Restored) {
    let Restored {
        opens,
        absent,
        expired,
        refused,
        unreadable,
    } = restored;
    tracing::info!(
        opens,
        absent,
        expired,
        refused,
        unreadable,
        "restored persistent opens"
    );
}

/// How clients log on.
pub(crate) fn mechanism(
    server: &config::Server,
    names: ServerNames,
    accounts: Arc<dyn AccountStore>,
) -> Spnego {
    let policy = AuthPolicy {
        ntlm_v1: if server.ntlmv1 {
            NtlmV1::Allowed
        } else {
            NtlmV1::Refused
        },
        anonymous: if server.anonymous {
            Anonymous::Allowed
        } else {
            Anonymous::Refused
        },
        guest: match server.guest {
            GuestPolicy::Never => Guest::Never,
            GuestPolicy::BadUser => Guest::BadUser,
        },
        ..AuthPolicy::default()
    };
    let ntlm = NtlmMechanism::new(names, policy, accounts);
    Spnego::new(vec![Arc::new(ntlm)])
}

/// Unused buffers of received messages that are kept, in bytes.
pub(crate) const KEPT_BUFFERS: usize = 64 << 20;
