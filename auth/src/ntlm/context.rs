//! The server's side of NTLM: challenges a client and judges its response.
//!
//! ```text
//! Start ──NEGOTIATE──> Challenged ──AUTHENTICATE──> Done
//!   └──────────┴── anything else, or a response that is wrong ──> Failed
//! ```
//!
//! Owns the decisions, in the order of the specification; bytes and cryptography are elsewhere. It never
//! tells the client more than the status of [`Refusal`].

use std::sync::Arc;

use wire::Utf16String;
use wire::dtyp::FileTime;
use zeroize::Zeroizing;

use super::avpairs::{AvFlags, AvId, AvPairs};
use super::compute::{self, Key, MessageStream, SessionSecurity, Side};
use super::flags::NegotiateFlags;
use super::messages::{Authenticate, Challenge, Negotiate, NtlmV2Response, SIGNATURE, without_mic};
use super::text::Charset;
use crate::accounts::{Account, AccountStore, NtHash};
use crate::identity::{Identity, LogonKind, LogonName};
use crate::mechanism::{
    AcceptFacts, AuthError, Context, Mechanism, MessageProtection, Refusal, SessionKey, Step,
};
use crate::oid::Oid;
use crate::policy::{Anonymous, AuthPolicy, ChannelBindings, Guest, NtlmV1};

/// The names of this server, which the challenge tells every client.
// [MS-NLMP] 3.2.1.1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// The NetBIOS name: at most 15 characters, in capitals.
    pub netbios_computer: String,
    /// The NetBIOS name of the domain; the server's own name if it is in none.
    pub netbios_domain: String,
    /// The DNS name.
    pub dns_computer: String,
    /// The DNS name of the domain; empty if the server is in none.
    pub dns_domain: String,
    /// The DNS name of the forest, if the server is joined to a domain.
    pub dns_forest: Option<String>,
}

impl ServerNames {
    /// The names of a server that is in no domain.
    #[must_use]
    pub fn standalone(netbios: &str, dns: &str) -> Self {
        Self {
            netbios_computer: netbios.to_owned(),
            netbios_domain: netbios.to_owned(),
            dns_computer: dns.to_owned(),
            dns_domain: dns
                .split_once('.')
                .map(|(_, domain)| domain.to_owned())
                .unwrap_or_default(),
            dns_forest: None,
        }
    }
}

/// NTLM as a mechanism: the accounts, the policy and the names of one server.
#[derive(Clone)]
pub struct NtlmMechanism(Arc<Server>);

struct Server {
    names: ServerNames,
    policy: AuthPolicy,
    accounts: Arc<dyn AccountStore>,
}

impl NtlmMechanism {
    /// Authenticates the users of `accounts` under `policy`.
    #[must_use]
    pub fn new(names: ServerNames, policy: AuthPolicy, accounts: Arc<dyn AccountStore>) -> Self {
        Self(Arc::new(Server {
            names,
            policy,
            accounts,
        }))
    }
}

impl Mechanism for NtlmMechanism {
    fn oid(&self) -> Oid {
        Oid::NTLM
    }

    fn recognizes(&self, token: &[u8]) -> bool {
        token.starts_with(SIGNATURE)
    }

    fn start(&self, facts: &AcceptFacts) -> Box<dyn Context> {
        Box::new(NtlmContext {
            server: Arc::clone(&self.0),
            facts: facts.clone(),
            state: State::Start,
        })
    }
}

struct NtlmContext {
    server: Arc<Server>,
    facts: AcceptFacts,
    state: State,
}

enum State {
    Start,
    Challenged(Exchange),
    Done(Option<SessionSecurity>),
    Failed,
}

/// The first two messages, as they were sent.
struct Exchange {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    flags: NegotiateFlags,
    server_challenge: [u8; 8],
}

