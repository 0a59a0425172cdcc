//! Names and security identifiers: of accounts and groups of this machine, of users and groups of the host, and of
//! those that every machine has.
//!
//! Owns both directions of the translation, and which domain each name is in. Reads accounts, changes nothing.

use std::sync::Arc;

use server::accounts::{Account, Group, account_sid, group_relative_id, relative_id};
use server::share::MachineId;
use wire::dtyp::Sid;

use super::rpc::Services;

/// SID_NAME_USE.
// [MS-LSAT] 2.2.13
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An account.
    User,
    /// A group of a domain.
    Group,
    /// A domain.
    Domain,
    /// A group of one machine.
    Alias,
    /// A group that follows from how somebody logged on.
    WellKnown,
    /// Nobody knows.
    Unknown,
}

impl Kind {
    /// The number that stands for it.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::User => 1,
            Self::Group => 2,
            Self::Domain => 3,
            Self::Alias => 4,
            Self::WellKnown => 5,
            Self::Unknown => 8,
        }
    }
}

/// A domain: a set of accounts and groups whose identifiers begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Domain {
    /// The name.
    pub name: String,
    /// What the identifiers begin with.
    pub sid: Sid,
}

/// A name with its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The whole identifier.
    pub sid: Sid,
    /// The name, empty for a domain.
    pub name: String,
    /// Where it belongs.
    pub domain: Domain,
    /// What it is.
    pub kind: Kind,
}

/// The names of a server.
pub(super) struct Directory {
    /// The domain of this machine's accounts.
    pub machine: Domain,
    machine_id: MachineId,
    services: Arc<Services>,
}

impl Directory {
    /// The names that `services` knows.
    pub(super) fn new(services: &Arc<Services>) -> Self {
        let machine_id = services.administration.machine();
        let [a, b, c] = machine_id;
        let machine = Domain {
            name: services.view.facts().name,
            sid: sid(5, &[21, a, b, c]),
        };
        Self {
            machine,
            machine_id,
            services: Arc::clone(services),
        }
    }

    /// The domain of groups that every machine has.
    pub(super) fn builtin() -> Domain {
        Domain {
            name: BUILTIN.to_owned(),
            sid: sid(5, &[32]),
        }
    }

    /// All accounts.
    pub(super) fn accounts(&self) -> Vec<Arc<Account>> {
        self.services.administration.accounts()
    }

    /// The identifier of an account.
    pub(super) fn sid_of(&self, account: &Account) -> Sid {
        account_sid(self.machine_id, account)
    }

