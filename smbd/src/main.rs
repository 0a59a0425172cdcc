//! The SMB server program: reads its arguments and carries out one subcommand.

mod accounts;
mod administration;
mod announce;
mod assembly;
mod commands;
mod control;
mod driver;
mod environment;
mod failure;
mod files;
mod gate;
mod host_users;
mod identities;
mod interfaces;
mod limits;
mod listen;
mod logging;
mod names;
mod pool;
mod privileges;
mod report;
mod shares;
mod signals;
mod state;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    commands::{check, serve, status, user},
    failure::{Failure, exit_status},
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
    #[command(flatten)]
    serve: serve::Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; also what is done without a command
    Serve(serve::Options),
    /// Print the configuration as it is in effect, or each mistake in it
    Check(check::Options),
    /// Keep the account file
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Show what the running server is doing
    Status(status::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = arguments.config;
    let configuration = || read_configuration(&path).map_err(Failure::from);
    match arguments.command {
        None => exit_status(serve::run(&path, arguments.serve)),
        Some(Command::Serve(options)) => exit_status(serve::run(&path, options)),
        Some(Command::Check(options)) => check::run(&options, &path),
        Some(Command::User { command }) => exit_status(
            configuration()
                .and_then(|configuration| user::run(command, &configuration.server.accounts)),
        ),
        Some(Command::Status(options)) => exit_status(
            configuration()
                .and_then(|configuration| status::run(&options, &configuration.server.state_dir)),
        ),
    }
}
