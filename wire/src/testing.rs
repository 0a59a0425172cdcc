//! What the tests of all messages share: whole messages from bodies, and strategies for their fields.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::dtyp::FileTime;
use crate::header::Header;
use crate::{Decode, Encode, FileId, LeaseKey, Utf16String, Writer};

/// A whole message: a header of zeros and the body of `value`.
pub(crate) fn message_of(value: &impl Encode) -> Bytes {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    writer.zeros(Header::SIZE);
    value.encode(&mut writer);
    out.freeze()
}

/// A whole message: a header of zeros and the bytes that `hex` spells, blanks ignored.
pub(crate) fn message(hex: &str) -> Bytes {
    let mut bytes = vec![0; Header::SIZE];
    bytes.extend(unhex(hex));
    bytes.into()
}

/// The bytes that `hex` spells, blanks ignored.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Checks that a value and the bytes that `hex` spells are the same body, both ways.
pub(crate) fn check_vector<T: Encode + Decode + PartialEq + Debug>(hex: &str, value: &T) {
    let bytes = message(hex);
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    assert_eq!(&message_of(value)[Header::SIZE..], &bytes[Header::SIZE..]);
}

/// Checks that a value comes back from its own bytes.
pub(crate) fn check_round_trip<T: Encode + Decode + PartialEq + Debug>(
    value: &T,
) -> Result<(), TestCaseError> {
    let bytes = message_of(value);
    let decoded = T::decode(&bytes);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    Ok(())
}

/// Messages of noise that begins with a right StructureSize, so that decoders look further.
pub(crate) fn noise(structure_sizes: &'static [u16]) -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![3 => Just(0_u8), 2 => 0_u8..=0xa0, 1 => any::<u8>()];
    (
        prop::sample::select(structure_sizes),
        prop::collection::vec(byte, 0..320),
    )
        .prop_map(|(structure_size, tail)| {
            let mut message = vec![0; Header::SIZE];
            message.extend(structure_size.to_le_bytes());
            message.extend(tail);
            message.into()
        })
}

pub(crate) fn any_file_id() -> impl Strategy<Value = FileId> {
    any::<(u64, u64)>().prop_map(|(persistent, volatile)| FileId {
        persistent,
        volatile,
    })
}

pub(crate) fn any_lease_key() -> impl Strategy<Value = LeaseKey> {
    any::<[u8; 16]>().prop_map(LeaseKey)
}

pub(crate) fn any_time() -> impl Strategy<Value = FileTime> {
    any::<u64>().prop_map(FileTime)
}

pub(crate) fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..48).prop_map(Bytes::from)
}

pub(crate) fn any_name() -> impl Strategy<Value = Utf16String> {
    prop::collection::vec(any::<u16>(), 0..24).prop_map(Utf16String::from_units)
}

/// Two tests of a body: its values survive the wire, and neither a cut nor noise makes its decoder panic.
macro_rules! codec_tests {
    ($type:ty, [$($structure_size:expr),*], $strategy:expr) => {
        proptest::proptest! {
            #[test]
            fn values_survive_the_wire(value in $strategy, cut: prop::sample::Index) {
                $crate::testing::check_round_trip::<$type>(&value)?;
                let message = $crate::testing::message_of(&value);
                let _ = <$type as $crate::Decode>::decode(&message.slice(..cut.index(message.len())));
            }

            #[test]
            fn noise_never_panics(
                message in $crate::testing::noise(&[$($structure_size),*])
            ) {
                if let Ok(value) = <$type as $crate::Decode>::decode(&message) {
                    $crate::testing::check_round_trip(&value)?;
                }
            }
        }
    };
}

pub(crate) use codec_tests;
