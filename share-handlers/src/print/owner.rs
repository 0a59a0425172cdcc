//! Whose job it is: who may change it, and whose limit it counts towards.
//!
//! An account that has been proved owns its jobs, whatever its case. Guests own none: one cannot be told from the next.

use server::accounts::LogonKind;
use server::share::Caller;
use wire::dtyp::Sid;

use super::job::{self, Record};

/// Who prints, as a queue tells people apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The account; none for guests.
    pub(super) account: Option<String>,
    /// The client's address, empty for a local one.
    pub(super) client: String,
}

impl Owner {
    /// Who the caller is.
    pub(super) fn of(caller: &Caller) -> Self {
        let address = caller.log_on.as_ref().and_then(|facts| facts.address);
        Self {
            account: account_of(caller),
            client: address
                .map(|address| address.to_string())
                .unwrap_or_default(),
        }
    }

    /// Whether a job counts as one of this user's. Guests of one address are taken for one user, so that no number of
    /// log-ons fills a queue.
    pub(super) fn has(&self, record: &Record) -> bool {
        match (&self.account, &record.owner) {
            (Some(account), Some(owner)) => account.to_lowercase() == owner.to_lowercase(),
            (None, None) => self.client == record.client,
            _ => false,
        }
    }
}

/// Whether the caller may change a job: whose account printed it, and administrators.
pub(super) fn may_change(caller: &Caller, record: &Record) -> bool {
    let owner = Owner::of(caller);
    let is_owner = owner.account.is_some() && owner.has(record);
    is_owner || caller.token.contains(&Sid::ADMINISTRATORS)
}

/// The account that the caller has proved to be; none for guests.
fn account_of(caller: &Caller) -> Option<String> {
    let Some(facts) = &caller.log_on else {
        return Some(job::one_line(&caller.user));
    };
    let is_user = facts.identity.kind == LogonKind::User;
    is_user.then(|| job::one_line(&facts.identity.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(owner: Option<&str>, client: &str) -> Record {
        Record {
            owner: owner.map(str::to_owned),
            client: client.to_owned(),
            ..Record::default()
        }
    }

    fn owner(account: Option<&str>, client: &str) -> Owner {
        Owner {
            account: account.map(str::to_owned),
            client: client.to_owned(),
        }
    }

    #[test]
    fn accounts_are_told_apart_by_name_and_guests_by_address() {
        let alice = owner(Some("alice"), "192.0.2.1");
        assert!(alice.has(&record(Some("Alice"), "192.0.2.9")));
        assert!(!alice.has(&record(Some("bob"), "192.0.2.1")));
        assert!(!alice.has(&record(None, "192.0.2.1")));
        let guest = owner(None, "192.0.2.1");
        assert!(guest.has(&record(None, "192.0.2.1")));
        assert!(!guest.has(&record(None, "192.0.2.2")));
        assert!(!guest.has(&record(Some("alice"), "192.0.2.1")));
    }
}
