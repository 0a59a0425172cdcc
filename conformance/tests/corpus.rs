//! Replays every corpus, and a few mutations of it, through the fuzz targets.

use std::time::Duration;

use conformance::fuzz::{TARGETS, corpus, run};

#[test]
fn every_corpus_runs_without_a_finding() {
    for target in TARGETS {
        let inputs = corpus::load(target).expect("a readable corpus");
        assert!(!inputs.is_empty(), "{} has a corpus", target.name);
        for (number, input) in inputs.iter().enumerate() {
            let outcome = run::run_one(target, input);
            assert!(
                outcome.is_ok(),
                "{} input {number}: {outcome:?}",
                target.name
            );
        }
    }
}

#[test]
fn mutations_of_every_corpus_run_without_a_finding() {
    for target in TARGETS {
        let inputs = corpus::load(target).expect("a readable corpus");
        let found = run::run_for(target, &inputs, 7, Duration::from_secs(1));
        assert!(
            found.is_ok(),
            "{}: {:?}",
            target.name,
            found.map_err(|(finding, _)| finding)
        );
    }
}
