//! A CREATE request, checked and made typed: what is wanted, before anything is opened.

use wire::create::{
    CreateContext, CreateContexts, CreateDisposition, CreateOptions, ImpersonationLevel,
    ShareAccess,
};
use wire::dtyp::{AccessMask, GenericMapping, SecurityDescriptor};
use wire::fscc::FileAttributes;
use wire::fscc::file_info::{FileMode, FullEa};
use wire::{CreateRequest, NtStatus, Utf16String};

use super::contexts::Questions;
use super::durable::{Wish, has_persistent_handles};
use super::{app_instance, caching, print};
use crate::context::Context;
use crate::durable::{AppInstance, UnderWay};
use crate::object_store::Caching;
use crate::share::{Disposition, Name, NameError, OpenHow, ShareKind, StreamType, Wanted};

/// What a CREATE wants.
pub(super) struct Plan {
    pub(super) name: Name,
    pub(super) how: OpenHow,
    /// DesiredAccess, as the client gave it.
    pub(super) asked_access: AccessMask,
    pub(super) share_access: ShareAccess,
    pub(super) options: CreateOptions,
    pub(super) caching: Caching,
    /// FILE_SUPERSEDE: what exists is replaced rather than emptied.
    pub(super) supersede: bool,
    /// What the client is told where the name does not exist.
    pub(super) if_missing: NtStatus,
    /// What the client asks to be told.
    pub(super) questions: Questions,
    /// What the client wants of durable opens.
    pub(super) wish: Wish,
    /// The client's GUID for the request, taken as long as that is under way.
    pub(super) under_way: Option<UnderWay>,
    /// The application that the open is for.
    pub(super) app_instance: Option<AppInstance>,
}

/// [MS-FSA] 2.1.5.1, phase 1.
const FORBIDDEN_ACCESS: AccessMask = AccessMask::from_bits(0x0ce0_fe00);

/// [MS-FSCC] 2.6, without DEVICE and VOLUME, which no file has.
const SETTABLE_ATTRIBUTES: u32 = 0x0000_7fb7;

/// FILE_CREATE_TREE_CONNECTION, FILE_OPEN_BY_FILE_ID and FILE_RESERVE_OPFILTER.
const UNSUPPORTED_OPTIONS: CreateOptions = CreateOptions::from_bits(0x0010_2080);

/// The options that have a meaning, known here or not.
const MEANINGFUL_OPTIONS: CreateOptions = CreateOptions::from_bits(0x00ff_ffff);

impl Plan {
    /// Checks the request in the order of [MS-SMB2] 3.3.5.9 and [MS-FSA] 2.1.5.1.
    ///
    /// # Errors
    /// `OBJECT_NAME_INVALID`, `OBJECT_PATH_SYNTAX_BAD`, `OBJECT_NAME_NOT_FOUND`, `INVALID_PARAMETER`,
    /// `BAD_IMPERSONATION_LEVEL`, `NOT_SUPPORTED`, `ACCESS_DENIED`, `PRIVILEGE_NOT_HELD`,
    /// `CANNOT_DELETE`.
    pub(super) fn new(
        context: &Context,
        request: &CreateRequest,
        wish: Wish,
    ) -> Result<Self, NtStatus> {
        let share = &context.tree()?.share;
        let kind = share.features().kind;
        let for_printer;
        let request = if kind == ShareKind::Print {
            for_printer = print::read(request)?;
            &for_printer
        } else {
            request
        };
        let name = name(&request.name, kind)?;
        let contexts = &request.contexts;
        check_impersonation(request.impersonation_level, kind)?;
        let options = options(context, request);
        check_options(options, request.create_disposition)?;
        let desired_access = desired_access(request.desired_access, options)?;
        if request.file_attributes.bits() & !SETTABLE_ATTRIBUTES != 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let wanted = wanted(options, &name)?;
        let attributes = request.file_attributes;
        let deletes = options.contains(CreateOptions::DELETE_ON_CLOSE);
        let may_create = request.create_disposition != CreateDisposition::OPEN;
        if deletes && may_create && attributes.contains(FileAttributes::READONLY) {
            return Err(NtStatus::CANNOT_DELETE);
        }
        // [MS-FSA] 2.1.5.1.1
        if wanted == Wanted::Directory && attributes.contains(FileAttributes::TEMPORARY) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let (disposition, overwrite) = disposition(request.create_disposition)?;
        Ok(Self {
            how: OpenHow {
                desired_access,
                disposition,
                overwrite,
                wanted,
                attributes,
                security: security(contexts)?,
                allocation_size: allocation_size(contexts, wanted),
                extended_attributes: extended_attributes(contexts)?,
                write_through: options.contains(CreateOptions::WRITE_THROUGH),
                open_reparse_point: options.contains(CreateOptions::OPEN_REPARSE_POINT),
                backup_intent: options.contains(CreateOptions::OPEN_FOR_BACKUP_INTENT),
                snapshot: contexts.find_map(|each| match each {
                    CreateContext::TimewarpToken(time) => Some(*time),
                    _ => None,
                }),
            },
            name,
            asked_access: request.desired_access,
            share_access: request.share_access,
            options,
            caching: caching::asked(context, request),
            if_missing: NtStatus::OBJECT_NAME_NOT_FOUND,
            supersede: request.create_disposition == CreateDisposition::SUPERSEDE,
            questions: Questions::new(contexts),
            wish,
            under_way: None,
            app_instance: context
                .connection
                .negotiated()
                .and_then(|negotiated| app_instance::named(negotiated, contexts)),
        })
    }

