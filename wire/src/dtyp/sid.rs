//! Security identifiers: who a right is given to.

use std::fmt;
use std::str::FromStr;

use crate::{DecodeError, Reader, Writer};

/// A security identifier of revision 1: an authority and up to 15 sub-authorities.
// [MS-DTYP] 2.4.2
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    /// Big-endian, as on the wire.
    authority: [u8; 6],
    /// How many of `sub_authorities` count; at most 15.
    count: u8,
    /// The rest is zero, so that equality may compare everything.
    sub_authorities: [u32; Sid::MAX_SUB_AUTHORITIES],
}

// [MS-DTYP] 2.4.2.4
impl Sid {
    /// Nobody: where a user is unknown.
    pub const NULL: Self = Self::well_known(0, &[0]);
    /// Everyone, anonymous users included.
    pub const EVERYONE: Self = Self::well_known(1, &[0]);
    /// In an inheritable entry: the owner of the new object.
    pub const CREATOR_OWNER: Self = Self::well_known(3, &[0]);
    /// In an inheritable entry: the primary group of the new object's creator.
    pub const CREATOR_GROUP: Self = Self::well_known(3, &[1]);
    /// The present owner; an entry for it replaces the owner's implicit rights.
    pub const OWNER_RIGHTS: Self = Self::well_known(3, &[4]);
    /// `NT AUTHORITY\NETWORK`: whoever logged on over the network.
    pub const NETWORK: Self = Self::well_known(5, &[2]);
    /// `NT AUTHORITY\ANONYMOUS LOGON`.
    pub const ANONYMOUS: Self = Self::well_known(5, &[7]);
    /// `NT AUTHORITY\SELF`: in directory services, the object itself.
    pub const PRINCIPAL_SELF: Self = Self::well_known(5, &[10]);
    /// `NT AUTHORITY\Authenticated Users`: not guests, not anonymous users.
    pub const AUTHENTICATED_USERS: Self = Self::well_known(5, &[11]);
    /// `NT AUTHORITY\SYSTEM`.
    pub const SYSTEM: Self = Self::well_known(5, &[18]);
    /// `BUILTIN\Administrators`.
    pub const ADMINISTRATORS: Self = Self::well_known(5, &[32, 544]);
    /// `BUILTIN\Users`.
    pub const USERS: Self = Self::well_known(5, &[32, 545]);
    /// `BUILTIN\Guests`.
    pub const GUESTS: Self = Self::well_known(5, &[32, 546]);

    /// The most sub-authorities that an identifier can have.
    pub const MAX_SUB_AUTHORITIES: usize = 15;

    /// The most bytes that an identifier takes on the wire.
    pub const MAX_SIZE: usize = 68;

    /// An identifier of `authority` with these sub-authorities; `None` when there are more than 15.
    #[must_use]
    pub fn new(authority: [u8; 6], sub_authorities: &[u32]) -> Option<Self> {
        let count = u8::try_from(sub_authorities.len()).ok()?;
        let mut all = [0; Self::MAX_SUB_AUTHORITIES];
        all.get_mut(..sub_authorities.len())?
            .copy_from_slice(sub_authorities);
        Some(Self {
            authority,
            count,
            sub_authorities: all,
        })
    }

    /// The user of a POSIX system with this number, S-1-22-1-uid: Samba's convention for users who
    /// have no identifier of their own, kept for shares that come from there.
    #[must_use]
    pub const fn unix_user(uid: u32) -> Self {
        Self::well_known(22, &[1, uid])
    }

    /// The group of a POSIX system with this number, S-1-22-2-gid.
    #[must_use]
    pub const fn unix_group(gid: u32) -> Self {
        Self::well_known(22, &[2, gid])
    }

    /// An account of a machine or domain, S-1-5-21-a-b-c-rid.
    #[must_use]
    pub const fn domain_account([a, b, c]: [u32; 3], rid: u32) -> Self {
        let mut sub_authorities = [0; Self::MAX_SUB_AUTHORITIES];
        [sub_authorities[0], sub_authorities[1], sub_authorities[2]] = [21, a, b];
        [sub_authorities[3], sub_authorities[4]] = [c, rid];
        Self {
            authority: [0, 0, 0, 0, 0, 5],
            count: 5,
            sub_authorities,
        }
    }

    /// The authority, big-endian.
    #[must_use]
    pub const fn authority(&self) -> [u8; 6] {
        self.authority
    }

