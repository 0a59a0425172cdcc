//! What a share handler may see of the server: typed snapshots, never the server itself.
//!
//! Owns the trait, the snapshots, and how a server makes them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Caching, Configuration, Oplocks, Permissions};
use wire::NtStatus;
use wire::dtyp::{AccessMask, FileTime};

use super::figures::{self, LockSnapshot, StatisticsSnapshot};
use super::handler::{Answer, Handle};
use super::log_on::LogOn;
use super::name::Name;
use super::print_queue::PrintQueue;
use super::share::Share;
use super::types::{Caller, LogOnFacts, ShareKind};
use crate::environment::Task;
use crate::open::Open;
use crate::server::Server;
use crate::session::Session;
use crate::tree_connect::TreeConnect;

/// What can be asked about the server. Each answer is a copy: it does not change afterwards.
pub trait ServerView: Send + Sync {
    /// What the server is called and what time it is there.
    fn facts(&self) -> ServerSnapshot;

    /// All shares, by name, the hidden ones too.
    fn shares(&self) -> Vec<ShareSnapshot>;

    /// All sessions, by id.
    fn sessions(&self) -> Vec<SessionSnapshot>;

    /// All tree connects, by session and id.
    fn tree_connects(&self) -> Vec<TreeConnectSnapshot> {
        Vec::new()
    }

    /// All opens, by number.
    fn opens(&self) -> Vec<OpenSnapshot> {
        Vec::new()
    }

    /// The server's counters.
    fn statistics(&self) -> StatisticsSnapshot {
        StatisticsSnapshot::default()
    }

    /// Up to `most` byte-range locks and requests that wait for one, by the number of the open.
    fn locks(&self, _most: usize) -> Vec<LockSnapshot> {
        Vec::new()
    }

    /// The configuration in force; the defaults where there is no server.
    fn configuration(&self) -> Configuration {
        Configuration::default()
    }

    /// Ends the session with this id and closes all it holds.
    ///
    /// # Errors
    /// `USER_SESSION_DELETED` when there is none.
    // [MS-SMB2] 3.3.4.12
    fn close_session(&self, _id: u64) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Err(NtStatus::USER_SESSION_DELETED)))
    }

    /// Closes the open with this number.
    ///
    /// # Errors
    /// `FILE_CLOSED` when there is none.
    // [MS-SMB2] 3.3.4.17
    fn close_open(&self, _id: u64) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Err(NtStatus::FILE_CLOSED)))
    }

    /// Counts a guess at a user's password that was not a log-on; ready when the answer may be given.
    fn judge_guess(&self, _address: Option<IpAddr>, _user: &str, _is_right: bool) -> Task {
        Box::pin(std::future::ready(()))
    }

    /// Begins a log-on inside a pipe that was opened under another one; none where nobody can log on.
    fn log_on(&self, _outer: Option<&LogOnFacts>) -> Option<LogOn> {
        None
    }

    /// Opens an object on a share as the user of this log-on, for no more than `access`, which the share has to
    /// leave to the user. Share modes do not count.
    ///
    /// # Errors
    /// `BAD_NETWORK_NAME`; `ACCESS_DENIED`, also for a share that wants what was not encrypted; what the handler says.
    fn open_object(
        &self,
        _log_on: &Arc<LogOnFacts>,
        _share: &str,
        _name: Name,
        _access: AccessMask,
    ) -> Answer<'static, Arc<dyn Handle>> {
        Box::pin(std::future::ready(Err(NtStatus::BAD_NETWORK_NAME)))
    }

    /// The print shares that the user of this log-on may use, by name.
    fn printers(&self, _log_on: &Arc<LogOnFacts>) -> Vec<Printer> {
        Vec::new()
    }

    /// The print share with this name.
    ///
    /// # Errors
    /// `BAD_NETWORK_NAME`; `ACCESS_DENIED` where connecting to the share, as this user and encrypted or not as this
    /// one, would be denied.
    fn printer(&self, _log_on: &Arc<LogOnFacts>, _name: &str) -> Result<Printer, NtStatus> {
        Err(NtStatus::BAD_NETWORK_NAME)
    }
}

/// A print share, as one user may use it.
#[derive(Clone)]
pub struct Printer {
    /// The share's name.
    pub name: String,
    /// The description for people.
    pub comment: String,
    /// Left out of lists; found by whoever knows the name.
    pub hidden: bool,
    /// Whether the user may print and change jobs, and not only look.
    pub may_print: bool,
    /// The jobs.
    pub queue: Arc<dyn PrintQueue>,
    /// Who the user is on this share.
    pub caller: Caller,
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
    /// The folder of the host; none where there is no folder.
    pub path: Option<PathBuf>,
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
    /// What clients may keep for working without a connection.
    pub caching: Caching,
    /// What clients may cache of what they have open.
    pub oplocks: Oplocks,
    /// Who may do what; none for everybody and everything.
    pub permissions: Option<Permissions>,
    /// Only encrypted requests are served.
    pub encrypted: bool,
    /// Entries that a user cannot read are left out of its listings.
    pub access_based_enumeration: bool,
    /// Opens on it may outlive the server.
    pub continuous_availability: bool,
}

