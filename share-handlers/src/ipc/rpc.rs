//! One association: what a client and a service have agreed on, and the calls between them.
//!
//! Owns presentation contexts, the putting together of fragments, and faults. A pure state machine: packets in,
//! packets out. It knows no pipe and asks nobody but the service for anything.
//!
//! ```text
//! Fresh ──bind──> Bound ──request, last fragment──> Bound (response or fault)
//!    └───────────────┴── what no client may send ──> the pipe is broken
//! ```

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use server::access::SecurityToken;
use server::share::ServerView;

use super::ndr::{ByteOrder, Malformed, NdrReader, NdrWriter};
use super::pdu::{self, Bind, BindAck, Header, Outcome, Proposal, Request, Syntax, flag, kind};

/// What a procedure may know of who calls it and of the server.
pub(super) struct Call<'a> {
    /// The server.
    pub view: &'a dyn ServerView,
    /// Who calls.
    pub token: &'a SecurityToken,
}

/// An interface that is served.
pub(super) struct Service {
    /// The name of its pipe.
    pub pipe: &'static str,
    /// The interface.
    pub interface: Syntax,
    /// Carries out a procedure.
    pub call: fn(&Call<'_>, u16, &mut NdrReader<'_>) -> Result<NdrWriter, Fault>,
}

/// Why a procedure has no results.
// [C706] Appendix E
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(pub u32);

impl Fault {
    /// nca_op_rng_error: there is no such procedure here.
    pub(super) const OPERATION_RANGE: Self = Self(0x1c01_0002);
    /// nca_proto_error.
    pub(super) const PROTOCOL: Self = Self(0x1c01_000b);
    /// nca_invalid_pres_context_id.
    pub(super) const INVALID_CONTEXT: Self = Self(0x1c00_001c);
    /// nca_s_fault_remote_no_memory: the arguments are longer than any that make sense.
    pub(super) const NO_MEMORY: Self = Self(0x1c00_001b);
    /// RPC_X_BAD_STUB_DATA: the arguments are not what the procedure takes.
    pub(super) const BAD_STUB: Self = Self(0x0000_06f7);
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::BAD_STUB
    }
}

/// The client broke the protocol so that nothing more can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// An association with one service.
pub(super) struct Association {
    service: &'static Service,
    /// The number that the client knows the association by.
    group: u32,
    /// The presentation contexts agreed on, all of the service's interface.
    contexts: BTreeSet<u16>,
    /// The longest packet that the client takes.
    max_fragment: Option<u16>,
    in_progress: Option<InProgress>,
}

/// A call whose last fragment has not arrived.
struct InProgress {
    call_id: u32,
    context: u16,
    operation: u16,
    order: ByteOrder,
    stub: BytesMut,
}

impl Association {
    /// An association with `service` before anything was agreed on.
    pub(super) fn new(service: &'static Service, group: u32) -> Self {
        Self {
            service,
            group,
            contexts: BTreeSet::new(),
            max_fragment: None,
            in_progress: None,
        }
    }

    /// Takes one whole packet and gives the packets that answer it.
    ///
    /// # Errors
    /// [`Broken`]: the association is over.
    pub(super) fn receive(&mut self, packet: &[u8], call: &Call<'_>) -> Result<Vec<Bytes>, Broken> {
        let header = Header::decode(packet).ok().flatten().ok_or(Broken)?;
        match header.kind {
            kind::BIND if self.max_fragment.is_none() => self.bind(packet, &header),
            kind::ALTER_CONTEXT if self.max_fragment.is_some() => {
                self.alter_context(packet, &header)
            }
            kind::REQUEST if self.max_fragment.is_some() => Ok(self.request(packet, &header, call)),
            // There is nothing that takes so long that it could be cancelled.
            kind::AUTH3 | kind::CANCEL => Ok(Vec::new()),
            kind::ORPHANED => {
                self.in_progress = None;
                Ok(Vec::new())
            }
            _ => Err(Broken),
        }
    }

    // [C706] 12.6.4.3
    fn bind(&mut self, packet: &[u8], header: &Header) -> Result<Vec<Bytes>, Broken> {
        // Who is on the other end is known from the session; whoever wants to prove it again is refused.
        if header.auth_length != 0 {
            let refusal = pdu::bind_nak(header.call_id, AUTHENTICATION_TYPE_NOT_RECOGNIZED);
            return Ok(vec![refusal]);
        }
        let bind = Bind::decode(packet, header.order).map_err(|_| Broken)?;
        let received = bind
            .max_received
            .clamp(SHORTEST_MAX_FRAGMENT, LONGEST_FRAGMENT);
        let sent = bind.max_sent.clamp(SHORTEST_MAX_FRAGMENT, LONGEST_FRAGMENT);
        self.max_fragment = Some(received);
        if bind.group != 0 {
            self.group = bind.group;
        }
        let ack = BindAck {
            max_fragment: [received, sent],
            group: self.group,
            address: &format!("\\PIPE\\{}", self.service.pipe),
            outcomes: self.outcomes(&bind.contexts),
        };
        Ok(vec![ack.encode(kind::BIND_ACK, header.call_id)])
    }

    // [C706] 12.6.4.1
    fn alter_context(&mut self, packet: &[u8], header: &Header) -> Result<Vec<Bytes>, Broken> {
        let bind = Bind::decode(packet, header.order).map_err(|_| Broken)?;
        let max_fragment = self.max_fragment.unwrap_or(SHORTEST_MAX_FRAGMENT);
        let ack = BindAck {
            max_fragment: [max_fragment; 2],
            group: self.group,
            address: "",
            outcomes: self.outcomes(&bind.contexts),
        };
        Ok(vec![
            ack.encode(kind::ALTER_CONTEXT_RESPONSE, header.call_id),
        ])
    }

