//! Wrappers as the configuration asks for them.

use std::sync::Arc;
use std::time::Duration;

use config::{Wrapper, wrappers as settings};
use server::Environment;
use server::share::{Caller, ShareHandler};
use wire::fscc::CaseRule;

use super::audit::{Audit, AuditOptions, Operation};
use super::faulty::{Faulty, FaultyOptions, Seeded};
use super::limit::{Limit, Rates};
use super::read_only::ReadOnly;
use super::recycle::{Recycle, RecycleOptions};
use super::veto::{Veto, VetoedNames};
use super::worm::{Worm, WormOptions};

/// What wrappers are made with, besides their settings.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub environment: Arc<dyn Environment>,
    /// The server itself, for what is not done for a user.
    pub own: Caller,
}

/// Puts the wrappers of a share over its handler: requests meet the first one first.
#[must_use]
pub fn wrap(
    handler: Arc<dyn ShareHandler>,
    share: &config::Share,
    with: &Surroundings,
) -> Arc<dyn ShareHandler> {
    let wrappers = share.wrappers.iter().rev();
    wrappers.fold(handler, |inner, wrapper| one(inner, wrapper, share, with))
}

/// The names that no user of a share is to hear of.
#[must_use]
pub fn vetoed_names(share: &config::Share) -> VetoedNames {
    let vetoes = share.wrappers.iter().filter_map(|wrapper| match wrapper {
        Wrapper::Veto(veto) => Some(&veto.names),
        _ => None,
    });
    let patterns: Vec<String> = vetoes.flatten().cloned().collect();
    VetoedNames::new(&patterns, case_rule(share.case_sensitive))
}

fn one(
    inner: Arc<dyn ShareHandler>,
    wrapper: &Wrapper,
    share: &config::Share,
    with: &Surroundings,
) -> Arc<dyn ShareHandler> {
    let environment = with.environment.clone();
    match wrapper {
        Wrapper::ReadOnly => ReadOnly::over(inner),
        Wrapper::Audit(audit) => Audit::over(inner, audit_options(audit, share)),
        Wrapper::Recycle(recycle) => {
            let options = recycle_options(recycle);
            Recycle::over(inner, options, with.own.clone(), environment)
        }
        Wrapper::Veto(veto) => {
            let case = case_rule(inner.features().case_sensitive);
            Veto::over(inner, Arc::new(VetoedNames::new(&veto.names, case)))
        }
        Wrapper::Limit(limit) => {
            let (all, each) = rates(limit);
            Limit::over(inner, all, each, environment)
        }
        Wrapper::Worm(worm) => {
            let options = WormOptions {
                grace: worm.grace,
                retention: unless_zero(worm.retention),
            };
            Worm::over(inner, options, environment)
        }
        Wrapper::Faulty(faulty) => {
            let faults = Seeded::new(faulty_options(faulty), environment);
            Faulty::over(inner, Arc::new(faults))
        }
    }
}

fn audit_options(audit: &settings::Audit, share: &config::Share) -> AuditOptions {
    AuditOptions {
        share: share.name.clone(),
        operations: audit.operations.iter().copied().map(operation).collect(),
        failures_only: audit.failures_only,
    }
}

fn operation(operation: settings::Operation) -> Operation {
    match operation {
        settings::Operation::Open => Operation::Open,
        settings::Operation::Close => Operation::Close,
        settings::Operation::Read => Operation::Read,
        settings::Operation::Write => Operation::Write,
        settings::Operation::List => Operation::List,
        settings::Operation::Change => Operation::Change,
        settings::Operation::Rename => Operation::Rename,
        settings::Operation::Delete => Operation::Delete,
        settings::Operation::Security => Operation::Security,
        settings::Operation::Control => Operation::Control,
    }
}

