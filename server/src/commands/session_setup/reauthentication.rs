//! Authenticating again in a session that exists. [MS-SMB2] 3.3.5.5.2

use std::sync::Arc;

use auth::{Identity, LogonKind};
use bytes::Bytes;
use wire::NtStatus;

use super::{is_same_user, response, session_flags};
use crate::commands::Answer;
use crate::commands::teardown::{self, Ending};
use crate::context::Context;
use crate::session::Session;

/// Gives an existing session its new rights; its keys stay.
// [MS-SMB2] 3.3.5.5.2
pub(super) async fn renew(
    context: &mut Context,
    session: &Arc<Session>,
    identity: Identity,
    token: Bytes,
) -> Result<Answer, NtStatus> {
    if !may_become(session, &identity) {
        tracing::warn!(
            target: "smb::authentication",
            session = %format_args!("{:#x}", session.id.0),
            user = %identity.user,
            "refused: the session's keys are another user's, or do not encrypt as this one's must"
        );
        teardown::session(&context.server, session, Ending::Revoked).await;
        return Err(NtStatus::ACCESS_DENIED);
    }
    let flags = session_flags(identity.kind);
    for tree in session.all_trees() {
        match context.server.identities().caller(&identity, &tree.share) {
            Ok(mut caller) => {
                caller.log_on = Some(Arc::new(session.log_on_facts(&identity)));
                tree.caller.store(Arc::new(caller));
            }
            // Nobody keeps the rights of who was there before.
            Err(_) => teardown::tree_connect(&context.server, session, tree.id).await,
        }
    }
    session.become_user(identity);
    if let Some(attached) = context.connection.session(session.id) {
        context.use_session(attached);
    }
    Ok(response(flags, token).into())
}

/// Whether the session may go on as `identity`: as a guest or nobody always, as a user only if it
/// was that user who agreed on the keys. Whoever passes on another's log-on knows the keys of its
/// own session alone; with them it would sign in the other's name.
pub(super) fn may_become(session: &Session, identity: &Identity) -> bool {
    if identity.kind != LogonKind::User {
        return true;
    }
    let must_encrypt = identity
        .account
        .as_ref()
        .is_some_and(|account| account.must_encrypt);
    is_same_user(&session.first_identity, identity) && (session.encrypt_data || !must_encrypt)
}

#[cfg(test)]
mod tests {
    use auth::{Account, NtHash};
    use wire::dtyp::{FileTime, Guid};
    use wire::{Dialect, SessionId};

    use super::*;
    use crate::crypto::SigningAlgorithm;
    use crate::session::{Protections, SessionFacts};

    fn identity(user: &str, kind: LogonKind) -> Identity {
        let account = Account::new(user, NtHash::of_password("secret"));
        Identity {
            user: user.to_owned(),
            domain: String::new(),
            workstation: String::new(),
            kind,
            account: (kind == LogonKind::User).then(|| Arc::new(account)),
            method: "NTLMv2",
            expires: None,
        }
    }

    fn session(first: Identity) -> Session {
        Session::new(SessionFacts {
            id: SessionId(1),
            protections: Protections {
                dialect: Dialect::SMB_3_1_1,
                cipher: None,
                signing_algorithm: SigningAlgorithm::AesGmac,
                supports_notifications: false,
            },
            client_guid: Guid::ZERO,
            creation_time: FileTime::ZERO,
            identity: first,
            signing_required: true,
            encrypt_data: false,
            keys: None,
        })
    }

    #[test]
    fn a_session_becomes_no_other_user_than_the_one_who_knows_its_keys() {
        let alice = session(identity("alice", LogonKind::User));
        assert!(may_become(&alice, &identity("Alice", LogonKind::User)));
        assert!(!may_become(&alice, &identity("bob", LogonKind::User)));
        assert!(may_become(&alice, &identity("", LogonKind::Anonymous)));
        alice.become_user(identity("", LogonKind::Anonymous));
        assert!(may_become(&alice, &identity("alice", LogonKind::User)));
        assert!(!may_become(&alice, &identity("bob", LogonKind::User)));
        let guest = session(identity("alice", LogonKind::Guest));
        assert!(!may_become(&guest, &identity("alice", LogonKind::User)));
    }

    #[test]
    fn who_must_encrypt_renews_no_session_in_clear() {
        let clear = session(identity("alice", LogonKind::User));
        let mut account = Account::new("alice", NtHash::of_password("secret"));
        account.must_encrypt = true;
        let strict = Identity {
            account: Some(Arc::new(account)),
            ..identity("alice", LogonKind::User)
        };
        assert!(!may_become(&clear, &strict));
    }
}
