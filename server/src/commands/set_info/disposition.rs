//! Marking a file for deletion. [MS-FSA] 2.1.5.15.3

use wire::NtStatus;
use wire::fscc::file_info::DispositionFlags;

use crate::commands::effects;
use crate::context::Context;
use crate::object_store::Disposition;
use crate::open::Open;
use crate::persistence;

/// Marks the file for deletion at its last close, or takes the mark back.
///
/// # Errors
/// `CANNOT_DELETE`, `DIRECTORY_NOT_EMPTY`; what the store of persistent opens says.
pub(super) async fn set(context: &mut Context, open: &Open, delete: bool) -> Result<(), NtStatus> {
    let disposition = if delete {
        open.handle.check_delete().await?;
        Disposition::Delete
    } else {
        Disposition::Keep
    };
    let was_pending = context
        .server
        .object_store
        .is_delete_pending(&open.attachment);
    effects::granted(context, |store| {
        store.set_delete(&open.attachment, disposition)
    })
    .await?;
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
