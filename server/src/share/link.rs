//! The view of the server that handlers hold: they are made before it, and may outlive it.
//!
//! Owns [`ServerLink`] and what may be done to the server through it. What there is to see is [`super::view`]'s.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use auth::Identity;
use config::Configuration;
use wire::dtyp::AccessMask;
use wire::{NtStatus, SessionId};

use super::figures::{LockSnapshot, StatisticsSnapshot};
use super::handler::{Answer, Handle};
use super::log_on::LogOn;
use super::name::Name;
use super::share::Share;
use super::types::{LogOnFacts, OpenHow};
use super::view::{
    OpenSnapshot, Printer, ServerSnapshot, ServerView, SessionSnapshot, ShareSnapshot,
    TreeConnectSnapshot,
};
use crate::access;
use crate::commands::tree_connect::maximal_access;
use crate::commands::{report_outside, teardown};
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

    fn log_on(&self, address: Option<IpAddr>) -> Option<LogOn> {
        Some(LogOn::new(self.server()?, address))
    }

    fn open_object(
        &self,
        identity: &Identity,
        share: &str,
        name: Name,
        access: AccessMask,
    ) -> Answer<'static, Arc<dyn Handle>> {
        let found = self.server().and_then(|server| {
            let share = server.settings().shares.find(share).cloned()?;
            Some((server.identities().caller(identity, &share), share))
        });
        let identity = identity.clone();
        Box::pin(async move {
            let (caller, share) = found.ok_or(NtStatus::BAD_NETWORK_NAME)?;
            let (caller, most) = (caller?, maximal_access(&share, share.access(&identity))?);
            share.handler.admit(&caller)?;
            let most = share.permit(most, &caller.token)?;
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

    fn printers(&self, identity: &Identity, address: Option<IpAddr>) -> Vec<Printer> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let settings = server.settings();
        let shares = settings.shares.iter();
        let printers = shares.filter_map(|share| printer(&server, share, identity, address));
        printers.collect()
    }
}

/// A share as a printer for this user; none if it is no printer, or none for the user.
fn printer(
    server: &Server,
    share: &Share,
    identity: &Identity,
    address: Option<IpAddr>,
) -> Option<Printer> {
    let queue = share.handler.print_queue()?;
    let access = maximal_access(share, share.access(identity)).ok()?;
    let mut caller = server.identities().caller(identity, share).ok()?;
    caller.log_on = Some(Arc::new(LogOnFacts {
        identity: Arc::new(identity.clone()),
        session_key: None,
        address,
    }));
    share.handler.admit(&caller).ok()?;
    let access = share.permit(access, &caller.token).ok()?;
    Some(Printer {
        name: share.settings.name.clone(),
        comment: share.settings.comment.clone(),
        hidden: share.settings.hidden,
        may_print: access.contains(AccessMask::FILE_WRITE_DATA),
        queue,
        caller,
    })
}
