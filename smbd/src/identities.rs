//! As whom of this machine's users a session's file operations are done.

use std::sync::Arc;

use arc_swap::ArcSwap;
use auth::{AccountStore, Identity, LogonKind};
use config::{Configuration, RunAs, ShareKind};
use server::{
    IdentityMap,
    access::{LogOn, Privileges, SecurityToken},
    accounts::{ADMINISTRATORS, Rights, account_sid, group_relative_id, privileges},
    share::{Caller, HostUser, MachineId, Share},
};
use wire::{NtStatus, dtyp::Sid};

use crate::{
    failure::Failure,
    host_users::{HostUsers, UserName},
};

/// Maps sessions to users of this machine.
pub(crate) struct Identities {
    serve_as: ServeAs,
    settings: ArcSwap<config::Identity>,
    users: HostUsers,
    /// The user who started the program.
    own: HostUser,
    machine: MachineId,
    /// Where the numbers of groups, and the rights of everybody, are looked up.
    accounts: Arc<dyn AccountStore>,
}

/// Whose rights file operations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServeAs {
    /// Each session's own user.
    SessionUser,
    /// The user who started the program.
    ProgramUser,
}

impl Identities {
    /// Decides as whom to serve.
    ///
    /// # Errors
    ///
    /// The configuration demands what only root can do.
    pub(crate) fn new(
        configuration: &Configuration,
        machine: MachineId,
        accounts: Arc<dyn AccountStore>,
    ) -> Result<Self, Failure> {
        let is_root = rustix::process::geteuid().is_root();
        let serve_as = match (configuration.identity.run_as, is_root) {
            (RunAs::Auto | RunAs::SessionUser, true) => ServeAs::SessionUser,
            (RunAs::Auto, false) | (RunAs::ProgramUser, _) => ServeAs::ProgramUser,
            (RunAs::SessionUser, false) => {
                let sentence = "identity.run_as = \"session-user\" needs to be started as root";
                return Err(Failure::new(sentence));
            }
        };
        let settings = ArcSwap::from_pointee(configuration.identity.clone());
        let identities = Self {
            serve_as,
            settings,
            users: HostUsers::default(),
            own: own_user(),
            machine,
            accounts,
        };
        identities.check(configuration)?;
        Ok(identities)
    }

    /// Fails if the configuration names a user of this machine who does not exist or cannot be
    /// served as.
    pub(crate) fn check(&self, configuration: &Configuration) -> Result<(), Failure> {
        let of_share = |share: &config::Share| {
            share
                .force_user
                .clone()
                .map(|user| (format!("share {}: force_user", share.name), user))
        };
        let everywhere = configuration.identity.force_user.clone();
        let everywhere = everywhere.map(|user| ("identity.force_user".to_owned(), user));
        for (setting, user) in everywhere
            .into_iter()
            .chain(configuration.shares.iter().filter_map(of_share))
        {
            let found = self
                .users
                .find(&UserName::Name(user.clone()))
                .ok_or_else(|| {
                    Failure::new(format!("{setting}: this machine has no user {user:?}"))
                })?;
            if self.serve_as == ServeAs::ProgramUser && found.uid != self.own.uid {
                return Err(Failure::new(format!(
                    "{setting}: only root can serve as {user:?}"
                )));
            }
        }
        Ok(())
    }

    /// Takes over new settings, and looks users up afresh.
    pub(crate) fn reload(&self, settings: config::Identity) {
        self.settings.store(Arc::new(settings));
        self.users.forget();
    }

    /// The server itself, for what it does for no user.
    pub(crate) fn own_caller(&self) -> Caller {
        Caller {
            user: "".into(),
            token: Arc::new(token(LogonKind::User, &self.own, Vec::new())),
            host: None,
            log_on: None,
        }
    }

    /// As whom is served, for people.
    pub(crate) fn describe(&self) -> String {
        match self.serve_as {
            ServeAs::SessionUser => "serving each session as its own user of this machine".into(),
            ServeAs::ProgramUser => {
                let uid = self.own.uid;
                let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
                let name = user.map_or_else(|| uid.to_string(), |user| user.name);
                format!("serving everybody as the user {name}, who started the program")
            }
        }
    }

