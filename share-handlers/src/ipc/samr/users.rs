//! Accounts: how administrators make, change and delete one.

use std::sync::{Arc, OnceLock};

use server::accounts::{Account, relative_id};
use server::share::{AccountChange, AccountUpdate};

use super::super::changes::{at_once, change, remove};
use super::super::ndr::{Counted, Enum16, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::aliases::check_new_name;
use super::objects::{
    CREATE_USER, DELETE, Domain, FORCE_PASSWORD_CHANGE, OpenUser, READ_GENERAL, WRITE_ACCOUNT,
    domain, user,
};
use super::password::Sent;
use super::types::{UserAll, UserInfo};
use super::user_facts::{DISABLED, LOCKED, NORMAL};

// [MS-SAMR] 2.2.1.8
const FULL_NAME: u32 = 0x0000_0002;
const CONTROL: u32 = 0x0010_0000;
const NT_PASSWORD: u32 = 0x0100_0000;
const LM_PASSWORD: u32 = 0x0200_0000;
const PASSWORD_EXPIRED: u32 = 0x0800_0000;
/// What is about the password, and changes with it.
const OF_PASSWORD: u32 = NT_PASSWORD | LM_PASSWORD | PASSWORD_EXPIRED;
/// The fields that nobody may change, and those that there are not.
const UNCHANGEABLE: u32 = 0xd407_d804;

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
    let needs = |right: u32| {
        let has = granted & right == right;
        has.then_some(()).ok_or(nt::ACCESS_DENIED)
    };
    let mut update = AccountUpdate::default();
    let parts = match info {
        UserInfo::FullName(name) => {
            needs(WRITE_ACCOUNT)?;
            update.comment = Some(name.value.0.to_string_lossy());
            return Ok(update);
        }
        UserInfo::Control(control) => {
            needs(WRITE_ACCOUNT)?;
            set_control(&mut update, control.value);
            return Ok(update);
        }
        _ => parts(info)?,
    };
    // [MS-SAMR] 3.1.5.6.4.2
    if let Some(all) = parts.all {
        if all.fields == 0 || all.fields & UNCHANGEABLE != 0 {
            return Err(nt::INVALID_PARAMETER);
        }
        if all.fields & !OF_PASSWORD != 0 {
            needs(WRITE_ACCOUNT)?;
        }
        if all.fields & OF_PASSWORD != 0 {
            needs(FORCE_PASSWORD_CHANGE)?;
        }
        set_fields(&mut update, all);
    }
    if let Some(password) = parts.password {
        needs(FORCE_PASSWORD_CHANGE)?;
        update.nt_hash = Some(password.open(call).ok_or(nt::WRONG_PASSWORD)?);
        update.password_must_change = Some(parts.expires);
    }
    Ok(update)
}

/// What the classes with passwords have in common.
struct Parts<'a> {
    all: Option<&'a UserAll>,
    password: Option<Sent<'a>>,
    /// Whether the new password has to be changed at once.
    expires: bool,
}

// [MS-SAMR] 3.1.5.6.4.1
fn parts(info: &UserInfo) -> Result<Parts<'_>, u32> {
    let alone = |password, expired: u8| Parts {
        all: None,
        password: Some(password),
        expires: expired != 0,
    };
    let with = |all, password| with_fields(all, Some(password));
    Ok(match info {
        UserInfo::Password(info) => alone(Sent::Plain(&info.password), info.expired),
        UserInfo::SaltedPassword(info) => alone(Sent::Salted(&info.password), info.expired),
        UserInfo::AesPassword(info) => alone(Sent::Aes(&info.password), info.expired),
        UserInfo::Hashes(info) if info.nt_is_set != 0 => {
            alone(Sent::Hash(info.nt_hash), info.expired)
        }
        UserInfo::AllWithPassword(info) => with(&info.all, Sent::Plain(&info.password)),
        UserInfo::AllWithSaltedPassword(info) => with(&info.all, Sent::Salted(&info.password)),
        UserInfo::AllWithAesPassword(info) => with(&info.all, Sent::Aes(&info.password)),
        UserInfo::All(all) if all.fields & (NT_PASSWORD | LM_PASSWORD) != 0 => {
            with(all, Sent::Hash(sent_hash(all)?))
        }
        UserInfo::All(all) => with_fields(all, None),
        _ => return Err(nt::INVALID_INFO_CLASS),
    })
}

fn with_fields<'a>(all: &'a UserAll, password: Option<Sent<'a>>) -> Parts<'a> {
    Parts {
        all: Some(all),
        password: password.filter(|_| all.fields & (NT_PASSWORD | LM_PASSWORD) != 0),
        expires: all.fields & PASSWORD_EXPIRED != 0 && all.password_expired != 0,
    }
}

/// The encrypted hash in what is told of an account. An empty password is none, and the older hash is not kept.
// [MS-SAMR] 3.1.5.6.4.3
fn sent_hash(all: &UserAll) -> Result<[u8; 16], u32> {
    if all.fields & NT_PASSWORD == 0 || all.nt_is_set == 0 {
        return Err(nt::PASSWORD_RESTRICTION);
    }
    let units = all.nt_hash.0.as_units().iter();
    let bytes: Vec<u8> = units.flat_map(|unit| unit.to_le_bytes()).collect();
    bytes.try_into().map_err(|_| nt::INVALID_PARAMETER)
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
    let number = Arc::new(OnceLock::new());
    let open = call.handles.open(OpenUser {
        name: name.clone(),
        number: Arc::clone(&number),
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
            Some(account) => {
                let id = *number.get_or_init(|| relative_id(account));
                (open, granted, id, nt::SUCCESS)
            }
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
        Err(status) => return Ok(at_once((handle, status))),
        Ok(account) => account,
    };
    remove(call, handle, AccountChange::Remove(account.name.clone()))
}