impl Context for NtlmContext {
    fn step(&mut self, token: &[u8], now: FileTime) -> Result<Step, AuthError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                let exchange = self.challenge(token, now)?;
                let challenge = exchange.challenge.clone();
                self.state = State::Challenged(exchange);
                Ok(Step::Continue(challenge))
            }
            State::Challenged(exchange) => {
                let authenticate = Authenticate::decode(token, exchange.flags)?;
                let name = LogonName {
                    user: authenticate.user.to_string_lossy(),
                    domain: authenticate.domain.to_string_lossy(),
                };
                let attempt = Attempt {
                    server: &self.server,
                    facts: &self.facts,
                    exchange,
                    now,
                    token,
                };
                let logon = attempt
                    .judge(&authenticate, &name)
                    .map_err(|reason| AuthError {
                        reason,
                        name: Some(Box::new(name)),
                    })?;
                self.state = State::Done(logon.security);
                let session_key = SessionKey::new(logon.exported_session_key.as_slice());
                Ok(Step::Done {
                    token: None,
                    identity: logon.identity,
                    session_key,
                })
            }
            State::Done(_) | State::Failed => Err(Refusal::OutOfSequence.into()),
        }
    }

    fn mic(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.state {
            State::Done(Some(security)) => Some(security.mic(Side::Server, message).to_vec()),
            _ => None,
        }
    }

    fn verify_mic(&self, message: &[u8], mic: &[u8]) -> bool {
        match &self.state {
            State::Done(Some(security)) => security.verify_mic(Side::Client, message, mic),
            _ => false,
        }
    }

    fn protection(&self, mics: u32) -> Option<Box<dyn MessageProtection>> {
        match &self.state {
            State::Done(Some(security)) => {
                let stream = MessageStream::of_server(security.clone(), mics)?;
                Some(Box::new(stream))
            }
            _ => None,
        }
    }
}

impl NtlmContext {
    // [MS-NLMP] 3.2.5.1.1
    fn challenge(&self, token: &[u8], now: FileTime) -> Result<Exchange, AuthError> {
        let asked = Negotiate::decode(token)?.flags;
        let charset = match Charset::of(asked).ok_or(Refusal::NoCharacterSet)? {
            Charset::Unicode => NegotiateFlags::UNICODE,
            Charset::Oem => NegotiateFlags::OEM,
        };
        let names = &self.server.names;
        let (target, kind) = match names.dns_forest {
            Some(_) => (&names.netbios_domain, NegotiateFlags::TARGET_TYPE_DOMAIN),
            None => (&names.netbios_computer, NegotiateFlags::TARGET_TYPE_SERVER),
        };
        let mut flags = (asked & MIRRORED) | CHOSEN | charset | kind;
        if !asked.intersects(NegotiateFlags::SIGN | NegotiateFlags::SEAL) {
            // [MS-NLMP] 2.2.2.5
            flags = flags.without(NegotiateFlags::KEY_128);
        }
        let [a, b, c, d, e, f, g, h, ..] = self.facts.entropy;
        let server_challenge = [a, b, c, d, e, f, g, h];
        let message = Challenge {
            target_name: target.as_str().into(),
            flags,
            server_challenge,
            target_info: target_info(names, now),
        };
        Ok(Exchange {
            negotiate: token.to_vec(),
            challenge: message.encode(),
            flags,
            server_challenge,
        })
    }
}

/// One AUTHENTICATE message on trial.
struct Attempt<'a> {
    server: &'a Server,
    facts: &'a AcceptFacts,
    exchange: Exchange,
    now: FileTime,
    token: &'a [u8],
}

/// A log-on that succeeded.
struct Logon {
    identity: Identity,
    exported_session_key: Key,
    /// None for guests, who share no key with the server.
    security: Option<SessionSecurity>,
}

/// Whom a response belongs to, and the key that comes with it.
struct Verified {
    user: String,
    kind: LogonKind,
    account: Option<Arc<Account>>,
    method: &'static str,
    key_exchange_key: Key,
}

