//! New passwords: set by administrators, changed by whoever knows the old one.

use std::sync::Arc;

use server::accounts::passwords::{self, AesBlock, ITERATIONS};
use server::accounts::{Account, NtHash};
use server::share::{AccountChange, AccountUpdate, Answer};

use super::super::changes::Changer;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::objects::OpenUser;
use super::types::{EncryptedPassword, PasswordRules};
use crate::ready::ready;

/// A new password, or its hash, encrypted with the session's key.
pub(super) enum Sent<'a> {
    /// With the key alone.
    Plain(&'a [u8; 516]),
    /// With the key and a salt.
    Salted(&'a [u8; 532]),
    /// With AES.
    // [MS-SAMR] 3.1.5.6.4.6
    Aes(&'a EncryptedPassword),
    /// The hash.
    Hash([u8; 16]),
}

impl Sent<'_> {
    /// The hash of the password, if it was encrypted with the key of the caller's session.
    pub(super) fn open(&self, call: &Call<'_>) -> Option<NtHash> {
        let facts = call.caller.log_on.as_ref()?;
        let key = facts.session_key.as_ref()?.first_16();
        match self {
            Self::Plain(block) => hash(passwords::open(key.as_slice(), block)?.as_str()),
            Self::Salted(block) => hash(passwords::open_salted(key.as_slice(), block)?.as_str()),
            Self::Aes(encrypted) => open_block(encrypted, &key),
            Self::Hash(encrypted) => Some(passwords::open_hash(&key, encrypted)),
        }
    }
}

fn open_block(encrypted: &EncryptedPassword, key: &[u8; 16]) -> Option<NtHash> {
    let cipher = &encrypted.cipher.as_ref()?.0;
    if u32::try_from(cipher.len()) != Ok(encrypted.length) {
        return None;
    }
    let block = AesBlock {
        auth_data: &encrypted.auth_data,
        salt: &encrypted.salt,
        cipher,
    };
    hash(block.open(key)?.as_str())
}

/// Nobody has an empty password.
fn hash(password: &str) -> Option<NtHash> {
    (!password.is_empty()).then(|| NtHash::of_password(password))
}

type Block = Option<[u8; 516]>;
type Proof = Option<[u8; 16]>;
type Change = (Option<Counted>, Counted, Block, Proof, u8, Block, Proof);

/// The new password is encrypted with the old one's hash, and the old one's hash with the new one's: whoever sends
/// both knows the old one.
// [MS-SAMR] 3.1.5.10.3
pub(super) fn change(
    call: &mut Call<'_>,
    (_, name, block, proof, ..): Change,
) -> Result<Later<(u32,)>, Fault> {
    let who = Whose::find(call, &name);
    let new = who.as_ref().and_then(|who| {
        let (old, block, proof) = (who.old_hash()?, block?, proof?);
        let new = hash(passwords::open(old.bytes(), &block)?.as_str())?;
        passwords::proves(old, &new, &proof).then_some(new)
    });
    Ok(conclude(call, who, ready(Ok(new))))
}

type ChangeByAes = (Option<Counted>, Counted, EncryptedPassword);

/// The new password is encrypted with a key made from the old one's hash: whoever sends it knows the old one. To make
/// that key takes long on purpose.
// [MS-SAMR] 3.1.5.10.4
pub(super) fn change_by_aes(
    call: &mut Call<'_>,
    (_, name, encrypted): ChangeByAes,
) -> Result<Later<(u32,)>, Fault> {
    let who = Whose::find(call, &name);
    let Some(whose) = who
        .as_ref()
        .filter(|_| ITERATIONS.contains(&encrypted.iterations))
    else {
        return Ok(conclude(call, who, ready(Ok(None))));
    };
    // It takes as long where there is no such account, which nobody learns by the time.
    let old = whose.old_hash().cloned();
    let (is_there, old) = (old.is_some(), old.unwrap_or(NtHash::from_bytes([0; 16])));
    let work = move || {
        let key = passwords::content_key(&old, &encrypted.salt, encrypted.iterations)?;
        open_block(&encrypted, &key).filter(|_| is_there)
    };
    let new = call.services.workers.run(call.caller, work);
    Ok(conclude(call, who, new))
}

/// Whose password is to be changed.
struct Whose {
    name: String,
    /// The account, if there is one that can be used.
    account: Option<Arc<Account>>,
}

impl Whose {
    /// The account that a client names; none if it has not said itself who it is.
    fn find(call: &Call<'_>, name: &Counted) -> Option<Self> {
        let name = name.0.to_string_lossy();
        let accounts = call.services.administration.accounts().into_iter();
        let is_meant = |account: &Arc<Account>| {
            let is_called = account.name.to_lowercase() == name.to_lowercase();
            is_called && !account.disabled && !account.locked
        };
        let account = accounts.into_iter().find(is_meant);
        (!call.is_anonymous()).then_some(Self { name, account })
    }

    fn old_hash(&self) -> Option<&NtHash> {
        self.account.as_ref()?.nt_hash.as_ref()
    }
}

/// Sets the new password, if the client has proved to know the old one. A wrong guess is counted and slowed down as at
/// a log-on.
fn conclude(
    call: &Call<'_>,
    who: Option<Whose>,
    new: Answer<'static, Option<NtHash>>,
) -> Later<(u32,)> {
    let Some(who) = who else {
        return Box::pin(std::future::ready((nt::ACCESS_DENIED,)));
    };
    let changer = Changer::of(call);
    let services = Arc::clone(call.services);
    let address = call.caller.log_on.as_ref().and_then(|facts| facts.address);
    Box::pin(async move {
        let new = match new.await {
            Ok(new) => new,
            Err(status) => return (status.0,),
        };
        // Right or wrong, whoever has guessed too often waits.
        let guess = services.view.judge_guess(address, &who.name, new.is_some());
        guess.await;
        let (Some(account), Some(nt_hash)) = (who.account, new) else {
            changer.refused(&who.name);
            return (nt::WRONG_PASSWORD,);
        };
        let update = AccountUpdate {
            nt_hash: Some(nt_hash),
            password_must_change: Some(false),
            ..AccountUpdate::default()
        };
        let name = account.name.clone();
        (changer.make(AccountChange::Update { name, update }).await,)
    })
}

/// Any password will do, as long as there is one.
pub(super) const RULES: PasswordRules = PasswordRules {
    shortest: 1,
    properties: 0,
};

// [MS-SAMR] 3.1.5.13.4
pub(super) fn domain_rules(
    _: &mut Call<'_>,
    (_,): (Option<Counted>,),
) -> Result<(PasswordRules, u32), Fault> {
    Ok((RULES, nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.13.3
pub(super) fn user_rules(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(PasswordRules, u32), Fault> {
    let _: &OpenUser = call.handles.find(&handle)?;
    Ok((RULES, nt::SUCCESS))
}
