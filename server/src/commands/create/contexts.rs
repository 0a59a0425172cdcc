//! The contexts of a CREATE reply: what the client asked to be told.

use wire::NtStatus;
use wire::create::{CreateResponseContext, LeaseContext, LeaseContextV2, LeaseFlags};
use wire::dtyp::AccessMask;

use super::plan::Plan;
use crate::access;
use crate::context::Context;
use crate::object_store::{GrantedCaching, LeaseGrant, LeaseVersion};
use crate::open::Open;
use crate::share::{FileStat, Opened};

/// Answers each context that wants an answer.
pub(super) async fn answer(
    context: &Context,
    plan: &Plan,
    opened: &Opened,
    open: &Open,
    stat: &FileStat,
    caching: GrantedCaching,
) -> Vec<CreateResponseContext> {
    let mut answered = Vec::new();
    // [MS-SMB2] 3.3.5.9.5
    if let Some(timestamp) = plan.maximal_access {
        answered.push(if timestamp == Some(stat.last_write_time) {
            CreateResponseContext::MaximalAccess {
                query_status: NtStatus::NONE_MAPPED,
                maximal_access: AccessMask::NONE,
            }
        } else {
            maximal_access(context, opened, open).await
        });
    }
    // [MS-SMB2] 3.3.5.9.9
    if plan.on_disk_id {
        let volume_id = opened.handle.object().volume;
        answered.push(CreateResponseContext::OnDiskId {
            disk_file_id: stat.file_id,
            volume_id,
        });
    }
    // [MS-SMB2] 3.3.5.9.8
    if let GrantedCaching::Lease(lease) = caching {
        answered.push(self::lease(lease));
    }
    answered.extend(plan.wish.answer(open));
    answered
}

/// What a client is told of its lease.
pub(super) fn lease(lease: LeaseGrant) -> CreateResponseContext {
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
    CreateResponseContext::Lease(LeaseContext {
        lease_key: lease.key,
        lease_state: lease.state,
        lease_flags,
        v2: (lease.version == LeaseVersion::V2).then_some(v2),
    })
}

async fn maximal_access(context: &Context, opened: &Opened, open: &Open) -> CreateResponseContext {
    let share_allows = open.tree.maximal_access;
    let Ok(caller) = context.caller() else {
        return CreateResponseContext::MaximalAccess {
            query_status: NtStatus::ACCESS_DENIED,
            maximal_access: AccessMask::NONE,
        };
    };
    let own = opened
        .security
        .as_ref()
        .map_or(AccessMask::FILE_ALL_ACCESS, |security| {
            access::maximal_access(&caller.token, security)
        });
    let from_parent = match opened.handle.parent_security().await {
        Ok(Some(parent)) => access::from_parent(&caller.token, &parent),
        _ => AccessMask::NONE,
    };
    CreateResponseContext::MaximalAccess {
        query_status: NtStatus::SUCCESS,
        maximal_access: own.with(from_parent) & share_allows,
    }
}
