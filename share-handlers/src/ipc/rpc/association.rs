//! The state machine of one association: presentation contexts, fragments, log-ons, calls.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use server::share::{Caller, LogOnStep, PipeUser};
use wire::NtStatus;

use super::super::ndr::{ByteOrder, Decoder, Syntax};
use super::super::pdu::{
    self, Bind, BindAck, Header, Outcome as Verdict, Proposal, Request, SyntaxId, Trailer, flag,
    kind,
};
use super::handles::{Group, Groups};
use super::security::{Agreement, Security};
use super::verification::Repeated;
use super::{Broken, Call, Fault, Interface, Outcome, Services};

/// An association with the services behind one pipe.
pub(in crate::ipc) struct Association {
    services: Arc<Services>,
    /// What is served here.
    interfaces: &'static [&'static Interface],
    /// The pipe's name.
    pipe: &'static str,
    caller: Arc<Caller>,
    /// Who has logged on here, which is the caller from then on.
    user: Option<Arc<PipeUser>>,
    groups: Arc<Groups>,
    group: Arc<Group>,
    /// The presentation contexts agreed on.
    contexts: BTreeMap<u16, Context>,
    /// The longest packet that the client takes.
    max_fragment: Option<u16>,
    in_progress: Option<InProgress>,
    security: Security,
}

/// What requests with its number mean.
#[derive(Clone, Copy)]
struct Context {
    interface: &'static Interface,
    /// The interface as the client calls it.
    proposed: SyntaxId,
    syntax: Syntax,
}

/// A call whose last fragment has not arrived.
struct InProgress {
    call_id: u32,
    context: u16,
    operation: u16,
    representation: [u8; 4],
    order: ByteOrder,
    stub: BytesMut,
}

/// What a packet has led to.
pub(in crate::ipc) enum Reply {
    /// The packets that answer it.
    Now(Vec<Bytes>),
    /// The packet that answers it, after which the association is over.
    Last(Bytes),
    /// Something to wait for; [`Association::resume`] takes its end.
    Later(Pin<Box<dyn Future<Output = Pending> + Send>>),
}

/// Something that was waited for.
pub(in crate::ipc) enum Pending {
    /// A step of a log-on, and what is to be told besides.
    LogOn(Result<LogOnStep, NtStatus>, Agreed),
    /// The results of a call.
    Call {
        call_id: u32,
        context: u16,
        results: Result<BytesMut, Fault>,
    },
}

/// What client and server have agreed on with a packet that carried a token.
pub(in crate::ipc) struct Agreed {
    agreement: Agreement,
    /// The answer without the token; none if the packet is not answered.
    ack: Option<(u8, u32, BindAck)>,
}