impl Attempt<'_> {
    // [MS-NLMP] 3.2.5.1.2
    fn judge(&self, message: &Authenticate<'_>, name: &LogonName) -> Result<Logon, Refusal> {
        let flags = message.flags & self.exchange.flags;
        let response = Response::of(message, flags)?;
        let verified = self.verify(&response, message, name, flags)?;
        let exported_session_key = exported_session_key(&verified, message, flags)?;
        if verified.kind == LogonKind::User
            && let Response::V2(response) = &response
        {
            self.check_mic(response, message, &exported_session_key)?;
        }
        if let Response::V2(response) = &response {
            self.check_circumstances(response)?;
        }
        if let (LogonKind::User, Some(account)) = (verified.kind, &verified.account) {
            account.check_usable(self.now)?;
        }
        let security = (verified.kind != LogonKind::Guest)
            .then(|| SessionSecurity::new(flags, exported_session_key.clone()));
        let identity = Identity {
            user: verified.user,
            domain: name.domain.clone(),
            workstation: message.workstation.to_string_lossy(),
            kind: verified.kind,
            account: verified.account,
            method: verified.method,
            expires: None,
        };
        Ok(Logon {
            identity,
            exported_session_key,
            security,
        })
    }

    fn verify(
        &self,
        response: &Response<'_>,
        message: &Authenticate<'_>,
        name: &LogonName,
        flags: NegotiateFlags,
    ) -> Result<Verified, Refusal> {
        let policy = &self.server.policy;
        match response {
            Response::Anonymous if policy.anonymous == Anonymous::Refused => {
                Err(Refusal::Anonymous)
            }
            Response::Anonymous => Ok(Verified {
                user: String::new(),
                kind: LogonKind::Anonymous,
                account: None,
                method: "NTLM anonymous",
                key_exchange_key: Zeroizing::new([0; 16]),
            }),
            Response::Lm => Err(Refusal::NtlmV1),
            Response::V1(_) if policy.ntlm_v1 == NtlmV1::Refused => Err(Refusal::NtlmV1),
            Response::V1(_) | Response::V2(_) => match self.find(name) {
                Some(account) => self.verify_password(response, message, account, flags),
                None => {
                    // Take as long as with a known user, so that time does not tell who is one.
                    let nobody = NtHash::from_bytes([0; 16]);
                    let _ = self.key_if_right(response, message, &nobody, flags);
                    self.guest(name)
                }
            },
        }
    }

    /// Looks the user up by the name as it was sent, and by its first part if it is `user@domain`.
    /// Unknown domains are no obstacle: the accounts are local.
    fn find(&self, name: &LogonName) -> Option<Arc<Account>> {
        let accounts = &self.server.accounts;
        accounts
            .find(&name.user)
            .or_else(|| accounts.find(&LogonName::parse(&name.user).user))
    }

    fn verify_password(
        &self,
        response: &Response<'_>,
        message: &Authenticate<'_>,
        account: Arc<Account>,
        flags: NegotiateFlags,
    ) -> Result<Verified, Refusal> {
        let hash = account.nt_hash.as_ref().ok_or(Refusal::NoPassword)?;
        let key = self
            .key_if_right(response, message, hash, flags)
            .ok_or(Refusal::WrongPassword)?;
        let method = match response {
            Response::V2(_) => "NTLMv2",
            _ if flags.contains(NegotiateFlags::EXTENDED_SESSION_SECURITY) => "NTLMv1 extended",
            _ => "NTLMv1",
        };
        Ok(Verified {
            user: account.name.clone(),
            kind: LogonKind::User,
            account: Some(account),
            method,
            key_exchange_key: key,
        })
    }

    /// The key exchange key, if the response was made with `hash`.
    fn key_if_right(
        &self,
        response: &Response<'_>,
        message: &Authenticate<'_>,
        hash: &NtHash,
        flags: NegotiateFlags,
    ) -> Option<Key> {
        let challenge = self.exchange.server_challenge;
        match response {
            Response::V2(response) => {
                let right = |domain: &Utf16String| {
                    let key = compute::nt_owf_v2(hash, &message.user, domain);
                    let proof = compute::nt_proof(&key, challenge, response.temp);
                    compute::same(&proof, &response.proof)
                        .then(|| compute::session_base_key_v2(&key, &proof))
                };
                // [MS-NLMP] 3.2.5.1.2
                // Some clients hash no domain though they send one.
                right(&message.domain).or_else(|| right(&Utf16String::new()))
            }
            Response::V1(sent) => {
                let base = compute::session_base_key_v1(hash);
                let client_challenge = message.lm_response.first_chunk().copied();
                let (expected, key) = match client_challenge {
                    Some(client) if flags.contains(NegotiateFlags::EXTENDED_SESSION_SECURITY) => (
                        compute::nt_response_v1_extended(hash, challenge, client),
                        compute::key_exchange_key_v1_extended(&base, challenge, client),
                    ),
                    _ => (compute::nt_response_v1(hash, challenge), base),
                };
                compute::same(&expected, *sent).then_some(key)
            }
            Response::Anonymous | Response::Lm => None,
        }
    }

    fn guest(&self, name: &LogonName) -> Result<Verified, Refusal> {
        let policy = &self.server.policy;
        if policy.guest == Guest::Never {
            return Err(Refusal::UnknownUser);
        }
        Ok(Verified {
            user: name.user.clone(),
            kind: LogonKind::Guest,
            account: policy
                .guest_account
                .as_deref()
                .and_then(|guest| self.server.accounts.find(guest)),
            method: "NTLM guest",
            key_exchange_key: Zeroizing::new([0; 16]),
        })
    }

    fn check_mic(
        &self,
        response: &NtlmV2Response<'_>,
        message: &Authenticate<'_>,
        exported_session_key: &Key,
    ) -> Result<(), Refusal> {
        if !response.pairs.flags().contains(AvFlags::MIC_PRESENT) {
            return Ok(());
        }
        let expected = compute::message_integrity_code(
            exported_session_key,
            &self.exchange.negotiate,
            &self.exchange.challenge,
            without_mic(self.token),
        );
        match message.mic {
            Some(mic) if compute::same(&expected, &mic) => Ok(()),
            _ => Err(Refusal::Mic),
        }
    }

    /// Checks what the response says about channel, target and time.
    // [MS-NLMP] 3.2.5.1.2
    fn check_circumstances(&self, response: &NtlmV2Response<'_>) -> Result<(), Refusal> {
        let policy = &self.server.policy;
        let bound = response.pairs.channel_bindings();
        let right = match (policy.channel_bindings, &self.facts.channel_bindings) {
            (ChannelBindings::Ignored, _) => true,
            (ChannelBindings::Checked, None) => true,
            (ChannelBindings::Checked, Some(ours)) => {
                bound.is_none_or(|hash| compute::same(hash, ours))
            }
            (ChannelBindings::Required, None) => bound.is_some(),
            (ChannelBindings::Required, Some(ours)) => {
                bound.is_some_and(|hash| compute::same(hash, ours))
            }
        };
        if !right {
            return Err(Refusal::ChannelBindings);
        }
        if !policy.target_names.is_empty() {
            check_target(&response.pairs, &policy.target_names)?;
        }
        let ticks = self.now.0.abs_diff(response.timestamp.0);
        match policy.max_clock_difference {
            Some(most) if u128::from(ticks).saturating_mul(100) > most.as_nanos() => {
                Err(Refusal::Stale)
            }
            _ => Ok(()),
        }
    }
}

