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
}

/// Ends the sessions and closes the tree connects that neither the settings in force nor `accounts`
/// entitle any longer. A changed password ends nothing: it was right when it was given.
pub async fn enforce(server: &Arc<Server>, accounts: &dyn AccountStore) -> Ended {
    let mut ended = Ended::default();
    for session in server.sessions() {
        let Some(identity) = renewed(server, &session, accounts) else {
            teardown::session(server, &session, Ending::Revoked).await;
            ended.sessions = ended.sessions.saturating_add(1);
            continue;
        };
        session.identity.store(Arc::new(identity));
        let trees: Vec<_> = session
            .tree_connects
            .lock()
            .trees
            .values()
            .cloned()
            .collect();
        for tree in trees {
            if !may_stay(server, &session, &tree) {
                teardown::tree_connect(server, &session, tree.id).await;
                ended.tree_connects = ended.tree_connects.saturating_add(1);
            }
        }
    }
    ended
}

/// The session's identity with the account as it is now; none if it may not stay.
fn renewed(server: &Server, session: &Session, accounts: &dyn AccountStore) -> Option<Identity> {
    let identity = session.identity.load();
    let settings = server.settings();
    let rules = &settings.configuration.server;
    let account = match identity.kind {
        LogonKind::User => Some(usable(server, session, accounts.find(&identity.user)?)?),
        LogonKind::Guest if rules.guest == GuestPolicy::BadUser => identity.account.clone(),
        LogonKind::Anonymous if rules.anonymous => identity.account.clone(),
        LogonKind::Guest | LogonKind::Anonymous => return None,
    };
    Some(Identity {
        account,
        ..Identity::clone(&identity)
    })
}

/// The account, if a session of it may go on.
fn usable(server: &Server, session: &Session, account: Arc<Account>) -> Option<Arc<Account>> {
    let now = server.environment().wall_clock();
    let is_protected = session.encrypt_data || !account.must_encrypt;
    (account.check_usable(now).is_ok() && is_protected).then_some(account)
}

/// Whether the share as it is now would grant what the tree connect has.
fn may_stay(server: &Server, session: &Session, tree: &TreeConnect) -> bool {
    let settings = server.settings();
    let Some(share) = settings.shares.find(tree.share.name()) else {
        return false;
    };
    let shows_same = Arc::ptr_eq(&share.handler, &tree.share.handler)
        && share.encrypt_data() == tree.share.encrypt_data();
    let access = share.access(&session.identity.load());
    let granted = tree_connect::maximal_access(share, access);
    shows_same && granted.is_ok_and(|granted| granted.contains(tree.maximal_access))
}
