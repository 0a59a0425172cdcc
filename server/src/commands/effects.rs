//! Carrying out what the object store asks for: breaks to send, tasks to wake.

use std::sync::Arc;
use std::time::Duration;

use wire::dtyp::AccessMask;
use wire::fscc::{CompletionFilter, FileAction};
use wire::oplock_break::{
    LeaseBreakFlags, LeaseBreakNotification, OplockBreak, OplockBreakNotification,
};
use wire::{
    Command, Header, HeaderFlags, HeaderId, MessageId, NtStatus, ProcessId, SessionId, TreeId,
};

use crate::connection::ConnectionState;
use crate::context::Context;
use crate::mailbox::Mail;
use crate::object_store::{
    self, BreakId, Change, Decision, Effect, Effects, ObjectStore, Operation, Outcome,
};
use crate::open::Open;
use crate::packet::{BufferPool, ReplyBuffer};
use crate::server::Server;
use crate::session::Session;
use crate::share::{CloseHow, Name, ObjectId, OpenHow, Replace};

/// How long a client may take to acknowledge a break. [MS-SMB2] note 241: Windows waits 35 s.
const BREAK_TIMEOUT: Duration = Duration::from_secs(35);

/// Carries out `effects`.
pub(super) fn carry_out(server: &Arc<Server>, effects: Effects) {
    for effect in effects {
        match effect {
            Effect::OplockBreak(broken) => break_oplock(server, &broken),
            Effect::LeaseBreak(broken) => break_lease(server, &broken),
            // Dropping it wakes.
            Effect::Wake(_) => {}
        }
    }
}

/// Tells watches that the object called `name` has changed.
pub(super) fn report(
    server: &Arc<Server>,
    open: &Open,
    name: &Name,
    action: FileAction,
    filter: CompletionFilter,
) {
    report_all(server, open, &[(name, action, filter)]);
}

/// Tells watches of changes that belong together, such as the two names of a rename.
pub(super) fn report_all(
    server: &Arc<Server>,
    open: &Open,
    changes: &[(&Name, FileAction, CompletionFilter)],
) {
    if !server.object_store.has_listeners() {
        return;
    }
    let share = &open.tree.share;
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|(name, action, filter)| Change {
            location: share.location(name),
            action: *action,
            filter: *filter,
        })
        .collect();
    let effects = server.object_store.report(&changes, Some(&open.attachment));
    carry_out(server, effects);
}

/// Tells watches, and holders of leases on folders, of a change that no client of this server made.
pub(crate) fn report_outside(server: &Arc<Server>, change: Change<'_>) {
    let effects = server.object_store.report(&[change], None);
    carry_out(server, effects);
}

/// [`report`] for an open whose present name is not at hand: asks for it only if anybody listens.
pub(super) async fn report_now(
    server: &Arc<Server>,
    open: &Open,
    action: FileAction,
    filter: CompletionFilter,
) {
    if !server.object_store.has_listeners() {
        return;
    }
    if let Ok(name) = open.handle.name().await {
        report(
            server,
            open,
            &name.with_stream(open.stream.clone()),
            action,
            filter,
        );
    }
}

/// Asks the object store the same until it grants or denies.
///
/// # Errors
/// What the object store says, and `CANCELLED`.
pub(super) async fn granted<T>(
    context: &mut Context,
    ask: impl Fn(&ObjectStore) -> Outcome<T>,
) -> Result<T, NtStatus> {
    loop {
        let outcome = ask(&context.server.object_store);
        carry_out(&context.server, outcome.effects);
        match outcome.decision {
            Decision::Grant(value) => return Ok(value),
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => context.wait(waiter).await?,
        }
    }
}

/// Has what others cache broken before `operation` makes it stale.
///
/// # Errors
/// Those of [`granted`].
pub(super) async fn prepare(
    context: &mut Context,
    open: &Open,
    operation: Operation,
) -> Result<(), NtStatus> {
    granted(context, |store| store.prepare(&open.attachment, operation)).await
}

/// As [`prepare`], for bytes that are about to be read: no exclusive lock of another open may cover
/// them.
///
/// # Errors
/// `FILE_LOCK_CONFLICT`, and those of [`granted`].
pub(super) async fn prepare_read(
    context: &mut Context,
    open: &Open,
    offset: u64,
    length: u64,
) -> Result<(), NtStatus> {
    granted(context, |store| {
        store.check_read(&open.attachment, offset, length)
    })
    .await
}

/// As [`prepare`], for bytes that are about to change: no lock of another open may cover them.
///
/// # Errors
/// `FILE_LOCK_CONFLICT`, and those of [`granted`].
pub(super) async fn prepare_write(
    context: &mut Context,
    open: &Open,
    offset: u64,
    length: u64,
) -> Result<(), NtStatus> {
    granted(context, |store| {
        store.check_write(&open.attachment, offset, length)
    })
    .await
}

