//! Both directions of every kind of type, in both representations and byte orders.

use proptest::prelude::*;
use wire::Utf16String;
use wire::dtyp::{FileTime, Guid, Sid};

use super::*;

ndr_struct! {
    struct Inner {
        small: u8,
        text: Option<Utf16String>,
        choice: Enum16,
    }

    struct Outer {
        number: u32,
        inner: Inner,
        list: Option<Array<Inner>>,
        part: Option<Varying<u16>>,
        arm: Arms,
        counted: Counted,
        sid: Option<Sid>,
        time: FileTime,
        id: Guid,
        fixed: [u16; 3],
    }
}

ndr_union! {
    enum Arms(u32) {
        1 => Number(u16),
        2 => Pointer(Option<Inner>),
        3 => Nothing(Empty),
        _ => Other,
    }
}

const ALL: [(ByteOrder, Syntax); 4] = [
    (ByteOrder::Little, Syntax::Ndr32),
    (ByteOrder::Big, Syntax::Ndr32),
    (ByteOrder::Little, Syntax::Ndr64),
    (ByteOrder::Big, Syntax::Ndr64),
];

fn encoded(value: &impl Ndr, order: ByteOrder, syntax: Syntax) -> Vec<u8> {
    let mut out = Encoder::new(order, syntax);
    value.encode_whole(&mut out);
    out.into_bytes().to_vec()
}

fn decoded<T: Ndr>(bytes: &[u8], order: ByteOrder, syntax: Syntax) -> Result<T, Malformed> {
    T::decode_whole(&mut Decoder::new(bytes, order, syntax))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn inner() -> impl Strategy<Value = Inner> {
    let text = proptest::option::of("[^\0]{0,12}");
    (any::<u8>(), text, any::<u16>()).prop_map(|(small, text, choice)| Inner {
        small,
        text: text.map(|text| Utf16String::from(text.as_str())),
        choice: Enum16(choice),
    })
}

fn arms() -> impl Strategy<Value = Arms> {
    prop_oneof![
        any::<u16>().prop_map(Arms::Number),
        proptest::option::of(inner()).prop_map(Arms::Pointer),
        Just(Arms::Nothing(Empty)),
        (4..u32::MAX).prop_map(Arms::Other),
    ]
}

fn outer() -> impl Strategy<Value = Outer> {
    let list = proptest::option::of(proptest::collection::vec(inner(), 0..4).prop_map(Array));
    let part = proptest::option::of(proptest::collection::vec(any::<u16>(), 0..5));
    let part = part.prop_map(|part| {
        part.map(|elements| Varying {
            room: elements.len() as u32 + 3,
            elements,
        })
    });
    let sid = proptest::option::of(proptest::collection::vec(any::<u32>(), 0..15));
    let rest = (any::<u64>(), any::<[u8; 16]>(), any::<[u16; 3]>());
    (
        any::<u32>(),
        inner(),
        list,
        part,
        arms(),
        "[^\0]{0,9}",
        sid,
        rest,
    )
        .prop_map(
            |(number, inner, list, part, arm, counted, sid, (time, id, fixed))| Outer {
                number,
                inner,
                list,
                part,
                arm,
                counted: Counted::from(&counted),
                sid: sid.and_then(|parts| Sid::new([0, 0, 0, 0, 0, 5], &parts)),
                time: FileTime(time),
                id: Guid::from(id),
                fixed,
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(value in outer()) {
        for (order, syntax) in ALL {
            let bytes = encoded(&value, order, syntax);
            let read: Result<Outer, Malformed> = decoded(&bytes, order, syntax);
            prop_assert_eq!(read.as_ref(), Ok(&value));
        }
    }

    #[test]
    fn a_stub_that_ends_early_is_malformed_and_never_more(value in outer(), cut in any::<proptest::sample::Index>()) {
        for (order, syntax) in ALL {
            let bytes = encoded(&value, order, syntax);
            let cut = &bytes[..cut.index(bytes.len())];
            prop_assert!(decoded::<Outer>(cut, order, syntax) != Ok(value.clone()) || cut.len() + 8 > bytes.len());
        }
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (order, syntax) in ALL {
            let _ = decoded::<Outer>(&bytes, order, syntax);
        }
    }
}

#[test]
fn structures_are_aligned_and_what_they_point_to_comes_behind_them() {
    let value = Array(vec![
        Inner {
            small: 1,
            text: Some("a".into()),
            choice: Enum16(2),
        },
        Inner {
            small: 3,
            text: None,
            choice: Enum16(4),
        },
    ]);
    let expected = [
        "02000000",
        "01000000 04000200 0200",
        "0000 03000000 00000000 0400",
        "0000 02000000 00000000 02000000 6100 0000",
    ];
    let bytes = encoded(&value, ByteOrder::Little, Syntax::Ndr32);
    assert_eq!(hex(&bytes), expected.concat().replace(' ', ""));
}

// test [MS-RPCE] 2.2.5.3.4.1
#[test]
fn in_64_bits_pointers_and_counts_are_wide_and_structures_end_where_they_are_aligned() {
    let value = Array(vec![Inner {
        small: 1,
        text: Some("a".into()),
        choice: Enum16(2),
    }]);
    let expected = [
        "0100000000000000",
        "0100000000000000 0400020000000000 02000000 00000000",
        "0200000000000000 0000000000000000 0200000000000000 6100 0000",
    ];
    let bytes = encoded(&value, ByteOrder::Little, Syntax::Ndr64);
    assert_eq!(hex(&bytes), expected.concat().replace(' ', ""));
}

// test [MS-RPCE] 2.2.5.3.4.4
#[test]
fn in_64_bits_an_arm_lies_where_the_widest_would() {
    let bytes = encoded(&Arms::Number(7), ByteOrder::Little, Syntax::Ndr64);
    assert_eq!(hex(&bytes), "01000000000000000700");
    let bytes = encoded(&Arms::Number(7), ByteOrder::Little, Syntax::Ndr32);
    assert_eq!(hex(&bytes), "010000000700");
}

#[test]
fn counts_that_claim_more_than_there_is_are_refused() {
    let text = |counts: [u32; 3]| {
        let mut bytes: Vec<u8> = counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        bytes.extend_from_slice(b"a\0\0\0");
        decoded::<Utf16String>(&bytes, ByteOrder::Little, Syntax::Ndr32)
    };
    assert_eq!(text([2, 0, 2]), Ok(Utf16String::from("a")));
    assert_eq!(text([1, 0, 2]), Err(Malformed));
    assert_eq!(text([2, 1, 2]), Err(Malformed));
    assert_eq!(text([3, 0, 3]), Err(Malformed));
    assert_eq!(text([u32::MAX, 0, u32::MAX]), Err(Malformed));
    let endless = [0xff; 64];
    assert_eq!(
        decoded::<Array<Inner>>(&endless, ByteOrder::Little, Syntax::Ndr64),
        Err(Malformed)
    );
}

#[test]
fn a_counted_string_without_a_buffer_is_empty_and_has_no_length() {
    let bytes = [0; 8];
    let read = decoded::<Counted>(&bytes, ByteOrder::Little, Syntax::Ndr32);
    assert_eq!(read, Ok(Counted::default()));
    let read = decoded::<Counted>(&[2, 0, 2, 0, 0, 0, 0, 0], ByteOrder::Little, Syntax::Ndr32);
    assert_eq!(read, Err(Malformed));
}
