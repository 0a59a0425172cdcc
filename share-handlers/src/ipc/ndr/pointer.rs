//! Pointers: what they point to comes later, see [`super`].

use super::{Decoder, Encoder, Malformed, Ndr, Syntax};

/// A unique pointer: to something that nothing else points to, or null.
// [C706] 14.3.11.1
impl<T: Ndr> Ndr for Option<T> {
    /// Whether there is something.
    type InPlace = bool;

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size()
    }

    fn encode(&self, out: &mut Encoder) {
        match self {
            None => out.wide(0),
            Some(_) => out.referent(),
        }
    }

    fn encode_referents(&self, out: &mut Encoder) {
        if let Some(value) = self {
            value.encode_whole(out);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<bool, Malformed> {
        Ok(from.wide()? != 0)
    }

    fn decode_referents(is_there: bool, from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        is_there.then(|| T::decode_whole(from)).transpose()
    }
}
