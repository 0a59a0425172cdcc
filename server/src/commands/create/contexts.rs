//! The contexts of a CREATE reply: what the client asked to be told.

use wire::NtStatus;
use wire::create::{
    CreateContext, CreateContexts, CreateResponseContext, LeaseContext, LeaseContextV2, LeaseFlags,
};
use wire::dtyp::{AccessMask, FileTime, SecurityDescriptor, SecurityInformation};

use crate::access;
use crate::context::Context;
use crate::object_store::{GrantedCaching, LeaseVersion};
use crate::open::Open;
use crate::share::FileStat;

/// What a CREATE asks to be told, whatever open it ends with.
pub(super) struct Questions {
    /// The maximal access, unless the file is as old as this.
    maximal_access: Option<Option<FileTime>>,
    /// The numbers of file and volume.
    on_disk_id: bool,
}

impl Questions {
    pub(super) fn new(contexts: &CreateContexts) -> Self {
        Self {
            maximal_access: contexts.find_map(|each| match each {
                CreateContext::QueryMaximalAccess { timestamp } => Some(*timestamp),
                _ => None,
            }),
            on_disk_id: contexts.contains(&CreateContext::QueryOnDiskId),
        }
    }

    /// The answers for an open whose descriptor is known, if it has one.
    pub(super) async fn answer(
        &self,
        context: &Context,
        open: &Open,
        stat: &FileStat,
        security: Option<&SecurityDescriptor>,
    ) -> Vec<CreateResponseContext> {
        let mut answered = Vec::new();
        // [MS-SMB2] 3.3.5.9.5
        if let Some(timestamp) = self.maximal_access {
            answered.push(if timestamp == Some(stat.last_write_time) {
                CreateResponseContext::MaximalAccess {
                    query_status: NtStatus::NONE_MAPPED,
                    maximal_access: AccessMask::NONE,
                }
            } else {
                maximal_access(context, open, security).await
            });
        }
        // [MS-SMB2] 3.3.5.9.9
        if self.on_disk_id {
            answered.push(CreateResponseContext::OnDiskId {
                disk_file_id: stat.file_id,
                volume_id: open.handle.object().volume,
            });
        }
        answered
    }

    /// The answers for an open that was there before.
    pub(super) async fn answer_again(
        &self,
        context: &Context,
        open: &Open,
        stat: &FileStat,
    ) -> Vec<CreateResponseContext> {
        let parts = SecurityInformation::OWNER
            .with(SecurityInformation::GROUP)
            .with(SecurityInformation::DACL);
        let security = match self.maximal_access {
            Some(_) => open.handle.security(parts).await.ok(),
            None => None,
        };
        self.answer(context, open, stat, security.as_ref()).await
    }
}

/// What a client is told of its lease.
// [MS-SMB2] 3.3.5.9.8
// [MS-SMB2] 3.3.5.9.11
pub(super) fn lease(caching: GrantedCaching) -> Option<CreateResponseContext> {
    let GrantedCaching::Lease(lease) = caching else {
        return None;
    };
    let mut lease_flags = LeaseFlags::NONE;
    if lease.breaking {
        lease_flags |= LeaseFlags::BREAK_IN_PROGRESS;
    }
    if lease.parent.is_some() {
        lease_flags |= LeaseFlags::PARENT_LEASE_KEY_SET;
    }
    let v2 = LeaseContextV2 {
        parent_lease_key: lease.parent.unwrap_or_default(),
        epoch: lease.epoch,
    };
    Some(CreateResponseContext::Lease(LeaseContext {
        lease_key: lease.key,
        lease_state: lease.state,
        lease_flags,
        v2: (lease.version == LeaseVersion::V2).then_some(v2),
    }))
}

async fn maximal_access(
    context: &Context,
    open: &Open,
    security: Option<&SecurityDescriptor>,
) -> CreateResponseContext {
    let share_allows = open.tree.maximal_access;
    let Ok(caller) = context.caller() else {
        return CreateResponseContext::MaximalAccess {
            query_status: NtStatus::ACCESS_DENIED,
            maximal_access: AccessMask::NONE,
        };
    };
    let own = security.map_or(AccessMask::FILE_ALL_ACCESS, |security| {
        access::maximal_access(&caller.token, security)
    });
    let from_parent = match open.handle.parent_security().await {
        Ok(Some(parent)) => access::from_parent(&caller.token, &parent),
        _ => AccessMask::NONE,
    };
    CreateResponseContext::MaximalAccess {
        query_status: NtStatus::SUCCESS,
        maximal_access: own.with(from_parent) & share_allows,
    }
}
