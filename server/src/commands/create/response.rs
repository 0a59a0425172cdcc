//! The reply to CREATE.

use wire::create::{CreateAction, CreateOptions, CreateResponseContext, CreateResponseFlags};
use wire::{CreateResponse, OplockLevel, Response};

use crate::object_store::GrantedCaching;
use crate::open::Open;
use crate::share::FileStat;

/// The reply that tells of `open`.
// [MS-SMB2] 3.3.5.9
pub(super) fn new(
    open: &Open,
    stat: &FileStat,
    create_action: CreateAction,
    caching: GrantedCaching,
    contexts: Vec<CreateResponseContext>,
) -> Response {
    let opens_reparse_point = open
        .create_options
        .contains(CreateOptions::OPEN_REPARSE_POINT);
    let is_reparse_point = stat.reparse_tag != 0 && opens_reparse_point;
    Response::Create(CreateResponse {
        oplock_level: match caching {
            GrantedCaching::Oplock(level) => level,
            GrantedCaching::Lease(_) => OplockLevel::LEASE,
        },
        flags: if is_reparse_point {
            CreateResponseFlags::REPARSEPOINT
        } else {
            CreateResponseFlags::NONE
        },
        create_action,
        creation_time: stat.creation_time,
        last_access_time: stat.last_access_time,
        last_write_time: stat.last_write_time,
        change_time: stat.change_time,
        allocation_size: stat.allocation_size,
        end_of_file: stat.end_of_file,
        file_attributes: stat.attributes,
        file_id: open.file_id,
        contexts,
    })
}
