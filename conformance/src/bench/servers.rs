//! The servers that are compared: this one, and Samba in two configurations.
//!
//! Owns their processes and folders. Each has a private folder with everything in it, listens on
//! its own port of 127.0.0.1, and is ended with all it started when the value is dropped.

mod ours;
mod processes;
mod samba;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auth::client::Credentials;
use processes::Processes;
use rustix::process::{Pid, Signal, kill_process_group};

use super::machine::Cores;
use super::options::Options;
use super::variant;

/// A server's name in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// This server.
    Ours,
    /// Samba with asynchronous reads and writes, as it is shipped.
    Samba,
    /// Samba with sendfile and without asynchronous reads and writes.
    SambaSendfile,
}

impl Kind {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Samba, Self::SambaSendfile];

    /// The name on the command line and in the JSON file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Samba => "samba",
            Self::SambaSendfile => "samba-sendfile",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    kind: Kind,
    address: SocketAddr,
    share: PathBuf,
    user: &'static str,
    child: Child,
    processes: Processes,
}

impl Running {
    /// A server whose process `child` is.
    fn new(
        kind: Kind,
        address: SocketAddr,
        share: PathBuf,
        user: &'static str,
        child: Child,
    ) -> Self {
        let processes = Processes::of(child.id(), kind.name());
        Self {
            kind,
            address,
            share,
            user,
            child,
            processes,
        }
    }

    /// Which it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder behind its share.
    pub fn share(&self) -> &Path {
        &self.share
    }

    /// Whom to log on as.
    pub fn credentials(&self) -> Credentials {
        variant::credentials(self.user)
    }

    /// CPU time of its processes so far, of those that ended too.
    pub fn cpu(&self) -> Duration {
        self.processes.cpu()
    }

    /// Memory of its processes, each shared page counted in parts, in bytes.
    pub fn memory(&self) -> u64 {
        self.processes.memory()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while let Ok(None) = self.child.try_wait()
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Starts the servers that the options name and that are there; says which are not.
pub fn start(options: &Options, cores: &Cores, folder: &Path) -> io::Result<Vec<Running>> {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        let named = options.servers.iter().any(|name| name == kind.name());
        let wanted = if options.servers.is_empty() {
            kind == Kind::Ours || !options.smoke
        } else {
            named
        };
        if !wanted {
            continue;
        }
        if let Some(reason) = missing(kind, options) {
            println!("skipped {kind}: {reason}");
            continue;
        }
        let folder = folder.join(kind.name());
        cores.pin_to_server()?;
        let server = match kind {
            Kind::Ours => ours::start(&program(options.smbd.as_deref())?, &folder),
            Kind::Samba | Kind::SambaSendfile => samba::start(kind, &options.samba, &folder),
        };
        servers.push(server.map_err(|error| named_error(kind, &error))?);
    }
    Ok(servers)
}

/// Why a server cannot be measured here.
fn missing(kind: Kind, options: &Options) -> Option<&'static str> {
    match kind {
        Kind::Ours => None,
        _ if !options.samba.exists() => Some("Samba is not installed"),
        _ if !rustix::process::getuid().is_root() => Some("Samba needs root"),
        _ => None,
    }
}

/// The program to measure: what the options say, or the `smbd` that was built with this program.
///
/// # Errors
///
/// If nothing is said, and there is no such program.
pub fn program(said: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(program) = said {
        return Ok(program.to_owned());
    }
    let own = std::env::current_exe()?;
    // Tests run from a folder below the one with the programs.
    let beside = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("smbd"));
    beside
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no smbd beside this program: cargo build --release -p smbd",
            )
        })
}

/// Starts `command` in a process group of its own, and waits until it listens.
fn spawn(mut command: Command, folder: &Path, address: SocketAddr) -> io::Result<Child> {
    let log = std::fs::File::create(folder.join("output"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        let ended = child.try_wait()?.is_some();
        if ended || Instant::now() > deadline {
            let _ = child.kill();
            let said = std::fs::read_to_string(folder.join("output")).unwrap_or_default();
            return Err(io::Error::other(format!("it does not listen: {said}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(child)
}

/// A folder that every user may do everything in.
fn open_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    Ok(rustix::fs::chmod(
        path,
        rustix::fs::Mode::from_raw_mode(0o777),
    )?)
}

/// An address on the loopback that nobody uses.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn named_error(kind: Kind, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{kind} did not start: {error}"))
}

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server may take to end.
const GRACE: Duration = Duration::from_secs(5);
