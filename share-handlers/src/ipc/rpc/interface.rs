//! What a service is made of: procedures with their numbers, and what they may know and do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use server::accounts::{Identity, LogonKind};
use server::share::{Administration, Caller, ServerView};
use wire::dtyp::Sid;

use super::super::ndr::{ByteOrder, Decoder, Encoder, Malformed, Parameters, Syntax};
use super::super::pdu::SyntaxId;
use super::super::workers::Workers;
use super::handles::Handles;
use super::verification::Repeated;
use crate::offload::Offload;

/// The server as services see it.
pub(in crate::ipc) struct Services {
    /// What is going on.
    pub view: Arc<dyn ServerView>,
    /// Accounts and shares.
    pub administration: Arc<dyn Administration>,
    /// Who does what takes a processor's time.
    pub workers: Workers,
    /// Where that is done which waits for something else.
    pub pool: Arc<dyn Offload>,
}

/// What a procedure may know of who calls it and of the server.
pub(in crate::ipc) struct Call<'a> {
    /// The server.
    pub services: &'a Arc<Services>,
    /// Who calls.
    pub caller: &'a Arc<Caller>,
    /// The context handles that the client holds.
    pub handles: &'a mut Handles,
    /// What is served on this pipe.
    pub interfaces: &'static [&'static Interface],
    /// What the request may repeat of itself behind the arguments; none where nobody has logged on inside the pipe.
    pub repeated: Option<Repeated>,
}

impl Call<'_> {
    /// Whether the caller may administer the server.
    pub(in crate::ipc) fn is_administrator(&self) -> bool {
        self.caller.token.contains(&Sid::ADMINISTRATORS)
    }

    /// Whether the caller is the superuser of this machine.
    pub(in crate::ipc) fn is_root(&self) -> bool {
        self.caller.token.contains(&Sid::SYSTEM)
    }

    /// Whether the caller has not said who it is.
    pub(in crate::ipc) fn is_anonymous(&self) -> bool {
        let kind = self.identity().map(|identity| identity.kind);
        kind == Some(LogonKind::Anonymous) || self.caller.token.contains(&Sid::ANONYMOUS)
    }

    /// Who the caller is; none in tests that do not say.
    pub(in crate::ipc) fn identity(&self) -> Option<&Arc<Identity>> {
        self.caller.log_on.as_ref().map(|facts| &facts.identity)
    }
}

/// A procedure's answer.
pub(in crate::ipc) enum Outcome {
    /// The stub of the results, or why there is none.
    Now(Result<BytesMut, Fault>),
    /// The same, later.
    Later(Pin<Box<dyn Future<Output = Result<BytesMut, Fault>> + Send>>),
}

/// An interface that is served.
pub(in crate::ipc) struct Interface {
    /// What it is called, for people.
    pub name: &'static str,
    /// What clients ask for.
    pub id: SyntaxId,
    /// The numbers of the procedures that are served.
    pub operations: &'static [u16],
    /// Carries out a procedure.
    pub call: fn(&mut Call<'_>, u16, Decoder<'_>) -> Outcome,
}

