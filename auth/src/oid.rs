//! Object identifiers: how SPNEGO names its mechanisms.

use std::borrow::Cow;
use std::fmt;

/// An object identifier, kept as the contents of its DER encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Oid(Cow<'static, [u8]>);

impl Oid {
    /// SPNEGO, 1.3.6.1.5.5.2.
    // [MS-SPNG] 1.9.1
    pub const SPNEGO: Self = Self::from_static(b"\x2b\x06\x01\x05\x05\x02");
    /// NTLM, 1.3.6.1.4.1.311.2.2.10.
    pub const NTLM: Self = Self::from_static(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a");
    /// Kerberos, 1.2.840.113554.1.2.2.
    // [MS-SPNG] 3.1.5.2
    pub const KERBEROS: Self = Self::from_static(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
    /// Kerberos as Windows 2000 misspelt it and as every Windows still offers it, 1.2.840.48018.1.2.2.
    // [MS-SPNG] 3.2.5
    pub const MS_KERBEROS: Self = Self::from_static(b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02");
    /// NEGOEX, 1.3.6.1.4.1.311.2.2.30; Windows clients may prefer it, nobody here speaks it.
    pub const NEGOEX: Self = Self::from_static(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e");

    /// The identifier with these DER contents (without tag and length), which live for ever.
    #[must_use]
    pub const fn from_static(contents: &'static [u8]) -> Self {
        Self(Cow::Borrowed(contents))
    }

    /// The identifier with these DER contents (without tag and length).
    #[must_use]
    pub fn from_contents(contents: &[u8]) -> Self {
        Self(Cow::Owned(contents.to_vec()))
    }

    /// The contents of the DER encoding, without tag and length.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    fn name(&self) -> Option<&'static str> {
        let named = [
            (Self::SPNEGO, "SPNEGO"),
            (Self::NTLM, "NTLM"),
            (Self::KERBEROS, "Kerberos"),
            (Self::MS_KERBEROS, "MS-Kerberos"),
            (Self::NEGOEX, "NEGOEX"),
        ];
        named
            .into_iter()
            .find(|(oid, _)| oid == self)
            .map(|(_, name)| name)
    }
}

impl fmt::Display for Oid {
    /// The usual name if there is one, else dotted numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        let mut number = 0_u64;
        let mut first = true;
        for byte in self.contents() {
            number = (number << 7) | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                continue;
            }
            if first {
                let root = (number / 40).min(2);
                write!(
                    f,
                    "{root}.{}",
                    number.saturating_sub(root.saturating_mul(40))
                )?;
                first = false;
            } else {
                write!(f, ".{number}")?;
            }
            number = 0;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_print_their_name_or_dotted_numbers() {
        assert_eq!(Oid::NTLM.to_string(), "NTLM");
        assert_eq!(
            Oid::from_contents(b"\x2b\x06\x01\x05\x02\x07").to_string(),
            "1.3.6.1.5.2.7"
        );
        let long = Oid::from_contents(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x03");
        assert_eq!(long.to_string(), "1.2.840.113554.1.2.3");
        assert_eq!(Oid::from_contents(&[]).to_string(), "");
    }
}
