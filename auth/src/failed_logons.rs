//! Slows down whoever guesses passwords: counts failed log-ons per account and address.
//!
//! Owns a bounded table and the arithmetic of delays. It never refuses a log-on and never waits: it
//! says how long the answer should wait, right or wrong, so that nobody can lock out somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use wire::dtyp::FileTime;

use crate::accounts::fold_name;
use crate::identity::LogonName;

/// How fast guessing gets slow, and how soon it is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedLogonLimits {
    /// Failures of one account from one address that cost nothing.
    pub free_per_account: u32,
    /// Failures of all accounts from one address that cost nothing.
    pub free_per_address: u32,
    /// What the first failure beyond those costs; each further one doubles it.
    pub first_delay: Duration,
    /// What a failure costs at most.
    pub longest_delay: Duration,
    /// One failure is forgiven each time this passes without another.
    pub forgive_every: Duration,
    /// How many counts are kept; beyond that the one that rested longest is dropped.
    pub counts: usize,
}

impl Default for FailedLogonLimits {
    fn default() -> Self {
        Self {
            free_per_account: 3,
            free_per_address: 20,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(10),
            forgive_every: Duration::from_secs(60),
            counts: 10_000,
        }
    }
}

/// The failed log-ons of the recent past.
#[derive(Debug)]
pub struct FailedLogons {
    limits: FailedLogonLimits,
    counts: BTreeMap<Key, Count>,
    /// Every count's last failure, oldest first.
    by_age: BTreeSet<(FileTime, Key)>,
}

/// Whose failures are counted: an account's from one address, or everybody's from one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    address: IpAddr,
    account: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: FileTime,
}

impl FailedLogons {
    /// An empty table.
    #[must_use]
    pub const fn new(limits: FailedLogonLimits) -> Self {
        Self {
            limits,
            counts: BTreeMap::new(),
            by_age: BTreeSet::new(),
        }
    }

    /// Counts a failure and returns how long to wait before telling the client.
    pub fn failed(&mut self, account: &str, address: IpAddr, now: FileTime) -> Duration {
        for key in keys(account, address) {
            let failures = self.failures(&key, now).saturating_add(1);
            self.set(
                key,
                Count {
                    failures,
                    last: now,
                },
            );
        }
        self.delay(account, address, now)
    }

    /// Forgets the account's failures from that address: somebody there knows the password.
    pub fn succeeded(&mut self, account: &str, address: IpAddr) {
        let [account, _] = keys(account, address);
        self.remove(&account);
    }

    /// How long the answer to a log-on should wait at `now`, were it to succeed. Asked before the
    /// log-on, or else a guesser would know a wrong password by the delay and hang up.
    #[must_use]
    pub fn delay(&self, account: &str, address: IpAddr, now: FileTime) -> Duration {
        let [account, everybody] = keys(account, address);
        let limits = &self.limits;
        let over_account = self
            .failures(&account, now)
            .saturating_sub(limits.free_per_account);
        let over_address = self
            .failures(&everybody, now)
            .saturating_sub(limits.free_per_address);
        let Some(doublings) = over_account.max(over_address).checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        limits
            .first_delay
            .saturating_mul(factor)
            .min(limits.longest_delay)
    }

    /// How many failures of `account` from `address` are not yet forgiven.
    #[must_use]
    pub fn count(&self, account: &str, address: IpAddr, now: FileTime) -> u32 {
        let [account, _] = keys(account, address);
        self.failures(&account, now)
    }

