//! Accounts: how administrators make, change and delete one.

use std::sync::Arc;

use server::accounts::{Account, check_name, relative_id};
use server::share::AccountChange;

use super::super::ndr::{Counted, Enum16, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::objects::{
    CREATE_USER, DELETE, Domain, FORCE_PASSWORD_CHANGE, OpenUser, READ_GENERAL, WRITE_ACCOUNT,
    domain, user,
};
use super::password::{opened, opened_hash, opened_salted};
use super::types::{UserAll, UserInfo};
use super::user_facts::{DISABLED, LOCKED, NORMAL};

// [MS-SAMR] 2.2.1.8
const FULL_NAME: u32 = 0x0000_0002;
const CONTROL: u32 = 0x0010_0000;
const NT_PASSWORD: u32 = 0x0100_0000;
const LM_PASSWORD: u32 = 0x0200_0000;
const PASSWORD_EXPIRED: u32 = 0x0800_0000;

// [MS-SAMR] 3.1.5.6.4
pub(super) fn set(
    call: &mut Call<'_>,
    (handle, _, info): (Handle, Enum16, UserInfo),
) -> Result<Later<(u32,)>, Fault> {
    let found = user(call, &handle, 0)?;
    let open: &OpenUser = call.handles.find(&handle)?;
    let may = |right: u32| open.granted & right != 0;
    let changed = found.and_then(|account| {
        let mut new = Account::clone(&account);
        if !is_password_only(&info) && !may(WRITE_ACCOUNT) {
            return Err(nt::ACCESS_DENIED);
        }
        let password = match &info {
            UserInfo::FullName(name) => {
                new.comment = name.value.0.to_string_lossy();
                return Ok(new);
            }
            UserInfo::Control(control) => {
                set_control(&mut new, control.value);
                return Ok(new);
            }
            UserInfo::All(all) => {
                set_fields(&mut new, all, all.fields);
                return Ok(new);
            }
            UserInfo::AllWithPassword(info) => {
                set_fields(&mut new, &info.all, info.all.fields);
                let is_there = info.all.fields & (NT_PASSWORD | LM_PASSWORD) != 0;
                is_there.then(|| opened(call, &info.password))
            }
            UserInfo::AllWithSaltedPassword(info) => {
                set_fields(&mut new, &info.all, info.all.fields);
                let is_there = info.all.fields & (NT_PASSWORD | LM_PASSWORD) != 0;
                is_there.then(|| opened_salted(call, &info.password))
            }
            UserInfo::Password(info) => Some(opened(call, &info.password)),
            UserInfo::SaltedPassword(info) => Some(opened_salted(call, &info.password)),
            UserInfo::Hashes(info) if info.nt_is_set != 0 => Some(opened_hash(call, &info.nt_hash)),
            _ => return Err(nt::INVALID_INFO_CLASS),
        };
        match password {
            None => {}
            Some(_) if !may(FORCE_PASSWORD_CHANGE) => return Err(nt::ACCESS_DENIED),
            Some(None) => return Err(nt::WRONG_PASSWORD),
            Some(Some(hash)) => {
                new.nt_hash = Some(hash);
                new.password_expires = None;
                new.password_must_change = expires(&info);
            }
        }
        Ok(new)
    });
    let change = changed.map(AccountChange::Replace);
    let made = change.map(|change| call.services.administration.change_account(change));
    Ok(Box::pin(async move {
        match made {
            Err(status) => (status,),
            Ok(made) => (nt::of(made.await),),
        }
    }))
}

fn is_password_only(info: &UserInfo) -> bool {
    matches!(
        info,
        UserInfo::Password(_) | UserInfo::SaltedPassword(_) | UserInfo::Hashes(_)
    )
}

/// Whether the new password has to be changed at once.
fn expires(info: &UserInfo) -> bool {
    match info {
        UserInfo::Password(info) => info.expired != 0,
        UserInfo::SaltedPassword(info) => info.expired != 0,
        UserInfo::Hashes(info) => info.expired != 0,
        UserInfo::AllWithPassword(info) => {
            info.all.fields & PASSWORD_EXPIRED != 0 && info.all.password_expired != 0
        }
        UserInfo::AllWithSaltedPassword(info) => {
            info.all.fields & PASSWORD_EXPIRED != 0 && info.all.password_expired != 0
        }
        _ => false,
    }
}

fn set_fields(account: &mut Account, all: &UserAll, fields: u32) {
    if fields & FULL_NAME != 0 {
        account.comment = all.full_name.0.to_string_lossy();
    }
    if fields & CONTROL != 0 {
        set_control(account, all.control);
    }
    if fields & PASSWORD_EXPIRED != 0 {
        account.password_must_change = all.password_expired != 0;
    }
}

fn set_control(account: &mut Account, control: u32) {
    account.disabled = control & DISABLED != 0;
    account.locked = control & LOCKED != 0;
}

type Created = (Handle, u32, u32, u32);

// [MS-SAMR] 3.1.5.4.4
pub(super) fn create_2(
    call: &mut Call<'_>,
    (handle, name, kind, wanted): (Handle, Counted, u32, u32),
) -> Result<Later<Created>, Fault> {
    let refused = |status| -> Result<Later<Created>, Fault> {
        Ok(Box::pin(std::future::ready((Handle::NULL, 0, 0, status))))
    };
    if kind != NORMAL {
        return refused(nt::INVALID_PARAMETER);
    }
    let may = domain(call, &handle, CREATE_USER)? == Some(Domain::Machine);
    let name = name.0.to_string_lossy();
    if !may || !call.is_administrator() {
        return refused(nt::ACCESS_DENIED);
    }
    let accounts = call.services.administration.accounts();
    if check_name(&name).is_err() {
        return refused(nt::INVALID_ACCOUNT_NAME);
    }
    if accounts
        .iter()
        .any(|other| other.name.to_lowercase() == name.to_lowercase())
    {
        return refused(nt::USER_EXISTS);
    }
    let Some(id) = free_id(&accounts) else {
        return refused(nt::NO_MEMORY);
    };
    let account = Account {
        name: name.clone(),
        nt_hash: None,
        uid: None,
        gid: None,
        rid: Some(id),
        groups: Vec::new(),
        comment: String::new(),
        // Nobody can use it before it has a password and is enabled.
        disabled: true,
        locked: false,
        password_must_change: false,
        password_expires: None,
        must_encrypt: false,
    };
    let granted = ALL_OF_USER
        & if wanted & MAXIMUM_ALLOWED == 0 {
            wanted | READ_GENERAL
        } else {
            u32::MAX
        };
    let open = call.handles.open(OpenUser { name, granted })?;
    let made = call
        .services
        .administration
        .change_account(AccountChange::Add(account));
    Ok(Box::pin(async move {
        match made.await {
            Ok(()) => (open, granted, id, nt::SUCCESS),
            Err(status) => (Handle::NULL, 0, 0, status.0),
        }
    }))
}

const ALL_OF_USER: u32 = 0x000f_07ff;
const MAXIMUM_ALLOWED: u32 = 0x0200_0000;

/// A number that no account has, above those that are made from uids of usual size.
fn free_id(accounts: &[Arc<Account>]) -> Option<u32> {
    const FIRST: u32 = 0x1000_0000;
    let taken = accounts.iter().map(|account| relative_id(account));
    let highest = taken.filter(|id| (FIRST..FIRST * 2).contains(id)).max();
    highest.map_or(Some(FIRST), |highest| highest.checked_add(1))
}

// [MS-SAMR] 3.1.5.4.5
pub(super) fn create(
    call: &mut Call<'_>,
    (handle, name, wanted): (Handle, Counted, u32),
) -> Result<Later<(Handle, u32, u32)>, Fault> {
    let created = create_2(call, (handle, name, NORMAL, wanted))?;
    Ok(Box::pin(async move {
        let (handle, _, id, status) = created.await;
        (handle, id, status)
    }))
}

// [MS-SAMR] 3.1.5.7.3
pub(super) fn delete(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<Later<(Handle, u32)>, Fault> {
    let made = match user(call, &handle, DELETE)? {
        Err(status) => Err(status),
        Ok(account) => {
            call.handles.close(&handle)?;
            let change = AccountChange::Remove(account.name.clone());
            Ok(call.services.administration.change_account(change))
        }
    };
    Ok(Box::pin(async move {
        match made {
            Err(status) => (handle, status),
            Ok(made) => match nt::of(made.await) {
                nt::SUCCESS => (Handle::NULL, nt::SUCCESS),
                status => (handle, status),
            },
        }
    }))
}
