//! `cargo sim -- SEED [--clients N] [--steps N] [--seeds N] [--oplocks]`: runs simulations.
//!
//! One seed prints every operation; `--seeds N` runs so many from SEED on and prints failures only.
//! With `--oplocks`, no client asks for a lease.

use std::process::ExitCode;

use conformance::sim::Random;
use conformance::sim::simulation::{Plan, run};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let Some(first) = arguments.first().and_then(|seed| seed.parse::<u64>().ok()) else {
        eprintln!("usage: cargo sim -- SEED [--clients N] [--steps N] [--seeds N] [--oplocks]");
        return ExitCode::FAILURE;
    };
    let seeds = option("--seeds").unwrap_or(1);
    let mut failed = 0;
    for seed in first..first.saturating_add(seeds) {
        let clients = option("--clients").unwrap_or(2 + Random::new(seed).number() % 7);
        let plan = Plan {
            seed,
            clients: usize::try_from(clients).unwrap_or(1),
            steps: usize::try_from(option("--steps").unwrap_or(1_000)).unwrap_or(0),
            leases: !arguments.iter().any(|argument| argument == "--oplocks"),
            verbose: seeds == 1,
        };
        match run(plan) {
            Ok(summary) if seeds == 1 => println!("seed {seed}: {summary:?}"),
            Ok(_) => {}
            Err(failure) => {
                eprintln!("{failure}");
                failed += 1;
            }
        }
    }
    println!("{seeds} seeds, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
