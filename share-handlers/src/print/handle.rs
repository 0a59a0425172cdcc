//! The handles of a print share: the folder of jobs, a job that is being written, a job that is there.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use server::share::{
    Answer, CloseHow, Entry, FileStat, Handle, JobChange, ListFrom, Name, ObjectId, Place, SetInfo,
    WriteAt,
};
use wire::dtyp::FileTime;
use wire::fscc::{FileAttributes, Pattern};
use wire::{NtStatus, Utf16String};

use super::queue::{Begun, Job, Queue};
use super::{Shared, object_of};
use crate::disk::errno;
use crate::offload::elsewhere;
use crate::ready::ready;

/// The folder of jobs.
pub(super) struct Folder(pub(super) Arc<Shared>);

impl Folder {
    pub(super) fn stat_now(&self) -> FileStat {
        let time = self.0.creation_time;
        FileStat {
            attributes: FileAttributes::DIRECTORY,
            ..stat(time, self.object(), 0)
        }
    }

    /// Everything in the folder, `.` and `..` first.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let own = self.stat_now();
        let dots = [".", ".."].into_iter().zip(1..);
        let dots = dots.map(move |(dot, position)| Entry {
            name: Utf16String::from(dot),
            stat: own,
            position,
        });
        let volume = self.0.volume;
        let jobs = self.0.queue.all().into_iter();
        dots.chain(jobs.map(move |job| Entry {
            name: job.record.file_name(),
            stat: stat_of(volume, &job),
            position: u64::from(job.record.id) + LAST_DOT,
        }))
    }
}

impl Handle for Folder {
    fn object(&self) -> ObjectId {
        object_of(self.0.volume, None)
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.stat_now()))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(Name::root()))
    }

    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        from: ListFrom,
        pattern: &'a Pattern,
        room_bytes: usize,
    ) -> Answer<'a, Vec<Entry>> {
        let last = match from {
            ListFrom::Start => 0,
            ListFrom::After(position) => position,
        };
        let is_wanted =
            |entry: &Entry| entry.position > last && pattern.matches(entry.name.as_units());
        let mut used = 0;
        let is_within_room = |entry: &Entry| {
            let is_first = used == 0;
            used += LEAST_ENTRY + entry.name.len_bytes();
            is_first || used <= room_bytes
        };
        let wanted = self.entries().filter(is_wanted);
        ready(Ok(wanted.take_while(is_within_room).collect()))
    }

    fn close(&self, _how: CloseHow) -> Answer<'_, ()> {
        ready(Ok(()))
    }
}

/// A job whose document is being written. Closing it sends it to the printer.
pub(super) struct Spooling {
    shared: Arc<Shared>,
    begun: Begun,
    /// A part of the document could not be kept, so that it cannot be printed.
    is_spoiled: Arc<AtomicBool>,
}

impl Spooling {
    pub(super) fn new(shared: Arc<Shared>, begun: Begun) -> Self {
        Self {
            shared,
            begun,
            is_spoiled: Arc::default(),
        }
    }

    pub(super) fn name_now(&self) -> Name {
        Name::root().child(self.begun.record.file_name())
    }

    pub(super) fn stat_now(&self) -> FileStat {
        let job = self.queue().find(self.begun.record.id);
        let size = job.map_or(0, |job| job.size);
        stat(self.begun.record.submitted, self.object(), size)
    }

    fn queue(&self) -> &Arc<Queue> {
        &self.shared.queue
    }

    /// Changes the document where it may become as long as `end` says.
    fn change<T: Send + 'static>(
        &self,
        end: Option<u64>,
        work: impl FnOnce(&File) -> std::io::Result<T> + Send + 'static,
    ) -> Answer<'static, T> {
        let longest = self.queue().longest_document();
        if end.is_none_or(|end| end > longest) {
            self.is_spoiled.store(true, Ordering::Release);
            return ready(Err(NtStatus::NO_SPOOL_SPACE));
        }
        let (queue, document, id) = (
            self.queue().clone(),
            self.begun.document.clone(),
            self.begun.record.id,
        );
        let is_spoiled = self.is_spoiled.clone();
        elsewhere(self.queue().pool(), move || {
            let done = work(&document).and_then(|done| Ok((done, document.metadata()?.len())));
            let (done, size) = done.map_err(|error| {
                is_spoiled.store(true, Ordering::Release);
                errno::of_io(&error)
            })?;
            queue.has_grown(id, size);
            Ok(done)
        })
    }
}

