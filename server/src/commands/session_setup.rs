//! SESSION_SETUP. [MS-SMB2] 3.3.5.5

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use auth::{AcceptFacts, AuthError, Identity, LogonKind, SessionKey, Step};
use bytes::Bytes;
use config::Encryption;
use wire::negotiate::SecurityMode;
use wire::session_setup::{SessionFlags, SessionSetupFlags};
use wire::{Dialect, NtStatus, Response, SessionId, SessionSetupRequest, SessionSetupResponse};

use super::negotiate::Negotiated;
use super::{Answer, teardown};
use crate::context::{Context, HashTarget};
use crate::crypto::{
    Derivation, OpeningKey, PreauthHash, Role, SealingKey, SessionKeys, SigningKey,
};
use crate::session::{Attached, Channel, Purpose, Session, SessionFacts, SessionKeyring, Setup};

/// Takes the client's next token; at the end there is a session, or renewed rights for one.
///
/// # Errors
/// What the mechanism says (`LOGON_FAILURE` and the like), `USER_SESSION_DELETED` for an unknown
/// session, `REQUEST_NOT_ACCEPTED` for binding, `ACCESS_DENIED` where encryption is required and
/// cannot be, `INSUFFICIENT_RESOURCES` for too many sessions.
pub async fn run(
    context: &mut Context,
    request: SessionSetupRequest,
    message: &Bytes,
) -> Result<Answer, NtStatus> {
    let negotiated = context
        .connection
        .negotiated()
        .ok_or(NtStatus::INVALID_PARAMETER)?
        .clone();
    refuse_clear_dialects(context, &negotiated)?;
    // [MS-SMB2] 3.3.5.5
    // Sessions have one channel here.
    if request.flags.contains(SessionSetupFlags::BINDING) {
        return Err(NtStatus::REQUEST_NOT_ACCEPTED);
    }
    let (id, mut setup) = find_or_start(context)?;
    context.related.session_id = Some(id);
    let is_new = matches!(setup.purpose, Purpose::New);
    if negotiated.dialect == Dialect::SMB_3_1_1 && is_new {
        setup.preauth.update(context.server.crypto, message);
    }
    let now = context.server.environment().wall_clock();
    match setup.context.step(&request.security_buffer, now) {
        Ok(Step::Continue(token)) => {
            if is_new {
                context.hash_reply_into = Some(HashTarget::Setup(id));
            }
            context.connection.setups.lock().insert(id, setup);
            let response = response(SessionFlags::NONE, token.into());
            Ok(Answer::with_status(
                NtStatus::MORE_PROCESSING_REQUIRED,
                response,
            ))
        }
        Ok(Step::Done {
            token,
            identity,
            session_key,
        }) => {
            slow_down(context, &identity.user, LogonResult::Succeeded).await;
            let token = Bytes::from(token.unwrap_or_default());
            log_success(context, id, &identity);
            match setup.purpose {
                Purpose::New => {
                    let logon = Logon {
                        id,
                        identity,
                        session_key,
                        preauth: setup.preauth,
                    };
                    establish(context, &negotiated, &request, logon, token).await
                }
                Purpose::Reauthentication(session) => {
                    renew(context, &session, identity, token).await
                }
            }
        }
        Err(error) => Err(refuse(context, id, &setup.purpose, &error).await),
    }
}

