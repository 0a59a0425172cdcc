//! Positions in a stub: where alignment, byte order and the width of counts are known.

use bytes::{BufMut, BytesMut};

/// Bytes that are not what the procedure takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Malformed;

/// The order of the bytes of a number.
// [C706] 14.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) enum ByteOrder {
    /// The first byte counts least.
    Little,
    /// The first byte counts most.
    Big,
}

/// A way to represent data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) enum Syntax {
    /// The representation of [C706] 14: pointers and counts of 32 bits.
    Ndr32,
    /// The representation of [MS-RPCE] 2.2.5: pointers and counts of 64 bits.
    Ndr64,
}

impl Syntax {
    /// The bytes of a pointer or a count.
    // [MS-RPCE] 2.2.5.3.5
    pub(in crate::ipc) const fn pointer_size(self) -> usize {
        match self {
            Self::Ndr32 => 4,
            Self::Ndr64 => 8,
        }
    }
}

/// A position in the bytes that a client sent.
#[derive(Debug, Clone)]
pub(in crate::ipc) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    order: ByteOrder,
    syntax: Syntax,
}

impl<'a> Decoder<'a> {
    /// Reads `bytes` from their start, which is where alignment counts from.
    pub(in crate::ipc) fn new(bytes: &'a [u8], order: ByteOrder, syntax: Syntax) -> Self {
        Self {
            bytes,
            at: 0,
            order,
            syntax,
        }
    }

    pub(in crate::ipc) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// All bytes that are left.
    pub(in crate::ipc) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `N` bytes, wherever they lie.
    pub(in crate::ipc) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.rest().first_chunk().ok_or(Malformed)?;
        self.at += N;
        Ok(*bytes)
    }

    /// Skips to the next multiple of `alignment`, or to the end.
    pub(in crate::ipc) fn align(&mut self, alignment: usize) {
        self.at = self.at.next_multiple_of(alignment).min(self.bytes.len());
    }

    /// Skips what follows a structure of this alignment.
    // [MS-RPCE] 2.2.5.3.4.1
    pub(in crate::ipc) fn skip_trailing_gap(&mut self, alignment: usize) {
        if self.syntax == Syntax::Ndr64 {
            self.align(alignment);
        }
    }

    pub(in crate::ipc) fn u8(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(in crate::ipc) fn u16(&mut self) -> Result<u16, Malformed> {
        self.align(2);
        let bytes = self.array()?;
        Ok(match self.order {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(in crate::ipc) fn u32(&mut self) -> Result<u32, Malformed> {
        self.align(4);
        let bytes = self.array()?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(in crate::ipc) fn u64(&mut self) -> Result<u64, Malformed> {
        self.align(8);
        let bytes = self.array()?;
        Ok(match self.order {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        })
    }

    /// A number as wide as a pointer.
    // [MS-RPCE] 2.2.5.3.2.1
    pub(in crate::ipc) fn wide(&mut self) -> Result<u64, Malformed> {
        match self.syntax {
            Syntax::Ndr32 => self.u32().map(u64::from),
            Syntax::Ndr64 => self.u64(),
        }
    }

    /// A number of elements, of which no more are claimed than there are bytes.
    pub(in crate::ipc) fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.wide()?).map_err(|_| Malformed)?;
        if count <= self.rest().len() {
            Ok(count)
        } else {
            Err(Malformed)
        }
    }
}

/// Bytes for a client.
#[derive(Debug)]
pub(in crate::ipc) struct Encoder {
    bytes: BytesMut,
    order: ByteOrder,
    syntax: Syntax,
    last_referent: u32,
}

impl Encoder {
    /// An empty stub.
    pub(in crate::ipc) fn new(order: ByteOrder, syntax: Syntax) -> Self {
        Self {
            bytes: BytesMut::new(),
            order,
            syntax,
            last_referent: FIRST_REFERENT,
        }
    }

    pub(in crate::ipc) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// What has been written.
    pub(in crate::ipc) fn into_bytes(self) -> BytesMut {
        self.bytes
    }

    pub(in crate::ipc) fn align(&mut self, alignment: usize) {
        let length = self.bytes.len().next_multiple_of(alignment);
        self.bytes.resize(length, 0);
    }

    /// Fills up a structure of this alignment.
    // [MS-RPCE] 2.2.5.3.4.1
    pub(in crate::ipc) fn fill_trailing_gap(&mut self, alignment: usize) {
        if self.syntax == Syntax::Ndr64 {
            self.align(alignment);
        }
    }

    pub(in crate::ipc) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(in crate::ipc) fn u16(&mut self, value: u16) {
        self.align(2);
        match self.order {
            ByteOrder::Little => self.bytes.put_u16_le(value),
            ByteOrder::Big => self.bytes.put_u16(value),
        }
    }

    pub(in crate::ipc) fn u32(&mut self, value: u32) {
        self.align(4);
        match self.order {
            ByteOrder::Little => self.bytes.put_u32_le(value),
            ByteOrder::Big => self.bytes.put_u32(value),
        }
    }

    pub(in crate::ipc) fn u64(&mut self, value: u64) {
        self.align(8);
        match self.order {
            ByteOrder::Little => self.bytes.put_u64_le(value),
            ByteOrder::Big => self.bytes.put_u64(value),
        }
    }

    /// A number as wide as a pointer.
    pub(in crate::ipc) fn wide(&mut self, value: u64) {
        match self.syntax {
            Syntax::Ndr32 => self.u32(u32::try_from(value).unwrap_or(u32::MAX)),
            Syntax::Ndr64 => self.u64(value),
        }
    }

    /// A number of elements.
    pub(in crate::ipc) fn count(&mut self, count: usize) {
        self.wide(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A pointer to something that no other pointer points to.
    // [C706] 14.3.12.3
    pub(in crate::ipc) fn referent(&mut self) {
        self.last_referent = self.last_referent.wrapping_add(4);
        self.wide(self.last_referent.into());
    }
}

/// Where Windows' pointers begin to count.
const FIRST_REFERENT: u32 = 0x0002_0000;
