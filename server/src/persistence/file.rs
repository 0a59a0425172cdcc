//! What records say of the file that an open is on, by which it is found and known again.
//!
//! A name, or a time of creation, changes first on the volume and then in the records. So that nobody loses
//! an open to whom the server is killed in between, the records say before what the file is about to become:
//!
//! ```text
//! at "a" ──announce──> at "a" or "b" ──the volume──> at "a" or "b" ──save_file──> at "b"
//! ```

use wire::NtStatus;
use wire::dtyp::FileTime;

use super::{RecordedFile, all, note_file};
use crate::open::Open;
use crate::server::Server;
use crate::share::{Name, ObjectId, StreamName};

/// What is about to change of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coming<'a> {
    /// Its name: that of the file and of all its streams.
    FileName(&'a Name),
    /// The name of one of its streams.
    StreamName {
        /// Which one.
        of: &'a Name,
        /// The name that it will have.
        to: &'a Name,
    },
    /// Its time of creation.
    CreationTime(FileTime),
}

impl Coming<'_> {
    /// What a file, of which `now` is recorded, is about to become.
    fn after(self, now: &RecordedFile) -> Option<RecordedFile> {
        let mut file = now.clone();
        match self {
            Self::FileName(name) => file.name = name.with_stream(now.name.stream().cloned()),
            Self::StreamName { of, to } if now.name.stream() == of.stream() => {
                file.name = to.clone();
            }
            Self::StreamName { .. } => {}
            Self::CreationTime(time) => file.creation_time = time,
        }
        (file != *now).then_some(file)
    }
}

/// Has the records of all persistent opens of a file say what is about to change of it. Whoever has announced
/// something calls [`save_file`] once it has changed, or has not.
///
/// # Errors
/// Those of [`super::PersistentStore::change`]: then nothing may change.
pub(crate) async fn announce(
    server: &Server,
    object: ObjectId,
    coming: Coming<'_>,
) -> Result<(), NtStatus> {
    for open in server.persistent.of_object(server, object) {
        let mut state = open.state.lock();
        let file = state.recorded_file.as_ref();
        let coming = file.and_then(|file| coming.after(file));
        state.coming_file = coming;
    }
    let announced = all(note_file(server, object)).await;
    if announced.is_err() {
        retract(server, object);
    }
    announced
}

/// Takes back what was announced: it is not going to happen.
fn retract(server: &Server, object: ObjectId) {
    for open in server.persistent.of_object(server, object) {
        open.state.lock().coming_file = None;
    }
    // Until that is recorded, the records say that something may have changed.
    drop(note_file(server, object));
}

/// Writes the records of all persistent opens of a file, whose name, time of creation or disposition
/// has changed.
///
/// # Errors
/// Those of [`super::PersistentStore::change`].
pub(crate) async fn save_file(server: &Server, object: ObjectId) -> Result<(), NtStatus> {
    for open in server.persistent.of_object(server, object) {
        // A file that has no name any more cannot be opened again; its record may say what it likes.
        let _ = locate(&open).await;
    }
    all(note_file(server, object)).await
}

/// Looks up what the record says of the file.
pub(super) async fn locate(open: &Open) -> Result<(), NtStatus> {
    let name = open.handle.name().await?;
    let stat = open.handle.stat().await?;
    let object = open.handle.object();
    let mut state = open.state.lock();
    state.recorded_file = Some(RecordedFile {
        name,
        volume: object.volume,
        number: object.file,
        creation_time: stat.creation_time,
    });
    state.coming_file = None;
    Ok(())
}

/// Whether a persistent open is on this stream, by the name that the stream has now.
pub(super) fn is_of(open: &Open, stream: Option<&StreamName>) -> bool {
    let state = open.state.lock();
    let file = state.recorded_file.as_ref();
    file.is_some_and(|file| file.name.stream() == stream)
}
