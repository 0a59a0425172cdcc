//! What a share handler may see of the server: typed snapshots, never the server itself.
//!
//! Owns the trait, the snapshots, and [`ServerLink`], which stands between handlers and the server
//! because the server is made after the handlers of its shares.

use std::sync::{Arc, OnceLock, Weak};

use config::Caching;
use wire::dtyp::FileTime;

use super::share::Share;
use super::types::ShareKind;
use crate::commands::report_outside;
use crate::object_store::Change;
use crate::server::Server;
use crate::session::Session;

/// What can be asked about the server. Each answer is a copy: it does not change afterwards.
pub trait ServerView: Send + Sync {
    /// What the server is called and what time it is there.
    fn facts(&self) -> ServerSnapshot;

    /// All shares, by name, the hidden ones too.
    fn shares(&self) -> Vec<ShareSnapshot>;

    /// All sessions, by id.
    fn sessions(&self) -> Vec<SessionSnapshot>;
}

/// A server, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSnapshot {
    /// The NetBIOS name.
    pub name: String,
    /// The domain or workgroup.
    pub domain: String,
    /// The description for people.
    pub comment: String,
    /// The time of day.
    pub now: FileTime,
    /// When the server started.
    pub start_time: FileTime,
}

/// A share, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSnapshot {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: ShareKind,
    /// The description for people.
    pub comment: String,
    /// Left out of lists; found by whoever knows the name.
    pub hidden: bool,
    /// The most uses at a time; none where there is no limit.
    pub max_uses: Option<u32>,
    /// The uses at present.
    pub current_uses: u32,
    /// What clients may cache.
    pub caching: Caching,
    /// Only encrypted requests are served.
    pub encrypted: bool,
    /// Entries that a user cannot read are left out of its listings.
    pub access_based_enumeration: bool,
}

/// A session, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// The client's address, empty for a local socket.
    pub client: String,
    /// The user's name.
    pub user: String,
    /// Whether the user came in without proving who it is.
    pub is_guest: bool,
    /// Files, directories and pipes that are open.
    pub opens: u32,
    /// When it was set up.
    pub creation_time: FileTime,
}

impl ServerView for Server {
    fn facts(&self) -> ServerSnapshot {
        let settings = self.settings();
        let server = &settings.configuration.server;
        ServerSnapshot {
            name: server.netbios_name.clone().unwrap_or_default(),
            domain: server.domain.clone(),
            comment: server.comment.clone(),
            now: self.environment().wall_clock(),
            start_time: self.start_time,
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        let settings = self.settings();
        settings
            .shares
            .iter()
            .map(|share| of_share(share))
            .collect()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        let sessions = Server::sessions(self);
        sessions.iter().map(|session| of_session(session)).collect()
    }
}

fn of_share(share: &Share) -> ShareSnapshot {
    let settings = &share.settings;
    ShareSnapshot {
        name: settings.name.clone(),
        kind: share.features().kind,
        comment: settings.comment.clone(),
        hidden: settings.hidden,
        max_uses: Some(settings.max_connections).filter(|most| *most > 0),
        current_uses: share.current_uses(),
        caching: share.caching(),
        encrypted: share.encrypt_data(),
        access_based_enumeration: settings.access_based_enumeration,
    }
}

fn of_session(session: &Session) -> SessionSnapshot {
    let identity = session.identity.load();
    let first = session.channels().into_iter().next();
    let peer = first.and_then(|connection| connection.facts.peer);
    SessionSnapshot {
        client: peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
        user: identity.user.clone(),
        is_guest: session.is_guest_or_anonymous(),
        opens: u32::try_from(session.opens.len()).unwrap_or(u32::MAX),
        creation_time: session.creation_time,
    }
}

/// A view of a server that is made later. Before that, and after its end, there is nothing to see.
#[derive(Debug)]
pub struct ServerLink {
    /// What the server is called where its configuration does not say it.
    name: String,
    server: OnceLock<Weak<Server>>,
}

impl ServerLink {
    /// A link to no server yet, for one that is called `name` unless its configuration says
    /// otherwise.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            server: OnceLock::new(),
        }
    }

    /// Shows this server from now on. Only the first one counts.
    pub fn connect(&self, server: &Arc<Server>) {
        // A second server would be a mistake that nobody could mend here.
        let _ = self.server.set(Arc::downgrade(server));
    }

    /// Tells those who watch of a change that no client of the server made.
    pub fn report(&self, change: Change<'_>) {
        if let Some(server) = self.server() {
            report_outside(&server, change);
        }
    }

    fn server(&self) -> Option<Arc<Server>> {
        self.server.get()?.upgrade()
    }
}

impl ServerView for ServerLink {
    fn facts(&self) -> ServerSnapshot {
        let mut facts = self
            .server()
            .map(|server| server.facts())
            .unwrap_or_default();
        if facts.name.is_empty() {
            facts.name.clone_from(&self.name);
        }
        facts
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        self.server()
            .map(|server| server.shares())
            .unwrap_or_default()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        let server = self.server();
        server
            .map(|server| ServerView::sessions(&*server))
            .unwrap_or_default()
    }
}
