//! Who may stay after a reload.
//!
//! Sessions and tree connects keep what they were granted as long as the new settings would grant
//! it again; what they would not is closed here, as if the client had closed it. Nobody else is
//! disturbed. It never decides what the settings are.

use std::sync::Arc;

use auth::{Account, AccountStore, Identity, LogonKind};
use config::GuestPolicy;

use crate::commands::teardown::{self, Ending};
use crate::commands::tree_connect;
use crate::open::Open;
use crate::server::Server;
use crate::session::Session;
use crate::tree_connect::TreeConnect;

/// What a reload took away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Sessions ended.
    pub sessions: usize,
    /// Tree connects closed in sessions that stay.
    pub tree_connects: usize,
    /// Opens closed that waited for their client.
    pub waiting_opens: usize,
}

/// Ends the sessions, and closes the tree connects and the opens that wait for their client, that neither
/// the settings in force nor `accounts` entitle any longer. A changed password ends nothing: it was right when it was given.
pub async fn enforce(server: &Arc<Server>, accounts: &dyn AccountStore) -> Ended {
    let mut ended = Ended::default();
    for session in server.sessions() {
        let current = session.identity.load_full();
        let identity = renewed(server, &current, accounts);
        let Some(identity) = identity.filter(|it| is_protected(&session, it)) else {
            teardown::session(server, &session, Ending::Revoked).await;
            ended.sessions = ended.sessions.saturating_add(1);
            continue;
        };
        session.become_user(identity);
        for tree in session.all_trees() {
            if !may_stay(server, &session.identity.load(), &tree) {
                teardown::tree_connect(server, &session, tree.id).await;
                ended.tree_connects = ended.tree_connects.saturating_add(1);
            }
        }
    }
    for open in server.disconnected_opens() {
        if !may_wait(server, &open, accounts)
            && let Some(open) = server.disconnected.take(server, open.id())
        {
            teardown::opens(server, vec![open]).await;
            ended.waiting_opens = ended.waiting_opens.saturating_add(1);
        }
    }
    ended
}

/// The identity with the account as it is now; none if it may not stay.
pub(crate) fn renewed(
    server: &Server,
    identity: &Identity,
    accounts: &dyn AccountStore,
) -> Option<Identity> {
    let settings = server.settings();
    let rules = &settings.configuration.server;
    let account = match identity.kind {
        LogonKind::User => Some(usable(server, accounts.find(&identity.user)?)?),
        LogonKind::Guest if rules.guest == GuestPolicy::BadUser => identity.account.clone(),
        LogonKind::Anonymous if rules.anonymous => identity.account.clone(),
        LogonKind::Guest | LogonKind::Anonymous => return None,
    };
    Some(Identity {
        account,
        ..identity.clone()
    })
}

/// The account, if a session of it may go on.
fn usable(server: &Server, account: Arc<Account>) -> Option<Arc<Account>> {
    let now = server.environment().wall_clock();
    account.check_usable(now).is_ok().then_some(account)
}

/// Whether the session is encrypted, if its account must be.
fn is_protected(session: &Session, identity: &Identity) -> bool {
    let account = identity.account.as_ref();
    session.encrypt_data
        || identity.kind != LogonKind::User
        || account.is_none_or(|account| !account.must_encrypt)
}

/// Whether an open may wait on for the client that made it.
fn may_wait(server: &Server, open: &Open, accounts: &dyn AccountStore) -> bool {
    let caller = open.tree.caller.load();
    let known = caller.log_on.as_ref().map(|log_on| &log_on.identity);
    let identity = known.and_then(|identity| renewed(server, identity, accounts));
    identity.is_some_and(|identity| may_stay(server, &identity, &open.tree))
}

/// Whether the share as it is now would grant what the tree connect has.
fn may_stay(server: &Server, identity: &Identity, tree: &TreeConnect) -> bool {
    let settings = server.settings();
    let Some(share) = settings.shares.find(tree.share.name()) else {
        return false;
    };
    let shows_same = Arc::ptr_eq(&share.handler, &tree.share.handler)
        && share.encrypt_data() == tree.share.encrypt_data();
    let access = share.access(identity);
    let granted = tree_connect::maximal_access(share, access).and_then(|granted| {
        let caller = server.identities().caller(identity, share)?;
        share.permit(granted, &caller.token)
    });
    shows_same && granted.is_ok_and(|granted| granted.contains(tree.maximal_access))
}
