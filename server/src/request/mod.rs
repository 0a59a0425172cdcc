//! The request layer: everything between a message's bytes and the command that carries it out.
//!
//! It checks sizes, credits, signature, session and tree, in the order of [MS-SMB2] 3.3.5.2, and
//! turns what a command returns into a reply. It knows no command's meaning.

pub mod cancel;
mod channel_sequence;
mod credits;
mod lookup;
mod sequence;
mod signing;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use wire::{Command, DecodeError, Header, HeaderFlags, HeaderId, NtStatus, Request};

use crate::commands::{self, Answer};
use crate::connection::ConnectionState;
use crate::context::Context;
use crate::job::Done;
use crate::statistics::Served;
use cancel::RequestEntry;

pub use channel_sequence::ChannelSequence;
pub(crate) use channel_sequence::Outstanding;
pub(crate) use credits::{check_size, credits_to_grant};
pub use sequence::SequenceWindow;

/// One message of a frame, admitted by the connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) header: Header,
    /// None when the code is none.
    pub(crate) command: Option<Command>,
    /// Header and body; the only owner of its bytes, so that they can be verified in place.
    pub(crate) message: BytesMut,
    /// Credits granted on the first reply.
    pub(crate) granted: u16,
    /// Its place in the connection's RequestList.
    pub(crate) entry: Arc<RequestEntry>,
}

/// Carries out the messages of one frame in their order.
// [MS-SMB2] 3.3.5.2.7
pub(crate) async fn carry_out(mut context: Context, messages: Vec<Incoming>) -> Done {
    let count = messages.len();
    let mut chain_is_broken = false;
    for (place, incoming) in messages.into_iter().enumerate() {
        let is_related = incoming
            .header
            .flags
            .contains(HeaderFlags::RELATED_OPERATIONS);
        // [MS-SMB2] 3.3.5.2.7.2
        chain_is_broken = is_related && (place == 0 || chain_is_broken);
        let message_id = incoming.header.message_id;
        context.begin(&incoming, place.saturating_add(1) == count);
        let answer = if chain_is_broken {
            Answer::error(NtStatus::INVALID_PARAMETER)
        } else {
            answer(&mut context, incoming, is_related).await
        };
        context.reply(&answer);
        context.connection.requests.remove(message_id);
        if context.disconnect_reason().is_some() {
            break;
        }
    }
    match context.disconnect_reason() {
        Some(reason) => Done::disconnect(reason),
        None => Done {
            frames: context.finish_frame().into_iter().collect(),
            disconnect: None,
            answered: context.take_unanswered(),
        },
    }
}

/// Carries one request out, counts it and logs it.
async fn answer(context: &mut Context, incoming: Incoming, is_related: bool) -> Answer {
    let Some(command) = incoming.command else {
        return Answer::error(NtStatus::INVALID_PARAMETER);
    };
    let result = serve(context, command, incoming.message, is_related).await;
    let answer = result.unwrap_or_else(Answer::error);
    let took = context.take_time();
    let served = Served {
        failed: answer.status.is_error(),
        took: (!context.has_waited()).then_some(took),
    };
    context.server.statistics.count_request(command, served);
    // [MS-SMB2] 3.3.5.9
    if command == Command::Create && answer.status == NtStatus::ACCESS_DENIED {
        context.server.statistics.refused_opens.add(1);
    }
    if tracing::enabled!(target: "smb::request", tracing::Level::DEBUG) {
        log(context, command, answer.status, took);
    }
    answer
}

/// Checks one message and carries it out.
async fn serve(
    context: &mut Context,
    command: Command,
    mut message: BytesMut,
    is_related: bool,
) -> Result<Answer, NtStatus> {
    if !is_related {
        context.related = crate::context::Related::default();
    }
    let is_free = command == Command::Ioctl && commands::ioctl::needs_no_session(context, &message);
    let rule = if is_free {
        &commands::FREE
    } else {
        commands::rule(command)
    };
    if let Err(status) = lookup::session(context, rule, is_related) {
        signing::sign_refusal(context, &mut message);
        return Err(status);
    }
    signing::verify(context, command, &mut message)?;
    lookup::session_state(context, rule, command)?;
    lookup::tree(context, rule, is_related)?;
    let message = context.server.environment().share_message(message);
    let request = Request::decode(command, &message).map_err(malformed)?;
    credits::check_charge(context, &request)?;
    if rule.has_file {
        context.related.has_file = true;
    }
    commands::dispatch(context, request, message).await
}

/// The one place where bytes that are not what they should be become a status.
// [MS-SMB2] 3.3.5.2.6
fn malformed(error: DecodeError) -> NtStatus {
    tracing::debug!(target: "smb::request", %error, "malformed request");
    NtStatus::INVALID_PARAMETER
}

/// Ends the wait of the request that a CANCEL names; there is no reply.
// [MS-SMB2] 3.3.5.16
pub(crate) fn cancel_request(
    connection: &ConnectionState,
    header: &Header,
    mut message: BytesMut,
    is_sealed: bool,
) {
    if !is_sealed && !signing::is_authentic(connection, header, &mut message) {
        return;
    }
    let entry = match header.id {
        HeaderId::Async(id) => connection.requests.by_async_id(id),
        HeaderId::Sync { .. } => connection.requests.by_message_id(header.message_id),
    };
    if let Some(entry) = entry {
        entry.end(NtStatus::CANCELLED);
    }
}

fn log(context: &Context, command: Command, status: NtStatus, took: Duration) {
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(
        target: "smb::request",
        connection = context.connection.id,
        session = %format_args!("{:#x}", context.header.session_id.0),
        message = context.header.message_id.0,
        command = command.name(),
        %status,
        microseconds,
    );
}
