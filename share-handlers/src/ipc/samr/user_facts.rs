//! What is told of an account, by all the classes there are.

use server::accounts::{Account, relative_id};
use wire::dtyp::FileTime;

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Enum16, Handle, Varying};
use super::super::nt;
use super::super::rpc::{Call, Fault};
use super::objects::user;
use super::types::{
    LogonHours, Membership, Name, Number, Time, UserAccount, UserAll, UserGeneral, UserHome,
    UserInfo, UserLogon, UserNames, UserPreferences,
};

// [MS-SAMR] 2.2.1.12
pub(super) const DISABLED: u32 = 0x0001;
pub(super) const NORMAL: u32 = 0x0010;
const NEVER_EXPIRES: u32 = 0x0200;
pub(super) const LOCKED: u32 = 0x0400;

/// UserAccountControl.
pub(super) fn control_of(account: &Account) -> u32 {
    let flags = [
        (account.disabled, DISABLED),
        (account.locked, LOCKED),
        (account.password_expires.is_none(), NEVER_EXPIRES),
    ];
    let set = flags.iter().filter(|(is_set, _)| *is_set);
    set.fold(NORMAL, |all, (_, flag)| all | flag)
}

// [MS-SAMR] 3.1.5.5.5
pub(super) fn query(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<UserInfo>, u32), Fault> {
    Ok(match user(call, &handle, 0)? {
        Err(status) => (None, status),
        Ok(account) => match told(class.0, all(&account)) {
            Some(info) => (Some(info), nt::SUCCESS),
            None => (None, nt::INVALID_INFO_CLASS),
        },
    })
}

/// The part of everything about an account that a class is; none for a class that tells secrets, or is none.
fn told(class: u16, all: UserAll) -> Option<UserInfo> {
    let text = |value| Name { value };
    Some(match class {
        1 => UserInfo::General(UserGeneral {
            name: all.name,
            full_name: all.full_name,
            primary_group: all.primary_group,
            description: all.description,
            comment: all.comment,
        }),
        2 => UserInfo::Preferences(UserPreferences {
            comment: all.comment,
            reserved: Counted::default(),
            country: all.country,
            code_page: all.code_page,
        }),
        3 => UserInfo::Logon(logon(all)),
        4 => UserInfo::Hours(all.hours),
        5 => UserInfo::Account(account(all)),
        6 => UserInfo::Names(UserNames {
            name: all.name,
            full_name: all.full_name,
        }),
        7 => UserInfo::AccountName(text(all.name)),
        8 => UserInfo::FullName(text(all.full_name)),
        9 => UserInfo::PrimaryGroup(Number {
            value: all.primary_group,
        }),
        10 => UserInfo::Home(UserHome {
            home: all.home,
            home_drive: all.home_drive,
        }),
        11 => UserInfo::Script(text(all.script)),
        12 => UserInfo::Profile(text(all.profile)),
        13 => UserInfo::AdminComment(text(all.description)),
        14 => UserInfo::Workstations(text(all.workstations)),
        16 => UserInfo::Control(Number { value: all.control }),
        17 => UserInfo::Expires(Time { value: all.expires }),
        20 => UserInfo::Parameters(text(all.parameters)),
        21 => UserInfo::All(all),
        _ => return None,
    })
}

fn logon(all: UserAll) -> UserLogon {
    UserLogon {
        name: all.name,
        full_name: all.full_name,
        id: all.id,
        primary_group: all.primary_group,
        home: all.home,
        home_drive: all.home_drive,
        script: all.script,
        profile: all.profile,
        workstations: all.workstations,
        last_logon: all.last_logon,
        last_logoff: all.last_logoff,
        password_set: all.password_set,
        password_can_change: all.password_can_change,
        password_must_change: all.password_must_change,
        hours: all.hours,
        bad_passwords: all.bad_passwords,
        logons: all.logons,
        control: all.control,
    }
}

fn account(all: UserAll) -> UserAccount {
    UserAccount {
        name: all.name,
        full_name: all.full_name,
        id: all.id,
        primary_group: all.primary_group,
        home: all.home,
        home_drive: all.home_drive,
        script: all.script,
        profile: all.profile,
        description: all.description,
        workstations: all.workstations,
        last_logon: all.last_logon,
        last_logoff: all.last_logoff,
        hours: all.hours,
        bad_passwords: all.bad_passwords,
        logons: all.logons,
        password_set: all.password_set,
        expires: all.expires,
        control: all.control,
    }
}

// [MS-SAMR] 3.1.5.5.5.2
fn all(account: &Account) -> UserAll {
    let must_change = if account.password_must_change {
        FileTime::ZERO
    } else {
        NEVER
    };
    UserAll {
        last_logon: FileTime::ZERO,
        last_logoff: NEVER,
        password_set: FileTime::ZERO,
        expires: NEVER,
        password_can_change: FileTime::ZERO,
        password_must_change: must_change,
        name: Counted::from(&account.name),
        full_name: Counted::from(&account.comment),
        home: Counted::default(),
        home_drive: Counted::default(),
        script: Counted::default(),
        profile: Counted::default(),
        description: Counted::default(),
        workstations: Counted::default(),
        comment: Counted::default(),
        parameters: Counted::default(),
        lm_hash: Counted::default(),
        nt_hash: Counted::default(),
        private: Counted::default(),
        descriptor_length: 0,
        descriptor: None,
        id: relative_id(account),
        primary_group: PRIMARY_GROUP,
        control: control_of(account),
        fields: TOLD,
        hours: LogonHours {
            units: 168,
            hours: Some(Varying {
                room: 1260,
                elements: vec![0xff; 21],
            }),
        },
        bad_passwords: 0,
        logons: 0,
        country: 0,
        code_page: 0,
        lm_is_set: 0,
        nt_is_set: u8::from(account.nt_hash.is_some()),
        password_expired: u8::from(account.password_must_change),
        private_changed: 0,
    }
}

/// What is in [`UserAll`]: everything but secrets.
const TOLD: u32 = 0x00ff_ffff;
const NEVER: FileTime = FileTime(0x7fff_ffff_ffff_ffff);
/// `None`, the group of everybody.
const PRIMARY_GROUP: u32 = 513;

// [MS-SAMR] 3.1.5.9.1
pub(super) fn groups_of(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Option<Container<Membership>>, u32), Fault> {
    let found = user(call, &handle, 0)?;
    Ok(match found {
        Err(status) => (None, status),
        Ok(_) => {
            let everybody = Membership {
                id: PRIMARY_GROUP,
                attributes: 7,
            };
            (Some(Container(vec![everybody])), nt::SUCCESS)
        }
    })
}
