//! Access control entries: one right given to, or kept from, one principal.

use super::{AccessMask, Sid};
use crate::flags::{wire_flags, wire_values};
use crate::{DecodeError, Reader, Writer};

wire_values! {
    /// What an access control entry does.
    // [MS-DTYP] 2.4.4.1
    pub struct AceType: u8 {
        /// Gives rights.
        const ACCESS_ALLOWED = 0x00;
        /// Denies rights.
        const ACCESS_DENIED = 0x01;
        /// Asks for an audit event.
        const SYSTEM_AUDIT = 0x02;
        /// Reserved.
        const SYSTEM_ALARM = 0x03;
        /// Reserved.
        const ACCESS_ALLOWED_COMPOUND = 0x04;
        /// Gives rights to a part of a directory object.
        const ACCESS_ALLOWED_OBJECT = 0x05;
        /// Denies rights to a part of a directory object.
        const ACCESS_DENIED_OBJECT = 0x06;
        /// Asks for an audit event on a part of a directory object.
        const SYSTEM_AUDIT_OBJECT = 0x07;
        /// Reserved.
        const SYSTEM_ALARM_OBJECT = 0x08;
        /// Gives rights under a condition.
        const ACCESS_ALLOWED_CALLBACK = 0x09;
        /// Denies rights under a condition.
        const ACCESS_DENIED_CALLBACK = 0x0A;
        /// Gives rights to a part of a directory object under a condition.
        const ACCESS_ALLOWED_CALLBACK_OBJECT = 0x0B;
        /// Denies rights to a part of a directory object under a condition.
        const ACCESS_DENIED_CALLBACK_OBJECT = 0x0C;
        /// Asks for an audit event under a condition.
        const SYSTEM_AUDIT_CALLBACK = 0x0D;
        /// Reserved.
        const SYSTEM_ALARM_CALLBACK = 0x0E;
        /// Asks for an audit event on a part of a directory object under a condition.
        const SYSTEM_AUDIT_CALLBACK_OBJECT = 0x0F;
        /// Reserved.
        const SYSTEM_ALARM_CALLBACK_OBJECT = 0x10;
        /// The integrity level of the object.
        const SYSTEM_MANDATORY_LABEL = 0x11;
        /// An attribute of the object, for conditions.
        const SYSTEM_RESOURCE_ATTRIBUTE = 0x12;
        /// A central access policy.
        const SYSTEM_SCOPED_POLICY_ID = 0x13;
    }
}

wire_flags! {
    /// How an entry is inherited, and when it audits.
    // [MS-DTYP] 2.4.4.1
    pub struct AceFlags: u8 {
        /// New files inherit the entry.
        const OBJECT_INHERIT = 0x01;
        /// New directories inherit the entry.
        const CONTAINER_INHERIT = 0x02;
        /// What inherits the entry does not hand it on.
        const NO_PROPAGATE_INHERIT = 0x04;
        /// The entry is there to be inherited only.
        const INHERIT_ONLY = 0x08;
        /// The entry was inherited.
        const INHERITED = 0x10;
        /// Audit successful access.
        const SUCCESSFUL_ACCESS = 0x40;
        /// Audit failed access.
        const FAILED_ACCESS = 0x80;
    }
}

/// One access control entry.
///
/// Entries of a mask and a principal are taken apart; those for directory objects, and types that
/// nobody has defined yet, are kept as the bytes that they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ace {
    ace_type: AceType,
    flags: AceFlags,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Body {
    /// A type of which [`has_principal`] is true, with what follows the identifier.
    Principal {
        mask: AccessMask,
        sid: Sid,
        data: Box<[u8]>,
    },
    /// Any other type.
    Opaque(Box<[u8]>),
}

impl Ace {
    /// The most bytes that may follow the header of an entry.
    const MAX_BODY: usize = 0xFFFC - Self::HEADER_SIZE;
    const HEADER_SIZE: usize = 4;

    /// An entry that gives rights.
    #[must_use]
    pub fn allowed(sid: Sid, mask: AccessMask, flags: AceFlags) -> Self {
        Self::of_principal(AceType::ACCESS_ALLOWED, sid, mask, flags)
    }

    /// An entry that denies rights.
    #[must_use]
    pub fn denied(sid: Sid, mask: AccessMask, flags: AceFlags) -> Self {
        Self::of_principal(AceType::ACCESS_DENIED, sid, mask, flags)
    }

    /// An entry that asks for audit events, on success or failure as `flags` say.
    #[must_use]
    pub fn audit(sid: Sid, mask: AccessMask, flags: AceFlags) -> Self {
        Self::of_principal(AceType::SYSTEM_AUDIT, sid, mask, flags)
    }

    fn of_principal(ace_type: AceType, sid: Sid, mask: AccessMask, flags: AceFlags) -> Self {
        Self {
            ace_type,
            flags,
            body: Body::Principal {
                mask,
                sid,
                data: Box::default(),
            },
        }
    }

    /// What the entry does.
    #[must_use]
    pub const fn ace_type(&self) -> AceType {
        self.ace_type
    }

    /// How the entry is inherited.
    #[must_use]
    pub const fn flags(&self) -> AceFlags {
        self.flags
    }

    /// The principal and the rights, unless the entry is for directory objects or unknown.
    #[must_use]
    pub const fn principal(&self) -> Option<(&Sid, AccessMask)> {
        match &self.body {
            Body::Principal { mask, sid, .. } => Some((sid, *mask)),
            Body::Opaque(_) => None,
        }
    }