    /// The access that the object store arbitrates by: MAXIMUM_ALLOWED stands for what it led to.
    pub(super) fn arbitrated_access(&self, granted: AccessMask) -> AccessMask {
        let desired = self.how.desired_access;
        if desired.contains(AccessMask::MAXIMUM_ALLOWED) {
            desired.without(AccessMask::MAXIMUM_ALLOWED).with(granted)
        } else {
            desired
        }
    }

    /// The file is to be deleted when it is closed.
    pub(super) fn deletes_on_close(&self) -> bool {
        self.options.contains(CreateOptions::DELETE_ON_CLOSE)
    }

    /// What the client is told of the handler's refusal to open.
    pub(super) fn refusal(&self, status: NtStatus) -> NtStatus {
        match status {
            NtStatus::OBJECT_NAME_NOT_FOUND => self.if_missing,
            other => other,
        }
    }

    /// Open.Mode. [MS-FSA] 2.1.5.1, phase 3
    pub(super) fn mode(&self) -> FileMode {
        let modes = FileMode::WRITE_THROUGH
            .with(FileMode::SEQUENTIAL_ONLY)
            .with(FileMode::NO_INTERMEDIATE_BUFFERING)
            .with(FileMode::DELETE_ON_CLOSE);
        FileMode::from_bits(self.options.bits()) & modes
    }
}

/// The name that is to be opened.
// [MS-SMB2] 3.3.5.9
// A path is resolved in file systems only: a pipe's name is looked up as it stands, and none begins with a separator.
fn name(asked: &Utf16String, kind: ShareKind) -> Result<Name, NtStatus> {
    match Name::parse(asked) {
        Err(NameError::LeadingSeparator) if kind == ShareKind::Pipe => {
            Err(NtStatus::OBJECT_NAME_NOT_FOUND)
        }
        parsed => Ok(parsed?),
    }
}

fn check_impersonation(level: ImpersonationLevel, kind: ShareKind) -> Result<(), NtStatus> {
    let is_known = level.0 <= ImpersonationLevel::DELEGATE.0;
    // [MS-SMB2] 3.3.5.9
    // A pipe cannot be opened for delegation.
    let is_delegated_pipe = kind == ShareKind::Pipe && level == ImpersonationLevel::DELEGATE;
    if !is_known || is_delegated_pipe {
        return Err(NtStatus::BAD_IMPERSONATION_LEVEL);
    }
    Ok(())
}

/// CreateOptions: where opens can outlive the server, what is written through them must do so too.
// [MS-SMB2] 3.3.5.9
pub(super) fn options(context: &Context, request: &CreateRequest) -> CreateOptions {
    if has_persistent_handles(context) {
        request.create_options.with(CreateOptions::WRITE_THROUGH)
    } else {
        request.create_options
    }
}

