//! The whole server inside another program, or inside a test.
//!
//! Owns the builder and the running server. There is nothing global: a process may have as many
//! servers as it likes, each with its own accounts, shares and port. Nothing is read from disk and
//! nothing is left there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use auth::{Account, AccountFile, NtHash};
use config::{Configuration, RunAs};
use server::{
    Server, Settings, Surroundings,
    object_store::ShareId,
    share::{NoAdministration, ServerLink, Share, ShareHandler},
};
use share_handlers::ipc::IpcHandler;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use transport::{BufferPool, Framing, LinkSettings, netbios::session::CalledNames};
use wire::dtyp::Guid;

use crate::{
    accept::Acceptors,
    administration::machine_id,
    assembly::{KEPT_BUFFERS, mechanism},
    driver::Stop,
    environment::Host,
    failure::Failure,
    gate::Gate,
    identities::Identities,
    listen::{self, Listener},
    names::server_names,
    pool::Pool,
    shares::ipc_settings,
};

/// Makes a server out of handlers and accounts.
///
/// It listens on a free port of the loopback address unless it is told otherwise, and serves
/// everybody with the rights of the program that it is in.
///
/// ```
/// use std::sync::Arc;
///
/// use share_handlers::memory::{MemoryHandler, MemoryOptions};
/// use share_handlers::wrappers::read_only::ReadOnly;
/// use smbd::{ServerBuilder, wall_clock};
///
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = |label| MemoryHandler::new(MemoryOptions::new(label), Arc::new(wall_clock));
/// let scratch = Arc::new(memory("scratch")?);
/// let manual = ReadOnly::over(Arc::new(memory("manual")?));
/// let server = ServerBuilder::new()
///     .account("alice", "Wonder-land-1")
///     .share("scratch", scratch)
///     .share("manual", manual)
///     .start()
///     .await?;
/// println!("smbclient //127.0.0.1/scratch -p {}", server.address().port());
/// server.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is served before `start`"]
pub struct ServerBuilder {
    address: SocketAddr,
    configuration: Configuration,
    accounts: Vec<(String, NtHash)>,
    shares: Vec<(config::Share, Arc<dyn ShareHandler>)>,
}

impl ServerBuilder {
    /// A server without accounts and shares.
    pub fn new() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            configuration: Configuration::default(),
            accounts: Vec::new(),
            shares: Vec::new(),
        }
    }

    /// Listens there. Port 0 is any free one.
    pub fn listen(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Takes settings and limits from a configuration. Its shares, its files and what it says of
    /// addresses and users of the host are left aside.
    pub fn configuration(self, configuration: Configuration) -> Self {
        Self {
            configuration,
            ..self
        }
    }

    /// Lets a user log on with a password.
    pub fn account(mut self, user: impl Into<String>, password: &str) -> Self {
        let hash = NtHash::of_password(password);
        self.accounts.push((user.into(), hash));
        self
    }

    /// Adds a share for everybody who has an account.
    pub fn share(self, name: impl Into<String>, handler: Arc<dyn ShareHandler>) -> Self {
        let settings = config::Share {
            name: name.into(),
            ..config::Share::default()
        };
        self.share_with(settings, handler)
    }

    /// Adds a share with settings of its own: who may come in, how it is shown and protected. Those
    /// that describe contents are the handler's affair.
    pub fn share_with(mut self, settings: config::Share, handler: Arc<dyn ShareHandler>) -> Self {
        self.shares.push((settings, handler));
        self
    }

    /// Starts to serve, on the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// The address is in use, an account or a share has no proper or no unique name.
    pub async fn start(mut self) -> Result<RunningServer, Failure> {
        self.configuration.identity.run_as = RunAs::ProgramUser;
        self.configuration.identity.force_user = None;
        self.check_shares()?;
        let listener = listen::bind(self.address)?;
        let local = listener.local_addr();
        let address = local.map_err(|error| Failure::to("ask for the address", error))?;
        let buffers = BufferPool::new(KEPT_BUFFERS);
        let called_names = CalledNames {
            names: vec![server_names(&self.configuration.server, HOST).netbios_computer],
        };
        let server = self.server(buffers.clone())?;
        let settings = LinkSettings {
            framing: Framing::DirectTcp,
            largest_message: server.limits().frame_size.to_usize(),
            called_names: Arc::new(called_names),
            pool: buffers,
        };
        let (stop, stopping) = watch::channel(Stop::NotYet);
        let (alive, all_gone) = mpsc::channel(1);
        let acceptors = Acceptors {
            server: server.clone(),
            gate: Gate::default(),
            stopping,
            alive,
        };
        let accepting = tokio::spawn(acceptors.accept(Listener::Direct(listener), settings));
        Ok(RunningServer {
            address,
            server,
            accepting,
            stop,
            all_gone,
        })
    }

    fn check_shares(&self) -> Result<(), Failure> {
        let mut names = vec![ipc_settings().name.to_lowercase()];
        for (settings, _) in &self.shares {
            let name = settings.name.to_lowercase();
            if name.is_empty() || names.contains(&name) {
                let sentence = format!("a share cannot be called {:?}", settings.name);
                return Err(Failure::new(sentence));
            }
            names.push(name);
        }
        Ok(())
    }

    /// The server, with nobody connected.
    fn server(self, buffers: BufferPool) -> Result<Arc<Server>, Failure> {
        let names = server_names(&self.configuration.server, HOST);
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Failure::to("draw a random number", error))?;
        let guid = Guid::from(bytes);
        let mut accounts = AccountFile::default();
        for (user, hash) in self.accounts {
            crate::accounts::add(&mut accounts, Account::new(&user, hash))?;
        }
        let link = Arc::new(ServerLink::new(&names.netbios_computer));
        let pool = Arc::new(Pool::new(1));
        let ipc = IpcHandler::new(link.clone(), Arc::new(NoAdministration), pool);
        let ipc: (config::Share, Arc<dyn ShareHandler>) = (ipc_settings(), Arc::new(ipc));
        let shares = std::iter::once(ipc).chain(self.shares);
        let shares = (0..).zip(shares).map(|(number, (settings, handler))| {
            Arc::new(Share::new(ShareId(number), settings, handler))
        });
        let accounts = Arc::new(accounts);
        let mechanism = mechanism(&self.configuration.server, names, accounts.clone());
        let identities = Identities::new(&self.configuration, machine_id(guid), accounts)?;
        let surroundings = Surroundings {
            environment: Arc::new(Host::here(buffers)),
            identities: Arc::new(identities),
            persistent_store: None,
        };
        let settings = Settings {
            shares: shares.collect(),
            negotiate_token: mechanism.hint().into(),
            mechanism: Arc::new(mechanism),
            configuration: self.configuration,
        };
        let server = Arc::new(Server::new(guid, surroundings, settings));
        link.connect(&server);
        Ok(server)
    }
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A server that serves until it is stopped or dropped.
pub struct RunningServer {
    address: SocketAddr,
    server: Arc<Server>,
    accepting: JoinHandle<()>,
    stop: watch::Sender<Stop>,
    all_gone: mpsc::Receiver<()>,
}

