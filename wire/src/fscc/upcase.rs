//! Upper-casing of UTF-16 units, as an NTFS volume does it: one unit at a time, no locale.
//!
//! Owns case-insensitive comparison and hashing of names. Never changes the length of a name and
//! never looks at two units together, so unpaired surrogates pass through unharmed. The table is in
//! `upcase_table.rs`, whose head describes how it is made.

use std::hash::Hasher;

use super::upcase_table::{PAGE_OF_BLOCK, PAGES};

/// The upper case of one UTF-16 unit, or the unit itself where it has none.
#[inline]
pub fn upcase(unit: u16) -> u16 {
    if unit < 0x80 {
        return match unit {
            0x61..=0x7A => unit & !0x20,
            _ => unit,
        };
    }
    let page = PAGE_OF_BLOCK
        .get(usize::from(unit >> 6))
        .copied()
        .unwrap_or(0);
    let offset = PAGES
        .get(usize::from(page))
        .and_then(|page| page.get(usize::from(unit & 0x3F)));
    unit.wrapping_add_signed(offset.copied().unwrap_or(0))
}

/// Whether two names are the same but for case.
pub fn eq_ignore_case(left: &[u16], right: &[u16]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(&l, &r)| l == r || upcase(l) == upcase(r))
}

/// Feeds a name to a hasher so that names equal by [`eq_ignore_case`] hash alike.
///
/// The hasher is the caller's because names come from peers: a table of them needs a keyed one.
pub fn hash_ignore_case<H: Hasher>(name: &[u16], state: &mut H) {
    state.write_usize(name.len());
    for &unit in name {
        state.write_u16(upcase(unit));
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn hash(text: &str) -> u64 {
        let mut state = DefaultHasher::new();
        hash_ignore_case(&units(text), &mut state);
        state.finish()
    }

    #[test]
    fn letters_of_every_alphabet_fold_to_upper_case() {
        for (lower, upper) in [
            ("az", "AZ"),
            ("äöüÿ", "ÄÖÜŸ"),
            ("σς", "ΣΣ"),
            ("жя", "ЖЯ"),
            ("ａ", "Ａ"),
            ("ᾀ", "ᾈ"),
        ] {
            let folded: Vec<u16> = units(lower).into_iter().map(upcase).collect();
            assert_eq!(folded, units(upper), "{lower}");
        }
    }

    #[test]
    fn letters_without_a_single_upper_case_unit_stand_for_themselves() {
        for text in ["ß", "ŉ", "ı", "ſ", "µ", "中", "{", "`"] {
            let folded: Vec<u16> = units(text).into_iter().map(upcase).collect();
            assert_eq!(folded, units(text), "{text}");
        }
    }

    #[test]
    fn surrogates_are_never_changed() {
        assert!((0xD800..=0xDFFF).all(|unit| upcase(unit) == unit));
    }

    #[test]
    fn upper_casing_twice_changes_nothing_more() {
        assert!((0..=u16::MAX).all(|unit| upcase(upcase(unit)) == upcase(unit)));
    }

    #[test]
    fn ascii_agrees_with_the_standard_library() {
        for byte in 0..0x80_u8 {
            assert_eq!(upcase(byte.into()), u16::from(byte.to_ascii_uppercase()));
        }
    }

    #[test]
    fn names_that_differ_in_case_only_are_equal_and_hash_alike() {
        assert!(eq_ignore_case(&units("Straße.TXT"), &units("sTRAßE.txt")));
        assert!(!eq_ignore_case(&units("Strasse"), &units("Straße")));
        assert!(!eq_ignore_case(&units("a"), &units("ab")));
        assert_eq!(hash("Readme.Ä"), hash("README.ä"));
        assert_ne!(hash("readme"), hash("readmf"));
    }
}
