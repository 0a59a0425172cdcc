//! A log of who did what on a share, and what came of it.
//!
//! Owns the events: one for each operation that is wanted, with the target `smb::audit`. An event
//! names user, share, operation and result; names of files are told at debug level only, as
//! everywhere in the log. Never changes what an operation does.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use server::share::{
    Answer, Caller, CloseHow, Handle, Name, OpenHow, Opened, ReplyRoom, SetInfo, ShareHandler,
    WriteAt,
};
use tracing::Level;
use wire::NtStatus;

use super::layer::{Call, HandleLayer, Layered, ShareLayer, wrap_opened};

/// What somebody may do on a share, as the log knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A name was opened or created.
    Open,
    /// An open ended.
    Close,
    /// Bytes were read.
    Read,
    /// Bytes were written.
    Write,
    /// A folder was listed.
    List,
    /// Sizes, times or attributes were changed.
    Change,
    /// A file got another name, or one more.
    Rename,
    /// A file was deleted.
    Delete,
    /// A security descriptor was changed.
    Security,
    /// A control code was carried out.
    Control,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Close,
        Self::Read,
        Self::Write,
        Self::List,
        Self::Change,
        Self::Rename,
        Self::Delete,
        Self::Security,
        Self::Control,
    ];

    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Change => "change",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Security => "security",
            Self::Control => "control",
        }
    }

    /// The operation that a call is, if it is one of a client: the server looks at metadata for
    /// itself all the time.
    fn of(call: Call) -> Option<Self> {
        Some(match call {
            Call::List => Self::List,
            Call::SetSecurity => Self::Security,
            Call::Control | Call::Transact => Self::Control,
            _ => return None,
        })
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOptions {
    /// The share's name.
    pub share: String,
    /// The operations.
    pub operations: Vec<Operation>,
    /// Whether only those are logged that failed.
    pub failures_only: bool,
}

/// A wrapper that logs.
pub struct Audit {
    inner: Arc<dyn ShareHandler>,
    options: Arc<AuditOptions>,
}

impl Audit {
    /// Puts it over a share.
    #[must_use]
    pub fn over(inner: Arc<dyn ShareHandler>, options: AuditOptions) -> Arc<dyn ShareHandler> {
        let options = Arc::new(options);
        Layered::share(Self { inner, options })
    }
}

impl ShareLayer for Audit {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.inner
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(async move {
            let opened = self.inner.open(caller, name, how).await;
            let result = opened.as_ref().map(drop).map_err(|status| *status);
            Event {
                created: opened.as_ref().ok().map(|opened| opened.created),
                ..Event::new(Operation::Open, result)
            }
            .log(&self.options, &caller.user, name);
            let opened = opened?;
            Ok(wrap_opened(opened, |inner| AuditHandle {
                inner,
                options: self.options.clone(),
                user: caller.user.clone(),
                name: Mutex::new(Arc::new(name.clone())),
            }))
        })
    }
}

struct AuditHandle {
    inner: Arc<dyn Handle>,
    options: Arc<AuditOptions>,
    user: Arc<str>,
    /// The name that was opened, or that this open has given since.
    name: Mutex<Arc<Name>>,
}

impl AuditHandle {
    fn log(&self, event: Event<'_>) {
        let name = self.name.lock().clone();
        event.log(&self.options, &self.user, &name);
    }

    /// Logs a call that moved bytes.
    fn log_moved(&self, operation: Operation, moved: Result<u32, NtStatus>) {
        self.log(Event {
            bytes: moved.ok(),
            ..Event::new(operation, moved.map(drop))
        });
    }

    async fn set_and_log(&self, request: SetInfo) -> Result<(), NtStatus> {
        let (target, is_rename) = match &request {
            SetInfo::Rename { target, .. } => (Some(target.clone()), true),
            SetInfo::Link { target, .. } => (Some(target.clone()), false),
            _ => (None, false),
        };
        let operation = match target {
            Some(_) => Operation::Rename,
            None => Operation::Change,
        };
        let result = self.inner.set(request).await;
        self.log(Event {
            target: target.as_ref(),
            ..Event::new(operation, result)
        });
        if let Some(target) = target.filter(|_| is_rename && result.is_ok()) {
            *self.name.lock() = Arc::new(target);
        }
        result
    }
}

