//! What simulated clients do with byte ranges: LOCK requests of one element or several, legal or not, that
//! wait or not, and that come again.

use std::collections::BTreeMap;

use wire::lock::{LockElement, LockFlags, LockSequence as SequenceField};
use wire::{Dialect, FileId, LockRequest};

use super::actor::Actor;
use super::random::Random;
use crate::model::{Element, ElementKind, LockSequence, Operation};

/// The latest LOCK with a sequence number through each open.
pub type SentLocks = BTreeMap<u64, (Vec<Element>, LockSequence)>;

/// Locks or unlocks through one of these opens.
pub fn act(actor: &mut Actor, known: &[(u64, FileId)], random: &mut Random) {
    let (open, file_id) = *random.pick(known);
    let sent = actor.sent_locks.get(&open).cloned();
    let (elements, sequence) = match sent {
        Some((elements, sequence)) if random.once_in(4) => (elements, Some(sequence)),
        _ => (elements(random), sequence(actor.dialect(), random)),
    };
    // What waits may be granted between two elements, and be unlocked by the second.
    let is_simple = elements.len() == 1 && !elements[0].wait;
    if !is_simple && actor.has_lock_under_way(open) {
        return;
    }
    if let Some(sequence) = sequence {
        actor.sent_locks.insert(open, (elements.clone(), sequence));
    }
    let request = LockRequest {
        lock_sequence: field(sequence),
        file_id,
        locks: elements.iter().map(element).collect(),
    };
    // [MS-SMB2] 3.3.5.14
    let is_understood = actor.dialect() != Dialect::SMB_2_0_2;
    let operation = Operation::LockList {
        open,
        elements,
        sequence: sequence.filter(|_| is_understood),
    };
    actor.ask(operation, request.into());
}

/// Mostly some that a server may lock, or unlock, one after the other.
fn elements(random: &mut Random) -> Vec<Element> {
    let count = 1 + random.below(4);
    let unlocks = random.once_in(3);
    let waits = count == 1 && random.once_in(2);
    let mut elements: Vec<_> = (0..count).map(|_| any(unlocks, waits, random)).collect();
    if random.once_in(10) {
        let (odd, waiting) = (random.once_in(2), random.once_in(2));
        let at = random.below(elements.len());
        elements[at] = any(odd, waiting, random);
    }
    elements
}

/// Few ranges, so that they meet: some bytes, none, or those at the very end.
fn any(unlocks: bool, wait: bool, random: &mut Random) -> Element {
    let kind = match random.below(2) {
        _ if unlocks => ElementKind::Unlock,
        0 => ElementKind::Shared,
        _ => ElementKind::Exclusive,
    };
    let start = *random.pick(&[0, 0, 0, 0, 0, 0, 0, LAST_BYTES]);
    Element {
        kind,
        wait: wait && kind != ElementKind::Unlock,
        offset: start + 5 * random.below(5) as u64,
        length: *random.pick(&[5, 5, 5, 10, 0]),
    }
}

/// Few numbers, so that they come again by themselves too.
fn sequence(dialect: Dialect, random: &mut Random) -> Option<LockSequence> {
    random.once_in(2).then(|| LockSequence {
        index: *random.pick(&[1, 2, 64]),
        number: u8::try_from(random.below(4)).unwrap_or(0),
        needs_durable: dialect.0 < Dialect::SMB_3_0.0,
        is_repeated: false,
    })
}

fn field(sequence: Option<LockSequence>) -> SequenceField {
    sequence.map_or(SequenceField(0), |sequence| {
        SequenceField::new(sequence.number, sequence.index.into())
    })
}

fn element(element: &Element) -> LockElement {
    let kind = match element.kind {
        ElementKind::Shared => LockFlags::SHARED_LOCK,
        ElementKind::Exclusive => LockFlags::EXCLUSIVE_LOCK,
        ElementKind::Unlock => LockFlags::UNLOCK,
    };
    let flags = if element.wait || element.kind == ElementKind::Unlock {
        kind
    } else {
        kind | LockFlags::FAIL_IMMEDIATELY
    };
    LockElement {
        offset: element.offset,
        length: element.length,
        flags,
    }
}

/// The ranges that begin from here on end with the last byte there can be, or behind it.
const LAST_BYTES: u64 = u64::MAX - 24;