    /// The groups of the account file but the one of administrators, by name.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        self.services.administration.groups()
    }

    /// The accounts in a group of the account file.
    pub(super) fn members(&self, group: &str) -> Vec<Sid> {
        let accounts = self.accounts();
        let group = group.to_lowercase();
        let is_in = |account: &&Arc<Account>| {
            let mut groups = account.groups.iter();
            groups.any(|name| name.to_lowercase() == group)
        };
        accounts
            .iter()
            .filter(is_in)
            .map(|account| self.sid_of(account))
            .collect()
    }

    /// What an identifier is called.
    pub(super) fn find_sid(&self, wanted: &Sid) -> Option<Entry> {
        let found = WELL_KNOWN
            .iter()
            .find(|one| one.sid() == *wanted)
            .map(WellKnown::entry);
        found
            .or_else(|| self.find_of_machine(wanted))
            .or_else(|| self.find_of_host(wanted))
    }

    fn find_of_machine(&self, wanted: &Sid) -> Option<Entry> {
        if let Some(domain) = self
            .domains()
            .into_iter()
            .find(|domain| domain.sid == *wanted)
        {
            return Some(Entry {
                sid: *wanted,
                name: String::new(),
                domain,
                kind: Kind::Domain,
            });
        }
        let relative = relative_to(&self.machine.sid, wanted)?;
        if let Some((_, name)) = DOMAIN_GROUPS.iter().find(|(id, _)| *id == relative) {
            return Some(self.entry(*wanted, name, Kind::Group));
        }
        let accounts = self.accounts();
        if let Some(account) = accounts
            .iter()
            .find(|account| relative_id(account) == relative)
        {
            return Some(self.entry(*wanted, &account.name, Kind::User));
        }
        let groups = self.groups();
        let group = groups
            .iter()
            .find(|group| group_relative_id(group) == relative);
        group.map(|group| self.entry(*wanted, &group.name, Kind::Alias))
    }

    fn find_of_host(&self, wanted: &Sid) -> Option<Entry> {
        let administration = &self.services.administration;
        if let Some(uid) = wanted.as_unix_user() {
            let accounts = self.accounts();
            let account = accounts.iter().find(|account| account.uid == Some(uid));
            let name = account.map(|account| account.name.clone());
            return Some(Entry {
                sid: *wanted,
                name: name.or_else(|| administration.host_user(uid))?,
                domain: unix_domain(UNIX_USER, 1),
                kind: Kind::User,
            });
        }
        let gid = wanted.as_unix_group()?;
        Some(Entry {
            sid: *wanted,
            name: administration.host_group(gid)?,
            domain: unix_domain(UNIX_GROUP, 2),
            kind: Kind::Alias,
        })
    }

    /// The identifier that a name means, with or without a domain in front of it.
    pub(super) fn find_name(&self, text: &str) -> Option<Entry> {
        let (domain, name) = text
            .split_once('\\')
            .map_or((None, text), |(domain, name)| {
                (Some(domain).filter(|domain| !domain.is_empty()), name)
            });
        let (domain, name) = match (domain, name.rsplit_once('@')) {
            (None, Some((name, domain))) => (Some(domain), name),
            _ => (domain, name),
        };
        if name.is_empty() {
            // observed: Windows takes no name at all for the domain of groups that every machine has
            return self.find_domain(domain.unwrap_or(BUILTIN));
        }
        let is_in = |ours: &str| domain.is_none_or(|domain| domain.eq_ignore_ascii_case(ours));
        let well_known = WELL_KNOWN
            .iter()
            .map(WellKnown::entry)
            .find(|entry| is_in(&entry.domain.name) && entry.name.eq_ignore_ascii_case(name));
        if well_known.is_some() {
            return well_known;
        }
        let own = is_in(&self.machine.name)
            .then(|| self.find_own_name(name))
            .flatten();
        own.or_else(|| {
            if domain.is_none() {
                self.find_domain(name)
            } else {
                None
            }
        })
    }

    fn find_own_name(&self, name: &str) -> Option<Entry> {
        let is_called = |other: &str| other.to_lowercase() == name.to_lowercase();
        let accounts = self.accounts();
        if let Some(account) = accounts.iter().find(|account| is_called(&account.name)) {
            return Some(self.entry(self.sid_of(account), &account.name, Kind::User));
        }
        let [a, b, c] = self.machine_id;
        let own = |relative| sid(5, &[21, a, b, c, relative]);
        if let Some((id, name)) = DOMAIN_GROUPS.iter().find(|(_, name)| is_called(name)) {
            return Some(self.entry(own(*id), name, Kind::Group));
        }
        let groups = self.groups();
        let group = groups.iter().find(|group| is_called(&group.name))?;
        Some(self.entry(own(group_relative_id(group)), &group.name, Kind::Alias))
    }

    fn find_domain(&self, name: &str) -> Option<Entry> {
        let domains = self.domains().into_iter();
        let domain = domains
            .into_iter()
            .find(|domain| domain.name.eq_ignore_ascii_case(name))?;
        Some(Entry {
            sid: domain.sid,
            name: String::new(),
            domain,
            kind: Kind::Domain,
        })
    }

    /// The domain that identifiers like this one are in, where it is one of ours.
    pub(super) fn domain_of(&self, wanted: &Sid) -> Option<Domain> {
        let mut domains = self.domains().into_iter();
        domains.find(|domain| relative_to(&domain.sid, wanted).is_some())
    }

    fn domains(&self) -> [Domain; 2] {
        [self.machine.clone(), Self::builtin()]
    }

    fn entry(&self, sid: Sid, name: &str, kind: Kind) -> Entry {
        Entry {
            sid,
            name: name.to_owned(),
            domain: self.machine.clone(),
            kind,
        }
    }
}

/// The last part of an identifier that begins like a domain's and has one part more.
pub(super) fn relative_to(domain: &Sid, wanted: &Sid) -> Option<u32> {
    match wanted.sub_authorities().split_last() {
        Some((last, rest))
            if rest == domain.sub_authorities() && wanted.authority() == domain.authority() =>
        {
            Some(*last)
        }
        _ => None,
    }
}

