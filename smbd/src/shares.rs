//! Makes the shares that the configuration names, each with the handler behind it, and `IPC$`.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use config::{Caching, Configuration, Limits, ShareKind, Symlinks};
use parking_lot::Mutex;
use server::{
    Server, ShareList,
    object_store::{Change, Location, NameCase, ShareId},
    share::{Name, ServerLink, Share, ShareHandler},
};
use share_handlers::{
    config_share::{ConfigShare, Parts},
    disk::{ChangeSink, DiskHandler, DiskOptions, SymbolicLinks},
    ipc::IpcHandler,
    memory::{MemoryHandler, MemoryOptions},
    print::{PrintHandler, Printer, Queue, QueueOptions, make_folder},
    wrappers::{
        configured::{Surroundings, vetoed_names, wrap},
        veto::VetoedNames,
    },
};

use wire::fscc::{CompletionFilter, FileAction};

use crate::{
    administration::Administrator, environment::wall_clock, failure::Failure,
    launch::HelperLauncher, pool::Pool, print::PrintCommand,
};

/// What shares are made with.
pub(crate) struct Shares {
    pool: Pool,
    /// By which handlers see the server, which is made after them.
    link: Arc<ServerLink>,
    administrator: Administrator,
    /// For the wrappers over handlers.
    surroundings: Surroundings,
    launcher: Arc<HelperLauncher>,
    memories: Mutex<Vec<Memory>>,
    /// The print queues, by their folders. They outlive a reload that changes what is around them.
    queues: Mutex<Vec<(PathBuf, Arc<Queue>)>>,
    /// Which folder each disk share shows.
    roots: Mutex<BTreeMap<ShareId, FolderId>>,
    /// The number that the next new share gets.
    next_id: AtomicU32,
}

impl Shares {
    /// Handlers use a pool of as many threads as the limits allow, and see a server of this name.
    pub(crate) fn new(
        limits: &Limits,
        server_name: &str,
        administrator: Administrator,
        surroundings: Surroundings,
    ) -> Self {
        let threads = usize::try_from(limits.blocking_threads).unwrap_or(usize::MAX);
        Self {
            pool: Pool::new(threads),
            link: Arc::new(ServerLink::new(server_name)),
            administrator,
            surroundings,
            launcher: Arc::new(HelperLauncher::here()),
            memories: Mutex::default(),
            queues: Mutex::default(),
            roots: Mutex::default(),
            next_id: AtomicU32::new(0),
        }
    }

    /// Shows the server to the handlers.
    pub(crate) fn connect(&self, server: &Arc<Server>) {
        self.link.connect(server);
    }

    /// Every share of the configuration. Those that it leaves as they were stay the same objects.
    ///
    /// # Errors
    ///
    /// The folder of a share is not there, or cannot be served.
    pub(crate) fn list(
        &self,
        configuration: &Configuration,
        old: Option<&ShareList>,
    ) -> Result<ShareList, Failure> {
        let is_there =
            |id: &ShareId| old.is_some_and(|old| old.iter().any(|share| share.id == *id));
        self.roots.lock().retain(|id, _| is_there(id));
        let own = [ipc_settings()];
        let settings = own.iter().chain(&configuration.shares);
        let list = settings.map(|settings| self.share(settings, old));
        let list = list.collect::<Result<ShareList, Failure>>()?;
        let is_used =
            |memory: &Memory| configuration.shares.iter().any(|share| memory.is_of(share));
        self.memories.lock().retain(is_used);
        let is_spool = |share: &config::Share, folder: &Path| {
            share.kind == ShareKind::Print && share.path.as_deref() == Some(folder)
        };
        self.queues.lock().retain(|(folder, _)| {
            let mut shares = configuration.shares.iter();
            shares.any(|share| is_spool(share, folder))
        });
        Ok(list)
    }

    /// A share: the old one if nothing of it changed, else a new one, with the old handler if that
    /// can stay.
    fn share(
        &self,
        settings: &config::Share,
        old: Option<&ShareList>,
    ) -> Result<Arc<Share>, Failure> {
        let old = old.and_then(|old| old.find(&settings.name));
        let old = old.filter(|old| !self.has_moved(old));
        if let Some(old) = old.filter(|old| old.settings == *settings) {
            return Ok(old.clone());
        }
        if let Some(old) = old.filter(|old| old.settings.shows_same(settings)) {
            return Ok(Arc::new(old.with_settings(settings.clone())));
        }
        let id = ShareId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let handler = self.handler(settings, id)?;
        let handler = wrap(handler, settings, &self.surroundings);
        Ok(Arc::new(Share::new(id, settings.clone(), handler)))
    }

