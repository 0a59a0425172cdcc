//! A raw SMB2 client for tests, the simulator and the benchmark.
//!
//! It exists to say what no other client can: any header, any body, requests in any order, wrong
//! signatures, credits that were never granted. It therefore checks nothing that it sends, and
//! reports what it receives without judging it: a bad signature is a field of the [`Reply`].
//!
//! [`ClientConnection`] is pure: requests go in and frames come out, frames go in and replies come
//! out. It owns the negotiated parameters, message ids, credits, sessions and their keys. It never
//! opens a socket, reads a clock or draws a random number. [`TcpClient`] puts one on a blocking
//! socket and adds the calls that a test wants in one line.
//!
//! ```text
//! prepare(scope, request) -> Outgoing      fill in a header; everything can then be changed
//! encode(&mut [Outgoing], &mut frame)      compound, sign, seal
//! receive(frame) -> Vec<Reply>             open, split, verify, count credits
//! ```

mod calls;
mod connection;
mod incoming;
mod logon;
mod offer;
mod outgoing;
pub mod requests;
mod session;
mod tcp;

pub use calls::{CallError, OpenFile, now};
pub use connection::{ClientConnection, Negotiated};
pub use incoming::{Opened, ReceiveError, Received, Reply};
pub use logon::{Logon, LogonStep};
pub use offer::Offer;
pub use outgoing::{Body, Outgoing, Protection, Related, Scope};
pub use session::Session;
pub use tcp::TcpClient;
