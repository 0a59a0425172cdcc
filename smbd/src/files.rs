//! The program's own files: the configuration, and files that nobody else may read or see
//! half-written.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use config::Configuration;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::failure::Failure;

/// Reads and checks the configuration file.
///
/// # Errors
///
/// The file cannot be read, or every mistake in it, one a line.
pub(crate) fn read_configuration(path: &Path) -> Result<Configuration, ConfigurationFailure> {
    let text = fs::read_to_string(path).map_err(Failure::with("read", path))?;
    Ok(Configuration::parse(&text, &path.to_string_lossy())?)
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationFailure {
    /// The file cannot be read.
    #[error(transparent)]
    Unread(#[from] Failure),
    /// The file has mistakes.
    #[error("{0}")]
    Mistaken(#[from] config::Mistakes),
}

impl From<ConfigurationFailure> for Failure {
    fn from(failure: ConfigurationFailure) -> Self {
        match failure {
            ConfigurationFailure::Unread(failure) => failure,
            ConfigurationFailure::Mistaken(mistakes) => {
                Self::new(format!("the configuration has mistakes\n{mistakes}"))
            }
        }
    }
}

/// Reads a file that only its owner may read; `None` if there is none.
///
/// # Errors
///
/// Besides what reading can meet: the file belongs to somebody else, is no plain file or a symbolic
/// link, or others may read or write it.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, Failure> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::with("open", path)(error)),
    };
    let facts = file.metadata().map_err(Failure::with("look at", path))?;
    let shown = path.display();
    if !facts.is_file() {
        return Err(Failure::new(format!("{shown} is not a plain file")));
    }
    let own = rustix::process::geteuid().as_raw();
    if facts.uid() != own && facts.uid() != ROOT {
        let (owner, command) = (facts.uid(), format!("chown {own} {shown}"));
        return Err(Failure::new(format!(
            "{shown} belongs to user {owner}; make it yours: {command}"
        )));
    }
    if facts.mode() & OTHERS != 0 {
        let mode = facts.mode() & 0o7777;
        let sentence =
            format!("others may use {shown} (mode {mode:04o}); forbid it: chmod 600 {shown}");
        return Err(Failure::new(sentence));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(Failure::with("read", path))?;
    Ok(Some(text))
}

/// Replaces a file by one with this text that only its owner may read, so that whoever reads it,
/// whenever and whatever crashes, finds the old text or the new one. What writers have left who were
/// killed at this goes, too: it may hold what the file holds.
///
/// # Errors
///
/// What writing can meet; then the old file stands.
pub(crate) fn replace_private(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = folder_of(path);
    create_private_folder(&folder)?;
    remove_left(path, &folder);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = folder.join(name);
    let written = write_new(&new, text).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // What is left of the new file is of no use, and there is nobody else to tell.
        let _ = fs::remove_file(&new);
        return Err(Failure::with("write", path)(error));
    }
    let synced = File::open(&folder).and_then(|folder| folder.sync_all());
    synced.map_err(Failure::with("write", &folder))
}

/// Removes the new files of writers of `path` who are no more. One that cannot be removed stays until the next write.
fn remove_left(path: &Path, folder: &Path) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return;
    };
    let writer = |file: &OsStr| {
        let rest = file.to_str()?.strip_prefix(name)?.strip_prefix('.')?;
        let number = rest.strip_suffix(".new")?.parse::<u32>().ok()?;
        Pid::from_raw(number.try_into().ok()?)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let gone = |writer| test_kill_process(writer) == Err(Errno::SRCH);
        if writer(&entry.file_name()).is_some_and(gone) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Keeps everybody else who asks for the same lock waiting until it is dropped. The folder of
/// `path` is what is locked.
///
/// # Errors
///
/// The folder cannot be created, opened or locked.
pub(crate) fn lock_folder_of(path: &Path) -> Result<File, Failure> {
    let folder = folder_of(path);
    create_private_folder(&folder)?;
    let file = File::open(&folder).map_err(Failure::with("open", &folder))?;
    flock(&file, FlockOperation::LockExclusive).map_err(Failure::with("lock", &folder))?;
    Ok(file)
}

/// Creates a folder, and those above it, that only their owner may enter; those that exist stay as
/// they are.
///
/// # Errors
///
/// What creating can meet.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), Failure> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(Failure::with("create", path))
}

/// Writes a file in place of what a killed process with this one's number has left there, and waits until it is on
/// the disk.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let create = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path)
    };
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()?
        }
        created => created?,
    };
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The folder that a file stands in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

const ROOT: u32 = 0;
/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_private_file_is_written_whole_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secrets");
        assert!(read_private(&path).unwrap().is_none());
        replace_private(&path, "one").unwrap();
        replace_private(&path, "two").unwrap();
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777,
            0o700
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_has_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let left = format!("secrets.{}.new", std::process::id());
        fs::write(folder.path().join(left), "half a te").unwrap();
        replace_private(&path, "text").unwrap();
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("text"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_writers_who_are_no_more_have_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = std::process::Command::new("true").spawn().unwrap();
        let gone = writer.id();
        writer.wait().unwrap();
        let alive = std::os::unix::process::parent_id();
        let others = [
            format!("secrets.{alive}.new"),
            format!("others.{gone}.new"),
            format!("secrets.{gone}.old"),
            "secrets.new".to_owned(),
            "secrets.-1.new".to_owned(),
        ];
        for name in others.iter().chain([&format!("secrets.{gone}.new")]) {
            fs::write(folder.path().join(name), "half a te").unwrap();
        }
        replace_private(&folder.path().join("secrets"), "text").unwrap();
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
        let count = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, others.len() + 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        replace_private(&path, "text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let shown = path.display();
        let sentence = format!("others may use {shown} (mode 0640); forbid it: chmod 600 {shown}");
        assert_eq!(read_private(&path).unwrap_err().to_string(), sentence);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("secrets"), folder.path().join("link"));
        replace_private(&path, "text").unwrap();
        symlink(&path, &link).unwrap();
        assert!(read_private(&link).is_err());
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "").unwrap();
        assert!(replace_private(&path, "text").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
