//! What is told of an account file, and changed in it, without pipes.

use std::sync::Arc;

use parking_lot::Mutex;
use server::accounts::{Account, Group, NtHash};
use server::share::{AccountChange, Administration, Answer, MachineId, ShareChange};
use wire::dtyp::Sid;
use wire::{NtStatus, Utf16String};

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::testing::{Client, Desk};
use super::SAMR;
use super::types::Numbers;
use crate::ready::ready;

/// Accounts in memory, which come and go, and the group `Ärzte`.
struct Kept(Mutex<Vec<Arc<Account>>>);

impl Administration for Kept {
    fn machine(&self) -> MachineId {
        [1, 2, 3]
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.0.lock().clone()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        let group = Group {
            rid: Some(1200),
            ..Group::new("Ärzte")
        };
        vec![Arc::new(group)]
    }

    fn host_user(&self, _: u32) -> Option<String> {
        None
    }

    fn host_group(&self, _: u32) -> Option<String> {
        None
    }

    fn change_account(&self, change: AccountChange) -> Answer<'static, ()> {
        let mut accounts = self.0.lock();
        match change {
            AccountChange::Add(account) => {
                let rid = accounts.iter().filter_map(|account| account.rid).max();
                let rid = Some(rid.unwrap_or(1000) + 1);
                accounts.push(Arc::new(Account { rid, ..account }));
            }
            AccountChange::Remove(name) => {
                // Its number stays taken.
                let gone = accounts.iter_mut().find(|account| account.name == name);
                Arc::make_mut(gone.unwrap()).name = "gone".to_owned();
            }
            _ => return ready(Err(NtStatus::NOT_SUPPORTED)),
        }
        ready(Ok(()))
    }

    fn change_share(&self, _: ShareChange) -> Answer<'static, ()> {
        ready(Err(NtStatus::ACCESS_DENIED))
    }
}

/// An administrator, with a handle on the domain of these accounts.
fn opened(accounts: Vec<Account>) -> (Client, Handle) {
    let kept = Kept(Mutex::new(accounts.into_iter().map(Arc::new).collect()));
    let client = Client::new(Arc::new(Desk::default()), &SAMR, &[Sid::ADMINISTRATORS]);
    let mut client = client.administered_by(Arc::new(kept));
    let connect = (None::<Utf16String>, MAXIMUM_ALLOWED);
    let (server, _): (Handle, u32) = client.call(57, &connect).unwrap();
    let machine = Sid::new([0, 0, 0, 0, 0, 5], &[21, 1, 2, 3]).unwrap();
    let open = (server, MAXIMUM_ALLOWED, machine);
    let (domain, status): (Handle, u32) = client.call(7, &open).unwrap();
    assert_eq!(status, nt::SUCCESS);
    (client, domain)
}

fn named(name: &str, rid: u32, groups: &[&str]) -> Account {
    Account {
        rid: Some(rid),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Account::new(name, NtHash::of_password("x"))
    }
}

fn account(relative: u32) -> Sid {
    Sid::domain_account([1, 2, 3], relative)
}

#[test]
fn who_is_in_a_group_is_so_whatever_the_case_of_its_letters() {
    let accounts = [named("alice", 1001, &["ärzte"]), named("bob", 1002, &[])];
    let (mut client, domain) = opened(accounts.into());
    let open = (domain, MAXIMUM_ALLOWED, 1200_u32);
    let (alias, _): (Handle, u32) = client.call(27, &open).unwrap();
    let (members, status): (Container<Option<Sid>>, u32) = client.call(33, &(alias,)).unwrap();
    assert_eq!(
        (members.0, status),
        (vec![Some(account(1001))], nt::SUCCESS)
    );
    for (relative, expected) in [(1001, vec![1200]), (1002, vec![])] {
        let sids: Container<Option<Sid>> = [Some(account(relative))].into_iter().collect();
        let asked = (domain, sids);
        let (numbers, _): (Numbers, u32) = client.call(16, &asked).unwrap();
        assert_eq!(numbers.elements.unwrap().0, expected);
    }
}

#[test]
fn a_handle_on_an_account_that_has_gone_is_none_on_a_later_one_of_its_name() {
    let (mut client, domain) = opened(Vec::new());
    let create = (domain, Counted::from("bob"), MAXIMUM_ALLOWED);
    let (first, number, status): (Handle, u32, u32) = client.call(12, &create).unwrap();
    assert_eq!(status, nt::SUCCESS);
    let open = (create.0, MAXIMUM_ALLOWED, number);
    let (other, _): (Handle, u32) = client.call(34, &open).unwrap();
    let (_, status): (Handle, u32) = client.call(35, &(first,)).unwrap();
    assert_eq!(status, nt::SUCCESS);
    let (_, later, _): (Handle, u32, u32) = client.call(12, &create).unwrap();
    assert_ne!(later, number);
    let (_, status): (Handle, u32) = client.call(35, &(other,)).unwrap();
    assert_eq!(status, nt::NO_SUCH_USER);
}

const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
