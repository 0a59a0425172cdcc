//! Closing what a CLOSE, a LOGOFF, a TREE_DISCONNECT or a lost connection leaves behind.

use std::sync::Arc;

use wire::fscc::{CompletionFilter, FileAction};
use wire::{CommandCode, NtStatus, ServerToClientNotification, TreeId};

use super::effects;
use crate::connection::ConnectionState;
use crate::durable;
use crate::mailbox::Mail;
use crate::object_store::Deletion;
use crate::open::Open;
use crate::packet::unsolicited;
use crate::persistence;
use crate::server::Server;
use crate::session::Session;
use crate::share::{CloseHow, Name};

/// Closes one open that has been taken out of its session's table.
///
/// # Errors
/// What the handler says; the open is closed whatever it says.
// [MS-SMB2] 3.3.4.17
pub(crate) async fn open(server: &Arc<Server>, open: &Open) -> Result<(), NtStatus> {
    server.remove_open(open.id());
    durable::end_replay(server, open);
    server.app_instances.remove(open);
    // [MS-FSA] 2.1.5.5
    // A directory that is not empty stays.
    if open.is_directory
        && open
            .create_options
            .contains(wire::create::CreateOptions::DELETE_ON_CLOSE)
        && open.handle.check_delete().await.is_err()
    {
        server.object_store.keep_on_close(&open.attachment);
    }
    let written = effects::name_written(server, open).await;
    let closed = server.object_store.close(&open.attachment);
    let mut noted = Vec::new();
    if matches!(closed.delete, Deletion::Nothing) {
        if open.attachment.delete_on_close() {
            // The opens that are left know now that they are to delete it.
            noted = persistence::note_file(server, open.handle.object());
        }
        // Before whoever waits for what it held gets that: no two records may say that they have it.
        noted.extend(persistence::note_end(server, open));
    }
    effects::carry_out(server, closed.effects);
    let result = finish(server, open, closed.delete, written).await;
    // Of an open that deletes only now: until that is done, it is the record that stands for it.
    noted.extend(persistence::note_end(server, open));
    if let Err(status) = persistence::all(noted).await {
        tracing::warn!(%status, "the end of a persistent open could not be recorded");
    }
    result
}

/// Closes the handle, and deletes what is to be deleted.
async fn finish(
    server: &Arc<Server>,
    open: &Open,
    deletion: Deletion,
    written: Option<Name>,
) -> Result<(), NtStatus> {
    match deletion {
        Deletion::Nothing => {
            let result = open.handle.close(CloseHow::Keep).await;
            if let Some(name) = written {
                effects::report_written(server, open, &name);
            }
            result
        }
        Deletion::Stream(caller) => delete(server, open, CloseHow::Delete(caller)).await,
        Deletion::File(caller) => delete(server, open, CloseHow::DeleteFile(caller)).await,
    }
}

/// Deletes what an open is for, and tells those who listen.
async fn delete(server: &Arc<Server>, open: &Open, how: CloseHow) -> Result<(), NtStatus> {
    let is_stream = matches!(how, CloseHow::Delete(_)) && open.stream.is_some();
    let name = if server.object_store.hears_of(&open.attachment) {
        open.handle.name().await.ok()
    } else {
        None
    };
    let result = open.handle.close(how).await;
    server.object_store.deleted(&open.attachment);
    result?;
    if let Some(name) = name {
        let stream = open.stream.clone().filter(|_| is_stream);
        let name = name.with_stream(stream);
        let filter = if open.is_directory {
            CompletionFilter::DIR_NAME
        } else {
            CompletionFilter::FILE_NAME
        };
        effects::report(server, open, &name, FileAction::REMOVED, filter);
    }
    Ok(())
}

/// Closes opens that have been taken out of their session's table.
pub(crate) async fn opens(server: &Arc<Server>, opens: Vec<Arc<Open>>) {
    for each in opens {
        if let Err(status) = open(server, &each).await {
            tracing::debug!(target: "smb::request", %status, "an open was closed with an error");
        }
    }
}

/// Takes a tree connect out of its session and closes what is open on it.
// [MS-SMB2] 3.3.5.8
pub(crate) async fn tree_connect(server: &Arc<Server>, session: &Session, id: TreeId) {
    let tree = session.tree_connects.lock().trees.remove(&id);
    opens(
        server,
        session.opens.take_matching(|open| open.tree.id == id),
    )
    .await;
    tree.iter().for_each(|tree| tree.disconnect());
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client has lost it, or given it up by LOGOFF: it may come back for opens that are durable.
    Left,
    /// The user's right to it has ended, or an administrator ends it: nothing stays.
    Revoked,
}

/// Ends a session on all its connections and closes all it holds but what waits for its client. Does
/// nothing the second time.
// [MS-SMB2] 3.3.5.6
// [MS-SMB2] 3.3.7.1
pub(crate) async fn session(server: &Arc<Server>, session: &Arc<Session>, ending: Ending) {
    if !server.remove_session(session.id) {
        return;
    }
    if ending == Ending::Revoked {
        tell_closed(server, session);
    }
    let channels = session.close_channels();
    for connection in &channels {
        connection.detach(session.id);
    }
    let mut left = session.opens.close();
    if ending == Ending::Left {
        left.retain(|open| !preserve(server, open));
    }
    opens(server, left).await;
    let trees = session.tree_connects.lock().close();
    trees.values().for_each(|tree| tree.disconnect());
    // Last: what waits for an open is told that by its close.
    for connection in &channels {
        connection.requests.end_session(session.id);
    }
}

/// Keeps an open for its client, if it is one to be kept. No lock comes to it that the client has asked
/// for in a session that is gone: it would ask for it again, and wait for itself.
fn preserve(server: &Arc<Server>, open: &Arc<Open>) -> bool {
    let ended = server.object_store.end_waits(&open.attachment);
    effects::carry_out(server, ended);
    durable::preserve(server, open)
}

/// Tells the client over the first channel that stands, if it wants to be told, that its session has
/// been closed.
// [MS-SMB2] 2.2.44.2
fn tell_closed(server: &Server, session: &Session) {
    if !session.protections.supports_notifications {
        return;
    }
    let mut channels = session.channels().into_iter();
    let channel = channels.find(|connection| !connection.has_ended());
    let notice = unsolicited(
        &server.buffers,
        session,
        CommandCode::SERVER_TO_CLIENT_NOTIFICATION,
        session.id,
        &ServerToClientNotification::SessionClosed,
    );
    if let (Some(channel), Some(notice)) = (channel, notice) {
        channel.mailbox.post(Mail::Frame(notice));
    }
}

/// Closes all that only this connection held.
// [MS-SMB2] 3.3.7.1
pub(crate) async fn connection(server: &Arc<Server>, connection: &Arc<ConnectionState>) {
    connection.setups.lock().clear();
    for held in connection.end() {
        if let Some((held, true)) = connection.detach(held.id) {
            session(server, &held, Ending::Left).await;
        }
    }
    connection.mailbox.close();
    super::resend(server, connection.id);
}
