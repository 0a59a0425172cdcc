//! The SMB server: the program, and [`ServerBuilder`], by which another program has a server in it.
//!
//! Owns everything that touches the outside: the async runtime, sockets, signals, files, clocks,
//! threads and the users of the host. What the server does with them is the crate `server`'s.

mod accept;
mod accounts;
mod administration;
mod announce;
mod assembly;
mod commands;
mod control;
mod descriptors;
mod driver;
mod embed;
mod environment;
mod failure;
mod files;
mod gate;
mod host_users;
mod identities;
mod interfaces;
mod launch;
mod limits;
mod listen;
mod logging;
mod names;
mod pool;
mod print;
mod privileges;
mod program;
mod records;
mod report;
mod shares;
mod signals;
mod state;

pub use embed::{RunningServer, ServerBuilder};
pub use environment::wall_clock;
pub use failure::Failure;
pub use pool::Pool;
pub use program::run;
