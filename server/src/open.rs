//! Opens: what a client holds after CREATE.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use wire::create::{CreateAction, CreateOptions, ShareAccess};
use wire::dtyp::{AccessMask, FileTime, Guid};
use wire::fscc::Pattern;
use wire::fscc::file_info::FileMode;
use wire::{FileId, NtStatus, SessionId};

use crate::durable::{AppInstance, Durability, DurableOwner};
use crate::object_store::{Attachment, LockSequences, OpenId};
use crate::persistence::RecordedFile;
use crate::request::ChannelSequence;
use crate::share::{Entry, Handle, Name, StreamName};
use crate::tree_connect::TreeConnect;

/// An open file, directory, stream or pipe. [MS-SMB2] 3.3.1.10
///
/// One that outlives its connection is a new value in each session that takes it up again, with the
/// handle, the attachment and the state of the one before.
pub struct Open {
    /// FileId and, as its persistent part, DurableFileId; the same in each session.
    pub file_id: FileId,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// TreeConnect.
    pub tree: Arc<TreeConnect>,
    /// LocalOpen: the handler's side.
    pub handle: Arc<dyn Handle>,
    /// LocalOpen: the object store's side.
    pub attachment: Attachment,
    /// DesiredAccess, as the client gave it.
    pub desired_access: AccessMask,
    /// GrantedAccess.
    pub granted_access: AccessMask,
    /// The sharing asked for.
    pub share_access: ShareAccess,
    /// CreateOptions.
    pub create_options: CreateOptions,
    /// Whether it is a directory (and no stream of one).
    pub is_directory: bool,
    /// The named stream, if it is one.
    pub stream: Option<StreamName>,
    /// PathName, as stored when it was opened.
    pub name: Name,
    /// When it was opened.
    pub creation_time: FileTime,
    /// ClientGuid: the client that made it.
    pub client_guid: Guid,
    /// DurableOwner: who may take it up again.
    pub owner: DurableOwner,
    /// CreateGuid.
    pub create_guid: Option<Guid>,
    /// AppInstanceId and its version.
    pub app_instance: Option<AppInstance>,
    /// Whether it is a pipe that must not be used in clear, because what is behind it relies on that.
    pub is_encrypted_pipe: bool,
    /// What CREATE did.
    pub create_action: CreateAction,
    /// IsReplayEligible.
    pub is_replay_eligible: AtomicBool,
    /// What changes over its life.
    pub state: Mutex<OpenState>,
}

/// Who takes an open up again.
#[derive(Debug)]
pub struct Resumption {
    /// The session.
    pub session_id: SessionId,
    /// The tree connect.
    pub tree: Arc<TreeConnect>,
    /// The ChannelSequence of the request.
    pub channel_sequence: u16,
}

/// What changes over an open's life.
#[derive(Debug, Default)]
pub struct OpenState {
    /// CurrentByteOffset, only remembered: the wire's reads and writes name their place.
    pub position: u64,
    /// The directory listing in progress. [MS-SMB2] 3.3.1.10, EnumerationLocation
    pub enumeration: Option<Enumeration>,
    /// ChannelSequence, and the requests that it counts.
    pub channel_sequence: ChannelSequence,
    /// OplockState is Breaking although the object store waits for nothing: level II was broken,
    /// which is not to be acknowledged.
    pub is_level_two_broken: bool,
    /// LockSequenceArray.
    pub lock_sequences: LockSequences,
    /// Open.Mode of [MS-FSA].
    pub mode: FileMode,
    /// IsDurable, IsResilient, IsPersistent, and how long the open then waits for its client.
    pub durability: Durability,
    /// DurableOpenScavengerTimeout of a persistent open, while it waits.
    pub waits_until: Option<FileTime>,
    /// What the record of a persistent open says of its file.
    pub recorded_file: Option<RecordedFile>,
    /// What that is about to become, while it changes.
    pub coming_file: Option<RecordedFile>,
    /// How often the store of records had failed when the record of a persistent open was last written:
    /// none before there is one.
    pub recorded_after: Option<u64>,
}

/// A directory listing in progress.
#[derive(Debug)]
pub struct Enumeration {
    /// EnumerationSearchPattern.
    pub pattern: Arc<Pattern>,
    /// Entries that the handler gave and no reply has carried yet, in order.
    pub ready: std::collections::VecDeque<Entry>,
    /// The position behind the last entry that the handler gave; none at the start.
    pub position: Option<u64>,
    /// Whether any reply has carried an entry.
    pub begun: bool,
    /// Whether the handler has no more.
    pub exhausted: bool,
}

impl Open {
    /// The number that the object store and the server know the open by, for all its life.
    #[must_use]
    pub fn id(&self) -> OpenId {
        OpenId(self.file_id.persistent)
    }

