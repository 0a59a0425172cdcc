//! The share as its clients meet it, with a server made up for the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use config::Configuration;
use parking_lot::Mutex;
use server::access::{LogOn, Privileges, SecurityToken};
use server::object_store::{LockKind, Range, WatchScope};
use server::share::{
    Administration, Answer, Caller, Disposition, LockSnapshot, MachineId, Name, NoAdministration,
    OpenHow, OpenSnapshot, Place, ServerSnapshot, ServerView, SessionSnapshot, SettingChange,
    ShareHandler, ShareSnapshot, Wanted, WriteAt,
};
use server::{Environment, Task};
use wire::NtStatus;
use wire::dtyp::{AccessMask, FileTime, Sid};
use wire::fscc::{CompletionFilter, FileAction};

mod compartments;
mod contract;

use super::{ConfigShare, Launch, Launcher, Parts};
use crate::disk::ChangeSink;
use crate::offload::Inline;
use crate::offload::tests::wait;
use crate::wrappers::testing::{self, File, Share, to_create, to_open};

/// A server with whatever a test puts in it.
#[derive(Default)]
pub(super) struct Made {
    pub sessions: Mutex<Vec<SessionSnapshot>>,
    pub opens: Mutex<Vec<OpenSnapshot>>,
    pub configuration: Mutex<Configuration>,
    pub changes: Mutex<Vec<(String, FileAction)>>,
    pub launched: Mutex<Vec<Launch>>,
    tasks: Mutex<Vec<Task>>,
}

impl ServerView for Made {
    fn facts(&self) -> ServerSnapshot {
        ServerSnapshot {
            name: "HOST".to_owned(),
            ..ServerSnapshot::default()
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        Vec::new()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        self.sessions.lock().clone()
    }

    fn opens(&self) -> Vec<OpenSnapshot> {
        self.opens.lock().clone()
    }

    fn locks(&self, _: usize) -> Vec<LockSnapshot> {
        vec![LockSnapshot {
            open: 9,
            share: "public".to_owned(),
            name: "letter".to_owned(),
            range: Range {
                offset: 1,
                length: 2,
            },
            kind: LockKind::Exclusive,
            is_granted: true,
        }]
    }

    fn configuration(&self) -> Configuration {
        self.configuration.lock().clone()
    }

    fn close_session(&self, id: u64) -> Answer<'static, ()> {
        let mut sessions = self.sessions.lock();
        let before = sessions.len();
        sessions.retain(|session| session.id != id);
        let closed = if sessions.len() < before {
            Ok(())
        } else {
            Err(NtStatus::USER_SESSION_DELETED)
        };
        Box::pin(std::future::ready(closed))
    }
}

/// Changes settings of a made-up server.
struct Changer(Arc<Made>);

impl Administration for Changer {
    fn machine(&self) -> MachineId {
        NoAdministration.machine()
    }

    fn accounts(&self) -> Vec<Arc<server::accounts::Account>> {
        Vec::new()
    }

    fn groups(&self) -> Vec<Arc<server::accounts::Group>> {
        Vec::new()
    }

    fn host_user(&self, _: u32) -> Option<String> {
        None
    }

    fn host_group(&self, _: u32) -> Option<String> {
        None
    }

    fn change_account(&self, change: server::share::AccountChange) -> Answer<'static, ()> {
        NoAdministration.change_account(change)
    }

    fn change_share(&self, change: server::share::ShareChange) -> Answer<'static, ()> {
        NoAdministration.change_share(change)
    }

    fn change_setting(&self, change: SettingChange) -> Answer<'static, ()> {
        let mut configuration = self.0.configuration.lock();
        let changed = configuration.with_setting(&change.section, &change.name, &change.value);
        *configuration = changed.unwrap();
        Box::pin(std::future::ready(Ok(())))
    }
}

impl ChangeSink for Made {
    fn report(&self, name: &Name, action: FileAction, _: CompletionFilter) {
        self.changes.lock().push((name.to_string(), action));
    }
}

impl Launcher for Made {
    fn launch(&self, launch: &Launch, _: std::os::fd::OwnedFd) -> Result<u32, String> {
        self.launched.lock().push(launch.clone());
        Ok(7)
    }
}

/// Time that passes only where a task sleeps, and tasks that go on only when they are told to.
struct Turns {
    made: Arc<Made>,
    time: Arc<testing::Time>,
}

impl Environment for Turns {
    fn now(&self) -> std::time::Instant {
        self.time.now()
    }

    fn wall_clock(&self) -> FileTime {
        self.time.wall_clock()
    }

    fn fill_random(&self, _: &mut [u8]) {}

    fn sleep(&self, _: std::time::Duration) -> Task {
        let slept = AtomicBool::new(false);
        Box::pin(std::future::poll_fn(move |_| {
            if slept.swap(true, Ordering::Relaxed) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        }))
    }

    fn spawn(&self, task: Task) {
        self.made.tasks.lock().push(task);
    }
}

