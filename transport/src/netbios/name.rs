//! NetBIOS names as they travel: 16 bytes, each as two letters, then scope labels.

use std::fmt;

/// A NetBIOS name: 15 characters padded with spaces, and the suffix that tells its service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetbiosName {
    characters: [u8; 15],
    suffix: u8,
}

impl NetbiosName {
    /// The name `text`, in upper case and cut to 15 bytes, with a suffix.
    #[must_use]
    pub fn new(text: &str, suffix: u8) -> Self {
        let mut characters = [b' '; 15];
        for (to, from) in characters.iter_mut().zip(text.bytes()) {
            *to = from.to_ascii_uppercase();
        }
        Self { characters, suffix }
    }

    /// Takes an encoded name, scope included, off the front of `bytes`. None if it is malformed.
    #[must_use]
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        // [RFC1001] 14.1
        let (encoded, mut rest) = bytes.strip_prefix(&[32])?.split_first_chunk::<32>()?;
        let mut decoded = [0; 16];
        let (pairs, _) = encoded.as_chunks::<2>();
        for (to, [high, low]) in decoded.iter_mut().zip(pairs) {
            *to = half(*high)? << 4 | half(*low)?;
        }
        // The scope: labels of up to 63 bytes, ended by an empty one. It is not compared.
        loop {
            let (length, after) = rest.split_first()?;
            rest = after.get(usize::from(*length)..)?;
            match length {
                0 => break,
                1..=63 => {}
                _ => return None,
            }
        }
        *bytes = rest;
        let [characters @ .., suffix] = decoded;
        Some(Self { characters, suffix })
    }

    /// The encoded name with an empty scope.
    #[must_use]
    pub fn encode(&self) -> [u8; 34] {
        let mut encoded = [0; 34];
        encoded[0] = 32;
        let (pairs, _) = encoded[1..33].as_chunks_mut::<2>();
        for (pair, byte) in pairs
            .iter_mut()
            .zip(self.characters.iter().chain([&self.suffix]))
        {
            *pair = [b'A' + (byte >> 4), b'A' + (byte & 0x0F)];
        }
        encoded
    }

    /// Whether this is `text`, ignoring case, padding and suffix.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Self::new(text, self.suffix) == *self
    }

    /// The last byte, which tells the service: 0x20 is the file server.
    #[must_use]
    pub fn suffix(&self) -> u8 {
        self.suffix
    }
}

impl fmt::Display for NetbiosName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.characters.trim_ascii_end().escape_ascii();
        write!(f, "{text}<{:02X}>", self.suffix)
    }
}

impl fmt::Debug for NetbiosName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn half(letter: u8) -> Option<u8> {
    letter.checked_sub(b'A').filter(|half| *half < 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_real_session_request_is_read() {
        let encoded = b"\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0rest";
        let mut bytes = &encoded[..];
        let name = NetbiosName::take(&mut bytes).unwrap();
        assert_eq!(name.to_string(), "*SMBSERVER<20>");
        assert!(name.is("*smbserver") && !name.is("*SMBSERVE"));
        assert_eq!(bytes, b"rest");
        assert_eq!(name.encode()[..], encoded[..34]);
    }

    #[test]
    fn a_scope_is_passed_over() {
        let mut encoded = NetbiosName::new("fileserver", 0x20).encode()[..33].to_vec();
        encoded.extend_from_slice(b"\x03abc\x02de\0rest");
        let mut bytes = &encoded[..];
        assert!(NetbiosName::take(&mut bytes).unwrap().is("FILESERVER"));
        assert_eq!(bytes, b"rest");
    }

    #[test]
    fn malformed_names_are_refused() {
        let good = NetbiosName::new("fileserver", 0x20).encode();
        for length in 0..good.len() {
            assert_eq!(NetbiosName::take(&mut &good[..length]), None);
        }
        for (at, byte) in [(0, 31), (1, b'@'), (1, b'Q'), (33, 64), (33, 0xC0)] {
            let mut bad = good.to_vec();
            bad.extend_from_slice(&[0; 300]);
            bad[at] = byte;
            assert_eq!(NetbiosName::take(&mut &bad[..]), None, "{at} {byte}");
        }
    }
}
