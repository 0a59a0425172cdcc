//! The view of the server that handlers hold: they are made before it, and may outlive it.
//!
//! Owns [`ServerLink`] and what may be done to the server through it. What there is to see is [`super::view`]'s.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use config::Configuration;
use wire::dtyp::AccessMask;
use wire::{NtStatus, SessionId};

use super::figures::{LockSnapshot, StatisticsSnapshot};
use super::handler::{Answer, Handle};
use super::log_on::LogOn;
use super::name::Name;
use super::share::Share;
use super::types::{Caller, LogOnFacts, OpenHow};
use super::view::{
    OpenSnapshot, Printer, ServerSnapshot, ServerView, SessionSnapshot, ShareSnapshot,
    TreeConnectSnapshot,
};
use crate::access;
use crate::commands::{report_outside, teardown, tree_connect};
use crate::environment::Task;
use crate::object_store::{Change, OpenId};
use crate::pace::{LogonResult, slow_down};
use crate::server::Server;

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

    fn tree_connects(&self) -> Vec<TreeConnectSnapshot> {
        let server = self.server();
        server
            .map(|server| server.tree_connects())
            .unwrap_or_default()
    }

    fn opens(&self) -> Vec<OpenSnapshot> {
        self.server()
            .map(|server| server.opens())
            .unwrap_or_default()
    }

    fn statistics(&self) -> StatisticsSnapshot {
        let server = self.server();
        server
            .map(|server| ServerView::statistics(&*server))
            .unwrap_or_default()
    }

    fn locks(&self, most: usize) -> Vec<LockSnapshot> {
        let server = self.server();
        server.map(|server| server.locks(most)).unwrap_or_default()
    }

    fn configuration(&self) -> Configuration {
        let server = self.server();
        server
            .map(|server| server.configuration())
            .unwrap_or_default()
    }

    fn close_session(&self, id: u64) -> Answer<'static, ()> {
        let server = self.server();
        Box::pin(async move {
            let server = server.ok_or(NtStatus::USER_SESSION_DELETED)?;
            let session = server.session(SessionId(id));
            let session = session.ok_or(NtStatus::USER_SESSION_DELETED)?;
            teardown::session(&server, &session, teardown::Ending::Revoked).await;
            Ok(())
        })
    }

    fn close_open(&self, id: u64) -> Answer<'static, ()> {
        let server = self.server();
        Box::pin(async move {
            let server = server.ok_or(NtStatus::FILE_CLOSED)?;
            let open = server.open(OpenId(id)).ok_or(NtStatus::FILE_CLOSED)?;
            let session = server.session(open.session_id);
            let session = session.ok_or(NtStatus::FILE_CLOSED)?;
            let taken = session.opens.remove(open.file_id);
            let taken = taken.ok_or(NtStatus::FILE_CLOSED)?;
            teardown::open(&server, &taken).await
        })
    }

    fn judge_guess(&self, address: Option<IpAddr>, user: &str, is_right: bool) -> Task {
        let (server, user) = (self.server(), user.to_owned());
        let result = if is_right {
            LogonResult::Succeeded
        } else {
            LogonResult::Failed
        };
        Box::pin(async move {
            if let Some(server) = server {
                slow_down(&server, address, &user, result).await;
            }
        })
    }

    fn log_on(&self, outer: Option<&LogOnFacts>) -> Option<LogOn> {
        Some(LogOn::new(self.server()?, outer))
    }

    fn open_object(
        &self,
        log_on: &Arc<LogOnFacts>,
        share: &str,
        name: Name,
        access: AccessMask,
    ) -> Answer<'static, Arc<dyn Handle>> {
        let found = self.server().and_then(|server| {
            let share = server.settings().shares.find(share).cloned()?;
            Some((enter(&server, &share, log_on), share))
        });
        Box::pin(async move {
            let (entered, share) = found.ok_or(NtStatus::BAD_NETWORK_NAME)?;
            let (caller, most) = entered?;
            // Shares know nothing of the right to say what is audited.
            let bound = access.without(AccessMask::ACCESS_SYSTEM_SECURITY);
            if share.is_pipe() || !most.contains(bound) {
                return Err(NtStatus::ACCESS_DENIED);
            }
            let how = OpenHow::to_look(access);
            let opened = share.handler.open(&caller, &name, &how).await?;
            if let Some(descriptor) = &opened.security {
                access::check(&caller.token, descriptor, access)?;
            }
            Ok(opened.handle)
        })
    }

    fn printers(&self, log_on: &Arc<LogOnFacts>) -> Vec<Printer> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let settings = server.settings();
        let shares = settings.shares.iter();
        let printers = shares.filter_map(|share| printer(&server, share, log_on).ok());
        printers.collect()
    }

    fn printer(&self, log_on: &Arc<LogOnFacts>, name: &str) -> Result<Printer, NtStatus> {
        let server = self.server().ok_or(NtStatus::BAD_NETWORK_NAME)?;
        let share = server.settings().shares.find(name).cloned();
        let share = share.ok_or(NtStatus::BAD_NETWORK_NAME)?;
        printer(&server, &share, log_on)
    }
}

/// A share as a printer for the user of this log-on.
fn printer(server: &Server, share: &Share, log_on: &Arc<LogOnFacts>) -> Result<Printer, NtStatus> {
    let queue = share.handler.print_queue();
    let queue = queue.ok_or(NtStatus::BAD_NETWORK_NAME)?;
    let (caller, access) = enter(server, share, log_on)?;
    Ok(Printer {
        name: share.settings.name.clone(),
        comment: share.settings.comment.clone(),
        hidden: share.settings.hidden,
        may_print: access.contains(AccessMask::FILE_WRITE_DATA),
        queue,
        caller,
    })
}

/// Who the user of a log-on is on a share, and what it may do there, as if it were connected to it.
fn enter(
    server: &Server,
    share: &Share,
    log_on: &Arc<LogOnFacts>,
) -> Result<(Caller, AccessMask), NtStatus> {
    // [MS-SMB2] 3.3.5.7
    // [MS-SMB2] 3.3.5.2.11
    if share.encrypt_data() && !log_on.encrypted {
        return Err(NtStatus::ACCESS_DENIED);
    }
    // The key of a session is for the pipe alone.
    let facts = LogOnFacts {
        session_key: None,
        ..LogOnFacts::clone(log_on)
    };
    tree_connect::admit(server, share, Arc::new(facts))
}
