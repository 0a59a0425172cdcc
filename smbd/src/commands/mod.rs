//! The subcommands: one module each.

pub(crate) mod check;
pub(crate) mod group;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod user;

/// Says what was done, and how a running server learns of it: for what changes the account file.
fn done(what: &str) {
    eprintln!("{what}; a running server takes it over on SIGHUP");
}
