//! NetBIOS over TCP, as far as SMB needs it: the session service.

pub mod name;
pub mod session;
