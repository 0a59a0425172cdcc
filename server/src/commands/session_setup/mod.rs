//! SESSION_SETUP. [MS-SMB2] 3.3.5.5
//!
//! Takes the client's tokens to the mechanism, one request at a time. What a log-on leads to stands
//! beside it: a session (`establish`), renewed rights for one (`reauthentication`), or one more channel
//! of it (`binding`).

mod binding;
mod establish;
mod reauthentication;

use std::net::IpAddr;
use std::sync::Arc;

use auth::{AcceptFacts, AuthError, Identity, LogonKind, Step};
use bytes::Bytes;
use config::Encryption;
use wire::session_setup::{SessionFlags, SessionSetupFlags};
use wire::{Dialect, NtStatus, Response, SessionId, SessionSetupRequest, SessionSetupResponse};

use super::Answer;
use super::negotiate::Negotiated;
use super::teardown::{self, Ending};
use crate::context::{Context, HashTarget};
use crate::pace::{LogonResult, slow_down};
use crate::session::{Purpose, Setup};
use binding::bind;
use establish::{Logon, establish};
use reauthentication::renew;

/// Takes the client's next token; at the end there is a session, renewed rights for one, or one more
/// channel of it.
///
/// # Errors
/// What the mechanism says (`LOGON_FAILURE` and the like), `USER_SESSION_DELETED` for an unknown
/// session or a client that speaks another dialect elsewhere, `ACCESS_DENIED` where encryption is
/// required and cannot be, `INSUFFICIENT_RESOURCES` for too many sessions, and those of
/// [`binding::check`] and [`binding::bind`].
pub async fn run(
    context: &mut Context,
    request: SessionSetupRequest,
    message: &Bytes,
) -> Result<Answer, NtStatus> {
    let negotiated = context.negotiated()?.clone();
    refuse_clear_dialects(context, &negotiated)?;
    let (id, mut setup) = find_or_start(context, &negotiated, &request)?;
    context.related.session_id = Some(id);
    let has_hash = !matches!(setup.purpose, Purpose::Reauthentication(_));
    if negotiated.dialect == Dialect::SMB_3_1_1 && has_hash {
        setup.preauth.update(context.server.crypto, message);
    }
    let now = context.server.environment().wall_clock();
    match setup.context.step(&request.security_buffer, now) {
        Ok(Step::Continue(token)) => {
            if has_hash {
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
            slow_down(
                &context.server,
                address(context),
                &identity.user,
                LogonResult::Succeeded,
            )
            .await;
            refuse_other_dialect(context, &identity)?;
            let token = Bytes::from(token.unwrap_or_default());
            log_success(context, id, &identity);
            let logon = Logon {
                id,
                identity,
                session_key,
                preauth: setup.preauth,
            };
            match setup.purpose {
                Purpose::New => establish(context, &negotiated, &request, logon, token).await,
                Purpose::Reauthentication(session) => {
                    renew(context, &session, logon.identity, token).await
                }
                Purpose::Binding(session) => {
                    bind(context, &negotiated, session, &request, logon, token).await
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
fn find_or_start(
    context: &Context,
    negotiated: &Negotiated,
    request: &SessionSetupRequest,
) -> Result<(SessionId, Setup), NtStatus> {
    let named = context.header.session_id;
    // Encryption stands for the signature of its own session, and of no other.
    let sealed_for = context.sealed_by.as_ref().map(|session| session.id);
    if sealed_for.is_some_and(|id| id != named) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if request.flags.contains(SessionSetupFlags::BINDING) {
        let session = binding::check(context, negotiated)?;
        let in_progress = take_setup(
            context,
            named,
            |purpose| matches!(purpose, Purpose::Binding(bound) if Arc::ptr_eq(bound, &session)),
        );
        let setup = match in_progress {
            Some(setup) => setup,
            None => start_one_more(context, Purpose::Binding(session))?,
        };
        return Ok((named, setup));
    }
    if named == SessionId(0) {
        let setup = start_one_more(context, Purpose::New)?;
        return Ok((context.server.new_session_id(), setup));
    }
    let is_binding = |purpose: &Purpose| matches!(purpose, Purpose::Binding(_));
    if let Some(setup) = take_setup(context, named, |purpose| !is_binding(purpose)) {
        return Ok((named, setup));
    }
    let attached = context
        .connection
        .session(named)
        .ok_or(NtStatus::USER_SESSION_DELETED)?;
    let purpose = Purpose::Reauthentication(attached.session);
    Ok((named, start(context, purpose)))
}

/// Takes the log-on in progress in this session, if it is one of those looked for.
fn take_setup(
    context: &Context,
    id: SessionId,
    is_looked_for: impl Fn(&Purpose) -> bool,
) -> Option<Setup> {
    let mut setups = context.connection.setups.lock();
    let fits = setups
        .get(&id)
        .is_some_and(|setup| is_looked_for(&setup.purpose));
    if fits { setups.remove(&id) } else { None }
}

/// Starts a log-on that adds a session to the connection, unless it has as many as it may have.
fn start_one_more(context: &Context, purpose: Purpose) -> Result<Setup, NtStatus> {
    let in_progress = context.connection.setups.lock().len();
    let sessions = context.connection.sessions().len();
    let most = context.server.limits().sessions_per_connection;
    if sessions.saturating_add(in_progress) >= usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(NtStatus::INSUFFICIENT_RESOURCES);
    }
    Ok(start(context, purpose))
}

fn start(context: &Context, purpose: Purpose) -> Setup {
    let mut entropy = [0; 32];
    context.server.environment().fill_random(&mut entropy);
    let facts = AcceptFacts {
        entropy,
        channel_bindings: None,
    };
    Setup {
        context: context.server.settings().mechanism.start(&facts),
        preauth: context.connection.preauth.lock().clone(),
        purpose,
    }
}

fn is_same_user(one: &Identity, other: &Identity) -> bool {
    one.kind == other.kind && one.user.eq_ignore_ascii_case(&other.user)
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

/// Refuses a client that speaks another dialect on its other connections.
// [MS-SMB2] 3.3.5.5.3
fn refuse_other_dialect(context: &Context, identity: &Identity) -> Result<(), NtStatus> {
    if context.connection.keeps_to_dialect(&context.server.clients) {
        return Ok(());
    }
    tracing::warn!(
        target: "smb::authentication",
        connection = context.connection.id,
        user = %identity.user,
        "refused: the client speaks another dialect on its other connections"
    );
    Err(NtStatus::USER_SESSION_DELETED)
}

/// Counts and logs a failed log-on, and ends the session that it was to renew.
// [MS-SMB2] 3.3.5.5.3
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
    // departs [MS-SMB2] 3.3.5.5.3: a session that could not be bound stays; its other channels are in use
    if let Purpose::Reauthentication(session) = purpose {
        teardown::session(&context.server, session, Ending::Revoked).await;
    }
    if error.is_failed_guess() {
        let user = error.name.as_ref().map_or("", |name| &name.user);
        slow_down(&context.server, address(context), user, LogonResult::Failed).await;
    }
    error.status()
}

/// Where the client is; none for a local socket.
fn address(context: &Context) -> Option<IpAddr> {
    context.connection.facts.peer.map(|peer| peer.ip())
}

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
