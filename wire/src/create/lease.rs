//! The lease in a CREATE, one form for asking and answering: [MS-SMB2] 2.2.13.2.8,
//! 2.2.13.2.10, 2.2.14.2.10 and 2.2.14.2.11.

use crate::flags::wire_flags;
use crate::{DecodeError, LeaseKey, Reader, Writer};

/// A lease that is asked for or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseContext {
    /// The client's key.
    pub lease_key: LeaseKey,
    /// What may be cached.
    pub lease_state: LeaseState,
    /// Flags; reserved in a request of version 1.
    pub lease_flags: LeaseFlags,
    // LeaseDuration (8 bytes): reserved.
    /// What version 2 adds; `None` in version 1.
    pub v2: Option<LeaseContextV2>,
}

/// What version 2 of a lease adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseContextV2 {
    /// The key of the lease on the directory; valid if `PARENT_LEASE_KEY_SET` is.
    pub parent_lease_key: LeaseKey,
    /// Counts the changes of the lease.
    pub epoch: u16,
    // Reserved (2 bytes).
}

impl LeaseContext {
    pub(super) fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("lease context", data);
        // [MS-SMB2] 3.3.5.9
        if data.len() != V1_SIZE && data.len() != V2_SIZE {
            return Err(reader.error());
        }
        let lease_key = LeaseKey(reader.array()?);
        let lease_state = LeaseState::from_bits(reader.u32()?);
        let lease_flags = LeaseFlags::from_bits(reader.u32()?);
        reader.skip(8)?;
        let v2 = if data.len() == V2_SIZE {
            let parent_lease_key = LeaseKey(reader.array()?);
            Some(LeaseContextV2 {
                parent_lease_key,
                epoch: reader.u16()?,
            })
        } else {
            None
        };
        Ok(Self {
            lease_key,
            lease_state,
            lease_flags,
            v2,
        })
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.lease_key.0);
        out.u32(self.lease_state.bits());
        out.u32(self.lease_flags.bits());
        out.u64(0);
        if let Some(v2) = &self.v2 {
            out.bytes(&v2.parent_lease_key.0);
            out.u16(v2.epoch);
            out.u16(0);
        }
    }
}

wire_flags! {
    /// What the holder of a lease may cache.
    pub struct LeaseState: u32 {
        /// Data it has read.
        const READ_CACHING = 0x0000_0001;
        /// Handles it has closed.
        const HANDLE_CACHING = 0x0000_0002;
        /// Data it has written.
        const WRITE_CACHING = 0x0000_0004;
    }
}

wire_flags! {
    /// Flags of a lease.
    pub struct LeaseFlags: u32 {
        /// The lease is being broken; in responses.
        const BREAK_IN_PROGRESS = 0x0000_0002;
        /// The key of the directory's lease is there.
        const PARENT_LEASE_KEY_SET = 0x0000_0004;
    }
}

const V1_SIZE: usize = 32;
const V2_SIZE: usize = 52;
