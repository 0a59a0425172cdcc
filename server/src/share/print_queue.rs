//! A print queue as services for remote administration see it: its jobs, and what may be done to them.
//!
//! Owns the trait that a print share's handler implements beside its own, and what a job is. A queue decides itself
//! whose jobs a caller may change; whether the caller may use the share at all is decided before.

use std::sync::Arc;

use wire::dtyp::FileTime;

use super::handler::{Answer, Handle};
use super::types::Caller;

/// The jobs of a print share.
pub trait PrintQueue: Send + Sync {
    /// All jobs, in the order in which they are printed.
    fn jobs(&self) -> Vec<PrintJob>;

    /// Begins a job: what is written to the handle is its document, and closing that sends it to the printer. An
    /// empty title stands for none.
    ///
    /// # Errors
    /// `PRINT_QUEUE_FULL`, and what the disk says.
    fn begin<'a>(self: Arc<Self>, caller: &'a Caller, title: &'a str) -> Answer<'a, NewJob>;

    /// Changes a job.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND` when there is no such job, `ACCESS_DENIED` when it is somebody else's and the caller
    /// is no administrator, `INVALID_DEVICE_STATE` when the job is not where it could be changed so.
    fn change<'a>(&'a self, caller: &'a Caller, job: u32, change: JobChange) -> Answer<'a, ()>;
}

/// A job that has just begun.
pub struct NewJob {
    /// The number.
    pub id: u32,
    /// Where the document goes.
    pub document: Arc<dyn Handle>,
}

/// A job, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintJob {
    /// The number, unique in its queue.
    pub id: u32,
    /// What the document is called, for people.
    pub title: String,
    /// The name of who printed it, for people.
    pub user: String,
    /// The address of the client, empty for a local one.
    pub client: String,
    /// When it was begun.
    pub submitted: FileTime,
    /// Bytes of the document, as far as it has been written.
    pub size: u64,
    /// How far it is.
    pub state: JobState,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Its document is being written.
    Spooling,
    /// It waits for those before it.
    Queued,
    /// It waits until somebody lets it go on.
    Paused,
    /// The printer has it.
    Printing,
    /// It could not be printed, and waits until somebody starts it again or deletes it.
    Failed,
}

/// What can be done to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobChange {
    /// It goes, wherever it is.
    Delete,
    /// It is not printed for the time being.
    Pause,
    /// It is printed after all.
    Resume,
    /// One that failed is tried again.
    Restart,
}
