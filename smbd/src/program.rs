//! The program: reads its arguments and carries out one subcommand.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    commands::{check, group, serve, status, user},
    failure::{Failure, exit_status},
    files::read_configuration,
    launch,
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
    /// Keep the groups of the account file
    Group {
        #[command(subcommand)]
        command: group::GroupCommand,
    },
    /// Show what the running server is doing
    Status(status::Options),
    /// Become a program in a control group; what the server starts itself with
    #[command(name = launch::COMMAND, hide = true)]
    StartInCompartment,
}

/// Carries out what the command line says, and gives the exit status.
#[must_use]
pub fn run() -> ExitCode {
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
        Some(Command::Group { command }) => exit_status(
            configuration()
                .and_then(|configuration| group::run(command, &configuration.server.accounts)),
        ),
        Some(Command::StartInCompartment) => launch::help(),
        Some(Command::Status(options)) => exit_status(
            configuration()
                .and_then(|configuration| status::run(&options, &configuration.server.state_dir)),
        ),
    }
}