impl Association {
    /// An association before anything was agreed on.
    pub(in crate::ipc) fn new(
        services: Arc<Services>,
        (pipe, interfaces): (&'static str, &'static [&'static Interface]),
        caller: Arc<Caller>,
        groups: Arc<Groups>,
    ) -> Self {
        let group = groups.found(&caller);
        Self {
            services,
            interfaces,
            pipe,
            caller,
            user: None,
            groups,
            group,
            contexts: BTreeMap::new(),
            max_fragment: None,
            in_progress: None,
            security: Security::None,
        }
    }

    /// Takes one whole packet.
    ///
    /// # Errors
    /// [`Broken`]: the association is over.
    pub(in crate::ipc) fn receive(&mut self, packet: BytesMut) -> Result<Reply, Broken> {
        let header = Header::decode(&packet).ok().flatten().ok_or(Broken)?;
        let is_bound = self.max_fragment.is_some();
        match header.kind {
            kind::BIND if !is_bound => self.bind(&packet, &header),
            kind::ALTER_CONTEXT if is_bound => self.alter_context(&packet, &header),
            kind::AUTH3 if is_bound => self.auth3(&packet, &header),
            kind::REQUEST if is_bound => Ok(self.request(packet, &header)),
            // What takes long is not given up half done, and its client is answered when it is done.
            kind::CANCEL => Ok(Reply::Now(Vec::new())),
            kind::ORPHANED => {
                self.in_progress = None;
                Ok(Reply::Now(Vec::new()))
            }
            _ => Err(Broken),
        }
    }

    /// The bytes of a request that wait for its last fragment.
    pub(in crate::ipc) fn unfinished_bytes(&self) -> usize {
        let in_progress = self.in_progress.as_ref();
        in_progress.map_or(0, |request| request.stub.len())
    }

    /// Drops a request that waits for its last fragment.
    pub(in crate::ipc) fn forget_unfinished(&mut self) {
        self.in_progress = None;
    }

    /// Goes on after something that was waited for.
    pub(in crate::ipc) fn resume(&mut self, pending: Pending) -> Vec<Bytes> {
        match pending {
            Pending::LogOn(result, agreed) => self.logged_on(result, agreed),
            Pending::Call {
                call_id,
                context,
                results,
            } => self.respond(call_id, context, results),
        }
    }

    // [C706] 12.6.4.3
    fn bind(&mut self, packet: &[u8], header: &Header) -> Result<Reply, Broken> {
        let bind = Bind::decode(packet, header.order).map_err(|_| Broken)?;
        let received = bind
            .max_received
            .clamp(SHORTEST_MAX_FRAGMENT, LONGEST_FRAGMENT);
        let sent = bind.max_sent.clamp(SHORTEST_MAX_FRAGMENT, LONGEST_FRAGMENT);
        // Who may not join, or comes too late, is told of a group of its own.
        if let Some(group) = self.groups.join(bind.group, &self.caller) {
            self.group = group;
        }
        let ack = BindAck {
            max_fragment: [received, sent],
            group: self.group.number(),
            address: format!("\\PIPE\\{}", self.pipe),
            outcomes: self.outcomes(&bind.contexts),
        };
        let credentials = Trailer::find(packet, header).map_err(|_| Broken)?;
        let Some(credentials) = credentials else {
            self.max_fragment = Some(received);
            return Ok(Reply::Now(vec![ack.encode(
                kind::BIND_ACK,
                0,
                header.call_id,
                None,
            )]));
        };
        let nak = |reason| Ok(Reply::Now(vec![pdu::bind_nak(header.call_id, reason)]));
        let Some(agreement) = Agreement::new(credentials.trailer, header) else {
            return nak(AUTHENTICATION_TYPE_NOT_RECOGNIZED);
        };
        let outer = self.caller.log_on.as_deref();
        let Some(log_on) = self.services.view.log_on(outer) else {
            return nak(AUTHENTICATION_TYPE_NOT_RECOGNIZED);
        };
        self.max_fragment = Some(received);
        let agreed = Agreed {
            agreement,
            ack: Some((kind::BIND_ACK, header.call_id, ack)),
        };
        let step = log_on.step(credentials.value.to_vec());
        // Until the token is judged, nothing is carried out.
        self.security = Security::Failed;
        Ok(Reply::Later(Box::pin(async move {
            Pending::LogOn(step.await, agreed)
        })))
    }

    // [C706] 12.6.4.1
    fn alter_context(&mut self, packet: &[u8], header: &Header) -> Result<Reply, Broken> {
        let bind = Bind::decode(packet, header.order).map_err(|_| Broken)?;
        if bind.contexts.iter().any(|proposal| self.is_taken(proposal)) {
            let fault = pdu::fault(header.call_id, 0, Fault::PROTOCOL.0, false);
            return Ok(Reply::Last(fault));
        }
        let max_fragment = self.max_fragment.unwrap_or(SHORTEST_MAX_FRAGMENT);
        let ack = BindAck {
            max_fragment: [max_fragment; 2],
            group: self.group.number(),
            address: String::new(),
            outcomes: self.outcomes(&bind.contexts),
        };
        let credentials = Trailer::find(packet, header).map_err(|_| Broken)?;
        match credentials {
            None => Ok(Reply::Now(vec![ack.encode(
                kind::ALTER_CONTEXT_RESPONSE,
                0,
                header.call_id,
                None,
            )])),
            Some(credentials) => {
                let ack = (kind::ALTER_CONTEXT_RESPONSE, header.call_id, ack);
                self.next_token(credentials.trailer, credentials.value, Some(ack))
            }
        }
    }

    /// Whether a proposal's number stands for another interface already, which it does until the association ends.
    // [MS-RPCE] 3.3.1.5.6
    fn is_taken(&self, proposal: &Proposal) -> bool {
        let context = self.contexts.get(&proposal.id);
        context.is_some_and(|context| context.proposed != proposal.interface)
    }

    // [MS-RPCE] 2.2.2.10
    fn auth3(&mut self, packet: &[u8], header: &Header) -> Result<Reply, Broken> {
        let credentials = Trailer::find(packet, header).map_err(|_| Broken)?;
        let credentials = credentials.ok_or(Broken)?;
        self.next_token(credentials.trailer, credentials.value, None)
    }

    fn next_token(
        &mut self,
        trailer: Trailer,
        token: &[u8],
        ack: Option<(u8, u32, BindAck)>,
    ) -> Result<Reply, Broken> {
        match std::mem::replace(&mut self.security, Security::Failed) {
            Security::Negotiating(agreement, log_on)
                if trailer.context_id == agreement.trailer.context_id =>
            {
                let agreed = Agreed { agreement, ack };
                let step = log_on.step(token.to_vec());
                Ok(Reply::Later(Box::pin(async move {
                    Pending::LogOn(step.await, agreed)
                })))
            }
            // One log-on is enough.
            _ => Err(Broken),
        }
    }

    fn logged_on(
        &mut self,
        result: Result<LogOnStep, NtStatus>,
        Agreed { agreement, ack }: Agreed,
    ) -> Vec<Bytes> {
        let token = match result {
            Ok(LogOnStep::Continue { token, log_on }) => {
                self.security = Security::Negotiating(agreement, log_on);
                token
            }
            Ok(LogOnStep::Done {
                token,
                user,
                protection,
            }) => {
                self.security = Security::Established(agreement, protection);
                self.user = Some(user);
                token
            }
            Err(_) => {
                return match ack {
                    None => Vec::new(),
                    Some((kind::BIND_ACK, call_id, _)) => {
                        self.max_fragment = None;
                        self.security = Security::None;
                        self.contexts.clear();
                        vec![pdu::bind_nak(call_id, INVALID_CHECKSUM)]
                    }
                    Some((_, call_id, _)) => {
                        vec![pdu::fault(call_id, 0, Fault::ACCESS_DENIED.0, false)]
                    }
                };
            }
        };
        let answer = ack.map(|(kind, call_id, ack)| {
            let token = (&agreement.trailer, token.as_slice());
            ack.encode(kind, agreement.flags(), call_id, Some(token))
        });
        answer.into_iter().collect()
    }

    fn outcomes(&mut self, proposals: &[Proposal]) -> Vec<Verdict> {
        proposals
            .iter()
            .map(|proposal| self.outcome(proposal))
            .collect()
    }

    // [MS-RPCE] 3.3.1.5.6
    fn outcome(&mut self, proposal: &Proposal) -> Verdict {
        let refused = |reason| Verdict {
            result: PROVIDER_REJECTION,
            reason,
            transfer: SyntaxId::NONE,
        };
        // [MS-RPCE] 3.3.1.5.3
        if let Some(wanted) = proposal.transfer.iter().find_map(SyntaxId::features) {
            return Verdict {
                result: NEGOTIATE_ACK,
                reason: wanted & FEATURES,
                transfer: SyntaxId::NONE,
            };
        }
        let interface = self
            .interfaces
            .iter()
            .find(|ours| is_served(ours.id, proposal.interface));
        let Some(interface) = interface else {
            return refused(ABSTRACT_SYNTAX_NOT_SUPPORTED);
        };
        let known = |id: &SyntaxId| match *id {
            SyntaxId::NDR => Some((Syntax::Ndr32, *id)),
            SyntaxId::NDR64 => Some((Syntax::Ndr64, *id)),
            _ => None,
        };
        let Some((syntax, transfer)) = proposal.transfer.iter().find_map(known) else {
            return refused(PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED);
        };
        if self.contexts.len() >= MOST_CONTEXTS && !self.contexts.contains_key(&proposal.id) {
            return refused(LOCAL_LIMIT_EXCEEDED);
        }
        let context = Context {
            interface,
            proposed: proposal.interface,
            syntax,
        };
        self.contexts.insert(proposal.id, context);
        Verdict {
            result: ACCEPTANCE,
            reason: 0,
            transfer,
        }
    }

    // [C706] 12.6.4.9
    fn request(&mut self, packet: BytesMut, header: &Header) -> Reply {
        match self.add_fragment(packet, header) {
            Ok(None) => Reply::Now(Vec::new()),
            Ok(Some(complete)) => self.execute(&complete),
            Err((context, fault)) => {
                self.in_progress = None;
                Reply::Now(vec![pdu::fault(header.call_id, context, fault.0, false)])
            }
        }
    }

    /// Puts the fragments of a request together; gives the request when it is complete.
    fn add_fragment(
        &mut self,
        mut packet: BytesMut,
        header: &Header,
    ) -> Result<Option<InProgress>, (u16, Fault)> {
        let request = Request::decode(&packet, header).map_err(|_| (0, Fault::PROTOCOL))?;
        let refuse = |fault| (request.context, fault);
        let unprotected = self
            .security
            .unprotect(&mut packet, header, request.stub_at);
        let stub = unprotected.map_err(refuse)?;
        let stub = packet.get(stub).unwrap_or_default();
        let is_first = header.flags & flag::FIRST != 0;
        let mut complete = match self.in_progress.take() {
            None if is_first => InProgress {
                call_id: header.call_id,
                context: request.context,
                operation: request.operation,
                representation: header.representation,
                order: header.order,
                stub: BytesMut::new(),
            },
            Some(begun) if !is_first && begun.call_id == header.call_id => begun,
            _ => return Err(refuse(Fault::PROTOCOL)),
        };
        if !self.contexts.contains_key(&complete.context) {
            return Err(refuse(Fault::INVALID_CONTEXT));
        }
        if complete.stub.len() + stub.len() > LONGEST_ARGUMENTS {
            return Err(refuse(Fault::NO_MEMORY));
        }
        complete.stub.extend_from_slice(stub);
        if header.flags & flag::LAST == 0 {
            self.in_progress = Some(complete);
            return Ok(None);
        }
        Ok(Some(complete))
    }

    fn execute(&mut self, request: &InProgress) -> Reply {
        let InProgress {
            call_id, context, ..
        } = *request;
        let Some(agreed) = self.contexts.get(&context).copied() else {
            let fault = pdu::fault(call_id, context, Fault::INVALID_CONTEXT.0, false);
            return Reply::Now(vec![fault]);
        };
        if let Some(user) = &self.user {
            let Some(caller) = user.caller() else {
                let fault = pdu::fault(call_id, context, Fault::ACCESS_DENIED.0, false);
                return Reply::Now(vec![fault]);
            };
            self.caller = caller;
        }
        let (interface, operation) = (agreed.interface, request.operation);
        tracing::trace!(target: "smb::rpc", interface = interface.name, operation, "call");
        let arguments = Decoder::new(&request.stub, request.order, agreed.syntax);
        let outcome = {
            let mut call = Call {
                services: &self.services,
                caller: &self.caller,
                handles: &mut self.group.handles(&self.caller),
                interfaces: self.interfaces,
                repeated: self.repeated(request, agreed),
            };
            (interface.call)(&mut call, operation, arguments)
        };
        match outcome {
            Outcome::Now(results) => Reply::Now(self.respond(call_id, context, results)),
            Outcome::Later(later) => Reply::Later(Box::pin(async move {
                Pending::Call {
                    call_id,
                    context,
                    results: later.await,
                }
            })),
        }
    }

    /// What a verification trailer may repeat; only who has logged on inside the pipe sends one.
    fn repeated(&self, request: &InProgress, agreed: Context) -> Option<Repeated> {
        let agreement = self.security.agreement()?;
        Some(Repeated {
            signs_headers: agreement.signs_headers,
            interface: agreed.proposed,
            transfer: match agreed.syntax {
                Syntax::Ndr32 => SyntaxId::NDR,
                Syntax::Ndr64 => SyntaxId::NDR64,
            },
            representation: request.representation,
            call_id: request.call_id,
            context: request.context,
            operation: request.operation,
        })
    }

    fn respond(
        &mut self,
        call_id: u32,
        context: u16,
        results: Result<BytesMut, Fault>,
    ) -> Vec<Bytes> {
        match results {
            Ok(stub) => {
                let most = usize::from(self.max_fragment.unwrap_or(SHORTEST_MAX_FRAGMENT));
                let parts = pdu::response_parts(&stub, self.security.room(most));
                let protect = |part| self.security.protect(part, call_id, context);
                parts.into_iter().map(protect).collect()
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
fn is_served(ours: SyntaxId, theirs: SyntaxId) -> bool {
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
/// KeepConnectionOnOrphanSupported. [MS-RPCE] 2.2.2.14
const FEATURES: u16 = 2;

const ACCEPTANCE: u16 = 0;
const PROVIDER_REJECTION: u16 = 2;
/// [MS-RPCE] 2.2.2.4
const NEGOTIATE_ACK: u16 = 3;
const ABSTRACT_SYNTAX_NOT_SUPPORTED: u16 = 1;
const PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED: u16 = 2;
const LOCAL_LIMIT_EXCEEDED: u16 = 3;
/// [MS-RPCE] 2.2.2.5
const AUTHENTICATION_TYPE_NOT_RECOGNIZED: u16 = 8;
const INVALID_CHECKSUM: u16 = 9;