/// What kind of response a message carries.
enum Response<'a> {
    Anonymous,
    Lm,
    V1(&'a [u8; 24]),
    V2(NtlmV2Response<'a>),
}

impl<'a> Response<'a> {
    fn of(message: &Authenticate<'a>, flags: NegotiateFlags) -> Result<Self, Refusal> {
        let lm_is_empty = matches!(message.lm_response, [] | [0]);
        match message.nt_response {
            [] if message.user.is_empty() && lm_is_empty => Ok(Self::Anonymous),
            [] => Ok(Self::Lm),
            response => match <&[u8; 24]>::try_from(response) {
                Ok(response) => {
                    // [MS-NLMP] 3.3.1
                    // The client's challenge is in the LM response; without it there is nothing to check.
                    let extended = flags.contains(NegotiateFlags::EXTENDED_SESSION_SECURITY);
                    let complete = !extended || message.lm_response.len() == 24;
                    Ok(if complete {
                        Self::V1(response)
                    } else {
                        Self::Lm
                    })
                }
                Err(_) => NtlmV2Response::decode(response)
                    .map(Self::V2)
                    .map_err(Refusal::Malformed),
            },
        }
    }
}

fn exported_session_key(
    verified: &Verified,
    message: &Authenticate<'_>,
    flags: NegotiateFlags,
) -> Result<Key, Refusal> {
    let key = &verified.key_exchange_key;
    let signs = flags.intersects(NegotiateFlags::SIGN | NegotiateFlags::SEAL);
    if !flags.contains(NegotiateFlags::KEY_EXCH) {
        return Ok(key.clone());
    }
    match <&[u8; 16]>::try_from(message.encrypted_session_key) {
        // departs [MS-NLMP] 3.2.5.1.2: a client that sends a key means it, even if it will not sign.
        Ok(encrypted) => Ok(compute::rc4k(key, encrypted)),
        Err(_) if signs => Err(Refusal::KeyExchange),
        Err(_) => Ok(key.clone()),
    }
}

/// Checks the name by which the client called the server: `cifs/NAME`, or NAME alone.
fn check_target(pairs: &AvPairs, names: &[String]) -> Result<(), Refusal> {
    let target = pairs.target_name().unwrap_or_default();
    let host = target.split('/').nth(1).unwrap_or(&target);
    let host = host.split_once(':').map_or(host, |(host, _port)| host);
    let untrusted = pairs.flags().contains(AvFlags::UNTRUSTED_TARGET_NAME);
    if !untrusted && names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Refusal::TargetName(target))
}

