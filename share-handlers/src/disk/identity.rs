//! Whose rights a thread's file work has.
//!
//! Owns the file-system identity of pool threads: user, group and supplementary groups of one
//! thread, never of the process. A thread keeps wearing the identity it last put on, because a
//! switch costs as much as six opens. Threads that never ran a job for a user are never touched.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;
use server::share::HostUser;
use wire::NtStatus;

thread_local! {
    static WORN: RefCell<Worn> = const { RefCell::new(Worn::Untouched) };
}

/// What a thread wears.
#[derive(Clone, PartialEq, Eq)]
enum Worn {
    /// What it was started with: on a pool thread that another one started, perhaps not the
    /// process's own.
    Untouched,
    /// The process's own identity.
    Own,
    /// A user's.
    User(Arc<HostUser>),
    /// A switch failed half-way: nobody's.
    Torn,
}

/// Whether this process can serve each user as that user: only the superuser can.
pub(super) fn can_switch() -> bool {
    own().uid == 0
}

/// Whether work for `host` needs no switch: there is none, it is the process's own identity, or the
/// process cannot switch and serves everybody as itself.
pub(super) fn is_own(host: Option<&HostUser>) -> bool {
    match host {
        None => true,
        Some(host) => {
            !can_switch()
                || (host.uid == own().uid && host.gid == own().gid && host.groups == own().groups)
        }
    }
}

/// Puts on `host`, or the process's own identity. Call it on pool threads only.
///
/// # Errors
/// `ACCESS_DENIED` when the host refuses the switch; then the thread is nobody in particular until
/// a later call succeeds.
pub(crate) fn wear(host: Option<&Arc<HostUser>>) -> Result<(), NtStatus> {
    match host.filter(|host| !is_own(Some(host))) {
        Some(host) => change(Worn::User(Arc::clone(host))),
        None => change(Worn::Own),
    }
}

fn change(wanted: Worn) -> Result<(), NtStatus> {
    WORN.with_borrow_mut(|worn| {
        if *worn == wanted {
            return Ok(());
        }
        let switched = match &wanted {
            Worn::User(host) => switch(host),
            // Only a process that can switch has threads that are not what it is itself.
            _ => !can_switch() || switch(own()),
        };
        *worn = if switched { wanted } else { Worn::Torn };
        if switched {
            Ok(())
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    })
}

/// The user that owns what this thread makes.
pub(super) fn worn_uid() -> u32 {
    WORN.with_borrow(|worn| match worn {
        Worn::User(host) => host.uid,
        Worn::Untouched | Worn::Own | Worn::Torn => own().uid,
    })
}

/// The user and the group that the process was started as.
pub(super) fn own_ids() -> (u32, u32) {
    (own().uid, own().gid)
}

/// Does `work` under the process's own identity and puts the worn one back on.
///
/// For what the caller has been granted by an object's descriptor and the host would let only the
/// superuser do.
pub(super) fn as_self<T>(work: impl FnOnce() -> T) -> Result<T, NtStatus> {
    let worn = WORN.with_borrow(Clone::clone);
    if !matches!(worn, Worn::User(_)) {
        return Ok(work());
    }
    change(Worn::Own)?;
    let result = work();
    change(worn)?;
    Ok(result)
}

/// The supplementary groups must change while the thread still may: effective capabilities stay,
/// for only the file-system user changes.
fn switch(target: &HostUser) -> bool {
    let groups: Vec<_> = target
        .groups
        .iter()
        .map(|group| rustix::fs::Gid::from_raw(*group))
        .collect();
    if set_thread_groups(&groups).is_err() {
        return false;
    }
    let (uid, gid) = (Uid::from_raw(target.uid), Gid::from_raw(target.gid));
    setfsgid(gid);
    setfsuid(uid);
    // Both calls answer the previous value and never fail; asking again tells what is worn now.
    setfsgid(gid) == gid && setfsuid(uid) == uid
}

/// The identity the process was started with.
fn own() -> &'static HostUser {
    static OWN: OnceLock<HostUser> = OnceLock::new();
    OWN.get_or_init(|| {
        let mut groups: Vec<u32> = rustix::process::getgroups()
            .unwrap_or_default()
            .iter()
            .map(|group| group.as_raw())
            .collect();
        groups.sort_unstable();
        HostUser {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups,
        }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::thread;

    use super::*;

    /// A user that owns nothing on this machine.
    pub(in crate::disk) fn stranger() -> Arc<HostUser> {
        Arc::new(HostUser {
            uid: 54_321,
            gid: 54_322,
            groups: vec![54_322, 54_323],
        })
    }

    /// Says on the test's output that it was skipped, by name.
    pub(in crate::disk) fn skipped_without_root(test: &str) -> bool {
        if !can_switch() {
            eprintln!("skipped, needs root: {test}");
        }
        !can_switch()
    }

    #[test]
    fn a_thread_acts_as_the_user_it_wears_and_other_threads_do_not() {
        if skipped_without_root("a_thread_acts_as_the_user_it_wears_and_other_threads_do_not") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let path = folder.path().to_owned();
        thread::spawn(move || {
            wear(Some(&stranger())).unwrap();
            assert!(fs::read(path.join("secret")).is_err());
            fs::write(path.join("mine"), "x").unwrap();
            assert!(as_self(|| fs::read(path.join("secret"))).unwrap().is_ok());
            assert!(fs::read(path.join("secret")).is_err());
            wear(None).unwrap();
            assert!(fs::read(path.join("secret")).is_ok());
        })
        .join()
        .unwrap();
        let mine = fs::metadata(folder.path().join("mine")).unwrap();
        assert_eq!((mine.uid(), mine.gid()), (54_321, 54_322));
        assert!(fs::read(&secret).is_ok());
    }

    #[test]
    fn a_thread_started_by_one_in_disguise_finds_itself() {
        if skipped_without_root("a_thread_started_by_one_in_disguise_finds_itself") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        thread::spawn(move || {
            wear(Some(&stranger())).unwrap();
            thread::spawn(move || {
                assert!(fs::read(&secret).is_err());
                wear(None).unwrap();
                assert!(fs::read(&secret).is_ok());
            })
            .join()
            .unwrap();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn supplementary_groups_count() {
        if skipped_without_root("supplementary_groups_count") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let shared = folder.path().join("shared");
        fs::write(&shared, "x").unwrap();
        std::os::unix::fs::chown(&shared, None, Some(54_323)).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o040)).unwrap();
        thread::spawn(move || {
            wear(Some(&stranger())).unwrap();
            assert!(fs::read(&shared).is_ok());
            let outsider = HostUser {
                groups: vec![],
                ..(*stranger()).clone()
            };
            wear(Some(&Arc::new(outsider))).unwrap();
            assert!(fs::read(&shared).is_err());
        })
        .join()
        .unwrap();
    }
}
