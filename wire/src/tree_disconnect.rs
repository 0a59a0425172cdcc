//! TREE_DISCONNECT, [MS-SMB2] 2.2.11 and 2.2.12.

use crate::empty::empty_body;

empty_body! {
    /// Asks to end the tree connect of the header.
    TreeDisconnectRequest, "TREE_DISCONNECT request"
}

empty_body! {
    /// The tree connect is ended.
    TreeDisconnectResponse, "TREE_DISCONNECT response"
}
