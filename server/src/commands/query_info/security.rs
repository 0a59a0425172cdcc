//! QUERY_INFO of a security descriptor. [MS-SMB2] 3.3.5.20.3

use bytes::BytesMut;
use wire::fscc::Fit;
use wire::{Dialect, NtStatus, QueryInfoRequest, Writer};

use super::{answer, short_of_room};
use crate::access::needed_to_read;
use crate::commands::Answer;
use crate::open::Open;

/// Answers the parts of the descriptor that were asked for.
pub(super) async fn query(
    open: &Open,
    request: &QueryInfoRequest,
    dialect: Dialect,
) -> Result<Answer, NtStatus> {
    let parts = request.security_information();
    open.require(needed_to_read(parts))?;
    let descriptor = open.handle.security(parts).await?;
    let mut out = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut out));
    let room = usize::try_from(request.output_buffer_length).unwrap_or_default();
    if out.len() > room {
        let needed = u32::try_from(out.len()).unwrap_or(u32::MAX);
        return Ok(short_of_room(
            NtStatus::BUFFER_TOO_SMALL,
            Some(needed),
            dialect,
        ));
    }
    Ok(answer(out.freeze(), Fit::Whole))
}
