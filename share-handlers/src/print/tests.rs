//! Queues on temporary folders, with a printer that prints when the test says so.

mod contract;

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use server::share::JobState;
use server::{Environment, Task};
use tempfile::TempDir;

use server::share::{Entry, ListFrom, SetInfo};
use wire::fscc::{CaseRule, Pattern};

use super::*;
use crate::offload::Inline;
use crate::offload::tests::wait;
use crate::wrappers::testing::{File, Share, caller, to_create, to_open};

/// A host whose tasks go on when the test says so.
#[derive(Default)]
struct Host(Mutex<Vec<Task>>);

impl Environment for Host {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> FileTime {
        FileTime(134_000_000_000_000_000)
    }

    fn fill_random(&self, _: &mut [u8]) {}

    fn sleep(&self, _: Duration) -> Task {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, task: Task) {
        self.0.lock().push(task);
    }
}

/// A printer, and what it was given.
#[derive(Default)]
struct Paper {
    begun: Mutex<Vec<(Document, Vec<u8>)>>,
    /// What becomes of the document that is being printed; none yet.
    end: Arc<Mutex<Option<Result<(), NtStatus>>>>,
}

impl Paper {
    fn titles(&self) -> Vec<String> {
        let begun = self.begun.lock();
        begun
            .iter()
            .map(|(document, _)| document.title.clone())
            .collect()
    }
}

struct Ending(Arc<Mutex<Option<Result<(), NtStatus>>>>);

impl Future for Ending {
    type Output = Result<(), NtStatus>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.lock().take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Printer for Paper {
    fn print(&self, document: Document) -> Answer<'static, ()> {
        let contents = fs::read(&document.path).unwrap();
        self.begun.lock().push((document, contents));
        Box::pin(Ending(self.end.clone()))
    }
}

/// A print share, its host and its printer.
struct Lab {
    folder: TempDir,
    host: Arc<Host>,
    paper: Arc<Paper>,
    share: Share,
    queue: Arc<dyn PrintQueue>,
}

impl Lab {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(folder: TempDir) -> Self {
        Self::with_limit(folder, 3)
    }

    fn with_limit(folder: TempDir, most_jobs_of_user: u32) -> Self {
        let (host, paper) = (Arc::new(Host::default()), Arc::new(Paper::default()));
        let options = QueueOptions {
            most_jobs: 3,
            most_jobs_of_user,
            longest_document: 1000,
            printer: Some(paper.clone()),
        };
        let queue = Queue::open(folder.path(), options, Arc::new(Inline), host.clone()).unwrap();
        let handler: Arc<dyn ShareHandler> = Arc::new(PrintHandler::new("laser", queue));
        Self {
            queue: handler.print_queue().unwrap(),
            share: Share::memory().under(|_| handler),
            folder,
            host,
            paper,
        }
    }

    /// The server ends, whatever is under way.
    fn stop(self) -> TempDir {
        self.host.0.lock().clear();
        self.folder
    }

    /// Lets tasks go on until they wait.
    fn run(&self) {
        let tasks = std::mem::take(&mut *self.host.0.lock());
        let mut context = Context::from_waker(Waker::noop());
        for mut task in tasks {
            if task.as_mut().poll(&mut context).is_pending() {
                self.host.0.lock().push(task);
            }
        }
    }

    /// The document that is being printed has come to its end.
    fn end(&self, result: Result<(), NtStatus>) {
        *self.paper.end.lock() = Some(result);
        self.run();
    }

    fn begin(&self, title: &str) -> File {
        self.share
            .open(title, &to_create(Disposition::New))
            .unwrap()
    }

    fn print(&self, title: &str) {
        let job = self.begin(title);
        job.write(b"text").unwrap();
        job.close();
        self.run();
    }

    fn states(&self) -> Vec<JobState> {
        self.queue.jobs().iter().map(|job| job.state).collect()
    }

    fn change(&self, job: u32, change: JobChange) -> Result<(), NtStatus> {
        wait(self.queue.change(&self.share.caller, job, change))
    }
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count() - 1
}

#[test]
fn what_was_written_is_printed_when_it_is_closed_and_then_gone() {
    let lab = Lab::new();
    let job = lab.begin("report.ps");
    job.write(b"hello ").unwrap();
    job.write(b"printer").unwrap();
    lab.run();
    assert_eq!(lab.states(), [JobState::Spooling]);
    assert_eq!(lab.share.names(""), ["1-report.ps"]);
    assert!(lab.paper.titles().is_empty());
    job.close();
    lab.run();
    assert_eq!(lab.states(), [JobState::Printing]);
    let (document, contents) = lab.paper.begun.lock()[0].clone();
    assert_eq!(
        (document.title.as_str(), document.user.as_str()),
        ("report.ps", "alice")
    );
    assert_eq!(contents, b"hello printer");
    lab.end(Ok(()));
    assert!(lab.share.names("").is_empty());
    assert_eq!(files_in(lab.folder.path()), 0);
}

