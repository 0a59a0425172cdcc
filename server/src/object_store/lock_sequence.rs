//! Lock sequences: telling a repeated LOCK request from a new one after a reconnect.
//!
//! Owns one open's table; whether it is consulted at all depends on dialect, open and connection,
//! which the command knows.

/// The entries of an open, `Open.LockSequenceArray`: index 1 to 64.
// [MS-SMB2] 3.3.1.10
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockSequences(Vec<Option<u8>>);

/// What a sequence number says about a LOCK request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Not carried out before.
    New,
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
        if *entry == Some(number) {
            return Replay::Done;
        }
        *entry = None;
        Replay::New
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
            *entry = Some(number);
        }
    }

    /// Forgets what [`LockSequences::record`] noted: the request has failed after all.
    pub fn forget(&mut self, field: u32) {
        if let (Some(index), _) = split(field)
            && let Some(entry) = self.0.get_mut(index)
        {
            *entry = None;
        }
    }

    /// The fields of the requests that are remembered, by index: recorded again, they make the same table.
    pub fn fields(&self) -> impl Iterator<Item = u32> {
        (1_u32..).zip(&self.0).filter_map(|(index, entry)| {
            let number = u32::from((*entry)?);
            Some(index << 4 | number)
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
        assert_eq!(sequences.check(field(64, 4)), Replay::New);
        assert_eq!(
            sequences.check(field(64, 3)),
            Replay::New,
            "the entry was reset"
        );
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
