//! Renaming, and further names. [MS-FSA] 2.1.5.15.12 and 2.1.5.15.6

use wire::dtyp::AccessMask;
use wire::fscc::file_info::{LinkInformation, RenameFlags, RenameInformation};
use wire::fscc::{CompletionFilter, FileAction};
use wire::{NtStatus, Utf16String};

use crate::commands::effects;
use crate::context::Context;
use crate::object_store::{Decision, Rename, RenameKind};
use crate::open::Open;
use crate::share::{Name, ObjectId, Replace, SetInfo};

/// Gives the file, directory or stream another name.
///
/// # Errors
/// `INVALID_PARAMETER` for a RootDirectory, `OBJECT_NAME_INVALID`, `OBJECT_NAME_COLLISION`,
/// `ACCESS_DENIED`, `SHARING_VIOLATION`, `OBJECT_PATH_NOT_FOUND`.
pub(super) async fn rename(
    context: &mut Context,
    open: &Open,
    to: &RenameInformation,
) -> Result<(), NtStatus> {
    if to.root_directory != 0 {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let old = open.handle.name().await?;
    let target = target(open, &old, &to.file_name)?;
    let replace = replace(to.flags.contains(RenameFlags::REPLACE_IF_EXISTS));
    let replaced = arbitrate(context, open, &target, replace, RenameKind::Rename).await?;
    open.handle
        .set(SetInfo::Rename {
            target: target.clone(),
            replace,
        })
        .await?;
    let server = &context.server;
    if let Some(object) = replaced {
        server.object_store.replaced(object);
    }
    let stored = open.handle.name().await.unwrap_or(target);
    let location = open.tree.share.location(&stored);
    server.object_store.renamed(&open.attachment, &location);
    let filter = if open.stream.is_some() {
        CompletionFilter::STREAM_NAME
    } else if open.is_directory {
        CompletionFilter::DIR_NAME
    } else {
        CompletionFilter::FILE_NAME
    };
    let same_parent = old.parent() == stored.parent();
    let (from, to) = if same_parent {
        (FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME)
    } else {
        (FileAction::REMOVED, FileAction::ADDED)
    };
    effects::report_all(server, open, &[(&old, from, filter), (&stored, to, filter)]);
    Ok(())
}

/// Gives the file a further name.
///
/// # Errors
/// As [`rename`]; `FILE_IS_A_DIRECTORY` for a directory, `ACCESS_DENIED` to whoever may only read
/// the share.
pub(super) async fn link(
    context: &mut Context,
    open: &Open,
    to: &LinkInformation,
) -> Result<(), NtStatus> {
    if to.root_directory != 0 {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if open.is_directory {
        return Err(NtStatus::FILE_IS_A_DIRECTORY);
    }
    // [MS-SMB2] 3.3.1.9
    // No access of the open is asked for, so the share's own limit is looked at here.
    if !open
        .tree
        .maximal_access
        .contains(AccessMask::FILE_WRITE_DATA)
    {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let old = open.handle.name().await?;
    let target = target(open, &old, &to.file_name)?;
    if target.stream().is_some() {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    let replace = replace(to.replace_if_exists);
    let replaced = arbitrate(context, open, &target, replace, RenameKind::Link).await?;
    open.handle
        .set(SetInfo::Link {
            target: target.clone(),
            replace,
        })
        .await?;
    if let Some(object) = replaced {
        context.server.object_store.replaced(object);
    }
    let added = FileAction::ADDED;
    effects::report(
        &context.server,
        open,
        &target,
        added,
        CompletionFilter::FILE_NAME,
    );
    Ok(())
}

/// The full new name. A name that begins with `:` renames the stream only.
fn target(open: &Open, old: &Name, text: &Utf16String) -> Result<Name, NtStatus> {
    const COLON: u16 = 0x3a;
    if text.is_empty() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if text.as_units().first() == Some(&COLON) {
        let parsed = Name::parse(text)?;
        return Ok(old.with_stream(parsed.stream().cloned()));
    }
    if open.stream.is_some() {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let target = Name::parse(text)?;
    if target.is_root() {
        Err(NtStatus::OBJECT_NAME_COLLISION)
    } else {
        Ok(target)
    }
}

fn replace(if_exists: bool) -> Replace {
    if if_exists {
        Replace::IfExists
    } else {
        Replace::Never
    }
}

/// Waits until the object store agrees, and returns the object that will be replaced.
async fn arbitrate(
    context: &mut Context,
    open: &Open,
    target: &Name,
    replace: Replace,
    kind: RenameKind,
) -> Result<Option<ObjectId>, NtStatus> {
    loop {
        // Anew after each wait: the name may be another file's by then.
        let replaces = effects::identity_of(context, open, target, replace).await?;
        let rename = Rename {
            target: open.tree.share.location(target),
            replaces,
            kind,
        };
        let outcome = context
            .server
            .object_store
            .check_rename(&open.attachment, &rename);
        effects::carry_out(&context.server, outcome.effects);
        match outcome.decision {
            Decision::Grant(()) => return Ok(replaces),
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => context.wait(waiter).await?,
        }
    }
}
