//! Binding a session to one more connection. [MS-SMB2] 3.3.5.5
//!
//! Each request of the exchange is checked in full, because the session may change between two of
//! them: its signature before it is decoded (`request/signing.rs`), all else by [`check`] before the
//! mechanism gets its token, and who it is by [`bind`] at the end. A binding that fails leaves the
//! session as it was.

use std::sync::Arc;

use auth::LogonKind;
use bytes::Bytes;
use wire::session_setup::SessionFlags;
use wire::{Dialect, HeaderFlags, NtStatus, SessionSetupRequest};

use super::establish::{Logon, derivation, end_previous};
use super::reauthentication::may_become;
use super::{is_same_user, response};
use crate::commands::Answer;
use crate::commands::negotiate::Negotiated;
use crate::context::Context;
use crate::crypto::{Role, SigningAlgorithm, SigningKey, channel_signing_key};
use crate::session::{Attached, Channel, Session};

/// The session that the request names, if it may be bound to this connection. Its signature has been
/// verified.
///
/// # Errors
/// `REQUEST_NOT_ACCEPTED` where sessions have one channel, or where this connection is one of its
/// channels; `USER_SESSION_DELETED`, `NETWORK_SESSION_EXPIRED`; `NOT_SUPPORTED` for a guest's or
/// nobody's session; `INVALID_PARAMETER` for a request that is not signed, or when the connection
/// protects messages in another way. Where only one side of it signs by GMAC, `NOT_SUPPORTED` or
/// `REQUEST_OUT_OF_SEQUENCE`.
// [MS-SMB2] 3.3.5.5
pub(super) fn check(context: &Context, negotiated: &Negotiated) -> Result<Arc<Session>, NtStatus> {
    let session = context.server.session(context.header.session_id);
    if let Some(session) = &session {
        let there = session.protections.signing_algorithm;
        refuse_half_gmac(there, negotiated.signing_algorithm)?;
    }
    let settings = context.server.settings();
    if !negotiated.is_smb3() || !settings.configuration.server.multichannel {
        return Err(NtStatus::REQUEST_NOT_ACCEPTED);
    }
    // departs [MS-SMB2] 3.3.5.5: a log-on in progress is known to its own connection only; others get
    // what they would get for no session at all
    let session = session.ok_or(NtStatus::USER_SESSION_DELETED)?;
    let (mine, its) = (negotiated.protections(), session.protections);
    if mine.dialect != its.dialect {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // Encryption would stand for the signature of another session on this connection.
    let is_signed = context.header.flags.contains(HeaderFlags::SIGNED);
    if !is_signed || context.sealed_by.is_some() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if session.is_expired(context.server.environment()) {
        return Err(NtStatus::NETWORK_SESSION_EXPIRED);
    }
    if session.is_guest_or_anonymous() {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    if context.connection.session(session.id).is_some() {
        return Err(NtStatus::REQUEST_NOT_ACCEPTED);
    }
    // observed: Windows Server 2022 (smb2.session.bind_negative_smb3encGtoCs); the keys that encrypt
    // are the session's, and made for one cipher
    if mine.cipher != its.cipher {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let is_311 = mine.dialect == Dialect::SMB_3_1_1;
    if is_311 && mine.supports_notifications != its.supports_notifications {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(session)
}

/// Refuses to mix GMAC, which wants a nonce, with algorithms that know none.
// observed: Windows Server 2022 (smb2.session.bind_negative_smb3sign*); before anything else
fn refuse_half_gmac(session: SigningAlgorithm, mine: SigningAlgorithm) -> Result<(), NtStatus> {
    let is_gmac = |algorithm| algorithm == SigningAlgorithm::AesGmac;
    match (is_gmac(session), is_gmac(mine)) {
        (true, false) => Err(NtStatus::REQUEST_OUT_OF_SEQUENCE),
        (false, true) => Err(NtStatus::NOT_SUPPORTED),
        _ => Ok(()),
    }
}

/// Makes the connection a channel of the session, with a signing key of its own.
///
/// # Errors
/// `ACCESS_DENIED` for another user, `USER_SESSION_DELETED`, `INSUFFICIENT_RESOURCES` for too many
/// channels.
// [MS-SMB2] 3.3.5.5.3
pub(super) async fn bind(
    context: &mut Context,
    negotiated: &Negotiated,
    session: Arc<Session>,
    request: &SessionSetupRequest,
    logon: Logon,
    token: Bytes,
) -> Result<Answer, NtStatus> {
    let identity = &logon.identity;
    // departs [MS-SMB2] 3.3.5.5: the status for another user is ACCESS_DENIED, as Windows answers
    if identity.kind != LogonKind::User
        || !is_same_user(&session.identity.load(), identity)
        || !may_become(&session, identity)
    {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let crypto = context.server.crypto;
    let derivation = derivation(negotiated, &logon.preauth);
    let key = channel_signing_key(crypto, derivation, logon.session_key.bytes());
    let algorithm = negotiated.signing_algorithm;
    let channel = Some(Arc::new(Channel {
        session: session.clone(),
        signing_key: SigningKey::new(crypto, algorithm, &key, Role::Server),
    }));
    let attached = Attached {
        session: session.clone(),
        channel: channel.clone(),
    };
    let most = context.server.limits().channels_per_session;
    // departs [MS-SMB2] 3.3.5.5.3: whether messages must be signed was settled with the session; a client
    // that insists on it only here signs what it sends
    context.connection.attach(attached.clone(), most)?;
    end_previous(context, &session, request.previous_session_id).await;
    context.use_session(attached);
    context.sign_by(channel);
    Ok(response(SessionFlags::NONE, token).into())
}
