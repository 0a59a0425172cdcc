//! Numbers, and what is as simple as they are.

use wire::dtyp::{FileTime, Guid};

use super::{Decoder, Encoder, Malformed, Ndr, Syntax};

macro_rules! scalar {
    ($type:ty, $size:literal, $read:ident, $write:ident) => {
        impl Ndr for $type {
            type InPlace = Self;

            fn alignment(_: Syntax) -> usize {
                $size
            }

            fn encode(&self, out: &mut Encoder) {
                out.$write(*self);
            }

            fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                from.$read()
            }

            fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Ok(value)
            }
        }
    };
}

scalar!(u16, 2, u16, u16);
scalar!(u32, 4, u32, u32);
scalar!(u64, 8, u64, u64);

impl Ndr for u8 {
    type InPlace = Self;

    fn alignment(_: Syntax) -> usize {
        1
    }

    fn encode(&self, out: &mut Encoder) {
        out.bytes(&[*self]);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.u8()
    }

    fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(value)
    }
}

/// Types whose two parts are one: nothing in them points anywhere.
macro_rules! plain {
    ($type:ty, $alignment:expr, |$value:ident, $out:ident| $encode:expr, |$from:ident| $decode:expr) => {
        impl Ndr for $type {
            type InPlace = Self;

            fn alignment(syntax: Syntax) -> usize {
                let alignment: fn(Syntax) -> usize = $alignment;
                alignment(syntax)
            }

            fn encode(&self, $out: &mut Encoder) {
                let $value = self;
                $encode
            }

            fn decode($from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                $decode
            }

            fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Ok(value)
            }
        }
    };
}

// [MS-DTYP] 2.3.3
// Two halves, the lower one first.
plain!(
    FileTime,
    |_| 4,
    |value, out| {
        let (low, high) = halves(value.0);
        out.u32(low);
        out.u32(high);
    },
    |from| {
        let (low, high) = (from.u32()?, from.u32()?);
        Ok(FileTime(u64::from(high) << 32 | u64::from(low)))
    }
);

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

/// A number as wide as a pointer, such as a count that stands in a structure.
// [MS-RPCE] 2.2.5.3.2.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Wide(pub u64);

plain!(
    Wide,
    Syntax::pointer_size,
    |value, out| out.wide(value.0),
    |from| from.wide().map(Wide)
);

/// A value of an enumeration: 16 bits, but 32 in NDR64.
// [MS-RPCE] 2.2.5.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Enum16(pub u16);

plain!(
    Enum16,
    |syntax| match syntax {
        Syntax::Ndr32 => 2,
        Syntax::Ndr64 => 4,
    },
    |value, out| match out.syntax() {
        Syntax::Ndr32 => out.u16(value.0),
        Syntax::Ndr64 => out.u32(value.0.into()),
    },
    |from| match from.syntax() {
        Syntax::Ndr32 => from.u16().map(Enum16),
        Syntax::Ndr64 => u16::try_from(from.u32()?)
            .map(Enum16)
            .map_err(|_| Malformed),
    }
);

/// What selects the arm of a union.
pub(in crate::ipc) trait Tag: Ndr + Copy {
    fn of(number: u32) -> Self;
    fn number(self) -> u32;
}

impl Tag for u32 {
    fn of(number: u32) -> Self {
        number
    }

    fn number(self) -> u32 {
        self
    }
}

impl Tag for u16 {
    fn of(number: u32) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }

    fn number(self) -> u32 {
        self.into()
    }
}

impl Tag for Enum16 {
    fn of(number: u32) -> Self {
        Self(Tag::of(number))
    }

    fn number(self) -> u32 {
        self.0.into()
    }
}

/// A context handle: attributes, which are always zero, and what tells it from others.
// [C706] 14.2.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ipc) struct Handle {
    /// context_handle_attributes.
    pub attributes: u32,
    /// context_handle_uuid: opaque to whoever did not make it, so its bytes are kept in the order they came in.
    pub id: [u8; 16],
}

impl Handle {
    /// No handle.
    pub(in crate::ipc) const NULL: Self = Self {
        attributes: 0,
        id: [0; 16],
    };
}

plain!(
    Handle,
    |_| 4,
    |value, out| {
        out.u32(value.attributes);
        encode_id(value.id, out);
    },
    |from| {
        let attributes = from.u32()?;
        let id = decode_id(from)?;
        Ok(Handle { attributes, id })
    }
);

plain!(Guid, |_| 4, |value, out| encode_id(value.0, out), |from| {
    decode_id(from).map(Guid::from)
});

/// An identifier, whose bytes are those that little-endian machines write.
fn encode_id([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16], out: &mut Encoder) {
    out.u32(u32::from_le_bytes([a, b, c, d]));
    out.u16(u16::from_le_bytes([e, f]));
    out.u16(u16::from_le_bytes([g, h]));
    out.bytes(&rest);
}

fn decode_id(from: &mut Decoder<'_>) -> Result<[u8; 16], Malformed> {
    let [a, b, c, d] = from.u32()?.to_le_bytes();
    let [e, f] = from.u16()?.to_le_bytes();
    let [g, h] = from.u16()?.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = from.array()?;
    Ok([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// The arm of a union that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Empty;

plain!(Empty, |_| 1, |_value, _out| (), |_from| Ok(Empty));

impl<T: Ndr, const N: usize> Ndr for [T; N] {
    type InPlace = Vec<T::InPlace>;

    fn alignment(syntax: Syntax) -> usize {
        T::alignment(syntax)
    }

    fn encode(&self, out: &mut Encoder) {
        self.iter().for_each(|element| element.encode(out));
    }

    fn encode_referents(&self, out: &mut Encoder) {
        self.iter()
            .for_each(|element| element.encode_referents(out));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        (0..N).map(|_| T::decode(from)).collect()
    }

    fn decode_referents(
        in_place: Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let elements = in_place
            .into_iter()
            .map(|element| T::decode_referents(element, from));
        let elements: Vec<T> = elements.collect::<Result<_, _>>()?;
        elements.try_into().map_err(|_| Malformed)
    }
}
