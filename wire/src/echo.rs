//! ECHO, [MS-SMB2] 2.2.28 and 2.2.29.

use crate::empty::empty_body;

empty_body! {
    /// Asks whether the server is there.
    EchoRequest, "ECHO request"
}

empty_body! {
    /// It is.
    EchoResponse, "ECHO response"
}