/// [MS-SMB2] 3.3.5.5
fn refuse_clear_dialects(context: &Context, negotiated: &Negotiated) -> Result<(), NtStatus> {
    let settings = context.server.settings();
    let is_required = settings.configuration.server.encryption == Encryption::Required;
    if is_required && negotiated.cipher.is_none() {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(())
}

/// The log-on in progress that the request belongs to, or a new one.
fn find_or_start(context: &Context) -> Result<(SessionId, Setup), NtStatus> {
    let named = context.header.session_id;
    let preauth = context.connection.preauth.lock().clone();
    if named == SessionId(0) {
        let in_progress = context.connection.setups.lock().len();
        let count = context
            .connection
            .sessions()
            .len()
            .saturating_add(in_progress);
        let most = context.server.limits().sessions_per_connection;
        if count >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let setup = Setup {
            context: start(context),
            preauth,
            purpose: Purpose::New,
        };
        return Ok((context.server.new_session_id(), setup));
    }
    if let Some(setup) = context.connection.setups.lock().remove(&named) {
        return Ok((named, setup));
    }
    let attached = context
        .connection
        .session(named)
        .ok_or(NtStatus::USER_SESSION_DELETED)?;
    let purpose = Purpose::Reauthentication(attached.session);
    Ok((
        named,
        Setup {
            context: start(context),
            preauth,
            purpose,
        },
    ))
}

fn start(context: &Context) -> Box<dyn auth::Context> {
    let mut entropy = [0; 32];
    context.server.environment().fill_random(&mut entropy);
    let facts = AcceptFacts {
        entropy,
        channel_bindings: None,
    };
    context.server.settings().mechanism.start(&facts)
}

/// What a finished log-on left.
struct Logon {
    id: SessionId,
    identity: Identity,
    session_key: SessionKey,
    preauth: PreauthHash,
}

/// Makes the session.
// [MS-SMB2] 3.3.5.5.3
async fn establish(
    context: &mut Context,
    negotiated: &Negotiated,
    request: &SessionSetupRequest,
    logon: Logon,
    token: Bytes,
) -> Result<Answer, NtStatus> {
    let server = context.server.clone();
    let kind = logon.identity.kind;
    let keys = kind.can_sign().then(|| {
        let derivation = match negotiated.dialect {
            Dialect::SMB_3_1_1 => Derivation::Smb311(&logon.preauth),
            dialect if dialect >= Dialect::SMB_3_0 => Derivation::Smb30,
            _ => Derivation::Smb2,
        };
        let key = logon.session_key.bytes();
        SessionKeys::derive(server.crypto, derivation, key, negotiated.cipher)
    });
    let encrypt_data = must_encrypt(context, negotiated, &logon.identity)?;
    let wants_signing = request
        .security_mode
        .contains(SecurityMode::SIGNING_REQUIRED)
        || negotiated
            .client_security_mode
            .contains(SecurityMode::SIGNING_REQUIRED)
        || negotiated
            .server_security_mode
            .contains(SecurityMode::SIGNING_REQUIRED);
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
        dialect: negotiated.dialect,
        client_guid: negotiated.client_guid,
        creation_time: server.environment().wall_clock(),
        identity: logon.identity,
        signing_required: wants_signing && keys.is_some(),
        encrypt_data,
        keys: keys.map(|keys| keyring(context, &keys, logon.session_key)),
    }));
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
    server.insert_session(&session);
    if !context.connection.attach(attached.clone()) {
        teardown::session(&server, &session).await;
        return Err(NtStatus::CONNECTION_DISCONNECTED);
    }
    context.use_session(attached);
    context.sign_by(channel);
    let mut flags = session_flags(kind);
    if encrypt_data {
        flags |= SessionFlags::ENCRYPT_DATA;
    }
    Ok(response(flags, token).into())
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
async fn end_previous(context: &Context, session: &Session, previous: SessionId) {
    if previous == SessionId(0) || previous == session.id {
        return;
    }
    let Some(old) = context.server.session(previous) else {
        return;
    };
    if is_same_user(&session.identity.load(), &old.identity.load()) {
        teardown::session(&context.server, &old).await;
    }
}

fn is_same_user(one: &Identity, other: &Identity) -> bool {
    one.kind == other.kind && one.user.eq_ignore_ascii_case(&other.user)
}

/// Gives an existing session its new rights; its keys stay.
// [MS-SMB2] 3.3.5.5.2
async fn renew(
    context: &mut Context,
    session: &Arc<Session>,
    identity: Identity,
    token: Bytes,
) -> Result<Answer, NtStatus> {
    if !may_become(session, &identity) {
        tracing::warn!(
            target: "smb::authentication",
            session = %format_args!("{:#x}", session.id.0),
            user = %identity.user,
            "refused: the session's keys are another user's, or do not encrypt as this one's must"
        );
        teardown::session(&context.server, session).await;
        return Err(NtStatus::ACCESS_DENIED);
    }
    let flags = session_flags(identity.kind);
    let trees: Vec<_> = session
        .tree_connects
        .lock()
        .trees
        .values()
        .cloned()
        .collect();
    for tree in trees {
        match context.server.identities().caller(&identity, &tree.share) {
            Ok(caller) => tree.caller.store(Arc::new(caller)),
            // Nobody keeps the rights of who was there before.
            Err(_) => teardown::tree_connect(&context.server, session, tree.id).await,
        }
    }
    session.identity.store(Arc::new(identity));
    session.set_expired(false);
    if let Some(attached) = context.connection.session(session.id) {
        context.use_session(attached);
    }
    Ok(response(flags, token).into())
}

/// Whether the session may go on as `identity`: as a guest or nobody always, as a user only if it
/// was that user who agreed on the keys. Whoever passes on another's log-on knows the keys of its
/// own session alone; with them it would sign in the other's name.
fn may_become(session: &Session, identity: &Identity) -> bool {
    if identity.kind != LogonKind::User {
        return true;
    }
    let must_encrypt = identity
        .account
        .as_ref()
        .is_some_and(|account| account.must_encrypt);
    is_same_user(&session.first_identity, identity) && (session.encrypt_data || !must_encrypt)
}

