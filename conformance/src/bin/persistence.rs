//! Measures what persistence costs: opens with a lease that are durable and that are persistent, and locks of
//! such opens, against the built program, beside what the disk takes to make an append durable. See
//! `docs/performance.md`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use auth::client::Credentials;
use bytes::Bytes;
use clap::Parser;
use conformance::bench::program;
use conformance::client::{CallError, Offer, Scope, TcpClient, requests};
use wire::create::{CreateContext, DurableHandleFlags, LeaseContext, LeaseFlags, LeaseState};
use wire::dtyp::Guid;
use wire::lock::LockFlags;
use wire::{CreateRequest, LeaseKey, LockResponse, OplockLevel};

/// Measures what persistence costs an open and its locks.
#[derive(Parser)]
struct Options {
    /// The program; by default the `smbd` beside this one
    #[arg(long, value_name = "FILE")]
    smbd: Option<PathBuf>,
    /// Where the share and the records are: on the disk that is meant
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Opens of each client and row
    #[arg(long, default_value_t = 500)]
    opens: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let smbd = program(options.smbd.as_deref())?.canonicalize()?;
    let folder = options.folder.join("persistence");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let append = median(&mut appends(&folder, options.opens)?);
    println!("an append and fdatasync: {} µs", append.as_micros());
    let server = Server::start(&smbd, &folder)?;
    for clients in [1, 8, 32] {
        let mut base = None;
        for kind in [Kind::Durable, Kind::Persistent] {
            let begun = Instant::now();
            let mut times = all(server.address, kind, clients, options.opens)?;
            let rate = f64::from(clients * options.opens) / begun.elapsed().as_secs_f64();
            let time = median(&mut times).as_secs_f64();
            let (base_time, base_rate) = *base.get_or_insert((time, rate));
            println!(
                "{clients} clients, {kind:?}: open and close {:.0} µs, {:.2} of durable, {:+.1} appends; rate {:.2}",
                time * 1e6,
                time / base_time,
                (time - base_time) / append.as_secs_f64(),
                rate / base_rate,
            );
        }
    }
    let held = [1, 100, 10_000];
    let [durable, persistent] = [Kind::Durable, Kind::Persistent]
        .map(|kind| locks(server.address, kind, &held, options.opens));
    for ((held, base), time) in held.iter().zip(durable?).zip(persistent?) {
        println!(
            "an open with {held} locks: lock and unlock {:.0} µs, {:.1} of durable, {:+.1} appends",
            time.as_secs_f64() * 1e6,
            time.as_secs_f64() / base.as_secs_f64(),
            (time.as_secs_f64() - base.as_secs_f64()) / append.as_secs_f64(),
        );
    }
    drop(server);
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// What is asked for besides a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Durable,
    Persistent,
}

/// The times of the opens of all clients at once.
fn all(address: SocketAddr, kind: Kind, clients: u32, opens: u32) -> io::Result<Vec<Duration>> {
    let start = |number| thread::spawn(move || client(address, kind, number, opens));
    let running: Vec<_> = (0..clients).map(start).collect();
    let mut times = Vec::new();
    for one in running {
        let done = one.join().expect("a client does not panic");
        times.extend(done.map_err(|error| io::Error::other(format!("{error:?}")))?);
    }
    Ok(times)
}

