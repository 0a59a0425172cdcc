//! LOGOFF, [MS-SMB2] 2.2.7 and 2.2.8.

use crate::empty::empty_body;

empty_body! {
    /// Asks to end the session of the header.
    LogoffRequest, "LOGOFF request"
}

empty_body! {
    /// The session is ended.
    LogoffResponse, "LOGOFF response"
}
