//! What every share handler of files must do: one suite that each of them passes.
//!
//! Owns the rules that the server and its clients rely on, one function each, and nothing that is peculiar to one
//! handler. A new rule for handlers starts here. Each rule gets an empty share; all are tried, whatever fails.
//!
//! ```ignore
//! contract::check(|| Subject::new(MyHandler::new()));
//! ```

mod control;
mod data;
mod deleting;
mod listing;
mod metadata;
mod opening;
mod races;
mod renaming;
mod security;
mod streams;
mod volume;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use server::access::{LogOn, Privileges, SecurityToken};
use server::share::{Caller, ShareHandler};
use wire::dtyp::Sid;

use volume::Volume;

/// A handler with an empty root to be tested.
pub(crate) struct Subject {
    handler: Arc<dyn ShareHandler>,
    owner: Caller,
    _keeps: Box<dyn Any>,
}

impl Subject {
    /// Tests `handler` as its host's superuser, who may do everything in the root.
    pub(crate) fn new(handler: impl ShareHandler + 'static) -> Self {
        Self::of(Arc::new(handler))
    }

    /// [`Subject::new`] of a handler that is shared already.
    pub(crate) fn of(handler: Arc<dyn ShareHandler>) -> Self {
        Self {
            handler,
            owner: caller(Sid::unix_user(0), Sid::unix_group(0)),
            _keeps: Box::new(()),
        }
    }

    /// Keeps `guard` for as long as the handler is tested: a temporary folder, for instance.
    pub(crate) fn keeping(self, guard: impl Any) -> Self {
        Self {
            _keeps: Box::new(guard),
            ..self
        }
    }
}

/// Tries every rule on a handler of its own.
///
/// # Panics
/// With the names of the rules that were broken.
pub(crate) fn check(make: impl Fn() -> Subject) {
    check_but(&[], make);
}

/// As [`check`], for a handler of which it is known that it breaks some rules: the list only gets shorter.
///
/// # Panics
/// With the names of the rules that were broken though they are not known to be, and of those that were kept though
/// they are.
pub(crate) fn check_but(known: &[&str], make: impl Fn() -> Subject) {
    let is_kept = |rule: &Rule| {
        let volume = Volume::new(make());
        catch_unwind(AssertUnwindSafe(|| (rule.check)(&volume))).is_ok()
    };
    let surprises: Vec<&str> = RULES
        .iter()
        .flat_map(|rules| rules.iter())
        .filter(|rule| is_kept(rule) == known.contains(&rule.name))
        .map(|rule| rule.name)
        .collect();
    assert!(
        surprises.is_empty(),
        "known to be broken: {known:#?}; otherwise: {surprises:#?}"
    );
}

/// One thing that handlers must do.
struct Rule {
    name: &'static str,
    check: fn(&Volume),
}

/// Makes rules of functions, each called as its function is.
macro_rules! rules {
    ($($check:ident),* $(,)?) => {
        pub(super) const RULES: &[super::Rule] = &[$(super::Rule {
            name: stringify!($check),
            check: $check,
        }),*];
    };
}
use rules;

const RULES: &[&[Rule]] = &[
    opening::RULES,
    data::RULES,
    control::RULES,
    metadata::RULES,
    streams::RULES,
    listing::RULES,
    renaming::RULES,
    deleting::RULES,
    security::RULES,
    races::RULES,
];

/// Somebody with an account and no privileges.
fn caller(user: Sid, group: Sid) -> Caller {
    let token =
        SecurityToken::for_log_on(LogOn::Authenticated, user, group, vec![], Privileges::NONE);
    Caller {
        user: "user".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    }
}

mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use wire::dtyp::FileTime;

    use super::*;
    use crate::disk::{DiskHandler, DiskOptions};
    use crate::memory::{MemoryHandler, MemoryOptions};
    use crate::offload::tests::Threads;

    #[test]
    fn memory_keeps_the_contract() {
        check(|| {
            let ticks = AtomicU64::new(134_000_000_000_000_000);
            let clock = move || FileTime(ticks.fetch_add(10_000, Ordering::Relaxed));
            let options = MemoryOptions::new("contract");
            Subject::new(MemoryHandler::new(options, Arc::new(clock)).unwrap())
        });
    }

    #[test]
    fn disk_keeps_the_contract() {
        check_but(DISK_BREAKS, || {
            let folder = tempfile::tempdir().unwrap();
            let options = DiskOptions::new(folder.path());
            let handler = DiskHandler::new(options, Arc::new(Threads)).unwrap();
            Subject::new(handler).keeping(folder)
        });
    }

    const DISK_BREAKS: &[&str] = &[];
}
