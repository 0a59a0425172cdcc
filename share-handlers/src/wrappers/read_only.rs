//! A share that cannot be changed, whatever handler is behind it.
//!
//! Owns nothing but the refusals: of creating, of writing and of changing. Everything else is the inner handler's.

use std::sync::Arc;

use bytes::Bytes;
use server::object_store::WatchScope;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Disposition, Entry, Features, FileStat, Handle, ListFrom,
    Name, ObjectId, OpenHow, Opened, ReplyRoom, SetInfo, ShareHandler, StreamEntry, Transacted,
    Volume, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::{FullEa, PipeInformation};
use wire::fscc::{FileInfoClass, FileInformation, Fsctl, Pattern};

use crate::ready::ready;

/// A handler of which nothing can be changed.
#[derive(Debug)]
pub struct ReadOnly<H>(pub H);

impl<H: ShareHandler> ReadOnly<H> {
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
        match self.0.open(caller, name, &existing).await {
            Ok(opened) => Ok(Opened {
                handle: Arc::new(ReadOnlyHandle(opened.handle)),
                ..opened
            }),
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) if how.disposition == Disposition::Either => {
                Err(NtStatus::MEDIA_WRITE_PROTECTED)
            }
            Err(status) => Err(status),
        }
    }
}

impl<H: ShareHandler> ShareHandler for ReadOnly<H> {
    fn features(&self) -> Features {
        Features {
            read_only: true,
            ..self.0.features()
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

    fn volume(&self) -> Answer<'_, Volume> {
        self.0.volume()
    }
}

/// An open through which nothing can be changed.
struct ReadOnlyHandle(Arc<dyn Handle>);

/// The answer to whoever wants to change something.
fn refused<'a, T: Send + 'a>() -> Answer<'a, T> {
    ready(Err(NtStatus::MEDIA_WRITE_PROTECTED))
}

impl Handle for ReadOnlyHandle {
    fn object(&self) -> ObjectId {
        self.0.object()
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        self.0.stat()
    }

    fn final_stat(&self) -> Answer<'_, FileStat> {
        self.0.final_stat()
    }

    fn name(&self) -> Answer<'_, Name> {
        self.0.name()
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        self.0.read(at, room)
    }

    fn write(&self, _at: WriteAt, _data: Bytes) -> Answer<'_, u32> {
        refused()
    }

    /// Nothing was written that could be flushed.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        self.0.list(from, pattern, room_bytes)
    }

    fn streams(&self) -> Answer<'_, Vec<StreamEntry>> {
        self.0.streams()
    }

    fn extended_attributes(&self) -> Answer<'_, Vec<FullEa>> {
        self.0.extended_attributes()
    }

    fn pipe_information(&self, class: FileInfoClass) -> Answer<'_, FileInformation> {
        self.0.pipe_information(class)
    }

    fn set(&self, _request: SetInfo) -> Answer<'_, ()> {
        refused()
    }

    // [MS-FSA] 2.1.5.1.2.1
    fn check_delete(&self) -> Answer<'_, ()> {
        ready(Err(NtStatus::CANNOT_DELETE))
    }

    fn security(&self, parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        self.0.security(parts)
    }

    fn parent_security(&self) -> Answer<'_, Option<SecurityDescriptor>> {
        self.0.parent_security()
    }

    fn set_security(
        &self,
        _parts: SecurityInformation,
        _descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        refused()
    }

    /// Codes say themselves whether they change a file, except for a few that only need to be asked by somebody who
    /// could write.
    // [MS-FSCC] 2.3
    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        const NEEDS_WRITE_ACCESS: u32 = 0x8000;
        const CHANGES: [Fsctl; 7] = [
            Fsctl::SET_SPARSE,
            Fsctl::SET_REPARSE_POINT,
            Fsctl::DELETE_REPARSE_POINT,
            Fsctl::SET_OBJECT_ID,
            Fsctl::SET_OBJECT_ID_EXTENDED,
            Fsctl::DELETE_OBJECT_ID,
            Fsctl::SET_ENCRYPTION,
        ];
        if code.0 & NEEDS_WRITE_ACCESS != 0 || CHANGES.contains(&code) {
            return refused();
        }
        self.0.control(code, input, room_bytes)
    }

    fn transact(&self, input: Bytes, room_bytes: usize) -> Answer<'_, Transacted> {
        self.0.transact(input, room_bytes)
    }

    fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
        self.0.watch(scope)
    }

    fn set_pipe(&self, information: PipeInformation) -> Answer<'_, ()> {
        self.0.set_pipe(information)
    }

    /// Whatever was to be deleted stays.
    fn close(&self, _how: CloseHow) -> Answer<'_, ()> {
        self.0.close(CloseHow::Keep)
    }
}