    /// The user of this machine that somebody is where `forced` owns what is done; `None` for the program's own.
    fn host_user(
        &self,
        identity: &Identity,
        forced: Option<&str>,
    ) -> Result<Option<Arc<HostUser>>, NtStatus> {
        if self.serve_as == ServeAs::ProgramUser {
            return Ok(None);
        }
        let name = user_name(identity, forced, &self.settings.load());
        let Some(found) = self.users.find(&name) else {
            tracing::warn!(
                target: "smb::authentication",
                account = %identity.user,
                user = ?name,
                "this machine has no such user; give the account a uid (smbd user), or the share a force_user"
            );
            return Err(NtStatus::ACCESS_DENIED);
        };
        let is_namesake = forced.is_none()
            && identity.kind == LogonKind::User
            && matches!(name, UserName::Name(_));
        // Accounts are made from a client, too, by administrators who are not root.
        if found.uid == ROOT && is_namesake {
            tracing::warn!(
                target: "smb::authentication",
                account = %identity.user,
                "only an account that says uid=0 is served as root (smbd user)"
            );
            return Err(NtStatus::ACCESS_DENIED);
        }
        // New files get the account's group, if it names one.
        let gid = identity.account.as_ref().and_then(|account| account.gid);
        let is_own = matches!(name, UserName::Number(_));
        match gid.filter(|gid| is_own && *gid != found.gid) {
            None => Ok(Some(found)),
            Some(gid) => {
                let mut user = HostUser::clone(&found);
                user.gid = gid;
                if let Err(at) = user.groups.binary_search(&gid) {
                    user.groups.insert(at, gid);
                }
                Ok(Some(Arc::new(user)))
            }
        }
    }
}

impl IdentityMap for Identities {
    fn caller(&self, identity: &Identity, share: &Share) -> Result<Caller, NtStatus> {
        // Pipes are no files, nor is the server itself: whoever is let in may ask, and needs no user of
        // this machine. Who owns files by force does not administer by it.
        if share.is_pipe() || share.settings.kind == ShareKind::Config {
            let host = self.host_user(identity, None).ok().flatten();
            let host = host.as_deref().unwrap_or(&NOBODY);
            let (token, _) = self.token(identity, host)?;
            return Ok(caller(identity, token, None));
        }
        let settings = self.settings.load();
        let host = self.host_user(identity, forced_user(&share.settings, &settings))?;
        let (token, granted) = self.token(identity, host.as_deref().unwrap_or(&self.own))?;
        let token = match share.settings.kind {
            ShareKind::Disk | ShareKind::Memory => token.with_privileges(granted),
            ShareKind::Print | ShareKind::Config => token,
        };
        Ok(caller(identity, token, host))
    }
}

impl Identities {
    /// The identifiers by which this machine's own domain knows a user: the account's, its groups', and the one of
    /// administrators for those whom the account file calls so.
    fn own_sids(&self, identity: &Identity) -> Vec<Sid> {
        let Some(account) = identity
            .account
            .as_ref()
            .filter(|_| identity.kind == LogonKind::User)
        else {
            return Vec::new();
        };
        let of_group = |name: &String| {
            if name.eq_ignore_ascii_case(ADMINISTRATORS) {
                Sid::ADMINISTRATORS
            } else {
                let group = self.accounts.group(name);
                Sid::domain_account(self.machine, group_relative_id(&group))
            }
        };
        let mut sids: Vec<Sid> = account.groups.iter().map(of_group).collect();
        sids.push(account_sid(self.machine, account));
        sids
    }

    /// The identifiers of somebody whose file operations `host` does, and the privileges that the account file grants to
    /// them: those of guests to nobody, who are nobody in particular.
    ///
    /// # Errors
    /// `LOGON_TYPE_NOT_GRANTED`: one of them may not come over the network.
    fn token(
        &self,
        identity: &Identity,
        host: &HostUser,
    ) -> Result<(SecurityToken, Privileges), NtStatus> {
        let token = token(identity.kind, host, self.own_sids(identity));
        let holders = token.groups().iter().chain([token.user()]);
        let granted = holders.fold(Rights::NONE, |all, holder| {
            all.with(self.accounts.rights(holder))
        });
        // departs [MS-LSAD] 2.2.1.2: not the log-on is refused but the share, where the groups are known
        if granted.denies_network() {
            return Err(NtStatus::LOGON_TYPE_NOT_GRANTED);
        }
        let privileges = match identity.kind {
            LogonKind::User => privileges(granted),
            LogonKind::Guest | LogonKind::Anonymous => Privileges::NONE,
        };
        Ok((token, privileges))
    }
}

/// Somebody on a share.
fn caller(identity: &Identity, token: SecurityToken, host: Option<Arc<HostUser>>) -> Caller {
    Caller {
        user: identity.user.as_str().into(),
        token: Arc::new(token),
        host,
        log_on: None,
    }
}

/// The user of this machine who owns what is done on a share, whoever does it.
fn forced_user<'a>(share: &'a config::Share, settings: &'a config::Identity) -> Option<&'a str> {
    let forced = share.force_user.as_ref().or(settings.force_user.as_ref());
    forced.map(String::as_str)
}

