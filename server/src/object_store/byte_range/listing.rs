//! The locks of a stream, for who lists them.

use super::{AttachmentId, LockElement, LockKind, LockTable, Range};

/// A lock, or a request for one, as it was when it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedLock {
    /// Whose it is.
    pub owner: AttachmentId,
    /// The bytes.
    pub range: Range,
    /// How they are, or are to be, locked.
    pub kind: LockKind,
    /// They are locked; otherwise the request waits.
    pub is_granted: bool,
}

impl LockTable {
    /// Every lock and every request that waits for one.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = ListedLock> {
        let granted = self.granted.iter().map(|lock| ListedLock {
            owner: lock.owner,
            range: lock.range,
            kind: lock.kind,
            is_granted: true,
        });
        granted.chain(self.waiting.iter().map(|wait| {
            let LockElement { range, kind } = wait.element;
            ListedLock {
                owner: wait.owner,
                range,
                kind,
                is_granted: false,
            }
        }))
    }
}
