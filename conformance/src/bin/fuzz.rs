//! `cargo fuzz`: runs a fuzz target on mutations of its corpus, on a stable toolchain.
//!
//! `cargo fuzz TARGET [--seconds N] [--seed N]`. What is found is written to `TARGET-finding`, and
//! `cargo fuzz TARGET FILE` replays it. The same seed runs the same inputs.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use conformance::fuzz::{TARGETS, Target, corpus, run, target};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name, file] => replay(name, file),
        [name, ref options @ ..] => fuzz(name, options),
        [] => Err(usage()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz(name: &str, options: &[&str]) -> Result<(), String> {
    let target = find(name)?;
    let seconds = option(options, "--seconds", 60)?;
    let seed = option(options, "--seed", 1)?;
    let inputs = corpus::load(target).map_err(|error| error.to_string())?;
    // What fails is told once, below.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    println!("{name}: {} inputs, seed {seed}, {seconds} s", inputs.len());
    let length = Duration::from_secs(seconds);
    match run::run_for(target, &inputs, seed, length) {
        Ok(summary) => {
            let memory = run::resident_bytes() >> 20;
            let executions = summary.executions;
            println!("{name}: {executions} executions, no finding, {memory} MiB resident");
            if let Some(interface) = target.interface {
                print!("{}", summary.reach.report(interface));
            }
            Ok(())
        }
        Err((finding, input)) => {
            let file = format!("{name}-finding");
            fs::write(&file, input).map_err(|error| error.to_string())?;
            Err(format!("{name}: {finding:?}; the input is in {file}"))
        }
    }
}

fn replay(name: &str, file: &str) -> Result<(), String> {
    let input = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    run::run_one(find(name)?, &input).map_err(|finding| format!("{name}: {finding:?}"))
}

fn find(name: &str) -> Result<&'static Target, String> {
    target(name).ok_or_else(usage)
}

fn option(options: &[&str], name: &str, default: u64) -> Result<u64, String> {
    match options.iter().position(|option| *option == name) {
        None => Ok(default),
        Some(at) => options
            .get(at + 1)
            .and_then(|value| value.parse().ok())
            .ok_or_else(usage),
    }
}

fn usage() -> String {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    format!(
        "usage: cargo fuzz TARGET [--seconds N] [--seed N] | cargo fuzz TARGET FILE\ntargets: {}",
        names.join(", ")
    )
}