impl Made {
    /// Lets every task go on until it sleeps again.
    pub(super) fn turn(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for mut task in tasks {
            if task.as_mut().poll(&mut context).is_pending() {
                self.tasks.lock().push(task);
            }
        }
    }

    pub(super) fn take_changes(&self) -> Vec<(String, FileAction)> {
        std::mem::take(&mut self.changes.lock())
    }
}

/// What the share is made with, around a made-up server.
pub(super) fn parts(made: &Arc<Made>) -> Parts {
    Parts {
        view: made.clone(),
        administration: Arc::new(Changer(made.clone())),
        environment: Arc::new(Turns {
            made: made.clone(),
            time: testing::Time::new(),
        }),
        pool: Arc::new(Inline),
        changes: made.clone(),
        launcher: made.clone(),
    }
}

/// Somebody who may administer the server.
pub(super) fn administrator() -> Caller {
    let (user, group) = (Sid::unix_user(1000), Sid::unix_group(1000));
    let groups = vec![Sid::ADMINISTRATORS];
    let token =
        SecurityToken::for_log_on(LogOn::Authenticated, user, group, groups, Privileges::NONE);
    Caller {
        token: Arc::new(token),
        ..testing::caller("root", 1000)
    }
}

/// A share as its administrator uses it.
pub(super) fn used(handler: ConfigShare) -> Share {
    let handler: Arc<dyn ShareHandler> = Arc::new(handler);
    Share::memory().under(|_| handler).used_by(administrator())
}

fn share() -> (Share, Arc<Made>) {
    let made = Arc::new(Made::default());
    let share = ConfigShare::new(&config::Share::default(), parts(&made)).unwrap();
    (used(share), made)
}

pub(super) fn text(share: &Share, name: &str) -> String {
    String::from_utf8(share.read_file(name)).unwrap()
}

/// Writes a value as clients do.
pub(super) fn write(file: &File, value: &str) -> Result<(), NtStatus> {
    let at = WriteAt {
        place: Place::Offset(0),
        write_through: false,
    };
    let value = Bytes::copy_from_slice(value.as_bytes());
    wait(file.handle().write(at, value)).map(drop)
}

pub(super) fn to_make_folder() -> OpenHow {
    OpenHow {
        wanted: Wanted::Directory,
        ..to_create(Disposition::New)
    }
}

fn session(id: u64, user: &str) -> SessionSnapshot {
    SessionSnapshot {
        id,
        client: "192.0.2.7".to_owned(),
        user: user.to_owned(),
        is_guest: false,
        opens: 0,
        creation_time: FileTime(0),
        idle: std::time::Duration::ZERO,
    }
}

#[test]
fn nobody_but_administrators_is_let_in_or_opens_anything() {
    let (share, _) = share();
    let stranger = share.used_by(testing::caller("alice", 1000));
    assert_eq!(
        share.handler.admit(&stranger.caller),
        Err(NtStatus::ACCESS_DENIED)
    );
    assert_eq!(share.handler.admit(&share.caller), Ok(()));
    for name in ["", "statistics", "statistics\\server.txt", "nothing"] {
        let refused = stranger.open(name, &to_open()).map(drop);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED), "{name}");
    }
}

#[test]
fn the_root_has_statistics_and_settings() {
    let (share, _) = share();
    assert_eq!(share.names(""), ["settings", "statistics"]);
    let reports = share.names("Statistics");
    for name in ["server.txt", "requests.json", "locks.txt", "sessions"] {
        assert!(reports.iter().any(|report| report == name), "{name}");
    }
    let refusal = |name: &str, how: &OpenHow| share.open(name, how).map(drop).unwrap_err();
    let new = to_create(Disposition::New);
    assert_eq!(refusal("new", &to_open()), NtStatus::OBJECT_NAME_NOT_FOUND);
    assert_eq!(refusal("a\\b", &to_open()), NtStatus::OBJECT_PATH_NOT_FOUND);
    assert_eq!(refusal("new", &new), NtStatus::ACCESS_DENIED);
    assert_eq!(refusal("new", &to_make_folder()), NtStatus::ACCESS_DENIED);
    let root = share.open("", &to_open()).unwrap();
    assert_eq!(root.check_delete(), Err(NtStatus::CANNOT_DELETE));
}

#[test]
fn reports_are_taken_when_they_are_opened() {
    let (share, made) = share();
    let open = share.open("statistics\\sessions.txt", &to_open()).unwrap();
    made.sessions.lock().push(session(7, "alice"));
    let before = String::from_utf8(open.read(1_000).unwrap()).unwrap();
    assert_eq!(before.lines().count(), 1, "{before}");
    let now = text(&share, "statistics\\sessions.txt");
    assert!(now.contains("alice") && now.contains("192.0.2.7"), "{now}");
    let json = share.read_file("statistics\\sessions.json");
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json[0]["id"], 7);
    assert!(text(&share, "statistics\\locks.txt").contains("exclusive"));
    assert!(text(&share, "statistics\\server.txt").contains("HOST"));
    let refused = write(&open, "x");
    assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
}

