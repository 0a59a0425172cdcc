//! Renames and links: what they need of others who have the object, the target or what lies below
//! open.

use wire::NtStatus;
use wire::create::ShareAccess;
use wire::dtyp::AccessMask;

use super::StreamKind;
use super::attachment::Attachment;
use super::effect::{Decision, Effects, Outcome};
use super::location::{Location, PathKey};
use super::object::{Link, Shared, Stream};
use super::oplock::{self, Contender, Loss, Operation};
use super::share_mode::Mode;
use crate::share::ObjectId;

/// A rename or a further link that a client asks for.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    /// The new name.
    pub target: Location<'a>,
    /// The file that has this name now and would be replaced, unless it is the same one.
    pub replaces: Option<ObjectId>,
    /// Whether the old name goes.
    pub kind: RenameKind,
}

/// What happens to the old name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameKind {
    /// It becomes the new one.
    Rename,
    /// It stays beside the new one.
    Link,
}

/// Agrees to a rename, or says who is in its way.
// [MS-FSA] 2.1.5.15.7
// [MS-FSA] 2.1.5.15.12
pub(super) fn check(attachment: &Attachment, rename: &Rename<'_>) -> Outcome<()> {
    let mut effects = Effects::default();
    let decision = decide(attachment, rename, &mut effects);
    Outcome::new(decision, effects)
}

fn decide(attachment: &Attachment, rename: &Rename<'_>, effects: &mut Effects) -> Decision<()> {
    let shared = &attachment.object.shared;
    if attachment.has_ended() {
        return Decision::Deny(NtStatus::FILE_CLOSED);
    }
    if rename.target.name.stream().is_some() {
        return decide_stream(attachment, rename, effects);
    }
    if let Some(refusal) = refuse_in_parent(shared, &rename.target, effects) {
        return refusal;
    }
    let contender = Contender::of(attachment);
    let key = match check_source(attachment, rename.kind, &contender, effects) {
        Ok(key) => key,
        Err(refusal) => return refusal,
    };
    if attachment.kind == StreamKind::Directory
        && rename.kind == RenameKind::Rename
        && let Some(refusal) = refuse_below(shared, key, &contender, effects)
    {
        return refusal;
    }
    rename
        .replaces
        .filter(|id| *id != attachment.object.id)
        .and_then(|id| refuse_replaced(shared, id, &contender, effects))
        .unwrap_or(Decision::Grant(()))
}

/// A stream takes another name within its file.
// [MS-FSA] 2.1.5.15.12.1
fn decide_stream(
    attachment: &Attachment,
    rename: &Rename<'_>,
    effects: &mut Effects,
) -> Decision<()> {
    let (object, contender) = (&attachment.object, Contender::of(attachment));
    let mut state = object.lock();
    let (id, loss) = (attachment.stream, Loss::from(Operation::Rename));
    if oplock::check(object, &mut state, id, loss, &contender, effects) {
        return object.wait_for_break(&mut state);
    }
    let target = |stream: &&Stream| stream.is_named(&rename.target);
    if state
        .streams
        .iter()
        .find(target)
        .is_some_and(|stream| stream.id != attachment.stream)
    {
        return Decision::Deny(NtStatus::INVALID_PARAMETER);
    }
    Decision::Grant(())
}

/// What has the old name must be neither on its way out nor cached by others.
// [MS-FSA] 2.1.5.15.12
fn check_source(
    attachment: &Attachment,
    kind: RenameKind,
    contender: &Contender,
    effects: &mut Effects,
) -> Result<PathKey, Decision<()>> {
    let object = &attachment.object;
    let mut state = object.lock();
    if kind == RenameKind::Rename {
        let (id, loss) = (attachment.stream, Loss::from(Operation::Rename));
        if oplock::check(object, &mut state, id, loss, contender, effects) {
            return Err(object.wait_for_break(&mut state));
        }
        // observed: on Windows, a file keeps its name as long as a named stream of it is open
        if state.has_open_named_streams() {
            return Err(Decision::Deny(NtStatus::ACCESS_DENIED));
        }
    }
    match state.link(attachment.link) {
        Some(link) if !link.is_deleted() => Ok(link.key),
        _ => Err(Decision::Deny(NtStatus::ACCESS_DENIED)),
    }
}