/// What the user of this machine is called: the one who owns all that is done, else the account's own.
fn user_name(identity: &Identity, forced: Option<&str>, settings: &config::Identity) -> UserName {
    if let Some(forced) = forced {
        return UserName::Name(forced.into());
    }
    match identity.kind {
        LogonKind::Guest | LogonKind::Anonymous => UserName::Name(settings.guest_user.clone()),
        LogonKind::User => match identity.account.as_ref().and_then(|account| account.uid) {
            Some(uid) => UserName::Number(uid),
            None => UserName::Name(identity.user.clone()),
        },
    }
}

/// The security identifiers and privileges of a session whose file operations `host` does.
fn token(kind: LogonKind, host: &HostUser, own: Vec<Sid>) -> SecurityToken {
    let mut groups: Vec<Sid> = host
        .groups
        .iter()
        .map(|gid| Sid::unix_group(*gid))
        .collect();
    let (log_on, member_of) = match kind {
        LogonKind::User => (LogOn::Authenticated, Some(Sid::USERS)),
        LogonKind::Guest => (LogOn::Guest, None),
        LogonKind::Anonymous => (LogOn::Anonymous, None),
    };
    groups.extend(member_of);
    groups.extend(own);
    let mut privileges = Privileges::NONE;
    // Whoever is root here may do anything; to refuse it in Windows' words would protect nothing.
    if host.uid == 0 && kind == LogonKind::User {
        groups.extend([Sid::ADMINISTRATORS, Sid::SYSTEM]);
        privileges = ADMINISTRATOR
            .iter()
            .fold(privileges, |all, one| all.with(*one));
    }
    let (user, group) = (Sid::unix_user(host.uid), Sid::unix_group(host.gid));
    SecurityToken::for_log_on(log_on, user, group, groups, privileges)
}

/// The user who started the program.
fn own_user() -> HostUser {
    let mut groups: Vec<u32> = rustix::process::getgroups()
        .unwrap_or_default()
        .into_iter()
        .map(rustix::process::Gid::as_raw)
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let uid = rustix::process::geteuid().as_raw();
    HostUser {
        uid,
        gid: rustix::process::getegid().as_raw(),
        groups,
    }
}

const ROOT: u32 = 0;

/// Somebody whom this machine does not know.
static NOBODY: HostUser = HostUser {
    uid: 65_534,
    gid: 65_534,
    groups: Vec::new(),
};

/// What an administrator may do whatever a descriptor says.
const ADMINISTRATOR: [Privileges; 6] = [
    Privileges::BACKUP,
    Privileges::RESTORE,
    Privileges::TAKE_OWNERSHIP,
    Privileges::SECURITY,
    Privileges::CREATE_SYMBOLIC_LINK,
    Privileges::MANAGE_VOLUME,
];

#[cfg(test)]
mod tests {
    use auth::{Account, NtHash};

    use super::*;

    fn identity(kind: LogonKind, uid: Option<u32>) -> Identity {
        let mut account = Account::new("alice", NtHash::from_bytes([0; 16]));
        account.uid = uid;
        let account = (kind == LogonKind::User).then(|| Arc::new(account));
        let (domain, workstation) = (String::new(), String::new());
        Identity {
            user: "alice".into(),
            domain,
            workstation,
            kind,
            account,
            expires: None,
            method: "test",
        }
    }

    fn name(text: &str) -> UserName {
        UserName::Name(text.into())
    }

    #[test]
    fn an_account_is_its_uid_or_its_namesake_and_a_guest_is_nobody() {
        let settings = config::Identity::default();
        let of = |identity: Identity| user_name(&identity, None, &settings);
        assert_eq!(of(identity(LogonKind::User, Some(7))), UserName::Number(7));
        assert_eq!(of(identity(LogonKind::User, None)), name("alice"));
        assert_eq!(of(identity(LogonKind::Guest, None)), name("nobody"));
        assert_eq!(of(identity(LogonKind::Anonymous, None)), name("nobody"));
    }

    #[test]
    fn a_forced_user_goes_before_all_and_the_shares_before_the_servers() {
        let mut share = config::Share::default();
        let settings = config::Identity {
            force_user: Some("media".into()),
            ..config::Identity::default()
        };
        assert_eq!(forced_user(&share, &settings), Some("media"));
        share.force_user = Some("backup".into());
        assert_eq!(forced_user(&share, &settings), Some("backup"));
        let user = identity(LogonKind::User, Some(7));
        let forced = user_name(&user, Some("backup"), &settings);
        assert_eq!(forced, name("backup"));
    }