#[test]
fn a_session_is_closed_by_deleting_its_file() {
    let (share, made) = share();
    *made.sessions.lock() = vec![session(7, "alice"), session(8, "b:o*b")];
    let names = share.names("statistics\\sessions");
    assert_eq!(names, ["7 alice 192.0.2.7.txt", "8 b_o_b 192.0.2.7.txt"]);
    let file = "statistics\\sessions\\8 b_o_b 192.0.2.7.txt";
    share.delete_file(file);
    let left: Vec<_> = made.sessions.lock().iter().map(|one| one.id).collect();
    assert_eq!(left, [7]);
    assert!(!share.exists(file));
    // Whoever leaves first has left.
    let file = share.open("statistics\\sessions\\7 alice 192.0.2.7.txt", &to_open());
    made.sessions.lock().clear();
    assert_eq!(file.unwrap().delete(), Ok(()));
}

#[test]
fn what_files_may_be_used_for_is_in_their_descriptors() {
    let (share, made) = share();
    made.sessions.lock().push(session(7, "alice"));
    let allowed = |name: &str| {
        let opened = share.open(name, &to_open()).unwrap().0;
        server::access::maximal_access(&share.caller.token, &opened.security.unwrap())
    };
    let report = allowed("statistics\\server.txt");
    assert!(!report.intersects(AccessMask::FILE_WRITE_DATA.with(AccessMask::DELETE)));
    assert!(report.contains(AccessMask::FILE_READ_DATA));
    let session = allowed("statistics\\sessions\\7 alice 192.0.2.7.txt");
    assert!(session.contains(AccessMask::DELETE));
    assert!(allowed("settings\\limits\\opens").contains(AccessMask::FILE_WRITE_DATA));
    let fixed = allowed("settings\\server\\state_dir");
    assert!(!fixed.contains(AccessMask::FILE_WRITE_DATA));
}

#[test]
fn a_setting_is_changed_by_writing_it_and_a_wrong_value_is_explained() {
    let (share, made) = share();
    assert_eq!(text(&share, "settings\\limits\\opens"), "1000000\n");
    let file = share.open("settings\\limits\\opens", &to_open()).unwrap();
    assert_eq!(write(&file, "77\n"), Ok(()));
    assert_eq!(made.configuration.lock().limits.opens, 77);
    assert_eq!(file.read(10).unwrap(), b"77\n");
    assert_eq!(write(&file, "many"), Err(NtStatus::INVALID_PARAMETER));
    assert_eq!(made.configuration.lock().limits.opens, 77);
    let why = text(&share, "settings\\last_error.txt");
    assert!(
        why.contains("\"many\" does not fit; give a whole number"),
        "{why}"
    );
    let fixed = share
        .open("settings\\server\\state_dir", &to_open())
        .unwrap();
    assert_eq!(write(&fixed, "'/x'"), Err(NtStatus::ACCESS_DENIED));
    assert!(text(&share, "settings\\effective.toml").contains("opens = 77"));
}

#[test]
fn who_watches_is_told_of_what_comes_and_goes_by_itself() {
    let (share, made) = share();
    made.sessions.lock().push(session(7, "alice"));
    let folder = share.open("statistics\\sessions", &to_open()).unwrap();
    folder.handle().watch(WatchScope::Directory).unwrap();
    made.turn();
    made.turn();
    assert_eq!(made.take_changes(), []);
    *made.sessions.lock() = vec![session(8, "bob")];
    made.turn();
    let changes = [
        (
            "statistics\\sessions\\7 alice 192.0.2.7.txt".to_owned(),
            FileAction::REMOVED,
        ),
        (
            "statistics\\sessions\\8 bob 192.0.2.7.txt".to_owned(),
            FileAction::ADDED,
        ),
    ];
    assert_eq!(made.take_changes(), changes);
    made.turn();
    assert_eq!(made.take_changes(), []);
    folder.close();
    made.turn();
    assert!(made.tasks.lock().is_empty(), "nobody watches, nobody looks");
}

#[test]
fn what_is_deleted_through_the_share_is_not_told_again() {
    let (share, made) = share();
    *made.sessions.lock() = vec![session(7, "alice"), session(8, "bob")];
    let folder = share.open("", &to_open()).unwrap();
    folder.handle().watch(WatchScope::Tree).unwrap();
    made.turn();
    share.delete_file("statistics\\sessions\\7 alice 192.0.2.7.txt");
    made.turn();
    assert_eq!(made.take_changes(), []);
    made.sessions.lock().clear();
    made.turn();
    let gone = "statistics\\sessions\\8 bob 192.0.2.7.txt".to_owned();
    assert_eq!(made.take_changes(), [(gone, FileAction::REMOVED)]);
}