impl Handle for Spooling {
    fn object(&self) -> ObjectId {
        object_of(self.shared.volume, Some(self.begun.record.id))
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.stat_now()))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(self.name_now()))
    }

    fn write(&self, at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let at = match at.place {
            Place::Offset(at) => at,
            Place::End => self.stat_now().end_of_file,
        };
        let end = at.checked_add(data.len() as u64);
        self.change(end, move |document| {
            document.write_all_at(&data, at)?;
            Ok(u32::try_from(data.len()).unwrap_or(u32::MAX))
        })
    }

    /// A document is put on stable storage when it is whole.
    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        match request {
            SetInfo::EndOfFile(end) => self.change(Some(end), move |file| file.set_len(end)),
            // Room is only ever taken when there is something to put into it.
            SetInfo::Allocation(_) => ready(Ok(())),
            _ => ready(Err(NtStatus::NOT_SUPPORTED)),
        }
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        if !self.begun.settle() {
            return ready(Ok(()));
        }
        match how {
            CloseHow::Keep if !self.is_spoiled.load(Ordering::Acquire) => self
                .queue()
                .finish(self.begun.record.id, self.begun.document.clone()),
            _ => self.queue().give_up(self.begun.record.id),
        }
    }
}

/// A job that is there: to look at and to delete.
pub(super) struct Waiting {
    pub(super) shared: Arc<Shared>,
    pub(super) job: Job,
    /// Whether whoever opened it may delete it.
    pub(super) may_change: bool,
}

impl Waiting {
    /// The metadata: the last ones, if the job has gone meanwhile.
    pub(super) fn stat_now(&self) -> FileStat {
        let now = self.shared.queue.find(self.job.record.id);
        stat_of(self.shared.volume, now.as_ref().unwrap_or(&self.job))
    }

    pub(super) fn name_now(&self) -> Name {
        Name::root().child(self.job.record.file_name())
    }
}

impl Handle for Waiting {
    fn object(&self) -> ObjectId {
        object_of(self.shared.volume, Some(self.job.record.id))
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.stat_now()))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(self.name_now()))
    }

    fn check_delete(&self) -> Answer<'_, ()> {
        ready(if self.may_change {
            Ok(())
        } else {
            Err(NtStatus::CANNOT_DELETE)
        })
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        let caller = match how {
            CloseHow::Keep => return ready(Ok(())),
            CloseHow::Delete(caller) | CloseHow::DeleteFile(caller) => caller,
        };
        let id = self.job.record.id;
        let deleted = self.shared.queue.change_for(&caller, id, JobChange::Delete);
        Box::pin(async move {
            match deleted.await {
                // It has been printed meanwhile.
                Err(NtStatus::OBJECT_NAME_NOT_FOUND) => Ok(()),
                deleted => deleted,
            }
        })
    }
}

fn stat_of(volume: u64, job: &Job) -> FileStat {
    let object = object_of(volume, Some(job.record.id));
    stat(job.record.submitted, object, job.size)
}

fn stat(time: FileTime, object: ObjectId, size: u64) -> FileStat {
    FileStat {
        creation_time: time,
        last_access_time: time,
        last_write_time: time,
        change_time: time,
        attributes: FileAttributes::NORMAL,
        allocation_size: size,
        end_of_file: size,
        links: 1,
        file_id: object.file,
        ..FileStat::default()
    }
}

/// What the shortest class of entries takes beside the name, in bytes.
const LEAST_ENTRY: usize = 12;
/// The position of `..`.
const LAST_DOT: u64 = 2;
