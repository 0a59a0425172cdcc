//! Renaming, and further names. [MS-FSA] 2.1.5.15.12 and 2.1.5.15.6

use wire::dtyp::AccessMask;
use wire::fscc::file_info::{LinkInformation, RenameFlags, RenameInformation};
use wire::fscc::{CompletionFilter, FileAction};
use wire::{NtStatus, Utf16String};

use crate::commands::effects;
use crate::context::Context;
use crate::object_store::{Decision, Rename, RenameKind, Turn};
use crate::open::Open;
use crate::persistence::{self, Coming};
use crate::share::{CloseHow, Name, ObjectId, OpenHow, Replace, SetInfo};

/// Gives the file, directory or stream another name.
///
/// # Errors
/// `INVALID_PARAMETER` for a RootDirectory, `OBJECT_NAME_INVALID`, `OBJECT_NAME_COLLISION`,
/// `ACCESS_DENIED`, `SHARING_VIOLATION`, `OBJECT_PATH_NOT_FOUND`, `FILE_NOT_AVAILABLE`.
pub(super) async fn rename(
    context: &mut Context,
    open: &Open,
    to: &RenameInformation,
) -> Result<(), NtStatus> {
    if to.root_directory != 0 {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let replace = replace(to.flags.contains(RenameFlags::REPLACE_IF_EXISTS));
    let (old, target, found) = loop {
        let old = open.handle.name().await?;
        let target = target(open, &old, &to.file_name)?;
        let found = arbitrate(context, open, &target, replace, RenameKind::Rename).await?;
        // While this one waited, another open may have given the file another name.
        if open.handle.name().await? == old {
            break (old, target, found);
        }
    };
    let (server, object) = (&context.server, open.handle.object());
    persistence::announce(server, object, coming(&old, &target)).await?;
    let rename = SetInfo::Rename {
        target: target.clone(),
        replace,
    };
    if let Err(status) = open.handle.set(rename).await {
        // Until it is recorded that nothing has changed, the records say that something may have.
        let _ = persistence::save_file(server, object).await;
        return Err(status);
    }
    if let Some(replaced) = found.as_ref().filter(|found| !found.is_same_object) {
        server.object_store.replaced(replaced.object);
    }
    let stored = open.handle.name().await.unwrap_or(target);
    let location = open.tree.share.location(&stored);
    server.object_store.renamed(&open.attachment, &location);
    let changes = changes(&old, &stored, found.as_ref(), open);
    effects::report_all(server, open, &changes);
    persistence::save_file(server, object).await
}

/// What records say of a rename before it is done.
fn coming<'a>(old: &'a Name, target: &'a Name) -> Coming<'a> {
    if old.stream().is_some() {
        Coming::StreamName {
            of: old,
            to: target,
        }
    } else {
        Coming::FileName(target)
    }
}

/// What watches are told of a rename: what went for it, the two names, and what changed with them.
// [MS-FSA] 2.1.5.15.12
fn changes<'a>(
    old: &'a Name,
    new: &'a Name,
    found: Option<&'a Found>,
    open: &Open,
) -> Vec<(&'a Name, FileAction, CompletionFilter)> {
    // A rename to the very same name is none.
    if old == new {
        return Vec::new();
    }
    let names = names_filter(open.is_directory);
    let moves = old.parent() != new.parent();
    let is_own_name = found.is_some_and(|found| found.name == *old);
    let is_exact = found.is_some_and(|found| found.name == *new);
    // Between two names of one file, the old one goes and the other stays as it is.
    let adds = !(is_exact && found.is_some_and(|found| found.is_same_object));
    let replaces = found.filter(|_| adds);
    let mut changes = Vec::new();
    if let Some(replaced) = replaces.filter(|_| !is_own_name && !is_exact) {
        changes.push((&replaced.name, FileAction::REMOVED, names));
    }
    let takes_over = replaces.is_some() && is_exact;
    if moves || !adds || takes_over {
        changes.push((old, FileAction::REMOVED, names));
    } else {
        changes.push((old, FileAction::RENAMED_OLD_NAME, names));
    }
    if takes_over {
        changes.push((new, FileAction::MODIFIED, EVERYTHING));
    } else if adds && moves {
        changes.push((new, FileAction::ADDED, names));
    } else if adds {
        changes.push((new, FileAction::RENAMED_NEW_NAME, names));
    }
    // observed: Windows Server 2003 and later tell of the attribute and the time that a file takes
    // along.
    if adds && !takes_over && !open.is_directory && open.stream.is_none() {
        let taken = CompletionFilter::ATTRIBUTES.with(CompletionFilter::CREATION);
        changes.push((new, FileAction::MODIFIED, taken));
    }
    changes
}

