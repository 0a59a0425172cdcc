//! Captured traffic of real clients and servers: read, cut into messages, and replayed with changes.
//!
//! The captures lie beside the repository, in a folder of their own; where it is absent, tests say so.

mod pcap;
pub mod replay;
mod streams;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// One capture: what was said on each of its TCP connections.
#[derive(Debug)]
pub struct Capture {
    /// The file's name.
    pub name: String,
    /// The connections on which SMB was spoken.
    pub conversations: Vec<Conversation>,
}

/// One TCP connection.
#[derive(Debug, Default)]
pub struct Conversation {
    /// The transport messages of both sides, in the order in which they were complete.
    pub messages: Vec<(Side, Bytes)>,
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whoever connected.
    Client,
    /// Whoever accepted.
    Server,
}

/// The folder of the captures, if there is one.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let folder = match std::env::var_os("SMB_CAPTURES") {
        Some(folder) => PathBuf::from(folder),
        None => repository.parent()?.join("shared/captures"),
    };
    folder.is_dir().then_some(folder)
}

/// All captures; where there are none, says so as a skipped step.
///
/// # Panics
/// A capture cannot be read.
#[must_use]
pub fn load_or_say_so() -> Option<Vec<Capture>> {
    let Some(folder) = folder() else {
        println!("skipped: captures: there is no folder of captures");
        return None;
    };
    Some(load(&folder).expect("readable captures"))
}

/// Reads all captures of a folder, by name.
///
/// # Errors
/// A file cannot be read or is no capture.
pub fn load(folder: &Path) -> io::Result<Vec<Capture>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut captures = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if [".pcap", ".pcapng", ".cap", ".gz"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            let conversations = read(&path)?;
            captures.push(Capture {
                name,
                conversations,
            });
        }
    }
    Ok(captures)
}

fn read(path: &Path) -> io::Result<Vec<Conversation>> {
    let mut bytes = fs::read(path)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked)?;
        bytes = unpacked;
    }
    let packets = pcap::packets(&bytes).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: no capture", path.display()),
        )
    })?;
    Ok(streams::conversations(&packets))
}
