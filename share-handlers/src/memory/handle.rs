//! The handle that the server holds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use parking_lot::Mutex;
use server::access::SecurityToken;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Entry, FileStat, Handle, ListFrom, Name, ObjectId,
    ReplyRoom, SetInfo, StreamEntry, WriteAt,
};
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::FullEa;
use wire::fscc::{Fsctl, Pattern};

use super::Store;
use super::names::LinkId;
use super::node::{Node, StreamId, UserSet};
use crate::ready::ready;

/// One open of a file, directory or stream.
pub(super) struct MemoryHandle {
    /// The volume.
    pub store: Arc<Store>,
    /// What is open.
    pub node: Arc<Node>,
    /// The name by which it was opened, wherever that has gone; none for the root.
    pub link: Option<LinkId>,
    /// The named stream, where one is open.
    pub stream: Option<StreamId>,
    /// Who opened it.
    pub token: Arc<SecurityToken>,
    /// The times that operations through this handle must not move.
    pub user_set: Mutex<UserSet>,
    /// Contents or size were changed through this handle.
    pub wrote: AtomicBool,
}

impl MemoryHandle {
    pub(super) fn new(
        store: Arc<Store>,
        node: Arc<Node>,
        link: Option<LinkId>,
        stream: Option<StreamId>,
        caller: &Caller,
    ) -> Self {
        Self {
            store,
            node,
            link,
            stream,
            token: Arc::clone(&caller.token),
            user_set: Mutex::default(),
            wrote: AtomicBool::new(false),
        }
    }

    pub(super) fn user_set(&self) -> UserSet {
        *self.user_set.lock()
    }
}

impl Handle for MemoryHandle {
    fn object(&self) -> ObjectId {
        self.store.object_id(&self.node)
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(self.node.stat(self.stream, || self.store.now()))
    }

    fn final_stat(&self) -> Answer<'_, FileStat> {
        self.end_writing();
        self.stat()
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(self.name_now())
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        ready(self.read_now(at, room))
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        ready(self.write_now(at.place, &data))
    }

    fn flush(&self) -> Answer<'_, ()> {
        self.flush_now();
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        ready(self.list_now(from, pattern, room_bytes))
    }

    fn streams(&self) -> Answer<'_, Vec<StreamEntry>> {
        ready(Ok(self.streams_now()))
    }

    fn extended_attributes(&self) -> Answer<'_, Vec<FullEa>> {
        ready(Ok(self.node.body.read().extended_attributes.clone()))
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        ready(self.set_now(request))
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        ready(self.check_delete_now())
    }

    fn security(&self, parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        ready(Ok(self.node.body.read().security.parts(parts)))
    }

    fn parent_security(&self) -> Answer<'_, Option<SecurityDescriptor>> {
        let names = self.store.names.read();
        let link = self.link.and_then(|link| names.link(link));
        let security = link.map(|link| Arc::clone(&link.parent.body.read().security));
        ready(Ok(security.map(|security| (*security).clone())))
    }

    fn set_security(
        &self,
        parts: SecurityInformation,
        descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        ready(self.set_security_now(parts, &descriptor))
    }

    fn control(&self, code: Fsctl, input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        ready(self.control_now(code, &input, room_bytes))
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        ready(match how {
            CloseHow::Keep => {
                self.close_now();
                Ok(())
            }
            CloseHow::Delete(_) => self.delete_now(),
            CloseHow::DeleteFile(_) => self.delete_file(),
        })
    }
}