fn names_filter(is_directory: bool) -> CompletionFilter {
    if is_directory {
        CompletionFilter::DIR_NAME
    } else {
        CompletionFilter::FILE_NAME
    }
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
    let found = arbitrate(context, open, &target, replace, RenameKind::Link).await?;
    open.handle
        .set(SetInfo::Link {
            target: target.clone(),
            replace,
        })
        .await?;
    let replaced = found.filter(|found| !found.is_same_object);
    let names = CompletionFilter::FILE_NAME;
    let mut changes = vec![(&target, FileAction::ADDED, names)];
    // [MS-FSA] 2.1.5.15.7
    if let Some(replaced) = &replaced {
        context.server.object_store.replaced(replaced.object);
        if replaced.name == target {
            changes = vec![(&target, FileAction::MODIFIED, EVERYTHING)];
        } else {
            changes.insert(0, (&replaced.name, FileAction::REMOVED, names));
        }
    }
    effects::report_all(&context.server, open, &changes);
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

/// What has the new name before it is given.
struct Found {
    object: ObjectId,
    /// The name as it is stored.
    name: Name,
    /// It is the very object that gets the name.
    is_same_object: bool,
}

/// Waits until the object store agrees, and returns what has the name already.
async fn arbitrate(
    context: &mut Context,
    open: &Open,
    target: &Name,
    replace: Replace,
    kind: RenameKind,
) -> Result<Option<Found>, NtStatus> {
    let mut turn = Turn::default();
    loop {
        // Anew after each wait: the name may be another file's by then.
        let found = look_up(context, open, target).await?;
        let replaced = found.as_ref().filter(|found| !found.is_same_object);
        if replaced.is_some() && replace == Replace::Never {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        let rename = Rename {
            target: open.tree.share.location(target),
            replaces: replaced.map(|found| found.object),
            kind,
        };
        let outcome = context
            .server
            .object_store
            .check_rename(&open.attachment, &rename);
        drop(turn);
        effects::carry_out(&context.server, outcome.effects);
        match outcome.decision {
            Decision::Grant(()) => return Ok(found),
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => turn = context.wait(waiter).await?,
        }
    }
}

/// What has the name `target` now.
///
/// # Errors
/// `FILE_NOT_AVAILABLE` when a persistent open of it waits for its share, and what the handler says.
async fn look_up(context: &Context, open: &Open, target: &Name) -> Result<Option<Found>, NtStatus> {
    let how = OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES);
    let caller = context.caller()?;
    let opened = match open.tree.share.handler.open(&caller, target, &how).await {
        Ok(opened) => opened,
        Err(NtStatus::OBJECT_NAME_NOT_FOUND) => return Ok(None),
        Err(status) => return Err(status),
    };
    let object = opened.handle.object();
    let is_kept = context.server.persistent.absent.has_file(&opened);
    opened.handle.close(CloseHow::Keep).await?;
    // [MS-SMB2] 3.3.5.9
    // What nobody opens, because its client has yet to come back for it, nobody replaces either.
    if is_kept {
        return Err(NtStatus::FILE_NOT_AVAILABLE);
    }
    Ok(Some(Found {
        object,
        is_same_object: object == open.handle.object() && opened.stream == open.stream,
        name: opened.name,
    }))
}

/// What may have changed for those who see another file under a name.
// [MS-FSA] 2.1.5.15.12
const EVERYTHING: CompletionFilter = CompletionFilter::ATTRIBUTES
    .with(CompletionFilter::SIZE)
    .with(CompletionFilter::LAST_WRITE)
    .with(CompletionFilter::LAST_ACCESS)
    .with(CompletionFilter::CREATION)
    .with(CompletionFilter::SECURITY)
    .with(CompletionFilter::EA);
