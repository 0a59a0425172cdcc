//! Who holds which rights, told and changed without pipes.

use std::sync::Arc;

use parking_lot::Mutex;
use server::accounts::{Account, Group, Rights, RightsChange};
use server::share::{AccountChange, Administration, Answer, MachineId, ShareChange};
use wire::dtyp::Sid;
use wire::{NtStatus, Utf16String};

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rpc::Fault;
use super::super::testing::{Client, Desk};
use super::LSARPC;
use super::types::{HeldPrivilege, Luid, ObjectAttributes, PrivilegeSet};
use crate::ready::ready;

/// Holders of rights, and the changes that were asked for; none is carried out.
struct Kept {
    holders: Vec<(Sid, Rights)>,
    asked: Mutex<Vec<(Sid, RightsChange)>>,
}

impl Administration for Kept {
    fn machine(&self) -> MachineId {
        [1, 2, 3]
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        Vec::new()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        Vec::new()
    }

    fn holders(&self) -> Vec<(Sid, Rights)> {
        self.holders.clone()
    }

    fn host_user(&self, _: u32) -> Option<String> {
        None
    }

    fn host_group(&self, _: u32) -> Option<String> {
        None
    }

    fn change_account(&self, change: AccountChange) -> Answer<'static, ()> {
        let AccountChange::Rights { holder, change } = change else {
            return ready(Err(NtStatus::NOT_SUPPORTED));
        };
        self.asked.lock().push((holder, change));
        ready(Ok(()))
    }

    fn change_share(&self, _: ShareChange) -> Answer<'static, ()> {
        ready(Err(NtStatus::ACCESS_DENIED))
    }
}

fn right(name: &str) -> Rights {
    Rights::named(name).unwrap()
}

fn service() -> Sid {
    "S-1-5-19".parse().unwrap()
}

/// Somebody of this group, with a handle on the policy, and what is kept.
fn opened(group: Sid) -> (Client, Handle, Arc<Kept>) {
    let holders = vec![
        (Sid::ADMINISTRATORS, right("SeBackupPrivilege")),
        (Sid::USERS, right("SeBackupPrivilege")),
        (service(), right("SeAuditPrivilege")),
    ];
    let kept = Arc::new(Kept {
        holders,
        asked: Mutex::default(),
    });
    let client = Client::new(Arc::new(Desk::default()), &LSARPC, &[group]);
    let mut client = client.administered_by(kept.clone());
    let attributes = ObjectAttributes {
        length: 24,
        root: None,
        name: None,
        attributes: 0,
        descriptor: None,
        quality: None,
    };
    let open = (None::<Utf16String>, attributes, MAXIMUM_ALLOWED);
    let (policy, status): (Handle, u32) = client.call(44, &open).unwrap();
    assert_eq!(status, nt::SUCCESS);
    (client, policy, kept)
}

fn names(names: &[&str]) -> Container<Counted> {
    names.iter().map(|name| Counted::from(*name)).collect()
}

fn privilege(number: u32) -> PrivilegeSet {
    let id = Luid {
        low: number,
        high: 0,
    };
    PrivilegeSet(vec![HeldPrivilege { id, attributes: 0 }])
}

// test [MS-LSAD] 3.1.4.5.2
// test [MS-LSAD] 3.1.4.5.9
#[test]
fn holders_are_told_in_parts_and_by_right() {
    let (mut client, policy, _) = opened(Sid::USERS);
    type Told = (u32, Container<Option<Sid>>, u32);
    let (next, some, status): Told = client.call(11, &(policy, 0_u32, 1_u32)).unwrap();
    let first = vec![Some(Sid::ADMINISTRATORS)];
    assert_eq!((next, some.0, status), (1, first, nt::MORE_ENTRIES));
    let (next, some, status): Told = client.call(11, &(policy, next, 4096_u32)).unwrap();
    assert_eq!((next, some.0.len(), status), (3, 2, nt::SUCCESS));
    let (_, some, status): Told = client.call(11, &(policy, next, 4096_u32)).unwrap();
    assert_eq!((some.0.len(), status), (0, nt::NO_MORE_ENTRIES));
    let mut with = |name: &str| {
        let asked = (policy, Some(Counted::from(name)));
        let (sids, status): (Container<Option<Sid>>, u32) = client.call(35, &asked).unwrap();
        (sids.0, status)
    };
    let both = vec![Some(Sid::ADMINISTRATORS), Some(Sid::USERS)];
    assert_eq!(with("sebackupprivilege"), (both, nt::SUCCESS));
    assert_eq!(with("SeTcbPrivilege"), (vec![], nt::NO_MORE_ENTRIES));
    assert_eq!(with("SeNothing"), (vec![], nt::NO_SUCH_PRIVILEGE));
}

