//! CREATE on a print share, where what is written becomes a job. [MS-SMB2] 2.1
//!
//! Owns how such a request is read: whoever may write makes a new job, whatever else is asked for. What the job is,
//! and that closing it prints it, is the handler's.

use wire::create::{CreateContext, CreateDisposition, CreateOptions, ShareAccess};
use wire::dtyp::AccessMask;
use wire::fscc::FileAttributes;
use wire::{CreateRequest, NtStatus};

/// The request as it is meant on a print share.
///
/// # Errors
/// `NOT_SUPPORTED` for folders, and for what would neither print nor look at what is there; `OBJECT_NAME_NOT_FOUND`
/// for printing into a job that exists.
pub(super) fn read(request: &CreateRequest) -> Result<CreateRequest, NtStatus> {
    let mut meant = request.clone();
    // [MS-SMB2] 2.2.13
    meant.share_access = ShareAccess::READ
        .with(ShareAccess::WRITE)
        .with(ShareAccess::DELETE);
    if request.desired_access.intersects(PRINTS) {
        let is_folder = request.file_attributes.contains(FileAttributes::DIRECTORY)
            || request
                .create_options
                .contains(CreateOptions::DIRECTORY_FILE);
        if is_folder {
            return Err(NtStatus::NOT_SUPPORTED);
        }
        // [MS-SMB2] 3.3.5.9
        // As Windows does: other rights are not granted, other dispositions than these mean a new job too.
        meant.desired_access = request.desired_access & PRINTS.with(KEPT);
        meant.create_disposition = match request.create_disposition {
            CreateDisposition::OPEN | CreateDisposition::OVERWRITE => {
                return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
            }
            _ => CreateDisposition::CREATE,
        };
        // [MS-SMB2] 3.3.5.9.1
        // [MS-SMB2] 3.3.5.9.2
        meant.contexts = request
            .contexts
            .iter()
            .filter(|context| is_heard(context))
            .cloned()
            .collect();
        return Ok(meant);
    }
    // departs [MS-SMB2] 3.3.5.9: without the right to write what exists may be opened, so that a queue can be listed and a job be deleted
    match request.create_disposition {
        CreateDisposition::OPEN => Ok(meant),
        CreateDisposition::OPEN_IF => {
            meant.create_disposition = CreateDisposition::OPEN;
            Ok(meant)
        }
        _ => Err(NtStatus::NOT_SUPPORTED),
    }
}

fn is_heard(context: &CreateContext) -> bool {
    !matches!(
        context,
        CreateContext::EaBuffer(_) | CreateContext::SdBuffer(_)
    )
}

/// The rights of which one at least is needed to print.
const PRINTS: AccessMask = AccessMask::FILE_WRITE_DATA
    .with(AccessMask::FILE_APPEND_DATA)
    .with(AccessMask::GENERIC_WRITE);

/// What whoever prints may have besides: to ask how much has been written, and to give the job up.
const KEPT: AccessMask = AccessMask::FILE_READ_ATTRIBUTES
    .with(AccessMask::SYNCHRONIZE)
    .with(AccessMask::DELETE);

#[cfg(test)]
mod tests {
    use wire::create::{CreateContexts, ImpersonationLevel};
    use wire::{OplockLevel, Utf16String};

    use super::*;

    fn request(access: AccessMask, disposition: CreateDisposition) -> CreateRequest {
        CreateRequest {
            requested_oplock_level: OplockLevel::NONE,
            impersonation_level: ImpersonationLevel::IMPERSONATION,
            desired_access: access,
            file_attributes: FileAttributes::NORMAL,
            share_access: ShareAccess::NONE,
            create_disposition: disposition,
            create_options: CreateOptions::NONE,
            name: Utf16String::from("report.ps"),
            contexts: CreateContexts::default(),
        }
    }

    // test [MS-SMB2] 3.3.5.9
    #[test]
    fn whoever_may_write_makes_a_new_job_and_gets_no_more_than_that() {
        let access = AccessMask::GENERIC_WRITE
            .with(AccessMask::FILE_READ_DATA)
            .with(AccessMask::WRITE_DAC);
        for disposition in [
            CreateDisposition::CREATE,
            CreateDisposition::SUPERSEDE,
            CreateDisposition::OPEN_IF,
            CreateDisposition::OVERWRITE_IF,
        ] {
            let meant = read(&request(access, disposition)).unwrap();
            assert_eq!(meant.create_disposition, CreateDisposition::CREATE);
            assert_eq!(meant.desired_access, AccessMask::GENERIC_WRITE);
            assert!(meant.share_access.contains(ShareAccess::DELETE));
        }
        for disposition in [CreateDisposition::OPEN, CreateDisposition::OVERWRITE] {
            let refused = read(&request(access, disposition)).err();
            assert_eq!(refused, Some(NtStatus::OBJECT_NAME_NOT_FOUND));
        }
    }

    #[test]
    fn whoever_may_not_write_looks_at_what_is_there_and_makes_nothing() {
        let access = AccessMask::FILE_READ_ATTRIBUTES.with(AccessMask::DELETE);
        for disposition in [CreateDisposition::OPEN, CreateDisposition::OPEN_IF] {
            let meant = read(&request(access, disposition)).unwrap();
            assert_eq!(meant.create_disposition, CreateDisposition::OPEN);
            assert_eq!(meant.desired_access, access);
        }
        for disposition in [CreateDisposition::CREATE, CreateDisposition::OVERWRITE_IF] {
            let refused = read(&request(access, disposition)).err();
            assert_eq!(refused, Some(NtStatus::NOT_SUPPORTED));
        }
    }

    // test [MS-SMB2] 3.3.5.9
    #[test]
    fn there_are_no_folders_of_jobs() {
        let folder = |change: fn(&mut CreateRequest)| {
            let mut request = request(AccessMask::GENERIC_WRITE, CreateDisposition::CREATE);
            change(&mut request);
            read(&request).err()
        };
        let by_attribute = folder(|request| request.file_attributes = FileAttributes::DIRECTORY);
        let by_option = folder(|request| request.create_options = CreateOptions::DIRECTORY_FILE);
        assert_eq!(by_attribute, Some(NtStatus::NOT_SUPPORTED));
        assert_eq!(by_option, Some(NtStatus::NOT_SUPPORTED));
    }
}
