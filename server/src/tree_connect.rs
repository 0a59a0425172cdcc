//! Tree connects: a session's use of a share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use wire::TreeId;
use wire::dtyp::{AccessMask, FileTime};

use crate::share::{Caller, Share};

/// A session's use of a share. [MS-SMB2] 3.3.1.9
pub struct TreeConnect {
    /// TreeId.
    pub id: TreeId,
    /// Share.
    pub share: Arc<Share>,
    /// MaximalAccess: what the share lets this user do at most.
    pub maximal_access: AccessMask,
    /// CreationTime.
    pub creation_time: FileTime,
    /// Who the user is for the share's handler; replaced by re-authentication, and when the accounts change.
    pub caller: ArcSwap<Caller>,
    /// Counted in the share's CurrentUses.
    pub(crate) in_use: AtomicBool,
}

impl TreeConnect {
    /// The session no longer uses the share by this. Opens that outlive the session may hold on to it.
    pub(crate) fn disconnect(&self) {
        if self.in_use.swap(false, Ordering::AcqRel) {
            self.share.release_use();
        }
    }
}

impl fmt::Debug for TreeConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeConnect")
            .field("id", &self.id)
            .field("share", &self.share.name())
            .finish_non_exhaustive()
    }
}

impl Drop for TreeConnect {
    fn drop(&mut self) {
        self.disconnect();
    }
}
