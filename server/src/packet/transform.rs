//! Decrypting a received frame in place.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use wire::SessionId;
use wire::transform::{TransformFlags, TransformHeader};

use crate::disconnect::DisconnectReason;
use crate::session::Session;

/// Decrypts `frame` in place with the keys of the session that `find` knows, and leaves the
/// inner message in it. Returns the session.
///
/// # Errors
/// `MalformedTransform` and `TamperedMessage`.
// [MS-SMB2] 3.3.5.2.1.1
pub(crate) fn open(
    frame: &mut BytesMut,
    find: impl FnOnce(SessionId) -> Option<Arc<Session>>,
) -> Result<Arc<Session>, DisconnectReason> {
    let header =
        TransformHeader::decode(frame).map_err(|_| DisconnectReason::MalformedTransform)?;
    if frame.len() <= TransformHeader::SIZE || !header.flags.contains(TransformFlags::ENCRYPTED) {
        return Err(DisconnectReason::MalformedTransform);
    }
    let inner = frame.len().saturating_sub(TransformHeader::SIZE);
    if usize::try_from(header.original_message_size) != Ok(inner) {
        return Err(DisconnectReason::MalformedTransform);
    }
    let session = find(header.session_id).ok_or(DisconnectReason::MalformedTransform)?;
    let key = session
        .opening_key()
        .ok_or(DisconnectReason::MalformedTransform)?;
    key.open_frame(frame)
        .map_err(|_| DisconnectReason::TamperedMessage)?;
    frame.advance(TransformHeader::SIZE);
    Ok(session)
}