    /// Whether another folder has come to the path of a share: something was mounted there, or was
    /// unmounted.
    pub(crate) fn have_moved(&self, shares: &ShareList) -> bool {
        shares.iter().any(|share| self.has_moved(share))
    }

    fn has_moved(&self, share: &Share) -> bool {
        let shown = self.roots.lock().get(&share.id).copied();
        let there = || share.settings.path.as_deref().and_then(folder_id);
        shown.is_some_and(|shown| there().is_some_and(|there| there != shown))
    }

    fn handler(
        &self,
        share: &config::Share,
        id: ShareId,
    ) -> Result<Arc<dyn ShareHandler>, Failure> {
        match (share.kind, &share.path) {
            _ if share.name == IPC => {
                let administration = Arc::new(self.administrator.clone());
                let pool = Arc::new(self.pool.clone());
                let handler = IpcHandler::new(self.link.clone(), administration, pool);
                Ok(Arc::new(handler))
            }
            (ShareKind::Disk, Some(path)) => self.disk(share, id, path),
            (ShareKind::Print, Some(path)) => self.print(share, id, path),
            (ShareKind::Disk | ShareKind::Print, None) => Err(Failure::new(format!(
                "share {}: it needs a path",
                share.name
            ))),
            (ShareKind::Memory, _) => self.memory(share),
            (ShareKind::Config, _) => self.config(share, id),
        }
    }

    fn disk(
        &self,
        share: &config::Share,
        id: ShareId,
        path: &Path,
    ) -> Result<Arc<dyn ShareHandler>, Failure> {
        prepare_folder(share, path)?;
        // Before it is opened: were another one mounted in between, that would be noticed later.
        let shown = folder_id(path);
        let options = DiskOptions {
            path: path.to_owned(),
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
        };
        let handler = DiskHandler::new(options, Arc::new(self.pool.clone()))
            .map_err(Failure::with("serve", path))?;
        handler.report_to(self.outside_changes(share, id));
        let mut roots = self.roots.lock();
        shown.map(|shown| roots.insert(id, shown));
        Ok(Arc::new(handler))
    }

    fn config(&self, share: &config::Share, id: ShareId) -> Result<Arc<dyn ShareHandler>, Failure> {
        let parts = Parts {
            view: self.link.clone(),
            administration: Arc::new(self.administrator.clone()),
            environment: self.surroundings.environment.clone(),
            pool: Arc::new(self.pool.clone()),
            changes: self.outside_changes(share, id),
            launcher: self.launcher.clone(),
        };
        let handler = ConfigShare::new(share, parts).map_err(|unusable| {
            let (name, group) = (&share.name, &share.compartments.control_group);
            let group = group.as_deref().unwrap_or(Path::new("")).display();
            Failure::new(format!("share {name}: control_group {group}: {unusable}"))
        })?;
        Ok(Arc::new(handler))
    }

    fn outside_changes(&self, share: &config::Share, id: ShareId) -> Arc<OutsideChanges> {
        Arc::new(OutsideChanges {
            link: self.link.clone(),
            vetoed: vetoed_names(share),
            share: id,
            case: if share.case_sensitive && share.kind == ShareKind::Disk {
                NameCase::Sensitive
            } else {
                NameCase::Insensitive
            },
        })
    }
}

impl Shares {
    /// The contents of a memory share: those that it has, else none yet.
    fn memory(&self, share: &config::Share) -> Result<Arc<dyn ShareHandler>, Failure> {
        let mut memories = self.memories.lock();
        if let Some(memory) = memories.iter().find(|memory| memory.is_of(share)) {
            return Ok(memory.handler.clone());
        }
        let options = MemoryOptions {
            size: share.memory_size.to_u32().into(),
            case_sensitive: share.case_sensitive,
            ..MemoryOptions::new(&share.name)
        };
        let making = format!("make share {}", share.name);
        let handler = MemoryHandler::new(options, Arc::new(wall_clock));
        let handler = handler.map_err(|status| Failure::to(making, status))?;
        let memory = Memory {
            settings: share.clone(),
            handler: Arc::new(handler),
        };
        let handler = memory.handler.clone();
        memories.push(memory);
        Ok(handler)
    }
}