    /// The sub-authorities, from the most general to the relative identifier.
    #[must_use]
    pub fn sub_authorities(&self) -> &[u32] {
        self.sub_authorities
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    /// The user number of an S-1-22-1 identifier.
    #[must_use]
    pub fn as_unix_user(&self) -> Option<u32> {
        match self.sub_authorities() {
            [1, uid] if self.authority == UNIX_AUTHORITY => Some(*uid),
            _ => None,
        }
    }

    /// The group number of an S-1-22-2 identifier.
    #[must_use]
    pub fn as_unix_group(&self) -> Option<u32> {
        match self.sub_authorities() {
            [2, gid] if self.authority == UNIX_AUTHORITY => Some(*gid),
            _ => None,
        }
    }

    /// How many bytes the identifier takes on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::from(self.count).saturating_mul(4).saturating_add(8)
    }

    /// Reads an identifier and leaves `reader` behind it.
    ///
    /// # Errors
    /// Another revision, more than 15 sub-authorities, or too few bytes.
    // [MS-DTYP] 2.4.2.2
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = reader.error_in("SID");
        let [revision, count] = reader.array()?;
        if revision != REVISION {
            return Err(error);
        }
        let authority = reader.array()?;
        let mut sub_authorities = [0; Self::MAX_SUB_AUTHORITIES];
        for value in sub_authorities.get_mut(..usize::from(count)).ok_or(error)? {
            *value = reader.u32()?;
        }
        Ok(Self {
            authority,
            count,
            sub_authorities,
        })
    }

    /// Appends the identifier.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(REVISION);
        out.u8(self.count);
        out.bytes(&self.authority);
        for value in self.sub_authorities() {
            out.u32(*value);
        }
    }

    /// One or two sub-authorities of a small authority, at compile time.
    const fn well_known(authority: u8, sub_authorities: &[u32]) -> Self {
        let authority = [0, 0, 0, 0, 0, authority];
        let mut all = [0; Self::MAX_SUB_AUTHORITIES];
        let count = match sub_authorities {
            [one] => {
                all[0] = *one;
                1
            }
            [one, two, ..] => {
                [all[0], all[1]] = [*one, *two];
                2
            }
            [] => 0,
        };
        Self {
            authority,
            count,
            sub_authorities: all,
        }
    }
}

impl fmt::Display for Sid {
    // [MS-DTYP] 2.4.2.1
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.authority;
        match u64::from_be_bytes([0, 0, a, b, c, d, e, g]) {
            small @ 0..=0xFFFF_FFFF => write!(f, "S-1-{small}")?,
            large => write!(f, "S-1-0x{large:012X}")?,
        }
        self.sub_authorities()
            .iter()
            .try_for_each(|value| write!(f, "-{value}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = ParseSidError;

    // [MS-DTYP] 2.4.2.1
    fn from_str(text: &str) -> Result<Self, ParseSidError> {
        let mut parts = text.strip_prefix("S-1-").ok_or(ParseSidError)?.split('-');
        let authority = parts.next().unwrap_or_default();
        let authority = match authority.strip_prefix("0x") {
            Some(hex) if hex.len() == 12 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                u64::from_str_radix(hex, 16).map_err(|_| ParseSidError)?
            }
            Some(_) => return Err(ParseSidError),
            None => decimal(authority)?.into(),
        };
        let [_, _, authority @ ..] = authority.to_be_bytes();
        let mut sub_authorities = [0; Self::MAX_SUB_AUTHORITIES];
        let mut count = 0_u8;
        for part in parts {
            *sub_authorities
                .get_mut(usize::from(count))
                .ok_or(ParseSidError)? = decimal(part)?;
            count = count.saturating_add(1);
        }
        Ok(Self {
            authority,
            count,
            sub_authorities,
        })
    }
}

/// The text is not a security identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseSidError;

impl fmt::Display for ParseSidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a security identifier of the form S-1-5-32-544")
    }
}

impl std::error::Error for ParseSidError {}

/// A decimal number without sign or leading zeros.
fn decimal(digits: &str) -> Result<u32, ParseSidError> {
    let canonical = digits == "0" || digits.starts_with(|first| ('1'..='9').contains(&first));
    digits
        .parse()
        .ok()
        .filter(|_| canonical)
        .ok_or(ParseSidError)
}

