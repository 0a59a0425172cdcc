//! Captured sessions, mutated: they do the server no harm, and it grows by nothing. Alone in its
//! process, because it measures memory.

use std::time::{Duration, Instant};

use conformance::captures;
use conformance::captures::replay::Session;
use conformance::fuzz::run::resident_bytes;
use conformance::sim::Random;

#[test]
fn mutated_sessions_neither_panic_nor_leave_anything() {
    let Some(captures) = captures::load_or_say_so() else {
        return;
    };
    let start = Instant::now();
    let mut before = None;
    for capture in &captures {
        let sessions: Vec<_> = capture
            .conversations
            .iter()
            .filter_map(Session::new)
            .collect();
        for seed in 0..MUTATIONS {
            if sessions.is_empty() || start.elapsed() > LONGEST {
                continue;
            }
            let mut random = Random::new(seed);
            random.pick(&sessions).replay(&mut random);
        }
        before.get_or_insert_with(resident_bytes);
    }
    let grown = resident_bytes().saturating_sub(before.unwrap_or(0));
    assert!(grown < MOST_GROWTH, "memory grew by {grown} bytes");
}

/// Mutations of each capture; the program `captures` runs many more.
const MUTATIONS: u64 = 20;
/// The test ends early on a slow machine.
const LONGEST: Duration = Duration::from_secs(20);
/// In bytes.
const MOST_GROWTH: u64 = 64 << 20;
