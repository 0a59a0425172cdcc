//! The two traits of a share handler. Each method's documentation is its contract; the contract
//! suite (`share_handlers::contract`) holds every handler to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::{FullEa, PipeInformation};
use wire::fscc::{FileInfoClass, FileInformation, Fsctl, Pattern};

use super::name::Name;
use super::print_queue::PrintQueue;
use super::room::ReplyRoom;
use super::types::{
    Caller, CloseHow, Entry, Features, FileStat, ListFrom, ObjectId, OpenHow, Opened, SetInfo,
    StreamEntry, Volume, WriteAt,
};
use crate::object_store::WatchScope;

/// What every handler call returns: a future, because a handler may have to block elsewhere.
///
/// A call that can answer from memory returns a future that is ready at its first poll; then the
/// whole request completes without leaving the connection's task.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, NtStatus>> + Send + 'a>>;

/// An answer that is known at once.
fn ready<'a, T: Send + 'a>(result: Result<T, NtStatus>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

/// A share's contents: opens names and describes the volume.
pub trait ShareHandler: Send + Sync {
    /// What the share is and can do; constant for the handler's life.
    fn features(&self) -> Features;

    /// Whether this caller may connect to the share at all, whatever the share's settings say.
    ///
    /// # Errors
    /// `ACCESS_DENIED`; by default everybody may.
    fn admit(&self, _caller: &Caller) -> Result<(), NtStatus> {
        Ok(())
    }

    /// Opens `name`, or creates it where `how.disposition` allows, without harm: nothing that
    /// exists is truncated, replaced or changed. Overwriting and superseding follow by
    /// [`SetInfo::Overwrite`] once the object store has let the open pass.
    ///
    /// The handler resolves the name below its root whatever links or races it meets, and when it
    /// creates, asks [`crate::access`] whether the caller may add to the parent. The check of
    /// `how.desired_access` against the object's own descriptor is CREATE's; the handler only opens with
    /// what the host system requires for that access. With `MAXIMUM_ALLOWED` it opens as widely as it can.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND`, `OBJECT_PATH_NOT_FOUND`, `OBJECT_NAME_INVALID`,
    /// `OBJECT_NAME_COLLISION`, `FILE_IS_A_DIRECTORY`, `NOT_A_DIRECTORY`, `ACCESS_DENIED`,
    /// `MEDIA_WRITE_PROTECTED`, `DISK_FULL`, `STOPPED_ON_SYMLINK`, `TOO_MANY_OPENED_FILES`.
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened>;

    /// The volume's sizes, label and attributes.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` by default.
    fn volume(&self) -> Answer<'_, Volume> {
        ready(Err(NtStatus::NOT_SUPPORTED))
    }

    /// The print queue behind the share, where there is one.
    fn print_queue(&self) -> Option<Arc<dyn PrintQueue>> {
        None
    }
}

/// One open of a file, directory, stream or pipe.
///
/// Dropping a handle without [`Handle::close`] releases it and never deletes anything.
pub trait Handle: Send + Sync {
    /// The identity of the opened object; equal ids share locks and leases. Streams of one file
    /// have the file's id: the stream is told apart by [`Opened::stream`].
    fn object(&self) -> ObjectId;

    /// The present metadata.
    fn stat(&self) -> Answer<'_, FileStat>;