fn session_flags(kind: LogonKind) -> SessionFlags {
    match kind {
        LogonKind::User => SessionFlags::NONE,
        LogonKind::Guest => SessionFlags::IS_GUEST,
        LogonKind::Anonymous => SessionFlags::IS_NULL,
    }
}

fn response(session_flags: SessionFlags, security_buffer: Bytes) -> Response {
    Response::SessionSetup(SessionSetupResponse {
        session_flags,
        security_buffer,
    })
}

/// Counts and logs a failed log-on, and ends the session that it was to renew.
async fn refuse(
    context: &Context,
    id: SessionId,
    purpose: &Purpose,
    error: &AuthError,
) -> NtStatus {
    context.server.statistics.failed_logons.add(1);
    tracing::warn!(
        target: "smb::authentication",
        connection = context.connection.id,
        session = %format_args!("{:#x}", id.0),
        peer = ?context.connection.facts.peer,
        why = %error,
        "log-on refused"
    );
    if let Purpose::Reauthentication(session) = purpose {
        teardown::session(&context.server, session).await;
    }
    if error.is_failed_guess() {
        let user = error.name.as_ref().map_or("", |name| &name.user);
        slow_down(context, user, LogonResult::Failed).await;
    }
    error.status()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LogonResult {
    Succeeded,
    Failed,
}

/// Delays the answer, right or wrong, to whoever has guessed too often.
async fn slow_down(context: &Context, user: &str, result: LogonResult) {
    let address = context
        .connection
        .facts
        .peer
        .map_or(LOCAL, |peer| peer.ip());
    let now = context.server.environment().wall_clock();
    let delay = {
        let mut failed = context.server.failed_logons.lock();
        match result {
            LogonResult::Failed => failed.failed(user, address, now),
            LogonResult::Succeeded => {
                let delay = failed.delay(user, address, now);
                failed.succeeded(user, address);
                delay
            }
        }
    };
    if delay > Duration::ZERO {
        context.server.environment().sleep(delay).await;
    }
}

/// Stands for whoever comes through a local socket.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn log_success(context: &Context, id: SessionId, identity: &Identity) {
    tracing::info!(
        target: "smb::authentication",
        connection = context.connection.id,
        session = %format_args!("{:#x}", id.0),
        user = %identity.user,
        method = identity.method,
        explanation = identity.explanation(),
        "logged on"
    );
}

#[cfg(test)]
mod tests {
    use auth::{Account, NtHash};
    use wire::dtyp::{FileTime, Guid};

    use super::*;

    fn identity(user: &str, kind: LogonKind) -> Identity {
        let account = Account::new(user, NtHash::of_password("secret"));
        Identity {
            user: user.to_owned(),
            domain: String::new(),
            workstation: String::new(),
            kind,
            account: (kind == LogonKind::User).then(|| Arc::new(account)),
            method: "NTLMv2",
        }
    }

    fn session(first: Identity) -> Session {
        Session::new(SessionFacts {
            id: SessionId(1),
            dialect: Dialect::SMB_3_1_1,
            client_guid: Guid::ZERO,
            creation_time: FileTime::ZERO,
            identity: first,
            signing_required: true,
            encrypt_data: false,
            keys: None,
        })
    }

    #[test]
    fn a_session_becomes_no_other_user_than_the_one_who_knows_its_keys() {
        let alice = session(identity("alice", LogonKind::User));
        assert!(may_become(&alice, &identity("Alice", LogonKind::User)));
        assert!(!may_become(&alice, &identity("bob", LogonKind::User)));
        assert!(may_become(&alice, &identity("", LogonKind::Anonymous)));
        let nobody = Arc::new(identity("", LogonKind::Anonymous));
        alice.identity.store(nobody);
        assert!(may_become(&alice, &identity("alice", LogonKind::User)));
        assert!(!may_become(&alice, &identity("bob", LogonKind::User)));
        let guest = session(identity("alice", LogonKind::Guest));
        assert!(!may_become(&guest, &identity("alice", LogonKind::User)));
    }

    #[test]
    fn who_must_encrypt_renews_no_session_in_clear() {
        let clear = session(identity("alice", LogonKind::User));
        let mut account = Account::new("alice", NtHash::of_password("secret"));
        account.must_encrypt = true;
        let strict = Identity {
            account: Some(Arc::new(account)),
            ..identity("alice", LogonKind::User)
        };
        assert!(!may_become(&clear, &strict));
    }
}
