//! A handler that fails and dawdles: for simulations, and for rehearsing what clients do then.
//!
//! Owns no randomness and no clock: a [`Faults`] decides for each call. A call that fails has not
//! been carried out; closing never fails, and neither do the calls that only tell.

use std::sync::Arc;

use bytes::Bytes;
use server::Task;
use server::object_store::WatchScope;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Entry, Features, FileStat, Handle, ListFrom, Name,
    ObjectId, OpenHow, Opened, ReplyRoom, SetInfo, ShareHandler, StreamEntry, Transacted, Volume,
    WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::{FullEa, PipeInformation};
use wire::fscc::{FileInfoClass, FileInformation, Fsctl, Pattern};

/// What happens to one call.
#[derive(Default)]
pub struct Fault {
    /// What the call waits for before anything else.
    pub delay: Option<Task>,
    /// What it then fails with, instead of being carried out.
    pub status: Option<NtStatus>,
}

/// Decides which calls fail.
pub trait Faults: Send + Sync {
    /// The fate of the next call, `call` being its name in the handler's traits.
    fn next(&self, call: &'static str) -> Fault;
}

/// A handler whose calls go through [`Faults`] first.
pub struct Faulty {
    inner: Arc<dyn ShareHandler>,
    faults: Arc<dyn Faults>,
}

impl Faulty {
    /// Puts `faults` before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn ShareHandler>, faults: Arc<dyn Faults>) -> Self {
        Self { inner, faults }
    }
}

impl ShareHandler for Faulty {
    fn features(&self) -> Features {
        self.inner.features()
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        let fault = self.faults.next("open");
        Box::pin(async move {
            suffer(fault).await?;
            let opened = self.inner.open(caller, name, how).await?;
            let handle = Arc::new(FaultyHandle {
                inner: opened.handle.clone(),
                faults: self.faults.clone(),
            });
            Ok(Opened { handle, ..opened })
        })
    }

    fn volume(&self) -> Answer<'_, Volume> {
        let fault = self.faults.next("volume");
        after(fault, self.inner.volume())
    }
}

struct FaultyHandle {
    inner: Arc<dyn Handle>,
    faults: Arc<dyn Faults>,
}

impl FaultyHandle {
    fn after<'a, T: 'a>(&self, call: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        after(self.faults.next(call), answer)
    }

    /// For calls that must not fail: they are only late.
    fn late<'a, T: 'a>(&self, call: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        let fault = Fault {
            status: None,
            ..self.faults.next(call)
        };
        after(fault, answer)
    }
}

impl Handle for FaultyHandle {
    fn object(&self) -> ObjectId {
        self.inner.object()
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        self.after("stat", self.inner.stat())
    }

    fn final_stat(&self) -> Answer<'_, FileStat> {
        self.after("final_stat", self.inner.final_stat())
    }

    fn name(&self) -> Answer<'_, Name> {
        self.late("name", self.inner.name())
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        self.after("read", self.inner.read(at, room))
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let fault = self.faults.next("write");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.write(at, data).await
        })
    }

    fn flush(&self) -> Answer<'_, ()> {
        self.after("flush", self.inner.flush())
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        self.after("list", self.inner.list(from, pattern, room_bytes))
    }

    fn streams(&self) -> Answer<'_, Vec<StreamEntry>> {
        self.after("streams", self.inner.streams())
    }

    fn extended_attributes(&self) -> Answer<'_, Vec<FullEa>> {
        self.after("extended_attributes", self.inner.extended_attributes())
    }

    fn pipe_information(&self, class: FileInfoClass) -> Answer<'_, FileInformation> {
        self.after("pipe_information", self.inner.pipe_information(class))
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        let fault = self.faults.next("set");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.set(request).await
        })
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        self.after("check_delete", self.inner.check_delete())
    }

    fn security(&self, parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        self.after("security", self.inner.security(parts))
    }

    fn parent_security(&self) -> Answer<'_, Option<SecurityDescriptor>> {
        self.after("parent_security", self.inner.parent_security())
    }

    fn set_security(
        &self,
        parts: SecurityInformation,
        descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        let fault = self.faults.next("set_security");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.set_security(parts, descriptor).await
        })
    }

    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        let fault = self.faults.next("control");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.control(code, input, room_bytes).await
        })
    }

    fn transact(&self, input: Bytes, room_bytes: usize) -> Answer<'_, Transacted> {
        let fault = self.faults.next("transact");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.transact(input, room_bytes).await
        })
    }

    fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
        self.inner.watch(scope)
    }

    fn set_pipe(&self, information: PipeInformation) -> Answer<'_, ()> {
        let fault = self.faults.next("set_pipe");
        Box::pin(async move {
            suffer(fault).await?;
            self.inner.set_pipe(information).await
        })
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        let fault = self.faults.next("close");
        Box::pin(async move {
            if let Some(delay) = fault.delay {
                delay.await;
            }
            self.inner.close(how).await
        })
    }
}

/// An answer that changes nothing, behind its fault. Some handlers act when they are called, so
/// what changes something is called only after [`suffer`].
fn after<'a, T: 'a>(fault: Fault, answer: Answer<'a, T>) -> Answer<'a, T> {
    Box::pin(async move {
        suffer(fault).await?;
        answer.await
    })
}

async fn suffer(fault: Fault) -> Result<(), NtStatus> {
    if let Some(delay) = fault.delay {
        delay.await;
    }
    fault.status.map_or(Ok(()), Err)
}
