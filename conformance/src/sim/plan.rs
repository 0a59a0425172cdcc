//! How a run is to be, and what came of it.

use std::fmt;
use std::str::FromStr;

/// How a run is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many clients, at least one.
    pub clients: usize,
    /// How many steps.
    pub steps: usize,
    /// What clients do.
    pub profile: Profile,
    /// Whether to print each operation and its outcome.
    pub verbose: bool,
}

/// What clients do: each what those before it do, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// They open, read, write, lock, rename and delete files, with oplocks.
    Oplocks,
    /// They ask for leases too.
    Leases,
    /// They come back for their opens after a cut, and some are another user's.
    Durable,
    /// They cache what is in the root and watch it.
    Folders,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Oplocks, Self::Leases, Self::Durable, Self::Folders];
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "oplocks" => Ok(Self::Oplocks),
            "leases" => Ok(Self::Leases),
            "durable" => Ok(Self::Durable),
            "folders" => Ok(Self::Folders),
            _ => Err(format!("no such profile: {text}")),
        }
    }
}

/// What happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Replies that the model judged, or that were counted.
    pub replies: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Oplocks and leases that were broken.
    pub breaks: u64,
    /// Opens that were taken up again.
    pub reconnects: u64,
    /// Opens that were closed while they waited for their client.
    pub scavenged: u64,
    /// Replies to CHANGE_NOTIFY.
    pub told: u64,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.replies += other.replies;
        self.cuts += other.cuts;
        self.breaks += other.breaks;
        self.reconnects += other.reconnects;
        self.scavenged += other.scavenged;
        self.told += other.told;
    }
}

/// A run in which the server was wrong.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// In which step.
    pub step: usize,
    /// What was wrong.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, step {}: {}", self.seed, self.step, self.text)
    }
}
