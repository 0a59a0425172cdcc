//! Strings of NTLM messages: UTF-16, or the OEM code page with clients that do not know Unicode.
//!
//! Which code page is meant is not negotiated; this is 850, in which the letters of Western Europe are
//! where code page 437 has them too.

use wire::{DecodeError, Utf16String};

use super::flags::NegotiateFlags;

/// How the strings of a message are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-16, little-endian.
    Unicode,
    /// One byte a character.
    Oem,
}

impl Charset {
    /// The character set that a message's flags choose, if they choose one.
    // [MS-NLMP] 2.2.2.5
    #[must_use]
    pub const fn of(flags: NegotiateFlags) -> Option<Self> {
        if flags.contains(NegotiateFlags::UNICODE) {
            Some(Self::Unicode)
        } else if flags.contains(NegotiateFlags::OEM) {
            Some(Self::Oem)
        } else {
            None
        }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// An odd number of bytes is no UTF-16.
    pub fn decode(self, bytes: &[u8]) -> Result<Utf16String, DecodeError> {
        match self {
            Self::Unicode => Utf16String::decode(bytes),
            Self::Oem => Ok(Utf16String::from_units(
                bytes.iter().copied().map(from_oem).collect(),
            )),
        }
    }

    /// Writes a string; what the code page lacks becomes `?`.
    #[must_use]
    pub fn encode(self, text: &Utf16String) -> Vec<u8> {
        match self {
            Self::Unicode => text
                .as_units()
                .iter()
                .flat_map(|unit| unit.to_le_bytes())
                .collect(),
            Self::Oem => text.as_units().iter().copied().map(to_oem).collect(),
        }
    }
}

fn from_oem(byte: u8) -> u16 {
    let high = usize::from(byte)
        .checked_sub(0x80)
        .and_then(|at| UPPER_HALF.get(at));
    high.copied().unwrap_or(u16::from(byte))
}

fn to_oem(unit: u16) -> u8 {
    if let Ok(byte @ 0..=0x7f) = u8::try_from(unit) {
        return byte;
    }
    let at = UPPER_HALF
        .iter()
        .position(|known| *known == unit)
        .and_then(|at| u8::try_from(at).ok());
    at.and_then(|at| at.checked_add(0x80)).unwrap_or(b'?')
}

/// Characters 0x80 to 0xff of code page 850.
#[rustfmt::skip]
const UPPER_HALF: [u16; 128] = [
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7,
    0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
    0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00f8, 0x00a3, 0x00d8, 0x00d7, 0x0192,
    0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba,
    0x00bf, 0x00ae, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x00c1, 0x00c2, 0x00c0,
    0x00a9, 0x2563, 0x2551, 0x2557, 0x255d, 0x00a2, 0x00a5, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x00e3, 0x00c3,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x00a4,
    0x00f0, 0x00d0, 0x00ca, 0x00cb, 0x00c8, 0x0131, 0x00cd, 0x00ce,
    0x00cf, 0x2518, 0x250c, 0x2588, 0x2584, 0x00a6, 0x00cc, 0x2580,
    0x00d3, 0x00df, 0x00d4, 0x00d2, 0x00f5, 0x00d5, 0x00b5, 0x00fe,
    0x00de, 0x00da, 0x00db, 0x00d9, 0x00fd, 0x00dd, 0x00af, 0x00b4,
    0x00ad, 0x00b1, 0x2017, 0x00be, 0x00b6, 0x00a7, 0x00f7, 0x00b8,
    0x00b0, 0x00a8, 0x00b7, 0x00b9, 0x00b3, 0x00b2, 0x25a0, 0x00a0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_the_code_page_has_one_character() {
        for byte in 0..=u8::MAX {
            let text = Charset::Oem.decode(&[byte]).unwrap();
            assert_eq!(Charset::Oem.encode(&text), [byte]);
        }
        assert_eq!(
            Charset::Oem.decode(b"Andr\x82").unwrap(),
            Utf16String::from("André")
        );
        assert_eq!(Charset::Oem.encode(&Utf16String::from("Ж")), b"?");
    }

    #[test]
    fn unicode_wins_over_oem_and_neither_is_nothing() {
        let both = NegotiateFlags::UNICODE | NegotiateFlags::OEM;
        assert_eq!(Charset::of(both), Some(Charset::Unicode));
        assert_eq!(Charset::of(NegotiateFlags::OEM), Some(Charset::Oem));
        assert_eq!(Charset::of(NegotiateFlags::SIGN), None);
        assert!(Charset::Unicode.decode(&[0x41]).is_err());
    }
}
