//! A share on which files are written once and then kept: write once, read many.
//!
//! Owns the rule of when a file is kept, and the refusals. A file can be written through the open
//! that made it, and by others during a time of grace after its last change; from then on it is
//! *kept* until its retention has passed: not written, not deleted, not renamed, no attribute
//! changed. When it was last changed is what the handler says (`ChangeTime`), which nobody may set
//! on such a share, so nothing has to be remembered and a restart loses nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use server::Environment;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Disposition, FileStat, Handle, Name, OpenHow, Opened,
    Replace, SetInfo, ShareHandler, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation};
use wire::fscc::Fsctl;
use wire::fscc::file_info::{BasicChange, TimeChange};

use super::changes_file;
use super::layer::{HandleLayer, Layered, ShareLayer, wrap_opened};

/// How long files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WormOptions {
    /// How long after its last change a file can still be changed, once the open that made it is
    /// closed.
    pub grace: Duration,
    /// How long it is kept after that; none for ever.
    pub retention: Option<Duration>,
}

/// A wrapper under which files are written once.
pub struct Worm(Arc<Keeper>);

impl Worm {
    /// Puts it over a share.
    #[must_use]
    pub fn over(
        inner: Arc<dyn ShareHandler>,
        options: WormOptions,
        environment: Arc<dyn Environment>,
    ) -> Arc<dyn ShareHandler> {
        Layered::share(Self(Arc::new(Keeper {
            inner,
            options,
            environment,
        })))
    }

    async fn open_once(
        &self,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        // A new stream changes the file that it is made in.
        let makes_stream = name.stream().is_some() && how.disposition != Disposition::Existing;
        if makes_stream {
            let file = name.with_stream(None);
            self.0.check_not_kept(caller, &file).await?;
        }
        let opened = self.0.inner.open(caller, name, how).await?;
        let is_kept = !opened.created && self.0.keeps(&opened.stat);
        if is_kept && (how.overwrite || how.desired_access.intersects(CHANGES)) {
            opened.handle.close(CloseHow::Keep).await?;
            return Err(NtStatus::ACCESS_DENIED);
        }
        let is_new = opened.created;
        Ok(wrap_opened(opened, |inner| WormHandle {
            inner,
            keeper: self.0.clone(),
            caller: caller.clone(),
            is_new,
        }))
    }
}

impl ShareLayer for Worm {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.0.inner
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(self.open_once(caller, name, how))
    }
}

/// Knows what is kept.
struct Keeper {
    inner: Arc<dyn ShareHandler>,
    options: WormOptions,
    environment: Arc<dyn Environment>,
}

impl Keeper {
    /// Whether a file of this metadata is kept now. Folders never are.
    fn keeps(&self, stat: &FileStat) -> bool {
        let now = self.environment.wall_clock().0;
        let age = now.saturating_sub(stat.change_time.0);
        let grace = ticks(self.options.grace);
        let retention = self.options.retention.map(ticks);
        let end = retention.map_or(u64::MAX, |retention| grace.saturating_add(retention));
        !stat.is_directory() && (grace..end).contains(&age)
    }

    /// # Errors
    /// `ACCESS_DENIED` when what has this name is kept.
    async fn check_not_kept(&self, caller: &Caller, name: &Name) -> Result<(), NtStatus> {
        if self.keeps_name(caller, name).await? {
            Err(NtStatus::ACCESS_DENIED)
        } else {
            Ok(())
        }
    }

    /// Whether what has this name is a file that is kept.
    async fn keeps_name(&self, caller: &Caller, name: &Name) -> Result<bool, NtStatus> {
        let how = OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES);
        match self.inner.open(caller, name, &how).await {
            Ok(opened) => {
                opened.handle.close(CloseHow::Keep).await?;
                Ok(self.keeps(&opened.stat))
            }
            Err(NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::OBJECT_PATH_NOT_FOUND) => Ok(false),
            Err(status) => Err(status),
        }
    }
}

struct WormHandle {
    inner: Arc<dyn Handle>,
    keeper: Arc<Keeper>,
    caller: Caller,
    /// The file was made by this open, which may write it.
    is_new: bool,
}