    fn outcomes(&mut self, proposals: &[Proposal]) -> Vec<Outcome> {
        proposals
            .iter()
            .map(|proposal| self.outcome(proposal))
            .collect()
    }

    // [MS-RPCE] 3.3.1.5.6
    fn outcome(&mut self, proposal: &Proposal) -> Outcome {
        let refused = |reason| Outcome {
            result: PROVIDER_REJECTION,
            reason,
            transfer: Syntax::NONE,
        };
        // [MS-RPCE] 3.3.1.5.3
        if proposal.transfer.iter().any(Syntax::is_feature_negotiation) {
            return Outcome {
                result: NEGOTIATE_ACK,
                reason: NO_FEATURES,
                transfer: Syntax::NONE,
            };
        }
        if !is_served(self.service.interface, proposal.interface) {
            return refused(ABSTRACT_SYNTAX_NOT_SUPPORTED);
        }
        if !proposal.transfer.contains(&Syntax::NDR) {
            return refused(PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED);
        }
        if self.contexts.len() >= MOST_CONTEXTS && !self.contexts.contains(&proposal.id) {
            return refused(LOCAL_LIMIT_EXCEEDED);
        }
        self.contexts.insert(proposal.id);
        Outcome {
            result: ACCEPTANCE,
            reason: 0,
            transfer: Syntax::NDR,
        }
    }

    // [C706] 12.6.4.9
    fn request(&mut self, packet: &[u8], header: &Header, call: &Call<'_>) -> Vec<Bytes> {
        match self.add_fragment(packet, header) {
            Ok(None) => Vec::new(),
            Ok(Some(complete)) => self.execute(&complete, call),
            Err((context, fault)) => {
                self.in_progress = None;
                vec![pdu::fault(header.call_id, context, fault.0, false)]
            }
        }
    }

    /// Puts the fragments of a request together; gives the request when it is complete.
    fn add_fragment(
        &mut self,
        packet: &[u8],
        header: &Header,
    ) -> Result<Option<InProgress>, (u16, Fault)> {
        let request = Request::decode(packet, header).map_err(|_| (0, Fault::PROTOCOL))?;
        let refuse = |fault| (request.context, fault);
        // Nobody was asked for credentials, so there can be none.
        if header.auth_length != 0 {
            return Err(refuse(Fault::PROTOCOL));
        }
        let is_first = header.flags & flag::FIRST != 0;
        let mut complete = match self.in_progress.take() {
            None if is_first => InProgress {
                call_id: header.call_id,
                context: request.context,
                operation: request.operation,
                order: header.order,
                stub: BytesMut::new(),
            },
            Some(begun) if !is_first && begun.call_id == header.call_id => begun,
            _ => return Err(refuse(Fault::PROTOCOL)),
        };
        if !self.contexts.contains(&complete.context) {
            return Err(refuse(Fault::INVALID_CONTEXT));
        }
        if complete.stub.len() + request.stub.len() > LONGEST_ARGUMENTS {
            return Err(refuse(Fault::NO_MEMORY));
        }
        complete.stub.extend_from_slice(request.stub);
        if header.flags & flag::LAST == 0 {
            self.in_progress = Some(complete);
            return Ok(None);
        }
        Ok(Some(complete))
    }

    fn execute(&self, request: &InProgress, call: &Call<'_>) -> Vec<Bytes> {
        let InProgress {
            call_id, context, ..
        } = *request;
        let mut arguments = NdrReader::new(&request.stub, request.order);
        match (self.service.call)(call, request.operation, &mut arguments) {
            Ok(results) => {
                let stub = results.into_bytes();
                let most = self.max_fragment.unwrap_or(SHORTEST_MAX_FRAGMENT);
                pdu::responses(call_id, context, &stub, most)
            }
            Err(fault) => {
                let executed = fault != Fault::OPERATION_RANGE;
                vec![pdu::fault(call_id, context, fault.0, executed)]
            }
        }
    }
}

/// Whether a service of interface `ours` serves clients of `theirs`: the same, and no newer minor version.
// [C706] 6.1.2
fn is_served(ours: Syntax, theirs: Syntax) -> bool {
    let parts = |version: u32| (version & 0xffff, version >> 16);
    let ((our_major, our_minor), (major, minor)) = (parts(ours.version), parts(theirs.version));
    ours.id == theirs.id && our_major == major && minor <= our_minor
}

/// What every implementation takes. [C706] 12.6.3.1, MustRecvFragSize
const SHORTEST_MAX_FRAGMENT: u16 = 1432;
/// What Windows takes.
const LONGEST_FRAGMENT: u16 = 4280;
const LONGEST_ARGUMENTS: usize = 128 << 10;
const MOST_CONTEXTS: usize = 64;

const ACCEPTANCE: u16 = 0;
const PROVIDER_REJECTION: u16 = 2;
/// [MS-RPCE] 2.2.2.4
const NEGOTIATE_ACK: u16 = 3;
const ABSTRACT_SYNTAX_NOT_SUPPORTED: u16 = 1;
const PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED: u16 = 2;
const LOCAL_LIMIT_EXCEEDED: u16 = 3;
const NO_FEATURES: u16 = 0;
/// [MS-RPCE] 2.2.2.5
const AUTHENTICATION_TYPE_NOT_RECOGNIZED: u16 = 8;
