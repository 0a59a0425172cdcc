//! Rights on the objects of services: what a caller gets of what it asks for.
//!
//! The objects have no descriptors that could be changed. Each kind has one rule: everybody who has said who it is
//! has some rights, administrators have all, anonymous users none.

use super::rpc::Call;

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
