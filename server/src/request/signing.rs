//! Verifying the signatures of requests.

use bytes::BytesMut;
use wire::{Command, Header, HeaderFlags, NtStatus};

use crate::connection::ConnectionState;
use crate::context::Context;

/// Verifies a request's signature, or that it may do without one.
///
/// # Errors
/// `ACCESS_DENIED` for a wrong or missing signature, `USER_SESSION_DELETED` for one of an unknown
/// session, `NOT_SUPPORTED` where there is no key, `INVALID_PARAMETER` for a signed NEGOTIATE.
// [MS-SMB2] 3.3.5.2.4
pub(super) fn verify(
    context: &Context,
    command: Command,
    message: &mut BytesMut,
) -> Result<(), NtStatus> {
    if context.sealed_by.is_some() {
        return Ok(());
    }
    let is_signed = context.header.flags.contains(HeaderFlags::SIGNED);
    if command == Command::Negotiate {
        return if is_signed {
            Err(NtStatus::INVALID_PARAMETER)
        } else {
            Ok(())
        };
    }
    let session_id = context
        .session
        .as_ref()
        .map_or(context.header.session_id, |session| session.id);
    let attached = context.connection.session(session_id);
    if !is_signed {
        let must_sign = attached.is_some_and(|attached| attached.session.signing_required);
        return if must_sign {
            Err(NtStatus::ACCESS_DENIED)
        } else {
            Ok(())
        };
    }
    let attached = attached.ok_or(NtStatus::USER_SESSION_DELETED)?;
    let channel = attached.channel.ok_or(NtStatus::NOT_SUPPORTED)?;
    channel
        .signing_key
        .verify_in_place(message)
        .map_err(|_| NtStatus::ACCESS_DENIED)
}

/// Whether a CANCEL is from whom it says.
pub(super) fn is_authentic(
    connection: &ConnectionState,
    header: &Header,
    message: &mut BytesMut,
) -> bool {
    let Some(attached) = connection.session(header.session_id) else {
        return false;
    };
    if !header.flags.contains(HeaderFlags::SIGNED) {
        return !attached.session.signing_required && !attached.session.encrypt_data;
    }
    attached
        .channel
        .is_some_and(|channel| channel.signing_key.verify_in_place(message).is_ok())
}
