//! The machine: cores, limits, namespaces and a folder in memory.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::options::Options;

/// The two cores that are used; none where the machine has only one.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// The last core for servers and the first for the load, or what the options say.
    pub fn choose(options: &Options) -> Self {
        let Ok(allowed) = sched_getaffinity(None) else {
            return Self { pair: None };
        };
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let first = cores.next();
        let last = cores.next_back();
        let server = options.server_core.or(last);
        let client = options.client_core.or(first);
        Self {
            pair: server.zip(client),
        }
    }

    /// From here on this thread, and what it starts, runs where servers run.
    pub fn pin_to_server(self) -> io::Result<()> {
        self.pair.map_or(Ok(()), |(server, _)| pin(server))
    }

    /// From here on this thread runs where the load runs.
    pub fn pin_to_client(self) -> io::Result<()> {
        self.pair.map_or(Ok(()), |(_, client)| pin(client))
    }
}

fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this process, and servers that it starts, have as many files open as the system allows.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map(|most| most.max(WANTED_FILES));
    let more = Rlimit {
        current: wanted,
        maximum: wanted,
    };
    // Only root may raise the upper limit; the others take what there is.
    if setrlimit(Resource::Nofile, more).is_err() {
        let most = Rlimit {
            current: limit.maximum,
            ..limit
        };
        let _ = setrlimit(Resource::Nofile, most);
    }
}

/// Runs this program again in namespaces of its own: does not return then. Their loopback has a
/// congestion control that costs little, and their `/dev/shm` large pages, where small ones would lie
/// as scattered as the history of the machine has left them. Needs root, `unshare` and `ip`; without
/// them it does nothing.
pub fn enter_own_namespaces(options: &Options) -> io::Result<()> {
    let inside = std::env::var_os(INSIDE).is_some();
    if inside || options.shared || !rustix::process::getuid().is_root() {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let works = Command::new("unshare")
        .args(["--net", "--mount", "ip", "link", "set", "lo", "up"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        return Ok(());
    }
    let error = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", PREPARE, "sh"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error)
}

/// A folder in memory that is removed with the value.
pub fn scratch_folder() -> io::Result<tempfile::TempDir> {
    let place = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("smb-bench-");
    let folder = if place.is_dir() {
        builder.tempdir_in(place)?
    } else {
        builder.tempdir()?
    };
    // Servers work as other users.
    rustix::fs::chmod(folder.path(), rustix::fs::Mode::from_raw_mode(0o755))?;
    Ok(folder)
}

/// Prepares the namespaces, and runs the program in them.
const PREPARE: &str = "\
    ip link set lo up
    echo reno > /proc/sys/net/ipv4/tcp_congestion_control
    mount -t tmpfs -o huge=within_size,mode=1777 tmpfs /dev/shm
    exec \"$@\"";
/// Set where the program runs in namespaces of its own.
const INSIDE: &str = "SMB_BENCH_NAMESPACES";
const WANTED_FILES: u64 = 70_000;
