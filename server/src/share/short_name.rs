//! 8.3 names: made from the long name by a rule, so that nothing has to be stored.

use std::hash::{Hash, Hasher};

use wire::Utf16String;
use wire::fscc::upcase::{eq_ignore_case, upcase};

const DOT: u16 = 0x2e;
const BASE_LENGTH: usize = 8;
const EXTENSION_LENGTH: usize = 3;
/// Digits of the hash in a made name: 36^5 is 60 million.
const DIGITS: usize = 5;

/// The 8.3 name of a file: none when the name is one already.
///
/// The first letter, five digits that stand for the whole name, `~1`, and the extension.
// [MS-FSCC] 2.1.5.2.1
#[must_use]
pub fn short_name(name: &[u16]) -> Option<Utf16String> {
    if is_short(name) {
        return None;
    }
    let (base, extension) = split(name);
    let first = base
        .iter()
        .copied()
        .find(|unit| is_legal(*unit))
        .unwrap_or(u16::from(b'_'));
    let mut short = vec![upcase(first)];
    short.extend(digits(name));
    short.extend("~1".encode_utf16());
    let mut extension = extension
        .iter()
        .copied()
        .filter(|unit| is_legal(*unit))
        .peekable();
    if extension.peek().is_some() {
        short.push(DOT);
        short.extend(extension.take(EXTENSION_LENGTH).map(upcase));
    }
    Some(Utf16String::from_units(short))
}

/// Whether a name has the form of those that [`short_name`] makes: only then is it worth while to ask
/// whose it is.
#[must_use]
pub fn is_made_name(name: &[u16]) -> bool {
    let (base, _) = split(name);
    let digits = base.get(1..).and_then(|rest| rest.split_last_chunk::<2>());
    let is_digit = |unit: &u16| u8::try_from(*unit).is_ok_and(|byte| byte.is_ascii_alphanumeric());
    digits.is_some_and(|(digits, [tilde, one])| {
        let ends = [*tilde, *one] == [u16::from(b'~'), u16::from(b'1')];
        ends && digits.len() == DIGITS && digits.iter().all(is_digit) && is_short(name)
    })
}

/// Whether `short`, in any case, is the 8.3 name of the file called `name`.
#[must_use]
pub fn is_short_name_of(short: &[u16], name: &[u16]) -> bool {
    short_name(name).is_some_and(|made| eq_ignore_case(made.as_units(), short))
}

/// Whether a name is an 8.3 name as it stands, whatever its case.
fn is_short(name: &[u16]) -> bool {
    let (base, extension) = split(name);
    let fits = (1..=BASE_LENGTH).contains(&base.len()) && extension.len() <= EXTENSION_LENGTH;
    let has_empty_extension = extension.is_empty() && base.len() != name.len();
    let legal = base.iter().chain(extension).all(|unit| is_legal(*unit));
    fits && legal && !has_empty_extension
}

/// The name up to its last dot, and what follows it.
fn split(name: &[u16]) -> (&[u16], &[u16]) {
    let dot = name
        .iter()
        .rposition(|unit| *unit == DOT)
        .filter(|dot| *dot > 0);
    let Some((base, rest)) = dot.and_then(|dot| name.split_at_checked(dot)) else {
        return (name, &[]);
    };
    (base, rest.get(1..).unwrap_or_default())
}

// [MS-FSCC] 2.1.5.2.1
fn is_legal(unit: u16) -> bool {
    const MARKS: &[u8] = b"!#$%&'()-@^_`{}~";
    u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || MARKS.contains(&byte))
}

/// Five base-36 digits of a hash of the upper-cased name; the same in every run of the server.
fn digits(name: &[u16]) -> impl Iterator<Item = u16> {
    const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for unit in name {
        upcase(*unit).hash(&mut hash);
    }
    let mut rest = hash.finish();
    (0..DIGITS).map(move |_| {
        let digit = usize::try_from(rest % 36).unwrap_or_default();
        rest /= 36;
        ALPHABET.get(digit).copied().map_or(0, u16::from)
    })
}

/// The hash of Fowler, Noll and Vo: not keyed, because a short name must stay the same.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &str) -> Option<String> {
        let units: Vec<u16> = name.encode_utf16().collect();
        short_name(&units).map(|short| short.to_string_lossy())
    }

    #[test]
    fn a_name_that_fits_has_no_other() {
        for name in ["a", "foo.txt", "README", "12345678.123", "~tmp$1.x"] {
            assert_eq!(short(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_another_form_were_not_made() {
        for name in [
            "A1234~1.TXT",
            "A12345~2",
            "~1",
            "A12345~1.TEXT",
            "",
            "A!2345~1",
        ] {
            let units: Vec<u16> = name.encode_utf16().collect();
            assert!(!is_made_name(&units), "{name}");
        }
    }

    #[test]
    fn a_name_that_does_not_fit_gets_one_that_does() {
        let names = [
            "a long name.text",
            "x.html",
            ".hidden",
            "two.dots.txt",
            "f.",
            "grün.txt",
            "123456789",
            ". .",
        ];
        for name in names {
            let made = short(name).unwrap();
            let units: Vec<u16> = made.encode_utf16().collect();
            assert!(is_short(&units), "{name} became {made}");
            assert!(is_made_name(&units), "{name} became {made}");
            let lower: Vec<u16> = made.to_lowercase().encode_utf16().collect();
            let name: Vec<u16> = name.encode_utf16().collect();
            assert!(is_short_name_of(&lower, &name));
            assert!(!is_short_name_of(&name, &name));
        }
    }

    #[test]
    fn a_made_name_is_the_same_for_every_case_and_tells_names_apart() {
        assert_eq!(short("A Long Name.TXT"), short("a long name.txt"));
        assert_ne!(short("a long name 1.txt"), short("a long name 2.txt"));
    }
}
