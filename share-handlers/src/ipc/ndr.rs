//! The 32-bit network data representation, as far as the services here need it.
//!
//! Owns alignment, byte order, strings and pointers; knows no procedure. Reading never allocates more than the bytes
//! that it was given can hold. What is written is declared as [`Row`]s: structures of numbers and strings.

use bytes::{BufMut, BytesMut};
use wire::Utf16String;

/// Bytes that are not what the procedure takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The order of the bytes of a number.
// [C706] 14.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The first byte counts least.
    Little,
    /// The first byte counts most.
    Big,
}

/// A position in the bytes that a client sent.
#[derive(Debug, Clone)]
pub(super) struct NdrReader<'a> {
    bytes: &'a [u8],
    at: usize,
    order: ByteOrder,
}

impl<'a> NdrReader<'a> {
    /// Reads `bytes` from their start, which is where alignment counts from.
    pub(super) fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self {
            bytes,
            at: 0,
            order,
        }
    }

    /// All bytes that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.align(2);
        let bytes = self.array()?;
        Ok(match self.order {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.align(4);
        let bytes = self.array()?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.rest().first_chunk().ok_or(Malformed)?;
        self.at += N;
        Ok(*bytes)
    }

    /// Skips to the next multiple of `alignment`, or to the end.
    pub(super) fn align(&mut self, alignment: usize) {
        self.at = self.at.next_multiple_of(alignment).min(self.bytes.len());
    }

    /// Whether a unique pointer points to something.
    // [C706] 14.3.11.1
    pub(super) fn pointer(&mut self) -> Result<bool, Malformed> {
        self.u32().map(|referent| referent != 0)
    }

    /// A string, without what follows its first NUL.
    // [C706] 14.3.4.2
    pub(super) fn string(&mut self) -> Result<Utf16String, Malformed> {
        let maximum = self.u32()?;
        let offset = self.u32()?;
        let actual = self.u32()?;
        let size = usize::try_from(actual).map_err(|_| Malformed)?;
        let fits = size
            .checked_mul(2)
            .is_some_and(|size| size <= self.rest().len());
        if offset != 0 || actual > maximum || !fits {
            return Err(Malformed);
        }
        let mut units = Vec::with_capacity(size);
        for _ in 0..size {
            units.push(self.u16()?);
        }
        let length = units.iter().position(|unit| *unit == 0).unwrap_or(size);
        units.truncate(length);
        Ok(Utf16String::from_units(units))
    }

    /// A unique pointer to a string.
    pub(super) fn unique_string(&mut self) -> Result<Option<Utf16String>, Malformed> {
        self.pointer()?.then(|| self.string()).transpose()
    }

    /// A unique pointer to a number.
    pub(super) fn unique_u32(&mut self) -> Result<Option<u32>, Malformed> {
        self.pointer()?.then(|| self.u32()).transpose()
    }
}

/// One field of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// A number of 32 bits.
    Number(u32),
    /// A pointer to a string.
    Text(Utf16String),
    /// A null pointer.
    Null,
}

/// A structure of numbers and of pointers to strings.
pub(super) type Row = Vec<Field>;

impl From<u32> for Field {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(Utf16String::from(text))
    }
}

impl From<&String> for Field {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

/// Makes a [`Row`] of numbers and texts.
macro_rules! row {
    ($($field:expr),* $(,)?) => {
        vec![$($crate::ipc::ndr::Field::from($field)),*]
    };
}
pub(super) use row;

/// How many bytes a structure takes in the sender's memory, which is what clients' limits are about.
pub(super) fn row_size(row: &Row) -> usize {
    let size = |field: &Field| match field {
        Field::Number(_) | Field::Null => 4,
        Field::Text(text) => 4 + text.len_bytes() + 2,
    };
    row.iter().map(size).sum()
}

/// Bytes for a client, little-endian.
#[derive(Debug, Default)]
pub(super) struct NdrWriter {
    bytes: BytesMut,
    last_referent: u32,
}

impl NdrWriter {
    /// What has been written.
    pub(super) fn into_bytes(self) -> BytesMut {
        self.bytes
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.align();
        self.bytes.put_u32_le(value);
    }

