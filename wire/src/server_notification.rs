//! SERVER_TO_CLIENT_NOTIFICATION, [MS-SMB2] 2.2.44: what a server of 3.1.1 tells unasked.

use bytes::Bytes;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// What the server tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerToClientNotification {
    /// The session of the header is closed, [MS-SMB2] 2.2.44.2.
    SessionClosed,
}

impl Decode for ServerToClientNotification {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("SERVER_TO_CLIENT notification", message, STRUCTURE_SIZE)?;
        // Reserved (2 bytes).
        body.skip(2)?;
        if body.u32()? != SESSION_CLOSED {
            return Err(body.error_in("NotificationType"));
        }
        // Reserved (4 bytes).
        body.skip(4)?;
        Ok(Self::SessionClosed)
    }
}

impl Encode for ServerToClientNotification {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self::SessionClosed = self;
        out.u16(STRUCTURE_SIZE);
        out.u16(0);
        out.u32(SESSION_CLOSED);
        out.u32(0);
    }
}

// [MS-SMB2] 2.2.44.1
const STRUCTURE_SIZE: u16 = 12;
const SESSION_CLOSED: u32 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{check_vector, codec_tests};

    #[test]
    fn a_closed_session_is_told_in_twelve_bytes() {
        check_vector(
            "0c00 0000 00000000 00000000",
            &ServerToClientNotification::SessionClosed,
        );
    }

    codec_tests!(
        ServerToClientNotification,
        [12],
        Just(ServerToClientNotification::SessionClosed)
    );
}
