//! The client's side of SPNEGO around NTLM.

use super::{
    Client, ClientError, ClientFacts, ClientOptions, ClientStep, Credentials, NtlmClient,
    SignMechList,
};
use crate::mechanism::SessionKey;
use crate::oid::Oid;
use crate::spnego::token::{NegState, NegToken, NegTokenInit, NegTokenResp};

/// A client that negotiates NTLM by SPNEGO.
pub struct SpnegoClient {
    ntlm: NtlmClient,
    sign: SignMechList,
    other_mechanisms: Vec<Oid>,
    mech_list: Vec<u8>,
    sent_mic: bool,
    /// The server has signed the list of mechanisms too.
    server_signed: bool,
}

impl SpnegoClient {
    /// A client for one log-on.
    #[must_use]
    pub fn new(credentials: Credentials, options: ClientOptions, facts: ClientFacts) -> Self {
        Self {
            sign: options.mech_list_mic,
            other_mechanisms: options.other_mechanisms.clone(),
            ntlm: NtlmClient::new(credentials, options, facts),
            mech_list: Vec::new(),
            sent_mic: false,
            server_signed: false,
        }
    }

    /// Checks the server's signature, if it sent one; it must if the client did.
    // [RFC4178] 5
    fn check_mic(&mut self, mic: Option<&[u8]>) -> Result<(), ClientError> {
        if let Some(mic) = mic {
            self.server_signed = self.ntlm.verify_mic(&self.mech_list, mic);
        }
        let wanted = self.sent_mic || mic.is_some();
        if wanted && !self.server_signed {
            Err(ClientError::MechListMic)
        } else {
            Ok(())
        }
    }

    fn reply(&mut self, token: Option<Vec<u8>>, signs: bool) -> ClientStep {
        let mic = if signs {
            self.ntlm.mic(&self.mech_list)
        } else {
            None
        };
        self.sent_mic |= mic.is_some();
        let reply = NegTokenResp {
            state: None,
            supported_mech: None,
            response_token: token,
            mech_list_mic: mic.map(|mic| mic.to_vec()),
        };
        ClientStep::Send(reply.encode())
    }
}

impl Client for SpnegoClient {
    fn start(&mut self) -> Vec<u8> {
        let mut mech_types = self.other_mechanisms.clone();
        mech_types.push(Oid::NTLM);
        let token = self.ntlm.start();
        // The token is that of the favourite, of which this client knows nothing but the name.
        let token = if self.other_mechanisms.is_empty() {
            token
        } else {
            b"not a token".to_vec()
        };
        let init = NegTokenInit::new(mech_types, Some(token));
        self.mech_list.clone_from(&init.mech_list);
        init.encode()
    }

    fn step(&mut self, token: &[u8]) -> Result<ClientStep, ClientError> {
        let NegToken::Resp(response) = NegToken::decode(token)? else {
            return Err(ClientError::Unexpected);
        };
        if response.supported_mech.is_some_and(|oid| oid != Oid::NTLM) {
            return Err(ClientError::Unexpected);
        }
        let mic = response.mech_list_mic.as_deref();
        match (response.state, response.response_token) {
            (Some(NegState::Reject), _) => Err(ClientError::Rejected),
            (Some(NegState::AcceptCompleted), None) => {
                self.check_mic(mic)?;
                Ok(ClientStep::Done)
            }
            (Some(NegState::AcceptIncomplete), None) if self.ntlm.session_key().is_some() => {
                self.check_mic(mic)?;
                let signs = self.sign != SignMechList::Never;
                Ok(self.reply(None, signs))
            }
            (_, None) if !self.other_mechanisms.is_empty() => {
                let negotiate = self.ntlm.start();
                Ok(self.reply(Some(negotiate), false))
            }
            (_, Some(token)) => match self.ntlm.step(&token)? {
                ClientStep::Send(token) => {
                    Ok(self.reply(Some(token), self.sign == SignMechList::Always))
                }
                ClientStep::Done => Ok(ClientStep::Done),
            },
            (_, None) => Err(ClientError::Unexpected),
        }
    }

    fn session_key(&self) -> Option<&SessionKey> {
        self.ntlm.session_key()
    }
}
