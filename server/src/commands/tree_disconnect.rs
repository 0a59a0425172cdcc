//! TREE_DISCONNECT. [MS-SMB2] 3.3.5.8

use wire::{NtStatus, Response, TreeDisconnectResponse};

use super::{Answer, teardown};
use crate::context::Context;

/// Closes what is open on the tree connect and frees it.
///
/// # Errors
/// None once the tree connect is found.
pub async fn run(context: &mut Context) -> Result<Answer, NtStatus> {
    let session = context.session()?.clone();
    let id = context.tree()?.id;
    teardown::tree_connect(&context.server, &session, id).await;
    Ok(Response::TreeDisconnect(TreeDisconnectResponse).into())
}
