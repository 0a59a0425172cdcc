//! How much a server holds for its clients, counted table by table: for whoever wants to see that a
//! client which has gone left nothing behind. Owns no table; each tells its own size.

use crate::object_store;
use crate::server::Server;

/// What a server holds for its clients. Once all are gone and what waited for them has timed out, all
/// counts are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Connections.
    pub connections: usize,
    /// Clients that have logged on.
    pub clients: usize,
    /// Sessions.
    pub sessions: usize,
    /// Opens, of connected clients and others.
    pub opens: usize,
    /// Opens that wait for their client.
    pub disconnected_opens: usize,
    /// Opens that outlive the server.
    pub persistent_opens: usize,
    /// Opens that wait for their share or volume.
    pub absent_opens: usize,
    /// Clients' names for a CREATE: requests under way, and opens whose CREATE may be repeated.
    pub create_guids: usize,
    /// Applications that have something open.
    pub applications: usize,
    /// Breaks that await their acknowledgment.
    pub awaited_breaks: usize,
    /// Oplocks and leases about which a request is not answered yet.
    pub unanswered: usize,
    /// Notices of breaks that a lost connection might take with it.
    pub sent_notices: usize,
    /// What happens by itself when nobody acts in time.
    pub alarms: usize,
    /// What the object store holds.
    pub store: object_store::Census,
}

impl Census {
    /// Counts what a server holds; walks all of it.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self {
            connections: server.connections().len(),
            clients: server.clients.len(),
            sessions: server.sessions().len(),
            opens: server.open_count(),
            disconnected_opens: server.disconnected.len(),
            persistent_opens: server.persistent.len(),
            absent_opens: server.persistent.absent.len(),
            create_guids: server.create_guids.len(),
            applications: server.app_instances.len(),
            awaited_breaks: server.awaited_breaks.len(),
            unanswered: server.unanswered.len(),
            sent_notices: server.sent_notices.len(),
            alarms: server.alarms.len(),
            store: server.object_store.census(),
        }
    }
}
