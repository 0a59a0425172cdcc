//! Changes of the account file that clients ask for: carried out, and told to the log.
//!
//! Who may ask is decided before it comes here. No line of the log holds a secret.

use std::future::Future;
use std::sync::Arc;

use server::accounts::RightsChange;
use server::share::{AccountChange, Administration};
use wire::dtyp::Sid;

use super::ndr::Handle;
use super::nt;
use super::rpc::{Call, Fault, Later};

/// Somebody who changes the account file.
pub(super) struct Changer {
    administration: Arc<dyn Administration>,
    user: Arc<str>,
}

impl Changer {
    /// Who calls.
    pub(super) fn of(call: &Call<'_>) -> Self {
        Self {
            administration: Arc::clone(&call.services.administration),
            user: call.caller.user.clone(),
        }
    }

    /// Has a change made and gives its status, when it is in force.
    pub(super) async fn make(self, change: AccountChange) -> u32 {
        let (said, user) = (describe(&change), self.user);
        let result = self.administration.change_account(change).await;
        match &result {
            Ok(()) => tracing::info!(target: "smb::accounts", by = %user, "{said}"),
            Err(status) => {
                tracing::info!(target: "smb::accounts", by = %user, %status, "not done: {said}");
            }
        }
        nt::of(result)
    }

    /// A password is not changed, because who asked did not know the old one.
    pub(super) fn refused(self, account: &str) {
        let user = self.user;
        tracing::info!(target: "smb::accounts", by = %user, "wrong old password of account {account:?}");
    }
}

/// Has a change made for who calls, and gives its status, when it is in force.
pub(super) fn change(
    call: &Call<'_>,
    change: AccountChange,
) -> impl Future<Output = u32> + Send + use<> {
    Changer::of(call).make(change)
}

/// Has what a handle stands for removed, and ends the handle with it.
pub(super) fn remove(
    call: &mut Call<'_>,
    handle: Handle,
    removal: AccountChange,
) -> Result<Later<(Handle, u32)>, Fault> {
    let ending = call.handles.ending(&handle)?;
    let made = change(call, removal);
    Ok(Box::pin(async move {
        match made.await {
            nt::SUCCESS => {
                ending.end();
                (Handle::NULL, nt::SUCCESS)
            }
            status => (handle, status),
        }
    }))
}

/// An answer that needs no waiting.
pub(super) fn at_once<T: Send + 'static>(answer: T) -> Later<T> {
    Box::pin(std::future::ready(answer))
}

/// What a change is, in words that may stand in a log. Names are quoted, for clients choose them.
fn describe(change: &AccountChange) -> String {
    match change {
        AccountChange::Add(account) => format!("account {:?} added", account.name),
        AccountChange::Remove(name) => format!("account {name:?} removed"),
        AccountChange::Update { name, update } if update.nt_hash.is_some() => {
            format!("password of account {name:?} changed")
        }
        AccountChange::Update { name, .. } => format!("account {name:?} changed"),
        AccountChange::AddGroup(group) => format!("group {:?} added", group.name),
        AccountChange::RemoveGroup(name) => format!("group {name:?} removed"),
        AccountChange::UpdateGroup { name, new_name, .. } => match new_name {
            Some(new) => format!("group {name:?} renamed to {new:?}"),
            None => format!("group {name:?} changed"),
        },
        AccountChange::Members {
            groups,
            accounts,
            becomes,
        } => format!("accounts {accounts:?} {becomes:?} groups {groups:?}"),
        AccountChange::Rights { holder, change } => describe_rights(holder, change),
    }
}

fn describe_rights(holder: &Sid, change: &RightsChange) -> String {
    match change {
        RightsChange::Create => format!("rights of {holder} kept from now on"),
        RightsChange::Delete => format!("all rights of {holder} taken away"),
        RightsChange::Grant(rights) => format!("{holder} granted {rights}"),
        RightsChange::Revoke { rights, .. } => format!("{rights} taken away from {holder}"),
        RightsChange::SetAccess(access) => format!("ways to log on of {holder} set to {access}"),
    }
}

#[cfg(test)]
mod tests {
    use server::accounts::NtHash;
    use server::share::AccountUpdate;

    use super::*;

    #[test]
    fn no_hash_is_told_to_the_log() {
        let nt_hash = NtHash::of_password("secret");
        let digits = nt_hash.to_hex().to_lowercase();
        let update = AccountUpdate {
            nt_hash: Some(nt_hash),
            ..AccountUpdate::default()
        };
        let name = "alice\nforged".to_owned();
        let said = describe(&AccountChange::Update { name, update });
        assert_eq!(said, r#"password of account "alice\nforged" changed"#);
        assert!(!said.to_lowercase().contains(digits.as_str()));
    }
}
