//! What the program gives up of the superuser's privileges, for good.
//!
//! Data is read and written on descriptors that were opened as the session's user, by threads that
//! are the program's own. Two of its privileges would show there: passing over the disk quota of
//! the file's owner, and leaving the set-user-id bit on a file whose contents change.

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Gives both up for this thread and all that are started from it, so that no request has to.
pub(crate) fn give_up() {
    let Ok(mut held) = capabilities(None) else {
        return;
    };
    let unwanted = CapabilitySet::SYS_RESOURCE | CapabilitySet::FSETID;
    held.effective.remove(unwanted);
    held.permitted.remove(unwanted);
    held.inheritable.remove(unwanted);
    if let Err(error) = set_capabilities(None, held) {
        tracing::warn!(%error, "cannot give up privileges: writes pass over disk quotas");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions, Permissions},
        io::Write,
        os::unix::fs::{PermissionsExt, chown},
        thread,
    };

    use super::*;

    #[test]
    fn what_is_written_to_a_users_program_takes_its_set_user_id_bit_away() {
        if !rustix::process::geteuid().is_root() {
            eprintln!(
                "skipped, needs root: what_is_written_to_a_users_program_takes_its_set_user_id_bit_away"
            );
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "harmless").unwrap();
        chown(&program, Some(54_321), Some(54_321)).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
        let file = OpenOptions::new().append(true).open(&program).unwrap();
        let write = |mut file: &fs::File| file.write_all(b"!").unwrap();
        let mode = || fs::metadata(&program).unwrap().permissions().mode() & 0o7777;
        write(&file);
        assert_eq!(mode(), 0o4755, "the superuser's writes leave it");
        thread::scope(|scope| {
            scope.spawn(|| {
                give_up();
                // Threads started from here on have given it up too.
                thread::scope(|scope| {
                    scope.spawn(|| write(&file));
                });
            });
        });
        assert_eq!(mode(), 0o755);
    }
}
