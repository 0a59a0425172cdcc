//! The spool folder: what is kept of jobs on disk, so that they outlive the server.
//!
//! ```text
//! N.spool ──whole──> N.data, then N.job ──printed or deleted──> gone
//! ```
//!
//! `N.job` is what makes a job: a document without one was being written when the server ended, and goes at the next
//! start. Owns the folder, of which nobody else may have a part, and never decides what becomes of a job.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::job::Record;

/// The spool folder of one queue.
pub(super) struct Spool {
    folder: PathBuf,
    /// The highest number that a job had which was there at the start, be it readable or not.
    last: u32,
    /// Held for as long as the queue is there.
    _lock: File,
}

impl Spool {
    /// Takes hold of a folder. Gives the jobs that are in it with the sizes of their documents, by number, and
    /// clears away what is left of others.
    ///
    /// # Errors
    /// What the system says; `ResourceBusy` where another queue has the folder, `PermissionDenied` where others of this
    /// machine could put files into it.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<(Record, u64)>)> {
        check_folder(folder)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE)
            .open(folder.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))?;
        let mut spool = Self {
            folder: folder.to_owned(),
            last: 0,
            _lock: lock,
        };
        let jobs = spool.load()?;
        Ok((spool, jobs))
    }

    /// A new file for a document that is about to be written.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn create(&self, id: u32) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(self.file(id, SPOOLING))
    }

    /// Keeps a job whose document is whole.
    ///
    /// # Errors
    /// What the system says; then there is no job.
    pub(super) fn seal(&self, record: &Record, document: &File) -> io::Result<()> {
        document.sync_all()?;
        fs::rename(self.file(record.id, SPOOLING), self.document(record.id))?;
        self.note(record)
    }

    /// Keeps what has changed of a job.
    ///
    /// # Errors
    /// What the system says; then the job is as it was.
    pub(super) fn note(&self, record: &Record) -> io::Result<()> {
        let new = self.file(record.id, NEW);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PRIVATE)
            .open(&new)?;
        file.write_all(record.encode().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.file(record.id, JOB))?;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes all that there is of a job: first what makes it one.
    ///
    /// # Errors
    /// What the system says; what is not there does no harm.
    pub(super) fn remove(&self, id: u32) -> io::Result<()> {
        for ending in [JOB, NEW, DOCUMENT, SPOOLING] {
            match fs::remove_file(self.file(id, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where a job's document is once it is whole.
    pub(super) fn document(&self, id: u32) -> PathBuf {
        self.file(id, DOCUMENT)
    }

    /// The number behind which new jobs are counted.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    fn load(&mut self) -> io::Result<Vec<(Record, u64)>> {
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some((id, ending)) = name.to_str().and_then(parts) else {
                continue;
            };
            match ending {
                JOB => ids.push(id),
                _ => others.push(id),
            }
        }
        ids.sort_unstable();
        self.last = ids.last().copied().unwrap_or(0);
        let mut jobs = Vec::new();
        for id in &ids {
            match self.load_one(*id) {
                Ok(job) => jobs.push(job),
                // It is left for whoever can mend it.
                Err(error) => {
                    tracing::warn!(target: "smb::share", id, %error, "a print job cannot be read");
                }
            }
        }
        for id in others {
            if ids.binary_search(&id).is_err() {
                self.remove(id)?;
            }
        }
        Ok(jobs)
    }

    fn load_one(&self, id: u32) -> io::Result<(Record, u64)> {
        let text = fs::read_to_string(self.file(id, JOB))?;
        let record = Record::decode(id, &text);
        let record = record.ok_or(io::ErrorKind::InvalidData)?;
        Ok((record, fs::metadata(self.document(id))?.len()))
    }

    fn file(&self, id: u32, ending: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ending}"))
    }
}

/// Makes a spool folder, which nobody else may look into.
///
/// # Errors
/// What the system says.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whoever may write into the folder could have the server print any file and overwrite any, by links.
fn check_folder(folder: &Path) -> io::Result<()> {
    let facts = fs::metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    let is_trusted = facts.uid() == 0 || facts.uid() == own;
    if is_trusted && facts.mode() & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    let why =
        "others than the server may write into it; give it to the server's user, with mode 0700";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Number and ending of a file that is ours.
fn parts(name: &str) -> Option<(u32, &str)> {
    let (id, ending) = name.split_once('.')?;
    let is_ours = [JOB, NEW, DOCUMENT, SPOOLING].contains(&ending);
    Some((id.parse().ok()?, ending)).filter(|_| is_ours)
}

const PRIVATE: u32 = 0o600;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const SPOOLING: &str = "spool";
const DOCUMENT: &str = "data";
const JOB: &str = "job";
const NEW: &str = "new";

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u32) -> Record {
        Record {
            id,
            title: "t".into(),
            ..Record::default()
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn whole_jobs_outlive_the_server_and_half_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, jobs) = Spool::open(folder.path()).unwrap();
        assert!(jobs.is_empty());
        let mut file = spool.create(3).unwrap();
        file.write_all(b"hello").unwrap();
        spool.seal(&record(3), &file).unwrap();
        spool.create(4).unwrap();
        fs::write(folder.path().join("5.data"), "no job").unwrap();
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        drop(spool);
        let (spool, jobs) = Spool::open(folder.path()).unwrap();
        assert_eq!(jobs, [(record(3), 5)]);
        assert_eq!(
            names(folder.path()),
            ["3.data", "3.job", "lock", "notes.txt"]
        );
        spool.remove(3).unwrap();
        spool.remove(3).unwrap();
        assert_eq!(names(folder.path()), ["lock", "notes.txt"]);
    }

    #[test]
    fn a_folder_belongs_to_one_queue() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path()).unwrap();
        let second = Spool::open(folder.path()).err().unwrap();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert!(Spool::open(folder.path()).is_ok());
    }

    #[test]
    fn a_folder_that_others_may_write_into_is_no_spool() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = Spool::open(folder.path()).err().unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
            assert!(names(folder.path()).is_empty());
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Spool::open(folder.path()).is_ok());
    }

    #[test]
    fn others_on_this_machine_read_no_documents() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_folder(&inner).unwrap();
        let (spool, _) = Spool::open(&inner).unwrap();
        let file = spool.create(1).unwrap();
        let mode = |metadata: fs::Metadata| metadata.permissions().mode() & 0o777;
        assert_eq!(mode(file.metadata().unwrap()), 0o600);
        assert_eq!(mode(fs::metadata(&inner).unwrap()), 0o700);
    }
}
