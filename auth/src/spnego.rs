//! SPNEGO: client and server agree on a mechanism, and sign what they agreed on.
//!
//! ```text
//! Start ──NegTokenInit──> Negotiating ──mechanism done──> Done
//!   │                         └──its signature is due──> AwaitingMic ──> Done
//!   └──a token of a mechanism itself──> Bare ──> Done
//! ```
//!
//! Owns the negotiation (RFC 4178, with Windows's variations in [MS-SPNG]); what the tokens inside it
//! mean is the mechanism's affair. [`token`] has the bytes. It never falls back to a mechanism that the
//! client did not offer, and ignores request flags, which nothing protects.

use std::sync::Arc;

use wire::dtyp::FileTime;

use crate::identity::Identity;
use crate::mechanism::{
    AcceptFacts, AuthError, Context, Mechanism, MessageProtection, Refusal, SessionKey, Step,
};
use crate::oid::Oid;

pub mod der;
pub mod token;

pub use token::gss_mechanism;
use token::{NegState, NegToken, NegTokenInit, NegTokenResp};

/// SPNEGO as a mechanism that holds others.
#[derive(Clone)]
pub struct Spnego(Arc<[Arc<dyn Mechanism>]>);

impl Spnego {
    /// Offers `mechanisms`, the server's favourite first. The client's favourite wins nevertheless.
    #[must_use]
    pub fn new(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self(mechanisms.into())
    }

    /// The token with which a server opens the negotiation: the security buffer of NEGOTIATE.
    // [MS-SPNG] 3.2.5.2
    #[must_use]
    pub fn hint(&self) -> Vec<u8> {
        let oids: Vec<Oid> = self.0.iter().map(|mechanism| mechanism.oid()).collect();
        NegTokenInit::encode_hint(&oids)
    }
}

impl Mechanism for Spnego {
    fn oid(&self) -> Oid {
        Oid::SPNEGO
    }

    fn blocks(&self) -> bool {
        self.0.iter().any(|mechanism| mechanism.blocks())
    }

    fn start(&self, facts: &AcceptFacts) -> Box<dyn Context> {
        let mechanisms = Arc::clone(&self.0);
        Box::new(SpnegoContext {
            mechanisms,
            facts: facts.clone(),
            state: State::Start,
        })
    }
}

struct SpnegoContext {
    mechanisms: Arc<[Arc<dyn Mechanism>]>,
    facts: AcceptFacts,
    state: State,
}

enum State {
    Start,
    /// The client speaks a mechanism without SPNEGO around it.
    Bare(Box<dyn Context>),
    Negotiating(Negotiation),
    AwaitingMic(Negotiation, Identity, SessionKey),
    /// The mechanism, and whether both sides have signed their lists.
    Done(Box<dyn Context>, Signed),
    Failed,
}

/// Whether the list of mechanisms was signed by both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
}

/// A mechanism that was chosen, and what the choice was made from.
struct Negotiation {
    context: Box<dyn Context>,
    /// The client's list of mechanisms, byte for byte: what the signatures are over.
    mech_list: Vec<u8>,
    /// The client's favourite is not served here, so both sides must sign.
    reselected: bool,
    /// The mechanism, as the client spells it, until the client has been told.
    announce: Option<Oid>,
}

impl Context for SpnegoContext {
    fn step(&mut self, token: &[u8], now: FileTime) -> Result<Step, AuthError> {
        let (step, state) = match std::mem::replace(&mut self.state, State::Failed) {
            State::Start => self.first(token, now)?,
            State::Bare(context) => bare(context, token, now)?,
            State::Negotiating(negotiation) => {
                let response = expect_response(token)?;
                match response.response_token {
                    Some(token) => {
                        negotiation.advance(&token, response.mech_list_mic.as_deref(), now)?
                    }
                    None => return Err(Refusal::OutOfSequence.into()),
                }
            }
            State::AwaitingMic(negotiation, identity, session_key) => {
                let response = expect_response(token)?;
                negotiation.check_mic(response.mech_list_mic.as_deref())?;
                let reply = NegTokenResp {
                    state: Some(NegState::AcceptCompleted),
                    ..Default::default()
                };
                let token = Some(reply.encode());
                (
                    Step::Done {
                        token,
                        identity,
                        session_key,
                    },
                    State::Done(negotiation.context, Signed::Yes),
                )
            }
            State::Done(..) | State::Failed => return Err(Refusal::OutOfSequence.into()),
        };
        self.state = state;
        Ok(step)
    }

    fn blocks(&self) -> bool {
        match &self.state {
            State::Start => self.mechanisms.iter().any(|mechanism| mechanism.blocks()),
            State::Bare(context) => context.blocks(),
            State::Negotiating(negotiation) => negotiation.context.blocks(),
            State::AwaitingMic(..) | State::Done(..) | State::Failed => false,
        }
    }

    fn mic(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.state {
            State::Done(context, _) => context.mic(message),
            _ => None,
        }
    }

    fn verify_mic(&self, message: &[u8], mic: &[u8]) -> bool {
        match &self.state {
            State::Done(context, _) => context.verify_mic(message, mic),
            _ => false,
        }
    }

    // observed: Windows and Samba start the key streams anew after the signatures of the lists, and go on counting
    fn protection(&self, mics: u32) -> Option<Box<dyn MessageProtection>> {
        match &self.state {
            State::Done(context, Signed::Yes) => context.protection(mics.saturating_add(1)),
            State::Done(context, Signed::No) => context.protection(mics),
            _ => None,
        }
    }
}

