//! What has changed of the locks of opens whose locks are recorded somewhere, until it is recorded.
//!
//! Owns at most one change of each lock. Opens whose locks nobody records cost nothing.

use std::collections::BTreeMap;

use super::super::attachment::AttachmentId;
use super::LockElement;

/// One lock of an open that came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockChange {
    /// By which the lock is known as long as the file is open: later ones have higher numbers.
    pub number: u64,
    /// The lock, or none if it is gone.
    pub lock: Option<LockElement>,
}

/// How much of an open's locks is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockExtent {
    /// All that there are.
    All,
    /// What has changed since it was last asked about.
    Changes,
}

/// The changes of recorded opens, by open and by the lock's number.
#[derive(Default)]
pub(super) struct Unrecorded(BTreeMap<AttachmentId, BTreeMap<u64, Option<LockElement>>>);

impl Unrecorded {
    pub(super) fn begin(&mut self, owner: AttachmentId) {
        self.0.entry(owner).or_default();
    }

    pub(super) fn end(&mut self, owner: AttachmentId) {
        self.0.remove(&owner);
    }

    pub(super) fn locked(&mut self, owner: AttachmentId, number: u64, lock: LockElement) {
        if let Some(changes) = self.0.get_mut(&owner) {
            changes.insert(number, Some(lock));
        }
    }

    pub(super) fn unlocked(&mut self, owner: AttachmentId, number: u64) {
        if let Some(changes) = self.0.get_mut(&owner)
            // What nobody was told to record need not be taken back.
            && changes.remove(&number).is_none()
        {
            changes.insert(number, None);
        }
    }

    /// The changes of an open, the oldest lock first.
    pub(super) fn take(&mut self, owner: AttachmentId) -> Vec<LockChange> {
        let changes = self.0.get_mut(&owner).map(std::mem::take);
        let changes = changes.unwrap_or_default().into_iter();
        changes
            .map(|(number, lock)| LockChange { number, lock })
            .collect()
    }
}
