//! As much of DER as SPNEGO is made of: tags of one byte and definite lengths.
//!
//! Lengths that are longer than they need be are read, as some clients write them; none is written.

use wire::DecodeError;

/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// GeneralString.
pub const GENERAL_STRING: u8 = 0x1b;
/// `[APPLICATION 0]`, around a mechanism's first token.
pub const APPLICATION_0: u8 = 0x60;

/// The tag of `[number]` around another value; `number` is below 31.
#[must_use]
pub const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Values one after another.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    total: usize,
}

/// A value: its tag, its contents, and the whole of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The tag.
    pub tag: u8,
    /// What is behind tag and length.
    pub contents: &'a [u8],
    /// Tag, length and contents.
    pub whole: &'a [u8],
}

impl<'a> Values<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// The next value; none at the end.
    ///
    /// # Errors
    /// Its length is indefinite, needs more than three bytes, or leaves the bytes.
    pub fn next_value(&mut self) -> Result<Option<Value<'a>>, DecodeError> {
        let whole = self.rest;
        let Some((tag, rest)) = whole.split_first() else {
            return Ok(None);
        };
        let (length, rest) = read_length(rest).ok_or_else(|| self.error())?;
        let (contents, rest) = rest.split_at_checked(length).ok_or_else(|| self.error())?;
        let whole = whole.split_at_checked(whole.len().saturating_sub(rest.len()));
        self.rest = rest;
        Ok(whole.map(|(whole, _)| Value {
            tag: *tag,
            contents,
            whole,
        }))
    }

    /// The next value, which must be there and have that tag.
    ///
    /// # Errors
    /// It is not there, has another tag, or is malformed.
    pub fn expect(&mut self, tag: u8) -> Result<Value<'a>, DecodeError> {
        let error = self.error();
        self.next_value()?
            .filter(|value| value.tag == tag)
            .ok_or(error)
    }

    const fn error(&self) -> DecodeError {
        DecodeError {
            what: "SPNEGO token",
            at: self.total.saturating_sub(self.rest.len()),
        }
    }
}

/// Encodes a value from the pieces of its contents.
#[must_use]
pub fn encode(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length = contents
        .iter()
        .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
    let mut bytes = Vec::with_capacity(length.saturating_add(6));
    bytes.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => bytes.push(short),
        Ok(byte) => bytes.extend([0x81, byte]),
        Err(_) => {
            // Tokens travel in fields of 16 bits; three bytes are more than any has.
            let [.., a, b, c] = length.to_be_bytes();
            if a == 0 {
                bytes.extend([0x82, b, c]);
            } else {
                bytes.extend([0x83, a, b, c]);
            }
        }
    }
    contents.iter().for_each(|piece| bytes.extend(*piece));
    bytes
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [length @ 0..=0x7f, ref rest @ ..] => Some((length.into(), rest)),
        [0x81, a, ref rest @ ..] => Some((a.into(), rest)),
        [0x82, a, b, ref rest @ ..] => Some((u16::from_be_bytes([a, b]).into(), rest)),
        [0x83, a, b, c, ref rest @ ..] => Some((
            usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?,
            rest,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_written_as_short_as_they_can_be() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (70_000, &[4, 0x83, 1, 0x11, 0x70]),
        ] {
            let contents = vec![7; length];
            let bytes = encode(OCTET_STRING, &[&contents]);
            assert!(bytes.starts_with(head), "{length}");
            let value = Values::new(&bytes).expect(OCTET_STRING).unwrap();
            assert_eq!((value.contents, value.whole), (&contents[..], &bytes[..]));
        }
    }

    #[test]
    fn indefinite_and_overlong_lengths_are_malformed() {
        for bytes in [
            &[4, 0x80, 0, 0][..],
            &[4, 0x84, 0, 0, 0, 1, 9],
            &[4, 5, 1],
            &[4],
            &[4, 0x82, 1],
        ] {
            assert!(Values::new(bytes).next_value().is_err(), "{bytes:?}");
        }
        assert_eq!(Values::new(&[]).next_value(), Ok(None));
        assert!(Values::new(&[]).expect(OCTET_STRING).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_values_or_malformed(bytes: Vec<u8>) {
            let mut values = Values::new(&bytes);
            let mut read = 0;
            while let Ok(Some(value)) = values.next_value() {
                read += value.whole.len();
            }
            prop_assert!(read <= bytes.len());
        }
    }
}
