//! The small tools that the structures of this module share: fixed layouts and chains of entries.

use crate::dtyp::{AccessMask, FileTime, Guid};
use crate::{DecodeError, FileId, Reader, Writer};

/// A field, or a structure of fields, whose size never varies.
pub(super) trait Field: Sized {
    /// Bytes on the wire.
    const SIZE: usize;

    /// Reads the field.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends the field.
    fn write(&self, out: &mut Writer<'_>);
}

/// Defines a structure of fields in wire order; `+ N` behind a field is N reserved bytes.
///
/// Gives `SIZE`, `decode` (from the first `SIZE` bytes) and `encode`.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $ty:ty, $(+ $reserved:literal,)?)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        impl $name {
            /// Bytes on the wire.
            pub const SIZE: usize = <Self as $crate::fscc::layout::Field>::SIZE;

            /// Reads the structure; what follows it is ignored, reserved bytes too.
            ///
            /// # Errors
            /// Fewer than [`Self::SIZE`] bytes.
            pub fn decode(bytes: &[u8]) -> Result<Self, $crate::DecodeError> {
                let mut reader = $crate::Reader::new(stringify!($name), bytes);
                <Self as $crate::fscc::layout::Field>::read(&mut reader)
            }

            /// Appends the structure.
            pub fn encode(&self, out: &mut $crate::Writer<'_>) {
                $crate::fscc::layout::Field::write(self, out);
            }
        }

        impl $crate::fscc::layout::Field for $name {
            const SIZE: usize =
                0 $(+ <$ty as $crate::fscc::layout::Field>::SIZE $(+ $reserved)?)*;

            fn read(reader: &mut $crate::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                $(
                    let $field = <$ty as $crate::fscc::layout::Field>::read(reader)?;
                    $(reader.skip($reserved)?;)?
                )*
                Ok(Self { $($field),* })
            }

            fn write(&self, out: &mut $crate::Writer<'_>) {
                $(
                    $crate::fscc::layout::Field::write(&self.$field, out);
                    $(out.zeros($reserved);)?
                )*
            }
        }
    };
}

/// Makes a newtype of flags or named values a field.
macro_rules! newtype_field {
    ($($name:ty: $int:ident, $from:path, $into:expr;)*) => {$(
        impl $crate::fscc::layout::Field for $name {
            const SIZE: usize = size_of::<$int>();

            fn read(reader: &mut $crate::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                reader.$int().map($from)
            }

            fn write(&self, out: &mut $crate::Writer<'_>) {
                out.$int($into(*self));
            }
        }
    )*};
}

pub(super) use {newtype_field, wire_struct};

newtype_field! {
    u8: u8, std::convert::identity, std::convert::identity;
    u16: u16, std::convert::identity, std::convert::identity;
    u32: u32, std::convert::identity, std::convert::identity;
    u64: u64, std::convert::identity, std::convert::identity;
    FileTime: u64, FileTime, |time: FileTime| time.0;
    AccessMask: u32, AccessMask::from_bits, AccessMask::bits;
}

impl Field for i64 {
    const SIZE: usize = 8;

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self::from_le_bytes)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.to_le_bytes());
    }
}

// [MS-FSCC] 2.1.8
impl Field for bool {
    const SIZE: usize = 1;

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u8().map(|value| value != 0)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.u8((*self).into());
    }
}

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(self);
    }
}

impl Field for Guid {
    const SIZE: usize = 16;

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }
}

impl Field for FileId {
    const SIZE: usize = Self::SIZE;

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::read(reader)
    }

    fn write(&self, out: &mut Writer<'_>) {
        Self::write(*self, out);
    }
}

/// Appends units, little-endian, in pieces: names are the bulk of a directory listing.
pub(super) fn write_units(units: &[u16], out: &mut Writer<'_>) {
    for piece in units.chunks(PIECE) {
        let mut bytes = [[0; 2]; PIECE];
        for (pair, unit) in bytes.iter_mut().zip(piece) {
            *pair = unit.to_le_bytes();
        }
        let bytes = bytes.as_flattened();
        out.bytes(bytes.get(..piece.len().saturating_mul(2)).unwrap_or(bytes));
    }
}

const PIECE: usize = 32;

/// A list of entries that begin with the offset of the next one.
#[derive(Debug)]
pub(super) struct Chain {
    /// Where the list begins in the writer.
    start: usize,
    /// How many bytes it may take.
    room: usize,
    alignment: usize,
    /// Where the last entry begins in the writer.
    last: Option<usize>,
}

impl Chain {
    /// A list of at most `room` bytes at the end of `out`; each entry begins at a multiple of
    /// `alignment`, counted from the start of the list.
    pub(super) fn new(out: &Writer<'_>, room: usize, alignment: usize) -> Self {
        Self {
            start: out.position(),
            room,
            alignment,
            last: None,
        }
    }

