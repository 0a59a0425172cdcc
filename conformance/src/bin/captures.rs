//! Replays mutations of every captured client session against fresh servers.
//!
//! `cargo run --release -p conformance --bin captures [MUTATIONS]`: 10,000 of each by default.

use std::process::ExitCode;
use std::time::Instant;

use conformance::captures::replay::Session;
use conformance::captures::{self};
use conformance::fuzz::run::resident_bytes;
use conformance::sim::Random;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let Ok(count) = argument.map_or(Ok(10_000), |text| text.parse::<u64>()) else {
        eprintln!("usage: captures [MUTATIONS]");
        return ExitCode::FAILURE;
    };
    let Some(folder) = captures::folder() else {
        eprintln!("skipped: captures: there is no folder of captures");
        return ExitCode::FAILURE;
    };
    let captures = match captures::load(&folder) {
        Ok(captures) => captures,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut before = None;
    for capture in &captures {
        let start = Instant::now();
        let sessions: Vec<_> = capture
            .conversations
            .iter()
            .filter_map(Session::new)
            .collect();
        if sessions.is_empty() {
            println!("{}: no client", capture.name);
            continue;
        }
        for seed in 0..count {
            let mut random = Random::new(seed);
            random.pick(&sessions).replay(&mut random);
        }
        let (now, seconds) = (resident_bytes(), start.elapsed().as_secs_f32());
        before.get_or_insert(now);
        println!(
            "{}: {count} mutations in {seconds:.0} s, {} MiB",
            capture.name,
            now >> 20
        );
    }
    let grown = resident_bytes().saturating_sub(before.unwrap_or(0));
    println!("memory grew by {} MiB after the first capture", grown >> 20);
    ExitCode::SUCCESS
}
