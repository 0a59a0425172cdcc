//! Change notification: who is told of which change, and as what.
//!
//! What a watch keeps until it is asked is [`watch`]'s; where it hangs is the name table's business, and
//! bytes are [`wire::fscc::notify`]'s.

mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wire::fscc::{CompletionFilter, FileAction, FileNotifyInformation};
use wire::{NtStatus, Utf16String};

use super::StreamKind;
use super::attachment::{Attached, Attachment, phase};
use super::effect::{Effects, Outcome};
use super::location::{Location, PathKey};
use super::object::{FileState, Shared};
use super::oplock::{self, Contender, Loss};

pub(super) use watch::{KeptBytes, Watch};

/// What a CHANGE_NOTIFY request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchRequest {
    /// Which changes to tell of.
    pub filter: CompletionFilter,
    /// How deep to watch.
    pub scope: WatchScope,
    /// How much may be returned, in bytes of encoded changes.
    pub room_bytes: u32,
}

/// How deep to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchScope {
    /// What the directory itself holds.
    Directory,
    /// All that lies below it.
    Tree,
}

/// Something that has happened to a name.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Where. With a stream in the name, it is the stream that changed.
    pub location: Location<'a>,
    /// What happened.
    pub action: FileAction,
    /// Which kinds of change it is.
    pub filter: CompletionFilter,
}

/// What one request yields, in the order in which it happened, names relative to the directory.
pub type Changes = Vec<FileNotifyInformation>;

