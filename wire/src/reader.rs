//! Reads little-endian fields from bytes that a peer sent, checking each step.
//!
//! Nothing here panics, allocates or looks at what a value means.

use bytes::Bytes;

use crate::header::Header;
use crate::{DecodeError, Utf16String};

/// A position in a byte slice, with the name of the structure that is being read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start; `what` names the structure in errors.
    #[must_use]
    pub const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            what,
            bytes,
            position: 0,
        }
    }

    /// Reads the body of a whole SMB2 message: starts behind the header and checks StructureSize.
    ///
    /// # Errors
    /// The message is shorter than that, or StructureSize is another.
    #[inline]
    pub fn body(
        what: &'static str,
        message: &'a [u8],
        structure_size: u16,
    ) -> Result<Self, DecodeError> {
        let mut reader = Self {
            what,
            bytes: message,
            position: Header::SIZE,
        };
        reader.structure_size(structure_size)?;
        Ok(reader)
    }

    /// The same bytes, read from `position`.
    ///
    /// # Errors
    /// `position` is behind the end.
    pub fn at(&self, position: usize) -> Result<Self, DecodeError> {
        if position > self.bytes.len() {
            return Err(self.error());
        }
        Ok(Self { position, ..*self })
    }

    /// Where the next byte will be read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// The error "malformed" for this structure at this position.
    #[must_use]
    pub const fn error(&self) -> DecodeError {
        DecodeError {
            what: self.what,
            at: self.position,
        }
    }

    /// The error "malformed" for a named part of this structure at this position.
    #[must_use]
    pub const fn error_in(&self, what: &'static str) -> DecodeError {
        DecodeError {
            what,
            at: self.position,
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.first_chunk::<N>() {
            Some(chunk) => {
                self.position = self.position.saturating_add(N);
                Ok(*chunk)
            }
            None => Err(self.error()),
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.get(..count) {
            Some(bytes) => {
                self.position = self.position.saturating_add(count);
                Ok(bytes)
            }
            None => Err(self.error()),
        }
    }

    /// All the bytes that are left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.bytes(count).map(drop)
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes as a number.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes as a number.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next two bytes as an offset or a length.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn size16(&mut self) -> Result<usize, DecodeError> {
        self.u16().map(usize::from)
    }

    /// The next four bytes as an offset or a length.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn size32(&mut self) -> Result<usize, DecodeError> {
        let value = self.u32()?;
        usize::try_from(value).map_err(|_| self.error())
    }

    /// The next `count` items of `N` bytes each, checked to be there before any is looked at.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn items<const N: usize>(
        &mut self,
        count: usize,
    ) -> Result<impl ExactSizeIterator<Item = &'a [u8; N]> + use<'a, N>, DecodeError> {
        let length = count.checked_mul(N).ok_or_else(|| self.error())?;
        let (items, _) = self.bytes(length)?.as_chunks::<N>();
        Ok(items.iter())
    }

    /// Reads a StructureSize, which must be `expected`.
    ///
    /// # Errors
    /// It is another, or missing.
    #[inline]
    pub fn structure_size(&mut self, expected: u16) -> Result<(), DecodeError> {
        let at = self.position;
        if self.u16()? == expected {
            Ok(())
        } else {
            Err(DecodeError {
                what: self.what,
                at,
            })
        }
    }

    /// Passes over padding up to the next multiple of `alignment`, or to the end if that comes first.
    pub fn align(&mut self, alignment: usize) {
        let aligned = self
            .position
            .checked_next_multiple_of(alignment)
            .unwrap_or(usize::MAX);
        self.position = aligned.min(self.bytes.len());
    }
}

/// Cuts a variable part out of a message without copying it.
///
/// `offset` counts from the start of `message` and must not lie in front of `first`, where the fixed part
/// ends. The offset of an empty part means nothing, as clients send 0 there or anything else.
///
/// # Errors
/// The part is not empty and begins in front of `first` or leaves the message.
#[inline]
pub fn slice(
    what: &'static str,
    message: &Bytes,
    first: usize,
    offset: usize,
    length: usize,
) -> Result<Bytes, DecodeError> {
    if length == 0 {
        return Ok(Bytes::new());
    }
    match offset.checked_add(length) {
        Some(end) if offset >= first && end <= message.len() => Ok(message.slice(offset..end)),
        _ => Err(DecodeError { what, at: offset }),
    }
}

/// As [`slice()`], but borrowed: for parts that are turned into something else at once.
///
/// # Errors
/// As [`slice()`].
#[inline]
pub fn part<'a>(
    what: &'static str,
    message: &'a [u8],
    first: usize,
    offset: usize,
    length: usize,
) -> Result<&'a [u8], DecodeError> {
    if length == 0 {
        return Ok(&[]);
    }
    let error = DecodeError { what, at: offset };
    let end = offset.checked_add(length).ok_or(error)?;
    if offset < first {
        return Err(error);
    }
    message.get(offset..end).ok_or(error)
}

/// As [`part`], read as a string.
///
/// # Errors
/// As [`slice()`], or the length is odd.
#[inline]
pub fn string(
    what: &'static str,
    message: &[u8],
    first: usize,
    offset: usize,
    length: usize,
) -> Result<Utf16String, DecodeError> {
    let bytes = part(what, message, first, offset, length)?;
    Utf16String::decode(bytes).map_err(|_| DecodeError { what, at: offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_advance_the_position() {
        let mut reader = Reader::new("test", &[1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.remaining(), 0);
        assert_eq!(
            reader.u8(),
            Err(DecodeError {
                what: "test",
                at: 15
            })
        );
    }

    #[test]
    fn a_failed_read_stays_where_it_was() {
        let mut reader = Reader::new("test", &[1, 2, 3]);
        assert!(reader.u32().is_err());
        assert!(reader.bytes(usize::MAX).is_err());
        assert_eq!(reader.position(), 0);
        assert_eq!(reader.bytes(3), Ok(&[1, 2, 3][..]));
    }

    #[test]
    fn a_body_shorter_than_the_header_is_an_error_not_a_panic() {
        assert!(Reader::body("test", &[], 4).is_err());
        assert!(Reader::body("test", &[0; 64], 4).is_err());
    }

    #[test]
    fn alignment_stops_at_the_end() {
        let mut reader = Reader::new("test", &[0; 11]);
        reader.align(8);
        assert_eq!(reader.position(), 0);
        reader.u8().unwrap();
        reader.align(8);
        assert_eq!(reader.position(), 8);
        reader.u8().unwrap();
        reader.align(8);
        assert_eq!(reader.position(), 11);
    }

    #[test]
    fn slices_must_lie_between_the_fixed_part_and_the_end() {
        let message = Bytes::from_static(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(slice("test", &message, 2, 2, 4).unwrap(), &[2, 3, 4, 5][..]);
        assert_eq!(slice("test", &message, 2, 999, 0).unwrap(), &[][..]);
        assert!(slice("test", &message, 2, 1, 4).is_err());
        assert!(slice("test", &message, 2, 3, 4).is_err());
        assert!(slice("test", &message, 2, usize::MAX, 4).is_err());
        assert!(part("test", &message, 2, usize::MAX, 4).is_err());
        assert_eq!(part("test", &message, 2, 5, 1).unwrap(), &[5]);
    }
}
