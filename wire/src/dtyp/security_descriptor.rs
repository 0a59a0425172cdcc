//! Security descriptors in their self-relative form.

use super::{AceType, Acl, Sid};
use crate::flags::wire_flags;
use crate::{DecodeError, Reader, Writer};

wire_flags! {
    /// The control bits of a security descriptor.
    ///
    /// SELF_RELATIVE, DACL_PRESENT and SACL_PRESENT say what the other fields of a
    /// [`SecurityDescriptor`] already say; encoding sets them from those.
    // [MS-DTYP] 2.4.6
    pub struct SecurityControl: u16 {
        /// The owner was filled in by default.
        const OWNER_DEFAULTED = 0x0001;
        /// The group was filled in by default.
        const GROUP_DEFAULTED = 0x0002;
        /// There is a DACL, if only a null one.
        const DACL_PRESENT = 0x0004;
        /// The DACL was filled in by default.
        const DACL_DEFAULTED = 0x0008;
        /// There is a SACL, if only a null one.
        const SACL_PRESENT = 0x0010;
        /// The SACL was filled in by default.
        const SACL_DEFAULTED = 0x0020;
        /// The DACL comes from a trusted source.
        const DACL_TRUSTED = 0x0040;
        /// A server's list is to be made from the given one.
        const SERVER_SECURITY = 0x0080;
        /// The setter asks for the DACL to be marked as inherited.
        const DACL_AUTO_INHERIT_REQUIRED = 0x0100;
        /// The setter asks for the SACL to be marked as inherited.
        const SACL_AUTO_INHERIT_REQUIRED = 0x0200;
        /// The DACL was made by inheritance.
        const DACL_AUTO_INHERITED = 0x0400;
        /// The SACL was made by inheritance.
        const SACL_AUTO_INHERITED = 0x0800;
        /// The DACL does not inherit.
        const DACL_PROTECTED = 0x1000;
        /// The SACL does not inherit.
        const SACL_PROTECTED = 0x2000;
        /// The second byte of the descriptor means something to the resource manager.
        const RESOURCE_MANAGER_VALID = 0x4000;
        /// The form on the wire.
        const SELF_RELATIVE = 0x8000;
    }
}

wire_flags! {
    /// Which parts of a security descriptor are asked for or set.
    // [MS-DTYP] 2.4.7
    pub struct SecurityInformation: u32 {
        /// The owner.
        const OWNER = 0x0000_0001;
        /// The primary group.
        const GROUP = 0x0000_0002;
        /// The DACL.
        const DACL = 0x0000_0004;
        /// The SACL.
        const SACL = 0x0000_0008;
        /// The integrity label, an entry of the SACL.
        const LABEL = 0x0000_0010;
        /// The resource attributes, entries of the SACL.
        const ATTRIBUTE = 0x0000_0020;
        /// The central access policy, an entry of the SACL.
        const SCOPE = 0x0000_0040;
        /// Reserved: the process trust label.
        const PROCESS_TRUST_LABEL = 0x0000_0080;
        /// Everything, for a backup.
        const BACKUP = 0x0001_0000;
        /// The SACL inherits again.
        const UNPROTECTED_SACL = 0x1000_0000;
        /// The DACL inherits again.
        const UNPROTECTED_DACL = 0x2000_0000;
        /// The SACL no longer inherits.
        const PROTECTED_SACL = 0x4000_0000;
        /// The DACL no longer inherits.
        const PROTECTED_DACL = 0x8000_0000;
    }
}

impl SecurityInformation {
    /// Whether these parts include the entries of this type in a system list.
    #[must_use]
    pub const fn selects(self, ace_type: AceType) -> bool {
        let part = match ace_type {
            AceType::SYSTEM_MANDATORY_LABEL => Self::LABEL,
            AceType::SYSTEM_RESOURCE_ATTRIBUTE => Self::ATTRIBUTE.with(Self::SACL),
            AceType::SYSTEM_SCOPED_POLICY_ID => Self::SCOPE.with(Self::SACL),
            _ => Self::SACL,
        };
        self.intersects(part.with(Self::BACKUP))
    }
}