// test [MS-LSAD] 3.1.4.5.11
#[test]
fn users_grant_take_and_make_nothing() {
    let (mut client, policy, kept) = opened(Sid::USERS);
    for sid in [Sid::USERS, Sid::GUESTS] {
        let add = (policy, sid, names(&["SeTcbPrivilege"]));
        assert_eq!(client.call(37, &add), Ok((nt::ACCESS_DENIED,)));
        let remove = (policy, sid, 1_u8, names(&[]));
        assert_eq!(client.call(38, &remove), Ok((nt::ACCESS_DENIED,)));
    }
    let create = (policy, Sid::GUESTS, MAXIMUM_ALLOWED);
    assert_eq!(
        client.call(10, &create),
        Ok((Handle::NULL, nt::ACCESS_DENIED))
    );
    let open = (policy, Sid::USERS, MAXIMUM_ALLOWED);
    let (account, status): (Handle, u32) = client.call(17, &open).unwrap();
    assert_eq!(status, nt::SUCCESS);
    let add = (account, privilege(7));
    assert_eq!(client.call(19, &add), Ok((nt::ACCESS_DENIED,)));
    assert_eq!(client.call(24, &(account, 2_u32)), Ok((nt::ACCESS_DENIED,)));
    assert_eq!(
        client.call(34, &(account,)),
        Ok((account, nt::ACCESS_DENIED))
    );
    assert!(kept.asked.lock().is_empty());
}

// test [MS-LSAD] 3.1.4.5.12
#[test]
fn what_is_no_right_or_cannot_be_taken_is_refused_and_changes_nothing() {
    let (mut client, policy, kept) = opened(Sid::ADMINISTRATORS);
    let add = (policy, Sid::USERS, names(&["SeTcbPrivilege", "SeNothing"]));
    assert_eq!(client.call(37, &add), Ok((nt::NO_SUCH_PRIVILEGE,)));
    let mut remove = |sid: Sid, all: u8, rights: &[&str]| {
        client
            .call(38, &(policy, sid, all, names(rights)))
            .map(|(status,)| status)
    };
    assert_eq!(remove(Sid::GUESTS, 1, &[]), Ok(nt::OBJECT_NAME_NOT_FOUND));
    assert_eq!(
        remove(Sid::USERS, 0, &["SeNothing"]),
        Ok(nt::NO_SUCH_PRIVILEGE)
    );
    assert_eq!(remove(service(), 1, &[]), Ok(nt::NOT_SUPPORTED));
    assert!(kept.asked.lock().is_empty());
}

// test [MS-LSAD] 3.1.4.5.5
// test [MS-LSAD] 3.1.4.5.6
// test [MS-LSAD] 3.1.4.5.8
#[test]
fn what_a_handle_is_asked_to_change_is_asked_of_the_account_file() {
    let (mut client, policy, kept) = opened(Sid::ADMINISTRATORS);
    let open = (policy, Sid::USERS, MAXIMUM_ALLOWED);
    let (account, _): (Handle, u32) = client.call(17, &open).unwrap();
    let told: (Option<PrivilegeSet>, u32) = client.call(18, &(account,)).unwrap();
    assert_eq!(told.0.unwrap().0[0].id.low, 17);
    for (set, expected) in [
        (privilege(7), nt::SUCCESS),
        (privilege(99), nt::INVALID_PARAMETER),
    ] {
        assert_eq!(client.call(19, &(account, set)), Ok((expected,)));
    }
    for (all, set, expected) in [
        (0_u8, None, nt::INVALID_PARAMETER),
        (1, Some(privilege(17)), nt::INVALID_PARAMETER),
        (1, None, nt::SUCCESS),
    ] {
        assert_eq!(client.call(20, &(account, all, set)), Ok((expected,)));
    }
    assert_eq!(
        client.call(24, &(account, 8_u32)),
        Ok((nt::INVALID_PARAMETER,))
    );
    assert_eq!(client.call(24, &(account, 2_u32)), Ok((nt::SUCCESS,)));
    assert_eq!(client.call(1, &(account,)), Ok((nt::NOT_SUPPORTED,)));
    assert_eq!(
        client.call(34, &(account,)),
        Ok((Handle::NULL, nt::SUCCESS))
    );
    let gone: Result<(u32,), Fault> = client.call(24, &(account, 2_u32));
    assert_eq!(gone, Err(Fault::CONTEXT_MISMATCH));
    assert_eq!(
        client.call(34, &(policy,)),
        Ok((policy, nt::INVALID_PARAMETER))
    );
    let asked = kept.asked.lock();
    let changes: Vec<RightsChange> = asked.iter().map(|(_, change)| *change).collect();
    assert!(matches!(
        changes[..],
        [
            RightsChange::Grant(_),
            RightsChange::Revoke { .. },
            RightsChange::SetAccess(_),
            RightsChange::Delete,
        ]
    ));
    assert!(asked.iter().all(|(holder, _)| *holder == Sid::USERS));
}

const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
