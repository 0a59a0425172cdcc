//! How a run is to be, and what came of it.

use std::fmt;
use std::str::FromStr;

use wire::NtStatus;

use crate::model::{Objection, Operation, Outcome};

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

/// What clients do: up to [`Profile::Locks`], each what those before it do, and more; the others what that one does,
/// and more.
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
    /// They lock and unlock several ranges at once, and cancel what waits.
    Locks,
    /// They make opens resilient.
    Resilient,
    /// They make opens resilient, and have folders that they rename and delete, with files below.
    Trees,
    /// They have persistent opens of a server that is killed and started again.
    Persistent,
    /// They have sessions with several channels, lose some of these, and repeat requests over others.
    Channels,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Oplocks,
        Self::Leases,
        Self::Durable,
        Self::Folders,
        Self::Locks,
        Self::Resilient,
        Self::Trees,
        Self::Persistent,
        Self::Channels,
    ];

    /// Whether clients make opens resilient.
    #[must_use]
    pub fn has_resilient_opens(self) -> bool {
        matches!(self, Self::Resilient | Self::Trees)
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "oplocks" => Ok(Self::Oplocks),
            "leases" => Ok(Self::Leases),
            "durable" => Ok(Self::Durable),
            "folders" => Ok(Self::Folders),
            "locks" => Ok(Self::Locks),
            "resilient" => Ok(Self::Resilient),
            "trees" => Ok(Self::Trees),
            "persistent" => Ok(Self::Persistent),
            "channels" => Ok(Self::Channels),
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
    /// Requests that ended with CANCELLED because their client wanted that.
    pub cancelled: u64,
    /// LOCKs of several elements that a conflict has ended.
    pub rolled_back: u64,
    /// LOCKs and CREATEs that were known to be carried out before.
    pub repeated: u64,
    /// Channels that were lost while their session went on.
    pub losses: u64,
    /// Notices of breaks that were lost with their channel.
    pub missed: u64,
    /// Requests that came too late.
    pub stale: u64,
    /// Opens that were made resilient.
    pub resilient: u64,
    /// Folders that were renamed.
    pub moved: u64,
    /// Servers that were killed.
    pub kills: u64,
    /// Opens that a new server had from the one before.
    pub restored: u64,
    /// Opens of the one before that nobody finds again.
    pub gone: u64,
}

impl Summary {
    /// Counts a final reply that was not cancelled.
    pub fn count(&mut self, operation: &Operation, outcome: &Outcome) {
        self.replies += 1;
        let is_opened = matches!(outcome, Outcome::Opened { .. });
        match operation {
            Operation::Reconnect { .. } => self.reconnects += u64::from(is_opened),
            Operation::LockList {
                elements, sequence, ..
            } => {
                let is_conflict = outcome.status() == NtStatus::LOCK_NOT_GRANTED;
                self.rolled_back += u64::from(is_conflict && elements.len() > 1);
                self.repeated += u64::from(sequence.is_some_and(|it| it.is_repeated));
            }
            Operation::OpenAgain { .. } => self.repeated += 1,
            Operation::MakeResilient { .. } => self.resilient += u64::from(!outcome.is_refused()),
            Operation::Refusal { .. } => self.stale += 1,
            _ => self.told += u64::from(matches!(outcome, Outcome::Changes(_))),
        }
    }
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.replies += other.replies;
        self.cuts += other.cuts;
        self.breaks += other.breaks;
        self.reconnects += other.reconnects;
        self.scavenged += other.scavenged;
        self.told += other.told;
        self.cancelled += other.cancelled;
        self.rolled_back += other.rolled_back;
        self.repeated += other.repeated;
        self.losses += other.losses;
        self.missed += other.missed;
        self.stale += other.stale;
        self.resilient += other.resilient;
        self.moved += other.moved;
        self.kills += other.kills;
        self.restored += other.restored;
        self.gone += other.gone;
    }
}

/// A run in which the server was wrong, or may have been.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// In which step.
    pub step: usize,
    /// What was wrong, as far as that could be decided.
    pub objection: Objection,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}, step {}: {}",
            self.seed, self.step, self.objection
        )
    }
}
