//! What the disk handler's operations cost, in CPU microseconds each:
//! `cargo bench -p share-handlers [-- FOLDER]`. The folder is best on a file system in memory.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use rustix::time::{ClockId, clock_gettime};
use server::access::{LogOn, Privileges, SecurityToken};
use server::share::{
    Answer, Caller, CloseHow, Disposition, Handle, ListFrom, Name, OpenHow, Place, ReplyRoom,
    ShareHandler, Wanted, WriteAt,
};
use share_handlers::disk::{DiskHandler, DiskOptions};
use share_handlers::offload::Inline;
use wire::dtyp::{AccessMask, Sid};
use wire::fscc::{FileAttributes, Pattern};

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let folder = folder.unwrap_or_else(|| "/dev/shm".to_owned());
    let directory = tempfile::tempdir_in(&folder).expect("the folder can be written to");
    let share = Bench::new(directory.path());
    println!("{:<40} CPU us each", format!("in {folder}"));
    share.names();
    share.data();
    for count in [100, 10_000, 100_000] {
        share.folder(count);
    }
}

struct Bench {
    handler: DiskHandler,
    caller: Caller,
}

impl Bench {
    fn new(path: &std::path::Path) -> Self {
        let (user, group) = (Sid::unix_user(0), Sid::unix_group(0));
        let token =
            SecurityToken::for_log_on(LogOn::Authenticated, user, group, vec![], Privileges::NONE);
        let handler = DiskHandler::new(DiskOptions::new(path), Arc::new(Inline));
        Self {
            handler: handler.expect("the folder can be served"),
            caller: Caller {
                user: "user".into(),
                token: Arc::new(token),
                host: None,
                log_on: None,
            },
        }
    }

    fn names(&self) {
        self.create("Deep\\");
        self.create("Deep\\Folder\\");
        self.create("Deep\\Folder\\File.txt");
        let existing = how(Disposition::Existing);
        for name in [
            "Deep\\Folder\\File.txt",
            "DEEP\\folder\\FILE.TXT",
            "Deep\\Folder\\missing",
        ] {
            let parsed = Name::parse_text(name).expect("a name");
            measure(&format!("open and close {name}"), 20_000, |_| {
                if let Ok(opened) = now(self.handler.open(&self.caller, &parsed, &existing)) {
                    now(opened.handle.close(CloseHow::Keep)).expect("closed");
                }
            });
        }
        let file = self.open("Deep\\Folder\\File.txt", &existing);
        measure("stat of a handle", 100_000, |_| {
            now(file.stat()).expect("a stat");
        });
    }

    fn data(&self) {
        let file = self.create("data");
        let data = Bytes::from(vec![7; 1 << 20]);
        for (label, length) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
            let part = data.slice(..length);
            let at = WriteAt {
                place: Place::Offset(0),
                write_through: false,
            };
            measure(&format!("write of {label}"), 20_000, |_| {
                now(file.write(at, part.clone())).expect("written");
            });
            let mut room = ReplyRoom::new(BytesMut::new(), 80, length);
            measure(&format!("read of {label}"), 20_000, |_| {
                now(file.read(0, &mut room)).expect("read");
            });
        }
    }

    fn folder(&self, count: usize) {
        let folder = format!("folder{count}");
        self.create(&format!("{folder}\\"));
        for number in 0..count {
            self.create(&format!("{folder}\\File {number}.txt"));
        }
        measure(
            &format!("create, write, delete among {count}"),
            5_000,
            |number| {
                let file = self.create(&format!("{folder}\\new {number}"));
                let at = WriteAt {
                    place: Place::Offset(0),
                    write_through: false,
                };
                now(file.write(at, Bytes::from_static(&[7; 1024]))).expect("written");
                now(file.close(CloseHow::Delete(self.caller.clone()))).expect("deleted");
            },
        );
        let existing = how(Disposition::Existing);
        measure(
            &format!("open in another case among {count}"),
            5_000,
            |number| {
                self.open(&format!("{folder}\\FILE {}.TXT", number % count), &existing);
            },
        );
        let opened = self.open(&folder, &existing);
        let mut entries = 0;
        let before = cpu();
        while entries < 100_000 {
            let mut from = ListFrom::Start;
            loop {
                let listed = now(opened.list(from, &Pattern::any(), 64 << 10)).expect("listed");
                let Some(last) = listed.last() else { break };
                from = ListFrom::After(last.position);
                entries += listed.len();
            }
        }
        print(
            &format!("listed entry of {count}"),
            (cpu() - before) / entries as f64,
        );
    }

    fn create(&self, name: &str) -> Arc<dyn Handle> {
        let wanted = if name.ends_with('\\') {
            Wanted::Directory
        } else {
            Wanted::File
        };
        self.open(
            name,
            &OpenHow {
                wanted,
                ..how(Disposition::New)
            },
        )
    }

    fn open(&self, name: &str, how: &OpenHow) -> Arc<dyn Handle> {
        let name = Name::parse_text(name).expect("a name");
        now(self.handler.open(&self.caller, &name, how))
            .expect("opened")
            .handle
    }
}

fn how(disposition: Disposition) -> OpenHow {
    OpenHow {
        desired_access: AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA,
        disposition,
        overwrite: false,
        wanted: Wanted::Any,
        attributes: FileAttributes::NONE,
        security: None,
        allocation_size: 0,
        extended_attributes: vec![],
        write_through: false,
        open_reparse_point: false,
        backup_intent: false,
        snapshot: None,
    }
}

/// What an answer says that is known at its first poll, as all are with an inline pool.
fn now<T>(mut answer: Answer<'_, T>) -> Result<T, wire::NtStatus> {
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the pool works inline"),
    }
}

fn measure(label: &str, rounds: usize, mut work: impl FnMut(usize)) {
    let before = cpu();
    (0..rounds).for_each(&mut work);
    print(label, (cpu() - before) / rounds as f64);
}

fn print(label: &str, each: f64) {
    println!("{label:<40} {each:.2}");
}

/// The thread's CPU time so far, in microseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