    /// Whether the list has no entry yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// How many bytes an entry may take that begins now.
    pub(super) fn left(&self, out: &Writer<'_>) -> usize {
        self.room.saturating_sub(self.next_offset(out))
    }

    /// Begins an entry of `size` bytes if it fits: pads, links the entry before, and appends the
    /// NextEntryOffset of this one, zero until the next entry begins.
    #[must_use]
    pub(super) fn begin(&mut self, out: &mut Writer<'_>, size: usize) -> bool {
        if size > self.left(out) {
            return false;
        }
        let at = self.start.saturating_add(self.next_offset(out));
        out.zeros(at.saturating_sub(out.position()));
        if let Some(last) = self.last.replace(at) {
            out.patch_size32(last, at.saturating_sub(last));
        }
        out.u32(0);
        true
    }

    fn next_offset(&self, out: &Writer<'_>) -> usize {
        let used = out.position().saturating_sub(self.start);
        used.checked_next_multiple_of(self.alignment)
            .unwrap_or(used)
    }
}

/// Walks a list of entries that begin with the offset of the next one.
///
/// Yields for each entry a reader of its bytes, behind NextEntryOffset. The walk ends after an
/// error.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    what: &'static str,
    rest: Option<&'a [u8]>,
    /// Where `rest` begins, for errors.
    at: usize,
    alignment: usize,
}

impl<'a> Entries<'a> {
    /// Walks `bytes`; none means no entry.
    pub(super) fn new(what: &'static str, bytes: &'a [u8], alignment: usize) -> Self {
        Self {
            what,
            rest: Some(bytes).filter(|bytes| !bytes.is_empty()),
            at: 0,
            alignment,
        }
    }

    fn entry(&mut self, bytes: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
        let error = DecodeError {
            what: self.what,
            at: self.at,
        };
        let next = Reader::new(self.what, bytes).size32().map_err(|_| error)?;
        let entry = match next {
            0 => bytes,
            _ if next < 4 || next.checked_rem(self.alignment) != Some(0) => return Err(error),
            _ => {
                let (entry, rest) = bytes.split_at_checked(next).ok_or(error)?;
                self.rest = Some(rest);
                self.at = self.at.saturating_add(next);
                entry
            }
        };
        let mut reader = Reader::new(self.what, entry);
        reader.skip(4)?;
        Ok(reader)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Reader<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.rest.take()?;
        Some(self.entry(bytes))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_pads_links_and_stops_at_its_room() {
        let mut out = BytesMut::new();
        let mut out = Writer::new(&mut out);
        out.u8(9);
        let mut chain = Chain::new(&out, 20, 8);
        assert!(chain.is_empty() && chain.begin(&mut out, 5));
        out.u8(1);
        assert!(chain.begin(&mut out, 4));
        assert!(!chain.begin(&mut out, 5), "16 + 5 > 20");
        assert_eq!(chain.left(&out), 4);
        assert!(chain.begin(&mut out, 4));
        assert!(!chain.begin(&mut out, 4), "24 + 4 > 20");
    }

    #[test]
    fn a_walk_yields_what_a_chain_wrote() {
        let mut bytes = BytesMut::new();
        let mut out = Writer::new(&mut bytes);
        let mut chain = Chain::new(&out, 100, 8);
        for value in 1..=3 {
            assert!(chain.begin(&mut out, 5));
            out.u8(value);
        }
        let values: Result<Vec<u8>, _> = Entries::new("test", &bytes, 8)
            .map(|entry| entry.and_then(|mut entry| entry.u8()))
            .collect();
        assert_eq!(values, Ok(vec![1, 2, 3]));
        assert_eq!(bytes.len(), 21);
    }

    #[test]
    fn a_walk_refuses_offsets_that_lead_nowhere() {
        for bytes in [
            &[0, 0, 0][..],
            &[3, 0, 0, 0],
            &[4, 0, 0, 0],
            &[9, 0, 0, 0, 1],
            &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(
                Entries::new("test", bytes, 4).any(|entry| entry.is_err()),
                "{bytes:?}"
            );
        }
        assert_eq!(Entries::new("test", &[], 4).count(), 0);
    }

    #[test]
    fn units_are_written_whole_across_pieces() {
        let units: Vec<u16> = (0..100).collect();
        let mut out = BytesMut::new();
        write_units(&units, &mut Writer::new(&mut out));
        let expected: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        assert_eq!(&out[..], &expected);
    }

    proptest! {
        #[test]
        fn every_walk_ends(bytes: Vec<u8>) {
            prop_assert!(Entries::new("test", &bytes, 4).count() <= bytes.len() / 4 + 1);
        }
    }
}
