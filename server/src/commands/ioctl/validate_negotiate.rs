//! FSCTL_VALIDATE_NEGOTIATE_INFO. [MS-SMB2] 3.3.5.15.12

use bytes::{Bytes, BytesMut};
use wire::fscc::fsctl_data::{ValidateNegotiateRequest, ValidateNegotiateResponse};
use wire::{Dialect, IoctlRequest, NtStatus, Writer};

use crate::commands::negotiate::Negotiated;
use crate::context::Context;
use crate::disconnect::DisconnectReason;

/// The size of the reply, in bytes. [MS-SMB2] 2.2.32.6
const RESPONSE_SIZE: u32 = 24;

/// Confirms what was negotiated, under a signature; ends the connection if it was something else.
pub(super) fn run(context: &mut Context, request: &IoctlRequest) -> Result<Bytes, NtStatus> {
    let negotiated = context.negotiated()?.clone();
    // Before 3.0 there is no such code.
    if !negotiated.is_smb3() {
        return Err(NtStatus::FILE_CLOSED);
    }
    let sent = ValidateNegotiateRequest::decode(&request.input)
        .map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let is_311 = negotiated.dialect == Dialect::SMB_3_1_1;
    if is_311 || request.max_output_response < RESPONSE_SIZE || !agrees(&negotiated, &sent) {
        context.disconnect(DisconnectReason::DowngradeDetected);
        return Err(NtStatus::ACCESS_DENIED);
    }
    let response = ValidateNegotiateResponse {
        capabilities: negotiated.server_capabilities.bits(),
        guid: context.server.guid,
        security_mode: negotiated.server_security_mode.bits(),
        dialect: negotiated.dialect.0,
    };
    let mut out = BytesMut::new();
    response.encode(&mut Writer::new(&mut out));
    Ok(out.freeze())
}

fn agrees(negotiated: &Negotiated, sent: &ValidateNegotiateRequest) -> bool {
    let dialects: Vec<u16> = negotiated
        .client_dialects
        .iter()
        .map(|dialect| dialect.0)
        .collect();
    sent.dialects == dialects
        && sent.guid == negotiated.client_guid
        && sent.security_mode == negotiated.client_security_mode.bits()
        && sent.capabilities == negotiated.client_capabilities.bits()
}
