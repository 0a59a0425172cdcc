//! Where records of persistent opens are kept, and in which rows.

use bytes::Bytes;

use crate::share::Answer;

/// Keeps rows where they survive the server.
///
/// The order of calls is what counts: of two changes of one row the later one stays, whatever becomes
/// of the answers. An answer that is dropped takes nothing back.
pub trait PersistentStore: Send + Sync {
    /// Makes all of these changes, in their order, or none. The answer comes once they survive.
    ///
    /// # Errors
    /// `DISK_FULL` or `INSUFFICIENT_RESOURCES`; whether they are made then is not known.
    fn change(&self, changes: Vec<Change>) -> Answer<'static, ()>;

    /// Answers once all that was asked for before has been done.
    fn settle(&self) -> Answer<'static, ()>;

    /// How often changes could not be made so far. It has been counted by the time that the answer comes.
    fn failures(&self) -> u64;
}

/// Which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The number of the open that it is about.
    pub open: u64,
    /// 0 for the open itself; higher for its locks, the oldest first.
    pub part: u64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Keep these bytes in the row, in the place of those before.
    Put(Row, Bytes),
    /// Drop the row, if it is there.
    Remove(Row),
    /// Drop all rows of the open with this number.
    RemoveAll(u64),
}
