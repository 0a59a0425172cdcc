//! CANCEL, [MS-SMB2] 2.2.30. There is no response.

use crate::empty::empty_body;

empty_body! {
    /// Asks to end the request that the header names by its AsyncId or MessageId.
    CancelRequest, "CANCEL request"
}
