//! An open of a folder or file of the share.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use server::object_store::WatchScope;
use server::share;
use server::share::{
    Answer, CloseHow, Entry, FileStat, Handle, ListFrom, Name, ObjectId, Opened, ReplyRoom,
    SetInfo, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation};
use wire::fscc::{FileAttributes, Pattern};

use super::Shared;
use super::items::{Kind, Listed, Place, Target, descriptor, is_called, walk};
use crate::ready::ready;

/// The open.
pub(super) struct ConfigHandle(Arc<Open>);

struct Open {
    shared: Arc<Shared>,
    target: Target,
    /// The name, which changes when a process is moved.
    name: Mutex<Name>,
    /// What a file held when it was opened, or when it was last written by this open.
    contents: Mutex<Bytes>,
    /// The listing in progress.
    entries: Mutex<Vec<Entry>>,
    /// The number of this open's watch, while it has one.
    watch: Mutex<Option<u64>>,
}

impl ConfigHandle {
    /// Opens `target`, which is called `name`. A file's contents are taken now.
    ///
    /// # Errors
    /// What the server or the machine says.
    pub(super) fn new(shared: Arc<Shared>, target: Target, name: Name) -> Result<Self, NtStatus> {
        let contents = match &target {
            Target::Folder(_) => Bytes::new(),
            Target::File(file) => file.contents()?,
        };
        Ok(Self(Arc::new(Open {
            shared,
            target,
            name: Mutex::new(name),
            contents: Mutex::new(contents),
            entries: Mutex::default(),
            watch: Mutex::default(),
        })))
    }

    /// What CREATE is told.
    pub(super) fn opened(self, created: bool) -> Opened {
        Opened {
            created,
            created_with_file: false,
            stat: self.0.stat(),
            security: Some(Arc::new(descriptor(self.0.access()))),
            stream: None,
            name: self.0.name(),
            handle: Arc::new(self),
        }
    }
}

impl Open {
    fn id(&self) -> u64 {
        match &self.target {
            Target::Folder(folder) => folder.id(),
            Target::File(file) => file.id(),
        }
    }

    fn access(&self) -> AccessMask {
        match &self.target {
            Target::Folder(folder) => folder.access(),
            Target::File(file) => file.access(),
        }
    }

    fn name(&self) -> Name {
        self.name.lock().clone()
    }

    fn stat(&self) -> FileStat {
        let kind = match &self.target {
            Target::Folder(_) => Kind::Folder,
            Target::File(_) => Kind::File,
        };
        let length = self.contents.lock().len() as u64;
        stat(&self.shared, kind, self.id(), length)
    }

    /// All entries of a folder, `.` and `..` first.
    fn list_now(&self) -> Result<Vec<Entry>, NtStatus> {
        let Target::Folder(folder) = &self.target else {
            return Err(NtStatus::INVALID_PARAMETER);
        };
        let dot = |name: &str| Listed {
            name: name.into(),
            id: folder.id(),
            kind: Kind::Folder,
        };
        let dots = [".", ".."].map(dot).into_iter();
        let all = (1..).zip(dots.chain(folder.entries()?));
        Ok(all
            .map(|(position, listed)| Entry {
                stat: stat(&self.shared, listed.kind, listed.id, 0),
                name: listed.name,
                position,
            })
            .collect())
    }

    fn check_delete_now(&self) -> Result<(), NtStatus> {
        match &self.target {
            Target::Folder(folder) => folder.check_delete(),
            Target::File(file) => file.check_delete(),
        }
    }

    /// Moves a process to the compartment in whose folder `target` is.
    fn rename_now(&self, target: &Name) -> Result<(), NtStatus> {
        let (Target::File(file), own) = (&self.target, self.name()) else {
            return Err(NtStatus::ACCESS_DENIED);
        };
        let last = own.file_name().ok_or(NtStatus::ACCESS_DENIED)?;
        let wanted = target.file_name().zip(target.parent());
        let (name, folder) = wanted.ok_or(NtStatus::ACCESS_DENIED)?;
        let Place::Found(Target::Folder(folder), stored) = walk(&self.shared.root, &folder)? else {
            return Err(NtStatus::ACCESS_DENIED);
        };
        let keeps_name = is_called(&last.to_string_lossy(), name);
        let group = folder.group_of_processes().filter(|_| keeps_name);
        file.move_to(group.ok_or(NtStatus::ACCESS_DENIED)?)?;
        let moved = stored.child(last.clone());
        self.shared.watcher.removed(&own);
        self.shared.watcher.added(&moved, Kind::File);
        *self.name.lock() = moved;
        Ok(())
    }

    /// Takes over what a file holds by now.
    fn look_again(&self) -> Result<(), NtStatus> {
        if let Target::File(file) = &self.target {
            *self.contents.lock() = file.contents()?;
        }
        Ok(())
    }