/// A list of a descriptor, which may be there, missing, or there and null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AclSlot {
    /// The descriptor does not speak of it.
    #[default]
    Absent,
    /// There is one and it is null: as a DACL, everything is granted to everyone.
    Null,
    /// There is one; an empty DACL grants nothing.
    List(Acl),
}

impl AclSlot {
    /// The list, where there is one.
    #[must_use]
    pub const fn list(&self) -> Option<&Acl> {
        match self {
            Self::List(list) => Some(list),
            Self::Absent | Self::Null => None,
        }
    }

    /// Whether the descriptor speaks of this list.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// Who owns an object, who may do what with it, and what is audited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityDescriptor {
    /// The control bits; those that the other fields imply are ignored when encoding.
    pub control: SecurityControl,
    /// Bits of the resource manager, mostly zero.
    pub resource_manager: u8,
    /// The owner, if the descriptor names one.
    pub owner: Option<Sid>,
    /// The primary group, if the descriptor names one.
    pub group: Option<Sid>,
    /// What is audited, and labels.
    pub sacl: AclSlot,
    /// Who may do what.
    pub dacl: AclSlot,
}

impl SecurityDescriptor {
    /// The most bytes of a descriptor that are taken from a peer.
    pub const MAX_SIZE: usize = 0x1_0000;

    const HEADER_SIZE: usize = 20;

    /// The parts of this descriptor that `info` asks for.
    ///
    /// Of a SACL, LABEL, ATTRIBUTE and SCOPE ask for single entries; SACL asks for all but the
    /// label, BACKUP for everything.
    // [MS-DTYP] 2.4.7
    #[must_use]
    pub fn parts(&self, info: SecurityInformation) -> Self {
        use SecurityControl as Control;
        use SecurityInformation as Info;
        let wanted = |part| info.intersects(part | Info::BACKUP);
        let mut control = Control::SELF_RELATIVE;
        let mut selected = Self::default();
        if wanted(Info::OWNER) {
            control |= self.control & Control::OWNER_DEFAULTED;
            selected.owner = self.owner;
        }
        if wanted(Info::GROUP) {
            control |= self.control & Control::GROUP_DEFAULTED;
            selected.group = self.group;
        }
        if wanted(Info::DACL) {
            control |= self.control & DACL_CONTROL;
            selected.dacl = self.dacl.clone();
        }
        if wanted(Info::SACL | SINGLE_ENTRIES) {
            control |= self.control & SACL_CONTROL;
            selected.sacl = self.sacl_part(info);
        }
        selected.control = control.with(selected.presence());
        selected
    }

    /// The entries of the SACL that `info` asks for.
    fn sacl_part(&self, info: SecurityInformation) -> AclSlot {
        use SecurityInformation as Info;
        let AclSlot::List(list) = &self.sacl else {
            return self.sacl.clone();
        };
        let entries = list
            .aces()
            .iter()
            .filter(|ace| info.selects(ace.ace_type()))
            .cloned();
        match Acl::from_aces(entries) {
            Ok(part) if part.aces().is_empty() && !info.intersects(Info::SACL | Info::BACKUP) => {
                AclSlot::Absent
            }
            Ok(part) => AclSlot::List(part),
            Err(_) => AclSlot::Absent,
        }
    }

    /// The control bits that say which lists there are.
    fn presence(&self) -> SecurityControl {
        let mut bits = SecurityControl::NONE;
        if self.dacl.is_present() {
            bits |= SecurityControl::DACL_PRESENT;
        }
        if self.sacl.is_present() {
            bits |= SecurityControl::SACL_PRESENT;
        }
        bits
    }

