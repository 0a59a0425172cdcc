//! Running targets: panics caught, time and memory watched.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use share_handlers::ipc::fuzzing::Conversation;

use super::Target;
use super::calls::{Reach, mutate_calls};
use super::mutate::mutate;
use crate::sim::Random;

/// What a run found.
#[derive(Debug)]
pub enum Finding {
    /// The target panicked.
    Panic(String),
    /// One input took this long.
    Slow(Duration),
    /// The process grew by so many bytes while running.
    Grew(u64),
}

/// What a run without findings did.
#[derive(Debug)]
pub struct Summary {
    /// How many inputs were run.
    pub executions: u64,
    /// What the calls of the target's interface have come to, where it is held to one.
    pub reach: Reach,
}

/// No input may take longer; generous, because machines are shared.
const SLOWEST: Duration = Duration::from_secs(5);

/// The process may not grow by more, in bytes.
const LARGEST_GROWTH: u64 = 256 << 20;

/// Runs one input.
///
/// # Errors
/// What is wrong with the target.
pub fn run_one(target: &Target, input: &[u8]) -> Result<(), Finding> {
    watched(|| (target.run)(input))
}

/// Runs one input, and counts what its calls come to.
fn run_counted(target: &Target, input: &[u8], reach: &mut Reach) -> Result<(), Finding> {
    let conversation = target.interface.zip(Conversation::decode(input));
    let Some((interface, conversation)) = conversation else {
        return run_one(target, input);
    };
    watched(|| reach.count(interface, &conversation.run()))
}

fn watched(run: impl FnOnce()) -> Result<(), Finding> {
    let start = Instant::now();
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    if let Err(panic) = outcome {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        return Err(Finding::Panic(text.unwrap_or_default()));
    }
    match start.elapsed() {
        elapsed if elapsed > SLOWEST => Err(Finding::Slow(elapsed)),
        _ => Ok(()),
    }
}

/// Runs mutations of `corpus` until `length` has passed.
///
/// # Errors
/// The first finding, and the input that led to it.
pub fn run_for(
    target: &Target,
    corpus: &[Vec<u8>],
    seed: u64,
    length: Duration,
) -> Result<Summary, (Finding, Vec<u8>)> {
    let mut random = Random::new(seed);
    let start = Instant::now();
    let mut executions = 0;
    let mut reach = Reach::default();
    let mut memory = None;
    while start.elapsed() < length {
        let mut input = random.pick(corpus).clone();
        let other = random.pick(corpus);
        match target.interface {
            Some(interface) => mutate_calls(&mut input, other, &mut random, interface),
            None => mutate(&mut input, other, &mut random),
        }
        run_counted(target, &input, &mut reach).map_err(|finding| (finding, input.clone()))?;
        executions += 1;
        if executions % 1024 == 0 {
            let now = resident_bytes();
            // Caches and pools have filled by now.
            let before = *memory.get_or_insert(now);
            if now.saturating_sub(before) > LARGEST_GROWTH {
                return Err((Finding::Grew(now - before), input));
            }
        }
    }
    Ok(Summary { executions, reach })
}

/// The memory that the process occupies, in bytes; 0 where the system does not tell.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
