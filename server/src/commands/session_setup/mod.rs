//! SESSION_SETUP. [MS-SMB2] 3.3.5.5
//!
//! Takes the client's tokens to the mechanism, one request at a time. What a log-on leads to stands
//! beside it: a session (`establish`), or renewed rights for one (`reauthentication`).

mod establish;
mod pace;
mod reauthentication;

use auth::{AcceptFacts, AuthError, Identity, LogonKind, Step};
use bytes::Bytes;
use config::Encryption;
use wire::session_setup::{SessionFlags, SessionSetupFlags};
use wire::{Dialect, NtStatus, Response, SessionId, SessionSetupRequest, SessionSetupResponse};

use super::negotiate::Negotiated;
use super::{Answer, teardown};
use crate::context::{Context, HashTarget};
use crate::session::{Purpose, Setup};
use establish::{Logon, establish};
use pace::{LogonResult, slow_down};
use reauthentication::renew;

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
