//! The control socket: whoever may enter the state folder may ask a running server what is going
//! on.
//!
//! A client connects and reads one report as JSON; it sends nothing.

use std::{
    fs,
    io::Read,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use server::Server;
use tokio::{io::AsyncWriteExt, net::UnixListener, time::timeout};

use crate::{failure::Failure, report::Report};

/// Opens the control socket in the state folder. The future answers whoever connects, for ever.
pub(crate) fn listen(server: &Arc<Server>) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let path = socket_path(&server.settings().configuration.server.state_dir);
    remove_left_over(&path)?;
    let listener = UnixListener::bind(&path).map_err(Failure::with("listen on", &path))?;
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, owner_only).map_err(Failure::with("protect", &path))?;
    let server = server.clone();
    Ok(async move {
        loop {
            match listener.accept().await {
                Ok((mut stream, _)) => {
                    let report = serde_json::to_vec(&Report::of(&server)).unwrap_or_default();
                    // Who asks and does not read shall not keep others from asking.
                    let _ = timeout(PATIENCE, stream.write_all(&report)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    })
}

/// Asks the running server whose state is in this folder.
pub(crate) fn ask(state_dir: &Path) -> Result<Report, Failure> {
    let path = socket_path(state_dir);
    let mut stream = UnixStream::connect(&path).map_err(|error| {
        Failure::to(
            format_args!("ask the server at {}", path.display()),
            format_args!("{error} (is it running?)"),
        )
    })?;
    let mut json = Vec::new();
    stream
        .read_to_end(&mut json)
        .map_err(Failure::with("read from", &path))?;
    serde_json::from_slice(&json).map_err(Failure::with("understand the server at", &path))
}

fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control")
}

/// Removes the socket of a server that is gone.
fn remove_left_over(path: &Path) -> Result<(), Failure> {
    let is_socket = |facts: fs::Metadata| facts.file_type().is_socket();
    if !fs::symlink_metadata(path).is_ok_and(is_socket) {
        return Ok(());
    }
    if UnixStream::connect(path).is_ok() {
        let shown = path.display();
        return Err(Failure::new(format!(
            "another server answers at {shown}; give it another state_dir"
        )));
    }
    fs::remove_file(path).map_err(Failure::with("remove", path))
}

/// How long a client may take to read its report.
const PATIENCE: Duration = Duration::from_secs(5);
