//! The network data representation: NDR of 32 bits and NDR64, in both byte orders.
//!
//! Owns how values lie in a stub: alignment, counts, pointers and what they point to, unions, strings. A type says
//! what it is made of (`ndr_struct`, `ndr_union`) and gets both directions from that; a procedure's signature is a
//! tuple of such types ([`Parameters`]). Knows no procedure. Reading never allocates more than the bytes that it was
//! given can hold.
//!
//! Every value has two parts: what lies *in place*, and what pointers in it point to, which comes after the whole
//! structure or array that the pointers are in. So each direction has two steps, and what the first one of reading
//! leaves for the second is a type of its own, [`Ndr::InPlace`].

mod array;
mod coding;
mod declare;
mod pointer;
mod scalar;
mod text;

pub(super) use array::{Array, SizedArray, Varying};
pub(super) use coding::{ByteOrder, Decoder, Encoder, Malformed, Syntax};
pub(super) use declare::{ndr_struct, ndr_union};
pub(super) use scalar::{Empty, Enum16, Handle, Tag, Wide};
pub(super) use text::{BoundedText, Counted};

/// A type that has a representation.
pub(super) trait Ndr: Sized {
    /// What has been read in place, before what it points to.
    type InPlace;

    /// What the position of the part in place is a multiple of, in bytes.
    fn alignment(syntax: Syntax) -> usize;

    /// Writes the part in place.
    fn encode(&self, out: &mut Encoder);

    /// Writes what the part in place points to.
    fn encode_referents(&self, _out: &mut Encoder) {}

    /// Reads the part in place.
    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed>;

    /// Reads what the part in place points to.
    fn decode_referents(in_place: Self::InPlace, from: &mut Decoder<'_>)
    -> Result<Self, Malformed>;

    /// Writes both parts one behind the other.
    fn encode_whole(&self, out: &mut Encoder) {
        self.encode(out);
        self.encode_referents(out);
    }

    /// Reads both parts one behind the other.
    fn decode_whole(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let in_place = Self::decode(from)?;
        Self::decode_referents(in_place, from)
    }
}

/// The parameters of a procedure in one direction: each is complete before the next begins.
// [C706] 14.3.12.3
pub(super) trait Parameters: Sized {
    fn encode(&self, out: &mut Encoder);
    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed>;
}

macro_rules! parameters {
    ($($name:ident)*) => {
        impl<$($name: Ndr),*> Parameters for ($($name,)*) {
            #[allow(non_snake_case, unused_variables, reason = "the types' names stand for the values")]
            fn encode(&self, out: &mut Encoder) {
                let ($($name,)*) = self;
                $($name.encode_whole(out);)*
            }

            #[allow(unused_variables, reason = "there are procedures without parameters")]
            fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Ok(($($name::decode_whole(from)?,)*))
            }
        }
    };
}

parameters!();
parameters!(A);
parameters!(A B);
parameters!(A B C);
parameters!(A B C D);
parameters!(A B C D E);
parameters!(A B C D E F);
parameters!(A B C D E F G);
parameters!(A B C D E F G H);
parameters!(A B C D E F G H I);
parameters!(A B C D E F G H I J);
parameters!(A B C D E F G H I J K);

#[cfg(test)]
mod tests;