/// The object that has the name `target` now, if a rename would replace it.
///
/// # Errors
/// `OBJECT_NAME_COLLISION` when it exists and must not be replaced.
pub(super) async fn identity_of(
    context: &Context,
    open: &Open,
    target: &Name,
    replace: Replace,
) -> Result<Option<ObjectId>, NtStatus> {
    let how = OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES);
    let caller = context.caller()?;
    let opened = match open.tree.share.handler.open(&caller, target, &how).await {
        Ok(opened) => opened,
        Err(NtStatus::OBJECT_NAME_NOT_FOUND) => return Ok(None),
        Err(status) => return Err(status),
    };
    let object = opened.handle.object();
    opened.handle.close(CloseHow::Keep).await?;
    // A new spelling of its own name replaces nothing.
    if object == open.handle.object() && opened.stream == open.stream {
        return Ok(None);
    }
    match replace {
        Replace::Never => Err(NtStatus::OBJECT_NAME_COLLISION),
        Replace::IfExists => Ok(Some(object)),
    }
}

// [MS-SMB2] 3.3.4.6
fn break_oplock(server: &Arc<Server>, broken: &object_store::OplockBreak) {
    let sent = server.open(broken.open).and_then(|open| {
        let session = server.session(open.session_id)?;
        let connection = session.channels().into_iter().next()?;
        let notification = OplockBreakNotification::Oplock(OplockBreak {
            oplock_level: broken.level,
            file_id: open.file_id,
        });
        send(server, &connection, Some(&session), &notification)
    });
    after_sending(server, broken.id, broken.acknowledge, sent.is_some());
}

// [MS-SMB2] 3.3.4.7
fn break_lease(server: &Arc<Server>, broken: &object_store::LeaseBreak) {
    let sent = lease_holder(server, broken).and_then(|(connection, session)| {
        let flags = if broken.acknowledge {
            LeaseBreakFlags::ACK_REQUIRED
        } else {
            LeaseBreakFlags::NONE
        };
        let notification = OplockBreakNotification::Lease(LeaseBreakNotification {
            new_epoch: broken.epoch,
            flags,
            lease_key: broken.key,
            current_lease_state: broken.current,
            new_lease_state: broken.new,
        });
        send(server, &connection, Some(&session), &notification)
    });
    after_sending(server, broken.id, broken.acknowledge, sent.is_some());
}

/// A session with an open that shares the lease, and its connection. While that open is still being
/// made, any session of the client has to do. A connection without sessions never does: who says
/// a client's GUID need not be that client.
fn lease_holder(
    server: &Server,
    broken: &object_store::LeaseBreak,
) -> Option<(Arc<ConnectionState>, Arc<Session>)> {
    let is_clients = |connection: &Arc<ConnectionState>| {
        let negotiated = connection.negotiated();
        negotiated.is_some_and(|negotiated| negotiated.client_guid == broken.client)
    };
    let shares = |open: &Open| open.attachment.shares_lease(broken.client, broken.key);
    let mut any = None;
    for connection in server.connections().into_iter().filter(is_clients) {
        for session in connection.sessions() {
            if session.opens.any(shares) {
                return Some((connection, session));
            }
            any = any.or_else(|| Some((connection.clone(), session)));
        }
    }
    any
}

/// Starts the acknowledgment timer, or gives up at once when nobody can be told.
// [MS-SMB2] 3.3.2.1
fn after_sending(server: &Arc<Server>, id: BreakId, acknowledge: bool, was_sent: bool) {
    if !was_sent {
        carry_out(server, server.object_store.give_up(id));
        return;
    }
    if acknowledge {
        let server_then = server.clone();
        server.environment().spawn(Box::pin(async move {
            server_then.environment().sleep(BREAK_TIMEOUT).await;
            let effects = server_then.object_store.give_up(id);
            carry_out(&server_then, effects);
        }));
    }
}

/// Posts a message that no request asked for. Not signed; encrypted where the session is.
// [MS-SMB2] 3.3.4.6
// MessageId -1, SessionId and TreeId 0
fn send(
    server: &Server,
    connection: &ConnectionState,
    session: Option<&Arc<Session>>,
    notification: &OplockBreakNotification,
) -> Option<()> {
    let id = HeaderId::Sync {
        process_id: ProcessId(0),
        tree_id: TreeId(0),
    };
    let header = Header {
        credit_charge: 0,
        status: NtStatus::SUCCESS,
        command: Command::OplockBreak.into(),
        credits: 0,
        flags: HeaderFlags::SERVER_TO_REDIR,
        next_command: 0,
        message_id: MessageId::UNSOLICITED,
        id,
        session_id: SessionId(0),
        signature: [0; 16],
    };
    let pool: BufferPool = server.buffers.clone();
    let mut buffer = ReplyBuffer::new(pool);
    buffer.append(&header, notification, None);
    let sealer = session
        .filter(|session| session.encrypt_data)
        .map(Arc::as_ref);
    connection.mailbox.post(Mail::Frame(buffer.finish(sealer)?));
    Some(())
}
