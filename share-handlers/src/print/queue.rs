//! The jobs of one printer: their order, who may change them, and the one that is being printed.
//!
//! ```text
//! begin ──> Spooling ──closed──> Queued ──its turn──> Printing ──done──> gone
//!                                 │  ▲                   └─────> Failed
//!                               pause resume                       │
//!                                 ▼  │      restart                │
//!                                Paused     Queued <───────────────┘
//! ```
//!
//! One job is printed at a time, in the order of their numbers. What is on disk follows what is decided here; a job
//! that was being printed when the server ended is printed again. Never blocks: files are touched on the pool.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use server::Environment;
use server::share::{Answer, Caller, JobChange, JobState, Name, PrintJob};
use wire::NtStatus;
use wire::dtyp::FileTime;
use wire::fscc::{CompletionFilter, FileAction};

use super::job::{self, Record, Rest};
use super::owner::{Owner, may_change};
use super::printer::{Document, Printer, Stop, Stoppable};
use super::spool::Spool;
use crate::disk::{ChangeSink, errno};
use crate::offload::{Offload, elsewhere};

/// What a queue allows, and where its documents go; may change while it is used.
#[derive(Clone)]
pub struct QueueOptions {
    /// The most jobs at a time.
    pub most_jobs: u32,
    /// The most jobs of one user at a time.
    pub most_jobs_of_user: u32,
    /// The longest document, in bytes.
    pub longest_document: u64,
    /// Prints; none lets jobs wait to be fetched from the folder.
    pub printer: Option<Arc<dyn Printer>>,
}

/// The jobs of one printer.
pub struct Queue {
    spool: Arc<Spool>,
    pool: Arc<dyn Offload>,
    environment: Arc<dyn Environment>,
    options: Mutex<QueueOptions>,
    table: Mutex<Table>,
    /// Who is told of jobs that come and go by themselves.
    sink: Mutex<Option<Arc<dyn ChangeSink>>>,
}

#[derive(Default)]
struct Table {
    jobs: BTreeMap<u32, Job>,
    last: u32,
    /// Somebody looks after the jobs whose turn it is.
    is_served: bool,
}

/// A job in memory.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) record: Record,
    pub(super) size: u64,
    pub(super) state: JobState,
    /// While it is printed.
    stop: Option<Arc<Stop>>,
}

impl Queue {
    /// The queue in a spool folder, with the jobs that are there.
    ///
    /// # Errors
    /// What the system says; `ResourceBusy` where another queue has the folder, `PermissionDenied` where others of this
    /// machine could put files into it.
    pub fn open(
        folder: &Path,
        options: QueueOptions,
        pool: Arc<dyn Offload>,
        environment: Arc<dyn Environment>,
    ) -> io::Result<Arc<Self>> {
        let (spool, kept) = Spool::open(folder)?;
        let last = spool.last();
        let jobs = kept.into_iter().map(|(record, size)| {
            let state = at_rest(record.rest);
            (
                record.id,
                Job {
                    record,
                    size,
                    state,
                    stop: None,
                },
            )
        });
        let table = Table {
            jobs: jobs.collect(),
            last,
            is_served: false,
        };
        let queue = Arc::new(Self {
            spool: Arc::new(spool),
            pool,
            environment,
            options: Mutex::new(options),
            table: Mutex::new(table),
            sink: Mutex::default(),
        });
        queue.serve();
        Ok(queue)
    }

    /// Other limits, another printer.
    pub fn set_options(self: &Arc<Self>, options: QueueOptions) {
        *self.options.lock() = options;
        self.serve();
    }

    /// Tells `sink`, and nobody else, of jobs that come and go by themselves.
    pub fn report_to(&self, sink: Arc<dyn ChangeSink>) {
        *self.sink.lock() = Some(sink);
    }

    pub(super) fn now(&self) -> FileTime {
        self.environment.wall_clock()
    }

    pub(super) fn pool(&self) -> &dyn Offload {
        &*self.pool
    }

    pub(super) fn longest_document(&self) -> u64 {
        self.options.lock().longest_document
    }

    /// All jobs, by number.
    pub(super) fn all(&self) -> Vec<Job> {
        self.table.lock().jobs.values().cloned().collect()
    }

    /// The job with this number.
    pub(super) fn find(&self, id: u32) -> Option<Job> {
        self.table.lock().jobs.get(&id).cloned()
    }

