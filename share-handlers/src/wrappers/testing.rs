//! What tests of wrappers need: shares in memory, with and without wrappers over them, a clock that
//! stands still until it is moved, and short ways to use files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use server::access::{LogOn, Privileges, SecurityToken};
use server::share::{
    Caller, CloseHow, Controlled, Disposition, Handle, ListFrom, Name, OpenHow, Opened, Place,
    Replace, ReplyRoom, SetInfo, ShareHandler, Wanted, WriteAt,
};
use server::{Environment, Task};
use wire::NtStatus;
use wire::dtyp::{AccessMask, FileTime, Sid};
use wire::fscc::{Fsctl, Pattern};

use crate::memory::{MemoryHandler, MemoryOptions};
use crate::offload::tests::wait;

/// Time that passes when somebody sleeps, and when it is told to.
pub(crate) struct Time {
    start: Instant,
    passed: AtomicU64,
    slept: Mutex<Vec<Duration>>,
}

impl Time {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            passed: AtomicU64::new(0),
            slept: Mutex::default(),
        })
    }

    pub(crate) fn pass(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap();
        self.passed.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was slept since this was last asked.
    pub(crate) fn take_slept(&self) -> Vec<Duration> {
        std::mem::take(&mut self.slept.lock())
    }

    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }
}

impl Environment for Time {
    fn now(&self) -> Instant {
        self.start + self.passed()
    }

    fn wall_clock(&self) -> FileTime {
        FileTime(134_000_000_000_000_000 + u64::try_from(self.passed().as_nanos() / 100).unwrap())
    }

    fn fill_random(&self, _: &mut [u8]) {}

    fn sleep(&self, duration: Duration) -> Task {
        self.pass(duration);
        self.slept.lock().push(duration);
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _: Task) {}
}

/// A share, as one user uses it.
#[derive(Clone)]
pub(crate) struct Share {
    pub(crate) handler: Arc<dyn ShareHandler>,
    pub(crate) time: Arc<Time>,
    pub(crate) caller: Caller,
}

impl Share {
    /// An empty share in memory.
    pub(crate) fn memory() -> Self {
        Self::passing(Duration::ZERO)
    }

    /// As [`Share::memory`]; whoever looks at the time finds that some has passed.
    pub(crate) fn ticking() -> Self {
        Self::passing(Duration::from_millis(1))
    }

    fn passing(tick: Duration) -> Self {
        let time = Time::new();
        let clock = time.clone();
        let clock = Arc::new(move || {
            clock.pass(tick);
            clock.wall_clock()
        });
        let handler = MemoryHandler::new(MemoryOptions::new("x"), clock).unwrap();
        Self {
            handler: Arc::new(handler),
            time,
            caller: caller("alice", 1000),
        }
    }

    /// The same share under a wrapper.
    pub(crate) fn under(
        &self,
        wrap: impl FnOnce(Arc<dyn ShareHandler>) -> Arc<dyn ShareHandler>,
    ) -> Self {
        Self {
            handler: wrap(self.handler.clone()),
            ..self.clone()
        }
    }

    /// The same share, as somebody else uses it.
    pub(crate) fn used_by(&self, caller: Caller) -> Self {
        Self {
            caller,
            ..self.clone()
        }
    }

    pub(crate) fn open(&self, name: &str, how: &OpenHow) -> Result<File, NtStatus> {
        let name = Name::parse_text(name).unwrap();
        let opened = wait(self.handler.open(&self.caller, &name, how))?;
        Ok(File(opened, self.caller.clone()))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.open(name, &to_open()).is_ok()
    }

    /// Makes a file with these contents, and closes it.
    pub(crate) fn write_file(&self, name: &str, contents: &[u8]) {
        let file = self.open(name, &to_create(Disposition::New)).unwrap();
        file.write(contents).unwrap();
        file.close();
    }

    pub(crate) fn read_file(&self, name: &str) -> Vec<u8> {
        self.open(name, &to_open()).unwrap().read(1 << 16).unwrap()
    }

    pub(crate) fn make_folder(&self, name: &str) {
        let how = OpenHow {
            wanted: Wanted::Directory,
            ..to_create(Disposition::New)
        };
        self.open(name, &how).unwrap().close();
    }

    /// Deletes a file as a client does.
    pub(crate) fn delete_file(&self, name: &str) {
        let file = self.open(name, &to_open()).unwrap();
        file.check_delete().unwrap();
        file.delete().unwrap();
    }

    /// The names in a folder, sorted, without `.` and `..`.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let handle = self.open(folder, &to_open()).unwrap().0.handle;
        let mut names = Vec::new();
        let mut from = ListFrom::Start;
        loop {
            let entries = wait(handle.list(from, &Pattern::any(), 300)).unwrap();
            let Some(last) = entries.last() else { break };
            from = ListFrom::After(last.position);
            names.extend(entries.iter().map(|entry| entry.name.to_string_lossy()));
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        names
    }
}

/// An open, and whose it is.
pub(crate) struct File(pub(crate) Opened, Caller);

impl File {
    pub(crate) fn handle(&self) -> &dyn Handle {
        &*self.0.handle
    }

    pub(crate) fn read(&self, length: usize) -> Result<Vec<u8>, NtStatus> {
        let mut room = ReplyRoom::new(BytesMut::new(), 0, length);
        let read = wait(self.handle().read(0, &mut room))?;
        Ok(room.as_mut_slice()[..read as usize].to_vec())
    }

    /// Appends.
    pub(crate) fn write(&self, data: &[u8]) -> Result<u32, NtStatus> {
        let at = WriteAt {
            place: Place::End,
            write_through: false,
        };
        wait(self.handle().write(at, Bytes::copy_from_slice(data)))
    }

    pub(crate) fn set(&self, request: SetInfo) -> Result<(), NtStatus> {
        wait(self.handle().set(request))
    }

    pub(crate) fn rename(&self, target: &str, replace: Replace) -> Result<(), NtStatus> {
        let target = Name::parse_text(target).unwrap();
        self.set(SetInfo::Rename { target, replace })
    }

    pub(crate) fn control(&self, code: Fsctl) -> Result<Controlled, NtStatus> {
        wait(self.handle().control(code, Bytes::new(), 0))
    }

    pub(crate) fn check_delete(&self) -> Result<(), NtStatus> {
        wait(self.handle().check_delete())
    }

    pub(crate) fn close(&self) {
        wait(self.handle().close(CloseHow::Keep)).unwrap();
    }

    pub(crate) fn delete(&self) -> Result<(), NtStatus> {
        wait(self.handle().close(CloseHow::Delete(self.1.clone())))
    }
}

/// Somebody with an account.
pub(crate) fn caller(user: &str, uid: u32) -> Caller {
    let (sid, group) = (Sid::unix_user(uid), Sid::unix_group(uid));
    let token =
        SecurityToken::for_log_on(LogOn::Authenticated, sid, group, vec![], Privileges::NONE);
    Caller {
        user: user.into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    }
}

/// An open of what exists, for everything.
pub(crate) fn to_open() -> OpenHow {
    OpenHow::to_look(AccessMask::FILE_ALL_ACCESS)
}

/// An open that may create a file, for everything.
pub(crate) fn to_create(disposition: Disposition) -> OpenHow {
    OpenHow {
        disposition,
        wanted: Wanted::File,
        ..to_open()
    }
}