impl RunningServer {
    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets requests that are under way finish, as long as the configuration says, and ends.
    pub async fn stop(mut self) {
        self.accepting.abort();
        self.stop.send_replace(Stop::Drain);
        let patience = self.server.settings().configuration.server.drain_timeout;
        if timeout(patience, self.all_gone.recv()).await.is_err() {
            self.stop.send_replace(Stop::Now);
            if timeout(CLOSING, self.all_gone.recv()).await.is_err() {
                tracing::warn!("some connections did not close in time");
            }
        }
        server::durable::close_all(&self.server).await;
    }
}

impl Drop for RunningServer {
    /// Ends without waiting for anything.
    fn drop(&mut self) {
        self.accepting.abort();
        self.stop.send_replace(Stop::Now);
    }
}

/// What the host is called for clients: the names of a server in a program mean little.
const HOST: &str = "localhost";
/// How long connections may take to close when they are told to.
const CLOSING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use share_handlers::memory::{MemoryHandler, MemoryOptions};

    use super::*;
    use crate::environment::wall_clock;

    fn memory() -> Arc<dyn ShareHandler> {
        let handler = MemoryHandler::new(MemoryOptions::new("a"), Arc::new(wall_clock));
        Arc::new(handler.unwrap())
    }

    #[tokio::test]
    async fn several_servers_live_in_one_process() {
        let start = || ServerBuilder::new().share("a", memory()).start();
        let (one, other) = (start().await.unwrap(), start().await.unwrap());
        assert_ne!(one.address(), other.address());
        let address = one.address();
        let client = tokio::net::TcpStream::connect(address).await.unwrap();
        one.stop().await;
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
        drop(client);
        tokio::net::TcpStream::connect(other.address())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_served_is_refused_in_a_sentence() {
        let refusal = |builder: ServerBuilder| async {
            let started = builder.start().await;
            started.err().map(|failure| failure.to_string())
        };
        let twice = ServerBuilder::new()
            .share("a", memory())
            .share("A", memory());
        let expected = "a share cannot be called \"A\"".to_owned();
        assert_eq!(refusal(twice).await, Some(expected));
        let own = ServerBuilder::new().share("ipc$", memory());
        assert!(refusal(own).await.is_some());
        let accounts = ServerBuilder::new()
            .account("alice", "a")
            .account("Alice", "b");
        assert!(refusal(accounts).await.is_some());
    }
}