impl WormHandle {
    async fn is_kept(&self) -> Result<bool, NtStatus> {
        Ok(!self.is_new && self.keeper.keeps(&self.inner.stat().await?))
    }

    async fn check_may_change(&self) -> Result<(), NtStatus> {
        if self.is_kept().await? {
            Err(NtStatus::ACCESS_DENIED)
        } else {
            Ok(())
        }
    }

    async fn set_unless_kept(&self, request: SetInfo) -> Result<(), NtStatus> {
        self.check_may_change().await?;
        match &request {
            // A folder takes what is in it along.
            SetInfo::Rename { .. } if self.inner.stat().await?.is_directory() => {
                self.inner.check_delete().await?;
            }
            SetInfo::Rename { target, replace } | SetInfo::Link { target, replace }
                if *replace == Replace::IfExists =>
            {
                self.keeper.check_not_kept(&self.caller, target).await?;
            }
            SetInfo::Basic(change) => {
                return self
                    .inner
                    .set(SetInfo::Basic(without_backdating(change)))
                    .await;
            }
            _ => {}
        }
        self.inner.set(request).await
    }
}

impl HandleLayer for WormHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        Box::pin(async move {
            self.check_may_change().await?;
            self.inner.write(at, data).await
        })
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        Box::pin(self.set_unless_kept(request))
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.is_kept().await? {
                return Err(NtStatus::CANNOT_DELETE);
            }
            self.inner.check_delete().await
        })
    }

    fn set_security(
        &self,
        parts: SecurityInformation,
        descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_may_change().await?;
            self.inner.set_security(parts, descriptor).await
        })
    }

    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        Box::pin(async move {
            if changes_file(code) {
                self.check_may_change().await?;
            }
            self.inner.control(code, input, room_bytes).await
        })
    }

    /// What is kept stays, even if its deletion was agreed on before.
    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        Box::pin(async move {
            if matches!(how, CloseHow::Keep) || !self.is_kept().await? {
                return self.inner.close(how).await;
            }
            self.inner.close(CloseHow::Keep).await?;
            Err(NtStatus::CANNOT_DELETE)
        })
    }
}

/// A change of metadata that leaves alone by what the age of a file is told.
fn without_backdating(change: &BasicChange) -> BasicChange {
    BasicChange {
        change_time: TimeChange::Keep,
        ..*change
    }
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX)
}

/// What is not granted on a file that is kept. Attributes are often asked for and not changed, so
/// they are refused only when they are.
const CHANGES: AccessMask = AccessMask::FILE_WRITE_DATA
    .with(AccessMask::FILE_APPEND_DATA)
    .with(AccessMask::FILE_WRITE_EA)
    .with(AccessMask::DELETE);

#[cfg(test)]
mod tests {
    use wire::dtyp::FileTime;

    use super::super::testing::{Share, to_create, to_open};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DENIED: Result<(), NtStatus> = Err(NtStatus::ACCESS_DENIED);

    fn worm(grace: Duration, retention: Option<Duration>) -> Share {
        let memory = Share::memory();
        let options = WormOptions { grace, retention };
        memory.under(|inner| Worm::over(inner, options, memory.time.clone()))
    }

    fn to_read() -> OpenHow {
        OpenHow::to_look(AccessMask::FILE_READ_DATA)
    }

    fn assert_kept(share: &Share, name: &str) {
        let contents = share.open(name, &to_read()).unwrap().read(100);
        let refused = share.open(name, &to_open()).map(drop);
        assert_eq!(refused, DENIED);
        let overwrite = OpenHow {
            overwrite: true,
            ..to_read()
        };
        assert_eq!(share.open(name, &overwrite).map(drop), DENIED);
        let file = share.open(name, &to_read()).unwrap();
        assert_eq!(file.write(b"x").map(drop), DENIED);
        assert_eq!(file.set(SetInfo::EndOfFile(0)), DENIED);
        assert_eq!(file.rename("elsewhere", Replace::Never), DENIED);
        assert_eq!(file.control(Fsctl::SET_SPARSE).map(drop), DENIED);
        let stream = format!("{name}:more");
        let stream = share.open(&stream, &to_create(Disposition::New)).map(drop);
        assert_eq!(stream, DENIED);
        assert_eq!(file.check_delete(), Err(NtStatus::CANNOT_DELETE));
        assert_eq!(file.delete(), Err(NtStatus::CANNOT_DELETE));
        let file = share.open(name, &to_read()).unwrap();
        assert_eq!(file.read(100), contents);
    }