    /// Whether bytes written there are a value: all of it at once, from the file's beginning or behind
    /// what it holds.
    fn takes(&self, at: WriteAt, data: &Bytes) -> bool {
        let is_there = match at.place {
            share::Place::End | share::Place::Offset(0) => true,
            share::Place::Offset(offset) => offset == self.contents.lock().len() as u64,
        };
        is_there && data.len() <= LONGEST_VALUE
    }

    fn stop_watching(&self) {
        if let Some(watch) = self.watch.lock().take() {
            self.shared.watcher.forget(watch);
        }
    }
}

/// What is known of a folder or file. Times are those of now: what is shown is what is now.
fn stat(shared: &Shared, kind: Kind, id: u64, length: u64) -> FileStat {
    let now = shared.environment.wall_clock();
    FileStat {
        creation_time: now,
        last_access_time: now,
        last_write_time: now,
        change_time: now,
        attributes: match kind {
            Kind::Folder => FileAttributes::DIRECTORY,
            Kind::File => FileAttributes::NORMAL,
        },
        allocation_size: length,
        end_of_file: length,
        links: 1,
        file_id: id,
        ..FileStat::default()
    }
}

impl ConfigHandle {
    /// Runs what may block.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Open) -> Result<T, NtStatus> + Send + 'static,
    ) -> Answer<'static, T> {
        let open = Arc::clone(&self.0);
        self.0.shared.worker.work(move || work(&open))
    }

    /// Deletes, which is told by the server to those who watch.
    fn delete(&self) -> Answer<'static, ()> {
        let deleting = match &self.0.target {
            Target::Folder(folder) => {
                let folder = Arc::clone(folder);
                self.0.shared.worker.work(move || folder.delete())
            }
            Target::File(file) => file.delete(),
        };
        let open = Arc::clone(&self.0);
        Box::pin(async move {
            deleting.await?;
            open.shared.watcher.removed(&open.name());
            Ok(())
        })
    }
}

impl Handle for ConfigHandle {
    fn object(&self) -> ObjectId {
        ObjectId {
            volume: self.0.shared.volume,
            file: self.0.id(),
        }
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.0.stat()))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(self.0.name()))
    }

    fn read<'a>(&'a self, at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        let Target::File(_) = self.0.target else {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        };
        let contents = self.0.contents.lock();
        let rest = usize::try_from(at).ok().and_then(|at| contents.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(room.length());
        room.as_mut_slice()[..length].copy_from_slice(&rest[..length]);
        ready(Ok(length as u32))
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let Target::File(file) = &self.0.target else {
            return ready(Err(NtStatus::INVALID_DEVICE_REQUEST));
        };
        if !self.0.takes(at, &data) {
            return ready(Err(NtStatus::INVALID_PARAMETER));
        }
        let length = data.len() as u32;
        let written = file.write(data);
        Box::pin(async move {
            written.await?;
            self.work(Open::look_again).await?;
            Ok(length)
        })
    }

    /// What was written is in force already.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        _room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let last = match from {
                ListFrom::Start => {
                    *self.0.entries.lock() = self.work(Open::list_now).await?;
                    0
                }
                ListFrom::After(position) => position,
            };
            let entries = self.0.entries.lock();
            let is_wanted =
                |entry: &&Entry| entry.position > last && pattern.matches(entry.name.as_units());
            Ok(entries.iter().filter(is_wanted).cloned().collect())
        })
    }

    /// Before they write, clients cut files and set their times. A value is replaced whole when it is
    /// written and has no times, so there is nothing to do.
    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        if let SetInfo::Rename { target, .. } = request {
            return self.work(move |open| open.rename_now(&target));
        }
        ready(match (&self.0.target, request) {
            (
                Target::File(_),
                SetInfo::Basic(_)
                | SetInfo::EndOfFile(0)
                | SetInfo::Allocation(_)
                | SetInfo::Overwrite { .. },
            ) => Ok(()),
            _ => Err(NtStatus::ACCESS_DENIED),
        })
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        self.work(Open::check_delete_now)
    }

    fn security(&self, parts: SecurityInformation) -> Answer<'_, SecurityDescriptor> {
        ready(Ok(descriptor(self.0.access()).parts(parts)))
    }

    fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
        let mut watch = self.0.watch.lock();
        if watch.is_none() {
            *watch = Some(self.0.shared.watcher.watch(&self.0.name(), scope)?);
        }
        Ok(())
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        self.0.stop_watching();
        match how {
            CloseHow::Keep => ready(Ok(())),
            CloseHow::Delete(_) | CloseHow::DeleteFile(_) => self.delete(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop_watching();
    }
}

/// The longest value, in bytes.
const LONGEST_VALUE: usize = 64 << 10;
