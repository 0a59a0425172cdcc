//! Lock sequences: telling a repeated LOCK request from a new one after a reconnect.
//!
//! Owns one open's table; whether it is consulted at all depends on dialect, open and connection,
//! which the command knows.

/// The entries of an open, `Open.LockSequenceArray`: index 1 to 64.
// [MS-SMB2] 3.3.1.10
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockSequences(Vec<Option<Entry>>);

/// A request that has been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    number: u8,
    /// A repetition of it has been answered with success, or is about to be.
    is_confirmed: bool,
}

/// What a sequence number says about a LOCK request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Not carried out before.
    New,
    /// The same, and the request that was known by its index before is so no more.
    Superseding,
    /// Carried out before with success: answer success and do nothing.
    Done,
}

impl LockSequences {
    /// Looks up the `LockSequenceNumber,LockSequenceIndex` field of a request, and forgets an entry
    /// that it supersedes.
    // [MS-SMB2] 3.3.5.14
    pub fn check(&mut self, field: u32) -> Replay {
        let (index, number) = split(field);
        let Some(entry) = index.and_then(|index| self.0.get_mut(index)) else {
            return Replay::New;
        };
        match entry.take_if(|entry| entry.number != number) {
            Some(_) => Replay::Superseding,
            None if entry.is_some() => Replay::Done,
            None => Replay::New,
        }
    }

    /// Notes that a repetition of the request with this field is answered with success; false if the request
    /// has failed after all, and is forgotten.
    pub fn confirm(&mut self, field: u32) -> bool {
        let (index, number) = split(field);
        let entry = index.and_then(|index| self.0.get_mut(index)?.as_mut());
        let Some(entry) = entry.filter(|entry| entry.number == number) else {
            return false;
        };
        entry.is_confirmed = true;
        true
    }

    /// Notes that the request with this field has been carried out.
    // [MS-SMB2] 3.3.5.14.1
    // [MS-SMB2] 3.3.5.14.2
    pub fn record(&mut self, field: u32) {
        let (Some(index), number) = split(field) else {
            return;
        };
        if self.0.is_empty() {
            self.0.resize(ENTRIES, None);
        }
        if let Some(entry) = self.0.get_mut(index) {
            *entry = Some(Entry {
                number,
                is_confirmed: false,
            });
        }
    }

    /// Forgets what [`LockSequences::record`] noted, because the request has failed after all; false if a
    /// repetition of it has been answered with success meanwhile.
    pub fn forget(&mut self, field: u32) -> bool {
        let (index, _) = split(field);
        let Some(entry) = index.and_then(|index| self.0.get_mut(index)) else {
            return true;
        };
        let is_confirmed = entry.is_some_and(|entry| entry.is_confirmed);
        if !is_confirmed {
            *entry = None;
        }
        !is_confirmed
    }

    /// The fields of the requests that are remembered, by index: recorded again, they make the same table.
    pub fn fields(&self) -> impl Iterator<Item = u32> {
        (1_u32..).zip(&self.0).filter_map(|(index, entry)| {
            let Entry { number, .. } = (*entry)?;
            Some(index << 4 | u32::from(number))
        })
    }
}

/// The place of the entry, if the index is one of 1 to 64, and the number.
fn split(field: u32) -> (Option<usize>, u8) {
    let [low, ..] = field.to_le_bytes();
    let place = usize::try_from(field >> 4)
        .ok()
        .and_then(|index| index.checked_sub(1));
    (place.filter(|place| *place < ENTRIES), low & 0x0f)
}

const ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn field(index: u32, number: u32) -> u32 {
        index << 4 | number
    }

    // test [MS-SMB2] 3.3.5.14
    #[test]
    fn a_recorded_request_is_done_until_another_number_comes() {
        let mut sequences = LockSequences::default();
        assert_eq!(sequences.check(field(64, 3)), Replay::New);
        sequences.record(field(64, 3));
        assert_eq!(sequences.check(field(64, 3)), Replay::Done);
        assert_eq!(sequences.check(field(63, 3)), Replay::New);
        assert_eq!(sequences.check(field(64, 4)), Replay::Superseding);
        assert_eq!(sequences.check(field(64, 4)), Replay::New);
        assert_eq!(
            sequences.check(field(64, 3)),
            Replay::New,
            "the entry was reset"
        );
    }

    #[test]
    fn a_request_that_failed_is_forgotten_unless_a_repetition_was_told_otherwise() {
        let mut sequences = LockSequences::default();
        sequences.record(field(1, 3));
        assert!(sequences.forget(field(1, 3)));
        assert!(!sequences.confirm(field(1, 3)), "there is nothing left");
        assert_eq!(sequences.check(field(1, 3)), Replay::New);
        sequences.record(field(1, 3));
        assert!(!sequences.confirm(field(1, 4)));
        assert!(sequences.confirm(field(1, 3)));
        assert!(!sequences.forget(field(1, 3)));
        assert_eq!(sequences.check(field(1, 3)), Replay::Done);
        assert!(sequences.forget(field(0, 3)), "it was never remembered");
    }

    // test [MS-SMB2] 3.3.5.14
    #[test]
    fn index_zero_and_indices_past_the_table_are_never_remembered() {
        let mut sequences = LockSequences::default();
        for index in [0, 65, 0x0fff_ffff] {
            sequences.record(field(index, 1));
            assert_eq!(sequences.check(field(index, 1)), Replay::New, "{index}");
        }
    }
}
