//! A print queue as a share: a file written is a job, and closing it prints it.
//!
//! ```text
//! share ── handle ──┐
//!                   ├── queue ── spool (folder on disk)
//! spoolss ──────────┘      └──── printer (the program's)
//! ```
//!
//! Owns what clients see of a queue: a folder with a file per job, which cannot be read again; whoever printed it, and
//! administrators, may delete it. Everything about jobs is [`queue`]'s, everything on disk [`spool`]'s.

mod handle;
mod job;
mod owner;
mod printer;
mod queue;
mod spool;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use server::share::{
    Answer, Caller, Disposition, Features, Handle, JobChange, Name, NewJob, ObjectId, OpenHow,
    Opened, PrintJob, PrintQueue, ShareHandler, ShareKind, Volume, Wanted,
};
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, FileTime, SecurityControl, SecurityDescriptor, Sid,
};
use wire::fscc::FileAction;
use wire::fscc::upcase::eq_ignore_case;
use wire::{NtStatus, Utf16String};

use self::handle::{Folder, Spooling, Waiting};
use self::owner::may_change;
pub use self::printer::{Document, Printer};
use self::queue::Job;
pub use self::queue::{Queue, QueueOptions};
pub use self::spool::make_folder;
use crate::ready::ready;

/// A print share.
pub struct PrintHandler {
    shared: Arc<Shared>,
    label: String,
}

/// What all opens of a print share have in common.
struct Shared {
    queue: Arc<Queue>,
    volume: u64,
    creation_time: FileTime,
}

impl PrintHandler {
    /// The share of a queue. No two print shares of a server have the same label.
    #[must_use]
    pub fn new(label: impl Into<String>, queue: Arc<Queue>) -> Self {
        let label = label.into();
        let mut hasher = DefaultHasher::new();
        ("print queue", &label).hash(&mut hasher);
        let shared = Shared {
            creation_time: queue.now(),
            queue,
            // Numbers of the host's devices are far smaller.
            volume: hasher.finish() | 1 << 63,
        };
        Self {
            shared: Arc::new(shared),
            label,
        }
    }

    async fn open_or_print(
        &self,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        if how.snapshot.is_some() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        if name.stream_type().is_some() {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let title = match name.components() {
            [] => None,
            [title] => Some(title),
            _ => return Err(NtStatus::OBJECT_PATH_NOT_FOUND),
        };
        if how.disposition != Disposition::Existing {
            if how.wanted == Wanted::Directory {
                return Err(NtStatus::NOT_SUPPORTED);
            }
            let title = title.map(Utf16String::to_string_lossy).unwrap_or_default();
            let begun = self.shared.queue.begin(caller, &title).await?;
            return Ok(self.begun(Spooling::new(self.shared.clone(), begun)));
        }
        let Some(title) = title else {
            return self.folder(how.wanted);
        };
        if how.wanted == Wanted::Directory {
            return Err(NtStatus::NOT_A_DIRECTORY);
        }
        let mut jobs = self.shared.queue.all().into_iter();
        let is_called =
            |job: &Job| eq_ignore_case(job.record.file_name().as_units(), title.as_units());
        let job = jobs.find(is_called);
        let job = job.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        Ok(self.waiting(caller, job))
    }

    fn folder(&self, wanted: Wanted) -> Result<Opened, NtStatus> {
        if wanted == Wanted::File {
            return Err(NtStatus::FILE_IS_A_DIRECTORY);
        }
        let folder = Folder(self.shared.clone());
        let read = AccessMask::FILE_GENERIC_READ.with(AccessMask::FILE_GENERIC_EXECUTE);
        Ok(Opened {
            stat: folder.stat_now(),
            security: Some(Arc::new(everybody_has(read))),
            ..opened(Name::root(), Arc::new(folder))
        })
    }

    fn begun(&self, job: Spooling) -> Opened {
        Opened {
            created: true,
            created_with_file: true,
            stat: job.stat_now(),
            ..opened(job.name_now(), Arc::new(job))
        }
    }

    fn waiting(&self, caller: &Caller, job: Job) -> Opened {
        let may_change = may_change(caller, &job.record);
        let look = AccessMask::FILE_READ_ATTRIBUTES
            .with(AccessMask::FILE_READ_EA)
            .with(AccessMask::READ_CONTROL)
            .with(AccessMask::SYNCHRONIZE);
        // The descriptor says what this caller may do: whose job it is, no identifier tells.
        let rights = if may_change {
            look.with(AccessMask::DELETE)
        } else {
            look
        };
        let job = Waiting {
            shared: self.shared.clone(),
            job,
            may_change,
        };
        Opened {
            stat: job.stat_now(),
            security: Some(Arc::new(everybody_has(rights))),
            ..opened(job.name_now(), Arc::new(job))
        }
    }
}

impl ShareHandler for PrintHandler {
    fn features(&self) -> Features {
        Features::plain(ShareKind::Print)
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(self.open_or_print(caller, name, how))
    }

    /// A queue has room for the longest document.
    fn volume(&self) -> Answer<'_, Volume> {
        let shared = &self.shared;
        let units = shared.queue.longest_document() / 512;
        ready(Ok(Volume {
            total_units: units,
            free_units: units,
            caller_free_units: units,
            ..Volume::virtual_one(self.label.clone(), shared.volume, shared.creation_time)
        }))
    }

    fn print_queue(&self) -> Option<Arc<dyn PrintQueue>> {
        Some(self.shared.clone())
    }
}

impl PrintQueue for Shared {
    fn jobs(&self) -> Vec<PrintJob> {
        let jobs = self.queue.all();
        jobs.iter().map(Job::snapshot).collect()
    }

    fn begin<'a>(self: Arc<Self>, caller: &'a Caller, title: &'a str) -> Answer<'a, NewJob> {
        Box::pin(async move {
            let begun = self.queue.begin(caller, title).await?;
            self.queue.report(&begun.record, FileAction::ADDED);
            Ok(NewJob {
                id: begun.record.id,
                document: Arc::new(Spooling::new(self, begun)),
            })
        })
    }

    fn change<'a>(&'a self, caller: &'a Caller, job: u32, change: JobChange) -> Answer<'a, ()> {
        let found = self.queue.find(job);
        Box::pin(async move {
            self.queue.change_for(caller, job, change).await?;
            if let Some(job) = found.filter(|_| change == JobChange::Delete) {
                self.queue.report(&job.record, FileAction::REMOVED);
            }
            Ok(())
        })
    }
}

impl fmt::Debug for PrintHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrintHandler")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// The identity of the folder, or of a job.
fn object_of(volume: u64, job: Option<u32>) -> ObjectId {
    ObjectId {
        volume,
        file: job.map_or(1, |id| u64::from(id) + 1),
    }
}

/// Something that was opened and was there before.
fn opened(name: Name, handle: Arc<dyn Handle>) -> Opened {
    Opened {
        handle,
        created: false,
        created_with_file: false,
        stat: server::share::FileStat::default(),
        security: None,
        stream: None,
        name,
    }
}

fn everybody_has(rights: AccessMask) -> SecurityDescriptor {
    let everybody = Ace::allowed(Sid::EVERYONE, rights, AceFlags::NONE);
    // One entry always fits.
    let dacl = Acl::from_aces([everybody]).map_or(AclSlot::Absent, AclSlot::List);
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: Some(Sid::SYSTEM),
        group: Some(Sid::SYSTEM),
        dacl,
        ..SecurityDescriptor::default()
    }
}

#[cfg(test)]
mod tests;
