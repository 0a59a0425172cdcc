//! `smbd check`: prints the configuration as it is in effect, or each mistake in it.

use std::{path::Path, process::ExitCode};

use clap::Args;

use crate::{
    failure::{exit_status, print},
    files::{ConfigurationFailure, read_configuration},
};

/// How to check.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print mistakes only
    #[arg(long, short)]
    quiet: bool,
}

/// Prints every setting with its value and exits with 0; or each mistake, one a line, and exits
/// with 2.
pub(crate) fn run(options: &Options, path: &Path) -> ExitCode {
    match read_configuration(path) {
        Ok(configuration) => {
            let text = if options.quiet {
                String::new()
            } else {
                configuration.to_toml()
            };
            exit_status(print(text))
        }
        Err(ConfigurationFailure::Mistaken(mistakes)) => {
            eprintln!("{mistakes}");
            ExitCode::from(MISTAKES)
        }
        Err(ConfigurationFailure::Unread(failure)) => {
            eprintln!("smbd: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The exit status of a file with mistakes.
const MISTAKES: u8 = 2;
