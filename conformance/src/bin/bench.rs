//! Measures this server against Samba; see `docs/performance.md`.

use std::process::ExitCode;

use clap::Parser;
use conformance::bench::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(failed) if failed.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
