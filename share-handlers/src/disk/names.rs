//! One component of a name, between UTF-16 as clients write it and bytes as the disk holds it.
//!
//! Owns the mapping and nothing else: it never asks the file system. What UTF-8 cannot say and what
//! Windows may not say is mapped reversibly into the private-use area:
//!
//! | on the wire | on disk |
//! |---|---|
//! | U+F001–U+F01F | the control characters 1–31 |
//! | U+F020–U+F027 | `"` `*` `:` `<` `>` `?` `\` `\|` |
//! | U+F028, U+F029 at the end | a trailing space, a trailing period |
//! | an unpaired surrogate | its three bytes in generalised UTF-8 |
//! | U+EF80–U+EFFF | a byte 80–FF that is not part of valid UTF-8 |
//!
//! The first three rows are what `cifs.ko` (`mapposix`), macOS and Samba's `fruit` write and read.

use wire::Utf16String;

/// How the names of links that are on their way begin.
const ON_ITS_WAY: &[u8] = b".smbd-link-";

/// The longest component on disk, in bytes: NAME_MAX.
pub(super) const LONGEST_DISK_NAME: usize = 255;

/// Appends a component's bytes as they stand on disk to `path`.
///
/// Returns `false` (with `path` as it was) for a component that no file on disk can have.
#[must_use]
pub(super) fn append_to_path(component: &[u16], path: &mut Vec<u8>) -> bool {
    let start = path.len();
    if component
        .iter()
        .all(|unit| (0x20..0x80).contains(unit) && *unit != SLASH)
    {
        path.extend(component.iter().map(|unit| *unit as u8));
    } else {
        encode(component, path);
    }
    let bytes = &path[start..];
    let fits = !bytes.is_empty() && bytes.len() <= LONGEST_DISK_NAME;
    let harmless = bytes != b"." && bytes != b".." && !bytes.contains(&b'/') && !bytes.contains(&0);
    // A name with raw-byte units is one only if the disk's name reads back as it.
    let is_itself =
        !component.iter().any(|unit| RAW_BYTES.contains(unit)) || from_disk(bytes) == component;
    if fits && harmless && is_itself && !is_on_its_way(bytes) {
        return true;
    }
    path.truncate(start);
    false
}

/// A component as it stands on disk, or none for one that no file can have.
#[must_use]
pub(crate) fn to_disk(component: &[u16]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(component.len());
    append_to_path(component, &mut bytes).then_some(bytes)
}

/// The name on disk of a link that is on its way to the name that it is to have, by a number that nothing
/// else in the folder has.
pub(super) fn on_its_way(number: u64) -> Vec<u8> {
    let mut name = ON_ITS_WAY.to_vec();
    name.extend(format!("{number:016x}").bytes());
    name
}

/// Whether a name on disk is one that [`on_its_way`] makes, in any case.
#[must_use]
pub(super) fn is_on_its_way(bytes: &[u8]) -> bool {
    let (prefix, number) = bytes.split_at(bytes.len().min(ON_ITS_WAY.len()));
    prefix.eq_ignore_ascii_case(ON_ITS_WAY)
        && number.len() == 16
        && number.iter().all(u8::is_ascii_hexdigit)
}

/// The component that clients see for a name on disk. Two names on disk have the same component
/// only where one holds a character of the private-use area that stands for the other's.
#[must_use]
pub(crate) fn from_disk(bytes: &[u8]) -> Vec<u16> {
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    if bytes.iter().all(|byte| is_plain(*byte)) {
        units.extend(bytes.iter().map(|byte| u16::from(*byte)));
    } else {
        decode(bytes, &mut units);
    }
    if bytes != b"." && bytes != b".." {
        map_end(&mut units);
    }
    units
}

/// The component that clients see for a file that is found, or made, by this one: a period or a
/// space at its end is one on disk, and reads back as what stands for it.
#[must_use]
pub(super) fn as_read(component: &[u16]) -> Utf16String {
    let mut units = component.to_vec();
    map_end(&mut units);
    Utf16String::from_units(units)
}

fn map_end(units: &mut [u16]) {
    if let Some(last) = units.last_mut() {
        match *last {
            SPACE => *last = MAPPED_SPACE,
            PERIOD => *last = MAPPED_PERIOD,
            _ => {}
        }
    }
}

/// Appends units in generalised UTF-8, unpaired surrogates included, mapping nothing: for the names
/// of streams.
pub(super) fn append_wtf8(units: &[u16], bytes: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    for character in char::decode_utf16(units.iter().copied()) {
        match character {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
            Err(unpaired) => bytes.extend(surrogate_bytes(unpaired.unpaired_surrogate())),
        }
    }
}