    /// How many bytes the descriptor takes on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        let sids = [&self.owner, &self.group]
            .into_iter()
            .flatten()
            .map(Sid::size);
        let lists = [&self.sacl, &self.dacl]
            .into_iter()
            .filter_map(|slot| slot.list())
            .map(Acl::size);
        sids.chain(lists)
            .fold(Self::HEADER_SIZE, usize::saturating_add)
    }

    /// Reads a descriptor that is all of `bytes`.
    ///
    /// # Errors
    /// More than [`SecurityDescriptor::MAX_SIZE`] bytes, another revision, not self-relative, an
    /// offset into the header or beyond the end, or a bad identifier or list.
    // [MS-DTYP] 2.4.6
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("security descriptor", bytes);
        if bytes.len() > Self::MAX_SIZE {
            return Err(reader.error());
        }
        let [revision, resource_manager] = reader.array()?;
        let control = SecurityControl::from_bits(reader.u16()?);
        if revision != REVISION || !control.contains(SecurityControl::SELF_RELATIVE) {
            return Err(reader.error());
        }
        let mut field = || -> Result<Option<Reader<'_>>, DecodeError> {
            match reader.size32()? {
                0 => Ok(None),
                offset if offset < Self::HEADER_SIZE => Err(reader.error()),
                offset => reader.at(offset).map(Some),
            }
        };
        let (owner, group, sacl, dacl) = (field()?, field()?, field()?, field()?);
        let sid = |at: Option<Reader<'_>>| at.map(|mut at| Sid::decode(&mut at)).transpose();
        let list = |present, at: Option<Reader<'_>>| match at {
            _ if !control.contains(present) => Ok(AclSlot::Absent),
            None => Ok(AclSlot::Null),
            Some(mut at) => Acl::decode(&mut at).map(AclSlot::List),
        };
        Ok(Self {
            control,
            resource_manager,
            owner: sid(owner)?,
            group: sid(group)?,
            sacl: list(SecurityControl::SACL_PRESENT, sacl)?,
            dacl: list(SecurityControl::DACL_PRESENT, dacl)?,
        })
    }

    /// Appends the descriptor, its parts in the order SACL, DACL, owner, group.
    pub fn encode(&self, out: &mut Writer<'_>) {
        let derived = SecurityControl::DACL_PRESENT | SecurityControl::SACL_PRESENT;
        let control =
            self.control.without(derived) | SecurityControl::SELF_RELATIVE | self.presence();
        let mut next = Self::HEADER_SIZE;
        let mut place = |size: Option<usize>| {
            let offset = if size.is_some() { next } else { 0 };
            next = next.saturating_add(size.unwrap_or(0));
            offset
        };
        let sacl = place(self.sacl.list().map(Acl::size));
        let dacl = place(self.dacl.list().map(Acl::size));
        let owner = place(self.owner.as_ref().map(Sid::size));
        let group = place(self.group.as_ref().map(Sid::size));
        out.u8(REVISION);
        out.u8(self.resource_manager);
        out.u16(control.bits());
        for offset in [owner, group, sacl, dacl] {
            out.size32(offset);
        }
        for list in [&self.sacl, &self.dacl]
            .into_iter()
            .filter_map(|slot| slot.list())
        {
            list.encode(out);
        }
        for sid in [&self.owner, &self.group].into_iter().flatten() {
            sid.encode(out);
        }
    }
}

const REVISION: u8 = 1;

/// The control bits that belong to the DACL.
const DACL_CONTROL: SecurityControl = SecurityControl::DACL_DEFAULTED
    .with(SecurityControl::DACL_TRUSTED)
    .with(SecurityControl::DACL_AUTO_INHERIT_REQUIRED)
    .with(SecurityControl::DACL_AUTO_INHERITED)
    .with(SecurityControl::DACL_PROTECTED);

/// The control bits that belong to the SACL.
const SACL_CONTROL: SecurityControl = SecurityControl::SACL_DEFAULTED
    .with(SecurityControl::SACL_AUTO_INHERIT_REQUIRED)
    .with(SecurityControl::SACL_AUTO_INHERITED)
    .with(SecurityControl::SACL_PROTECTED);

