//! OPLOCK_BREAK, [MS-SMB2] 2.2.23 to 2.2.25: notifications, acknowledgments and responses, for
//! oplocks and for leases.
//!
//! One command carries both; StructureSize tells which.

use bytes::Bytes;

use crate::create::LeaseState;
use crate::flags::{wire_flags, wire_values};
use crate::{Decode, DecodeError, Encode, FileId, LeaseKey, Reader, Writer};

/// The server tells that an oplock or a lease is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OplockBreakNotification {
    /// An oplock.
    Oplock(OplockBreak),
    /// A lease.
    Lease(LeaseBreakNotification),
}

/// The client tells what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OplockBreakAcknowledgment {
    /// Of an oplock.
    Oplock(OplockBreak),
    /// Of a lease.
    Lease(LeaseBreak),
}

/// The server confirms what the client keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OplockBreakResponse {
    /// Of an oplock.
    Oplock(OplockBreak),
    /// Of a lease.
    Lease(LeaseBreak),
}

/// An oplock and what becomes of it: the same form in all three messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OplockBreak {
    /// The new level.
    pub oplock_level: OplockLevel,
    // Reserved (1 byte), Reserved2 (4 bytes).
    /// The open.
    pub file_id: FileId,
}

/// A lease and what becomes of it: the same form in acknowledgment and response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBreak {
    // Reserved (2 bytes), Flags (4 bytes): reserved.
    /// The lease.
    pub lease_key: LeaseKey,
    /// What is kept of it.
    pub lease_state: LeaseState,
    // LeaseDuration (8 bytes): reserved.
}

/// A lease that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBreakNotification {
    /// Counts the changes of the lease; 3.x only.
    pub new_epoch: u16,
    /// Whether the client must answer.
    pub flags: LeaseBreakFlags,
    /// The lease.
    pub lease_key: LeaseKey,
    /// What the client has.
    pub current_lease_state: LeaseState,
    /// What it may keep.
    pub new_lease_state: LeaseState,
    // BreakReason (4 bytes), AccessMaskHint (4 bytes), ShareMaskHint (4 bytes): reserved.
}

impl OplockBreak {
    const SIZE: u16 = 24;

    fn decode_rest(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let oplock_level = OplockLevel(body.u8()?);
        body.skip(5)?;
        Ok(Self {
            oplock_level,
            file_id: FileId::read(&mut body)?,
        })
    }

    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(Self::SIZE);
        out.u8(self.oplock_level.0);
        out.zeros(5);
        self.file_id.write(out);
    }
}

impl LeaseBreak {
    const SIZE: u16 = 36;

    fn decode_rest(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        body.skip(6)?;
        let lease_key = LeaseKey(body.array()?);
        let lease_state = LeaseState::from_bits(body.u32()?);
        body.skip(8)?;
        Ok(Self {
            lease_key,
            lease_state,
        })
    }

    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(Self::SIZE);
        out.zeros(6);
        out.bytes(&self.lease_key.0);
        out.u32(self.lease_state.bits());
        out.zeros(8);
    }
}

impl LeaseBreakNotification {
    const SIZE: u16 = 44;

    fn decode_rest(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let new_epoch = body.u16()?;
        let flags = LeaseBreakFlags::from_bits(body.u32()?);
        let lease_key = LeaseKey(body.array()?);
        let current_lease_state = LeaseState::from_bits(body.u32()?);
        let new_lease_state = LeaseState::from_bits(body.u32()?);
        body.skip(12)?;
        Ok(Self {
            new_epoch,
            flags,
            lease_key,
            current_lease_state,
            new_lease_state,
        })
    }

    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(Self::SIZE);
        out.u16(self.new_epoch);
        out.u32(self.flags.bits());
        out.bytes(&self.lease_key.0);
        out.u32(self.current_lease_state.bits());
        out.u32(self.new_lease_state.bits());
        out.zeros(12);
    }
}

/// Implements the codecs of one of the three messages.
macro_rules! either {
    ($name:ident, $lease:ident, $what:expr) => {
        impl Decode for $name {
            fn decode(message: &Bytes) -> Result<Self, DecodeError> {
                if let Ok(body) = Reader::body($what, message, $lease::SIZE) {
                    return $lease::decode_rest(body).map(Self::Lease);
                }
                let body = Reader::body($what, message, OplockBreak::SIZE)?;
                OplockBreak::decode_rest(body).map(Self::Oplock)
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    Self::Oplock(oplock) => oplock.encode(out),
                    Self::Lease(lease) => lease.encode(out),
                }
            }
        }
    };
}

