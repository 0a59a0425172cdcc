//! Channel sequence numbers: which requests a client sent before it lost a channel.
//!
//! A client counts its ChannelSequence up when it loses a channel, and sends again what had no reply.
//! What it sent before may still be carried out. So an open counts the requests of the present number
//! that have no reply yet, and those of earlier numbers; a request that changes the file waits for the
//! latter by being refused.

use std::sync::Arc;

use wire::{Command, Header, HeaderFlags, NtStatus};

use crate::open::Open;

/// What an open knows of its requests. [MS-SMB2] 3.3.1.10
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelSequence {
    /// Open.ChannelSequence.
    present: u16,
    /// Open.OutstandingRequestCount.
    outstanding: u32,
    /// Open.OutstandingPreRequestCount.
    outstanding_before: u32,
}

/// Whether a request counts as one of the present number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Counted,
    /// It comes too late, or too early.
    Stale,
}

impl ChannelSequence {
    /// That of an open made by a request with this number.
    #[must_use]
    pub fn new(present: u16) -> Self {
        Self {
            present,
            ..Self::default()
        }
    }

    // [MS-SMB2] 3.3.5.2.10
    fn admit(&mut self, sequence: u16, is_replay: bool) -> Admission {
        let ahead = sequence.wrapping_sub(self.present);
        if ahead > GREATEST_STEP {
            return Admission::Stale;
        }
        if ahead > 0 {
            self.outstanding_before = self.outstanding_before.saturating_add(self.outstanding);
            self.outstanding = 0;
            self.present = sequence;
        }
        if is_replay && self.outstanding_before > 0 {
            return Admission::Stale;
        }
        self.outstanding = self.outstanding.saturating_add(1);
        Admission::Counted
    }

    // [MS-SMB2] 3.3.4.1
    fn leave(&mut self, sequence: u16) {
        let count = if sequence == self.present {
            &mut self.outstanding
        } else {
            &mut self.outstanding_before
        };
        *count = count.saturating_sub(1);
    }
}

/// A request that its open counts, until this is dropped with the reply.
#[derive(Debug)]
pub(crate) struct Outstanding {
    open: Arc<Open>,
    sequence: u16,
}

impl Outstanding {
    /// Counts a request with a FileId. One that is not counted may go on too, unless it changes the
    /// file.
    ///
    /// # Errors
    /// `FILE_NOT_AVAILABLE` for WRITE, SET_INFO and IOCTL.
    // [MS-SMB2] 3.3.5.2.10
    pub(crate) fn count(open: &Arc<Open>, header: &Header) -> Result<Option<Self>, NtStatus> {
        let sequence = header.channel_sequence();
        let is_replay = header.flags.contains(HeaderFlags::REPLAY_OPERATION);
        let admission = open
            .state
            .lock()
            .channel_sequence
            .admit(sequence, is_replay);
        let changes_file = matches!(
            header.command(),
            Some(Command::Write | Command::SetInfo | Command::Ioctl)
        );
        match admission {
            Admission::Counted => Ok(Some(Self {
                open: open.clone(),
                sequence,
            })),
            Admission::Stale if changes_file => Err(NtStatus::FILE_NOT_AVAILABLE),
            Admission::Stale => Ok(None),
        }
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.open.state.lock().channel_sequence.leave(self.sequence);
    }
}

/// A number that is further ahead than this lies behind.
const GREATEST_STEP: u16 = 0x7fff;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: bool = false;
    const REPLAY: bool = true;

    fn counts(sequence: &ChannelSequence) -> (u32, u32) {
        (sequence.outstanding, sequence.outstanding_before)
    }

    // test [MS-SMB2] 3.3.5.2.10
    #[test]
    fn a_higher_number_makes_what_is_under_way_a_thing_of_the_past() {
        let mut sequence = ChannelSequence::new(3);
        assert_eq!(sequence.admit(3, FIRST), Admission::Counted);
        assert_eq!(sequence.admit(3, FIRST), Admission::Counted);
        assert_eq!(counts(&sequence), (2, 0));
        assert_eq!(sequence.admit(4, FIRST), Admission::Counted);
        assert_eq!(counts(&sequence), (1, 2));
        sequence.leave(3);
        sequence.leave(4);
        sequence.leave(3);
        assert_eq!(counts(&sequence), (0, 0));
    }

    // test [MS-SMB2] 3.3.5.2.10
    #[test]
    fn a_replay_is_stale_as_long_as_earlier_requests_have_no_reply() {
        let mut sequence = ChannelSequence::new(0);
        assert_eq!(sequence.admit(0, REPLAY), Admission::Counted);
        assert_eq!(sequence.admit(1, REPLAY), Admission::Stale);
        assert_eq!(counts(&sequence), (0, 1));
        assert_eq!(sequence.admit(1, REPLAY), Admission::Stale);
        assert_eq!(sequence.admit(1, FIRST), Admission::Counted);
        sequence.leave(0);
        assert_eq!(sequence.admit(1, REPLAY), Admission::Counted);
        assert_eq!(counts(&sequence), (2, 0));
    }

    // test [MS-SMB2] 3.3.5.2.10
    #[test]
    fn a_lower_number_is_stale_and_leaves_no_trace_and_numbers_wrap() {
        let mut sequence = ChannelSequence::new(1);
        for behind in [0, 0xffff, 0x8001] {
            assert_eq!(sequence.admit(behind, FIRST), Admission::Stale);
            assert_eq!(sequence.admit(behind, REPLAY), Admission::Stale);
        }
        assert_eq!(sequence, ChannelSequence::new(1));
        assert_eq!(sequence.admit(0x8000, FIRST), Admission::Counted);
        assert_eq!(sequence.admit(0xffff, FIRST), Admission::Counted);
        assert_eq!(sequence.admit(0, FIRST), Admission::Counted);
        assert_eq!(counts(&sequence), (1, 2));
    }
}