/// A session, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// The id, unique among sessions.
    pub id: u64,
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
    /// How long it has not asked for anything.
    pub idle: Duration,
}

/// A tree connect, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeConnectSnapshot {
    /// The id, unique in its session.
    pub id: u32,
    /// The share's name.
    pub share: String,
    /// What the share is.
    pub kind: ShareKind,
    /// The client's address, empty for a local socket.
    pub client: String,
    /// The user's name.
    pub user: String,
    /// What is open on it.
    pub opens: u32,
    /// When it was made.
    pub creation_time: FileTime,
}

/// An open, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSnapshot {
    /// The number, unique among opens.
    pub id: u64,
    /// The share's name.
    pub share: String,
    /// The folder of the host behind the share; none where there is no folder.
    pub folder: Option<PathBuf>,
    /// The name below the share's root, as it was when it was opened.
    pub name: String,
    /// Whether it is a pipe.
    pub is_pipe: bool,
    /// The user's name.
    pub user: String,
    /// The client's address, empty for a local socket.
    pub client: String,
    /// What was granted.
    pub access: AccessMask,
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
        let now = self.environment().now();
        let snapshots = sessions.iter().map(|session| of_session(session, now));
        snapshots.collect()
    }

    fn tree_connects(&self) -> Vec<TreeConnectSnapshot> {
        let sessions = Server::sessions(self);
        sessions
            .iter()
            .flat_map(|session| tree_connects_of(session))
            .collect()
    }

    fn opens(&self) -> Vec<OpenSnapshot> {
        let sessions = Server::sessions(self);
        let mut all: Vec<_> = sessions
            .iter()
            .flat_map(|session| opens_of(session))
            .collect();
        all.sort_unstable_by_key(|open| open.id);
        all
    }

    fn statistics(&self) -> StatisticsSnapshot {
        StatisticsSnapshot::of(self)
    }

    fn locks(&self, most: usize) -> Vec<LockSnapshot> {
        figures::locks(self, most)
    }

    fn configuration(&self) -> Configuration {
        self.settings().configuration.clone()
    }
}

fn tree_connects_of(session: &Session) -> Vec<TreeConnectSnapshot> {
    let (client, user) = (client_of(session), session.identity.load().user.clone());
    let opens = session.opens.all();
    let of = |tree: &Arc<TreeConnect>| TreeConnectSnapshot {
        id: tree.id.0,
        share: tree.share.name().to_owned(),
        kind: tree.share.features().kind,
        client: client.clone(),
        user: user.clone(),
        opens: count(
            opens
                .iter()
                .filter(|open| Arc::ptr_eq(&open.tree, tree))
                .count(),
        ),
        creation_time: tree.creation_time,
    };
    session.all_trees().iter().map(of).collect()
}

fn opens_of(session: &Session) -> Vec<OpenSnapshot> {
    let (client, user) = (client_of(session), session.identity.load().user.clone());
    let of = |open: &Arc<Open>| OpenSnapshot {
        id: open.id().0,
        share: open.tree.share.name().to_owned(),
        folder: open.tree.share.settings.path.clone(),
        name: open.name.to_string(),
        is_pipe: open.tree.share.is_pipe(),
        user: user.clone(),
        client: client.clone(),
        access: open.granted_access,
    };
    session.opens.all().iter().map(of).collect()
}

fn client_of(session: &Session) -> String {
    let first = session.channels().into_iter().next();
    let peer = first.and_then(|connection| connection.facts.peer);
    peer.map(|peer| peer.ip().to_string()).unwrap_or_default()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn of_share(share: &Share) -> ShareSnapshot {
    let settings = &share.settings;
    ShareSnapshot {
        name: settings.name.clone(),
        path: settings.path.clone(),
        kind: share.features().kind,
        comment: settings.comment.clone(),
        hidden: settings.hidden,
        max_uses: Some(settings.max_connections).filter(|most| *most > 0),
        current_uses: share.current_uses(),
        caching: share.caching(),
        oplocks: settings.oplocks,
        permissions: settings.permissions.clone(),
        encrypted: share.encrypt_data(),
        access_based_enumeration: settings.access_based_enumeration,
        continuous_availability: share.is_continuously_available(),
    }
}

fn of_session(session: &Session, now: Instant) -> SessionSnapshot {
    let identity = session.identity.load();
    SessionSnapshot {
        id: session.id.0,
        client: client_of(session),
        user: identity.user.clone(),
        is_guest: session.is_guest_or_anonymous(),
        opens: count(session.opens.len()),
        creation_time: session.creation_time,
        idle: session.idle(now),
    }
}