    #[test]
    fn a_file_is_written_by_who_makes_it_and_kept_from_then_on() {
        let share = worm(Duration::ZERO, None);
        let file = share.open("file", &to_create(Disposition::New)).unwrap();
        file.write(b"first").unwrap();
        share.time.pass(HOUR);
        file.write(b" and last").unwrap();
        file.close();
        share.time.pass(HOUR * 10_000);
        assert_kept(&share, "file");
    }

    #[test]
    fn during_grace_a_file_can_be_changed_and_every_change_begins_it_anew() {
        let share = worm(HOUR, None);
        share.write_file("file", b"a");
        share.time.pass(HOUR / 2);
        share.open("file", &to_open()).unwrap().write(b"b").unwrap();
        share.time.pass(HOUR / 2);
        share.open("file", &to_open()).unwrap().write(b"c").unwrap();
        share.time.pass(HOUR);
        assert_kept(&share, "file");
        assert_eq!(
            share.open("file", &to_read()).unwrap().read(9).unwrap(),
            b"abc"
        );
    }

    #[test]
    fn when_retention_has_passed_a_file_can_be_deleted() {
        let share = worm(Duration::ZERO, Some(HOUR));
        share.write_file("file", b"a");
        share.time.pass(HOUR - Duration::from_secs(1));
        assert_kept(&share, "file");
        share.time.pass(Duration::from_secs(1));
        share.delete_file("file");
        assert!(share.names("").is_empty());
    }

    #[test]
    fn an_open_from_before_does_not_write_what_is_kept() {
        let share = worm(HOUR, None);
        share.write_file("file", b"a");
        let early = share.open("file", &to_open()).unwrap();
        share.time.pass(HOUR);
        assert_eq!(early.write(b"b").map(drop), DENIED);
        assert_eq!(
            share.open("file", &to_read()).unwrap().read(9).unwrap(),
            b"a"
        );
    }

    #[test]
    fn nobody_makes_a_file_look_older_than_it_is() {
        let share = worm(HOUR, Some(HOUR));
        share.write_file("file", b"a");
        let file = share.open("file", &to_open()).unwrap();
        let long_ago = TimeChange::Set(FileTime(1));
        let change = BasicChange {
            change_time: long_ago,
            last_write_time: long_ago,
            ..BasicChange::default()
        };
        file.set(SetInfo::Basic(change)).unwrap();
        share.time.pass(HOUR);
        assert_kept(&share, "file");
    }

    #[test]
    fn what_is_kept_is_not_replaced_and_not_taken_along() {
        let share = worm(Duration::ZERO, None);
        share.make_folder("folder");
        share.write_file("folder\\kept", b"a");
        let new = share.open("new", &to_create(Disposition::New)).unwrap();
        assert_eq!(new.rename("folder\\kept", Replace::IfExists), DENIED);
        let folder = share.open("folder", &to_open()).unwrap();
        let moved = folder.rename("elsewhere", Replace::Never);
        assert_eq!(moved, Err(NtStatus::DIRECTORY_NOT_EMPTY));
        assert_eq!(share.names(""), ["folder", "new"]);
    }

    #[test]
    fn an_empty_folder_can_be_renamed_and_deleted() {
        let share = worm(Duration::ZERO, None);
        share.make_folder("New folder");
        let folder = share.open("New folder", &to_open()).unwrap();
        folder.rename("reports", Replace::Never).unwrap();
        assert_eq!(share.names(""), ["reports"]);
        share.delete_file("reports");
        assert!(share.names("").is_empty());
    }
}
