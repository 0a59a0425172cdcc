//! The SMB server without its input and output.
//!
//! Bytes rise through three layers, each of which can refuse, and only then reach a share:
//! [`packet`] takes frames apart and puts replies together, [`request`] checks header, credits,
//! signature, session and tree, [`commands`] carries one command out, arbitrated by the
//! [`object_store`] and served by a [`share`] handler. A [`Connection`] is the state machine that
//! a driver feeds; the crate opens no file or socket, starts no thread and reads no clock.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub mod access;
pub mod accounts;
mod alarms;
pub mod census;
mod clients;
pub mod commands;
pub mod connection;
pub mod context;
pub mod crypto;
pub mod disconnect;
pub mod durable;
pub mod entitlement;
pub mod environment;
pub mod job;
pub mod mailbox;
pub mod object_store;
pub mod open;
mod pace;
pub mod packet;
pub mod persistence;
pub mod request;
pub mod server;
pub mod session;
pub mod share;
pub mod statistics;
pub mod tree_connect;

pub use census::Census;
pub use commands::UNACKNOWLEDGED;
pub use connection::{Connection, ConnectionState, LinkFacts};
pub use disconnect::DisconnectReason;
pub use environment::{Environment, IdentityMap, Surroundings, Task};
pub use job::{Done, Job};
pub use mailbox::{Mail, Mailbox};
pub use open::Open;
pub use packet::Frame;
pub use server::{Server, Settings, ShareList};
pub use session::Session;