    /// The metadata as CLOSE's reply tells it: what a handler holds back while a file is written
    /// (the write time) is in it.
    fn final_stat(&self) -> Answer<'_, FileStat> {
        self.stat()
    }

    /// The object's present name below the share's root, as stored, even after somebody else
    /// renamed it or a folder above it.
    fn name(&self) -> Answer<'_, Name>;

    /// Reads into `room` from byte `at` on and returns the number of bytes read; short only at
    /// the end of the file, 0 at or behind it.
    ///
    /// # Errors
    /// `INVALID_DEVICE_REQUEST` for what cannot be read; a pipe answers `PIPE_EMPTY` and the like, and
    /// marks the room with [`ReplyRoom::mark_partial`] when more of the message is left.
    fn read<'a>(&'a self, _at: u64, _room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        ready(Err(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// Writes all of `data` and returns its length; bytes between the old end and `at` read as
    /// zeros.
    ///
    /// # Errors
    /// `DISK_FULL`, `INVALID_DEVICE_REQUEST`, `MEDIA_WRITE_PROTECTED`.
    fn write(&self, _at: WriteAt, _data: Bytes) -> Answer<'_, u32> {
        ready(Err(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// Puts everything written through any handle of this file on stable storage.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Err(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// Lists entries of a directory that match `pattern`, from `from` on, in a stable order with
    /// `.` and `..` first, at least one unless none is left and about as many as encode into
    /// `room_bytes`. Each [`Entry::position`] is where a later call with [`ListFrom::After`] resumes behind it.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is not a directory.
    fn list<'a>(
        &'a self,
        _from: ListFrom,
        _pattern: &'a Pattern,
        _room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        ready(Err(NtStatus::INVALID_PARAMETER))
    }

    /// The data streams of the file, the unnamed one (`::$DATA`) first; none for a directory
    /// without named streams.
    fn streams(&self) -> Answer<'_, Vec<StreamEntry>> {
        ready(Err(NtStatus::NOT_SUPPORTED))
    }

    /// The extended attributes, without those that the server keeps for itself.
    fn extended_attributes(&self) -> Answer<'_, Vec<FullEa>> {
        ready(Err(NtStatus::EAS_NOT_SUPPORTED))
    }

    /// The state of a pipe, as one of its three information classes.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is not a pipe.
    fn pipe_information(&self, _class: FileInfoClass) -> Answer<'_, FileInformation> {
        ready(Err(NtStatus::INVALID_PARAMETER))
    }

    /// Changes metadata, size or name. The object store has agreed before.
    ///
    /// # Errors
    /// Per request: `OBJECT_NAME_COLLISION`, `ACCESS_DENIED`, `DISK_FULL`, `NOT_SAME_DEVICE`,
    /// `DIRECTORY_NOT_EMPTY`, `NOT_SUPPORTED` for what the handler cannot store.
    fn set(&self, _request: SetInfo) -> Answer<'_, ()> {
        ready(Err(NtStatus::NOT_SUPPORTED))
    }

    /// Whether the object could be deleted now; deletes nothing.
    ///
    /// # Errors
    /// `DIRECTORY_NOT_EMPTY`, `CANNOT_DELETE` for a read-only file or the share's root.
    fn check_delete(&self) -> Answer<'_, ()> {
        ready(Err(NtStatus::CANNOT_DELETE))
    }

    /// The security descriptor's parts in `parts`.
    fn security(&self, _parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        ready(Err(NtStatus::NOT_SUPPORTED))
    }

    /// The parent directory's descriptor, where there is a parent: CREATE asks for it when the
    /// object's own descriptor refuses what the parent may grant.
    fn parent_security(&self) -> Answer<'_, Option<SecurityDescriptor>> {
        ready(Ok(None))
    }

    /// Stores the descriptor's parts named by `parts`.
    fn set_security(
        &self,
        _parts: SecurityInformation,
        _descriptor: SecurityDescriptor,
    ) -> Answer<'_, ()> {
        ready(Err(NtStatus::NOT_SUPPORTED))
    }

    /// Carries out a control code with at most `room_bytes` of output. Where more would be told than
    /// there is room for, what fits may be told with [`Controlled::more`].
    ///
    /// # Errors
    /// `INVALID_DEVICE_REQUEST` for a code the handler does not know.
    fn control(&self, _code: Fsctl, _input: Bytes, _room_bytes: usize) -> Answer<'_, Controlled> {
        ready(Err(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// Sends a message to a pipe and waits for its answer; what does not fit into `room_bytes`
    /// is left to be read.
    ///
    /// # Errors
    /// `INVALID_DEVICE_REQUEST` for what is not a pipe.
    fn transact(&self, _input: Bytes, _room_bytes: usize) -> Answer<'_, Transacted> {
        ready(Err(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// A client listens for changes of this directory: changes made outside the server are to be
    /// reported too, as far as the handler can hear of them, until the handle is closed.
    ///
    /// # Errors
    /// `NOT_IMPLEMENTED` where the share is configured without notifications.
    fn watch(&self, _scope: WatchScope) -> Result<(), NtStatus> {
        Ok(())
    }

    /// Sets the modes of a pipe.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is not a pipe.
    fn set_pipe(&self, _information: PipeInformation) -> Answer<'_, ()> {
        ready(Err(NtStatus::INVALID_PARAMETER))
    }

    /// Ends the open. With [`CloseHow::Delete`] the object's name is removed, by identity: if the
    /// name now belongs to another object, nothing is removed.
    fn close(&self, how: CloseHow) -> Answer<'_, ()>;
}

/// What [`Handle::control`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controlled {
    /// The output, at most as long as the room given.
    pub output: Bytes,
    /// There is more to be told than fits: `BUFFER_OVERFLOW` to the client, beside the output.
    pub more: bool,
}

impl From<Bytes> for Controlled {
    /// An output that is whole.
    fn from(output: Bytes) -> Self {
        let more = false;
        Self { output, more }
    }
}

/// A pipe's answer to [`Handle::transact`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transacted {
    /// The answer, at most as long as the room given.
    pub data: Bytes,
    /// More of the same message is left to be read: `BUFFER_OVERFLOW` to the client.
    pub more: bool,
}