/// One client that opens and closes a file of its own.
fn client(
    address: SocketAddr,
    kind: Kind,
    number: u32,
    opens: u32,
) -> Result<Vec<Duration>, CallError> {
    let (mut client, scope) = connected(address, number)?;
    let mut times = Vec::new();
    for serial in 0..opens {
        let begun = Instant::now();
        open_and_close(&mut client, scope, request(kind, number, serial))?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// The time of one LOCK and its UNLOCK on an open that has so many locks, for each of these numbers.
fn locks(address: SocketAddr, kind: Kind, held: &[u64], count: u32) -> io::Result<Vec<Duration>> {
    let measured = measured_locks(address, kind, held, count);
    measured.map_err(|error| io::Error::other(format!("{error:?}")))
}

fn measured_locks(
    address: SocketAddr,
    kind: Kind,
    held: &[u64],
    count: u32,
) -> Result<Vec<Duration>, CallError> {
    let (mut client, scope) = connected(address, 0)?;
    let file = client.open(scope, request(kind, 0, 0))?;
    let mut ask = |offset, flags| -> Result<(), CallError> {
        let request = requests::lock(file.id, offset, 1, flags);
        client.ask::<LockResponse>(scope, request).map(drop)
    };
    let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    let mut next = 0;
    let mut medians = Vec::new();
    for number in held {
        while next < *number {
            ask(next, exclusive)?;
            next += 1;
        }
        let mut times = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            ask(u64::MAX, exclusive)?;
            ask(u64::MAX, LockFlags::UNLOCK)?;
            times.push(begun.elapsed());
        }
        medians.push(median(&mut times));
    }
    client.close(&file)?;
    Ok(medians)
}

/// A client that is connected to the share.
fn connected(address: SocketAddr, number: u32) -> Result<(TcpClient, Scope), CallError> {
    let offer = Offer {
        client_guid: Guid(u128::from(number + 1).to_le_bytes()),
        ..Offer::everything()
    };
    let mut client = TcpClient::negotiated(address, offer)?;
    let session = client.log_on(Credentials::password(USER, "", PASSWORD))?;
    let scope = client.tree_connect(session, r"\\server\lasting")?;
    Ok((client, scope))
}

fn open_and_close(
    client: &mut TcpClient,
    scope: Scope,
    request: CreateRequest,
) -> Result<(), CallError> {
    let file = client.open(scope, request)?;
    client.close(&file)
}

fn request(kind: Kind, number: u32, serial: u32) -> CreateRequest {
    let lease = LeaseContext {
        lease_key: LeaseKey(u128::from(number).to_le_bytes()),
        lease_state: LeaseState::READ_CACHING
            .with(LeaseState::WRITE_CACHING)
            .with(LeaseState::HANDLE_CACHING),
        lease_flags: LeaseFlags::NONE,
        v2: None,
    };
    let durable = CreateContext::DurableHandleRequestV2 {
        timeout_ms: 0,
        flags: match kind {
            Kind::Durable => DurableHandleFlags::NONE,
            Kind::Persistent => DurableHandleFlags::PERSISTENT,
        },
        create_guid: Guid((u128::from(number) << 64 | u128::from(serial)).to_le_bytes()),
    };
    CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        contexts: vec![CreateContext::RequestLease(lease), durable].into(),
        ..requests::open_or_create(&format!("file {number}"))
    }
}

/// How long it takes to make a few bytes durable.
fn appends(folder: &Path, count: u32) -> io::Result<Vec<Duration>> {
    let mut file = File::create(folder.join("append"))?;
    let record = Bytes::from_static(&[7; 300]);
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The program while it serves.
struct Server {
    program: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("shares.toml");
        let text = format!(
            "[server]\nlisten = [\"{address}\"]\nstate_dir = \"state\"\naccounts = \"accounts\"\n\
             signing = \"offered\"\n[identity]\nrun_as = \"program-user\"\n[log]\nlevel = \"warn\"\n\
             [[share]]\nname = \"lasting\"\npath = \"share\"\ncreate_directory = true\n\
             continuous_availability = true\n"
        );
        fs::write(&configuration, text)?;
        let command = || {
            let mut command = Command::new(program);
            command.arg("--config").arg(&configuration);
            command.stdout(Stdio::null());
            command
        };
        let mut add = command()
            .args(["user", "add", USER])
            .stdin(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = add.stdin.take() {
            writeln!(input, "{PASSWORD}")?;
        }
        add.wait()?;
        let program = command().spawn()?;
        let server = Self { program, address };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("the program did not start"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to keep.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

const USER: &str = "alice";
const PASSWORD: &str = "Wonder-land-1";
