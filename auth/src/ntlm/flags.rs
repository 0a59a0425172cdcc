//! The flags by which client and server agree on a variant of NTLM.

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// NEGOTIATE flags; bits without a name are kept.
// [MS-NLMP] 2.2.2.5
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct NegotiateFlags(pub u32);

macro_rules! flags {
    ($($(#[$meta:meta])* $name:ident = $bits:literal;)*) => {
        impl NegotiateFlags {
            $($(#[$meta])* pub const $name: Self = Self($bits);)*
        }

        const NAMES: &[(&str, NegotiateFlags)] = &[$((stringify!($name), NegotiateFlags::$name)),*];
    };
}

flags! {
    /// Strings are UTF-16.
    UNICODE = 0x0000_0001;
    /// Strings are in the OEM code page, unless `UNICODE` is set too.
    OEM = 0x0000_0002;
    /// The challenge is to name its realm.
    REQUEST_TARGET = 0x0000_0004;
    /// Keys for signing.
    SIGN = 0x0000_0010;
    /// Keys for sealing.
    SEAL = 0x0000_0020;
    /// Connectionless mode; not served.
    DATAGRAM = 0x0000_0040;
    /// Keys from the LM hash; not served.
    LM_KEY = 0x0000_0080;
    /// NTLM as opposed to LM.
    NTLM = 0x0000_0200;
    /// The client wants to be nobody; a hint only.
    ANONYMOUS = 0x0000_0800;
    /// The NEGOTIATE message names a domain.
    OEM_DOMAIN_SUPPLIED = 0x0000_1000;
    /// The NEGOTIATE message names a workstation.
    OEM_WORKSTATION_SUPPLIED = 0x0000_2000;
    /// Messages carry a constant signature even without `SIGN`.
    ALWAYS_SIGN = 0x0000_8000;
    /// The challenge names a domain.
    TARGET_TYPE_DOMAIN = 0x0001_0000;
    /// The challenge names a server.
    TARGET_TYPE_SERVER = 0x0002_0000;
    /// Extended session security: signatures that deserve the name.
    EXTENDED_SESSION_SECURITY = 0x0008_0000;
    /// The server may learn who the client is but not act in its name.
    IDENTIFY = 0x0010_0000;
    /// Keys from the LM hash, another way; not served.
    NON_NT_SESSION_KEY = 0x0040_0000;
    /// The challenge has target information.
    TARGET_INFO = 0x0080_0000;
    /// Messages carry the version of their sender.
    VERSION = 0x0200_0000;
    /// 128-bit keys.
    KEY_128 = 0x2000_0000;
    /// The client chooses the session key and sends it encrypted.
    KEY_EXCH = 0x4000_0000;
    /// 56-bit keys.
    KEY_56 = 0x8000_0000;
}

impl NegotiateFlags {
    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for NegotiateFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitAnd for NegotiateFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for NegotiateFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)?;
        for (name, _) in NAMES.iter().filter(|(_, flag)| self.contains(*flag)) {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_their_bits_and_names() {
        let flags = NegotiateFlags::UNICODE | NegotiateFlags::KEY_EXCH;
        assert_eq!(format!("{flags:?}"), "0x40000001 UNICODE KEY_EXCH");
        assert!(flags.without(NegotiateFlags::UNICODE) == NegotiateFlags::KEY_EXCH);
    }
}