impl HandleLayer for AuditHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        let Some(operation) = Operation::of(call) else {
            return make();
        };
        Box::pin(async move {
            let answer = make().await;
            let result = answer.as_ref().map(drop).map_err(|status| *status);
            self.log(Event::new(operation, result));
            answer
        })
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        Box::pin(async move {
            let read = self.inner.read(at, room).await;
            self.log_moved(Operation::Read, read);
            read
        })
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        Box::pin(async move {
            let written = self.inner.write(at, data).await;
            self.log_moved(Operation::Write, written);
            written
        })
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        Box::pin(self.set_and_log(request))
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        Box::pin(async move {
            let deleter = match &how {
                CloseHow::Keep => None,
                CloseHow::Delete(caller) | CloseHow::DeleteFile(caller) => {
                    Some(caller.user.clone())
                }
            };
            let result = self.inner.close(how).await;
            if let Some(user) = deleter {
                let name = self.name.lock().clone();
                let event = Event::new(Operation::Delete, result);
                event.log(&self.options, &user, &name);
            }
            self.log(Event::new(Operation::Close, Ok(())));
            result
        })
    }
}

/// One line of the log.
struct Event<'a> {
    operation: Operation,
    result: Result<(), NtStatus>,
    created: Option<bool>,
    bytes: Option<u32>,
    /// The new name of what is renamed.
    target: Option<&'a Name>,
}

impl Event<'_> {
    fn new(operation: Operation, result: Result<(), NtStatus>) -> Self {
        Self {
            operation,
            result,
            created: None,
            bytes: None,
            target: None,
        }
    }

    fn log(self, options: &AuditOptions, user: &str, name: &Name) {
        let is_wanted = options.operations.contains(&self.operation);
        if !is_wanted || options.failures_only && self.result.is_ok() {
            return;
        }
        let status = self.result.err().unwrap_or(NtStatus::SUCCESS);
        let (share, operation) = (options.share.as_str(), self.operation.name());
        let (created, bytes) = (self.created, self.bytes);
        if tracing::enabled!(target: TARGET, Level::DEBUG) {
            let (name, target) = (name.to_string(), self.target.map(Name::to_string));
            let (name, to) = (name.as_str(), target.as_deref());
            tracing::debug!(target: TARGET, user, share, operation, %status, name, to, created, bytes);
        } else {
            tracing::info!(target: TARGET, user, share, operation, %status, created, bytes);
        }
    }
}

const TARGET: &str = "smb::audit";

#[cfg(test)]
mod tests {
    use std::io;

    use server::share::{Disposition, Replace};
    use tracing_subscriber::filter::LevelFilter;

    use super::super::testing::{Share, to_create, to_open};
    use super::*;

    /// Where a log goes that is read by the test that wrote it.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at `level` while `work` is done on a share.
    fn logged(level: LevelFilter, options: AuditOptions, work: impl FnOnce(&Share)) -> Vec<String> {
        let memory = Share::memory();
        let share = memory.under(|inner| Audit::over(inner, options));
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || work(&share));
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn everything() -> AuditOptions {
        AuditOptions {
            share: "files".to_owned(),
            operations: Operation::ALL.to_vec(),
            failures_only: false,
        }
    }

    #[test]
    fn each_operation_is_one_line_with_who_where_what_and_its_result() {
        let lines = logged(LevelFilter::DEBUG, everything(), |share| {
            let file = share.open("a", &to_create(Disposition::New)).unwrap();
            file.write(b"abc").unwrap();
            file.rename("b", Replace::Never).unwrap();
            file.delete().unwrap();
        });
        let begin = "smb::audit: user=\"alice\" share=\"files\" operation=";
        let expected = [
            ("open", "name=\"a\" created=true"),
            ("write", "name=\"a\" bytes=3"),
            ("rename", "name=\"a\" to=\"b\""),
            ("delete", "name=\"b\""),
            ("close", "name=\"b\""),
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, (operation, end)) in lines.iter().zip(expected) {
            assert!(line.contains(&format!("{begin}\"{operation}\"")), "{line}");
            assert!(line.contains("status=SUCCESS"), "{line}");
            assert!(line.ends_with(end), "{line}");
        }
    }

    #[test]
    fn names_of_files_are_not_told_above_debug_level() {
        let lines = logged(LevelFilter::INFO, everything(), |share| {
            share.write_file("payslip", b"abc");
            let file = share.open("payslip", &to_open()).unwrap();
            file.rename("secret", Replace::Never).unwrap();
        });
        assert_eq!(lines.len(), 5, "{lines:#?}");
        for line in lines {
            assert!(
                !line.contains("payslip") && !line.contains("secret"),
                "{line}"
            );
        }
    }

    #[test]
    fn only_what_is_wanted_is_logged() {
        let options = AuditOptions {
            operations: vec![Operation::Open],
            failures_only: true,
            ..everything()
        };
        let lines = logged(LevelFilter::INFO, options, |share| {
            share.write_file("file", b"abc");
            assert!(share.open("missing", &to_open()).is_err());
        });
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("OBJECT_NAME_NOT_FOUND"), "{lines:?}");
    }
}
