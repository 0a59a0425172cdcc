//! Globally unique identifiers.

use std::fmt;
use std::str::FromStr;

/// A GUID in the order of its bytes on the wire: the first three fields are little-endian.
// [MS-DTYP] 2.3.4.2
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The GUID of zeros, which stands for none.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is [`Guid::ZERO`].
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The bytes in the order of the text form, or back.
    const fn swapped(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }
}

impl From<[u8; 16]> for Guid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.swapped().into_iter().enumerate() {
            let separator = if DASH_BEFORE.contains(&position) {
                "-"
            } else {
                ""
            };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = ParseGuidError;

    /// Reads the text form, in or without braces, in either case.
    // [MS-DTYP] 2.3.4.3
    fn from_str(text: &str) -> Result<Self, ParseGuidError> {
        let bare = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(text);
        let mut digits = bare.bytes();
        let mut bytes = [0; 16];
        for (position, byte) in bytes.iter_mut().enumerate() {
            if DASH_BEFORE.contains(&position) && digits.next() != Some(b'-') {
                return Err(ParseGuidError);
            }
            let high = digits.next().and_then(hex_value).ok_or(ParseGuidError)?;
            let low = digits.next().and_then(hex_value).ok_or(ParseGuidError)?;
            *byte = high << 4 | low;
        }
        match digits.next() {
            None => Ok(Self(Self(bytes).swapped())),
            Some(_) => Err(ParseGuidError),
        }
    }
}

/// The text is not a GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseGuidError;

impl fmt::Display for ParseGuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a GUID of the form 00112233-4455-6677-8899-aabbccddeeff")
    }
}

impl std::error::Error for ParseGuidError {}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// The byte positions of the text form that follow a dash.
const DASH_BEFORE: [usize; 4] = [4, 6, 8, 10];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_three_fields_are_little_endian_on_the_wire() {
        let guid: Guid = "{00112233-4455-6677-8899-AABBCCDDEEFF}".parse().unwrap();
        let wire = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        assert_eq!(guid.0, wire);
        assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn text_that_is_no_guid_is_refused() {
        for text in [
            "",
            "{}",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeefff",
            "{00112233-4455-6677-8899-aabbccddeeff",
            "001122334455-6677-8899-aabbccddeeff",
            "0011223g-4455-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(ParseGuidError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_thing(bytes: [u8; 16]) {
            prop_assert_eq!(Guid(bytes).to_string().parse(), Ok(Guid(bytes)));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<Guid>();
        }
    }
}
