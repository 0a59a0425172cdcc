//! Who may stay after a reload.
//!
//! Sessions and tree connects keep what they were granted as long as the new settings would grant
//! it again; what they would not is closed here, as if the client had closed it. What is asked of
//! them from now on is asked by their user with the groups that it is in now. Nobody else is
//! disturbed. It never decides what the settings are.

use std::sync::Arc;

use auth::{Account, AccountStore, Identity, LogonKind};
use config::GuestPolicy;
use wire::dtyp::Sid;

use crate::commands::teardown::{self, Ending};
use crate::commands::tree_connect;
use crate::open::Open;
use crate::server::Server;
use crate::session::Session;
use crate::share::{Caller, LogOnFacts, caller_on_pipes};
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
/// the settings in force nor `accounts` entitle any longer. A changed password ends nothing: it was right when
/// it was given.
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
        let facts = Arc::new(session.log_on_facts(&identity));
        session.become_user(identity);
        for tree in session.all_trees() {
            let Some(caller) = entitled(server, &facts, &tree) else {
                teardown::tree_connect(server, &session, tree.id).await;
                ended.tree_connects = ended.tree_connects.saturating_add(1);
                continue;
            };
            let before = tree.caller.swap(Arc::new(caller));
            if tree.share.is_pipe() && has_lost_administration(&before, &tree.caller.load()) {
                let opens = session.opens.take_matching(|open| open.tree.id == tree.id);
                teardown::opens(server, opens).await;
            }
        }
    }
    for user in server.pipe_users.all() {
        let caller = user.caller();
        user.become_caller(caller.and_then(|before| still_on_pipe(server, &before, accounts)));
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

/// What somebody who has logged on inside a pipe may do now. Whoever has lost administration asks nothing more: what was
/// opened before carries its rights.
fn still_on_pipe(
    server: &Arc<Server>,
    before: &Caller,
    accounts: &dyn AccountStore,
) -> Option<Caller> {
    let facts = before.log_on.as_ref()?;
    let facts = LogOnFacts {
        identity: Arc::new(renewed(server, &facts.identity, accounts)?),
        ..LogOnFacts::clone(facts)
    };
    let now = caller_on_pipes(server, Arc::new(facts)).ok()?;
    (!has_lost_administration(before, &now)).then_some(now)
}

/// Whether an open may wait on for the client that made it.
fn may_wait(server: &Server, open: &Open, accounts: &dyn AccountStore) -> bool {
    let caller = open.tree.caller.load();
    let Some(known) = &caller.log_on else {
        return false;
    };
    let Some(identity) = renewed(server, &known.identity, accounts) else {
        return false;
    };
    let facts = LogOnFacts {
        identity: Arc::new(identity),
        ..LogOnFacts::clone(known)
    };
    entitled(server, &Arc::new(facts), &open.tree).is_some()
}

/// Who the user is for the share now; none if the share as it is now would not grant what the tree connect has.
fn entitled(server: &Server, facts: &Arc<LogOnFacts>, tree: &TreeConnect) -> Option<Caller> {
    let settings = server.settings();
    let share = settings.shares.find(tree.share.name())?;
    let shows_same = Arc::ptr_eq(&share.handler, &tree.share.handler)
        && share.encrypt_data() == tree.share.encrypt_data();
    let (caller, granted) = tree_connect::admit(server, share, Arc::clone(facts)).ok()?;
    (shows_same && granted.contains(tree.maximal_access)).then_some(caller)
}

/// Whether somebody administers the server no longer. What is open on pipes asks for that at each call, of the caller
/// who opened it.
fn has_lost_administration(before: &Caller, now: &Caller) -> bool {
    let administers = |caller: &Caller| caller.token.contains(&Sid::ADMINISTRATORS);
    administers(before) && !administers(now)
}
