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
/// ERROR_NOT_SUPPORTED.
pub(super) const NOT_SUPPORTED: u32 = 50;
/// ERROR_FILE_NOT_FOUND.
pub(super) const FILE_NOT_FOUND: u32 = 2;
/// ERROR_INSUFFICIENT_BUFFER.
pub(super) const INSUFFICIENT_BUFFER: u32 = 122;
/// ERROR_INVALID_NAME.
pub(super) const INVALID_NAME: u32 = 123;
/// RPC_S_UNKNOWN_AUTHN_SERVICE.
pub(super) const UNKNOWN_AUTHENTICATION_SERVICE: u32 = 1747;
/// NERR_UnknownDevDir.
pub(super) const UNKNOWN_DEVICE_OR_FOLDER: u32 = 2116;
/// NERR_DuplicateShare.
pub(super) const DUPLICATE_SHARE: u32 = 2118;
/// NERR_FileIdNotFound.
pub(super) const FILE_ID_NOT_FOUND: u32 = 2314;
/// NERR_DeviceNotShared.
pub(super) const DEVICE_NOT_SHARED: u32 = 2311;
/// ERROR_NO_MORE_ITEMS.
pub(super) const NO_MORE_ITEMS: u32 = 259;