/// Asks for the next changes below a directory.
// [MS-FSA] 2.1.5.11
pub(super) fn watch(
    attachment: &Attachment,
    request: &WatchRequest,
) -> Outcome<Changes, Result<Changes, NtStatus>> {
    if attachment.kind != StreamKind::Directory {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    let object = &attachment.object;
    let state = object.lock();
    if attachment.phase.load(Ordering::Acquire) != phase::OPEN {
        return Outcome::deny(NtStatus::NOTIFY_CLEANUP);
    }
    let link = state.link(attachment.link);
    if attachment.marked_deleted.load(Ordering::Acquire) {
        return Outcome::deny(NtStatus::DELETE_PENDING);
    }
    let mut slot = attachment.watch.lock();
    let watch = slot.get_or_insert_with(|| {
        let kept = object.shared.kept_bytes.clone();
        let watch = Arc::new(Watch::new(request, object.limits(), kept));
        if let Some(link) = link {
            object.shared.names.add_watch(link.key, object, &watch);
        }
        watch
    });
    Outcome::new(
        watch.request(request.room_bytes, object.limits()),
        Effects::default(),
    )
}

/// Ends the watch of an open.
// [MS-FSA] 2.1.5.5
pub(super) fn end(
    attachment: &Attached,
    state: &FileState,
    status: NtStatus,
    effects: &mut Effects,
) {
    let Some(watch) = attachment.watch.lock().take() else {
        return;
    };
    if let Some(link) = state.link(attachment.link) {
        let object = &attachment.object;
        let names = &object.shared.names;
        names.remove_watch(link.key, object, &watch);
    }
    watch.end(status, effects);
}

/// Tells watches and directory leases of changes that belong together.
// [MS-FSA] 2.1.4.1
pub(super) fn report(shared: &Shared, changes: &[Change<'_>], by: Option<&Attachment>) -> Effects {
    let mut effects = Effects::default();
    if !shared.names.is_observed() {
        return effects;
    }
    tell_watches(shared, changes, &mut effects);
    for change in changes {
        break_above(shared, &change.location, by, &mut effects);
    }
    effects
}

/// Tells watches, in this order, of changes that belong together.
pub(super) fn tell_watches(shared: &Shared, changes: &[Change<'_>], effects: &mut Effects) {
    if !shared.names.is_watched() {
        return;
    }
    let mut told: Vec<Arc<Watch>> = Vec::new();
    for change in changes {
        let Some((action, filter)) = change.as_told() else {
            continue;
        };
        let keys = shared.names.keys(&change.location);
        // departs [MS-FSA] 2.1.4.1: a directory's own change is told to those who watch the one
        // above, not to those who watch it; a name of no length would tell them nothing.
        let Some((_, above)) = keys.split_last() else {
            continue;
        };
        shared.names.each_watch(above, |depth, watch| {
            let is_parent = depth.saturating_add(1) == above.len();
            if watch.wants(filter, is_parent) {
                watch.push(action, relative(&change.location, depth));
                told.push(Arc::clone(watch));
            }
        });
    }
    for watch in told {
        watch.flush(effects);
    }
}

impl Change<'_> {
    /// The action and the kinds of change that watches are told of. What happens to a named stream
    /// has actions and kinds of its own, and a rename of one is told as an end and a beginning.
    // [MS-FSA] 2.1.5.1.1
    // [MS-FSA] 2.1.5.5
    fn as_told(&self) -> Option<(FileAction, CompletionFilter)> {
        if self.location.name.stream().is_none() {
            return Some((self.action, self.filter));
        }
        let name = CompletionFilter::STREAM_NAME;
        match self.action {
            FileAction::ADDED | FileAction::RENAMED_NEW_NAME => {
                Some((FileAction::ADDED_STREAM, name))
            }
            FileAction::REMOVED | FileAction::RENAMED_OLD_NAME => {
                Some((FileAction::REMOVED_STREAM, name))
            }
            action => {
                let kinds = [
                    (CompletionFilter::SIZE, CompletionFilter::STREAM_SIZE),
                    (CompletionFilter::LAST_WRITE, CompletionFilter::STREAM_WRITE),
                ];
                let filter = kinds
                    .into_iter()
                    .filter(|(of_file, _)| self.filter.contains(*of_file))
                    .fold(CompletionFilter::NONE, |all, (_, kind)| all.with(kind));
                let action = if action == FileAction::MODIFIED {
                    FileAction::MODIFIED_STREAM
                } else {
                    action
                };
                (!filter.is_empty()).then_some((action, filter))
            }
        }
    }
}

/// Whether anybody watches what this open is for.
pub(super) fn is_watched(attachment: &Attachment) -> bool {
    let names = &attachment.object.shared.names;
    names.is_watched() && key_of(attachment).is_some_and(|key| names.is_watched_above(key))
}

/// Whether anybody watches what this open is for, or caches the directory that holds it.
pub(super) fn hears_of(attachment: &Attachment) -> bool {
    let names = &attachment.object.shared.names;
    names.is_observed()
        && key_of(attachment)
            .is_some_and(|key| names.is_watched_above(key) || names.is_cached_above(key))
}

fn key_of(attachment: &Attachment) -> Option<PathKey> {
    let state = attachment.object.lock();
    state.link(attachment.link).map(|link| link.key)
}

/// The name from the directory at `depth` on.
fn relative(location: &Location<'_>, depth: usize) -> Utf16String {
    const SEPARATOR: u16 = 0x5c;
    const COLON: u16 = 0x3a;
    let mut units = Vec::new();
    for component in location.name.components().iter().skip(depth) {
        if !units.is_empty() {
            units.push(SEPARATOR);
        }
        units.extend_from_slice(component.as_units());
    }
    if let Some(stream) = location.name.stream() {
        units.push(COLON);
        units.extend_from_slice(stream.0.as_units());
    }
    Utf16String::from_units(units)
}

/// Breaks what others than the one who made a change cache of the directory that it was in.
// [MS-FSA] 2.1.4.12
// [MS-FSA] 2.1.4.12.2
pub(super) fn break_above(
    shared: &Shared,
    location: &Location<'_>,
    by: Option<&Attachment>,
    effects: &mut Effects,
) {
    let keys = shared.names.keys(location);
    let Some((_, [.., directory])) = keys.split_last() else {
        return;
    };
    let contender = Contender::nobody(by.and_then(|by| by.spares()));
    for object in shared.names.objects_at(*directory) {
        if object.is_quiet() {
            continue;
        }
        let mut state = object.lock();
        let directory = state.stream_named(None).map(|stream| stream.id);
        if let Some(directory) = directory {
            // Nobody waits for a directory's break: the change has happened.
            oplock::check(
                &object,
                &mut state,
                directory,
                Loss::CONTENT,
                &contender,
                effects,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::object_store::scripts::words::{location, name, open_to_read};
    use crate::object_store::{Decision, Limits, ObjectStore, Waiter};

    type Awaited = Waiter<Result<Changes, NtStatus>>;

    fn ask(
        store: &ObjectStore,
        directory: &Attachment,
    ) -> Decision<Changes, Result<Changes, NtStatus>> {
        let request = WatchRequest {
            filter: CompletionFilter::FILE_NAME,
            scope: WatchScope::Directory,
            room_bytes: 40,
        };
        store.watch(directory, &request).decision
    }

    fn wait(store: &ObjectStore, directory: &Attachment) -> Awaited {
        match ask(store, directory) {
            Decision::Wait(waiter) => waiter,
            other => panic!("{other:?}"),
        }
    }

    fn add(store: &ObjectStore, text: &str) {
        let name = name(text);
        let change = Change {
            location: location(&name),
            action: FileAction::ADDED,
            filter: CompletionFilter::FILE_NAME,
        };
        drop(store.report(&[change], None));
    }

    fn names(waiter: &mut Awaited) -> Vec<String> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(waiter).poll(&mut context) {
            Poll::Ready(Ok(changes)) => changes
                .iter()
                .map(|change| change.file_name.to_string())
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_cancelled_request_was_told_goes_to_the_one_that_waits_behind_it() {
        let store = ObjectStore::new(Limits::default());
        let directory = open_to_read(&store, "directory", 1);
        let (first, mut second) = (wait(&store, &directory), wait(&store, &directory));
        add(&store, "directory\\file");
        drop(first);
        assert_eq!(names(&mut second), ["file"]);
        drop((directory, second));
        assert!(store.is_empty());
    }

    #[test]
    fn that_more_has_happened_than_fits_is_told_to_the_next_when_a_request_is_cancelled() {
        let store = ObjectStore::new(Limits::default());
        let directory = open_to_read(&store, "directory", 1);
        let first = wait(&store, &directory);
        add(&store, "directory\\a name that is longer than the buffer");
        drop(first);
        let next = ask(&store, &directory);
        assert!(matches!(next, Decision::Deny(NtStatus::NOTIFY_ENUM_DIR)));
        drop(directory);
        assert!(store.is_empty());
    }
}
