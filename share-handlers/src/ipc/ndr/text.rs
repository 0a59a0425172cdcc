//! Strings in the forms that interfaces use.

use wire::Utf16String;

use super::{Decoder, Encoder, Malformed, Ndr, Syntax, Varying, ndr_struct};

/// A string that ends with its first NUL: conformant and varying.
// [C706] 14.3.4.2
impl Ndr for Utf16String {
    type InPlace = Self;

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size()
    }

    fn encode(&self, out: &mut Encoder) {
        let count = self.as_units().len() + 1;
        out.count(count);
        out.wide(0);
        out.count(count);
        for unit in self.as_units().iter().chain(&[0]) {
            out.u16(*unit);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut units = Varying::<u16>::decode_whole(from)?.elements;
        let length = units.iter().position(|unit| *unit == 0);
        units.truncate(length.unwrap_or(units.len()));
        Ok(Self::from_units(units))
    }

    fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(value)
    }
}

ndr_struct! {
    /// RPC_UNICODE_STRING as it lies there.
    // [MS-DTYP] 2.3.10
    struct CountedParts {
        /// Bytes of the string.
        length: u16,
        /// Bytes that there is room for.
        maximum: u16,
        buffer: Option<Varying<u16>>,
    }
}

/// RPC_UNICODE_STRING: a string that is counted and has no end mark. A null buffer is an empty string.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ipc) struct Counted(pub Utf16String);

impl From<&str> for Counted {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Counted {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl Counted {
    fn parts(&self) -> CountedParts {
        let units = self.0.as_units();
        // What is longer than its length can tell is cut.
        let units = units.get(..units.len().min(LONGEST)).unwrap_or_default();
        let count = u16::try_from(units.len()).unwrap_or_default();
        CountedParts {
            length: count * 2,
            maximum: count * 2,
            buffer: Some(Varying {
                room: count.into(),
                elements: units.to_vec(),
            }),
        }
    }
}

impl Ndr for Counted {
    type InPlace = (u16, u16, bool);

    fn alignment(syntax: Syntax) -> usize {
        CountedParts::alignment(syntax)
    }

    fn encode(&self, out: &mut Encoder) {
        self.parts().encode(out);
    }

    fn encode_referents(&self, out: &mut Encoder) {
        self.parts().encode_referents(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        CountedParts::decode(from)
    }

    fn decode_referents(
        in_place: Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let parts = CountedParts::decode_referents(in_place, from)?;
        let Some(buffer) = parts.buffer else {
            // Neither has a string without a buffer a length.
            return if parts.length == 0 {
                Ok(Self::default())
            } else {
                Err(Malformed)
            };
        };
        if usize::from(parts.length) != buffer.elements.len() * 2 || parts.length > parts.maximum {
            return Err(Malformed);
        }
        Ok(Self(Utf16String::from_units(buffer.elements)))
    }
}

/// A string of bytes in an array of fixed length: varying, and ended by a NUL.
// [C706] 14.3.4.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct BoundedText(pub String);

impl Ndr for BoundedText {
    type InPlace = Self;

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size()
    }

    fn encode(&self, out: &mut Encoder) {
        out.wide(0);
        out.count(self.0.len() + 1);
        out.bytes(self.0.as_bytes());
        out.bytes(&[0]);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        if from.wide()? != 0 {
            return Err(Malformed);
        }
        let count = from.count()?;
        let bytes = (0..count).map(|_| from.u8());
        let mut bytes = bytes.collect::<Result<Vec<_>, _>>()?;
        let length = bytes.iter().position(|byte| *byte == 0);
        bytes.truncate(length.unwrap_or(bytes.len()));
        Ok(Self(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(value)
    }
}

/// Units of the longest [`Counted`].
const LONGEST: usize = 0x7fff;

/// RPC_SID: its number of sub-authorities stands in front of it, too.
// [MS-DTYP] 2.4.2.3
impl Ndr for wire::dtyp::Sid {
    type InPlace = Self;

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size()
    }

    fn encode(&self, out: &mut Encoder) {
        let parts = self.sub_authorities();
        out.count(parts.len());
        out.bytes(&[1, u8::try_from(parts.len()).unwrap_or_default()]);
        out.bytes(&self.authority());
        parts.iter().for_each(|part| out.u32(*part));
        out.fill_trailing_gap(4);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let count = from.count()?;
        let [revision, repeated] = from.array()?;
        if revision != 1 || usize::from(repeated) != count {
            return Err(Malformed);
        }
        let authority = from.array()?;
        let parts = (0..count).map(|_| from.u32());
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Self::new(authority, &parts).ok_or(Malformed)
    }

    fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(value)
    }
}
