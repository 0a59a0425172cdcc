//! FSCTL_LMR_REQUEST_RESILIENCY: an open that its client can find again whoever needs the file.

use std::time::Duration;

use bytes::Bytes;
use wire::fscc::fsctl_data::ResiliencyRequest;
use wire::{Dialect, NtStatus};

use crate::context::Context;
use crate::open::Open;
use crate::share::ShareKind;

/// How long a resilient open waits when the client leaves that to the server. [MS-SMB2] note 401: 120 s in
/// Windows.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Makes an open resilient.
///
/// # Errors
/// `INVALID_DEVICE_REQUEST` in dialect 2.0.2 and for what is no file; `NOT_SUPPORTED` where the
/// configuration has none; `INVALID_PARAMETER` for a time that is longer than it allows.
// [MS-SMB2] 3.3.5.15.9
pub(super) fn request(context: &Context, open: &Open, input: &[u8]) -> Result<Bytes, NtStatus> {
    let negotiated = context.connection.negotiated();
    let is_known = negotiated.is_some_and(|it| it.dialect != Dialect::SMB_2_0_2);
    if !is_known || open.tree.share.features().kind != ShareKind::Disk {
        return Err(NtStatus::INVALID_DEVICE_REQUEST);
    }
    let longest = context.server.limits().resiliency_timeout;
    if longest.is_zero() {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let request = ResiliencyRequest::decode(input).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let asked = Duration::from_millis(request.timeout_ms.into());
    if asked.as_secs() > longest.as_secs() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let timeout = if asked.is_zero() {
        TIMEOUT.min(longest)
    } else {
        asked
    };
    let mut state = open.state.lock();
    state.durability = state.durability.made_resilient(timeout);
    Ok(Bytes::new())
}
