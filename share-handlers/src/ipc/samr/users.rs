//! Accounts: how administrators make, change and delete one.

use server::accounts::{Account, relative_id};
use server::share::{AccountChange, AccountUpdate};

use super::super::ndr::{Counted, Enum16, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::aliases::check_new_name;
use super::changes::change;
use super::objects::{
    CREATE_USER, DELETE, Domain, FORCE_PASSWORD_CHANGE, OpenUser, READ_GENERAL, WRITE_ACCOUNT,
    domain, user,
};
use super::password::{opened, opened_aes, opened_hash, opened_salted};
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
    let wanted = found.and_then(|account| {
        let update = update(call, &info, open.granted)?;
        let name = account.name.clone();
        Ok(AccountChange::Update { name, update })
    });
    let made = wanted.map(|wanted| change(call, wanted));
    Ok(Box::pin(async move {
        match made {
            Err(status) => (status,),
            Ok(made) => (made.await,),
        }
    }))
}

/// What a client wants changed, if it may with the rights that it has.
fn update(call: &Call<'_>, info: &UserInfo, granted: u32) -> Result<AccountUpdate, u32> {
    let may = |right: u32| granted & right != 0;
    if !is_password_only(info) && !may(WRITE_ACCOUNT) {
        return Err(nt::ACCESS_DENIED);
    }
    let mut update = AccountUpdate::default();
    match info {
        UserInfo::FullName(name) => update.comment = Some(name.value.0.to_string_lossy()),
        UserInfo::Control(control) => set_control(&mut update, control.value),
        UserInfo::All(all) => set_fields(&mut update, all),
        UserInfo::AllWithPassword(info) => set_fields(&mut update, &info.all),
        UserInfo::AllWithSaltedPassword(info) => set_fields(&mut update, &info.all),
        UserInfo::AllWithAesPassword(info) => set_fields(&mut update, &info.all),
        _ if is_password_only(info) => {}
        _ => return Err(nt::INVALID_INFO_CLASS),
    }
    if !brings_password(info) {
        return Ok(update);
    }
    if !may(FORCE_PASSWORD_CHANGE) {
        return Err(nt::ACCESS_DENIED);
    }
    let opened = match info {
        UserInfo::Password(info) => opened(call, &info.password),
        UserInfo::AllWithPassword(info) => opened(call, &info.password),
        UserInfo::SaltedPassword(info) => opened_salted(call, &info.password),
        UserInfo::AllWithSaltedPassword(info) => opened_salted(call, &info.password),
        UserInfo::AesPassword(info) => opened_aes(call, &info.password),
        UserInfo::AllWithAesPassword(info) => opened_aes(call, &info.password),
        UserInfo::Hashes(info) => opened_hash(call, &info.nt_hash),
        _ => None,
    };
    update.nt_hash = Some(opened.ok_or(nt::WRONG_PASSWORD)?);
    update.password_must_change = Some(expires(info));
    Ok(update)
}

fn is_password_only(info: &UserInfo) -> bool {
    match info {
        UserInfo::Password(_) | UserInfo::SaltedPassword(_) | UserInfo::AesPassword(_) => true,
        UserInfo::Hashes(info) => info.nt_is_set != 0,
        _ => false,
    }
}

fn brings_password(info: &UserInfo) -> bool {
    let fields = match info {
        UserInfo::AllWithPassword(info) => info.all.fields,
        UserInfo::AllWithSaltedPassword(info) => info.all.fields,
        UserInfo::AllWithAesPassword(info) => info.all.fields,
        _ => return is_password_only(info),
    };
    fields & (NT_PASSWORD | LM_PASSWORD) != 0
}

/// Whether the new password has to be changed at once.
fn expires(info: &UserInfo) -> bool {
    let of_all = |all: &UserAll| all.fields & PASSWORD_EXPIRED != 0 && all.password_expired != 0;
    match info {
        UserInfo::Password(info) => info.expired != 0,
        UserInfo::SaltedPassword(info) => info.expired != 0,
        UserInfo::AesPassword(info) => info.expired != 0,
        UserInfo::Hashes(info) => info.expired != 0,
        UserInfo::AllWithPassword(info) => of_all(&info.all),
        UserInfo::AllWithSaltedPassword(info) => of_all(&info.all),
        UserInfo::AllWithAesPassword(info) => of_all(&info.all),
        _ => false,
    }
}

fn set_fields(update: &mut AccountUpdate, all: &UserAll) {
    if all.fields & FULL_NAME != 0 {
        update.comment = Some(all.full_name.0.to_string_lossy());
    }
    if all.fields & CONTROL != 0 {
        set_control(update, all.control);
    }
    if all.fields & PASSWORD_EXPIRED != 0 {
        update.password_must_change = Some(all.password_expired != 0);
    }
}

fn set_control(update: &mut AccountUpdate, control: u32) {
    update.disabled = Some(control & DISABLED != 0);
    update.locked = Some(control & LOCKED != 0);
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
    if let Err(status) = check_new_name(call, &name) {
        return refused(status);
    }
    let account = Account {
        name: name.clone(),
        nt_hash: None,
        uid: None,
        gid: None,
        rid: None,
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
    let open = call.handles.open(OpenUser {
        name: name.clone(),
        granted,
    })?;
    let ending = call.handles.ending(&open)?;
    let administration = call.services.administration.clone();
    let made = change(call, AccountChange::Add(account));
    Ok(Box::pin(async move {
        let status = made.await;
        let accounts = administration.accounts();
        let account = accounts.iter().find(|account| account.name == name);
        match account.filter(|_| status == nt::SUCCESS) {
            Some(account) => (open, granted, relative_id(account), nt::SUCCESS),
            None => {
                ending.end();
                (Handle::NULL, 0, 0, nt::failure(status, nt::NO_SUCH_USER))
            }
        }
    }))
}

const ALL_OF_USER: u32 = 0x000f_07ff;
const MAXIMUM_ALLOWED: u32 = 0x0200_0000;

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
    let account = match user(call, &handle, DELETE)? {
        Err(status) => return Ok(Box::pin(std::future::ready((handle, status)))),
        Ok(account) => account,
    };
    let ending = call.handles.ending(&handle)?;
    let made = change(call, AccountChange::Remove(account.name.clone()));
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
