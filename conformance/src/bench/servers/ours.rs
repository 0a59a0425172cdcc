//! Starts this server.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Kind, Running, free_address, open_folder, spawn};
use crate::bench::variant::PASSWORD;

/// Starts `program` with a configuration in `folder`.
pub fn start(program: &Path, folder: &Path) -> io::Result<Running> {
    let share = folder.join("share");
    open_folder(&share)?;
    let address = free_address()?;
    let configuration = folder.join("shares.toml");
    std::fs::write(
        &configuration,
        format!(
            r#"[server]
listen = ["{address}"]
state_dir = "state"
accounts = "accounts"
signing = "offered"

[log]
level = "warn"

[limits]
connections = 100000
connections_per_address = 100000

[[share]]
name = "bench"
path = "share"
"#
        ),
    )?;
    add_account(program, &configuration)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(&configuration);
    let child = spawn(command, folder, address)?;
    Ok(Running::new(Kind::Ours, address, share, USER, child))
}

fn add_account(program: &Path, configuration: &Path) -> io::Result<()> {
    let mut add = Command::new(program)
        .args(["user", "add", USER, "--config"])
        .arg(configuration)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = add.stdin.take() {
        writeln!(input, "{PASSWORD}")?;
    }
    match add.wait()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("smbd user add: {status}"))),
    }
}

/// A user that every system has and that owns nothing.
const USER: &str = "nobody";