/// The new name needs a directory that stays, and that lets others add to it, as if it were opened for that: by
/// nobody who has a lease on it.
// [MS-FSA] 2.1.5.1
// [MS-FSA] 2.1.5.15.12
fn refuse_in_parent(
    shared: &Shared,
    target: &Location<'_>,
    effects: &mut Effects,
) -> Option<Decision<()>> {
    let keys = shared.names.keys(target);
    let (_, above) = keys.split_last()?;
    if let Err(status) = shared.names.check_none_deleted(above) {
        return Some(Decision::Deny(status));
    }
    // observed: Windows 11 and Windows Server 2022 open the directory without sharing DELETE
    let mode = Mode {
        access: AccessMask::FILE_ADD_FILE,
        share: ShareAccess::READ | ShareAccess::WRITE,
    };
    for object in shared.names.objects_at(*above.last()?) {
        let mut state = object.lock();
        if !state.sharing_conflicts(None, mode) {
            continue;
        }
        let (loss, contender) = (Loss::CONFLICT, Contender::nobody(None));
        let directory = state.stream_named(None).map(|stream| stream.id);
        let must_wait = directory
            .is_some_and(|id| oplock::check(&object, &mut state, id, loss, &contender, effects));
        return Some(if must_wait {
            object.wait_for_break(&mut state)
        } else {
            Decision::Deny(NtStatus::SHARING_VIOLATION)
        });
    }
    None
}

/// A directory keeps its name as long as anything below it is open.
// [MS-FSA] 2.1.4.2
fn refuse_below(
    shared: &Shared,
    key: PathKey,
    contender: &Contender,
    effects: &mut Effects,
) -> Option<Decision<()>> {
    let open = shared.names.objects_below(key);
    for object in &open {
        let mut state = object.lock();
        let streams: Vec<_> = state.streams.iter().map(|stream| stream.id).collect();
        let mut must_wait = false;
        for stream in streams {
            let loss = Loss::HANDLES;
            must_wait |= oplock::check(object, &mut state, stream, loss, contender, effects);
        }
        if must_wait {
            return Some(object.wait_for_break(&mut state));
        }
    }
    (!open.is_empty()).then_some(Decision::Deny(NtStatus::ACCESS_DENIED))
}

/// A file that is open cannot be replaced, unless all who have it open only cache it.
// [MS-FSA] 2.1.5.15.12
fn refuse_replaced(
    shared: &Shared,
    id: ObjectId,
    contender: &Contender,
    effects: &mut Effects,
) -> Option<Decision<()>> {
    let object = shared.object(id)?;
    let mut state = object.lock();
    if state.links.iter().any(Link::is_deleted) {
        return Some(Decision::Deny(NtStatus::DELETE_PENDING));
    }
    let streams: Vec<_> = state.streams.iter().map(|stream| stream.id).collect();
    for stream in streams {
        // observed: Windows takes handle caching only, whatever [MS-FSA] 2.1.5.15.12 says
        let loss = Loss::HANDLES;
        if oplock::check(&object, &mut state, stream, loss, contender, effects) {
            return Some(object.wait_for_break(&mut state));
        }
    }
    Some(Decision::Deny(NtStatus::ACCESS_DENIED))
}

/// Notes the new name.
pub(super) fn renamed(attachment: &Attachment, to: &Location<'_>) {
    let object = &attachment.object;
    let names = &object.shared.names;
    let keys = names.keys(to);
    let Some(new) = keys.last() else { return };
    let mut state = object.lock();
    if let Some(stream) = to.name.stream()
        && let Some(own) = state.stream_mut(attachment.stream)
    {
        own.name = Some(to.case.fold(stream.0.as_units()));
        return;
    }
    if let Some(old) = state.link(attachment.link).map(|link| link.key) {
        names.rename(old, &keys, object);
        state.rename_link(attachment.link, *new);
    }
    if attachment.kind == StreamKind::Directory {
        object.shared.lost_names.record_all();
    } else {
        object.shared.lost_names.record(object.id);
    }
}