either!(
    OplockBreakNotification,
    LeaseBreakNotification,
    "OPLOCK_BREAK notification"
);
either!(
    OplockBreakAcknowledgment,
    LeaseBreak,
    "OPLOCK_BREAK acknowledgment"
);
either!(OplockBreakResponse, LeaseBreak, "OPLOCK_BREAK response");

wire_values! {
    /// How much the holder of an oplock may cache.
    pub struct OplockLevel: u8 {
        /// Nothing.
        const NONE = 0x00;
        /// Data it has read.
        const II = 0x01;
        /// Data it reads and writes.
        const EXCLUSIVE = 0x08;
        /// Data it reads and writes, and handles it has closed.
        const BATCH = 0x09;
        /// What its lease says.
        const LEASE = 0xff;
    }
}

wire_flags! {
    /// Flags of the break of a lease.
    pub struct LeaseBreakFlags: u32 {
        /// The client must answer.
        const ACK_REQUIRED = 0x0000_0001;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, any_lease_key, check_vector, codec_tests, message};

    #[test]
    fn the_structure_size_tells_oplocks_from_leases() {
        let oplock = OplockBreak {
            oplock_level: OplockLevel::II,
            file_id: FileId {
                persistent: 1,
                volatile: 2,
            },
        };
        check_vector(
            "1800 01 00 00000000 0100000000000000 0200000000000000",
            &OplockBreakAcknowledgment::Oplock(oplock),
        );
        let lease = LeaseBreak {
            lease_key: LeaseKey([0xab; 16]),
            lease_state: LeaseState::READ_CACHING,
        };
        check_vector(
            "2400 0000 00000000 abababababababababababababababab 01000000 0000000000000000",
            &OplockBreakResponse::Lease(lease),
        );
        assert!(OplockBreakAcknowledgment::decode(&message("1900 0000")).is_err());
    }

    #[test]
    fn a_lease_break_has_three_reserved_fields_at_its_end() {
        let lease = LeaseBreakNotification {
            new_epoch: 3,
            flags: LeaseBreakFlags::ACK_REQUIRED,
            lease_key: LeaseKey([0xab; 16]),
            current_lease_state: LeaseState::READ_CACHING | LeaseState::WRITE_CACHING,
            new_lease_state: LeaseState::READ_CACHING,
        };
        check_vector(
            "2c00 0300 01000000 abababababababababababababababab 05000000 01000000 00000000 00000000 \
             00000000",
            &OplockBreakNotification::Lease(lease),
        );
    }

    fn any_oplock() -> impl Strategy<Value = OplockBreak> {
        (any::<u8>(), any_file_id()).prop_map(|(oplock_level, file_id)| OplockBreak {
            oplock_level: OplockLevel(oplock_level),
            file_id,
        })
    }

    fn any_lease() -> impl Strategy<Value = LeaseBreak> {
        (any_lease_key(), any::<u32>()).prop_map(|(lease_key, lease_state)| LeaseBreak {
            lease_key,
            lease_state: LeaseState::from_bits(lease_state),
        })
    }

    mod acknowledgment {
        use super::*;
        codec_tests!(
            OplockBreakAcknowledgment,
            [24, 36],
            prop_oneof![
                any_oplock().prop_map(OplockBreakAcknowledgment::Oplock),
                any_lease().prop_map(OplockBreakAcknowledgment::Lease),
            ]
        );
    }

    mod response {
        use super::*;
        codec_tests!(
            OplockBreakResponse,
            [24, 36],
            prop_oneof![
                any_oplock().prop_map(OplockBreakResponse::Oplock),
                any_lease().prop_map(OplockBreakResponse::Lease),
            ]
        );
    }

    mod notification {
        use super::*;
        codec_tests!(
            OplockBreakNotification,
            [24, 44],
            prop_oneof![
                any_oplock().prop_map(OplockBreakNotification::Oplock),
                (any::<(u16, u32, u32, u32)>(), any_lease_key()).prop_map(
                    |((new_epoch, flags, current, new), lease_key)| {
                        OplockBreakNotification::Lease(LeaseBreakNotification {
                            new_epoch,
                            flags: LeaseBreakFlags::from_bits(flags),
                            lease_key,
                            current_lease_state: LeaseState::from_bits(current),
                            new_lease_state: LeaseState::from_bits(new),
                        })
                    }
                ),
            ]
        );
    }
}
