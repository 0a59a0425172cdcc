//! Marking a file for deletion. [MS-FSA] 2.1.5.15.3

use wire::NtStatus;
use wire::fscc::file_info::DispositionFlags;

use crate::commands::effects;
use crate::context::Context;
use crate::object_store::{Decision, Disposition, Turn};
use crate::open::Open;
use crate::persistence;

/// Marks the file for deletion at its last close, or takes the mark back.
///
/// # Errors
/// `CANNOT_DELETE`, `DIRECTORY_NOT_EMPTY`; what the store of persistent opens says.
pub(super) async fn set(context: &mut Context, open: &Open, delete: bool) -> Result<(), NtStatus> {
    let disposition = if delete {
        Disposition::Delete
    } else {
        Disposition::Keep
    };
    let was_pending = context
        .server
        .object_store
        .is_delete_pending(&open.attachment);
    mark(context, open, disposition).await?;
    let written = persistence::save_file(&context.server, open.handle.object()).await;
    if written.is_err() && disposition == Disposition::Delete && !was_pending {
        // The client is told that it is not to be deleted, and so it is not.
        effects::granted(context, |store| {
            store.set_delete(&open.attachment, Disposition::Keep)
        })
        .await?;
        drop(persistence::note_file(
            &context.server,
            open.handle.object(),
        ));
    }
    written
}

/// Makes the deletion pending, or takes that back. What speaks against it is looked for anew after each wait: a
/// directory may have been filled meanwhile.
// [MS-FSA] 2.1.5.15.3
async fn mark(
    context: &mut Context,
    open: &Open,
    disposition: Disposition,
) -> Result<(), NtStatus> {
    let mut turn = Turn::default();
    loop {
        if disposition == Disposition::Delete {
            open.handle.check_delete().await?;
        }
        let store = &context.server.object_store;
        let outcome = store.set_delete(&open.attachment, disposition);
        drop(turn);
        effects::carry_out(&context.server, outcome.effects);
        match outcome.decision {
            Decision::Grant(()) => return Ok(()),
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => turn = context.wait(waiter).await?,
        }
    }
}

/// The extended form, as far as it means the same.
///
/// # Errors
/// `NOT_SUPPORTED` for deletion before the last close and for changing delete-on-close.
// [MS-FSA] 2.1.5.15.4
pub(super) async fn set_ex(
    context: &mut Context,
    open: &Open,
    flags: DispositionFlags,
) -> Result<(), NtStatus> {
    let other = DispositionFlags::POSIX_SEMANTICS
        .with(DispositionFlags::ON_CLOSE)
        .with(DispositionFlags::IGNORE_READONLY_ATTRIBUTE);
    if flags.intersects(other) {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    set(context, open, flags.contains(DispositionFlags::DELETE)).await
}
