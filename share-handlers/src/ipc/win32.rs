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
/// NERR_BufTooSmall.
pub(super) const BUFFER_TOO_SMALL: u32 = 2123;
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
/// ERROR_INVALID_HANDLE.
pub(super) const INVALID_HANDLE: u32 = 6;
/// ERROR_PRINTQ_FULL.
pub(super) const PRINT_QUEUE_FULL: u32 = 61;
/// ERROR_NO_SPOOL_SPACE.
pub(super) const NO_SPOOL_SPACE: u32 = 62;
/// ERROR_PRINT_CANCELLED.
pub(super) const PRINT_CANCELLED: u32 = 63;
/// ERROR_GEN_FAILURE.
pub(super) const GENERAL_FAILURE: u32 = 31;
/// ERROR_CAN_NOT_COMPLETE.
pub(super) const CANNOT_COMPLETE: u32 = 1003;
/// ERROR_INVALID_USER_BUFFER.
pub(super) const INVALID_USER_BUFFER: u32 = 1784;
/// ERROR_UNKNOWN_PRINTER_DRIVER.
pub(super) const UNKNOWN_PRINTER_DRIVER: u32 = 1797;
/// ERROR_INVALID_PRINTER_NAME.
pub(super) const INVALID_PRINTER_NAME: u32 = 1801;
/// ERROR_UNKNOWN_PRINTPROCESSOR.
pub(super) const UNKNOWN_PRINT_PROCESSOR: u32 = 1798;
/// ERROR_INVALID_ENVIRONMENT.
pub(super) const INVALID_ENVIRONMENT: u32 = 1805;
/// ERROR_INVALID_DATATYPE.
pub(super) const INVALID_DATATYPE: u32 = 1804;
/// ERROR_SPL_NO_STARTDOC.
pub(super) const NO_START_DOC: u32 = 3003;
/// ERROR_INVALID_SERVICE_CONTROL.
pub(super) const INVALID_SERVICE_CONTROL: u32 = 1052;
/// ERROR_SERVICE_ALREADY_RUNNING.
pub(super) const SERVICE_ALREADY_RUNNING: u32 = 1056;
/// ERROR_SERVICE_DOES_NOT_EXIST.
pub(super) const SERVICE_DOES_NOT_EXIST: u32 = 1060;
/// ERROR_DATABASE_DOES_NOT_EXIST.
pub(super) const DATABASE_DOES_NOT_EXIST: u32 = 1065;
