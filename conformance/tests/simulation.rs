//! Simulations: many seeds for a short time, and by name those that once failed.

use conformance::sim::Random;
use conformance::sim::simulation::{Plan, Summary, run};

/// A run of a seed, whose clients ask for oplocks alone: as the seeds below were found.
fn simulate(seed: u64, steps: usize) -> Summary {
    simulate_with(seed, steps, false)
}

fn simulate_with(seed: u64, steps: usize, leases: bool) -> Summary {
    let clients = 2 + Random::new(seed).below(7);
    let plan = Plan {
        seed,
        clients,
        steps,
        leases,
        verbose: false,
    };
    run(plan).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn two_hundred_seeds_give_right_answers_and_leave_nothing() {
    let mut all = Summary::default();
    for seed in 0..200 {
        let summary = simulate_with(seed, 400, seed % 4 < 2);
        all.replies += summary.replies;
        all.cuts += summary.cuts;
        all.breaks += summary.breaks;
    }
    // The seeds must meet what they are for.
    assert!(
        all.replies > 10_000 && all.cuts > 500 && all.breaks > 100,
        "{all:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(simulate(42, 500), simulate(42, 500));
    assert_eq!(simulate(43, 500), simulate(43, 500));
}

#[test]
fn an_open_that_waited_while_its_file_was_deleted_opens_what_has_the_name_now() {
    simulate(56, 600);
}

#[test]
fn an_open_that_waited_while_its_file_was_replaced_by_a_rename_starts_again() {
    simulate(1268, 600);
}

#[test]
fn a_deletion_that_becomes_pending_during_a_rename_is_not_counted_for_ever() {
    simulate(135, 600);
}

#[test]
fn a_rename_that_waited_until_its_open_was_closed_says_so() {
    simulate(940, 600);
}
