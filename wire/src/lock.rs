//! LOCK, [MS-SMB2] 2.2.26 and 2.2.27.

use bytes::Bytes;

use crate::empty::empty_body;
use crate::flags::wire_flags;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks to lock or unlock byte ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRequest {
    // LockCount (2 bytes).
    /// Tells a request that is sent again; reserved in 2.0.2.
    pub lock_sequence: LockSequence,
    /// The open.
    pub file_id: FileId,
    /// The ranges; may be empty, which the server must refuse.
    pub locks: Vec<LockElement>,
}

/// A range to lock or unlock, [MS-SMB2] 2.2.26.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockElement {
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// What to do with it.
    pub flags: LockFlags,
    // Reserved (4 bytes).
}

/// Number and index of a lock request within its open, in one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockSequence(pub u32);

impl LockSequence {
    /// Both in one field; what does not fit is cut off.
    #[must_use]
    pub const fn new(number: u8, index: u32) -> Self {
        Self(u32::from_le_bytes([number & 0xf, 0, 0, 0]) | index << 4)
    }

    /// Changes with each request of the same index.
    #[must_use]
    pub const fn number(self) -> u8 {
        let [low, ..] = self.0.to_le_bytes();
        low & 0xf
    }

    /// Where the request is remembered: 1 to 64 are valid, 0 is none.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 >> 4
    }
}

impl Decode for LockRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("LOCK request", message, REQUEST_SIZE)?;
        let count = body.size16()?;
        let lock_sequence = LockSequence(body.u32()?);
        let file_id = FileId::read(&mut body)?;
        // All elements must be there before room is made for any.
        let elements = body.items::<ELEMENT_SIZE>(count)?;
        let locks = elements
            .map(LockElement::decode)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            lock_sequence,
            file_id,
            locks,
        })
    }
}

impl Encode for LockRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.size16(self.locks.len());
        out.u32(self.lock_sequence.0);
        self.file_id.write(out);
        for lock in &self.locks {
            out.u64(lock.offset);
            out.u64(lock.length);
            out.u32(lock.flags.bits());
            out.u32(0);
        }
    }
}

impl LockElement {
    fn decode(element: &[u8; ELEMENT_SIZE]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("LOCK element", element);
        Ok(Self {
            offset: reader.u64()?,
            length: reader.u64()?,
            flags: LockFlags::from_bits(reader.u32()?),
        })
    }
}

empty_body! {
    /// The ranges are locked or unlocked.
    LockResponse, "LOCK response"
}

wire_flags! {
    /// What to do with a range.
    pub struct LockFlags: u32 {
        /// Lock it for reading, shared with others who do so.
        const SHARED_LOCK = 0x0000_0001;
        /// Lock it for this open alone.
        const EXCLUSIVE_LOCK = 0x0000_0002;
        /// Unlock it.
        const UNLOCK = 0x0000_0004;
        /// Fail instead of waiting.
        const FAIL_IMMEDIATELY = 0x0000_0010;
    }
}

const REQUEST_SIZE: u16 = 48;
const ELEMENT_SIZE: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, check_vector, codec_tests, message};

    #[test]
    fn number_and_index_share_the_sequence_field() {
        let sequence = LockSequence(0x0000_0215);
        assert_eq!((sequence.number(), sequence.index()), (5, 33));
        assert_eq!(LockSequence::new(5, 33), sequence);
        assert_eq!(LockSequence::new(0x15, 33), sequence);
    }

    #[test]
    fn each_range_follows_the_one_before() {
        let lock = |offset, flags| LockElement {
            offset,
            length: 2,
            flags,
        };
        let request = LockRequest {
            lock_sequence: LockSequence(0),
            file_id: FileId {
                persistent: 3,
                volatile: 4,
            },
            locks: vec![
                lock(1, LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY),
                lock(5, LockFlags::UNLOCK),
            ],
        };
        check_vector(
            "3000 0200 00000000 0300000000000000 0400000000000000 \
             0100000000000000 0200000000000000 12000000 00000000 \
             0500000000000000 0200000000000000 04000000 00000000",
            &request,
        );
    }

    #[test]
    fn more_ranges_than_there_are_bytes_for_are_malformed() {
        let request = message("3000 ffff 00000000 0300000000000000 0400000000000000 00");
        assert!(LockRequest::decode(&request).is_err());
        let none = message("3000 0000 00000000 0300000000000000 0400000000000000");
        assert_eq!(LockRequest::decode(&none).unwrap().locks, []);
    }

    fn any_request() -> impl Strategy<Value = LockRequest> {
        let lock = any::<(u64, u64, u32)>().prop_map(|(offset, length, flags)| LockElement {
            offset,
            length,
            flags: LockFlags::from_bits(flags),
        });
        (
            any::<u32>(),
            any_file_id(),
            prop::collection::vec(lock, 0..4),
        )
            .prop_map(|(sequence, file_id, locks)| LockRequest {
                lock_sequence: LockSequence(sequence),
                file_id,
                locks,
            })
    }

    codec_tests!(LockRequest, [48], any_request());
}
