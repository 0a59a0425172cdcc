//! The bytes of one stream, kept in pages; what was never written takes no memory.
//!
//! Owns the pages and what they take from the volume's [`Budget`]. A page holds only the bytes up to the last one
//! written to it: everything behind them, and every page that is missing, reads as zeros.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::NtStatus;

use super::budget::Budget;

/// The bytes of a stream and its size.
#[derive(Debug)]
pub(super) struct Contents {
    pages: BTreeMap<u64, Page>,
    size: u64,
    /// What all pages have taken from the budget.
    taken: u64,
    budget: Arc<Budget>,
}

/// The bytes of one page up to the last one written.
#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    /// What it has taken from the budget.
    taken: usize,
}

impl Contents {
    /// Nothing.
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            pages: BTreeMap::new(),
            size: 0,
            taken: 0,
            budget,
        }
    }

    /// EndOfFile in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the pages that exist, as a sparse file reports them.
    pub(super) fn allocated(&self) -> u64 {
        (self.pages.len() as u64) * PAGE
    }

    /// Copies bytes from `at` on and returns how many there were.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let length = self.size.saturating_sub(at).min(into.len() as u64);
        let end = at + length;
        let into = &mut into[..length as usize];
        let mut done = 0;
        for (number, page) in self.pages.range(at / PAGE..end.div_ceil(PAGE)) {
            let start = number * PAGE;
            let stored = start.max(at)..end.min(start + page.bytes.len() as u64);
            if stored.is_empty() {
                continue;
            }
            let from = (stored.start - at) as usize;
            let to = (stored.end - at) as usize;
            into[done..from].fill(0);
            let page = &page.bytes[(stored.start - start) as usize..];
            into[from..to].copy_from_slice(&page[..to - from]);
            done = to;
        }
        into[done..].fill(0);
        length as usize
    }

    /// Stores `data` at `at`, which together do not exceed the largest file.
    ///
    /// # Errors
    /// `DISK_FULL`, and nothing has changed.
    pub(super) fn write(&mut self, at: u64, data: &[u8]) -> Result<(), NtStatus> {
        if data.is_empty() {
            return Ok(());
        }
        let end = at + data.len() as u64;
        let growth: u64 = pieces(at, end).map(|piece| self.growth(&piece)).sum();
        self.budget.take(growth)?;
        self.taken += growth;
        let mut rest = data;
        for piece in pieces(at, end) {
            let (now, later) = rest.split_at(piece.to - piece.from);
            self.store(&piece, now);
            rest = later;
        }
        self.size = self.size.max(end);
        Ok(())
    }

    /// Cuts the contents or fills them up with zeros.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.discard_behind(size);
        }
        self.size = size;
    }

    /// Makes the bytes from `from` up to `to` zeros without changing the size.
    pub(super) fn zero(&mut self, from: u64, to: u64) {
        for piece in pieces(from, to.min(self.size)) {
            let Some(page) = self.pages.get_mut(&piece.page) else {
                continue;
            };
            let to = piece.to.min(page.bytes.len());
            if piece.from == 0 && to == page.bytes.len() {
                self.drop_page(piece.page);
            } else {
                page.bytes[piece.from.min(to)..to].fill(0);
            }
        }
    }

    /// The stretches of existing pages between `from` and `to`, each with its end, neighbours joined.
    pub(super) fn ranges(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let to = to.min(self.size);
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for number in self
            .pages
            .range(from / PAGE..to.div_ceil(PAGE))
            .map(|(number, _)| *number)
        {
            let start = (number * PAGE).max(from);
            let end = ((number + 1) * PAGE).min(to);
            match ranges.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ if start < end => ranges.push((start, end)),
                _ => {}
            }
        }
        ranges
    }

    /// What storing a piece takes from the budget.
    fn growth(&self, piece: &Piece) -> u64 {
        let present = self.pages.get(&piece.page).map_or(0, |page| page.taken);
        memory_for(piece.to).saturating_sub(present) as u64
    }

    fn store(&mut self, piece: &Piece, data: &[u8]) {
        let Page { bytes, taken } = self.pages.entry(piece.page).or_default();
        *taken = memory_for(piece.to).max(*taken);
        bytes.reserve_exact(*taken - bytes.len());
        if bytes.len() < piece.from {
            bytes.resize(piece.from, 0);
        }
        let over = (bytes.len() - piece.from).min(data.len());
        let (within, behind) = data.split_at(over);
        bytes[piece.from..piece.from + over].copy_from_slice(within);
        bytes.extend_from_slice(behind);
    }

    fn discard_behind(&mut self, size: u64) {
        let numbers: Vec<u64> = self
            .pages
            .range(size.div_ceil(PAGE)..)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.drop_page(number);
        }
        if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
            page.bytes.truncate((size % PAGE) as usize);
        }
    }

    fn drop_page(&mut self, number: u64) {
        if let Some(page) = self.pages.remove(&number) {
            self.taken -= page.taken as u64;
            self.budget.give(page.taken as u64);
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.budget.give(self.taken);
    }
}

