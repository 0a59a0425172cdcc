//! `start_bin`: a folder in memory, in which giving a file the name `start` starts what it describes.
//!
//! Owns that one rename, and `last_error.txt`, which tells why it was refused. Everything else is the memory
//! handler's, with names that begin below the folder.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use server::share::{
    Answer, Caller, CloseHow, Disposition, Handle, Name, OpenHow, Opened, Place, ReplyRoom,
    SetInfo, ShareHandler, Wanted, WriteAt,
};
use wire::dtyp::AccessMask;
use wire::fscc::{CompletionFilter, FileAction, FileAttributes};
use wire::{NtStatus, Utf16String};

use super::cgroup::Group;
use super::compartments::Compartments;
use super::items::{id_of, is_called};
use super::start::{LONGEST_DESCRIPTION, Refusal};
use crate::memory::MemoryHandler;
use crate::wrappers::layer::{HandleLayer, wrap_opened};

/// The folder of one compartment.
pub(super) struct StartBin {
    shared: Arc<Compartments>,
    group: Arc<Group>,
    memory: Arc<MemoryHandler>,
}

/// What the folder is called.
pub(super) const NAME: &str = "start_bin";

/// What tells a group's folder apart from everything else in the tree.
pub(super) fn id(group: &Group) -> u64 {
    id_of((NAME, group.id()))
}

impl StartBin {
    /// The folder in which programs for `group` are started.
    pub(super) fn new(
        shared: Arc<Compartments>,
        group: Arc<Group>,
        memory: Arc<MemoryHandler>,
    ) -> Self {
        Self {
            shared,
            group,
            memory,
        }
    }

    /// What tells it apart from everything else in the tree.
    pub(super) fn id(&self) -> u64 {
        id(&self.group)
    }

    /// Opens `below` in the folder, which is called `own`.
    ///
    /// # Errors
    /// `ACCESS_DENIED` for a file that would be made as `start`, and what the memory handler says.
    pub(super) async fn open(
        self: Arc<Self>,
        own: Name,
        below: Name,
        caller: Caller,
        how: OpenHow,
    ) -> Result<Opened, NtStatus> {
        if is_start(&below) && how.disposition != Disposition::Existing {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let opened = self.memory.open(&caller, &below, &how).await?;
        let name = joined(&own, &opened.name);
        let opened = wrap_opened(opened, |inner| StartHandle {
            inner,
            bin: self,
            own,
            caller,
            is_spent: AtomicBool::new(false),
            started: Default::default(),
        });
        Ok(Opened { name, ..opened })
    }

    /// Starts what a file describes.
    async fn start(&self, inner: &dyn Handle) -> Result<u32, Refusal> {
        let unread = |status| Refusal {
            status,
            why: format!("it cannot be read: {status}"),
        };
        let text = read_all(inner).await.map_err(unread)?;
        let (shared, group) = (Arc::clone(&self.shared), Arc::clone(&self.group));
        let starting = self.shared.worker.work(move || {
            let entrance = || -> Result<OwnedFd, NtStatus> { group.entrance() };
            Ok(shared.starter.start(&text, entrance))
        });
        starting.await.map_err(unread)?
    }

    /// Keeps the reason for a refusal.
    async fn explain(&self, caller: &Caller, own: &Name, why: &str) -> Result<(), NtStatus> {
        let how = OpenHow {
            disposition: Disposition::Either,
            wanted: Wanted::File,
            ..OpenHow::to_look(AccessMask::FILE_ALL_ACCESS)
        };
        let name = Name::root().child(LAST_ERROR.into());
        let opened = self.memory.open(caller, &name, &how).await?;
        let handle = &opened.handle;
        let overwrite = SetInfo::Overwrite {
            attributes: FileAttributes::NORMAL,
            supersede: false,
            allocation_size: 0,
            extended_attributes: Vec::new(),
        };
        let at = WriteAt {
            place: Place::Offset(0),
            write_through: false,
        };
        handle.set(overwrite).await?;
        handle.write(at, format!("{why}\n").into()).await?;
        handle.close(CloseHow::Keep).await?;
        let (action, filter) = if opened.created {
            (FileAction::ADDED, CompletionFilter::FILE_NAME)
        } else {
            (FileAction::MODIFIED, CompletionFilter::LAST_WRITE)
        };
        let name = joined(own, &name);
        self.shared.changes.report(&name, action, filter);
        Ok(())
    }
}

/// An open in the folder.
struct StartHandle {
    inner: Arc<dyn Handle>,
    bin: Arc<StartBin>,
    /// The folder's name.
    own: Name,
    caller: Caller,
    /// The file has been started, or is about to be: no file is started twice by one open.
    is_spent: AtomicBool,
    /// The name under which the file was started; it is gone since then.
    started: std::sync::OnceLock<Name>,
}

impl HandleLayer for StartHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn name(&self) -> Answer<'_, Name> {
        Box::pin(async move {
            match self.started.get() {
                Some(name) => Ok(name.clone()),
                None => Ok(joined(&self.own, &self.inner.name().await?)),
            }
        })
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        Box::pin(async move {
            let request = match request {
                SetInfo::Rename { target, replace } => {
                    let below = self.below(&target)?;
                    if is_start(&below) {
                        return self.start(target).await;
                    }
                    let target = below;
                    SetInfo::Rename { target, replace }
                }
                SetInfo::Link { target, replace } => {
                    let target = self.below(&target)?;
                    if is_start(&target) {
                        return Err(NtStatus::ACCESS_DENIED);
                    }
                    SetInfo::Link { target, replace }
                }
                other => other,
            };
            self.inner.set(request).await
        })
    }

    fn close<'a>(&'a self, how: CloseHow) -> Answer<'a, ()> {
        // What was started has been deleted.
        let how = if self.started.get().is_some() {
            CloseHow::Keep
        } else {
            how
        };
        self.inner.close(how)
    }
}

