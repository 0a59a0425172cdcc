//! Puts the server together from its configuration, and anew on reload.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use auth::{Anonymous, AuthPolicy, Guest, NtlmMechanism, NtlmV1, ServerNames, Spnego};
use config::{Configuration, GuestPolicy, ShareKind, Symlinks};
use server::{
    Server, Settings, ShareList, Surroundings,
    entitlement::{self, Ended},
    object_store::ShareId,
    share::{ServerLink, Share, ShareHandler},
};
use share_handlers::{
    disk::{DiskHandler, DiskOptions, SymbolicLinks},
    ipc::IpcHandler,
    memory::{MemoryHandler, MemoryOptions},
};
use transport::{BufferPool, Framing, LinkSettings, netbios::session::CalledNames};

use crate::{
    accounts::Accounts,
    environment::{Host, wall_clock},
    failure::Failure,
    files::create_private_folder,
    identities::Identities,
    names::server_names,
    pool::Pool,
    state::server_guid,
};

/// What outlives a reload.
pub(crate) struct Assembly {
    names: ServerNames,
    accounts: Arc<Accounts>,
    identities: Arc<Identities>,
    pool: Pool,
    /// The number that the latest new share got.
    last_share: AtomicU32,
    /// Buffers of long messages on their way in.
    buffers: BufferPool,
    /// How `IPC$` sees the server, which does not exist before its shares.
    link: Arc<ServerLink>,
    ipc: Arc<Share>,
}

impl Assembly {
    /// Reads the accounts, and decides what the server is called and as whom it serves.
    pub(crate) fn new(configuration: &Configuration, host: &str) -> Result<Self, Failure> {
        create_private_folder(&configuration.server.state_dir)?;
        let threads = usize::try_from(configuration.limits.blocking_threads).unwrap_or(usize::MAX);
        let names = server_names(&configuration.server, host);
        let link = Arc::new(ServerLink::new(names.netbios_computer.clone()));
        Ok(Self {
            ipc: Arc::new(ipc_share(link.clone())),
            link,
            names,
            identities: Arc::new(Identities::new(configuration)?),
            accounts: Arc::new(Accounts::open(configuration)?),
            pool: Pool::new(threads),
            // The first number is that of `IPC$`.
            last_share: AtomicU32::new(IPC.0 + 1),
            buffers: BufferPool::new(KEPT_BUFFERS),
        })
    }

    /// The server, with nobody connected.
    pub(crate) fn server(&self, configuration: Configuration) -> Result<Arc<Server>, Failure> {
        let guid = server_guid(&configuration.server.state_dir)?;
        let surroundings = Surroundings {
            environment: Arc::new(Host::here(self.buffers.clone())),
            identities: self.identities.clone(),
        };
        let settings = self.settings(configuration, None)?;
        let server = Arc::new(Server::new(guid, surroundings, settings));
        self.link.connect(&server);
        Ok(server)
    }

    /// Takes over a new configuration and the accounts, or neither, and ends what they no longer
    /// entitle anybody to.
    pub(crate) async fn reload(
        &self,
        server: &Arc<Server>,
        new: Configuration,
    ) -> Result<Ended, Failure> {
        self.identities.check(&new)?;
        let identity = new.identity.clone();
        let settings = self.settings(new, Some(&server.settings()))?;
        self.accounts.reload()?;
        self.identities.reload(identity);
        server.reload(settings);
        Ok(entitlement::enforce(server, &*self.accounts).await)
    }

    /// As whom is served.
    pub(crate) fn identities(&self) -> &Identities {
        &self.identities
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
        let shares: Result<ShareList, Failure> = configuration
            .shares
            .iter()
            .map(|share| self.share(share, old))
            .chain([Ok(self.ipc.clone())])
            .collect();
        let mechanism = self.mechanism(&configuration.server);
        Ok(Settings {
            shares: shares?,
            negotiate_token: mechanism.hint().into(),
            mechanism: Arc::new(mechanism),
            configuration,
        })
    }

    /// A share: the old one if nothing of it changed, else a new one, with the old handler if that
    /// can stay.
    fn share(
        &self,
        settings: &config::Share,
        old: Option<&Settings>,
    ) -> Result<Arc<Share>, Failure> {
        let old = old.and_then(|old| old.shares.find(&settings.name));
        if let Some(old) = old.filter(|old| old.settings == *settings) {
            return Ok(old.clone());
        }
        if let Some(old) = old.filter(|old| old.settings.shows_same(settings)) {
            return Ok(Arc::new(Share::new(
                old.id,
                settings.clone(),
                old.handler.clone(),
            )));
        }
        let id = ShareId(self.last_share.fetch_add(1, Ordering::Relaxed));
        Ok(Arc::new(Share::new(
            id,
            settings.clone(),
            self.handler(settings)?,
        )))
    }

    fn handler(&self, share: &config::Share) -> Result<Arc<dyn ShareHandler>, Failure> {
        match (share.kind, &share.path) {
            (ShareKind::Disk, Some(path)) => {
                prepare_folder(share, path)?;
                let options = DiskOptions {
                    case_sensitive: share.case_sensitive,
                    symbolic_links: match share.follow_symlinks {
                        Symlinks::WithinShare => SymbolicLinks::WithinShare,
                        Symlinks::Never => SymbolicLinks::Never,
                    },
                    streams: share.streams,
                    hide_dot_files: share.hide_dot_files,
                    hide_files: share.hide_files.clone(),
                    file_mode: share.file_mode.bits(),
                    directory_mode: share.directory_mode.bits(),
                    label: share.name.clone(),
                    ..DiskOptions::new(path)
                };
                let handler = DiskHandler::new(options, Arc::new(self.pool.clone()));
                Ok(Arc::new(handler.map_err(Failure::with("serve", path))?))
            }
            (ShareKind::Memory, _) => {
                let options = MemoryOptions {
                    size: share.memory_size.to_u32().into(),
                    case_sensitive: share.case_sensitive,
                    ..MemoryOptions::new(&share.name)
                };
                let handler = MemoryHandler::new(options, Arc::new(wall_clock));
                let making = format!("make share {}", share.name);
                Ok(Arc::new(
                    handler.map_err(|status| Failure::to(making, status))?,
                ))
            }
            (ShareKind::Disk, None) => unreachable!("the configuration was checked"),
        }
    }

    fn mechanism(&self, server: &config::Server) -> Spnego {
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
        let ntlm = NtlmMechanism::new(self.names.clone(), policy, self.accounts.clone());
        Spnego::new(vec![Arc::new(ntlm)])
    }
}

/// The share of the server's own pipes: for everybody who gets in, and in nobody's list.
fn ipc_share(link: Arc<ServerLink>) -> Share {
    let settings = config::Share {
        name: "IPC$".to_owned(),
        comment: "Remote IPC".to_owned(),
        guest: true,
        ..config::Share::default()
    };
    Share::new(IPC, settings, Arc::new(IpcHandler::new(link)))
}

/// The number of `IPC$`.
const IPC: ShareId = ShareId(0);

/// Creates the folder of a share that wants it, and makes sure that there is one.
fn prepare_folder(share: &config::Share, path: &Path) -> Result<(), Failure> {
    if share.create_directory && !path.exists() {
        fs::create_dir_all(path).map_err(Failure::with("create", path))?;
    }
    if path.is_dir() {
        return Ok(());
    }
    let advice = "create the folder, or give create_directory = true";
    Err(Failure::new(format!(
        "share {}: {} is no folder; {advice}",
        share.name,
        path.display()
    )))
}

/// Unused buffers of received messages that are kept, in bytes.
const KEPT_BUFFERS: usize = 64 << 20;