    /// The open as another session takes it up again. This value has no state left then.
    #[must_use]
    pub fn resumed(&self, by: Resumption) -> Self {
        let state = std::mem::take(&mut *self.state.lock());
        Self {
            // [MS-SMB2] 3.3.5.9.12
            // The old value is still unique, and what a client repeats after it has lost the connection names it.
            file_id: self.file_id,
            session_id: by.session_id,
            tree: by.tree,
            handle: self.handle.clone(),
            attachment: self.attachment.clone(),
            desired_access: self.desired_access,
            granted_access: self.granted_access,
            share_access: self.share_access,
            create_options: self.create_options,
            is_directory: self.is_directory,
            stream: self.stream.clone(),
            name: self.name.clone(),
            creation_time: self.creation_time,
            client_guid: self.client_guid,
            owner: self.owner.clone(),
            create_guid: self.create_guid,
            app_instance: self.app_instance,
            is_encrypted_pipe: self.is_encrypted_pipe,
            create_action: self.create_action,
            is_replay_eligible: AtomicBool::new(self.is_replay_eligible.load(Ordering::Acquire)),
            state: Mutex::new(OpenState {
                // The requests that were under way have ended with their connection.
                channel_sequence: ChannelSequence::new(by.channel_sequence),
                waits_until: None,
                ..state
            }),
        }
    }

    /// Fails unless all of `access` was granted.
    ///
    /// # Errors
    /// `ACCESS_DENIED`.
    pub fn require(&self, access: AccessMask) -> Result<(), NtStatus> {
        if self.granted_access.contains(access) {
            Ok(())
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    }

    /// Fails unless any of `access` was granted.
    ///
    /// # Errors
    /// `ACCESS_DENIED`.
    pub fn require_any(&self, access: AccessMask) -> Result<(), NtStatus> {
        if self.granted_access.intersects(access) {
            Ok(())
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("file_id", &self.file_id)
            .finish_non_exhaustive()
    }
}

/// Session.OpenTable.
#[derive(Debug, Default)]
pub struct OpenTable(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    opens: HashMap<u64, Arc<Open>>,
    /// The session has ended: a CREATE that was under way comes too late.
    closed: bool,
}

impl OpenTable {
    /// The open with this id, unless it is closed or being closed.
    #[must_use]
    pub fn find(&self, id: FileId) -> Option<Arc<Open>> {
        let table = self.0.lock();
        table
            .opens
            .get(&id.volatile)
            .filter(|open| open.file_id == id)
            .cloned()
    }

    /// Adds an open.
    ///
    /// # Errors
    /// `TOO_MANY_OPENED_FILES` when there are `most` already, `USER_SESSION_DELETED` when the session
    /// has ended.
    pub fn insert(&self, open: Arc<Open>, most: u32) -> Result<(), NtStatus> {
        let mut table = self.0.lock();
        if table.closed {
            return Err(NtStatus::USER_SESSION_DELETED);
        }
        if table.opens.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(NtStatus::TOO_MANY_OPENED_FILES);
        }
        table.opens.insert(open.file_id.volatile, open);
        Ok(())
    }

    /// Takes an open out; it is whoever takes it that closes it.
    #[must_use]
    pub fn remove(&self, id: FileId) -> Option<Arc<Open>> {
        let mut table = self.0.lock();
        if table.opens.get(&id.volatile)?.file_id != id {
            return None;
        }
        table.opens.remove(&id.volatile)
    }

    /// Takes every open for which `matches` holds, in the order of their ids.
    #[must_use]
    pub fn take_matching(&self, matches: impl Fn(&Open) -> bool) -> Vec<Arc<Open>> {
        let mut table = self.0.lock();
        let mut taken: Vec<_> = table
            .opens
            .values()
            .filter(|open| matches(open))
            .cloned()
            .collect();
        taken.sort_unstable_by_key(|open| open.file_id.volatile);
        for open in &taken {
            table.opens.remove(&open.file_id.volatile);
        }
        taken
    }

    /// Takes every open, and lets no more in.
    #[must_use]
    pub fn close(&self) -> Vec<Arc<Open>> {
        self.0.lock().closed = true;
        self.take_matching(|_| true)
    }

    /// All opens, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Open>> {
        let mut all: Vec<_> = self.0.lock().opens.values().cloned().collect();
        all.sort_unstable_by_key(|open| open.file_id.volatile);
        all
    }

    /// Whether `matches` holds for any open.
    #[must_use]
    pub fn any(&self, matches: impl Fn(&Open) -> bool) -> bool {
        self.0.lock().opens.values().any(|open| matches(open))
    }

    /// The number of opens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().opens.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().opens.is_empty()
    }
}
