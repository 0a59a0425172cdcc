//! The handle that the server holds: each call, and where its work is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use server::object_store::WatchScope;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Entry, FileStat, Handle, ListFrom, Name, ObjectId,
    ReplyRoom, SetInfo, StreamEntry, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::FullEa;
use wire::fscc::{FileAttributes, Fsctl, Pattern};

use super::attributes::now;
use super::file::Opening;
use super::{extended, streams};

/// One open, as the server holds it.
pub(super) struct DiskHandle(pub Arc<Opening>);

impl DiskHandle {
    /// Work on names and metadata, as the caller.
    fn as_caller<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opening) -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'_, T> {
        let opening = Arc::clone(&self.0);
        self.0
            .share
            .work
            .on_names(self.0.caller.host.as_ref(), move || work(&opening))
    }

    /// The deletion that `caller` asked for, as that caller.
    fn as_deleter(
        &self,
        caller: Caller,
        delete: impl FnOnce(&Opening, &Caller) -> Result<(), NtStatus> + Send + 'static,
    ) -> Answer<'_, ()> {
        let (opening, host) = (Arc::clone(&self.0), caller.host.clone());
        let work = move || delete(&opening, &caller);
        self.0.share.work.on_names(host.as_ref(), work)
    }

    /// Work on the open descriptor that reads metadata only, as the server.
    fn as_server<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opening) -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'_, T> {
        let opening = Arc::clone(&self.0);
        self.0.share.work.on_names(None, move || work(&opening))
    }

    /// Work that takes long or waits for a device, as the server.
    fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opening) -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'_, T> {
        let opening = Arc::clone(&self.0);
        self.0.share.work.on_pool(None, move || work(&opening))
    }
}

impl Handle for DiskHandle {
    fn object(&self) -> ObjectId {
        self.0.object.id
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        self.as_server(Opening::present_stat)
    }

    fn final_stat(&self) -> Answer<'_, FileStat> {
        self.as_server(|opening| {
            opening.end_writing();
            opening.present_stat()
        })
    }

    fn name(&self) -> Answer<'_, Name> {
        self.as_server(Opening::present_name)
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        self.0.read(at, room)
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        self.0.write(at, data)
    }

    fn flush(&self) -> Answer<'_, ()> {
        self.on_pool(Opening::flush_now)
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        let pattern = pattern.clone();
        let quick = pattern.literal().is_some();
        let work = move |opening: &Opening| opening.list_now(from, &pattern, room_bytes);
        if quick {
            self.as_server(work)
        } else {
            self.on_pool(work)
        }
    }

    fn streams(&self) -> Answer<'_, Vec<StreamEntry>> {
        self.as_server(Opening::all_streams)
    }

    fn extended_attributes(&self) -> Answer<'_, Vec<FullEa>> {
        self.as_server(|opening| extended::list(&opening.file))
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        self.as_caller(|opening| opening.set_now(request))
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        self.as_caller(Opening::check_delete_now)
    }

    fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
        self.0.watch_now(scope);
        Ok(())
    }

    fn security(&self, parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        self.as_server(move |opening| opening.security_parts(parts))
    }

    fn parent_security(&self) -> Answer<'_, Option<SecurityDescriptor>> {
        self.as_server(Opening::parent_security_now)
    }

    fn set_security(
        &self,
        parts: SecurityInformation,
        descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        self.as_caller(move |opening| opening.set_security_now(parts, &descriptor))
    }

    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        self.on_pool(move |opening| opening.control_now(code, &input, room_bytes))
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        match how {
            CloseHow::Keep => {
                self.0.end_writing();
                self.0.stop_watching();
                Box::pin(std::future::ready(Ok(())))
            }
            CloseHow::Delete(caller) => self.as_deleter(caller, Opening::delete_now),
            CloseHow::DeleteFile(caller) => self.as_deleter(caller, Opening::delete_file),
        }
    }
}

impl Opening {
    /// What this handle wrote is what is seen from now on.
    fn end_writing(&self) {
        if self.wrote.load(Ordering::Relaxed) {
            let late = self.object.closed_by_writer();
            if late && self.sticky.lock().write_time.is_none() {
                // The contents are safe; only the time would be a little early.
                let _ = self.file.set_times(None, Some(now()));
            }
        }
    }

    fn set_now(&self, request: SetInfo) -> Result<(), NtStatus> {
        match request {
            SetInfo::Basic(change) => self.set_basic(&change),
            SetInfo::EndOfFile(size) => self.set_end_of_file(size),
            SetInfo::Allocation(size) => self.set_allocation(size),
            SetInfo::Rename { target, replace } => self.rename_now(&target, replace),
            SetInfo::Link { target, replace } => self.link_now(&target, replace),
            SetInfo::ExtendedAttributes(attributes) => extended::set(&self.file, &attributes),
            SetInfo::Overwrite {
                attributes,
                supersede,
                allocation_size,
                extended_attributes,
            } => {
                extended::check_names(&extended_attributes)?;
                self.overwrite(attributes, supersede)?;
                extended::set(&self.file, &extended_attributes)?;
                match allocation_size {
                    0 => Ok(()),
                    size => self.set_allocation(size),
                }
            }
        }
    }

    /// [MS-FSA] 2.1.5.1.2
    fn overwrite(&self, attributes: FileAttributes, supersede: bool) -> Result<(), NtStatus> {
        if self.stream.is_some() {
            return self.set_end_of_file(0);
        }
        let before = self.file.dos_attributes()?.unwrap_or_default().attributes;
        let must_repeat = before & (FileAttributes::HIDDEN | FileAttributes::SYSTEM);
        if !attributes.contains(must_repeat) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        self.set_end_of_file(0)?;
        streams::remove_all(&self.file)?;
        extended::remove_all(&self.file)?;
        let asked = attributes & FileAttributes::SETTABLE;
        let asked = asked.without(FileAttributes::NOT_CONTENT_INDEXED) | FileAttributes::ARCHIVE;
        self.change_dos_attributes(|kept| {
            kept.attributes = if supersede { asked } else { asked | before };
            kept.change_time = None;
        })
    }
}