impl SpnegoContext {
    fn first(&self, token: &[u8], now: FileTime) -> Result<(Step, State), AuthError> {
        if let Some(mechanism) = self
            .mechanisms
            .iter()
            .find(|mechanism| mechanism.recognizes(token))
        {
            return bare(mechanism.start(&self.facts), token, now);
        }
        let NegToken::Init(init) = NegToken::decode(token)? else {
            return Err(Refusal::OutOfSequence.into());
        };
        let (negotiation, is_favourite) = self.choose(&init)?;
        match init.mech_token {
            // The token of a favourite that is not served here is of no use.
            Some(token) if is_favourite => {
                negotiation.advance(&token, init.mech_list_mic.as_deref(), now)
            }
            _ => Ok(negotiation.continue_with(None)),
        }
    }

    /// Chooses the first mechanism of the client's list that is served here.
    // [RFC4178] 3.2
    fn choose(&self, init: &NegTokenInit) -> Result<(Negotiation, bool), AuthError> {
        for (rank, oid) in init.mech_types.iter().enumerate() {
            if let Some(mechanism) = self
                .mechanisms
                .iter()
                .find(|mechanism| mechanism.answers_to(oid))
            {
                let negotiation = Negotiation {
                    context: mechanism.start(&self.facts),
                    mech_list: init.mech_list.clone(),
                    reselected: rank > 0,
                    announce: Some(oid.clone()),
                };
                return Ok((negotiation, rank == 0));
            }
        }
        Err(Refusal::NoCommonMechanism(init.mech_types.clone()).into())
    }
}

impl Negotiation {
    /// Gives the mechanism its token, and wraps what comes out.
    fn advance(
        mut self,
        token: &[u8],
        mic: Option<&[u8]>,
        now: FileTime,
    ) -> Result<(Step, State), AuthError> {
        match self.context.step(token, now)? {
            Step::Continue(token) => Ok(self.continue_with(Some(token))),
            Step::Done {
                token,
                identity,
                session_key,
            } => self.complete(token, mic, identity, session_key),
        }
    }

    // [RFC4178] 4.2.2
    fn continue_with(mut self, response_token: Option<Vec<u8>>) -> (Step, State) {
        let first = self.announce.is_some();
        let state = if first && self.reselected {
            NegState::RequestMic
        } else {
            NegState::AcceptIncomplete
        };
        let reply = NegTokenResp {
            state: Some(state),
            supported_mech: self.announce.take(),
            response_token,
            mech_list_mic: None,
        };
        (Step::Continue(reply.encode()), State::Negotiating(self))
    }

    /// Ends the negotiation, or asks for the client's signature first.
    // [RFC4178] 5
    fn complete(
        mut self,
        token: Option<Vec<u8>>,
        mic: Option<&[u8]>,
        identity: Identity,
        session_key: SessionKey,
    ) -> Result<(Step, State), AuthError> {
        let ours = self.context.mic(&self.mech_list);
        // todo [MS-SPNG] 3.1.5.1: Windows demands a signature also of a client that signed its NTLM
        // messages. With NTLM alone there is no better mechanism to be talked out of.
        let wanted = self.reselected || mic.is_some();
        if mic.is_some() {
            self.check_mic(mic)?;
        }
        let waiting = wanted && mic.is_none() && ours.is_some();
        let state = if waiting {
            NegState::AcceptIncomplete
        } else {
            NegState::AcceptCompleted
        };
        let reply = NegTokenResp {
            state: Some(state),
            supported_mech: self.announce.take(),
            response_token: token,
            mech_list_mic: ours.filter(|_| wanted),
        };
        let signed = if mic.is_some() && wanted {
            Signed::Yes
        } else {
            Signed::No
        };
        let token = reply.encode();
        Ok(if waiting {
            (
                Step::Continue(token),
                State::AwaitingMic(self, identity, session_key),
            )
        } else {
            (
                Step::Done {
                    token: Some(token),
                    identity,
                    session_key,
                },
                State::Done(self.context, signed),
            )
        })
    }

    /// Checks the client's signature. A guest's says nothing, because no key is shared with a guest.
    fn check_mic(&self, mic: Option<&[u8]>) -> Result<(), AuthError> {
        let has_key = self.context.mic(&self.mech_list).is_some();
        let right = mic.is_some_and(|mic| self.context.verify_mic(&self.mech_list, mic));
        if right || !has_key {
            Ok(())
        } else {
            Err(Refusal::MechListMic.into())
        }
    }
}

fn bare(
    mut context: Box<dyn Context>,
    token: &[u8],
    now: FileTime,
) -> Result<(Step, State), AuthError> {
    let step = context.step(token, now)?;
    let state = match step {
        Step::Continue(_) => State::Bare(context),
        Step::Done { .. } => State::Done(context, Signed::No),
    };
    Ok((step, state))
}

fn expect_response(token: &[u8]) -> Result<NegTokenResp, AuthError> {
    match NegToken::decode(token)? {
        NegToken::Init(_) => Err(Refusal::OutOfSequence.into()),
        NegToken::Resp(response) if response.state == Some(NegState::Reject) => {
            Err(Refusal::RejectedByClient.into())
        }
        NegToken::Resp(response) => Ok(response),
    }
}
