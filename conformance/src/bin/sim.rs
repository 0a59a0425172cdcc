//! `cargo sim -- SEED [--profile NAME] [--clients N] [--steps N] [--seeds N]`: runs simulations.
//!
//! One seed prints every operation; `--seeds N` runs so many from SEED on and prints failures only, and which
//! seeds could not be decided, as too much came at once that can have happened in too many orders. What
//! clients do says the profile, each of which is all those before it and more: `oplocks`, `leases`,
//! `durable`, `folders`, `locks`, and then `resilient` and `trees`, `persistent` or `channels`.

use std::process::ExitCode;

use conformance::model::Objection;
use conformance::sim::Random;
use conformance::sim::plan::{Plan, Profile, Summary};
use conformance::sim::simulation::run;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let text = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let option = |name: &str| text(name)?.parse::<u64>().ok();
    let profile = text("--profile").map_or(Ok(Profile::Folders), |name| name.parse());
    let first = arguments.first().and_then(|seed| seed.parse::<u64>().ok());
    let (Some(first), Ok(profile)) = (first, profile) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let seeds = option("--seeds").unwrap_or(1);
    let (mut failed, mut undecided, mut all) = (0, 0, Summary::default());
    for seed in first..first.saturating_add(seeds) {
        let clients = option("--clients").unwrap_or(2 + Random::new(seed).number() % 7);
        let plan = Plan {
            seed,
            clients: usize::try_from(clients).unwrap_or(1),
            steps: usize::try_from(option("--steps").unwrap_or(1_000)).unwrap_or(0),
            profile,
            verbose: seeds == 1,
        };
        match run(plan) {
            Ok(summary) => all += summary,
            Err(failure) => {
                eprintln!("{failure}");
                match failure.objection {
                    Objection::Wrong(_) => failed += 1,
                    Objection::Undecided => undecided += 1,
                }
            }
        }
    }
    println!("{seeds} seeds, {failed} failed, {undecided} undecided: {all:?}");
    if failed + undecided == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

const USAGE: &str =
    "usage: cargo sim -- SEED [--profile NAME] [--clients N] [--steps N] [--seeds N]";