/// The part of a range that lies in one page.
struct Piece {
    page: u64,
    from: usize,
    to: usize,
}

/// The pieces of the bytes from `at` up to `end`.
fn pieces(at: u64, end: u64) -> impl Iterator<Item = Piece> {
    let pages = if at < end {
        at / PAGE..end.div_ceil(PAGE)
    } else {
        0..0
    };
    pages.map(move |page| {
        let start = page * PAGE;
        Piece {
            page,
            from: (at.max(start) - start) as usize,
            to: (end - start).min(PAGE) as usize,
        }
    })
}

/// The memory that a page of `length` bytes takes: small files stay small, growing ones do not grow often.
fn memory_for(length: usize) -> usize {
    length
        .next_power_of_two()
        .clamp(SMALLEST_PAGE, PAGE as usize)
}

/// Bytes of a whole page: what NTFS frees at once in a sparse file.
const PAGE: u64 = 64 << 10;
const SMALLEST_PAGE: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(limit: u64) -> (Contents, Arc<Budget>) {
        let budget = Arc::new(Budget::new(limit));
        (Contents::new(Arc::clone(&budget)), budget)
    }

    fn all(contents: &Contents) -> Vec<u8> {
        let mut bytes = vec![0xEE; contents.size() as usize + 1];
        let length = contents.read(0, &mut bytes);
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn a_gap_reads_as_zeros_and_takes_no_memory() {
        let (mut contents, budget) = contents(1 << 20);
        contents.write(5 << 30, b"far").unwrap();
        let mut bytes = [0xEE; 8];
        assert_eq!(contents.read((5 << 30) - 4, &mut bytes), 7);
        assert_eq!(&bytes, b"\0\0\0\0far\xEE");
        assert_eq!(budget.limit() - budget.free(), 512);
    }

    #[test]
    fn a_full_volume_refuses_a_write_and_keeps_what_was_there() {
        let (mut contents, budget) = contents(100 << 10);
        contents.write(0, &[1; 1000]).unwrap();
        let free = budget.free();
        assert_eq!(
            contents.write(500, &[2; 200 << 10]),
            Err(NtStatus::DISK_FULL)
        );
        assert_eq!(all(&contents), [1; 1000]);
        assert_eq!(budget.free(), free);
    }

    #[test]
    fn memory_is_given_back() {
        let (mut contents, budget) = contents(1 << 20);
        contents.write(0, &[1; 300 << 10]).unwrap();
        contents.zero(64 << 10, 128 << 10);
        assert_eq!(contents.ranges(0, u64::MAX).len(), 2);
        contents.resize(10);
        drop(contents);
        assert_eq!(budget.free(), budget.limit());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        Resize(u64),
        Zero(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let place = 0..200_000_u64;
        prop_oneof![
            (
                place.clone(),
                proptest::collection::vec(any::<u8>(), 0..70_000)
            )
                .prop_map(|(at, data)| Step::Write(at, data)),
            place.clone().prop_map(Step::Resize),
            (place.clone(), place).prop_map(|(a, b)| Step::Zero(a.min(b), a.max(b))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn pages_hold_what_a_plain_vector_holds(steps in proptest::collection::vec(step(), 1..12)) {
            let (mut contents, budget) = contents(1 << 30);
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(at, data) => {
                        contents.write(at, &data).unwrap();
                        let (at, end) = (at as usize, at as usize + data.len());
                        if !data.is_empty() {
                            model.resize(model.len().max(end), 0);
                            model[at..end].copy_from_slice(&data);
                        }
                    }
                    Step::Resize(size) => {
                        contents.resize(size);
                        model.resize(size as usize, 0);
                    }
                    Step::Zero(from, to) => {
                        contents.zero(from, to);
                        let to = (to as usize).min(model.len());
                        model[(from as usize).min(to)..to].fill(0);
                    }
                }
                prop_assert_eq!(all(&contents), model.clone());
                let ranges = contents.ranges(0, u64::MAX);
                let outside = model.iter().enumerate().filter(|(at, byte)| {
                    let at = *at as u64;
                    **byte != 0 && !ranges.iter().any(|range| range.0 <= at && at < range.1)
                });
                prop_assert_eq!(outside.count(), 0);
            }
            drop(contents);
            prop_assert_eq!(budget.free(), budget.limit());
        }
    }
}