impl StartHandle {
    /// The rest of a name in the same folder.
    fn below(&self, target: &Name) -> Result<Name, NtStatus> {
        let own = self.own.components();
        let (above, rest) = target
            .components()
            .split_at_checked(own.len())
            .ok_or(NtStatus::NOT_SAME_DEVICE)?;
        let is_own = own
            .iter()
            .zip(above)
            .all(|(own, name)| is_called(&own.to_string_lossy(), name));
        if !is_own || rest.is_empty() {
            return Err(NtStatus::NOT_SAME_DEVICE);
        }
        let below = rest
            .iter()
            .fold(Name::root(), |name, part| name.child(part.clone()));
        Ok(below.with_stream(target.stream().cloned()))
    }

    /// Starts what the file describes. The file has served its purpose then, and is deleted.
    async fn start(&self, target: Name) -> Result<(), NtStatus> {
        let user = &self.caller.user;
        if self.is_spent.swap(true, Ordering::AcqRel) {
            return Err(NtStatus::DELETE_PENDING);
        }
        match self.bin.start(&*self.inner).await {
            Ok(process) => {
                tracing::info!(target: "smb::share", %user, process, "an administrator started a program");
                let deleted = CloseHow::Delete(self.caller.clone());
                self.inner.close(deleted).await?;
                self.tell_gone(target.clone());
                // A file is started once.
                let _ = self.started.set(target);
                Ok(())
            }
            Err(Refusal { status, why }) => {
                self.is_spent.store(false, Ordering::Release);
                tracing::info!(target: "smb::share", %user, %status, "a program was not started");
                tracing::debug!(target: "smb::share", why);
                self.bin.explain(&self.caller, &self.own, &why).await?;
                Err(status)
            }
        }
    }

    /// Tells those who watch that nothing is called `start`, soon after they hear that something is.
    fn tell_gone(&self, name: Name) {
        let shared = Arc::clone(&self.bin.shared);
        let environment = Arc::clone(&shared.environment);
        environment.spawn(Box::pin(async move {
            shared.environment.sleep(SOON).await;
            let (removed, filter) = (FileAction::REMOVED, CompletionFilter::FILE_NAME);
            shared.changes.report(&name, removed, filter);
        }));
    }
}

/// All of a file, if it is no longer than a description may be.
async fn read_all(file: &dyn Handle) -> Result<Bytes, NtStatus> {
    let length = usize::try_from(file.stat().await?.end_of_file).unwrap_or(usize::MAX);
    // A byte more than is allowed shows that it is too long.
    let room = length.min(LONGEST_DESCRIPTION + 1);
    let mut room = ReplyRoom::new(BytesMut::new(), 0, room);
    let read = file.read(0, &mut room).await?;
    Ok(Bytes::copy_from_slice(
        room.as_mut_slice().get(..read as usize).unwrap_or_default(),
    ))
}

/// Whether a name is the one that starts a file.
fn is_start(below: &Name) -> bool {
    match below.components() {
        [name] => below.stream().is_none() && is_called(START, name),
        _ => false,
    }
}

/// A name in a folder, seen from the share's root.
fn joined(folder: &Name, below: &Name) -> Name {
    let components = below.components().iter();
    let name = components.fold(folder.clone(), |name, part: &Utf16String| {
        name.child(part.clone())
    });
    name.with_stream(below.stream().cloned())
}

/// What a file is called to be started.
const START: &str = "start";
const LAST_ERROR: &str = "last_error.txt";
/// How long after a rename it is told that the file is gone.
const SOON: Duration = Duration::from_millis(100);