    /// Enters a new job and makes the file for its document.
    pub(super) fn begin(self: &Arc<Self>, caller: &Caller, title: &str) -> Answer<'static, Begun> {
        let entered = self.enter(caller, title);
        let queue = Arc::clone(self);
        elsewhere(self.pool(), move || {
            let record = entered?;
            match queue.spool.create(record.id) {
                Ok(document) => Ok(Begun {
                    record,
                    document: Arc::new(document),
                    queue,
                    is_settled: AtomicBool::new(false),
                }),
                Err(error) => {
                    queue.table.lock().jobs.remove(&record.id);
                    Err(errno::of_io(&error))
                }
            }
        })
    }

    fn enter(&self, caller: &Caller, title: &str) -> Result<Record, NtStatus> {
        let owner = Owner::of(caller);
        let (most, most_of_user) = {
            let options = self.options.lock();
            (options.most_jobs, options.most_jobs_of_user)
        };
        let mut table = self.table.lock();
        let is_own = |job: &&Job| owner.has(&job.record);
        let own = table.jobs.values().filter(is_own).count();
        if is_reached(most, table.jobs.len()) || is_reached(most_of_user, own) {
            return Err(NtStatus::PRINT_QUEUE_FULL);
        }
        let id = table.last.checked_add(1);
        let id = id.ok_or(NtStatus::PRINT_QUEUE_FULL)?;
        table.last = id;
        let record = Record {
            id,
            title: job::title(title),
            user: job::one_line(&caller.user),
            owner: owner.account,
            client: owner.client,
            submitted: self.now(),
            rest: Rest::Queued,
        };
        let job = Job {
            record: record.clone(),
            size: 0,
            state: JobState::Spooling,
            stop: None,
        };
        table.jobs.insert(id, job);
        Ok(record)
    }

    /// Notes how long a document that is being written has become.
    pub(super) fn has_grown(&self, id: u32, size: u64) {
        if let Some(job) = self.table.lock().jobs.get_mut(&id) {
            job.size = job.size.max(size);
        }
    }

    /// A document is whole: its job waits for its turn. One that was deleted meanwhile stays deleted, and nothing
    /// is printed of a document without a byte.
    pub(super) fn finish(self: &Arc<Self>, id: u32, document: Arc<File>) -> Answer<'static, ()> {
        let queue = Arc::clone(self);
        elsewhere(self.pool(), move || {
            let size = document
                .metadata()
                .map_err(|error| errno::of_io(&error))?
                .len();
            let found = queue.find(id).filter(|_| size > 0);
            let sealed = match &found {
                Some(job) => queue.spool.seal(&job.record, &document),
                None => queue.spool.remove(id),
            };
            let mut table = queue.table.lock();
            match (sealed, table.jobs.get_mut(&id)) {
                (Ok(()), Some(job)) if found.is_some() => {
                    job.size = size;
                    job.state = JobState::Queued;
                }
                (sealed, _) => {
                    table.jobs.remove(&id);
                    drop(table);
                    let removed = queue.spool.remove(id);
                    return sealed.and(removed).map_err(|error| errno::of_io(&error));
                }
            }
            drop(table);
            queue.serve();
            Ok(())
        })
    }

    /// Whoever was writing a document wants no job of it, or cannot say any more.
    pub(super) fn give_up(self: &Arc<Self>, id: u32) -> Answer<'static, ()> {
        let queue = Arc::clone(self);
        self.table.lock().jobs.remove(&id);
        elsewhere(self.pool(), move || queue.remove(id))
    }

    /// Changes a job for a caller.
    pub(super) fn change_for(
        self: &Arc<Self>,
        caller: &Caller,
        id: u32,
        change: JobChange,
    ) -> Answer<'static, ()> {
        let decided = self.decide(caller, id, change);
        let queue = Arc::clone(self);
        elsewhere(self.pool(), move || {
            match decided? {
                None => queue.remove(id)?,
                Some(record) => {
                    queue.keep(&record)?;
                    queue.serve();
                }
            }
            Ok(())
        })
    }

    /// Makes a change in memory: what of the job is to be kept on disk; none if it goes.
    fn decide(
        &self,
        caller: &Caller,
        id: u32,
        change: JobChange,
    ) -> Result<Option<Record>, NtStatus> {
        let mut table = self.table.lock();
        let job = table.jobs.get_mut(&id);
        let job = job.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        if !may_change(caller, &job.record) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let rest = match (change, job.state) {
            (JobChange::Delete, _) => {
                if let Some(stop) = &job.stop {
                    stop.stop();
                }
                table.jobs.remove(&id);
                return Ok(None);
            }
            (JobChange::Pause, JobState::Queued | JobState::Paused) => Rest::Paused,
            (JobChange::Resume, JobState::Queued | JobState::Paused) => Rest::Queued,
            (JobChange::Restart, JobState::Failed) => Rest::Queued,
            _ => return Err(NtStatus::INVALID_DEVICE_STATE),
        };
        job.record.rest = rest;
        job.state = at_rest(rest);
        Ok(Some(job.record.clone()))
    }

    /// Keeps what has changed of a job, unless it has been deleted meanwhile.
    fn keep(&self, record: &Record) -> Result<(), NtStatus> {
        let noted = self.spool.note(record);
        noted.map_err(|error| errno::of_io(&error))?;
        if self.find(record.id).is_none() {
            self.remove(record.id)?;
        }
        Ok(())
    }

    fn remove(&self, id: u32) -> Result<(), NtStatus> {
        let removed = self.spool.remove(id);
        removed.map_err(|error| errno::of_io(&error))
    }
}

