//! Opens that outlive their connection: durable, resilient and persistent ones.
//!
//! Owns the table of the opens that wait for their client, decides which may wait and for how long,
//! and ends the wait; and the tables of the CREATEs that a client may repeat
//! and of the applications that opens are for. It never checks who comes back: that is CREATE's business.
//!
//! ```text
//! connected ──connection lost, LOGOFF──> waiting ──reconnect──> connected
//!     │                                     ├── its time is over ─────────────────┐
//!     │                                     └── somebody else needs the file ─────┤
//!     └──CLOSE, TREE_DISCONNECT, an administrator─────────────────────────────────┴──> closed
//! ```

mod app_instances;
mod create_guids;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::{Identity, LogonKind};

use crate::commands::teardown;
use crate::object_store::OpenId;
use crate::open::Open;
use crate::persistence;
use crate::server::Server;

pub use app_instances::AppInstance;
pub(crate) use app_instances::AppInstances;
pub(crate) use create_guids::{CreateGuids, CreateName, Known, UnderWay, end_replay};
pub(crate) use table::DisconnectedOpens;

/// Whether, why and how long an open waits for a client that has lost its connection.
// [MS-SMB2] 3.3.1.10
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It does not.
    #[default]
    None,
    /// IsDurable: for this long, unless somebody else needs the file.
    Durable(Duration),
    /// IsResilient: for this long, whoever needs the file.
    Resilient(Duration),
    /// IsPersistent: for this long, whoever needs the file, and whatever becomes of the server.
    Persistent(Duration),
}

impl Durability {
    /// How long the open waits.
    #[must_use]
    pub fn timeout(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Durable(timeout) | Self::Resilient(timeout) | Self::Persistent(timeout) => {
                Some(timeout)
            }
        }
    }

    /// FSCTL_LMR_REQUEST_RESILIENCY: waits this long whoever needs the file. A persistent open does so
    /// already; it waits for as long as either says.
    #[must_use]
    pub(crate) fn made_resilient(self, timeout: Duration) -> Self {
        match self {
            Self::Persistent(agreed) => Self::Persistent(agreed.max(timeout)),
            Self::None | Self::Durable(_) | Self::Resilient(_) => Self::Resilient(timeout),
        }
    }
}

/// Whose an open is: who may take it up again. Stays the same through all of a user's log-ons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurableOwner(Arc<str>);

impl DurableOwner {
    /// The owner of what `identity` opens.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        // No account's name has a colon.
        Self(match identity.kind {
            LogonKind::User => identity.user.to_lowercase().into(),
            LogonKind::Guest => format!("guest:{}", identity.user.to_lowercase()).into(),
            LogonKind::Anonymous => "anonymous:".into(),
        })
    }

    /// The owner that [`fmt::Display`] has written as `text`.
    pub(crate) fn recorded(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for DurableOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keeps an open, taken out of a session that has ended, for its client to come back; false if it is
/// not one to be kept.
// [MS-SMB2] 3.3.7.1
pub(crate) fn preserve(server: &Arc<Server>, open: &Arc<Open>) -> bool {
    let durability = open.state.lock().durability;
    let is_kept = match durability {
        Durability::None => false,
        Durability::Durable(_) => server.object_store.held(&open.attachment).keeps_handle(),
        Durability::Resilient(_) | Durability::Persistent(_) => true,
    };
    let timeout = durability.timeout().filter(|_| is_kept);
    let waits = timeout.is_some_and(|timeout| wait_again(server, open, timeout));
    if waits {
        persistence::note_waiting(server, open);
    }
    waits
}

/// Has an open wait for its client for this long; false if too many wait already.
pub(crate) fn wait_again(server: &Arc<Server>, open: &Arc<Open>, time: Duration) -> bool {
    server.disconnected.insert(server, open, time)
}

/// Whether any of these opens waits for its client in such a way that nothing is taken from it
/// meanwhile.
// [MS-SMB2] 3.3.4.7
pub(crate) fn keeps_caching(server: &Server, opens: &[OpenId]) -> bool {
    let waiting = opens.iter().filter_map(|id| server.disconnected.find(*id));
    waiting
        .into_iter()
        .any(|open| persistence::is_persistent(&open))
}

/// Whether any of these opens waits for its client, and goes on to wait when its caching is broken.
// [MS-SMB2] 3.3.4.7
pub(crate) fn misses_breaks(server: &Server, opens: &[OpenId]) -> bool {
    let mut waiting = opens.iter().filter_map(|id| server.disconnected.find(*id));
    waiting.any(|open| !gives_way_to_others(&open))
}

/// The open's time is over.
// [MS-SMB2] 3.3.6.2
// [MS-SMB2] 3.3.6.4
pub(crate) fn time_out(server: &Arc<Server>, id: OpenId) {
    if let Some(open) = server.disconnected.take(server, id) {
        close(server, open);
    }
}

/// Somebody else needs what these opens cache: closes those that wait for their client and are not to
/// be kept all the same. True if that is all of them, so that nothing is cached any more in a moment.
// [MS-SMB2] 3.3.4.6
// [MS-SMB2] 3.3.4.7
pub(crate) fn give_way(server: &Arc<Server>, opens: &[OpenId]) -> bool {
    let mut all = !opens.is_empty();
    for id in opens {
        match server
            .disconnected
            .take_if(server, *id, gives_way_to_others)
        {
            Some(open) => close(server, open),
            None => all = false,
        }
    }
    all
}

/// Whether the open waits only as long as nobody else needs the file.
fn gives_way_to_others(open: &Open) -> bool {
    matches!(open.state.lock().durability, Durability::Durable(_))
}

/// Closes all that wait for their client, when the server ends; those that outlive it wait on in the
/// records of them.
pub async fn close_all(server: &Arc<Server>) {
    let mut opens = server.disconnected.take_all(server);
    opens.retain(|open| !persistence::is_persistent(open));
    teardown::opens(server, opens).await;
    persistence::settle(server).await;
}

/// Closes an open while whoever asks for it goes on.
fn close(server: &Arc<Server>, open: Arc<Open>) {
    let server_then = server.clone();
    server.environment().spawn(Box::pin(async move {
        teardown::opens(&server_then, vec![open]).await;
    }));
}