#[cfg(test)]
mod tests {
    use server::access::{Privileges, SecurityToken};
    use server::share::{Place, Wanted};
    use wire::dtyp::{AccessMask, FileTime, Sid};

    use super::*;
    use crate::memory::{MemoryHandler, MemoryOptions};
    use crate::offload::tests::wait;

    fn caller() -> Caller {
        let groups = vec![Sid::EVERYONE];
        let token = SecurityToken::new(Sid::SYSTEM, Sid::SYSTEM, groups, Privileges::NONE);
        Caller {
            user: "user".into(),
            token: Arc::new(token),
            host: None,
            log_on: None,
        }
    }

    fn open(handler: &dyn ShareHandler, how: &OpenHow) -> Result<Opened, NtStatus> {
        wait(handler.open(&caller(), &Name::parse_text("file").unwrap(), how))
    }

    fn how(disposition: Disposition) -> OpenHow {
        OpenHow {
            disposition,
            wanted: Wanted::File,
            ..OpenHow::to_look(AccessMask::FILE_ALL_ACCESS)
        }
    }

    const AT: WriteAt = WriteAt {
        place: Place::End,
        write_through: false,
    };

    #[test]
    fn what_exists_can_be_read_and_not_changed() {
        let clock = Arc::new(|| FileTime(1));
        let memory = MemoryHandler::new(MemoryOptions::new("x"), clock).unwrap();
        let made = open(&memory, &how(Disposition::New)).unwrap();
        wait(made.handle.write(AT, Bytes::from_static(b"abc"))).unwrap();
        let handler = ReadOnly(memory);
        assert!(handler.features().read_only);
        let file = open(&handler, &how(Disposition::Either)).unwrap().handle;
        let protected = Err(NtStatus::MEDIA_WRITE_PROTECTED);
        assert_eq!(wait(file.write(AT, Bytes::from_static(b"x"))), protected);
        let protected = Err(NtStatus::MEDIA_WRITE_PROTECTED);
        assert_eq!(wait(file.set(SetInfo::EndOfFile(0))), protected);
        let sparse = wait(file.control(Fsctl::SET_SPARSE, Bytes::new(), 0));
        assert_eq!(sparse, Err(NtStatus::MEDIA_WRITE_PROTECTED));
        assert_eq!(wait(file.check_delete()), Err(NtStatus::CANNOT_DELETE));
        wait(file.close(CloseHow::Delete(caller()))).unwrap();
        let file = open(&handler, &how(Disposition::Existing)).unwrap().handle;
        assert_eq!(wait(file.stat()).unwrap().end_of_file, 3);
    }

    // test [MS-FSA] 2.1.5.1
    #[test]
    fn what_is_missing_is_not_made() {
        let clock = Arc::new(|| FileTime(1));
        let handler = ReadOnly(MemoryHandler::new(MemoryOptions::new("x"), clock).unwrap());
        for disposition in [Disposition::New, Disposition::Either] {
            let opened = open(&handler, &how(disposition)).map(drop);
            assert_eq!(opened, Err(NtStatus::MEDIA_WRITE_PROTECTED));
        }
        let missing = open(&handler.0, &how(Disposition::Existing)).map(drop);
        assert_eq!(missing, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
    }
}
