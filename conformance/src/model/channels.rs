//! Sessions with several channels: which requests come too late, and which CREATEs come again.

use wire::NtStatus;

use super::files::{Model, Open};
use super::operation::{Holder, Operation};

/// How a request was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sending {
    /// ChannelSequence.
    pub sequence: u16,
    /// SMB2_FLAGS_REPLAY_OPERATION.
    pub is_replay: bool,
}

/// A request that its open counts until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    open: u64,
    sequence: u16,
}

/// What an open knows of its requests.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct ChannelSequence {
    present: u16,
    outstanding: u32,
    before: u32,
}

impl Model {
    /// A request has reached the server: what is decided then, however long it waits. Says how it counts.
    pub fn receive(
        &mut self,
        client: usize,
        operation: &mut Operation,
        sending: Option<Sending>,
    ) -> Option<Counted> {
        if let Operation::Watch { room, folders } = operation {
            self.watch(client, *room, *folders);
        }
        self.unsettle(operation);
        let sending = sending.unwrap_or_default();
        self.find_again(client, operation, sending);
        // [MS-SMB2] 3.3.5.22.2
        if let Operation::Acknowledge { holder, .. } = operation {
            let opens = self.opens.values_mut();
            let acknowledged = opens.filter(|open| open.holder == *holder);
            acknowledged.for_each(|open| open.is_replay_eligible = false);
        }
        let id = operation.open()?;
        let open = self.opens.get_mut(&id)?;
        open.is_replay_eligible = false;
        let counted = open.channel_sequence.admit(sending);
        // [MS-SMB2] 3.3.5.2.10
        if counted.is_none() && operation.changes_file() {
            *operation = Operation::Refusal {
                status: NtStatus::FILE_NOT_AVAILABLE,
            };
        }
        self.receive_lock(operation);
        counted.map(|sequence| Counted { open: id, sequence })
    }

    /// A request has been answered, or has ended with its connection.
    // [MS-SMB2] 3.3.4.1
    pub fn answered(&mut self, counted: Counted) {
        if let Some(open) = self.opens.get_mut(&counted.open) {
            open.channel_sequence.leave(counted.sequence);
        }
    }

    /// An open was made, or taken up again, by a request with this ChannelSequence.
    pub fn begin_channel_sequence(&mut self, open: u64, present: u16) {
        if let Some(open) = self.opens.get_mut(&open) {
            open.channel_sequence = ChannelSequence {
                present,
                ..ChannelSequence::default()
            };
        }
    }

    /// Whether somebody has been told to give something up, and has not said yet that he does.
    #[must_use]
    pub fn is_breaking(&self, holder: Holder) -> bool {
        let cache = self.caches.get(&holder);
        cache.is_some_and(|cache| cache.breaking.is_some())
    }

    /// A CREATE whose open is there already.
    // [MS-SMB2] 3.3.5.9.10
    fn find_again(&self, client: usize, operation: &mut Operation, sending: Sending) {
        let Operation::Open {
            create_guid: Some(guid),
            lease,
            ..
        } = operation
        else {
            return;
        };
        let is_it = |open: &Open| {
            open.client == client && open.create_guid == Some(*guid) && open.is_replay_eligible
        };
        let Some((id, _)) = self.opens.iter().find(|(_, open)| is_it(open)) else {
            return;
        };
        *operation = if sending.is_replay {
            Operation::OpenAgain {
                open: *id,
                lease: *lease,
            }
        } else {
            Operation::Refusal {
                status: NtStatus::DUPLICATE_OBJECTID,
            }
        };
    }
}

impl ChannelSequence {
    /// The number by which a request counts; none if it is stale.
    // [MS-SMB2] 3.3.5.2.10
    fn admit(&mut self, sending: Sending) -> Option<u16> {
        let Sending {
            sequence,
            is_replay,
        } = sending;
        let ahead = sequence.wrapping_sub(self.present);
        if ahead > 0x7fff {
            return None;
        }
        if ahead > 0 {
            self.before += self.outstanding;
            self.outstanding = 0;
            self.present = sequence;
        }
        if is_replay && self.before > 0 {
            return None;
        }
        self.outstanding += 1;
        Some(sequence)
    }

    fn leave(&mut self, sequence: u16) {
        if sequence == self.present {
            self.outstanding = self.outstanding.saturating_sub(1);
        } else {
            self.before = self.before.saturating_sub(1);
        }
    }
}

impl Operation {
    /// The open that the request names by its FileId, if that is one of a file.
    #[must_use]
    pub fn open(&self) -> Option<u64> {
        match self {
            Self::Read { open, .. }
            | Self::Write { open, .. }
            | Self::SetEndOfFile { open, .. }
            | Self::SetDisposition { open, .. }
            | Self::Rename { open, .. }
            | Self::Query { open }
            | Self::Lock { open, .. }
            | Self::LockList { open, .. }
            | Self::Unlock { open, .. }
            | Self::MakeResilient { open, .. }
            | Self::Close { open }
            | Self::Acknowledge {
                holder: Holder::Open(open),
                ..
            } => Some(*open),
            _ => None,
        }
    }

    /// Whether it is a WRITE or a SET_INFO.
    fn changes_file(&self) -> bool {
        matches!(
            self,
            Self::Write { .. }
                | Self::SetEndOfFile { .. }
                | Self::SetDisposition { .. }
                | Self::Rename { .. }
        )
    }
}