/// The units of generalised UTF-8; bytes that are none become units of the private-use area.
pub(super) fn from_wtf8(bytes: &[u8]) -> Vec<u16> {
    match str::from_utf8(bytes) {
        Ok(text) => text.encode_utf16().collect(),
        Err(_) => {
            let mut units = Vec::with_capacity(bytes.len());
            decode(bytes, &mut units);
            units
        }
    }
}

fn encode(component: &[u16], path: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    let mut characters = char::decode_utf16(component.iter().copied()).peekable();
    while let Some(character) = characters.next() {
        let is_last = characters.peek().is_none();
        let character = match character {
            Ok(character) => character,
            Err(unpaired) => {
                path.extend(surrogate_bytes(unpaired.unpaired_surrogate()));
                continue;
            }
        };
        let unit = u16::try_from(u32::from(character)).unwrap_or(0);
        if RAW_BYTES.contains(&unit) {
            path.push((unit & 0xFF) as u8);
        } else if (0xF001..=0xF01F).contains(&unit) {
            path.push((unit & 0x1F) as u8);
        } else if let Some(byte) = MAPPED.get(usize::from(unit.wrapping_sub(MAPPED_FIRST))) {
            path.push(*byte);
        } else if is_last && unit == MAPPED_SPACE {
            path.push(b' ');
        } else if is_last && unit == MAPPED_PERIOD {
            path.push(b'.');
        } else {
            path.extend(character.encode_utf8(&mut buffer).bytes());
        }
    }
}

fn decode(bytes: &[u8], units: &mut Vec<u16>) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            decode_character(character, units);
        }
        decode_invalid(chunk.invalid(), units);
    }
    join_surrogates(units);
}

fn decode_character(character: char, units: &mut Vec<u16>) {
    let mut buffer = [0; 2];
    let encoded = character.encode_utf16(&mut buffer);
    match *encoded {
        [unit @ 0x01..=0x1F] => units.push(0xF000 | unit),
        // What stands for a raw byte must not be taken for one: its own bytes are written as such.
        [unit] if RAW_BYTES.contains(&unit) => {
            let mut utf8 = [0; 4];
            units.extend(character.encode_utf8(&mut utf8).bytes().map(raw_byte));
        }
        [unit] => units.push(mapped(unit).unwrap_or(unit)),
        _ => units.extend_from_slice(encoded),
    }
}

/// `invalid` is up to three bytes of which the first can begin nothing valid. A surrogate's three
/// bytes come as three pieces of one byte, so they are put together in [`join_surrogates`].
fn decode_invalid(invalid: &[u8], units: &mut Vec<u16>) {
    units.extend(invalid.iter().copied().map(raw_byte));
}

/// Puts the raw bytes ED A0..BF 80..BF together to the unpaired surrogate that they stand for,
/// unless the result would pair up with a neighbour (then it was not written by [`encode`]).
fn join_surrogates(units: &mut Vec<u16>) {
    let lead = raw_byte(0xED);
    if !units.contains(&lead) {
        return;
    }
    let mut joined: Vec<u16> = Vec::with_capacity(units.len());
    let mut rest = units.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        let surrogate = match behind {
            [high, low, ..] if *first == lead => surrogate_of(*high, *low),
            _ => None,
        };
        match surrogate {
            Some(unit) if !pairs(joined.last().copied(), unit) => {
                joined.push(unit);
                rest = &behind[2..];
            }
            _ => {
                joined.push(*first);
                rest = behind;
            }
        }
    }
    *units = joined;
}

fn surrogate_of(high: u16, low: u16) -> Option<u16> {
    let (high, low) = (raw_value(high)?, raw_value(low)?);
    ((0xA0..=0xBF).contains(&high) && (0x80..=0xBF).contains(&low))
        .then(|| 0xD000 | (u16::from(high & 0x3F) << 6) | u16::from(low & 0x3F))
}

fn surrogate_bytes(unit: u16) -> [u8; 3] {
    [
        0xED,
        0x80 | ((unit >> 6) & 0x3F) as u8,
        0x80 | (unit & 0x3F) as u8,
    ]
}

fn pairs(before: Option<u16>, unit: u16) -> bool {
    before.is_some_and(|before| (0xD800..0xDC00).contains(&before))
        && (0xDC00..0xE000).contains(&unit)
}

fn mapped(unit: u16) -> Option<u16> {
    let index = MAPPED.iter().position(|byte| u16::from(*byte) == unit)?;
    Some(MAPPED_FIRST + index as u16)
}

fn raw_byte(byte: u8) -> u16 {
    0xEF00 | u16::from(byte)
}

fn raw_value(unit: u16) -> Option<u8> {
    RAW_BYTES.contains(&unit).then_some((unit & 0xFF) as u8)
}

