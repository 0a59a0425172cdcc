//! Remote procedure calls over one pipe: what client and server have agreed on, and the calls between them.
//!
//! ```text
//! Fresh ──bind──> Bound ──request, last fragment──> Bound (response or fault)
//!    └───────────────┴── what no client may send ──> the pipe is broken
//! ```
//!
//! [`association`] is the state machine, [`security`] and [`verification`] what protects its packets, [`handles`] what
//! its client holds, [`interface`] what a service is made of. Packets in, packets out: it knows no pipe, and what takes longer it hands out as a future.

mod association;
mod handles;
mod interface;
mod security;
mod verification;

pub(super) use association::{Association, Pending, Reply};
pub(super) use handles::{Group, Groups, Handles, MARK};
pub(super) use interface::{
    Call, Fault, Interface, Later, Outcome, Services, interface, run, run_later,
};

/// The client broke the protocol so that nothing more can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;