// [MS-NLMP] 3.2.5.1.1
fn target_info(names: &ServerNames, now: FileTime) -> AvPairs {
    let mut pairs = AvPairs::default();
    pairs.set_text(AvId::NB_DOMAIN_NAME, &names.netbios_domain);
    pairs.set_text(AvId::NB_COMPUTER_NAME, &names.netbios_computer);
    pairs.set_text(AvId::DNS_DOMAIN_NAME, &names.dns_domain);
    pairs.set_text(AvId::DNS_COMPUTER_NAME, &names.dns_computer);
    if let Some(forest) = &names.dns_forest {
        pairs.set_text(AvId::DNS_TREE_NAME, forest);
    }
    // [MS-NLMP] 2.2.2.1
    pairs.set(AvId::TIMESTAMP, now.0.to_le_bytes().to_vec());
    pairs
}

/// What the server grants if the client asks for it.
const MIRRORED: NegotiateFlags = NegotiateFlags::SIGN
    .with(NegotiateFlags::SEAL)
    .with(NegotiateFlags::EXTENDED_SESSION_SECURITY)
    .with(NegotiateFlags::IDENTIFY)
    .with(NegotiateFlags::VERSION)
    .with(NegotiateFlags::KEY_128)
    .with(NegotiateFlags::KEY_EXCH)
    .with(NegotiateFlags::KEY_56);

/// What the server sets whatever the client asks for.
const CHOSEN: NegotiateFlags = NegotiateFlags::REQUEST_TARGET
    .with(NegotiateFlags::NTLM)
    .with(NegotiateFlags::ALWAYS_SIGN)
    .with(NegotiateFlags::TARGET_INFO);
