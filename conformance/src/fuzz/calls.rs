//! Fuzzing one interface of remote procedure calls: mutations that keep calls whole, and how far they lead.

use std::collections::BTreeMap;
use std::fmt;

use share_handlers::ipc::fuzzing::{Answered, Conversation, End, StubCall, operations};

use super::mutate::mutate;
use crate::sim::Random;

/// What calls of one interface have come to, by procedure.
#[derive(Debug, Default)]
pub struct Reach {
    ends: BTreeMap<u8, BTreeMap<End, u64>>,
}

impl Reach {
    /// Counts the calls of `interface` among these.
    pub fn count(&mut self, interface: &str, answered: &[Answered]) {
        for call in answered.iter().filter(|call| call.interface == interface) {
            let ends = self.ends.entry(call.operation).or_default();
            *ends.entry(call.end).or_default() += 1;
        }
    }

    /// How far this went into `interface`, for people.
    #[must_use]
    pub fn report(&self, interface: &'static str) -> impl fmt::Display {
        Report {
            interface,
            ends: self.ends.clone(),
        }
    }
}

struct Report {
    interface: &'static str,
    ends: BTreeMap<u8, BTreeMap<End, u64>>,
}

impl Report {
    /// The calls of a procedure that ended in this or better.
    fn at_least(&self, operation: u16, end: End) -> u64 {
        let ends = u8::try_from(operation).ok();
        let ends = ends.and_then(|operation| self.ends.get(&operation));
        let counts = ends.into_iter().flat_map(|ends| ends.range(end..));
        counts.map(|(_, count)| count).sum()
    }

    fn procedures(&self, end: End) -> usize {
        let reached = |operation: &&u16| self.at_least(**operation, end) > 0;
        operations(self.interface).iter().filter(reached).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = operations(self.interface);
        writeln!(
            f,
            "of {} procedures {} answered and {} did what was asked; calls, answers, successes:",
            all.len(),
            self.procedures(End::Refused),
            self.procedures(End::Done)
        )?;
        for operation in all {
            let [calls, answers, successes] =
                [End::Fault, End::Refused, End::Done].map(|end| self.at_least(*operation, end));
            writeln!(f, "  {operation:3}  {calls:10} {answers:10} {successes:10}")?;
        }
        Ok(())
    }
}

/// What `input` is where only `interface` is called; none if it has no call of it.
#[must_use]
pub fn held(input: &[u8], interface: &str) -> Option<Vec<u8>> {
    let mut conversation = Conversation::decode(input)?;
    let is_wanted = conversation.touches(interface);
    conversation.hold_to(interface);
    is_wanted.then(|| conversation.encode())
}

/// Changes calls of `input`, which all stay calls of `interface`; `other` is an input to borrow from.
pub fn mutate_calls(input: &mut Vec<u8>, other: &[u8], random: &mut Random, interface: &str) {
    let decoded = (Conversation::decode(input), Conversation::decode(other));
    let (Some(mut conversation), Some(other)) = decoded else {
        return mutate(input, other, random);
    };
    for _ in 0..=random.below(3) {
        mutate_once(&mut conversation.calls, &other.calls, random);
    }
    conversation.hold_to(interface);
    *input = conversation.encode();
}

fn mutate_once(calls: &mut Vec<StubCall>, others: &[StubCall], random: &mut Random) {
    if calls.is_empty() || others.is_empty() {
        calls.extend_from_slice(others);
        return;
    }
    let at = random.below(calls.len());
    match random.below(12) {
        0 => drop(calls.remove(at)),
        1 => calls.insert(at, calls[at].clone()),
        2 => {
            let to = random.below(calls.len());
            calls.swap(at, to);
        }
        3 => calls.insert(at, random.pick(others).clone()),
        4 => calls[at].form ^= 1 << random.below(8),
        5 => calls[at].operation = random.number().to_le_bytes()[0] & 0x7f,
        _ => {
            let other = random.pick(others);
            mutate(&mut calls[at].stub, &other.stub, random);
        }
    }
    calls.truncate(MOST_CALLS);
}

/// No input grows beyond this.
const MOST_CALLS: usize = 64;