/// The parts that are single entries of the SACL.
const SINGLE_ENTRIES: SecurityInformation = SecurityInformation::LABEL
    .with(SecurityInformation::ATTRIBUTE)
    .with(SecurityInformation::SCOPE);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::dtyp::{AccessMask, Ace, AceFlags};

    fn encode(descriptor: &SecurityDescriptor) -> BytesMut {
        let mut out = BytesMut::new();
        descriptor.encode(&mut Writer::new(&mut out));
        assert_eq!(out.len(), descriptor.size());
        out
    }

    /// `O:BAG:BAD:P(A;CIOI;GRGX;;;BU)(A;CIOI;GA;;;BA)(A;CIOI;GA;;;SY)(A;CIOI;GA;;;CO)`
    /// `S:P(AU;FA;GR;;;WD)`
    #[rustfmt::skip]
    const EXAMPLE: [u8; 0xB0] = [
        0x01, 0x00, 0x14, 0xb0, 0x90, 0x00, 0x00, 0x00, 0xa0, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00,
        0x30, 0x00, 0x00, 0x00, 0x02, 0x00, 0x1c, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x80, 0x14, 0x00,
        0x00, 0x00, 0x00, 0x80, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
        0x02, 0x00, 0x60, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x03, 0x18, 0x00, 0x00, 0x00, 0x00, 0xa0,
        0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00, 0x21, 0x02, 0x00, 0x00,
        0x00, 0x03, 0x18, 0x00, 0x00, 0x00, 0x00, 0x10, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05,
        0x20, 0x00, 0x00, 0x00, 0x20, 0x02, 0x00, 0x00, 0x00, 0x03, 0x14, 0x00, 0x00, 0x00, 0x00, 0x10,
        0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x12, 0x00, 0x00, 0x00, 0x00, 0x03, 0x14, 0x00,
        0x00, 0x00, 0x00, 0x10, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00, 0x20, 0x02, 0x00, 0x00,
        0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00, 0x20, 0x02, 0x00, 0x00,
    ];

    fn example() -> SecurityDescriptor {
        let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
        let all = AccessMask::GENERIC_ALL;
        let execute = AccessMask::GENERIC_READ | AccessMask::GENERIC_EXECUTE;
        let dacl = [
            Ace::allowed(Sid::USERS, execute, inherit),
            Ace::allowed(Sid::ADMINISTRATORS, all, inherit),
            Ace::allowed(Sid::SYSTEM, all, inherit),
            Ace::allowed(Sid::CREATOR_OWNER, all, inherit),
        ];
        let audit = Ace::audit(
            Sid::EVERYONE,
            AccessMask::GENERIC_READ,
            AceFlags::FAILED_ACCESS,
        );
        SecurityDescriptor {
            control: SecurityControl::from_bits(0xB014),
            resource_manager: 0,
            owner: Some(Sid::ADMINISTRATORS),
            group: Some(Sid::ADMINISTRATORS),
            sacl: AclSlot::List(Acl::from_aces([audit]).unwrap()),
            dacl: AclSlot::List(Acl::from_aces(dacl).unwrap()),
        }
    }

    // test [MS-DTYP] 2.5.1.4
    #[test]
    fn the_specifications_example_decodes_and_encodes_to_the_same_bytes() {
        assert_eq!(SecurityDescriptor::decode(&EXAMPLE), Ok(example()));
        assert_eq!(&encode(&example())[..], &EXAMPLE);
    }

    #[test]
    fn absent_null_and_empty_lists_are_three_things() {
        for (dacl, bits, offset) in [
            (AclSlot::Absent, 0x8000, 0),
            (AclSlot::Null, 0x8004, 0),
            (AclSlot::List(Acl::new()), 0x8004, 20),
        ] {
            let descriptor = SecurityDescriptor {
                control: SecurityControl::from_bits(bits),
                dacl,
                ..SecurityDescriptor::default()
            };
            let bytes = encode(&descriptor);
            assert_eq!(bytes[16], offset);
            assert_eq!(SecurityDescriptor::decode(&bytes), Ok(descriptor));
        }
    }

    #[test]
    fn presence_bits_follow_the_lists_whatever_the_control_says() {
        let descriptor = SecurityDescriptor {
            control: SecurityControl::DACL_PRESENT | SecurityControl::SACL_PRESENT,
            ..SecurityDescriptor::default()
        };
        assert_eq!(&encode(&descriptor)[2..4], &[0x00, 0x80]);
    }

    #[test]
    fn the_parts_of_a_descriptor_are_those_asked_for() {
        let owner = example().parts(SecurityInformation::OWNER);
        assert_eq!(owner.owner, Some(Sid::ADMINISTRATORS));
        assert_eq!(
            (owner.group, &owner.dacl, &owner.sacl),
            (None, &AclSlot::Absent, &AclSlot::Absent)
        );
        assert_eq!(owner.control, SecurityControl::SELF_RELATIVE);

        let dacl = example().parts(SecurityInformation::DACL);
        assert_eq!((dacl.owner, &dacl.dacl), (None, &example().dacl));
        assert_eq!(dacl.control.bits(), 0x9004);

        assert_eq!(example().parts(SecurityInformation::BACKUP), example());
        assert_eq!(
            example().parts(SecurityInformation::NONE).size(),
            SecurityDescriptor::HEADER_SIZE
        );
    }

    #[test]
    fn the_label_is_a_part_of_its_own() {
        let label = [
            0x11, 0, 0x14, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 16, 0, 0x20, 0, 0,
        ];
        let label = Ace::decode(&mut Reader::new("test", &label)).unwrap();
        let mut with_label = example();
        let audit = example().sacl.list().unwrap().aces()[0].clone();
        let sacl = Acl::from_aces([label.clone(), audit.clone()]).unwrap();
        with_label.sacl = AclSlot::List(sacl);
        let aces = |info| {
            let part = with_label.parts(info).sacl;
            part.list().map(|list| list.aces().to_vec())
        };
        assert_eq!(aces(SecurityInformation::LABEL), Some(vec![label]));
        assert_eq!(aces(SecurityInformation::SACL), Some(vec![audit]));
        assert_eq!(aces(SecurityInformation::SCOPE), None);
    }

    #[test]
    fn descriptors_that_cannot_be_are_refused() {
        let broken = |at: usize, value: u8| {
            let mut bytes = EXAMPLE;
            bytes[at] = value;
            SecurityDescriptor::decode(&bytes)
        };
        assert!(broken(0, 2).is_err(), "revision");
        assert!(broken(3, 0x30).is_err(), "not self-relative");
        assert!(broken(4, 19).is_err(), "owner inside the header");
        assert!(broken(5, 1).is_err(), "owner behind the end");
        assert!(broken(0x30, 7).is_err(), "revision of the list");
        assert!(
            SecurityDescriptor::decode(&EXAMPLE[..0xAF]).is_err(),
            "cut short"
        );
        assert!(SecurityDescriptor::decode(&vec![0; SecurityDescriptor::MAX_SIZE + 1]).is_err());
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_what_decodes_survives(
            mut bytes in prop::collection::vec(any::<u8>(), 0..256), at in 0..0xB0_usize, value: u8,
        ) {
            let _ = SecurityDescriptor::decode(&bytes);
            bytes.splice(0..0, EXAMPLE);
            bytes[at] = value;
            if let Ok(descriptor) = SecurityDescriptor::decode(&bytes) {
                let once = encode(&descriptor);
                let again = SecurityDescriptor::decode(&once).unwrap();
                prop_assert_eq!(&encode(&again)[..], &once[..]);
            }
        }
    }
}
