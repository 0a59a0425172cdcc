//! New passwords: set by administrators, changed by whoever knows the old one.

use server::accounts::{NtHash, passwords};
use server::share::AccountChange;

use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::objects::OpenUser;
use super::types::PasswordRules;

/// The hash of a new password that a client sends encrypted with the session's key.
pub(super) fn opened(call: &Call<'_>, block: &[u8; 516]) -> Option<NtHash> {
    let facts = call.caller.log_on.as_ref()?;
    let key = facts.session_key.as_ref()?.first_16();
    hash(passwords::open(key.as_slice(), block)?.as_str())
}

/// As [`opened`], with salt.
pub(super) fn opened_salted(call: &Call<'_>, block: &[u8; 532]) -> Option<NtHash> {
    let facts = call.caller.log_on.as_ref()?;
    let key = facts.session_key.as_ref()?.first_16();
    hash(passwords::open_salted(key.as_slice(), block)?.as_str())
}

/// The hash that a client sends encrypted with the session's key.
pub(super) fn opened_hash(call: &Call<'_>, encrypted: &[u8; 16]) -> Option<NtHash> {
    let facts = call.caller.log_on.as_ref()?;
    let key = facts.session_key.as_ref()?.first_16();
    Some(passwords::open_hash(&key, encrypted))
}

/// Nobody has an empty password.
fn hash(password: &str) -> Option<NtHash> {
    (!password.is_empty()).then(|| NtHash::of_password(password))
}

type Block = Option<[u8; 516]>;
type Proof = Option<[u8; 16]>;
type Change = (Option<Counted>, Counted, Block, Proof, u8, Block, Proof);

/// The new password is encrypted with the old one's hash, and the old one's hash with the new one's: whoever sends
/// both knows the old one. A wrong guess is counted and slowed down as at a log-on.
// [MS-SAMR] 3.1.5.10.3
pub(super) fn change(
    call: &mut Call<'_>,
    (_, name, block, proof, ..): Change,
) -> Result<Later<(u32,)>, Fault> {
    if call.is_anonymous() {
        return Ok(Box::pin(std::future::ready((nt::ACCESS_DENIED,))));
    }
    let wanted = name.0.to_string_lossy();
    let accounts = call.services.administration.accounts();
    let account = accounts.into_iter().find(|account| {
        account.name.to_lowercase() == wanted.to_lowercase() && !account.disabled && !account.locked
    });
    let new = account.as_ref().and_then(|account| {
        let (old, block, proof) = (account.nt_hash.as_ref()?, block?, proof?);
        let new = hash(passwords::open(old.bytes(), &block)?.as_str())?;
        passwords::proves(old, &new, &proof).then_some(new)
    });
    let services = call.services.clone();
    let address = call.caller.log_on.as_ref().and_then(|facts| facts.address);
    let guess = services.view.judge_guess(address, &wanted, new.is_some());
    Ok(Box::pin(async move {
        // Right or wrong, whoever has guessed too often waits.
        guess.await;
        let (Some(account), Some(nt_hash)) = (account, new) else {
            return (nt::WRONG_PASSWORD,);
        };
        let name = account.name.clone();
        let change = AccountChange::SetPassword { name, nt_hash };
        (nt::of(services.administration.change_account(change).await),)
    }))
}

/// Any password will do, as long as there is one.
const RULES: PasswordRules = PasswordRules {
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
