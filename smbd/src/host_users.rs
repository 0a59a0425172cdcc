//! The users of this machine, as file operations are done on their behalf.
//!
//! Looking a user up may ask a directory service, so that what was found is kept for a minute.

use std::{
    collections::HashMap,
    ffi::CString,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::unistd::{Gid, Uid, User, getgrouplist};
use parking_lot::Mutex;
use server::share::HostUser;

/// How a user of this machine is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UserName {
    /// By name.
    Name(String),
    /// By number.
    Number(u32),
}

/// The users that were looked up lately.
#[derive(Debug, Default)]
pub(crate) struct HostUsers(Mutex<HashMap<UserName, Known>>);

#[derive(Debug)]
struct Known {
    user: Option<Arc<HostUser>>,
    since: Instant,
}

impl HostUsers {
    /// The user with its groups, or `None` if there is no such user.
    pub(crate) fn find(&self, name: &UserName) -> Option<Arc<HostUser>> {
        if let Some(known) = self.0.lock().get(name)
            && known.since.elapsed() < KEPT
        {
            return known.user.clone();
        }
        // Not under the lock: others need not wait for a slow directory.
        let user = look_up(name).map(Arc::new);
        let mut known = self.0.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(
            name.clone(),
            Known {
                user: user.clone(),
                since: Instant::now(),
            },
        );
        user
    }

    /// Forgets everything, so that what was changed is seen.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}

fn look_up(name: &UserName) -> Option<HostUser> {
    let found = match name {
        UserName::Name(name) => User::from_name(name),
        UserName::Number(uid) => User::from_uid(Uid::from_raw(*uid)),
    };
    let user = match found {
        Ok(user) => user?,
        Err(error) => {
            tracing::warn!(?name, %error, "cannot look up a user of this machine");
            return None;
        }
    };
    let name = CString::new(user.name).ok()?;
    let mut groups: Vec<u32> = match getgrouplist(&name, user.gid) {
        Ok(groups) => groups.into_iter().map(Gid::as_raw).collect(),
        Err(error) => {
            tracing::warn!(?name, %error, "cannot look up the groups of a user of this machine");
            return None;
        }
    };
    groups.sort_unstable();
    groups.dedup();
    Some(HostUser {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups,
    })
}

/// How long what was found is believed.
const KEPT: Duration = Duration::from_secs(60);
/// How many users are remembered.
const MOST_KNOWN: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let users = HostUsers::default();
        let by_name = users.find(&UserName::Name("root".into())).unwrap();
        let by_number = users.find(&UserName::Number(0)).unwrap();
        assert_eq!(by_name, by_number);
        assert_eq!((by_name.uid, by_name.gid), (0, 0));
        assert!(by_name.groups.contains(&0));
    }

    #[test]
    fn who_does_not_exist_is_not_found() {
        let users = HostUsers::default();
        assert_eq!(
            users.find(&UserName::Name("no-such-user-here".into())),
            None
        );
        assert_eq!(users.find(&UserName::Name("nul\0".into())), None);
    }
}