/// The identifier of something in a domain.
pub(super) fn below(domain: &Sid, relative: u32) -> Sid {
    let mut parts = domain.sub_authorities().to_vec();
    parts.push(relative);
    Sid::new(domain.authority(), &parts).unwrap_or(Sid::NULL)
}

/// The well-known groups of the domain of the machine's accounts.
pub(super) const DOMAIN_GROUPS: &[(u32, &str)] = &[(513, "None")];

/// The groups that every machine has, by the last part of their identifiers.
// [MS-DTYP] 2.4.2.4
pub(super) const BUILTIN_GROUPS: &[(u32, &str)] = &[
    (544, "Administrators"),
    (545, "Users"),
    (546, "Guests"),
    (547, "Power Users"),
    (550, "Print Operators"),
    (551, "Backup Operators"),
];

/// A name that every machine has.
struct WellKnown {
    authority: u8,
    parts: &'static [u32],
    domain: &'static str,
    name: &'static str,
    kind: Kind,
}

impl WellKnown {
    fn sid(&self) -> Sid {
        sid(self.authority, self.parts)
    }

    fn entry(&self) -> Entry {
        let domain_parts = match self.parts.split_last() {
            // Groups of the machine have their own domain, all others the one of their authority.
            Some((_, rest)) if self.parts.len() > 1 => rest,
            _ => &[],
        };
        Entry {
            sid: self.sid(),
            name: self.name.to_owned(),
            domain: Domain {
                name: self.domain.to_owned(),
                sid: sid(self.authority, domain_parts),
            },
            kind: self.kind,
        }
    }
}

const fn known(
    authority: u8,
    parts: &'static [u32],
    domain: &'static str,
    name: &'static str,
) -> WellKnown {
    WellKnown {
        authority,
        parts,
        domain,
        name,
        kind: Kind::WellKnown,
    }
}

const fn alias(parts: &'static [u32], name: &'static str) -> WellKnown {
    WellKnown {
        authority: 5,
        parts,
        domain: "BUILTIN",
        name,
        kind: Kind::Alias,
    }
}

// [MS-DTYP] 2.4.2.4
const WELL_KNOWN: &[WellKnown] = &[
    known(0, &[0], "", "NULL SID"),
    known(1, &[0], "", "Everyone"),
    known(2, &[0], "", "LOCAL"),
    known(3, &[0], "", "CREATOR OWNER"),
    known(3, &[1], "", "CREATOR GROUP"),
    known(3, &[4], "", "OWNER RIGHTS"),
    known(5, &[1], "NT AUTHORITY", "DIALUP"),
    known(5, &[2], "NT AUTHORITY", "NETWORK"),
    known(5, &[3], "NT AUTHORITY", "BATCH"),
    known(5, &[4], "NT AUTHORITY", "INTERACTIVE"),
    known(5, &[6], "NT AUTHORITY", "SERVICE"),
    known(5, &[7], "NT AUTHORITY", "ANONYMOUS LOGON"),
    known(5, &[8], "NT AUTHORITY", "PROXY"),
    known(5, &[10], "NT AUTHORITY", "SELF"),
    known(5, &[11], "NT AUTHORITY", "Authenticated Users"),
    known(5, &[12], "NT AUTHORITY", "RESTRICTED"),
    known(5, &[18], "NT AUTHORITY", "SYSTEM"),
    known(5, &[19], "NT AUTHORITY", "LOCAL SERVICE"),
    known(5, &[20], "NT AUTHORITY", "NETWORK SERVICE"),
    alias(&[32, 544], "Administrators"),
    alias(&[32, 545], "Users"),
    alias(&[32, 546], "Guests"),
    alias(&[32, 547], "Power Users"),
    alias(&[32, 550], "Print Operators"),
    alias(&[32, 551], "Backup Operators"),
];

fn sid(authority: u8, parts: &[u32]) -> Sid {
    Sid::new([0, 0, 0, 0, 0, authority], parts).unwrap_or(Sid::NULL)
}

fn unix_domain(name: &str, part: u32) -> Domain {
    Domain {
        name: name.to_owned(),
        sid: sid(22, &[part]),
    }
}

const BUILTIN: &str = "BUILTIN";
const UNIX_USER: &str = "Unix User";
const UNIX_GROUP: &str = "Unix Group";