/// Whether a byte stands for itself wherever it is but at the end.
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && !MAPPED.contains(&byte)
}

const SLASH: u16 = 0x2F;
const SPACE: u16 = 0x20;
const PERIOD: u16 = 0x2E;
const MAPPED_FIRST: u16 = 0xF020;
const MAPPED: [u8; 8] = *b"\"*:<>?\\|";
const MAPPED_SPACE: u16 = 0xF028;
const MAPPED_PERIOD: u16 = 0xF029;
const RAW_BYTES: std::ops::RangeInclusive<u16> = 0xEF80..=0xEFFF;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn ordinary_names_are_utf8() {
        for text in [
            "a",
            "Readme.txt",
            "Grüße",
            "日本語",
            "a\u{1F600}b",
            ".hidden",
            "a..b",
        ] {
            assert_eq!(to_disk(&units(text)).unwrap(), text.as_bytes());
            assert_eq!(from_disk(text.as_bytes()), units(text));
        }
    }

    #[test]
    fn what_windows_forbids_is_seen_as_cifs_and_macos_write_it() {
        let table = [
            ("a:b", "a\u{F022}b"),
            (
                "\"*:<>?\\|x",
                "\u{F020}\u{F021}\u{F022}\u{F023}\u{F024}\u{F025}\u{F026}\u{F027}x",
            ),
            ("dot.", "dot\u{F029}"),
            ("space ", "space\u{F028}"),
            ("\u{1}\u{1f}", "\u{F001}\u{F01F}"),
            ("two..", "two.\u{F029}"),
        ];
        for (disk, wire) in table {
            assert_eq!(from_disk(disk.as_bytes()), units(wire), "{disk:?}");
            assert_eq!(to_disk(&units(wire)).unwrap(), disk.as_bytes(), "{disk:?}");
        }
    }

    #[test]
    fn unpaired_surrogates_survive() {
        for name in [vec![0xD800], vec![0x61, 0xDC00, 0x62], vec![0xDFFF, 0xD800]] {
            let disk = to_disk(&name).unwrap();
            assert_eq!(from_disk(&disk), name);
        }
        assert_eq!(to_disk(&[0xD800]).unwrap(), [0xED, 0xA0, 0x80]);
    }

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        for disk in [
            &b"caf\xE9"[..],
            b"\xFF\xFE",
            b"a\xC3",
            b"\xED\xA0\xBD\xED\xB8\x80",
            b"\x80.",
        ] {
            let wire = from_disk(disk);
            assert_eq!(to_disk(&wire).as_deref(), Some(disk), "{disk:?}");
        }
    }

    #[test]
    fn no_component_leaves_its_folder() {
        assert_eq!(to_disk(&units("..")), None);
        assert_eq!(to_disk(&units(".\u{F029}")), None);
        assert_eq!(to_disk(&units("\u{F029}")), None);
        assert_eq!(to_disk(&units("a/b")), None);
        assert_eq!(to_disk(&[0x61, 0]), None);
        assert_eq!(to_disk(&[]), None);
        assert_eq!(to_disk(&units(&"ä".repeat(128))), None);
        let mut path = b"kept/".to_vec();
        assert!(!append_to_path(&units(".."), &mut path));
        assert_eq!(path, b"kept/");
    }

    #[test]
    fn raw_bytes_that_are_valid_text_together_are_no_name() {
        assert_eq!(to_disk(&[0xEFC3, 0xEFA9]), None);
        assert!(to_disk(&[0xEFC3]).is_some());
    }

    proptest! {
        #[test]
        fn every_name_on_disk_reads_back(
            disk in proptest::collection::vec(1..=255u8, 1..40)
        ) {
            prop_assume!(!disk.contains(&b'/') && disk != b"." && disk != b"..");
            let wire = from_disk(&disk);
            // The mapped characters themselves may be on disk: then the plain one is preferred.
            let stand_ins = '\u{F001}'..='\u{F029}';
            prop_assume!(!String::from_utf8_lossy(&disk).contains(|c| stand_ins.contains(&c)));
            prop_assert_eq!(to_disk(&wire), Some(disk));
        }

        #[test]
        fn every_legal_component_reads_back(
            wire in proptest::collection::vec(0x20..=0xFFFFu16, 1..40)
        ) {
            prop_assume!(!wire.iter().any(|unit| RAW_BYTES.contains(unit)));
            prop_assume!(!wire.iter().any(|unit| mapped(*unit).is_some()));
            prop_assume!(![Some(&SPACE), Some(&PERIOD)].contains(&wire.last()));
            if let Some(disk) = to_disk(&wire) {
                prop_assert_eq!(from_disk(&disk), wire);
            }
        }
    }
}