impl Queue {
    /// Sees to it that the jobs whose turn it is are printed.
    fn serve(self: &Arc<Self>) {
        let has_work = {
            let mut table = self.table.lock();
            let is_waiting = |job: &Job| job.state == JobState::Queued;
            let has_work = !table.is_served && table.jobs.values().any(is_waiting);
            table.is_served |= has_work;
            has_work
        };
        if has_work {
            let queue = Arc::clone(self);
            self.environment.spawn(Box::pin(async move {
                while let Some((record, printing)) = queue.next() {
                    let result = printing.await;
                    queue.printed(record, result).await;
                }
            }));
        }
    }

    /// Begins to print the job whose turn it is; none if there is none.
    fn next(&self) -> Option<(Record, Stoppable)> {
        let printer = self.options.lock().printer.clone();
        let mut table = self.table.lock();
        let mut jobs = table.jobs.values_mut();
        let job = jobs.find(|job| job.state == JobState::Queued);
        let (Some(job), Some(printer)) = (job, printer) else {
            table.is_served = false;
            return None;
        };
        let stop = Arc::new(Stop::default());
        job.state = JobState::Printing;
        job.stop = Some(Arc::clone(&stop));
        let record = job.record.clone();
        drop(table);
        let printing = printer.print(Document {
            job: record.id,
            path: self.spool.document(record.id),
            title: record.title.clone(),
            user: record.user.clone(),
            client: record.client.clone(),
        });
        Some((record, Stoppable { printing, stop }))
    }

    /// What becomes of a job that was printed, or was not; none if it was stopped, which means deleted.
    async fn printed(self: &Arc<Self>, mut record: Record, result: Option<Result<(), NtStatus>>) {
        let has_failed = matches!(result, Some(Err(_)));
        let was_there = {
            let mut table = self.table.lock();
            match table.jobs.get_mut(&record.id) {
                Some(job) if has_failed => {
                    job.state = JobState::Failed;
                    job.record.rest = Rest::Failed;
                    job.stop = None;
                    true
                }
                _ => table.jobs.remove(&record.id).is_some(),
            }
        };
        record.rest = Rest::Failed;
        let (queue, job) = (Arc::clone(self), record.clone());
        let kept = elsewhere(self.pool(), move || {
            if has_failed {
                queue.keep(&job)
            } else {
                queue.remove(job.id)
            }
        });
        if let Err(status) = kept.await {
            tracing::warn!(target: "smb::share", job = record.id, %status, "the spool folder does not keep up");
        }
        if was_there && !has_failed {
            self.report(&record, FileAction::REMOVED);
        }
    }

    /// Tells of a job that has come or gone without a client's request on the share.
    pub(super) fn report(&self, record: &Record, action: FileAction) {
        let sink = self.sink.lock().clone();
        if let Some(sink) = sink {
            let name = Name::root().child(record.file_name());
            sink.report(&name, action, CompletionFilter::FILE_NAME);
        }
    }
}

/// A document that is being written, and its job. Dropped before it is settled what becomes of them, both go:
/// nobody has said that the document is whole, and what it takes of the disk counts for nobody any more.
pub(super) struct Begun {
    pub(super) record: Record,
    pub(super) document: Arc<File>,
    queue: Arc<Queue>,
    is_settled: AtomicBool,
}

impl Begun {
    /// Leaves it to the caller what becomes of the document; false if somebody has decided that already.
    pub(super) fn settle(&self) -> bool {
        !self.is_settled.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.settle() {
            // Nobody is left to be told.
            drop(self.queue.give_up(self.record.id));
        }
    }
}

impl Job {
    /// The job for those who ask from afar.
    pub(super) fn snapshot(&self) -> PrintJob {
        PrintJob {
            id: self.record.id,
            title: self.record.title.clone(),
            user: self.record.user.clone(),
            client: self.record.client.clone(),
            submitted: self.record.submitted,
            size: self.size,
            state: self.state,
        }
    }
}

fn is_reached(most: u32, count: usize) -> bool {
    u32::try_from(count).is_ok_and(|count| count >= most)
}

fn at_rest(rest: Rest) -> JobState {
    match rest {
        Rest::Queued => JobState::Queued,
        Rest::Paused => JobState::Paused,
        Rest::Failed => JobState::Failed,
    }
}