    /// Whether the entry counts for the object itself, not only for what inherits it.
    #[must_use]
    pub const fn is_effective(&self) -> bool {
        !self.flags.contains(AceFlags::INHERIT_ONLY)
    }

    /// The same entry with other flags.
    #[must_use]
    pub fn with_flags(self, flags: AceFlags) -> Self {
        Self { flags, ..self }
    }

    /// The same entry for another principal and other rights; unchanged if it has none.
    #[must_use]
    pub fn with_principal(mut self, new_sid: Sid, new_mask: AccessMask) -> Self {
        if let Body::Principal { mask, sid, .. } = &mut self.body {
            (*sid, *mask) = (new_sid, new_mask);
        }
        self
    }

    /// How many bytes the entry takes on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        let body = match &self.body {
            Body::Principal { sid, data, .. } => {
                sid.size().saturating_add(4).saturating_add(data.len())
            }
            Body::Opaque(bytes) => bytes.len(),
        };
        body.saturating_add(Self::HEADER_SIZE)
    }

    /// Reads an entry and leaves `reader` behind it.
    ///
    /// # Errors
    /// A size that is no multiple of four, too small or too large, or a bad identifier.
    // [MS-DTYP] 2.4.4.1
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = reader.error_in("ACE");
        let [ace_type, flags] = reader.array()?;
        let size = reader.size16()?;
        let body_size = size
            .checked_sub(Self::HEADER_SIZE)
            .filter(|_| size % 4 == 0)
            .ok_or(error)?;
        let body = reader.bytes(body_size)?;
        let ace_type = AceType(ace_type);
        let body = if has_principal(ace_type) {
            let mut inner = Reader::new("ACE", body);
            Body::Principal {
                mask: AccessMask::from_bits(inner.u32()?),
                sid: Sid::decode(&mut inner)?,
                data: inner.rest().into(),
            }
        } else {
            Body::Opaque(body.into())
        };
        Ok(Self {
            ace_type,
            flags: AceFlags::from_bits(flags),
            body,
        })
    }

    /// Appends the entry.
    pub fn encode(&self, out: &mut Writer<'_>) {
        debug_assert!(self.size() <= Self::MAX_BODY.saturating_add(Self::HEADER_SIZE));
        out.u8(self.ace_type.0);
        out.u8(self.flags.bits());
        out.size16(self.size());
        match &self.body {
            Body::Principal { mask, sid, data } => {
                out.u32(mask.bits());
                sid.encode(out);
                out.bytes(data);
            }
            Body::Opaque(bytes) => out.bytes(bytes),
        }
    }
}

/// Whether entries of a type are a mask, an identifier, and data of their own.
// [MS-DTYP] 2.4.4.2
const fn has_principal(ace_type: AceType) -> bool {
    matches!(
        ace_type,
        AceType::ACCESS_ALLOWED
            | AceType::ACCESS_DENIED
            | AceType::SYSTEM_AUDIT
            | AceType::SYSTEM_ALARM
            | AceType::ACCESS_ALLOWED_CALLBACK
            | AceType::ACCESS_DENIED_CALLBACK
            | AceType::SYSTEM_AUDIT_CALLBACK
            | AceType::SYSTEM_ALARM_CALLBACK
            | AceType::SYSTEM_MANDATORY_LABEL
            | AceType::SYSTEM_RESOURCE_ATTRIBUTE
            | AceType::SYSTEM_SCOPED_POLICY_ID
    )
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Result<Ace, DecodeError> {
        Ace::decode(&mut Reader::new("test", bytes))
    }

    fn encode(ace: &Ace) -> BytesMut {
        let mut out = BytesMut::new();
        ace.encode(&mut Writer::new(&mut out));
        out
    }

    // test [MS-DTYP] 2.5.1.4
    #[test]
    fn the_entry_of_the_specifications_example_decodes() {
        let bytes = [
            0, 3, 0x18, 0, 0, 0, 0, 0xA0, 1, 2, 0, 0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x21, 2, 0, 0,
        ];
        let rights = AccessMask::GENERIC_READ | AccessMask::GENERIC_EXECUTE;
        let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
        let ace = Ace::allowed(Sid::USERS, rights, inherit);
        assert_eq!(decode(&bytes), Ok(ace.clone()));
        assert_eq!(&encode(&ace)[..], &bytes);
    }

    #[test]
    fn conditions_and_directory_object_entries_are_kept_as_they_are() {
        let callback = [
            9, 0, 0x18, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, b'a', b'r', b't', b'x',
        ];
        assert_eq!(&encode(&decode(&callback).unwrap())[..], &callback);
        let object = [5, 0, 0x0C, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let ace = decode(&object).unwrap();
        assert_eq!(ace.principal(), None);
        assert_eq!(&encode(&ace)[..], &object);
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        for bytes in [
            &[0, 0, 0, 0][..],
            &[0x20, 0, 2, 0],
            &[0x20, 0, 5, 0, 0],
            &[0x20, 0, 8, 0, 0, 0, 0],
            &[0, 0, 8, 0, 0, 0, 0, 0],
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_what_decodes_encodes_back(
            ace_type in 0..0x16_u8,
            flags: u8,
            words in 0..32_u16,
            tail in prop::collection::vec(any::<u8>(), 0..140),
        ) {
            let mut bytes = vec![ace_type, flags];
            bytes.extend((words * 4).to_le_bytes());
            bytes.extend(tail);
            if let Ok(ace) = decode(&bytes) {
                prop_assert_eq!(&encode(&ace)[..], &bytes[..ace.size()]);
            }
        }
    }
}
