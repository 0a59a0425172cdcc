//! The SMB server program: reads its arguments and carries out one subcommand.

mod accounts;
mod commands;
mod failure;
mod files;
mod logging;
mod state;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    commands::{check, user},
    failure::exit_status,
    files::read_configuration,
};

/// An SMB 2 and 3 server.
#[derive(Debug, Parser)]
#[command(name = "smbd", version, propagate_version = true)]
struct Arguments {
    /// The configuration file
    #[arg(
        long,
        short,
        global = true,
        default_value = "/etc/smbd/shares.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the configuration as it is in effect, or each mistake in it
    Check,
    /// Keep the account file
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = arguments.config;
    match arguments.command {
        Command::Check => check::run(&path),
        Command::User { command } => exit_status(
            read_configuration(&path)
                .map_err(Into::into)
                .and_then(|configuration| user::run(command, &configuration.server.accounts)),
        ),
    }
}
