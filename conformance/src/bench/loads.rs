//! What is done to a server: one file for each kind of work.

mod bulk;
mod caching;
mod connections;
mod files;
mod listing;
mod logons;
mod random;
mod simple;

use std::io;
use std::path::Path;

use super::options::Scale;
use super::variant::Variant;
use super::{Bed, Outcome};

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Reads or writes a file from front to back, in pieces of so many bytes.
    Bulk(Direction, u32),
    /// Reads or writes 4 KiB anywhere in a file.
    Random(Direction),
    /// ECHO, with so many under way.
    Echo(usize),
    /// CREATE, QUERY_INFO and CLOSE of a file, one after the other.
    OpenQueryClose,
    /// The same in one compound, in a folder.
    Stat(Folder),
    /// Creates a file in a folder, writes 1 KiB and closes it.
    CreateWriteClose(Folder),
    /// Renames a file.
    Rename,
    /// Deletes a file.
    Delete,
    /// Lists a folder.
    Listing(Folder),
    /// Connects, logs on, connects to the share, and leaves.
    Logon,
    /// Holds connections, each logged on and with one open file.
    Idle,
    /// [`Load::Stat`] on so many connections in turn, one at a time.
    StatOver(Crowd),
    /// CREATE with a lease, and CLOSE.
    OpenWithLease,
    /// CREATE with a batch oplock and CLOSE, by many clients on as many files.
    BatchOplocks,
    /// LOCK and unlock.
    LockUnlock,
    /// An open that has to wait until another client has given its lease up.
    LeaseBreak,
}

/// Which way data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Read,
    /// To the server.
    Write,
}

/// Where files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// 100 files.
    Small,
    /// 10,000 files.
    Large,
    /// 100,000 files.
    Huge,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// 1.
    One,
    /// 100.
    Hundred,
    /// 1,000.
    Thousand,
    /// 5,000.
    Thousands,
}

impl Load {
    /// Runs the load once.
    pub fn run(self, bed: &Bed<'_>, variant: Variant) -> Outcome {
        match self {
            Self::Bulk(direction, size) => bulk::run(bed, variant, direction, size),
            Self::Random(direction) => random::run(bed, variant, direction),
            Self::Echo(depth) => simple::echo(bed, variant, depth),
            Self::OpenQueryClose => simple::open_query_close(bed, variant),
            Self::Stat(folder) => simple::stat(bed, variant, folder),
            Self::CreateWriteClose(folder) => files::create(bed, variant, folder),
            Self::Rename => files::rename(bed, variant),
            Self::Delete => files::delete(bed, variant),
            Self::Listing(folder) => listing::run(bed, variant, folder),
            Self::Logon => logons::run(bed, variant),
            Self::Idle => connections::idle(bed, variant),
            Self::StatOver(crowd) => connections::stat(bed, variant, crowd),
            Self::OpenWithLease => caching::open_with_lease(bed, variant),
            Self::BatchOplocks => caching::batch_oplocks(bed, variant),
            Self::LockUnlock => caching::lock_unlock(bed, variant),
            Self::LeaseBreak => caching::lease_break(bed, variant),
        }
    }
}

impl Folder {
    /// Its name in the share.
    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Huge => "huge",
        }
    }

    /// How many files it has.
    fn size(self, scale: &Scale) -> usize {
        match self {
            Self::Small => 100,
            Self::Large => scale.large_folders[0],
            Self::Huge => scale.large_folders[1],
        }
    }
}

/// Makes what the loads need in the folders of the shares: the large file and the folders.
pub fn prepare(shares: &[&Path], scale: &Scale) -> io::Result<()> {
    bulk::prepare(shares, scale)?;
    for share in shares {
        for folder in [Folder::Small, Folder::Large, Folder::Huge] {
            fill(&share.join(folder.name()), folder.size(scale))?;
        }
    }
    Ok(())
}

/// Makes a folder with so many files of 1 KiB.
fn fill(folder: &Path, count: usize) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    open(folder)?;
    for index in 0..count {
        let path = folder.join(file_name(index as u64));
        std::fs::write(&path, [0x5a; 1024])?;
        open(&path)?;
    }
    Ok(())
}

/// Lets every user do everything with a file or folder.
fn open(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::chmod(
        path,
        rustix::fs::Mode::from_raw_mode(0o777),
    )?)
}

/// The name of a file that [`fill`] made.
fn file_name(index: u64) -> String {
    format!("File number {index:06}.txt")
}
