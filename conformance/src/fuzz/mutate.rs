//! Mutations of an input, from a seed.

use crate::sim::Random;

/// Changes `input` in a few places; `other` is an input to borrow from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        mutate_once(input, other, random);
    }
    input.truncate(LONGEST);
}

fn mutate_once(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if input.is_empty() {
        input.extend_from_slice(other);
        return;
    }
    let at = random.below(input.len());
    match random.below(10) {
        0 | 1 => input[at] ^= 1 << random.below(8),
        2 => input[at] = random.number().to_le_bytes()[0],
        3 => set_interesting(&mut input[at..], random),
        4 => {
            let end = (at + 1 + random.below(16)).min(input.len());
            input.drain(at..end);
        }
        5 => {
            let mut bytes = vec![0; 1 + random.below(16)];
            random.fill(&mut bytes);
            input.splice(at..at, bytes);
        }
        6 => {
            let end = (at + 1 + random.below(64)).min(input.len());
            let copy = input[at..end].to_vec();
            let to = random.below(input.len());
            input.splice(to..to, copy);
        }
        7 => {
            let from = random.below(other.len());
            let end = (from + 1 + random.below(64)).min(other.len());
            let piece = other.get(from..end).unwrap_or_default().to_vec();
            let replaced = (at + piece.len()).min(input.len());
            input.splice(at..replaced, piece);
        }
        8 => input.truncate(at),
        _ => {
            // A crossing: this one's head, that one's tail.
            let from = random.below(other.len());
            input.truncate(at);
            input.extend_from_slice(other.get(from..).unwrap_or_default());
        }
    }
}

/// Writes a number at which length and offset checks go wrong.
fn set_interesting(place: &mut [u8], random: &mut Random) {
    let number: u64 = *random.pick(&[
        0,
        1,
        2,
        7,
        8,
        15,
        16,
        24,
        63,
        64,
        65,
        120,
        127,
        128,
        255,
        256,
        0x7fff,
        0x8000,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        i64::MAX as u64,
        u64::MAX - 1,
        u64::MAX,
    ]);
    let width = *random.pick(&[1, 2, 4, 8]);
    let width = width.min(place.len());
    place[..width].copy_from_slice(&number.to_le_bytes()[..width]);
}

/// No input grows beyond this, in bytes.
const LONGEST: usize = 16 << 10;
