//! Error codes of the services' procedures.

/// NERR_Success.
pub(super) const SUCCESS: u32 = 0;
/// ERROR_ACCESS_DENIED.
pub(super) const ACCESS_DENIED: u32 = 5;
/// ERROR_INVALID_PARAMETER.
pub(super) const INVALID_PARAMETER: u32 = 87;
/// ERROR_INVALID_LEVEL.
pub(super) const INVALID_LEVEL: u32 = 124;
/// ERROR_MORE_DATA.
pub(super) const MORE_DATA: u32 = 234;
/// NERR_UserNotFound.
pub(super) const USER_NOT_FOUND: u32 = 2221;
/// NERR_NetNameNotFound.
pub(super) const NET_NAME_NOT_FOUND: u32 = 2310;
/// NERR_ClientNameNotFound.
pub(super) const CLIENT_NAME_NOT_FOUND: u32 = 2312;
/// NERR_InvalidComputer.
pub(super) const INVALID_COMPUTER: u32 = 2351;
