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
    session.tree_connects.lock().trees.remove(&id);
    let opens = session.opens.take_matching(|open| open.tree.id == id);
    teardown::opens(&context.server, opens).await;
    Ok(Response::TreeDisconnect(TreeDisconnectResponse).into())
}
