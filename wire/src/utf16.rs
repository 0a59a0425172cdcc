//! Strings as they are on the wire: UTF-16, little-endian, unpaired surrogates included.
//!
//! This module owns the string and its bytes; it never folds case, nor knows what a name may contain.

use std::fmt;

use crate::{DecodeError, Writer};

/// A string of UTF-16 units that need not be valid Unicode: NTFS allows any, and clients send any.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf16String(Vec<u16>);

impl Utf16String {
    /// The empty string.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes units as they are.
    #[must_use]
    pub const fn from_units(units: Vec<u16>) -> Self {
        Self(units)
    }

    /// Reads little-endian units.
    ///
    /// # Errors
    /// The number of bytes is odd.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (units, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(DecodeError {
                what: "UTF-16 string",
                at: bytes.len(),
            });
        }
        Ok(Self(
            units.iter().map(|unit| u16::from_le_bytes(*unit)).collect(),
        ))
    }

    /// Appends the units, little-endian, without a terminator.
    pub fn encode(&self, out: &mut Writer<'_>) {
        for unit in &self.0 {
            out.u16(*unit);
        }
    }

    /// The units.
    #[must_use]
    pub fn as_units(&self) -> &[u16] {
        &self.0
    }

    /// The units, taken out.
    #[must_use]
    pub fn into_units(self) -> Vec<u16> {
        self.0
    }

    /// How many bytes the string takes on the wire.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.0.len().saturating_mul(2)
    }

    /// Whether there is no unit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The string with U+FFFD for each unpaired surrogate.
    #[must_use]
    pub fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }
}

impl From<&str> for Utf16String {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl fmt::Display for Utf16String {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        char::decode_utf16(self.0.iter().copied())
            .try_for_each(|unit| f.write_char(unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
    }
}

impl fmt::Debug for Utf16String {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn unpaired_surrogates_survive_the_round_trip() {
        let bytes = [0x41, 0x00, 0x00, 0xd8, 0x42, 0x00];
        let string = Utf16String::decode(&bytes).unwrap();
        assert_eq!(string.as_units(), &[0x41, 0xd800, 0x42]);
        assert_eq!(string.len_bytes(), 6);
        let mut out = BytesMut::new();
        string.encode(&mut Writer::new(&mut out));
        assert_eq!(&out[..], &bytes);
    }

    #[test]
    fn an_odd_number_of_bytes_is_an_error() {
        assert!(Utf16String::decode(&[0x41, 0x00, 0x42]).is_err());
    }

    #[test]
    fn display_replaces_what_is_not_unicode_and_debug_quotes() {
        let string = Utf16String::from_units(vec![0x61, 0xdc00]);
        assert_eq!(string.to_string(), "a\u{fffd}");
        assert_eq!(string.to_string_lossy(), "a\u{fffd}");
        assert_eq!(format!("{:?}", Utf16String::from("a\"b")), "\"a\\\"b\"");
    }
}
