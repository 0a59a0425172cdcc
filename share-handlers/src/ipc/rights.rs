//! Rights on the objects of services: what a caller gets of what it asks for.
//!
//! The objects have no descriptors that could be changed. Each kind has one rule: everybody who has said who it is
//! has some rights, administrators have all, anonymous users none. Descriptors that are asked for say that.

use bytes::BytesMut;
use wire::Writer;
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityDescriptor, SecurityInformation, Sid,
};

use super::ndr::{Array, ndr_struct};
use super::nt;
use super::rpc::Call;

ndr_struct! {
    /// LSAPR_SR_SECURITY_DESCRIPTOR and SAMPR_SR_SECURITY_DESCRIPTOR.
    // [MS-LSAD] 2.2.2.5
    // [MS-SAMR] 2.2.7.11
    pub(in crate::ipc) struct Descriptor {
        pub length: u32,
        pub bytes: Option<Array<u8>>,
    }
}

/// The rights that exist on a kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// What GENERIC_READ stands for.
    pub read: u32,
    /// What GENERIC_WRITE stands for.
    pub write: u32,
    /// What GENERIC_EXECUTE stands for.
    pub execute: u32,
    /// What GENERIC_ALL stands for.
    pub all: u32,
    /// What everybody has who is not anonymous.
    pub everybody: u32,
}

/// The rights that the caller gets; none if it asks for one that it cannot have.
// [MS-DTYP] 2.5.3.2
pub(super) fn granted(call: &Call<'_>, rights: &Rights, wanted: u32) -> Option<u32> {
    const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
    const ACCESS_SYSTEM_SECURITY: u32 = 0x0100_0000;
    if call.is_anonymous() {
        return None;
    }
    let generic = [
        (0x8000_0000, rights.read),
        (0x4000_0000, rights.write),
        (0x2000_0000, rights.execute),
        (0x1000_0000, rights.all),
    ];
    let meant = generic.iter().fold(wanted, |meant, (generic, specific)| {
        if meant & generic == 0 {
            meant
        } else {
            meant & !generic | specific
        }
    });
    let (has, meant) = if call.is_administrator() {
        // Nothing is audited, so the right to say what is harms nobody.
        (rights.all, meant & !ACCESS_SYSTEM_SECURITY)
    } else {
        (rights.everybody, meant)
    };
    let named = meant & !MAXIMUM_ALLOWED;
    if named & !has != 0 {
        return None;
    }
    Some(if meant & MAXIMUM_ALLOWED == 0 {
        named
    } else {
        has
    })
}

/// What of the rights that a handle was given its user still has: those of administrators no longer than it is one.
pub(super) fn kept(call: &Call<'_>, rights: &Rights, granted: u32) -> u32 {
    if call.is_administrator() {
        granted
    } else {
        granted & rights.everybody
    }
}

/// The parts of the descriptor of an object with these rights, for who has been granted `granted` of them.
///
/// # Errors
/// `ACCESS_DENIED`: reading the descriptor is not among what was granted.
pub(super) fn described(rights: &Rights, granted: u32, parts: u32) -> Result<Descriptor, u32> {
    let parts = SecurityInformation::from_bits(parts);
    let granted = AccessMask::from_bits(granted);
    let is_sacl = parts.contains(SecurityInformation::SACL);
    if is_sacl || !(parts.is_empty() || granted.contains(AccessMask::READ_CONTROL)) {
        return Err(nt::ACCESS_DENIED);
    }
    let descriptor = descriptor(rights, parts);
    let mut bytes = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut bytes));
    Ok(Descriptor {
        length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        bytes: Some(Array(bytes.to_vec())),
    })
}

/// Whether these parts of a descriptor are what an object with these rights has already.
pub(super) fn is_so(rights: &Rights, parts: u32, given: &SecurityDescriptor) -> bool {
    let parts = SecurityInformation::from_bits(parts);
    let own = descriptor(rights, parts);
    let differs = |part, differs| parts.contains(part) && differs;
    !(differs(SecurityInformation::OWNER, own.owner != given.owner)
        || differs(SecurityInformation::GROUP, own.group != given.group)
        || differs(SecurityInformation::DACL, own.dacl != given.dacl))
}

fn descriptor(rights: &Rights, parts: SecurityInformation) -> SecurityDescriptor {
    let allowed = |sid, rights| Ace::allowed(sid, AccessMask::from_bits(rights), AceFlags::NONE);
    let entries = [
        allowed(Sid::ADMINISTRATORS, rights.all),
        // Anonymous users are not among everybody.
        allowed(Sid::EVERYONE, rights.everybody),
    ];
    let list = Acl::from_aces(entries).unwrap_or_else(|_| Acl::new());
    let part = |part| parts.contains(part).then_some(Sid::ADMINISTRATORS);
    SecurityDescriptor {
        owner: part(SecurityInformation::OWNER),
        group: part(SecurityInformation::GROUP),
        dacl: if parts.contains(SecurityInformation::DACL) {
            AclSlot::List(list)
        } else {
            AclSlot::Absent
        },
        ..SecurityDescriptor::default()
    }
}
