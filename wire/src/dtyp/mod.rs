//! Data types that many protocols share: identifiers, times and security descriptors ([MS-DTYP]).
//!
//! Owns their form on the wire and as text. Never decides on access: that is `server`'s access
//! check.

mod access_mask;
mod ace;
mod acl;
mod filetime;
mod guid;
mod security_descriptor;
mod sid;

pub use access_mask::{AccessMask, GenericMapping};
pub use ace::{Ace, AceFlags, AceType};
pub use acl::{Acl, AclRevision, AclTooLarge};
pub use filetime::FileTime;
pub use guid::{Guid, ParseGuidError};
pub use security_descriptor::{AclSlot, SecurityControl, SecurityDescriptor, SecurityInformation};
pub use sid::{ParseSidError, Sid};