impl Shares {
    /// The queue in a print share's spool folder: the one that it has, else the jobs that are there.
    fn print(
        &self,
        share: &config::Share,
        id: ShareId,
        path: &Path,
    ) -> Result<Arc<dyn ShareHandler>, Failure> {
        if share.create_directory && !path.exists() {
            make_folder(path).map_err(Failure::with("create", path))?;
        }
        prepare_folder(share, path)?;
        let has_command = !share.print.command.is_empty();
        let printer = has_command.then(|| PrintCommand::new(share)).transpose()?;
        let options = QueueOptions {
            most_jobs: share.print.jobs,
            most_jobs_of_user: share.print.jobs_per_user,
            longest_document: share.print.job_size.to_u32().into(),
            printer: printer.map(|printer| Arc::new(printer) as Arc<dyn Printer>),
        };
        let mut queues = self.queues.lock();
        let known = queues.iter().find(|(folder, _)| folder == path);
        let queue = if let Some((_, queue)) = known {
            queue.set_options(options);
            queue.clone()
        } else {
            let (pool, environment) = (Arc::new(self.pool.clone()), &self.surroundings.environment);
            let queue = Queue::open(path, options, pool, environment.clone());
            let queue = queue.map_err(Failure::with("spool in", path))?;
            queues.push((path.to_owned(), queue.clone()));
            queue
        };
        queue.report_to(self.outside_changes(share, id));
        Ok(Arc::new(PrintHandler::new(&share.name, queue)))
    }
}

/// Hands what changes in a share without its clients to the server, which tells who watches.
struct OutsideChanges {
    link: Arc<ServerLink>,
    /// What nobody is told of.
    vetoed: VetoedNames,
    share: ShareId,
    case: NameCase,
}

impl ChangeSink for OutsideChanges {
    fn report(&self, name: &Name, action: FileAction, filter: CompletionFilter) {
        if self.vetoed.contain(name) {
            return;
        }
        let (share, case) = (self.share, self.case);
        let location = Location { share, case, name };
        self.link.report(Change {
            location,
            action,
            filter,
        });
    }
}

/// The contents of a memory share. They outlive a reload that changes what is around them.
struct Memory {
    settings: config::Share,
    handler: Arc<dyn ShareHandler>,
}

impl Memory {
    /// Whether these are the contents of a share.
    fn is_of(&self, share: &config::Share) -> bool {
        self.settings.name == share.name
            && self.settings.kind == share.kind
            && self.settings.memory_size == share.memory_size
            && self.settings.case_sensitive == share.case_sensitive
    }
}

/// The share by which clients ask the server about itself: for everybody who is let in at all.
pub(crate) fn ipc_settings() -> config::Share {
    config::Share {
        name: IPC.to_owned(),
        comment: "Remote IPC".to_owned(),
        guest: true,
        caching: Caching::Never,
        ..config::Share::default()
    }
}

/// The volume of a folder, and its number there.
type FolderId = (u64, u64);

fn folder_id(path: &Path) -> Option<FolderId> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Creates the folder of a share that wants it, and makes sure that there is one.
fn prepare_folder(share: &config::Share, path: &Path) -> Result<(), Failure> {
    if share.create_directory && !path.exists() {
        fs::create_dir_all(path).map_err(Failure::with("create", path))?;
    }
    if path.is_dir() {
        return Ok(());
    }
    let (name, path) = (&share.name, path.display());
    let advice = "create the folder, or give create_directory = true";
    Err(Failure::new(format!(
        "share {name}: {path} is no folder; {advice}"
    )))
}

/// No share of the configuration can be called so.
const IPC: &str = "IPC$";

#[cfg(test)]
mod tests {
    use transport::BufferPool;

    use super::*;
    use crate::{accounts::Accounts, environment::Host, identities::Identities};

    fn parse(text: &str) -> Configuration {
        Configuration::parse(text, "f.toml").unwrap()
    }

