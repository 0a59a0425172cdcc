//! The client's side of NTLM.

use wire::Utf16String;
use zeroize::Zeroizing;

use super::{
    Client, ClientError, ClientFacts, ClientOptions, ClientStep, Credentials, ResponseKind,
    SignMessages,
};
use crate::accounts::NtHash;
use crate::mechanism::SessionKey;
use crate::ntlm::NegotiateFlags;
use crate::ntlm::avpairs::{AvFlags, AvId, AvPairs};
use crate::ntlm::compute::{self, Key, SessionSecurity, Side};
use crate::ntlm::messages::{
    Authenticate, Challenge, Negotiate, NtlmV2Response, set_mic, without_mic,
};

/// A client that speaks NTLM alone.
pub struct NtlmClient {
    credentials: Credentials,
    options: ClientOptions,
    facts: ClientFacts,
    negotiate: Vec<u8>,
    outcome: Option<(SessionKey, SessionSecurity)>,
}

impl NtlmClient {
    /// A client for one log-on.
    #[must_use]
    pub const fn new(credentials: Credentials, options: ClientOptions, facts: ClientFacts) -> Self {
        Self {
            credentials,
            options,
            facts,
            negotiate: Vec::new(),
            outcome: None,
        }
    }

    /// The client's signature of `message`, once it has answered the challenge.
    pub(super) fn mic(&self, message: &[u8]) -> Option<[u8; 16]> {
        self.outcome
            .as_ref()
            .map(|(_, security)| security.mic(Side::Client, message))
    }

    /// Whether `mic` is the server's signature of `message`.
    pub(super) fn verify_mic(&self, message: &[u8], mic: &[u8]) -> bool {
        let outcome = self.outcome.as_ref();
        outcome.is_some_and(|(_, security)| security.verify_mic(Side::Server, message, mic))
    }

    // [MS-NLMP] 3.1.5.1.2
    fn answer(&mut self, token: &[u8]) -> Result<Vec<u8>, ClientError> {
        let challenge = Challenge::decode(token)?;
        let flags = challenge.flags & self.options.flags;
        let response = match &self.credentials.nt_hash {
            Some(hash) => self.respond(hash, &challenge, flags),
            None => Response::anonymous(),
        };
        let signs = flags.intersects(NegotiateFlags::SIGN | NegotiateFlags::SEAL);
        let exchanges = flags.contains(NegotiateFlags::KEY_EXCH) && signs;
        let (exported, encrypted) = if exchanges {
            let random = self.entropy_key();
            let encrypted = compute::rc4k(&response.key_exchange_key, &random).to_vec();
            (random, encrypted)
        } else {
            (response.key_exchange_key.clone(), Vec::new())
        };
        let mut message = Authenticate {
            lm_response: &response.lm,
            nt_response: &response.nt,
            domain: self.credentials.domain.as_str().into(),
            user: self.credentials.user.as_str().into(),
            workstation: self.credentials.workstation.as_str().into(),
            encrypted_session_key: &encrypted,
            flags,
            mic: None,
        }
        .encode();
        if response.signed {
            let pieces = without_mic(&message);
            let mic = compute::message_integrity_code(&exported, &self.negotiate, token, pieces);
            set_mic(&mut message, mic);
        }
        let session_key = SessionKey::new(exported.as_slice());
        self.outcome = Some((session_key, SessionSecurity::new(flags, exported)));
        Ok(message)
    }

    fn respond(&self, hash: &NtHash, challenge: &Challenge, flags: NegotiateFlags) -> Response {
        let server = challenge.server_challenge;
        let client = self.client_challenge();
        if self.options.response == ResponseKind::V1 {
            let base = compute::session_base_key_v1(hash);
            let extended = flags.contains(NegotiateFlags::EXTENDED_SESSION_SECURITY);
            let (nt, key_exchange_key) = if extended {
                let nt = compute::nt_response_v1_extended(hash, server, client);
                (
                    nt,
                    compute::key_exchange_key_v1_extended(&base, server, client),
                )
            } else {
                (compute::nt_response_v1(hash, server), base)
            };
            let lm = if extended {
                [&client[..], &[0; 16]].concat()
            } else {
                nt.to_vec()
            };
            return Response {
                lm,
                nt: nt.to_vec(),
                key_exchange_key,
                signed: false,
            };
        }
        let user = Utf16String::from(self.credentials.user.as_str());
        let domain = self
            .options
            .hashed_domain
            .as_ref()
            .unwrap_or(&self.credentials.domain);
        let key = compute::nt_owf_v2(hash, &user, &domain.as_str().into());
        let server_time = challenge.target_info.timestamp();
        let signed = server_time.is_some() && self.options.mic == SignMessages::IfServerSendsTime;
        let pairs = self.pairs(challenge.target_info.clone(), signed);
        let temp = NtlmV2Response::temp(server_time.unwrap_or(self.facts.now), client, &pairs);
        let proof = compute::nt_proof(&key, server, &temp);
        let lm = match server_time {
            Some(_) => vec![0; 24],
            None => compute::lm_v2_response(&key, server, client),
        };
        let key_exchange_key = compute::session_base_key_v2(&key, &proof);
        Response {
            lm,
            nt: [&proof[..], &temp].concat(),
            key_exchange_key,
            signed,
        }
    }

    fn pairs(&self, mut pairs: AvPairs, signed: bool) -> AvPairs {
        if signed {
            let flags = pairs.flags().0 | AvFlags::MIC_PRESENT.0;
            pairs.set(AvId::FLAGS, flags.to_le_bytes().to_vec());
        }
        let bindings = self.options.channel_bindings.unwrap_or_default();
        pairs.set(AvId::CHANNEL_BINDINGS, bindings.to_vec());
        pairs.set_text(
            AvId::TARGET_NAME,
            self.options.target_name.as_deref().unwrap_or_default(),
        );
        pairs
    }

    fn client_challenge(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.facts.entropy;
        [a, b, c, d, e, f, g, h]
    }

    fn entropy_key(&self) -> Key {
        let (_, half) = self
            .facts
            .entropy
            .as_chunks::<16>()
            .0
            .split_first()
            .unwrap_or((&[0; 16], &[]));
        Zeroizing::new(half.first().copied().unwrap_or_default())
    }
}

impl Client for NtlmClient {
    fn start(&mut self) -> Vec<u8> {
        self.negotiate = Negotiate {
            flags: self.options.flags,
        }
        .encode();
        self.negotiate.clone()
    }

    fn step(&mut self, token: &[u8]) -> Result<ClientStep, ClientError> {
        if self.outcome.is_some() || self.negotiate.is_empty() {
            return Err(ClientError::Unexpected);
        }
        self.answer(token).map(ClientStep::Send)
    }

    fn session_key(&self) -> Option<&SessionKey> {
        self.outcome.as_ref().map(|(key, _)| key)
    }
}

/// What a client answers a challenge with.
struct Response {
    lm: Vec<u8>,
    nt: Vec<u8>,
    key_exchange_key: Key,
    signed: bool,
}

impl Response {
    // [MS-NLMP] 3.3.2
    fn anonymous() -> Self {
        let key_exchange_key = Zeroizing::new([0; 16]);
        Self {
            lm: vec![0],
            nt: Vec::new(),
            key_exchange_key,
            signed: false,
        }
    }
}
