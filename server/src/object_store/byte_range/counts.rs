//! How many of many ranges overlap another one, told without a look at each of them.
//!
//! Knows nothing of locks: numbers go in, and counts come out. A file may have as many locks as a limit
//! allows, and each read, write and request for a lock meets them all.

use super::Range;

/// A bag of ranges that can be counted.
///
/// Ranges of no length, which lie between two bytes, are kept apart: they have no last byte.
#[derive(Debug, Default)]
pub(super) struct RangeCounts {
    /// The first byte of each.
    firsts: Ranked,
    /// The last byte of each.
    lasts: Ranked,
    /// The byte behind each range of no length.
    points: Ranked,
}

impl RangeCounts {
    pub(super) fn insert(&mut self, range: Range) {
        match range.last() {
            Some(last) => {
                self.firsts.insert(range.offset);
                self.lasts.insert(last);
            }
            None => self.points.insert(range.offset),
        }
    }

    /// Takes out one range that was put in.
    pub(super) fn remove(&mut self, range: Range) {
        match range.last() {
            Some(last) => {
                self.firsts.remove(range.offset);
                self.lasts.remove(last);
            }
            None => self.points.remove(range.offset),
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.firsts.is_empty() && self.points.is_empty()
    }

    /// How many have a byte in common with `range`, or lie inside it if they have no length, as `range` may
    /// inside them: those that begin before its end, but for those that have ended before it begins.
    ///
    /// Nothing overlaps the range of no length at 0, nor one of no length another.
    // [MS-FSA] 2.1.4.10
    pub(super) fn overlapping(&self, range: Range) -> usize {
        let at = range.offset;
        let Some(last) = range.last() else {
            let begun = self.firsts.below(at);
            return begun.saturating_sub(self.lasts.below(at));
        };
        let begun = self.firsts.up_to(last);
        let touching = begun.saturating_sub(self.lasts.below(at));
        let points = self.points.up_to(last);
        let within = points.saturating_sub(self.points.up_to(at));
        touching.saturating_add(within)
    }
}

/// Numbers in ascending order, in pieces that are short enough to be changed at little cost. None is empty but
/// the only one, which stays for the next number.
#[derive(Debug, Default)]
struct Ranked(Vec<Vec<u64>>);

/// The numbers in one piece, at most.
const MOST: usize = 512;

impl Ranked {
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// How many are less than `limit`.
    fn below(&self, limit: u64) -> usize {
        let whole = self.pieces_below(limit);
        let before: usize = self.0.iter().take(whole).map(Vec::len).sum();
        let piece = self.0.get(whole);
        let within = piece.map_or(0, |piece| piece.partition_point(|number| *number < limit));
        before.saturating_add(within)
    }

    /// How many are no more than `limit`.
    fn up_to(&self, limit: u64) -> usize {
        match limit.checked_add(1) {
            Some(next) => self.below(next),
            None => self.0.iter().map(Vec::len).sum(),
        }
    }

    fn insert(&mut self, number: u64) {
        if self.0.is_empty() {
            self.0.push(Vec::new());
        }
        let place = self
            .pieces_below(number)
            .min(self.0.len().saturating_sub(1));
        let Some(piece) = self.0.get_mut(place) else {
            return;
        };
        piece.insert(piece.partition_point(|other| *other < number), number);
        if piece.len() > MOST {
            let rest = piece.split_off(MOST / 2);
            self.0.insert(place.saturating_add(1), rest);
        }
    }

    fn remove(&mut self, number: u64) {
        let place = self.pieces_below(number);
        let Some(piece) = self.0.get_mut(place) else {
            return;
        };
        if let Ok(found) = piece.binary_search(&number) {
            piece.remove(found);
        }
        if piece.is_empty() && self.0.len() > 1 {
            self.0.remove(place);
        }
    }

    /// How many pieces have nothing but numbers less than `limit`.
    fn pieces_below(&self, limit: u64) -> usize {
        self.0
            .partition_point(|piece| piece.last().is_some_and(|last| *last < limit))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The overlap as [MS-FSA] 2.1.4.10 writes it, in numbers that do not wrap.
    pub(in super::super) fn overlaps_by_the_book(left: Range, right: Range) -> bool {
        let nothing = |range: Range| (range.offset, range.length) == (0, 0);
        if nothing(left) || nothing(right) {
            return false;
        }
        let last = |range: Range| i128::from(range.offset) + i128::from(range.length) - 1;
        i128::from(left.offset) <= last(right) && last(left) >= i128::from(right.offset)
    }

    fn range() -> impl Strategy<Value = Range> {
        let edge = prop_oneof![0..12_u64, (u64::MAX - 6)..=u64::MAX, any::<u64>()];
        (edge, prop_oneof![0..7_u64, any::<u64>()]).prop_map(|(offset, length)| Range {
            offset,
            length: length.min(u64::MAX - offset),
        })
    }

    proptest! {
        // test [MS-FSA] 2.1.4.10
        #[test]
        fn counting_agrees_with_looking_at_each(
            steps in prop::collection::vec((range(), any::<bool>()), 0..1_500),
            asked in prop::collection::vec(range(), 20),
        ) {
            let mut counts = RangeCounts::default();
            for (range, _) in &steps {
                counts.insert(*range);
            }
            for (range, _) in steps.iter().filter(|(_, stays)| !stays) {
                counts.remove(*range);
            }
            let kept: Vec<_> = steps.iter().filter(|(_, stays)| *stays).collect();
            for asked in asked {
                let overlaps = |(range, _): &&&(Range, bool)| overlaps_by_the_book(*range, asked);
                let expected = kept.iter().filter(overlaps).count();
                prop_assert_eq!(counts.overlapping(asked), expected, "{:?}", asked);
            }
            for (range, _) in kept {
                counts.remove(*range);
            }
            prop_assert!(counts.is_empty() && counts.lasts.is_empty());
        }
    }

    // test [MS-FSA] 2.1.4.10
    #[test]
    fn a_range_of_no_length_is_met_only_strictly_inside_another() {
        let range = |offset, length| Range { offset, length };
        let overlap = |one: Range, other: Range| {
            let mut counts = RangeCounts::default();
            counts.insert(one);
            counts.overlapping(other) > 0
        };
        for (other, expected) in [
            (range(10, 0), false),
            (range(9, 1), false),
            (range(10, 1), false),
            (range(11, 1), false),
            (range(9, 2), true),
            (range(10, 2), false),
            (range(9, 3), true),
        ] {
            assert_eq!(overlap(range(10, 0), other), expected, "{other:?}");
            assert_eq!(overlap(other, range(10, 0)), expected, "{other:?}");
        }
    }
}