    /// Call it in a runtime.
    fn shares() -> Shares {
        let folder = tempfile::tempdir().unwrap();
        let mut configuration = Configuration::default();
        configuration.server.accounts = folder.path().join("accounts");
        let accounts = Accounts::open(&configuration).unwrap();
        let machine = [1, 2, 3];
        let accounts = Arc::new(accounts);
        let administrator = Administrator::new(&configuration, accounts.clone(), machine);
        let identities = Identities::new(&configuration, machine, accounts).unwrap();
        let surroundings = Surroundings {
            environment: Arc::new(Host::here(BufferPool::new(0))),
            own: identities.own_caller(),
        };
        Shares::new(&Limits::default(), "SMBD", administrator, surroundings)
    }

    #[tokio::test]
    async fn new_wrappers_over_a_memory_share_leave_its_contents() {
        let shares = shares();
        let text = "[[share]]\nname = 'a'\nkind = 'memory'\n";
        let before = shares.list(&parse(text), None).unwrap();
        let text = format!("{text}[[share.wrapper]]\nkind = 'read-only'\n");
        let after = shares.list(&parse(&text), Some(&before)).unwrap();
        let (old, new) = (before.find("a").unwrap(), after.find("a").unwrap());
        assert!(!Arc::ptr_eq(&old.handler, &new.handler));
        assert!(new.features().read_only && !old.features().read_only);
        let contents = shares.memories.lock()[0].handler.clone();
        assert!(Arc::ptr_eq(&old.handler, &contents));
        shares
            .list(&Configuration::default(), Some(&after))
            .unwrap();
        assert!(shares.memories.lock().is_empty());
    }

    #[tokio::test]
    async fn a_share_that_did_not_change_stays_and_one_that_looks_the_same_keeps_its_handler() {
        let shares = shares();
        let memory = |name: &str, more: &str| {
            format!("[[share]]\nname = '{name}'\nkind = 'memory'\n{more}\n")
        };
        let text = [memory("a", ""), memory("b", ""), memory("c", "")].concat();
        let before = shares.list(&parse(&text), None).unwrap();
        assert!(before.find("a").unwrap().acquire_use());
        let text = [
            memory("a", "read_only = true"),
            memory("b", ""),
            memory("c", "memory_size = '1 MiB'"),
        ];
        let after = shares.list(&parse(&text.concat()), Some(&before)).unwrap();
        let pair = |name| (before.find(name).unwrap(), after.find(name).unwrap());
        let (old, new) = pair("a");
        assert!(!Arc::ptr_eq(old, new) && Arc::ptr_eq(&old.handler, &new.handler));
        assert_eq!(old.id, new.id);
        assert_eq!(new.current_uses(), 1);
        for name in ["b", "IPC$"] {
            let (old, new) = pair(name);
            assert!(Arc::ptr_eq(old, new), "{name}");
        }
        let (old, new) = pair("c");
        assert!(!Arc::ptr_eq(&old.handler, &new.handler));
        assert_ne!(old.id, new.id);
    }

    #[tokio::test]
    async fn a_folder_that_came_to_a_path_while_another_share_could_not_be_made_is_shown_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::create_dir(&path).unwrap();
        let shares = shares();
        let text = format!("[[share]]\nname = 'a'\npath = '{}'\n", path.display());
        let before = shares.list(&parse(&text), None).unwrap();
        assert!(!shares.have_moved(&before));
        fs::rename(&path, folder.path().join("old")).unwrap();
        fs::create_dir(&path).unwrap();
        let wrong = format!("{text}[[share]]\nname = 'b'\npath = '/no/where'\n");
        assert!(shares.list(&parse(&wrong), Some(&before)).is_err());
        assert!(shares.have_moved(&before), "nothing was taken over");
        let after = shares.list(&parse(&text), Some(&before)).unwrap();
        assert!(!shares.have_moved(&after));
        let (old, new) = (before.find("a").unwrap(), after.find("a").unwrap());
        assert!(!Arc::ptr_eq(&old.handler, &new.handler));
    }

    #[tokio::test]
    async fn a_missing_folder_is_created_only_if_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let shares = shares();
        let text = format!("[[share]]\nname = 'a'\npath = '{}'\n", path.display());
        let mut configuration = parse(&text);
        let sentence = shares.list(&configuration, None).err().unwrap().to_string();
        let advice = "is no folder; create the folder, or give create_directory = true";
        assert!(sentence.ends_with(advice), "{sentence}");
        assert!(!path.exists());
        configuration.shares[0].create_directory = true;
        shares.list(&configuration, None).unwrap();
        assert!(path.is_dir());
    }
}
