//! Arrays whose length is told with them.

use super::{Decoder, Encoder, Malformed, Ndr, Syntax};

/// A conformant array: the number of elements, then these. In a structure it is only ever pointed to.
// [C706] 14.3.3.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct Array<T>(pub Vec<T>);

impl<T> FromIterator<T> for Array<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<T: Ndr> Ndr for Array<T> {
    type InPlace = Vec<T::InPlace>;

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size().max(T::alignment(syntax))
    }

    fn encode(&self, out: &mut Encoder) {
        out.count(self.0.len());
        self.0.iter().for_each(|element| element.encode(out));
    }

    fn encode_referents(&self, out: &mut Encoder) {
        self.0
            .iter()
            .for_each(|element| element.encode_referents(out));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        let count = from.count()?;
        (0..count).map(|_| T::decode(from)).collect()
    }

    fn decode_referents(
        in_place: Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let elements = in_place
            .into_iter()
            .map(|element| T::decode_referents(element, from));
        elements.collect::<Result<_, _>>().map(Self)
    }
}

/// A conformant and varying array: the elements that are sent of those that there is room for.
// [C706] 14.3.3.4
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct Varying<T> {
    /// How many elements there is room for.
    pub room: u32,
    /// The first ones.
    pub elements: Vec<T>,
}

impl<T: Ndr> Ndr for Varying<T> {
    type InPlace = (u32, Vec<T::InPlace>);

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size().max(T::alignment(syntax))
    }

    fn encode(&self, out: &mut Encoder) {
        out.wide(self.room.into());
        out.wide(0);
        out.count(self.elements.len());
        self.elements.iter().for_each(|element| element.encode(out));
    }

    fn encode_referents(&self, out: &mut Encoder) {
        self.elements
            .iter()
            .for_each(|element| element.encode_referents(out));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        let room = u32::try_from(from.wide()?).map_err(|_| Malformed)?;
        let offset = from.wide()?;
        let count = from.count()?;
        let fits = usize::try_from(room).is_ok_and(|room| count <= room);
        if offset != 0 || !fits {
            return Err(Malformed);
        }
        let elements = (0..count)
            .map(|_| T::decode(from))
            .collect::<Result<_, _>>()?;
        Ok((room, elements))
    }

    fn decode_referents(
        (room, in_place): Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let elements = in_place
            .into_iter()
            .map(|element| T::decode_referents(element, from));
        let elements = elements.collect::<Result<_, _>>()?;
        Ok(Self { room, elements })
    }
}

/// A structure that ends with a conformant array, and tells its number of elements itself, too.
// [C706] 14.3.7.1
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct SizedArray<T>(pub Vec<T>);

impl<T: Ndr> Ndr for SizedArray<T> {
    type InPlace = Vec<T::InPlace>;

    fn alignment(syntax: Syntax) -> usize {
        Array::<T>::alignment(syntax)
    }

    fn encode(&self, out: &mut Encoder) {
        out.count(self.0.len());
        let alignment = T::alignment(out.syntax()).max(4);
        out.align(alignment);
        out.u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.iter().for_each(|element| element.encode(out));
        out.fill_trailing_gap(alignment);
    }

    fn encode_referents(&self, out: &mut Encoder) {
        self.0
            .iter()
            .for_each(|element| element.encode_referents(out));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        let count = from.count()?;
        let alignment = T::alignment(from.syntax()).max(4);
        from.align(alignment);
        if usize::try_from(from.u32()?) != Ok(count) {
            return Err(Malformed);
        }
        let elements = (0..count)
            .map(|_| T::decode(from))
            .collect::<Result<_, _>>()?;
        from.skip_trailing_gap(alignment);
        Ok(elements)
    }

    fn decode_referents(
        in_place: Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let elements = in_place
            .into_iter()
            .map(|element| T::decode_referents(element, from));
        elements.collect::<Result<_, _>>().map(Self)
    }
}