#[test]
fn jobs_are_printed_one_by_one_whatever_they_are_called() {
    let lab = Lab::new();
    lab.print("a");
    lab.print("a");
    lab.print("");
    assert_eq!(lab.share.names(""), ["1-a", "2-a", "3-document"]);
    use JobState::{Printing, Queued};
    assert_eq!(lab.states(), [Printing, Queued, Queued]);
    lab.end(Ok(()));
    assert_eq!(lab.states(), [Printing, Queued]);
    lab.end(Ok(()));
    lab.end(Ok(()));
    assert_eq!(lab.paper.titles(), ["a", "a", ""]);
}

#[test]
fn nothing_is_printed_of_what_is_empty_given_up_or_never_closed() {
    let lab = Lab::new();
    lab.begin("empty").close();
    let given_up = lab.begin("given up");
    given_up.write(b"x").unwrap();
    given_up.check_delete().unwrap();
    given_up.delete().unwrap();
    drop(given_up);
    let lost = lab.begin("lost");
    lost.write(b"x").unwrap();
    drop(lost);
    lab.run();
    assert!(lab.paper.titles().is_empty() && lab.queue.jobs().is_empty());
    // Nothing stays on the disk that no queue counts.
    assert_eq!(files_in(lab.folder.path()), 0);
    let folder = lab.stop();
    let lab = Lab::on(folder);
    assert!(lab.queue.jobs().is_empty());
    assert_eq!(files_in(lab.folder.path()), 0);
}

#[test]
fn jobs_outlive_a_restart_and_what_was_being_printed_is_printed_again() {
    let lab = Lab::new();
    lab.print("first");
    lab.print("second");
    lab.change(2, JobChange::Pause).unwrap();
    let lab = Lab::on(lab.stop());
    lab.run();
    assert_eq!(lab.states(), [JobState::Printing, JobState::Paused]);
    assert_eq!(lab.paper.titles(), ["first"]);
    let jobs = lab.queue.jobs();
    assert_eq!((jobs[1].user.as_str(), jobs[1].size), ("alice", 4));
    lab.print("third");
    assert_eq!(lab.queue.jobs()[2].id, 3);
}

#[test]
fn what_could_not_be_printed_waits_to_be_tried_again() {
    let lab = Lab::new();
    lab.print("a");
    lab.print("b");
    lab.end(Err(NtStatus::UNSUCCESSFUL));
    assert_eq!(lab.states(), [JobState::Failed, JobState::Printing]);
    let lab = Lab::on(lab.stop());
    lab.run();
    assert_eq!(lab.states(), [JobState::Failed, JobState::Printing]);
    assert_eq!(
        lab.change(2, JobChange::Restart),
        Err(NtStatus::INVALID_DEVICE_STATE)
    );
    lab.change(1, JobChange::Restart).unwrap();
    lab.end(Ok(()));
    assert_eq!(lab.paper.titles(), ["b", "a"]);
}

#[test]
fn a_job_is_deleted_by_its_owner_or_an_administrator_and_by_nobody_else() {
    let lab = Lab::new();
    lab.print("a");
    lab.print("b");
    let eve = lab.share.used_by(caller("eve", 1001));
    let file = eve.open("1-a", &to_open()).unwrap();
    assert_eq!(file.check_delete(), Err(NtStatus::CANNOT_DELETE));
    assert_eq!(file.delete(), Err(NtStatus::ACCESS_DENIED));
    let dacl = file.0.security.as_ref().unwrap().dacl.list().unwrap();
    let (_, rights) = dacl.aces()[0].principal().unwrap();
    assert!(!rights.contains(AccessMask::DELETE));
    assert_eq!(lab.states().len(), 2);
    // The one that is being printed is stopped, and the next has its turn.
    lab.share.delete_file("1-A");
    lab.run();
    assert_eq!(lab.states(), [JobState::Printing]);
    assert_eq!(lab.paper.titles(), ["a", "b"]);
    let administrator = Caller {
        token: Arc::new(server::access::SecurityToken::new(
            Sid::unix_user(7),
            Sid::USERS,
            vec![Sid::ADMINISTRATORS],
            server::access::Privileges::NONE,
        )),
        ..caller("root", 7)
    };
    lab.share.used_by(administrator).delete_file("2-b");
    lab.run();
    assert!(lab.queue.jobs().is_empty());
    assert_eq!(files_in(lab.folder.path()), 0);
}

#[test]
fn a_queue_has_an_end_and_a_document_too() {
    let lab = Lab::new();
    let jobs: Vec<File> = ["a", "b", "c"]
        .iter()
        .map(|title| lab.begin(title))
        .collect();
    let refused = lab.share.open("d", &to_create(Disposition::New)).map(drop);
    assert_eq!(refused, Err(NtStatus::PRINT_QUEUE_FULL));
    assert_eq!(files_in(lab.folder.path()), 3);
    jobs[0].write(&[0; 900]).unwrap();
    assert_eq!(jobs[0].write(&[0; 101]), Err(NtStatus::NO_SPOOL_SPACE));
    assert_eq!(
        jobs[0].set(SetInfo::EndOfFile(1001)),
        Err(NtStatus::NO_SPOOL_SPACE)
    );
    assert_eq!(lab.queue.jobs()[0].size, 900);
    assert_eq!(jobs[0].read(10), Err(NtStatus::INVALID_DEVICE_REQUEST));
    // Half a document is not printed.
    jobs[0].close();
    lab.run();
    assert!(lab.paper.titles().is_empty());
    assert_eq!(lab.share.names(""), ["2-b", "3-c"]);
}

