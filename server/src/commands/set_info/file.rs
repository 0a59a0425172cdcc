//! SET_INFO of a file, but for its name and its deletion. [MS-SMB2] 3.3.5.21.1

use wire::dtyp::AccessMask;
use wire::fscc::file_info::{BasicChange, FileMode};
use wire::fscc::{CompletionFilter, FileAction, FileAttributes, SetFileInformation, TimeChange};
use wire::{NtStatus, SetInfoRequest};

use super::{disposition, rename};
use crate::commands::effects;
use crate::context::Context;
use crate::object_store::Operation;
use crate::open::Open;
use crate::persistence::{self, Coming};
use crate::share::SetInfo;

/// Carries out one information class.
pub(super) async fn set(
    context: &mut Context,
    open: &Open,
    request: &SetInfoRequest,
) -> Result<(), NtStatus> {
    let class = request.file_info_class.of_file();
    let change = SetFileInformation::decode(class, &request.buffer)?;
    require_access(open, &change)?;
    match change {
        SetFileInformation::Basic(basic) => set_basic(context, open, basic).await,
        SetFileInformation::EndOfFile(size) => {
            resize(context, open, SetInfo::EndOfFile(size)).await
        }
        SetFileInformation::Allocation(size) => {
            resize(context, open, SetInfo::Allocation(size)).await
        }
        SetFileInformation::ValidDataLength(size) => check_valid_data_length(open, size).await,
        SetFileInformation::FullEa(list) => {
            open.handle.set(SetInfo::ExtendedAttributes(list)).await?;
            // [MS-FSA] 2.1.5.15.6
            let changed = CompletionFilter::EA.with(CompletionFilter::ATTRIBUTES);
            effects::report_file(&context.server, open, changed).await;
            Ok(())
        }
        SetFileInformation::Position(position) => {
            open.state.lock().position = position;
            Ok(())
        }
        SetFileInformation::Mode(mode) => {
            set_mode(open, mode)?;
            persistence::save(&context.server, open).await
        }
        SetFileInformation::Disposition(delete) => disposition::set(context, open, delete).await,
        SetFileInformation::DispositionEx(flags) => disposition::set_ex(context, open, flags).await,
        SetFileInformation::Rename(to) => rename::rename(context, open, &to).await,
        SetFileInformation::Link(to) => rename::link(context, open, &to).await,
        SetFileInformation::Pipe(info) => open.handle.set_pipe(info).await,
        // POSIX renames are no business of a Windows volume, and short names are not kept.
        SetFileInformation::RenameEx(_) | SetFileInformation::ShortName(_) => {
            Err(NtStatus::NOT_SUPPORTED)
        }
    }
}

/// [MS-SMB2] 3.3.5.21.1
fn require_access(open: &Open, change: &SetFileInformation) -> Result<(), NtStatus> {
    match change {
        SetFileInformation::Basic(_) | SetFileInformation::Pipe(_) => {
            open.require(AccessMask::FILE_WRITE_ATTRIBUTES)
        }
        SetFileInformation::Rename(_)
        | SetFileInformation::RenameEx(_)
        | SetFileInformation::Disposition(_)
        | SetFileInformation::DispositionEx(_)
        | SetFileInformation::ShortName(_) => open.require(AccessMask::DELETE),
        SetFileInformation::FullEa(_) => open.require(AccessMask::FILE_WRITE_EA),
        SetFileInformation::Allocation(_)
        | SetFileInformation::EndOfFile(_)
        | SetFileInformation::ValidDataLength(_) => open.require(AccessMask::FILE_WRITE_DATA),
        SetFileInformation::Link(_)
        | SetFileInformation::Mode(_)
        | SetFileInformation::Position(_) => Ok(()),
    }
}

// [MS-FSA] 2.1.5.15.2
async fn set_basic(context: &Context, open: &Open, basic: BasicChange) -> Result<(), NtStatus> {
    if let Some(attributes) = basic.file_attributes {
        let directory = attributes.contains(FileAttributes::DIRECTORY);
        let temporary = attributes.contains(FileAttributes::TEMPORARY);
        if directory && !open.is_directory || temporary && open.is_directory {
            return Err(NtStatus::INVALID_PARAMETER);
        }
    }
    let changed = basic_changes(&basic);
    let (server, object) = (&context.server, open.handle.object());
    let creation_time = match basic.creation_time {
        TimeChange::Set(time) => Some(time),
        _ => None,
    };
    if let Some(time) = creation_time {
        persistence::announce(server, object, Coming::CreationTime(time)).await?;
    }
    let set = open.handle.set(SetInfo::Basic(basic)).await;
    if creation_time.is_some() {
        let saved = persistence::save_file(server, object).await;
        set.and(saved)?;
    } else {
        set?;
    }
    // Also where no watch can ask for it, as for ChangeTime alone: who caches the folder hears of everything.
    effects::report_file(&context.server, open, changed).await;
    Ok(())
}

/// The kinds of change that setting these is.
// [MS-FSA] 2.1.5.15.2
fn basic_changes(basic: &BasicChange) -> CompletionFilter {
    let is_set = |time: TimeChange| matches!(time, TimeChange::Set(_));
    [
        (
            basic.file_attributes.is_some(),
            CompletionFilter::ATTRIBUTES,
        ),
        (is_set(basic.creation_time), CompletionFilter::CREATION),
        (
            is_set(basic.last_access_time),
            CompletionFilter::LAST_ACCESS,
        ),
        (is_set(basic.last_write_time), CompletionFilter::LAST_WRITE),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .fold(CompletionFilter::NONE, |all, (_, kind)| all.with(kind))
}

async fn resize(context: &mut Context, open: &Open, request: SetInfo) -> Result<(), NtStatus> {
    if open.is_directory {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    effects::prepare(context, open, Operation::SetSize).await?;
    open.handle.set(request).await?;
    report(
        context,
        open,
        CompletionFilter::SIZE.with(CompletionFilter::LAST_WRITE),
    )
    .await;
    Ok(())
}

/// Everything up to the end of a file is valid here; the length may only be confirmed.
// [MS-FSA] 2.1.5.15.15
async fn check_valid_data_length(open: &Open, size: u64) -> Result<(), NtStatus> {
    let end_of_file = open.handle.stat().await?.end_of_file;
    if size > end_of_file {
        Err(NtStatus::INVALID_PARAMETER)
    } else {
        Ok(())
    }
}

// [MS-FSA] 2.1.5.15.8
fn set_mode(open: &Open, mode: FileMode) -> Result<(), NtStatus> {
    let allowed = FileMode::WRITE_THROUGH
        .with(FileMode::SEQUENTIAL_ONLY)
        .with(FileMode::SYNCHRONOUS_IO_ALERT)
        .with(FileMode::SYNCHRONOUS_IO_NONALERT);
    let synchronous = FileMode::SYNCHRONOUS_IO_ALERT.with(FileMode::SYNCHRONOUS_IO_NONALERT);
    if !allowed.contains(mode) || mode.intersects(synchronous) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    open.state.lock().mode = mode;
    Ok(())
}

async fn report(context: &Context, open: &Open, filter: CompletionFilter) {
    effects::report_now(&context.server, open, FileAction::MODIFIED, filter).await;
}
