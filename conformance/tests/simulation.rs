//! Simulations: many seeds for a short time. Those that once failed are in `regressions.rs`.

use conformance::sim::Random;
use conformance::sim::plan::{Plan, Profile, Summary};
use conformance::sim::simulation::run;

fn simulate(seed: u64, steps: usize, profile: Profile) -> Summary {
    let clients = 2 + Random::new(seed).below(7);
    let plan = Plan {
        seed,
        clients,
        steps,
        profile,
        verbose: false,
    };
    run(plan).unwrap_or_else(|failure| panic!("{profile:?}, {failure}"))
}

/// Runs so many seeds of a profile.
fn simulate_many(seeds: u64, profile: Profile) -> Summary {
    let mut all = Summary::default();
    for seed in 0..seeds {
        all += simulate(seed, 400, profile);
    }
    all
}

// The seeds must meet what they are for.

#[test]
fn clients_with_oplocks_get_right_answers_and_leave_nothing() {
    let met = simulate_many(60, Profile::Oplocks);
    assert!(
        met.replies > 4_000 && met.cuts > 150 && met.breaks > 150,
        "{met:?}"
    );
}

#[test]
fn clients_with_leases_never_rely_on_what_is_stale() {
    let met = simulate_many(60, Profile::Leases);
    assert!(
        met.replies > 4_000 && met.cuts > 150 && met.breaks > 150,
        "{met:?}"
    );
}

#[test]
fn opens_wait_for_their_clients_and_for_nobody_else() {
    let met = simulate_many(60, Profile::Durable);
    assert!(
        met.reconnects > 15 && met.scavenged > 10 && met.cuts > 300,
        "{met:?}"
    );
}

#[test]
fn folders_that_are_cached_or_watched_tell_of_every_change() {
    let met = simulate_many(60, Profile::Folders);
    assert!(met.told > 150 && met.breaks > 200, "{met:?}");
}

#[test]
fn ranges_are_locked_together_or_not_at_all_and_nobody_waits_in_vain() {
    let met = simulate_many(60, Profile::Locks);
    assert!(
        met.rolled_back > 120 && met.repeated > 8 && met.cancelled > 40,
        "{met:?}"
    );
}

#[test]
fn resilient_opens_wait_for_their_clients_whoever_needs_the_file() {
    let met = simulate_many(60, Profile::Resilient);
    assert!(met.resilient > 120 && met.reconnects > 60, "{met:?}");
}

#[test]
fn folders_that_are_renamed_take_along_what_is_below_and_leave_nobody_on_an_old_path() {
    let met = simulate_many(60, Profile::Trees);
    assert!(met.moved > 10 && met.breaks > 200, "{met:?}");
}

#[test]
fn what_is_persistent_outlives_the_server_and_all_else_ends_with_it() {
    let met = simulate_many(60, Profile::Persistent);
    assert!(
        met.kills > 150 && met.restored > 250 && met.gone > 200 && met.reconnects > 80,
        "{met:?}"
    );
}

#[test]
fn the_loss_of_a_channel_loses_nothing_and_what_is_repeated_happens_once() {
    let met = simulate_many(60, Profile::Channels);
    assert!(
        met.losses > 500 && met.missed > 30 && met.repeated > 20 && met.stale > 10,
        "{met:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for profile in Profile::ALL {
        for seed in [42, 43] {
            assert_eq!(simulate(seed, 500, profile), simulate(seed, 500, profile));
        }
    }
}