// [MS-FSA] 2.1.5.1
// Phase 1
fn check_options(options: CreateOptions, disposition: CreateDisposition) -> Result<(), NtStatus> {
    if !MEANINGFUL_OPTIONS.contains(options) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if options.intersects(UNSUPPORTED_OPTIONS) {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let is_directory = options.contains(CreateOptions::DIRECTORY_FILE);
    let is_file = options.contains(CreateOptions::NON_DIRECTORY_FILE);
    let replaces = matches!(
        disposition,
        CreateDisposition::SUPERSEDE
            | CreateDisposition::OVERWRITE
            | CreateDisposition::OVERWRITE_IF
    );
    if is_directory && (is_file || replaces) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(())
}

// [MS-FSA] 2.1.5.1
// Phase 1
fn desired_access(wire: AccessMask, options: CreateOptions) -> Result<AccessMask, NtStatus> {
    if wire.is_empty() || wire.intersects(FORBIDDEN_ACCESS) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let mut access = wire.map_generic(&GenericMapping::FILE);
    // [MS-SMB2] 3.3.5.9
    if options.contains(CreateOptions::NO_INTERMEDIATE_BUFFERING) {
        access = access.without(AccessMask::FILE_APPEND_DATA);
    }
    // MAXIMUM_ALLOWED does not do: it may lead to less.
    if options.contains(CreateOptions::DELETE_ON_CLOSE) && !access.contains(AccessMask::DELETE) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(access)
}

fn wanted(options: CreateOptions, name: &Name) -> Result<Wanted, NtStatus> {
    let is_index = name.stream_type() == Some(StreamType::IndexAllocation);
    let is_data = name.stream_type() == Some(StreamType::Data);
    let directory = options.contains(CreateOptions::DIRECTORY_FILE);
    let file = options.contains(CreateOptions::NON_DIRECTORY_FILE);
    match (directory || is_index, file || is_data) {
        // [MS-FSA] 2.1.5.1
        // Phase 7
        (true, true) if is_data => Err(NtStatus::NOT_A_DIRECTORY),
        (true, true) => Err(NtStatus::FILE_IS_A_DIRECTORY),
        (true, false) => Ok(Wanted::Directory),
        (false, true) if name.stream().is_none() => Ok(Wanted::File),
        (false, _) => Ok(Wanted::Any),
    }
}

fn disposition(wire: CreateDisposition) -> Result<(Disposition, bool), NtStatus> {
    match wire {
        CreateDisposition::SUPERSEDE | CreateDisposition::OVERWRITE_IF => {
            Ok((Disposition::Either, true))
        }
        CreateDisposition::OPEN => Ok((Disposition::Existing, false)),
        CreateDisposition::CREATE => Ok((Disposition::New, false)),
        CreateDisposition::OPEN_IF => Ok((Disposition::Either, false)),
        CreateDisposition::OVERWRITE => Ok((Disposition::Existing, true)),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

// [MS-SMB2] 3.3.5.9.2
fn security(contexts: &CreateContexts) -> Result<Option<SecurityDescriptor>, NtStatus> {
    let bytes = contexts.find_map(|each| match each {
        CreateContext::SdBuffer(bytes) => Some(bytes),
        _ => None,
    });
    bytes
        .map(|bytes| SecurityDescriptor::decode(bytes).map_err(|_| NtStatus::INVALID_PARAMETER))
        .transpose()
}

// [MS-SMB2] 3.3.5.9.3
fn allocation_size(contexts: &CreateContexts, wanted: Wanted) -> u64 {
    let asked = contexts.find_map(|each| match each {
        CreateContext::AllocationSize(size) => Some(*size),
        _ => None,
    });
    asked
        .filter(|_| wanted != Wanted::Directory)
        .unwrap_or_default()
}

// [MS-SMB2] 3.3.5.9.1
fn extended_attributes(contexts: &CreateContexts) -> Result<Vec<FullEa>, NtStatus> {
    let bytes = contexts.find_map(|each| match each {
        CreateContext::EaBuffer(bytes) => Some(bytes),
        _ => None,
    });
    let Some(bytes) = bytes else {
        return Ok(Vec::new());
    };
    let list = FullEa::decode_list(bytes).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    if !list.iter().all(FullEa::has_valid_name) {
        return Err(NtStatus::INVALID_EA_NAME);
    }
    Ok(list)
}
