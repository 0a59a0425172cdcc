//! Asking the object store on behalf of a command, and carrying out what its decisions mean for others.

use std::sync::Arc;

use wire::NtStatus;
use wire::fscc::{CompletionFilter, FileAction};

use super::breaks::{self, Break};
use crate::context::Context;
use crate::object_store::{
    Change, Decision, Effect, Effects, ObjectStore, Operation, Outcome, Turn,
};
use crate::open::Open;
use crate::server::Server;
use crate::share::Name;

/// Carries out `effects`.
pub(super) fn carry_out(server: &Arc<Server>, effects: Effects) {
    for effect in effects {
        match effect {
            Effect::OplockBreak(broken) => breaks::begin(server, Break::Oplock(broken)),
            Effect::LeaseBreak(broken) => breaks::begin(server, Break::Lease(broken)),
            Effect::BreakEnded(id) => server.awaited_breaks.stop(server, id),
            // Dropping it wakes.
            Effect::Wake(_) => {}
        }
    }
}

/// Tells watches that the object called `name` has changed.
pub(super) fn report(
    server: &Arc<Server>,
    open: &Open,
    name: &Name,
    action: FileAction,
    filter: CompletionFilter,
) {
    report_all(server, open, &[(name, action, filter)]);
}

/// Tells watches of changes that belong together, such as the two names of a rename.
pub(super) fn report_all(
    server: &Arc<Server>,
    open: &Open,
    changes: &[(&Name, FileAction, CompletionFilter)],
) {
    if !server.object_store.has_listeners() {
        return;
    }
    let share = &open.tree.share;
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|(name, action, filter)| Change {
            location: share.location(name),
            action: *action,
            filter: *filter,
        })
        .collect();
    let effects = server.object_store.report(&changes, Some(&open.attachment));
    carry_out(server, effects);
}

/// Tells watches, and holders of leases on folders, of a change that no client of this server made.
pub(crate) fn report_outside(server: &Arc<Server>, change: Change<'_>) {
    let effects = server.object_store.report(&[change], None);
    carry_out(server, effects);
}

/// [`report`] for an open whose present name is not at hand: asks for it only if anybody listens.
pub(super) async fn report_now(
    server: &Arc<Server>,
    open: &Open,
    action: FileAction,
    filter: CompletionFilter,
) {
    if !server.object_store.hears_of(&open.attachment) {
        return;
    }
    if let Ok(name) = open.handle.name().await {
        report(
            server,
            open,
            &name.with_stream(open.stream.clone()),
            action,
            filter,
        );
    }
}

/// Tells watches that data was written through an open; who caches the folder hears of it when the
/// open is closed.
pub(super) async fn report_write(server: &Arc<Server>, open: &Open) {
    let store = &server.object_store;
    store.wrote(&open.attachment);
    if !store.is_watched(&open.attachment) {
        return;
    }
    if let Ok(name) = open.handle.name().await {
        let name = name.with_stream(open.stream.clone());
        let effects = store.report_writing(Change {
            location: open.tree.share.location(&name),
            action: FileAction::MODIFIED,
            filter: CompletionFilter::LAST_WRITE.with(CompletionFilter::SIZE),
        });
        carry_out(server, effects);
    }
}

/// The name of what was written through an open, if anybody would hear of that at its close.
pub(super) async fn name_written(server: &Server, open: &Open) -> Option<Name> {
    let is_heard = open.attachment.has_written() && server.object_store.hears_of(&open.attachment);
    if is_heard {
        open.handle.name().await.ok()
    } else {
        None
    }
}

/// Tells who caches the folder of what was written through an open that is closed now.
pub(super) fn report_written(server: &Arc<Server>, open: &Open, name: &Name) {
    let location = open.tree.share.location(name);
    let store = &server.object_store;
    carry_out(server, store.report_written(&location, &open.attachment));
}

/// Tells watches that something of the file itself has changed, even if the open is for a named stream
/// of it.
pub(super) async fn report_file(server: &Arc<Server>, open: &Open, filter: CompletionFilter) {
    if !server.object_store.hears_of(&open.attachment) {
        return;
    }
    if let Ok(name) = open.handle.name().await {
        let name = name.with_stream(None);
        report(server, open, &name, FileAction::MODIFIED, filter);
    }
}

/// Asks the object store the same until it grants or denies.
///
/// # Errors
/// What the object store says, and `CANCELLED`.
pub(super) async fn granted<T>(
    context: &mut Context,
    ask: impl Fn(&ObjectStore) -> Outcome<T>,
) -> Result<T, NtStatus> {
    let mut turn = Turn::default();
    loop {
        let outcome = ask(&context.server.object_store);
        drop(turn);
        carry_out(&context.server, outcome.effects);
        match outcome.decision {
            Decision::Grant(value) => return Ok(value),
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => turn = context.wait(waiter).await?,
        }
    }
}

/// Has what others cache broken before `operation` makes it stale.
///
/// # Errors
/// Those of [`granted`].
pub(super) async fn prepare(
    context: &mut Context,
    open: &Open,
    operation: Operation,
) -> Result<(), NtStatus> {
    granted(context, |store| store.prepare(&open.attachment, operation)).await
}

/// As [`prepare`], for bytes that are about to be read: no exclusive lock of another open may cover
/// them.
///
/// # Errors
/// `FILE_LOCK_CONFLICT`, and those of [`granted`].
pub(super) async fn prepare_read(
    context: &mut Context,
    open: &Open,
    offset: u64,
    length: u64,
) -> Result<(), NtStatus> {
    granted(context, |store| {
        store.check_read(&open.attachment, offset, length)
    })
    .await
}

/// As [`prepare`], for bytes that are about to change: no lock of another open may cover them.
///
/// # Errors
/// `FILE_LOCK_CONFLICT`, and those of [`granted`].
pub(super) async fn prepare_write(
    context: &mut Context,
    open: &Open,
    offset: u64,
    length: u64,
) -> Result<(), NtStatus> {
    granted(context, |store| {
        store.check_write(&open.attachment, offset, length)
    })
    .await
}