    fn failures(&self, key: &Key, now: FileTime) -> u32 {
        let Some(count) = self.counts.get(key) else {
            return 0;
        };
        let rested = u128::from(now.0.saturating_sub(count.last.0)).saturating_mul(100);
        let forgiven = rested
            .checked_div(self.limits.forgive_every.as_nanos())
            .unwrap_or(0);
        count
            .failures
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    fn set(&mut self, key: Key, count: Count) {
        self.remove(&key);
        while self.counts.len() >= self.limits.counts.max(1) {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.counts.remove(&oldest);
        }
        self.by_age.insert((count.last, key.clone()));
        self.counts.insert(key, count);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(count) = self.counts.remove(key) {
            self.by_age.remove(&(count.last, key.clone()));
        }
    }
}

/// The two counts that a log-on concerns: the account's, and everybody's.
fn keys(account: &str, address: IpAddr) -> [Key; 2] {
    let address = network(address);
    // `LAB\alice` and `alice@lab` are guesses at the same account.
    let account = LogonName::parse(account).user;
    // A client may send a name of 32,767 characters; the table keeps no more than an account can have.
    let account = fold_name(&account.chars().take(64).collect::<String>());
    [
        Key {
            address,
            account: Some(account),
        },
        Key {
            address,
            account: None,
        },
    ]
}

/// The address under which a peer is counted: one home has 2^64 addresses of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> FileTime {
        FileTime(1_000_000_000 + seconds * 10_000_000)
    }

    fn millis(table: &mut FailedLogons, account: &str, seconds: u64) -> u128 {
        table.failed(account, HERE, at(seconds)).as_millis()
    }

    #[test]
    fn guessing_gets_slower_up_to_a_limit_and_only_for_the_guesser() {
        let mut table = FailedLogons::new(FailedLogonLimits::default());
        let delays: Vec<u128> = (0..10).map(|_| millis(&mut table, "alice", 0)).collect();
        assert_eq!(
            delays,
            [0, 0, 0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]
        );
        assert_eq!(table.delay("ALICE", HERE, at(0)), Duration::from_secs(10));
        assert_eq!(table.delay("alice", THERE, at(0)), Duration::ZERO);
        assert_eq!(table.delay("bob", HERE, at(0)), Duration::ZERO);
        assert_eq!(
            table.delay("LAB\\alice", HERE, at(0)),
            Duration::from_secs(10)
        );
        assert_eq!(
            table.delay("alice@lab", HERE, at(0)),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn a_right_password_and_time_forgive() {
        let mut table = FailedLogons::new(FailedLogonLimits::default());
        for _ in 0..5 {
            table.failed("alice", HERE, at(0));
            table.failed("bob", HERE, at(0));
        }
        assert_eq!(table.count("alice", HERE, at(59)), 5);
        assert_eq!(table.count("alice", HERE, at(60)), 4);
        assert_eq!(
            table.delay("alice", HERE, at(60)),
            Duration::from_millis(500)
        );
        assert_eq!(table.delay("alice", HERE, at(120)), Duration::ZERO);
        table.succeeded("bob", HERE);
        assert_eq!(table.count("bob", HERE, at(0)), 0);
        assert_eq!(table.count("alice", HERE, at(0)), 5);
    }

    #[test]
    fn trying_one_password_on_many_accounts_gets_slow_too() {
        let mut table = FailedLogons::new(FailedLogonLimits::default());
        for user in 0..20 {
            assert_eq!(millis(&mut table, &format!("user{user}"), 0), 0);
        }
        assert_eq!(millis(&mut table, "user20", 0), 500);
        assert_eq!(millis(&mut table, "user21", 0), 1000);
    }

    #[test]
    fn the_table_is_bounded_and_drops_what_rested_longest() {
        let limits = FailedLogonLimits {
            counts: 4,
            ..FailedLogonLimits::default()
        };
        let mut table = FailedLogons::new(limits);
        for second in 0..100 {
            table.failed(&format!("user{second}"), HERE, at(second));
            assert!(table.counts.len() <= 4 && table.by_age.len() == table.counts.len());
        }
        assert_eq!(table.count("user99", HERE, at(99)), 1);
        assert_eq!(table.count("user0", HERE, at(99)), 0);
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one_and_a_mapped_address_as_itself() {
        let mut table = FailedLogons::new(FailedLogonLimits::default());
        table.failed("alice", "2001:db8::1".parse().unwrap(), at(0));
        assert_eq!(
            table.count("alice", "2001:db8::2".parse().unwrap(), at(0)),
            1
        );
        assert_eq!(
            table.count("alice", "2001:db8:0:1::1".parse().unwrap(), at(0)),
            0
        );
        table.failed("bob", "::ffff:192.0.2.1".parse().unwrap(), at(0));
        assert_eq!(table.count("bob", HERE, at(0)), 1);
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing_and_breaks_nothing() {
        let mut table = FailedLogons::new(FailedLogonLimits::default());
        table.failed("alice", HERE, at(100));
        assert_eq!(table.count("alice", HERE, at(0)), 1);
        table.failed("alice", HERE, at(0));
        assert_eq!(table.count("alice", HERE, at(0)), 2);
    }
}
