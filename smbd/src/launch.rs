//! Runs programs in control groups, for the administration share.
//!
//! The program starts itself once more, as a helper that goes into the group, becomes the user, and only then
//! turns into what is to be run: so nothing of it ever runs outside the group, and no code runs between fork
//! and exec. The helper finds what to run at its standard input, the way into the group at its standard error,
//! and tells at its standard output why it failed; that it closes without a word says that the program runs.

use std::{
    convert::Infallible,
    ffi::CString,
    fs::File,
    io::{PipeReader, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::{self, ExitCode, Stdio},
};

use nix::unistd::User;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    stdio,
};
use share_handlers::config_share::{Launch, Launcher};
use tokio::runtime::Handle;

use crate::descriptors::close_all_but;

/// Starts the helper.
#[derive(Debug)]
pub(crate) struct HelperLauncher {
    /// It waits for what was started, so that nothing is left of it when it has ended.
    runtime: Handle,
}

impl HelperLauncher {
    /// On the runtime that this is called in.
    pub(crate) fn here() -> Self {
        let runtime = Handle::current();
        Self { runtime }
    }

    fn start(&self, launch: &Launch, entrance: OwnedFd) -> Result<(u32, String), String> {
        let text = |error: &dyn std::fmt::Display| format!("the helper was not started: {error}");
        let (input, mut instructions) = std::io::pipe().map_err(|error| text(&error))?;
        let (mut answer, output) = std::io::pipe().map_err(|error| text(&error))?;
        let what = serde_json::to_vec(launch).map_err(|error| text(&error))?;
        let mut helper = process::Command::new("/proc/self/exe");
        helper
            .arg(COMMAND)
            .current_dir("/")
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(entrance));
        let _runtime = self.runtime.enter();
        // The runtime waits for a child that nobody holds any more.
        let mut child = tokio::process::Command::from(helper)
            .spawn()
            .map_err(|error| text(&error))?;
        instructions
            .write_all(&what)
            .map_err(|error| text(&error))?;
        drop(instructions);
        if !is_ready(&answer) {
            // A compartment that is frozen, perhaps.
            let _ = child.start_kill();
            return Err("the compartment takes no process in: it does not answer".to_owned());
        }
        let mut why = String::new();
        answer
            .read_to_string(&mut why)
            .map_err(|error| text(&error))?;
        Ok((child.id().unwrap_or_default(), why))
    }
}

impl Launcher for HelperLauncher {
    fn launch(&self, launch: &Launch, entrance: OwnedFd) -> Result<u32, String> {
        match self.start(launch, entrance)? {
            (number, why) if why.is_empty() => Ok(number),
            (_, why) => Err(why),
        }
    }
}

/// Whether the helper says something, or closes, in time.
fn is_ready(answer: &PipeReader) -> bool {
    let mut answer = [PollFd::from_borrowed_fd(answer.as_fd(), PollFlags::IN)];
    loop {
        match rustix::event::poll(&mut answer, Some(&PATIENCE)) {
            // A signal to the server, which has nothing to do with it.
            Err(Errno::INTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}

/// What the helper does: everything that it was told, or tell why not.
pub(crate) fn help() -> ExitCode {
    let Ok(mut output) = stdio::stdout().try_clone_to_owned().map(File::from) else {
        return ExitCode::FAILURE;
    };
    let Err(why) = become_program(output.as_raw_fd());
    // If nobody listens, nobody wants to know.
    let _ = output.write_all(why.as_bytes());
    ExitCode::FAILURE
}

/// Never returns unless something is wrong. `told` is where that is told, and closes by itself if nothing is.
fn become_program(told: RawFd) -> Result<Infallible, String> {
    let launch: Launch = serde_json::from_reader(std::io::stdin())
        .map_err(|error| format!("the helper was not understood: {error}"))?;
    rustix::io::write(stdio::stderr(), b"0").map_err(refused_by_group)?;
    close_all_but(|number| number == told).map_err(|error| format!("its descriptors: {error}"))?;
    close_streams().map_err(|error| format!("its standard streams: {error}"))?;
    // It outlives whoever started the server.
    let _ = rustix::process::setsid();
    if let Some(user) = &launch.user {
        become_user(user).map_err(|error| format!("user: {user}: {error}"))?;
    }
    let error = process::Command::new(&launch.program)
        .args(&launch.arguments)
        .env_clear()
        .envs(&launch.environment)
        .current_dir(&launch.folder)
        .exec();
    let program = launch.program.display();
    Err(format!("{program} does not run: {error}"))
}

fn refused_by_group(error: Errno) -> String {
    let reason = match error {
        Errno::BUSY => {
            " (a compartment whose subcompartments have limits has no processes of its own)"
        }
        Errno::AGAIN => " (it has as many processes as pids.max allows)",
        _ => "",
    };
    format!("the compartment takes no process in: {error}{reason}")
}

/// What is run reads nothing, and what it writes goes nowhere.
fn close_streams() -> Result<(), Errno> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let nothing = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    stdio::dup2_stdin(nothing.as_fd())?;
    stdio::dup2_stdout(nothing.as_fd())?;
    stdio::dup2_stderr(nothing.as_fd())
}

fn become_user(name: &str) -> Result<(), String> {
    let found = User::from_name(name).map_err(|error| error.to_string())?;
    let user = found.ok_or("this machine has no such user")?;
    let name = CString::new(name).map_err(|error| error.to_string())?;
    nix::unistd::initgroups(&name, user.gid)
        .and_then(|()| nix::unistd::setgid(user.gid))
        .and_then(|()| nix::unistd::setuid(user.uid))
        .map_err(|error| error.to_string())
}

/// The subcommand that makes a helper.
pub(crate) const COMMAND: &str = "start-in-compartment";
/// How long the helper may take.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
