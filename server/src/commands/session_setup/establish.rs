//! Making a session of a log-on that has succeeded. [MS-SMB2] 3.3.5.5.3

use std::sync::Arc;

use auth::{Identity, SessionKey};
use bytes::Bytes;
use config::Encryption;
use wire::negotiate::SecurityMode;
use wire::session_setup::SessionFlags;
use wire::{Dialect, NtStatus, SessionId, SessionSetupRequest};

use super::{is_same_user, response, session_flags};
use crate::commands::Answer;
use crate::commands::negotiate::Negotiated;
use crate::commands::teardown::{self, Ending};
use crate::context::Context;
use crate::crypto::{
    Derivation, OpeningKey, PreauthHash, Role, SealingKey, SessionKeys, SigningKey,
};
use crate::session::{Attached, Channel, Session, SessionFacts, SessionKeyring};

/// What a finished log-on left.
pub(super) struct Logon {
    pub(super) id: SessionId,
    pub(super) identity: Identity,
    pub(super) session_key: SessionKey,
    pub(super) preauth: PreauthHash,
}

/// Makes the session.
// [MS-SMB2] 3.3.5.5.3
pub(super) async fn establish(
    context: &mut Context,
    negotiated: &Negotiated,
    request: &SessionSetupRequest,
    logon: Logon,
    token: Bytes,
) -> Result<Answer, NtStatus> {
    let server = context.server.clone();
    let kind = logon.identity.kind;
    let keys = kind.can_sign().then(|| {
        let derivation = derivation(negotiated, &logon.preauth);
        let key = logon.session_key.bytes();
        SessionKeys::derive(server.crypto, derivation, key, negotiated.cipher)
    });
    let encrypt_data = must_encrypt(context, negotiated, &logon.identity)?;
    let signing_key = keys.as_ref().map(|keys| {
        SigningKey::new(
            server.crypto,
            negotiated.signing_algorithm,
            &keys.signing,
            Role::Server,
        )
    });
    let session = Arc::new(Session::new(SessionFacts {
        id: logon.id,
        protections: negotiated.protections(),
        client_guid: negotiated.client_guid,
        creation_time: server.environment().wall_clock(),
        identity: logon.identity,
        signing_required: wants_signing(negotiated, request) && keys.is_some(),
        encrypt_data,
        keys: keys.map(|keys| keyring(context, &keys, logon.session_key)),
    }));
    if !server.insert_session(&session) {
        return Err(NtStatus::INSUFFICIENT_RESOURCES);
    }
    // [MS-SMB2] 3.3.5.5.1
    session.note_request(context.begun());
    end_previous(context, &session, request.previous_session_id).await;
    let channel = signing_key.map(|signing_key| {
        Arc::new(Channel {
            session: session.clone(),
            signing_key,
        })
    });
    let attached = Attached {
        session: session.clone(),
        channel: channel.clone(),
    };
    let most = server.limits().channels_per_session;
    if let Err(status) = context.connection.attach(attached.clone(), most) {
        teardown::session(&server, &session, Ending::Left).await;
        return Err(status);
    }
    context.use_session(attached);
    context.sign_by(channel);
    let mut flags = session_flags(kind);
    if encrypt_data {
        flags |= SessionFlags::ENCRYPT_DATA;
    }
    Ok(response(flags, token).into())
}

/// What the keys of a log-on are derived with.
pub(super) fn derivation<'h>(negotiated: &Negotiated, preauth: &'h PreauthHash) -> Derivation<'h> {
    match negotiated.dialect {
        Dialect::SMB_3_1_1 => Derivation::Smb311(preauth),
        dialect if dialect >= Dialect::SMB_3_0 => Derivation::Smb30,
        _ => Derivation::Smb2,
    }
}

/// Whether one of both sides insists on signatures.
fn wants_signing(negotiated: &Negotiated, request: &SessionSetupRequest) -> bool {
    [
        request.security_mode,
        negotiated.client_security_mode,
        negotiated.server_security_mode,
    ]
    .into_iter()
    .any(|mode| mode.contains(SecurityMode::SIGNING_REQUIRED))
}

/// Whether the session's requests must come encrypted.
fn must_encrypt(
    context: &Context,
    negotiated: &Negotiated,
    identity: &Identity,
) -> Result<bool, NtStatus> {
    let settings = context.server.settings();
    let wanted = settings.configuration.server.encryption;
    let account_demands = identity
        .account
        .as_ref()
        .is_some_and(|account| account.must_encrypt);
    let can = negotiated.cipher.is_some() && identity.kind.can_sign();
    let must = wanted == Encryption::Required || account_demands;
    if must && !can {
        tracing::info!(
            target: "smb::authentication",
            user = %identity.user,
            "refused: encryption is required, and this client or log-on cannot encrypt"
        );
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(can && (must || wanted == Encryption::Desired))
}

fn keyring(context: &Context, keys: &SessionKeys, session_key: SessionKey) -> SessionKeyring {
    let crypto = context.server.crypto;
    let mut seed = [0; 12];
    context.server.environment().fill_random(&mut seed);
    let sealing = keys.encryption.as_ref().zip(keys.decryption.as_ref());
    SessionKeyring {
        signing_key: keys.signing.clone(),
        application_key: keys.application.clone(),
        session_key,
        sealing: sealing.map(|(encryption, decryption)| {
            (
                SealingKey::new(crypto, encryption, seed),
                OpeningKey::new(crypto, decryption),
            )
        }),
    }
}

/// Closes the session that the client lost, if it was the same user's.
// [MS-SMB2] 3.3.5.5.3
pub(super) async fn end_previous(context: &Context, session: &Session, previous: SessionId) {
    if previous == SessionId(0) || previous == session.id {
        return;
    }
    let Some(old) = context.server.session(previous) else {
        return;
    };
    if is_same_user(&session.identity.load(), &old.identity.load()) {
        teardown::session(&context.server, &old, Ending::Left).await;
    }
}
