//! What can be granted to a user or a group beside access to objects: privileges, and ways to log on.
//!
//! Owns the names and numbers of both, and what is granted where nobody has said anything. Who holds which, the
//! account file says; what a privilege is good for is decided where it is asked for.

use std::fmt;

use wire::dtyp::Sid;

/// A set of privileges and of ways to log on.
// [MS-LSAD] 3.1.1.2
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// A bit for each privilege, by its number.
    privileges: u64,
    /// POLICY_SYSTEM_ACCESS_MODE.
    access: u32,
}

/// A privilege that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// The lower half of its locally unique identifier; the upper one is 0.
    pub number: u32,
    /// The name that programs know it by.
    pub name: &'static str,
    /// What people call it.
    pub description: &'static str,
}

impl Rights {
    /// No right.
    pub const NONE: Self = Self {
        privileges: 0,
        access: 0,
    };

    /// What administrators hold unless somebody says otherwise: SeNetworkLogonRight. No privilege leads them past what
    /// files' descriptors say.
    // departs [MS-LSAD] 3.1.1.2.1: Windows gives them nearly all privileges
    pub const OF_ADMINISTRATORS: Self = Self {
        privileges: 0,
        access: 2,
    };

    /// What a user or group holds unless somebody says otherwise; none for one of whom nothing is known.
    #[must_use]
    pub fn by_default(holder: &Sid) -> Option<Self> {
        (*holder == Sid::ADMINISTRATORS).then_some(Self::OF_ADMINISTRATORS)
    }

    /// The right of this name, whatever the case of its letters.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let privilege = PRIVILEGES
            .iter()
            .find(|privilege| privilege.name.eq_ignore_ascii_case(name))
            .and_then(|privilege| Self::privilege(privilege.number));
        let way = || {
            WAYS_TO_LOG_ON
                .iter()
                .find(|(_, other)| other.eq_ignore_ascii_case(name))
        };
        privilege.or_else(|| {
            way().map(|(access, _)| Self {
                privileges: 0,
                access: *access,
            })
        })
    }

    /// The privilege with this number.
    #[must_use]
    pub fn privilege(number: u32) -> Option<Self> {
        let mut known = PRIVILEGES.iter();
        known.find(|privilege| privilege.number == number)?;
        Some(Self {
            privileges: 1_u64.checked_shl(number)?,
            access: 0,
        })
    }

    /// The ways to log on that these bits stand for; none if there is no such way.
    // [MS-LSAD] 2.2.1.2
    #[must_use]
    pub fn access(bits: u32) -> Option<Self> {
        let known = WAYS_TO_LOG_ON.iter().fold(0, |all, (bit, _)| all | bit);
        (bits & !known == 0).then_some(Self {
            privileges: 0,
            access: bits,
        })
    }

    /// The bits of the ways to log on.
    #[must_use]
    pub const fn access_bits(self) -> u32 {
        self.access
    }

    /// The privileges, by number.
    pub fn privileges(self) -> impl Iterator<Item = &'static Privilege> {
        PRIVILEGES.iter().filter(move |privilege| {
            Self::privilege(privilege.number).is_some_and(|one| self.contains(one))
        })
    }

    /// The names of all rights: privileges first, then ways to log on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let ways = WAYS_TO_LOG_ON
            .iter()
            .filter(move |(bit, _)| self.access & bit != 0);
        self.privileges()
            .map(|privilege| privilege.name)
            .chain(ways.map(|(_, name)| *name))
    }

    /// These rights and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            privileges: self.privileges | other.privileges,
            access: self.access | other.access,
        }
    }

    /// These rights but those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            privileges: self.privileges & !other.privileges,
            access: self.access & !other.access,
        }
    }

    /// These privileges, with the ways to log on of `other`.
    #[must_use]
    pub const fn with_access_of(self, other: Self) -> Self {
        Self {
            privileges: self.privileges,
            access: other.access,
        }
    }

    /// These privileges, with no way to log on.
    #[must_use]
    pub const fn without_access(self) -> Self {
        self.with_access_of(Self::NONE)
    }

    /// Whether every right of `other` is held.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.privileges & other.privileges == other.privileges
            && self.access & other.access == other.access
    }

    /// Whether there is no right.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.privileges == 0 && self.access == 0
    }

    /// Whether the holder may not log on over the network, whatever else is granted.
    #[must_use]
    pub const fn denies_network(self) -> bool {
        const DENY_NETWORK: u32 = 0x80;
        self.access & DENY_NETWORK != 0
    }
}

/// The names, separated by commas.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.write_str(&names.join(","))
    }
}

/// A change of what somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsChange {
    /// The holder comes to be known, without rights.
    Create,
    /// The holder is forgotten, with its rights.
    Delete,
    /// The holder gets these beside those that it has; it comes to be known if it was not.
    Grant(Rights),
    /// The holder loses these.
    Revoke {
        /// What is lost.
        rights: Rights,
        /// What becomes of a holder that has none left.
        emptied: Emptied,
    },
    /// The ways to log on become these; privileges stay.
    SetAccess(Rights),
}

/// What becomes of a holder that has no rights left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// It stays known.
    Stays,
    /// It is forgotten.
    Goes,
}

