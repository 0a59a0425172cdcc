//! Access control lists.

use std::fmt;

use super::Ace;
use crate::flags::wire_values;
use crate::{DecodeError, Reader, Writer};

wire_values! {
    /// Which types of entries a list may hold.
    // [MS-DTYP] 2.4.5
    pub struct AclRevision: u8 {
        /// The types that files use.
        const ACL_REVISION = 2;
        /// The types of directory services as well.
        const ACL_REVISION_DS = 4;
    }
}

/// An access control list, never larger than its 16-bit size field can say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acl {
    revision: AclRevision,
    aces: Vec<Ace>,
    /// Bytes on the wire.
    size: u16,
}

impl Acl {
    const HEADER_SIZE: u16 = 8;

    /// A list without entries: as a DACL it lets nobody in.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            revision: AclRevision::ACL_REVISION,
            aces: Vec::new(),
            size: Self::HEADER_SIZE,
        }
    }

    /// A list of these entries.
    ///
    /// # Errors
    /// They are too many.
    pub fn from_aces(aces: impl IntoIterator<Item = Ace>) -> Result<Self, AclTooLarge> {
        let mut list = Self::new();
        aces.into_iter().try_for_each(|ace| list.push(ace))?;
        Ok(list)
    }

    /// The entries, in the order in which they are judged.
    #[must_use]
    pub fn aces(&self) -> &[Ace] {
        &self.aces
    }

    /// The revision.
    #[must_use]
    pub const fn revision(&self) -> AclRevision {
        self.revision
    }

    /// Adds an entry at the end.
    ///
    /// # Errors
    /// The list would grow beyond 64 KiB.
    pub fn push(&mut self, ace: Ace) -> Result<(), AclTooLarge> {
        let size = u16::try_from(ace.size()).map_err(|_| AclTooLarge)?;
        self.size = self.size.checked_add(size).ok_or(AclTooLarge)?;
        self.aces.push(ace);
        Ok(())
    }

    /// How many bytes the list takes on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Reads a list and leaves `reader` behind it.
    ///
    /// # Errors
    /// An unknown revision, a size that the entries do not fit in, or a bad entry.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = reader.error_in("ACL");
        let [revision, _reserved] = reader.array()?;
        let revision = AclRevision(revision);
        let size = reader.u16()?;
        let count = reader.u16()?;
        reader.skip(2)?;
        if !revision.is_known() {
            return Err(error);
        }
        let body = size.checked_sub(Self::HEADER_SIZE).ok_or(error)?;
        let mut inner = Reader::new("ACL", reader.bytes(body.into())?);
        // Every entry takes four bytes at least, so the count cannot ask for more than was sent.
        if usize::from(count).saturating_mul(4) > inner.remaining() {
            return Err(error);
        }
        let mut list = Self {
            revision,
            aces: Vec::with_capacity(count.into()),
            ..Self::new()
        };
        for _ in 0..count {
            list.push(Ace::decode(&mut inner)?)
                .map_err(|AclTooLarge| error)?;
        }
        // What follows the last entry is free space; it is not kept.
        Ok(list)
    }

    /// Appends the list.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.revision.0);
        out.u8(0);
        out.u16(self.size);
        out.size16(self.aces.len());
        out.u16(0);
        for ace in &self.aces {
            ace.encode(out);
        }
    }
}

impl Default for Acl {
    fn default() -> Self {
        Self::new()
    }
}

/// A list that would not fit its size field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclTooLarge;

impl fmt::Display for AclTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access control list is larger than 64 KiB")
    }
}

impl std::error::Error for AclTooLarge {}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::dtyp::{AccessMask, AceFlags, Sid};

    fn decode(bytes: &[u8]) -> Result<Acl, DecodeError> {
        Acl::decode(&mut Reader::new("test", bytes))
    }

    fn encode(acl: &Acl) -> BytesMut {
        let mut out = BytesMut::new();
        acl.encode(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn an_empty_list_is_its_header() {
        assert_eq!(&encode(&Acl::new())[..], &[2, 0, 8, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&[2, 0, 8, 0, 0, 0, 0, 0]), Ok(Acl::new()));
    }

    #[test]
    fn free_space_behind_the_entries_is_passed_over() {
        let mut bytes = vec![2, 0, 12, 0, 0, 0, 0, 0, 1, 2, 3, 4, 9];
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(Acl::decode(&mut reader), Ok(Acl::new()));
        assert_eq!(reader.remaining(), 1);
        bytes.truncate(11);
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_count_that_the_size_cannot_hold_is_refused() {
        assert!(decode(&[2, 0, 8, 0, 0xFF, 0xFF, 0, 0]).is_err());
        assert!(decode(&[2, 0, 7, 0, 0, 0, 0, 0]).is_err());
        assert!(decode(&[3, 0, 8, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn a_list_stops_growing_at_its_limit() {
        let ace = Ace::allowed(Sid::EVERYONE, AccessMask::DELETE, AceFlags::NONE);
        let mut list = Acl::new();
        while list.push(ace.clone()).is_ok() {}
        assert!(list.size() <= 0xFFFF && list.size() + ace.size() > 0xFFFF);
        assert_eq!(decode(&encode(&list)), Ok(list));
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_what_decodes_survives(bytes: Vec<u8>) {
            for revision in [2, 4] {
                let mut bytes = bytes.clone();
                if let Some(first) = bytes.first_mut() {
                    *first = revision;
                }
                if let Ok(list) = decode(&bytes) {
                    prop_assert_eq!(decode(&encode(&list)), Ok(list));
                }
            }
        }
    }
}