fn recycle_options(recycle: &settings::Recycle) -> RecycleOptions {
    let largest = u64::from(recycle.largest_file.to_u32());
    RecycleOptions {
        folder: recycle.folder.clone(),
        keep_tree: recycle.keep_tree,
        versions: recycle.versions,
        max_age: unless_zero(recycle.max_age),
        exclude: recycle.exclude.clone(),
        largest: Some(largest).filter(|largest| *largest > 0),
    }
}

/// What everybody together may do, and what each user may.
fn rates(limit: &settings::Limit) -> (Rates, Rates) {
    let all = Rates {
        bytes: limit.bytes_per_second.to_u32().into(),
        operations: limit.operations_per_second.into(),
    };
    let each = Rates {
        bytes: limit.user_bytes_per_second.to_u32().into(),
        operations: limit.user_operations_per_second.into(),
    };
    (all, each)
}

fn faulty_options(faulty: &settings::Faulty) -> FaultyOptions {
    FaultyOptions {
        seed: faulty.seed.into(),
        errors: faulty.errors,
        short: faulty.short_transfers,
        delays: faulty.delays,
        longest_delay: faulty.longest_delay,
    }
}

fn unless_zero(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}

fn case_rule(case_sensitive: bool) -> CaseRule {
    if case_sensitive {
        CaseRule::Respect
    } else {
        CaseRule::Ignore
    }
}

#[cfg(test)]
mod tests {
    use server::share::Disposition;
    use wire::NtStatus;

    use super::super::testing::{Share, caller, to_create};
    use super::*;
    use crate::contract::{Subject, check_but};

    /// By the age of files is told what is kept, and a folder takes what is in it along.
    const WORM_DEPARTS: [&str; 2] = [
        "times_are_set_and_kept",
        "a_directory_moves_with_what_is_open_in_it",
    ];

    fn settings(text: &str) -> config::Share {
        let text = format!("[[share]]\nname = 'a'\nkind = 'memory'\n{text}");
        let mut configuration = config::Configuration::parse(&text, "f.toml").unwrap();
        configuration.shares.remove(0)
    }

    fn wrapped(share: &Share, text: &str) -> Share {
        let with = Surroundings {
            environment: share.time.clone(),
            own: caller("", 0),
        };
        share.under(|inner| wrap(inner, &settings(text), &with))
    }

    #[test]
    fn requests_meet_the_first_wrapper_first() {
        let veto = "[[share.wrapper]]\nkind = 'veto'\nnames = ['*.exe']\n";
        let read_only = "[[share.wrapper]]\nkind = 'read-only'\n";
        for (text, refusal) in [
            (format!("{veto}{read_only}"), NtStatus::ACCESS_DENIED),
            (
                format!("{read_only}{veto}"),
                NtStatus::MEDIA_WRITE_PROTECTED,
            ),
        ] {
            let share = wrapped(&Share::memory(), &text);
            let made = share.open("a.exe", &to_create(Disposition::New)).map(drop);
            assert_eq!(made, Err(refusal));
        }
    }

    /// What lets everything through keeps the contract: each of these wrappers, and all together.
    #[test]
    fn wrappers_that_have_nothing_to_do_keep_the_contract() {
        let idle = [
            "kind = 'audit'",
            "kind = 'recycle'\nexclude = ['*']",
            "kind = 'veto'\nnames = ['*.vetoed']",
            "kind = 'limit'\noperations_per_second = 1000000000",
            "kind = 'worm'\ngrace = '10000 d'",
            "kind = 'faulty'",
        ];
        let section = |text: &str| format!("[[share.wrapper]]\n{text}\n");
        let mut stacks: Vec<String> = idle.iter().map(|text| section(text)).collect();
        stacks.push(stacks.concat());
        for stack in stacks {
            let departs: &[_] = if stack.contains("worm") {
                &WORM_DEPARTS
            } else {
                &[]
            };
            check_but(departs, || {
                let share = wrapped(&Share::ticking(), &stack);
                Subject::of(share.handler.clone())
            });
        }
    }
}
