//! Verifying the signatures of requests.

use std::sync::Arc;

use bytes::BytesMut;
use wire::{Command, Header, HeaderFlags, NtStatus, SessionSetupRequest};

use crate::connection::ConnectionState;
use crate::context::Context;
use crate::crypto::{Role, SigningKey};
use crate::session::Channel;

/// Verifies a request's signature, or that it may do without one.
///
/// # Errors
/// `ACCESS_DENIED` for a wrong or missing signature, `USER_SESSION_DELETED` for one of an unknown
/// session, `NOT_SUPPORTED` where there is no key, `INVALID_PARAMETER` for a signed NEGOTIATE.
// [MS-SMB2] 3.3.5.2.4
pub(super) fn verify(
    context: &mut Context,
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
    let is_setup = command == Command::SessionSetup;
    let Some(attached) = attached else {
        if is_setup && SessionSetupRequest::asks_to_bind(message) {
            return verify_by_session(context, message);
        }
        sign_refusal(context, message);
        return Err(NtStatus::USER_SESSION_DELETED);
    };
    let channel = attached.channel.ok_or(NtStatus::NOT_SUPPORTED)?;
    if is_setup {
        // departs [MS-SMB2] 3.3.4.1.1: where there is a channel its key signs replies that do not end
        // the log-on, too; clients check those that do
        context.sign_by(Some(channel.clone()));
    }
    channel
        .signing_key
        .verify_in_place(message)
        .map_err(|_| NtStatus::ACCESS_DENIED)
}

/// Verifies that whoever sent a request knows the key of a session that this connection is no channel
/// of. The key signs the reply too: it is all that both sides share.
///
/// # Errors
/// `USER_SESSION_DELETED`, `NOT_SUPPORTED` for a session without keys, `ACCESS_DENIED` for a wrong
/// signature.
// [MS-SMB2] 3.3.5.2.4
fn verify_by_session(context: &mut Context, message: &mut BytesMut) -> Result<(), NtStatus> {
    let session = context.server.session(context.header.session_id);
    let session = session.ok_or(NtStatus::USER_SESSION_DELETED)?;
    let keys = session.keys.as_ref().ok_or(NtStatus::NOT_SUPPORTED)?;
    let signing_key = SigningKey::new(
        context.server.crypto,
        session.protections.signing_algorithm,
        &keys.signing_key,
        Role::Server,
    );
    signing_key
        .verify_in_place(message)
        .map_err(|_| NtStatus::ACCESS_DENIED)?;
    // [MS-SMB2] 3.3.4.1.1
    context.sign_by(Some(Arc::new(Channel {
        session,
        signing_key,
    })));
    Ok(())
}

/// Signs the refusal of a request whose session is not used on this connection, or no longer, if the
/// client knows its key: it may believe nothing else.
// observed: Windows Server 2022 (smb2.session.bind2, smb2.session.bind_invalid_auth)
pub(super) fn sign_refusal(context: &mut Context, message: &mut BytesMut) {
    let is_signed = context.header.flags.contains(HeaderFlags::SIGNED);
    if !is_signed || context.sealed_by.is_some() {
        return;
    }
    match context.connection.ended_channel(context.header.session_id) {
        Some(channel) if channel.signing_key.verify_in_place(message).is_ok() => {
            context.sign_by(Some(channel));
        }
        Some(_) => {}
        // It is refused whether it is signed well or not.
        None => drop(verify_by_session(context, message)),
    }
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