#[test]
fn one_user_does_not_fill_a_queue() {
    let lab = Lab::with_limit(tempfile::tempdir().unwrap(), 2);
    let (first, second) = (lab.begin("a"), lab.begin("b"));
    let more = || lab.share.open("c", &to_create(Disposition::New)).map(drop);
    assert_eq!(more(), Err(NtStatus::PRINT_QUEUE_FULL));
    assert_eq!(files_in(lab.folder.path()), 2);
    let bob = lab.share.used_by(caller("bob", 1001));
    bob.open("c", &to_create(Disposition::New)).unwrap();
    first.delete().unwrap();
    assert_eq!(more(), Ok(()), "there is room again");
    drop(second);
}

#[test]
fn a_job_that_nobody_waits_for_any_more_takes_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let options = QueueOptions {
        most_jobs: 1,
        most_jobs_of_user: 1,
        longest_document: 1000,
        printer: None,
    };
    let host = Arc::new(Host::default());
    let queue = Queue::open(folder.path(), options, Arc::new(Inline), host).unwrap();
    for _ in 0..2 {
        drop(queue.begin(&caller("alice", 1000), "asked for"));
        assert!(queue.all().is_empty());
        assert_eq!(files_in(folder.path()), 0);
    }
}

#[test]
fn a_job_that_cannot_be_read_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.job"), "from a later version").unwrap();
    fs::write(folder.path().join("1.data"), "kept").unwrap();
    let lab = Lab::on(folder);
    lab.print("new");
    assert_eq!(lab.queue.jobs()[0].id, 2);
    let kept = fs::read(lab.folder.path().join("1.data")).unwrap();
    assert_eq!(kept, b"kept");
}

#[test]
fn jobs_are_listed_as_files_are() {
    let lab = Lab::new();
    let _written = ["b.ps", "a.txt"].map(|title| lab.begin(title));
    let root = lab.share.open("", &to_open()).unwrap();
    let list = |from, pattern: &str, room_bytes| {
        let units = Utf16String::from(pattern);
        let pattern = Pattern::new(units.as_units(), CaseRule::Ignore);
        wait(root.handle().list(from, &pattern, room_bytes)).unwrap()
    };
    let names = |entries: &[Entry]| -> Vec<String> {
        let names = entries.iter().map(|entry| entry.name.to_string_lossy());
        names.collect()
    };
    let all = list(ListFrom::Start, "*", 1000);
    assert_eq!(names(&all), [".", "..", "1-b.ps", "2-a.txt"]);
    for (place, entry) in all.iter().enumerate() {
        let rest = list(ListFrom::After(entry.position), "*", 1000);
        assert_eq!(rest, all[place + 1..], "behind an entry");
        let one = list(ListFrom::After(entry.position), "*", 1);
        assert_eq!(
            one,
            all[place + 1..].iter().take(1).cloned().collect::<Vec<_>>()
        );
    }
    assert_eq!(names(&list(ListFrom::Start, "*.TXT", 1000)), ["2-a.txt"]);
    assert_eq!(names(&list(ListFrom::Start, "1-B.ps", 1000)), ["1-b.ps"]);
    let job = lab.share.open("1-b.ps", &to_open()).unwrap();
    assert_eq!(wait(job.handle().stat()), Ok(all[2].stat));
}

#[test]
fn a_queue_has_no_folders_and_no_streams() {
    let lab = Lab::new();
    let folder = OpenHow {
        wanted: Wanted::Directory,
        ..to_create(Disposition::New)
    };
    let refusal = |name: &str, how: &OpenHow| lab.share.open(name, how).map(drop).unwrap_err();
    assert_eq!(refusal("f", &folder), NtStatus::NOT_SUPPORTED);
    assert_eq!(refusal("a\\b", &to_open()), NtStatus::OBJECT_PATH_NOT_FOUND);
    assert_eq!(refusal("a", &to_open()), NtStatus::OBJECT_NAME_NOT_FOUND);
    let stream = to_create(Disposition::New);
    assert_eq!(refusal("a:b:$DATA", &stream), NtStatus::OBJECT_NAME_INVALID);
    assert_eq!(files_in(lab.folder.path()), 0);
}

#[test]
fn documents_come_through_the_queue_as_well() {
    let lab = Lab::new();
    let begun = lab.queue.clone().begin(&lab.share.caller, "from afar");
    let job = wait(begun).unwrap();
    let at = server::share::WriteAt {
        place: server::share::Place::Offset(0),
        write_through: false,
    };
    wait(job.document.write(at, bytes::Bytes::from_static(b"x"))).unwrap();
    wait(job.document.close(server::share::CloseHow::Keep)).unwrap();
    lab.run();
    assert_eq!(lab.paper.titles(), ["from afar"]);
}
