//! What access a CREATE is granted.

use wire::NtStatus;
use wire::dtyp::AccessMask;
use wire::fscc::FileAttributes;

use super::plan::Plan;
use crate::access;
use crate::share::{Caller, Disposition, Opened};
use crate::tree_connect::TreeConnect;

/// Refuses what the share or a missing privilege forbids, before anything is opened or made. Whoever
/// may not write to the share makes nothing there: what it opens must exist.
///
/// # Errors
/// `ACCESS_DENIED`, `PRIVILEGE_NOT_HELD`.
// [MS-SMB2] 3.3.5.9
pub(super) fn limit(tree: &TreeConnect, caller: &Caller, plan: &mut Plan) -> Result<(), NtStatus> {
    let share_allows = share_allows(tree);
    let desired = plan.how.desired_access;
    if !share_allows.contains(desired.without(AccessMask::MAXIMUM_ALLOWED)) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let may_create = plan.how.disposition != Disposition::Existing;
    // [MS-FSA] 2.1.5.1.1
    if may_create && desired.contains(AccessMask::ACCESS_SYSTEM_SECURITY) {
        access::check_system_security(&caller.token)?;
    }
    if may_create && !share_allows.contains(AccessMask::FILE_WRITE_DATA) {
        if plan.how.disposition == Disposition::New || plan.how.overwrite {
            return Err(NtStatus::ACCESS_DENIED);
        }
        plan.how.disposition = Disposition::Existing;
        plan.if_missing = NtStatus::ACCESS_DENIED;
    }
    Ok(())
}

fn share_allows(tree: &TreeConnect) -> AccessMask {
    tree.maximal_access
        .with(AccessMask::SYNCHRONIZE)
        .with(AccessMask::ACCESS_SYSTEM_SECURITY)
}

/// Decides the access of an open by the share, the object's descriptor and its attributes.
///
/// # Errors
/// `ACCESS_DENIED`, `PRIVILEGE_NOT_HELD`, `CANNOT_DELETE`.
// [MS-FSA] 2.1.5.1.2.1
pub(super) async fn grant(
    tree: &TreeConnect,
    caller: &Caller,
    plan: &Plan,
    opened: &Opened,
) -> Result<AccessMask, NtStatus> {
    let is_read_only = opened.stat.attributes.contains(FileAttributes::READONLY)
        && !opened.stat.is_directory()
        && !opened.created;
    if is_read_only && plan.deletes_on_close() {
        return Err(NtStatus::CANNOT_DELETE);
    }
    let desired = plan.how.desired_access;
    let needed = desired
        .without(AccessMask::MAXIMUM_ALLOWED)
        .with(implied(plan, opened));
    let share_allows = share_allows(tree);
    if !share_allows.contains(needed) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let granted = if opened.created {
        // [MS-FSA] 2.1.5.1.1
        // Whoever creates an object has what it asked for.
        created_access(desired)
    } else {
        let checked = desired.with(implied(plan, opened));
        let allowed = existing_access(caller, checked, plan, opened).await?;
        // What the disposition needs is not granted to the open.
        if desired.contains(AccessMask::MAXIMUM_ALLOWED) {
            allowed
        } else {
            needed & desired
        }
    };
    let granted = if desired.contains(AccessMask::MAXIMUM_ALLOWED) {
        granted & share_allows
    } else {
        granted
    };
    let writes = AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA);
    if is_read_only && needed.intersects(writes) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(if is_read_only {
        granted.without(writes)
    } else {
        granted
    })
}

/// The access that replacing what exists needs besides what was asked for.
// [MS-FSA] 2.1.5.1.2
fn implied(plan: &Plan, opened: &Opened) -> AccessMask {
    if !plan.how.overwrite || opened.created {
        return AccessMask::NONE;
    }
    let contents = if plan.supersede {
        AccessMask::DELETE
    } else {
        AccessMask::FILE_WRITE_DATA
    };
    // A named stream has no attributes of its own to lose.
    if opened.stream.is_some() {
        contents
    } else {
        contents
            .with(AccessMask::FILE_WRITE_EA)
            .with(AccessMask::FILE_WRITE_ATTRIBUTES)
    }
}

fn created_access(desired: AccessMask) -> AccessMask {
    let all = if desired.contains(AccessMask::MAXIMUM_ALLOWED) {
        AccessMask::FILE_ALL_ACCESS
    } else {
        AccessMask::NONE
    };
    desired.without(AccessMask::MAXIMUM_ALLOWED).with(all)
}

/// Checks the object's descriptor, and the parent's for what a parent may grant.
// [MS-FSA] 2.1.5.1.2.1
async fn existing_access(
    caller: &Caller,
    desired: AccessMask,
    plan: &Plan,
    opened: &Opened,
) -> Result<AccessMask, NtStatus> {
    let token = &caller.token;
    let Some(security) = &opened.security else {
        return access::resolve(token, AccessMask::FILE_ALL_ACCESS, desired);
    };
    let mut allowed = access::maximal_access(token, security);
    if plan.how.backup_intent {
        allowed |= access::by_backup_intent(token);
    }
    let parent_may_grant = AccessMask::DELETE.with(AccessMask::FILE_READ_ATTRIBUTES);
    let wants_all = desired.contains(AccessMask::MAXIMUM_ALLOWED);
    let missing = parent_may_grant.without(allowed);
    let asks_parent = desired.intersects(missing) || wants_all && !missing.is_empty();
    if asks_parent && let Some(parent) = opened.handle.parent_security().await? {
        allowed |= access::from_parent(token, &parent);
    }
    access::resolve(token, allowed, desired)
}
