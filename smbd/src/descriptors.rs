//! Descriptors that whoever started the program left open.
//!
//! They are closed before the program opens any of its own, so that no program that it starts finds them; its own go
//! to none anyway. Never touches the standard streams.

use std::{env, fs, io, os::fd::RawFd, process};

/// Closes what was left open, but for the sockets of a service manager. No other thread runs yet.
pub(crate) fn close_inherited() {
    let sockets = sockets_handed_in();
    if let Err(error) = close_all_but(|number| number < FIRST_SOCKET.saturating_add(sockets)) {
        tracing::warn!(%error, "cannot tell what descriptors were left open");
    }
}

/// Closes all but the standard streams and those that are kept. No other thread runs, and nothing else is open that is
/// used again.
pub(crate) fn close_all_but(is_kept: impl Fn(RawFd) -> bool) -> io::Result<()> {
    let mut others: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let number: Option<RawFd> = entry?.file_name().to_string_lossy().parse().ok();
        others.extend(number.filter(|number| *number >= FIRST_SOCKET && !is_kept(*number)));
    }
    for other in others {
        // The list itself has been closed by now.
        let _ = nix::unistd::close(other);
    }
    Ok(())
}

/// How many sockets are there for this process, the first descriptors behind the standard streams.
fn sockets_handed_in() -> RawFd {
    let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    let count = number("LISTEN_FDS").filter(|_| number("LISTEN_PID") == Some(process::id()));
    count
        .and_then(|count| count.try_into().ok())
        .unwrap_or_default()
}

/// As sd_listen_fds(3) has it: the first one behind the standard streams.
const FIRST_SOCKET: RawFd = 3;
