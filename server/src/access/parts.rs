//! What access it takes to read and to set the parts of a descriptor.

use wire::dtyp::{AccessMask, SecurityInformation};

/// The access that reading these parts of an object's descriptor takes.
// [MS-FSA] 2.1.5.14
#[must_use]
pub fn needed_to_read(parts: SecurityInformation) -> AccessMask {
    let mut needed = AccessMask::NONE;
    let readable = SecurityInformation::OWNER
        .with(SecurityInformation::GROUP)
        .with(SecurityInformation::DACL)
        .with(SecurityInformation::LABEL)
        .with(SecurityInformation::ATTRIBUTE)
        .with(SecurityInformation::SCOPE)
        .with(SecurityInformation::BACKUP);
    if parts.intersects(readable) {
        needed |= AccessMask::READ_CONTROL;
    }
    // BACKUP stands for all parts.
    if parts.intersects(SecurityInformation::SACL.with(SecurityInformation::BACKUP)) {
        needed |= AccessMask::ACCESS_SYSTEM_SECURITY;
    }
    needed
}

/// The access that setting these parts of an object's descriptor takes.
// [MS-SMB2] 3.3.5.21.3
#[must_use]
pub fn needed_to_set(parts: SecurityInformation) -> AccessMask {
    let rules = [
        (
            SecurityInformation::SACL,
            AccessMask::ACCESS_SYSTEM_SECURITY,
        ),
        (SecurityInformation::DACL, AccessMask::WRITE_DAC),
        (SecurityInformation::LABEL, AccessMask::WRITE_OWNER),
        (SecurityInformation::GROUP, AccessMask::WRITE_OWNER),
        (SecurityInformation::OWNER, AccessMask::WRITE_OWNER),
        (SecurityInformation::ATTRIBUTE, AccessMask::WRITE_DAC),
        (
            SecurityInformation::SCOPE,
            AccessMask::ACCESS_SYSTEM_SECURITY,
        ),
        // It stands for all parts.
        (
            SecurityInformation::BACKUP,
            AccessMask::WRITE_DAC
                .with(AccessMask::WRITE_OWNER)
                .with(AccessMask::ACCESS_SYSTEM_SECURITY),
        ),
    ];
    rules
        .into_iter()
        .filter(|(part, _)| parts.contains(*part))
        .fold(AccessMask::NONE, |needed, (_, access)| needed.with(access))
}
