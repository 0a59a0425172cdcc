//! The subcommands: one module each.

pub(crate) mod check;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod user;
