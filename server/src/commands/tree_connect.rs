//! TREE_CONNECT. [MS-SMB2] 3.3.5.7

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use config::{Access, Caching, Oplocks};
use wire::dtyp::AccessMask;
use wire::tree_connect::{ShareCapabilities, ShareFlags, ShareType};
use wire::{
    Dialect, HeaderFlags, NtStatus, Response, TreeConnectRequest, TreeConnectResponse, Utf16String,
};

use super::Answer;
use crate::context::Context;
use crate::disconnect::DisconnectReason;
use crate::persistence;
use crate::server::Server;
use crate::session::Session;
use crate::share::{Caller, LogOnFacts, Share, ShareKind};
use crate::tree_connect::TreeConnect;

/// Connects the session to the share that the path names.
///
/// # Errors
/// `INVALID_PARAMETER` for what is no UNC path, `BAD_NETWORK_NAME`, `ACCESS_DENIED`,
/// `REQUEST_NOT_ACCEPTED` when the share has all the users it may have, `USER_SESSION_DELETED` when
/// the session has ended meanwhile, `INSUFFICIENT_RESOURCES` when the session has all the tree connects it may have.
pub fn run(context: &mut Context, request: &TreeConnectRequest) -> Result<Answer, NtStatus> {
    let session = context.session()?.clone();
    refuse_unprotected(context, &session)?;
    let share_name = share_name(&request.path)?;
    let share = {
        let settings = context.server.settings();
        settings
            .shares
            .find(&share_name)
            .cloned()
            .ok_or(NtStatus::BAD_NETWORK_NAME)?
    };
    let dialect = context.negotiated()?.dialect;
    if share.encrypt_data() && session.sealing_key().is_none() {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let facts = Arc::new(session.log_on_facts(&session.identity.load()));
    let (caller, maximal_access) = admit(&context.server, &share, facts)?;
    if !share.acquire_use() {
        return Err(NtStatus::REQUEST_NOT_ACCEPTED);
    }
    let most = context.server.limits().tree_connects_per_session;
    let mut table = session.tree_connects.lock();
    let tree = Arc::new(TreeConnect {
        id: table.next_id(),
        share: share.clone(),
        maximal_access,
        creation_time: context.server.environment().wall_clock(),
        caller: ArcSwap::from_pointee(caller),
        in_use: AtomicBool::new(true),
    });
    table.insert(tree.clone(), most)?;
    drop(table);
    context.related.tree_id = Some(tree.id);
    context.tree = Some(tree);
    let response = TreeConnectResponse {
        share_type: share_type(&share),
        share_flags: share_flags(&share, dialect),
        capabilities: capabilities(&context.server, &share, dialect),
        maximal_access,
    };
    Ok(Response::TreeConnect(response).into())
}

/// [MS-SMB2] 3.3.5.7: under 3.1.1 a user's TREE_CONNECT must be signed or encrypted.
fn refuse_unprotected(context: &mut Context, session: &Session) -> Result<(), NtStatus> {
    let is_protected =
        context.sealed_by.is_some() || context.header.flags.contains(HeaderFlags::SIGNED);
    let is_311 = session.protections.dialect == Dialect::SMB_3_1_1;
    if is_311 && !is_protected && !session.is_guest_or_anonymous() {
        context.disconnect(DisconnectReason::UnprotectedTreeConnect);
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(())
}

/// The share in `\\server\share`. [MS-SMB2] 2.2.9
fn share_name(path: &Utf16String) -> Result<String, NtStatus> {
    let path = path.to_string_lossy();
    let rest = path
        .strip_prefix("\\\\")
        .ok_or(NtStatus::INVALID_PARAMETER)?;
    let (host, share) = rest.split_once('\\').ok_or(NtStatus::INVALID_PARAMETER)?;
    if host.is_empty() || share.is_empty() || share.contains('\\') {
        return Err(NtStatus::BAD_NETWORK_NAME);
    }
    Ok(share.to_owned())
}

/// Who somebody is on a share, and what the share lets them do at most.
///
/// # Errors
/// `ACCESS_DENIED`, and what the host's users say.
pub(crate) fn admit(
    server: &Server,
    share: &Share,
    facts: Arc<LogOnFacts>,
) -> Result<(Caller, AccessMask), NtStatus> {
    let maximal_access = maximal_access(share, share.access(&facts.identity))?;
    let mut caller = server.identities().caller(&facts.identity, share)?;
    caller.log_on = Some(facts);
    share.handler.admit(&caller)?;
    let maximal_access = share.permit(maximal_access, &caller.token)?;
    Ok((caller, maximal_access))
}

/// What the share lets somebody with this access do at most.
///
/// # Errors
/// `ACCESS_DENIED`.
pub(crate) fn maximal_access(share: &Share, access: Access) -> Result<AccessMask, NtStatus> {
    match access {
        Access::Denied => Err(NtStatus::ACCESS_DENIED),
        Access::Full if !share.features().read_only => Ok(AccessMask::FILE_ALL_ACCESS),
        Access::Full | Access::Read => {
            Ok(AccessMask::FILE_GENERIC_READ.with(AccessMask::FILE_GENERIC_EXECUTE))
        }
    }
}

fn share_type(share: &Share) -> ShareType {
    match share.features().kind {
        ShareKind::Disk => ShareType::DISK,
        ShareKind::Pipe => ShareType::PIPE,
        ShareKind::Print => ShareType::PRINT,
    }
}

// [MS-SMB2] 3.3.5.7
fn capabilities(server: &Server, share: &Share, dialect: Dialect) -> ShareCapabilities {
    let is_available = share.is_continuously_available() && persistence::is_possible(server);
    if is_available && dialect >= Dialect::SMB_3_0 {
        ShareCapabilities::CONTINUOUS_AVAILABILITY
    } else {
        ShareCapabilities::NONE
    }
}

fn share_flags(share: &Share, dialect: Dialect) -> ShareFlags {
    let mut flags = match share.caching() {
        Caching::Manual => ShareFlags::NONE,
        Caching::Documents => ShareFlags::AUTO_CACHING,
        Caching::Programs => ShareFlags::VDO_CACHING,
        Caching::Never => ShareFlags::NO_CACHING,
    };
    let is_disk = share.features().kind == ShareKind::Disk;
    if !is_disk {
        flags = ShareFlags::NO_CACHING;
    }
    if share.settings.access_based_enumeration {
        flags |= ShareFlags::ACCESS_BASED_DIRECTORY_ENUM;
    }
    if share.settings.oplocks != Oplocks::All && is_disk {
        flags |= ShareFlags::FORCE_LEVELII_OPLOCK;
    }
    if share.encrypt_data() && dialect >= Dialect::SMB_3_0 {
        flags |= ShareFlags::ENCRYPT_DATA;
    }
    flags
}
