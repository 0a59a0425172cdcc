//! Starts Samba, with everything that it writes in one folder.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Kind, Running, free_address, open_folder, spawn};
use crate::bench::variant::PASSWORD;

/// Starts `program` with the configuration that `kind` names.
pub fn start(kind: Kind, program: &Path, folder: &Path) -> io::Result<Running> {
    let share = folder.join("share");
    open_folder(&share)?;
    for private in PRIVATE {
        std::fs::create_dir_all(folder.join(private))?;
    }
    let address = free_address()?;
    let configuration = folder.join("smb.conf");
    std::fs::write(&configuration, text(kind, folder, address.port()))?;
    add_account(&configuration)?;
    let mut command = Command::new(program);
    command
        .args(["--foreground", "--no-process-group", "--configfile"])
        .arg(&configuration);
    let child = spawn(command, folder, address)?;
    Ok(Running::new(kind, address, share, USER, child))
}

fn text(kind: Kind, folder: &Path, port: u16) -> String {
    let data_path = match kind {
        Kind::SambaSendfile => "use sendfile = yes\naio read size = 0\naio write size = 0\n",
        _ => "",
    };
    let folder = folder.display();
    format!(
        "[global]
netbios name = BENCH
workgroup = WORKGROUP
server role = standalone server
interfaces = 127.0.0.1/8
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
passdb backend = tdbsam
logging = file
log file = {folder}/log
log level = 0
load printers = no
printing = bsd
printcap name = /dev/null
disable spoolss = yes
{data_path}
[bench]
path = {folder}/share
read only = no
"
    )
}

fn add_account(configuration: &Path) -> io::Result<()> {
    let mut add = Command::new("smbpasswd")
        .arg("-c")
        .arg(configuration)
        .args(["-s", "-a", USER])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = add.stdin.take() {
        writeln!(input, "{PASSWORD}\n{PASSWORD}")?;
    }
    match add.wait()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("smbpasswd: {status}"))),
    }
}

/// A user that every system has and that owns nothing.
const USER: &str = "nobody";
const PRIVATE: [&str; 6] = ["private", "lock", "state", "cache", "pid", "ncalrpc"];