const fn privilege(number: u32, name: &'static str, description: &'static str) -> Privilege {
    Privilege {
        number,
        name,
        description,
    }
}

/// All privileges, by number.
// departs [MS-LSAD] 3.1.1.2.1: it leaves the last word of SeSystemEnvironmentPrivilege out
#[rustfmt::skip]
pub const PRIVILEGES: &[Privilege] = &[
    privilege(2, "SeCreateTokenPrivilege", "Create a token object"),
    privilege(3, "SeAssignPrimaryTokenPrivilege", "Replace a process level token"),
    privilege(4, "SeLockMemoryPrivilege", "Lock pages in memory"),
    privilege(5, "SeIncreaseQuotaPrivilege", "Adjust memory quotas for a process"),
    privilege(6, "SeMachineAccountPrivilege", "Add workstations to domain"),
    privilege(7, "SeTcbPrivilege", "Act as part of the operating system"),
    privilege(8, "SeSecurityPrivilege", "Manage auditing and security log"),
    privilege(9, "SeTakeOwnershipPrivilege", "Take ownership of files or other objects"),
    privilege(10, "SeLoadDriverPrivilege", "Load and unload device drivers"),
    privilege(11, "SeSystemProfilePrivilege", "Profile system performance"),
    privilege(12, "SeSystemtimePrivilege", "Change the system time"),
    privilege(13, "SeProfileSingleProcessPrivilege", "Profile single process"),
    privilege(14, "SeIncreaseBasePriorityPrivilege", "Increase scheduling priority"),
    privilege(15, "SeCreatePagefilePrivilege", "Create a pagefile"),
    privilege(16, "SeCreatePermanentPrivilege", "Create permanent shared objects"),
    privilege(17, "SeBackupPrivilege", "Back up files and directories"),
    privilege(18, "SeRestorePrivilege", "Restore files and directories"),
    privilege(19, "SeShutdownPrivilege", "Shut down the system"),
    privilege(20, "SeDebugPrivilege", "Debug programs"),
    privilege(21, "SeAuditPrivilege", "Generate security audits"),
    privilege(22, "SeSystemEnvironmentPrivilege", "Modify firmware environment values"),
    privilege(23, "SeChangeNotifyPrivilege", "Bypass traverse checking"),
    privilege(24, "SeRemoteShutdownPrivilege", "Force shutdown from a remote system"),
    privilege(25, "SeUndockPrivilege", "Remove computer from docking station"),
    privilege(26, "SeSyncAgentPrivilege", "Synchronize directory service data"),
    privilege(27, "SeEnableDelegationPrivilege", "Enable accounts to be trusted for delegation"),
    privilege(28, "SeManageVolumePrivilege", "Perform volume maintenance tasks"),
    privilege(29, "SeImpersonatePrivilege", "Impersonate a client after authentication"),
    privilege(30, "SeCreateGlobalPrivilege", "Create global objects"),
    privilege(31, "SeTrustedCredManAccessPrivilege", "Access Credential Manager as a trusted caller"),
    privilege(32, "SeRelabelPrivilege", "Modify an object label"),
    privilege(33, "SeIncreaseWorkingSetPrivilege", "Increase a process working set"),
    privilege(34, "SeTimeZonePrivilege", "Change the time zone"),
    privilege(35, "SeCreateSymbolicLinkPrivilege", "Create symbolic links"),
];

/// Bits and names of the ways to log on, and of their denials.
// [MS-LSAD] 3.1.1.2.2
const WAYS_TO_LOG_ON: &[(u32, &str)] = &[
    (0x001, "SeInteractiveLogonRight"),
    (0x002, "SeNetworkLogonRight"),
    (0x004, "SeBatchLogonRight"),
    (0x010, "SeServiceLogonRight"),
    (0x040, "SeDenyInteractiveLogonRight"),
    (0x080, "SeDenyNetworkLogonRight"),
    (0x100, "SeDenyBatchLogonRight"),
    (0x200, "SeDenyServiceLogonRight"),
    (0x400, "SeRemoteInteractiveLogonRight"),
    (0x800, "SeDenyRemoteInteractiveLogonRight"),
];

#[cfg(test)]
mod tests {
    use super::*;

    // test [MS-LSAD] 3.1.1.2
    #[test]
    fn every_right_has_a_name_and_is_found_by_it() {
        let all = PRIVILEGES.iter().map(|privilege| privilege.name);
        for name in all.chain(WAYS_TO_LOG_ON.iter().map(|(_, name)| *name)) {
            let right = Rights::named(&name.to_lowercase()).unwrap();
            assert_eq!(right.to_string(), name);
        }
        assert_eq!(Rights::named("SeNothingPrivilege"), None);
        assert_eq!(Rights::privilege(1), None);
        assert_eq!(Rights::access(8), None);
        assert_eq!(Rights::access(0).map(Rights::is_empty), Some(true));
    }

    #[test]
    fn administrators_hold_no_privilege_by_default() {
        let held = Rights::OF_ADMINISTRATORS;
        assert_eq!(held.to_string(), "SeNetworkLogonRight");
        assert_eq!(held.privileges().count(), 0);
        assert_eq!(Rights::by_default(&Sid::USERS), None);
    }
}