    #[test]
    fn guests_have_no_rights_of_users_and_only_root_those_of_administrators() {
        let host = HostUser {
            uid: 1000,
            gid: 100,
            groups: vec![100, 101],
        };
        let user = token(LogonKind::User, &host, Vec::new());
        assert!(user.contains(&Sid::unix_user(1000)) && user.contains(&Sid::unix_group(101)));
        assert!(user.contains(&Sid::USERS) && !user.contains(&Sid::ADMINISTRATORS));
        assert!(!user.privileges().contains(Privileges::BACKUP));
        let guest = token(LogonKind::Guest, &host, Vec::new());
        assert!(guest.contains(&Sid::GUESTS) && !guest.contains(&Sid::USERS));
        assert!(!guest.contains(&Sid::AUTHENTICATED_USERS));
        let root = HostUser {
            uid: 0,
            gid: 0,
            groups: vec![0],
        };
        assert!(
            token(LogonKind::User, &root, Vec::new())
                .privileges()
                .contains(Privileges::BACKUP)
        );
        assert!(
            !token(LogonKind::Guest, &root, Vec::new())
                .privileges()
                .contains(Privileges::BACKUP)
        );
    }

    #[test]
    fn a_namesake_of_root_is_not_root_unless_the_account_says_so() {
        let accounts = Arc::new(auth::AccountFile::default());
        let mut identities =
            Identities::new(&Configuration::default(), [1, 2, 3], accounts).unwrap();
        identities.serve_as = ServeAs::SessionUser;
        let uid_of = |uid, kind, forced: Option<&str>| {
            let mut identity = identity(kind, uid);
            identity.user = "root".into();
            let host = identities.host_user(&identity, forced);
            host.map(|host| host.map(|host| host.uid))
        };
        let refused = Err(NtStatus::ACCESS_DENIED);
        assert_eq!(uid_of(None, LogonKind::User, None), refused);
        assert_eq!(uid_of(Some(0), LogonKind::User, None), Ok(Some(0)));
        assert_eq!(uid_of(None, LogonKind::User, Some("root")), Ok(Some(0)));
    }

    #[test]
    fn privileges_follow_from_grants_to_the_user_and_to_its_groups() {
        let text = "+S-1-5-32-545:SeSecurityPrivilege\n+S-1-5-21-1-2-3-1014:SeBackupPrivilege\n";
        let user = granted(text, &identity(LogonKind::User, Some(8)));
        assert_eq!(user, Ok(Privileges::SECURITY));
        let alice = granted(text, &identity(LogonKind::User, Some(7)));
        assert_eq!(alice, Ok(Privileges::SECURITY.with(Privileges::BACKUP)));
    }

    #[test]
    fn administrators_have_no_privileges_but_those_that_the_account_file_says() {
        let mut administrator = identity(LogonKind::User, Some(7));
        let mut account = Account::new("alice", NtHash::from_bytes([0; 16]));
        account.groups.push("administrators".into());
        administrator.account = Some(Arc::new(account));
        assert_eq!(granted("", &administrator), Ok(Privileges::NONE));
        let text = "+S-1-5-32-544:SeTakeOwnershipPrivilege\n";
        let taker = granted(text, &administrator);
        assert_eq!(taker, Ok(Privileges::TAKE_OWNERSHIP));
    }

    #[test]
    fn guests_and_anonymous_users_have_no_privileges_whoever_is_granted_some() {
        let everybody = "+S-1-1-0:SeBackupPrivilege\n+S-1-5-2:SeRestorePrivilege\n\
                         +S-1-5-32-546:SeBackupPrivilege\n+S-1-5-7:SeBackupPrivilege\n";
        for kind in [LogonKind::Guest, LogonKind::Anonymous] {
            let held = granted(everybody, &identity(kind, None));
            assert_eq!(held, Ok(Privileges::NONE), "{kind:?}");
        }
        let denied = "+S-1-5-32-546:SeDenyNetworkLogonRight\n";
        let refused = Err(NtStatus::LOGON_TYPE_NOT_GRANTED);
        let guest = identity(LogonKind::Guest, None);
        assert_eq!(granted(denied, &guest), refused);
        let user = identity(LogonKind::User, None);
        assert_eq!(granted(denied, &user), Ok(Privileges::NONE));
    }

    /// What an account file grants to somebody.
    fn granted(text: &str, identity: &Identity) -> Result<Privileges, NtStatus> {
        let accounts = Arc::new(auth::AccountFile::parse(text).unwrap());
        let identities = Identities::new(&Configuration::default(), [1, 2, 3], accounts).unwrap();
        let token = identities.token(identity, &NOBODY);
        token.map(|(_, privileges)| privileges)
    }

    #[test]
    fn a_forced_user_who_does_not_exist_is_a_failure_at_start() {
        let text = "[[share]]\nname = 'a'\npath = '/a'\nforce_user = 'no-such-user-here'\n";
        let configuration = Configuration::parse(text, "f.toml").unwrap();
        let accounts = Arc::new(auth::AccountFile::default());
        let refused = Identities::new(&configuration, [1, 2, 3], accounts).err();
        let sentence = refused.unwrap().to_string();
        assert_eq!(
            sentence,
            "share a: force_user: this machine has no user \"no-such-user-here\""
        );
    }
}