    /// A pointer to something that follows later.
    // [C706] 14.3.12.3
    pub(super) fn referent(&mut self) {
        self.last_referent += 4;
        self.u32(FIRST_REFERENT + self.last_referent);
    }

    /// A null pointer.
    pub(super) fn null(&mut self) {
        self.u32(0);
    }

    /// A unique pointer to a number.
    pub(super) fn unique_u32(&mut self, value: Option<u32>) {
        match value {
            None => self.null(),
            Some(value) => {
                self.referent();
                self.u32(value);
            }
        }
    }

    /// Structures one behind the other, then what their pointers point to.
    pub(super) fn rows(&mut self, rows: &[Row]) {
        for field in rows.iter().flatten() {
            match field {
                Field::Number(number) => self.u32(*number),
                Field::Text(_) => self.referent(),
                Field::Null => self.null(),
            }
        }
        for field in rows.iter().flatten() {
            if let Field::Text(text) = field {
                self.string(text);
            }
        }
    }

    /// The union of structures that a level selects: a pointer to one, or null where the call failed.
    pub(super) fn information(&mut self, level: u32, row: Option<&Row>) {
        self.u32(level);
        match row {
            None => self.null(),
            Some(row) => {
                self.referent();
                self.rows(std::slice::from_ref(row));
            }
        }
    }

    fn string(&mut self, text: &Utf16String) {
        let count = u32::try_from(text.as_units().len() + 1).unwrap_or(u32::MAX);
        self.u32(count);
        self.u32(0);
        self.u32(count);
        for unit in text.as_units() {
            self.bytes.put_u16_le(*unit);
        }
        self.bytes.put_u16_le(0);
    }

    fn align(&mut self) {
        let length = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(length, 0);
    }
}

const FIRST_REFERENT: u32 = 0x0002_0000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_numbers_and_pointers_and_then_the_strings() {
        let mut writer = NdrWriter::default();
        writer.rows(&[row!["ab", 7, ""], vec![Field::Null]]);
        let expected = [
            "04000200",
            "07000000",
            "08000200",
            "00000000",
            "03000000",
            "00000000",
            "03000000",
            "610062000000",
            "0000",
            "01000000",
            "00000000",
            "01000000",
            "0000",
        ];
        let hex: String = writer
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, expected.concat());
    }

    #[test]
    fn both_byte_orders_are_read() {
        let big = [0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3];
        let mut reader = NdrReader::new(&big, ByteOrder::Big);
        assert_eq!(
            (reader.u32(), reader.u16(), reader.u32()),
            (Ok(1), Ok(2), Ok(3))
        );
        assert_eq!(reader.array::<1>(), Err(Malformed));
    }

    #[test]
    fn strings_that_claim_more_than_there_is_are_refused() {
        let text = |counts: [u32; 3]| {
            let mut bytes: Vec<u8> = counts
                .iter()
                .flat_map(|count| count.to_le_bytes())
                .collect();
            bytes.extend_from_slice(b"a\0\0\0");
            NdrReader::new(&bytes, ByteOrder::Little).string()
        };
        assert_eq!(text([2, 0, 2]), Ok(Utf16String::from("a")));
        assert_eq!(text([1, 0, 2]), Err(Malformed));
        assert_eq!(text([2, 1, 2]), Err(Malformed));
        assert_eq!(text([3, 0, 3]), Err(Malformed));
        assert_eq!(text([u32::MAX, 0, u32::MAX]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn strings_are_read_as_written(text in "[^\0]{0,40}") {
            let mut writer = NdrWriter::default();
            writer.rows(&[row![&text]]);
            let bytes = writer.into_bytes();
            let mut reader = NdrReader::new(&bytes, ByteOrder::Little);
            prop_assert_eq!(reader.unique_string(), Ok(Some(Utf16String::from(text.as_str()))));
        }
    }
}
