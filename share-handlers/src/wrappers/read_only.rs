//! A share that cannot be changed, whatever handler is behind it.
//!
//! Owns nothing but the refusals: of creating, of writing and of changing. Everything else is the
//! inner handler's.

use std::sync::Arc;

use bytes::Bytes;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Disposition, Features, Handle, Name, OpenHow, Opened,
    SetInfo, ShareHandler, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::Fsctl;

use super::changes_file;
use super::layer::{HandleLayer, Layered, ShareLayer, wrap_opened};
use crate::ready::ready;

/// A wrapper through which nothing can be changed.
pub struct ReadOnly {
    inner: Arc<dyn ShareHandler>,
}

impl ReadOnly {
    /// Puts it over a share.
    #[must_use]
    pub fn over(inner: Arc<dyn ShareHandler>) -> Arc<dyn ShareHandler> {
        Layered::share(Self { inner })
    }

    // [MS-FSA] 2.1.5.1
    async fn open_existing(
        &self,
        caller: &Caller,
        name: &Name,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        if how.disposition == Disposition::New || how.overwrite {
            return Err(NtStatus::MEDIA_WRITE_PROTECTED);
        }
        let existing = OpenHow {
            disposition: Disposition::Existing,
            ..how.clone()
        };
        match self.inner.open(caller, name, &existing).await {
            Ok(opened) => Ok(wrap_opened(opened, ReadOnlyHandle)),
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) if how.disposition == Disposition::Either => {
                Err(NtStatus::MEDIA_WRITE_PROTECTED)
            }
            Err(status) => Err(status),
        }
    }
}

impl ShareLayer for ReadOnly {
    fn inner(&self) -> &dyn ShareHandler {
        &*self.inner
    }

    fn features(&self) -> Features {
        Features {
            read_only: true,
            ..self.inner.features()
        }
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(self.open_existing(caller, name, how))
    }
}

/// An open through which nothing can be changed.
struct ReadOnlyHandle(Arc<dyn Handle>);

/// The answer to whoever wants to change something.
fn refused<'a, T: Send + 'a>() -> Answer<'a, T> {
    ready(Err(NtStatus::MEDIA_WRITE_PROTECTED))
}

impl HandleLayer for ReadOnlyHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.0
    }

    fn write(&self, _at: WriteAt, _data: Bytes) -> Answer<'_, u32> {
        refused()
    }

    /// Nothing was written that could be flushed.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn set(&self, _request: SetInfo) -> Answer<'_, ()> {
        refused()
    }

    // [MS-FSA] 2.1.5.1.2.1
    fn check_delete(&self) -> Answer<'_, ()> {
        ready(Err(NtStatus::CANNOT_DELETE))
    }

    fn set_security(
        &self,
        _parts: SecurityInformation,
        _descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        refused()
    }

    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        if changes_file(code) {
            return refused();
        }
        self.0.control(code, input, room_bytes)
    }

    /// Whatever was to be deleted stays.
    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        Box::pin(async move {
            self.0.close(CloseHow::Keep).await?;
            match how {
                CloseHow::Keep => Ok(()),
                CloseHow::Delete(_) | CloseHow::DeleteFile(_) => Err(NtStatus::CANNOT_DELETE),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Share, to_create, to_open};
    use super::*;

    #[test]
    fn what_exists_can_be_read_and_not_changed() {
        let memory = Share::memory();
        memory.write_file("file", b"abc");
        let share = memory.under(ReadOnly::over);
        assert!(share.handler.features().read_only);
        let file = share.open("file", &to_create(Disposition::Either)).unwrap();
        let protected = Err(NtStatus::MEDIA_WRITE_PROTECTED);
        assert_eq!(file.write(b"x").map(drop), protected);
        assert_eq!(file.set(SetInfo::EndOfFile(0)), protected);
        assert_eq!(file.control(Fsctl::SET_SPARSE).map(drop), protected);
        assert_eq!(file.check_delete(), Err(NtStatus::CANNOT_DELETE));
        assert_eq!(file.delete(), Err(NtStatus::CANNOT_DELETE));
        assert_eq!(share.read_file("file"), b"abc");
    }

    // test [MS-FSA] 2.1.5.1
    #[test]
    fn what_is_missing_is_not_made() {
        let memory = Share::memory();
        let share = memory.under(ReadOnly::over);
        for disposition in [Disposition::New, Disposition::Either] {
            let opened = share.open("file", &to_create(disposition)).map(drop);
            assert_eq!(opened, Err(NtStatus::MEDIA_WRITE_PROTECTED));
        }
        let missing = memory.open("file", &to_open()).map(drop);
        assert_eq!(missing, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
    }
}