/// Declares an interface: its identifier as on the wire, its version, and the function behind each number. A
/// function takes the [`Call`] and a tuple of the arguments and returns a tuple of the results, or, if it is marked
/// `later`, a future of them.
macro_rules! interface {
    (
        $(#[$about:meta])*
        $name:ident = $text:literal, $id:literal, version $version:literal {
            $($number:literal => $($later:ident)? ($function:path),)*
        }
    ) => {
        $(#[$about])*
        pub(in crate::ipc) static $name: $crate::ipc::rpc::Interface = $crate::ipc::rpc::Interface {
            name: $text,
            id: $crate::ipc::pdu::SyntaxId { id: *$id, version: $version },
            operations: &[$($number),*],
            call: |call, operation, arguments| match operation {
                $($number => $crate::ipc::rpc::interface!(@run $($later)? call, arguments, $function),)*
                _ => $crate::ipc::rpc::Outcome::Now(Err($crate::ipc::rpc::Fault::OPERATION_RANGE)),
            },
        };
    };
    (@run later $call:ident, $arguments:ident, $function:path) => {
        $crate::ipc::rpc::run_later($call, $arguments, $function)
    };
    (@run $call:ident, $arguments:ident, $function:path) => {
        $crate::ipc::rpc::run($call, $arguments, $function)
    };
}
pub(in crate::ipc) use interface;

/// Decodes the arguments, calls the function, encodes the results.
pub(in crate::ipc) fn run<I: Parameters, O: Parameters>(
    call: &mut Call<'_>,
    mut arguments: Decoder<'_>,
    function: fn(&mut Call<'_>, I) -> Result<O, Fault>,
) -> Outcome {
    let decoded = decoded(call, &mut arguments);
    let results = decoded.and_then(|decoded| function(call, decoded));
    Outcome::Now(results.map(|results| encoded(&results, arguments.syntax())))
}

/// As [`run`], for a function that hands out what takes longer.
pub(in crate::ipc) fn run_later<I: Parameters, O: Parameters + 'static>(
    call: &mut Call<'_>,
    mut arguments: Decoder<'_>,
    function: fn(&mut Call<'_>, I) -> Result<Later<O>, Fault>,
) -> Outcome {
    let syntax = arguments.syntax();
    match decoded(call, &mut arguments).and_then(|decoded| function(call, decoded)) {
        Err(fault) => Outcome::Now(Err(fault)),
        Ok(later) => Outcome::Later(Box::pin(async move { Ok(encoded(&later.await, syntax)) })),
    }
}

/// Results that are not there yet.
pub(in crate::ipc) type Later<O> = Pin<Box<dyn Future<Output = O> + Send>>;

/// The arguments, if nothing behind them contradicts the request.
fn decoded<I: Parameters>(call: &Call<'_>, arguments: &mut Decoder<'_>) -> Result<I, Fault> {
    let decoded = I::decode(arguments)?;
    if let Some(repeated) = &call.repeated {
        repeated.check(arguments.rest())?;
    }
    Ok(decoded)
}

fn encoded(results: &impl Parameters, syntax: Syntax) -> BytesMut {
    let mut out = Encoder::new(ByteOrder::Little, syntax);
    results.encode(&mut out);
    out.into_bytes()
}

/// Why a procedure has no results.
// [C706] Appendix E
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Fault(pub u32);

impl Fault {
    /// ERROR_ACCESS_DENIED.
    pub(in crate::ipc) const ACCESS_DENIED: Self = Self(0x0000_0005);
    /// nca_op_rng_error: there is no such procedure here.
    pub(in crate::ipc) const OPERATION_RANGE: Self = Self(0x1c01_0002);
    /// nca_proto_error.
    pub(in crate::ipc) const PROTOCOL: Self = Self(0x1c01_000b);
    /// nca_s_fault_context_mismatch: there is no such handle.
    pub(in crate::ipc) const CONTEXT_MISMATCH: Self = Self(0x1c00_001a);
    /// nca_invalid_pres_context_id.
    pub(in crate::ipc) const INVALID_CONTEXT: Self = Self(0x1c00_001c);
    /// nca_s_fault_remote_no_memory: the arguments are longer than any that make sense.
    pub(in crate::ipc) const NO_MEMORY: Self = Self(0x1c00_001b);
    /// RPC_X_BAD_STUB_DATA: the arguments are not what the procedure takes.
    pub(in crate::ipc) const BAD_STUB: Self = Self(0x0000_06f7);
    /// RPC_S_SEC_PKG_ERROR: a packet is not protected as was agreed.
    pub(in crate::ipc) const SECURITY: Self = Self(0x0000_0721);
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::BAD_STUB
    }
}
