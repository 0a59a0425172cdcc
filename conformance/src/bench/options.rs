//! What to measure, how long, and where to put the results.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures this server against Samba.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub struct Options {
    /// Less of everything: for a first look
    #[arg(long)]
    pub quick: bool,
    /// As little as possible, and this server only: shows that every row runs
    #[arg(long)]
    pub smoke: bool,
    /// Only rows whose name contains one of these
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,
    /// Which servers: `ours`, `samba` (as shipped), `samba-sendfile`; all that are installed if none
    /// is named
    #[arg(long = "server", value_name = "NAME")]
    pub servers: Vec<String>,
    /// The program to measure; by default the `smbd` beside this one
    #[arg(long, value_name = "FILE")]
    pub smbd: Option<PathBuf>,
    /// Samba's program
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/smbd")]
    pub samba: PathBuf,
    /// The core for the server and everything it starts; by default the last one
    #[arg(long, value_name = "N")]
    pub server_core: Option<usize>,
    /// The core for the load; by default the first one
    #[arg(long, value_name = "N")]
    pub client_core: Option<usize>,
    /// How often each row is run; the median counts
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// How long a row of single operations runs, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
    /// How many requests of sequential rows are under way at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub depth: usize,
    /// How many connections the rows with many connections have
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// The same against Samba, which has a process for each
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub samba_connections: usize,
    /// Where the results go: FILE.json and FILE.svg
    #[arg(long, value_name = "FILE", default_value = "target/bench")]
    pub output: PathBuf,
    /// Measure in the network and the memory file system as they are: by default the benchmark makes
    /// its own if it can, which cost the same on every machine
    #[arg(long)]
    pub shared: bool,
}

/// How much work a row is.
#[derive(Clone, Debug)]
pub struct Scale {
    /// How often each row is run.
    pub rounds: usize,
    /// How long a row of single operations runs.
    pub time: Duration,
    /// How much a sequential row moves, in bytes.
    pub bytes: u64,
    /// The size of the file for reads and writes, in bytes.
    pub file_size: u64,
    /// How many files the large folders have.
    pub large_folders: [usize; 2],
    /// How many connections the rows with many have, and the same against Samba.
    pub connections: [usize; 2],
    /// Requests under way in sequential rows.
    pub depth: usize,
}

impl Options {
    /// How much work a row is.
    #[must_use]
    pub fn scale(&self) -> Scale {
        let (rounds, seconds, bytes, connections) = if self.smoke {
            (1, 0.02, 16 * MIB, 20)
        } else if self.quick {
            (1, 0.7, 512 * MIB, 1000)
        } else {
            (3, 2.0, 3 * 1024 * MIB, 5000)
        };
        let connections = self.connections.unwrap_or(connections);
        Scale {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            time: Duration::from_secs_f64(self.seconds.unwrap_or(seconds)),
            bytes,
            // Written over and over: pages that exist already are what is measured.
            file_size: bytes.min(1024 * MIB),
            large_folders: if self.smoke {
                [200, 400]
            } else {
                [10_000, 100_000]
            },
            connections: [connections, connections.min(self.samba_connections)],
            depth: self.depth.max(1),
        }
    }
}

const MIB: u64 = 1024 * 1024;
