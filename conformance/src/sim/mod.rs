//! A server in a box: virtual time, seeded randomness, simulated links, one thread.
//!
//! The same seed gives the same run, byte for byte.

mod actor;
mod caches;
mod channel;
mod channels;
pub mod environment;
mod locks;
pub mod plan;
pub mod random;
pub mod records;
mod restart;
mod script;
pub mod server_end;
pub mod simulation;
mod translation;
mod trees;
pub mod world;

pub use environment::Virtual;
pub use random::Random;
pub use server_end::ServerEnd;