const REVISION: u8 = 1;
const UNIX_AUTHORITY: [u8; 6] = [0, 0, 0, 0, 0, 22];

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn encoded(sid: &Sid) -> BytesMut {
        let mut out = BytesMut::new();
        sid.encode(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn the_administrators_of_the_specifications_example_decode() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x20, 2, 0, 0];
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(Sid::decode(&mut reader), Ok(Sid::ADMINISTRATORS));
        assert_eq!(reader.remaining(), 0);
        assert_eq!(&encoded(&Sid::ADMINISTRATORS)[..], &bytes);
    }

    #[test]
    fn well_known_identifiers_have_their_well_known_text() {
        for (sid, text) in [
            (Sid::NULL, "S-1-0-0"),
            (Sid::EVERYONE, "S-1-1-0"),
            (Sid::CREATOR_OWNER, "S-1-3-0"),
            (Sid::CREATOR_GROUP, "S-1-3-1"),
            (Sid::OWNER_RIGHTS, "S-1-3-4"),
            (Sid::NETWORK, "S-1-5-2"),
            (Sid::ANONYMOUS, "S-1-5-7"),
            (Sid::PRINCIPAL_SELF, "S-1-5-10"),
            (Sid::AUTHENTICATED_USERS, "S-1-5-11"),
            (Sid::SYSTEM, "S-1-5-18"),
            (Sid::ADMINISTRATORS, "S-1-5-32-544"),
            (Sid::USERS, "S-1-5-32-545"),
            (Sid::GUESTS, "S-1-5-32-546"),
            (Sid::unix_user(1000), "S-1-22-1-1000"),
            (Sid::unix_group(100), "S-1-22-2-100"),
            (Sid::domain_account([1, 2, 3], 513), "S-1-5-21-1-2-3-513"),
        ] {
            assert_eq!(sid.to_string(), text);
            assert_eq!(text.parse(), Ok(sid));
        }
    }

    #[test]
    fn a_large_authority_is_written_in_hexadecimal() {
        let sid = Sid::new([0x12, 0, 0, 0, 0, 1], &[7]).unwrap();
        assert_eq!(sid.to_string(), "S-1-0x120000000001-7");
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }

    #[test]
    fn unix_numbers_are_found_again() {
        assert_eq!(Sid::unix_user(5).as_unix_user(), Some(5));
        assert_eq!(Sid::unix_user(5).as_unix_group(), None);
        assert_eq!(Sid::unix_group(6).as_unix_group(), Some(6));
        assert_eq!(Sid::ADMINISTRATORS.as_unix_user(), None);
    }

    #[test]
    fn text_that_is_no_identifier_is_refused() {
        let too_many = format!("S-1-5{}", "-1".repeat(16));
        for text in [
            "",
            "S-1-",
            "S-2-5-1",
            "S-1-5-",
            "S-1-5-01",
            "S-1-05-1",
            "S-1-5-+1",
            "S-1-5-4294967296",
            "S-1-0x12-1",
            "S-1-0x+20000000001-7",
            "S-1-5-1 ",
            &too_many,
        ] {
            assert_eq!(text.parse::<Sid>(), Err(ParseSidError), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_identifier_are_refused() {
        for bytes in [
            &[2, 0, 0, 0, 0, 0, 0, 5][..],
            &[1, 16, 0, 0, 0, 0, 0, 5],
            &[1, 1, 0, 0],
        ] {
            assert!(Sid::decode(&mut Reader::new("test", bytes)).is_err());
        }
        let mut cut_short = [0; Sid::MAX_SIZE - 1];
        (cut_short[0], cut_short[1]) = (1, 15);
        assert!(Sid::decode(&mut Reader::new("test", &cut_short)).is_err());
    }

    proptest! {
        #[test]
        fn wire_and_text_keep_every_identifier(
            authority: [u8; 6], subs in prop::collection::vec(any::<u32>(), 0..=15),
        ) {
            let sid = Sid::new(authority, &subs).unwrap();
            let bytes = encoded(&sid);
            prop_assert_eq!(bytes.len(), sid.size());
            prop_assert_eq!(Sid::decode(&mut Reader::new("test", &bytes)), Ok(sid));
            prop_assert_eq!(sid.to_string().parse(), Ok(sid));
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>, text: String) {
            let _ = Sid::decode(&mut Reader::new("test", &bytes));
            let _ = text.parse::<Sid>();
        }
    }
}
