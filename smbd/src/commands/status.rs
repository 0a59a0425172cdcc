//! `smbd status`: what the running server is doing.

use std::path::Path;

use clap::Args;

use crate::{
    control,
    failure::{Failure, print},
};

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints connections, sessions and opens of the server whose state is in this folder.
pub(crate) fn run(options: &Options, state_dir: &Path) -> Result<(), Failure> {
    let report = control::ask(state_dir)?;
    if options.json {
        let json = serde_json::to_string_pretty(&report);
        let json = json.map_err(|error| Failure::to("print the report", error))?;
        print(format_args!("{json}\n"))
    } else {
        print(report.text())
    }
}
