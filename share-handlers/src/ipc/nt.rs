//! Statuses of the services' procedures that come as plain numbers.

use wire::NtStatus;

/// STATUS_SUCCESS.
pub(super) const SUCCESS: u32 = 0;
/// STATUS_MORE_ENTRIES.
pub(super) const MORE_ENTRIES: u32 = 0x0000_0105;
/// STATUS_SOME_NOT_MAPPED.
pub(super) const SOME_NOT_MAPPED: u32 = 0x0000_0107;
/// STATUS_NO_MORE_ENTRIES.
pub(super) const NO_MORE_ENTRIES: u32 = 0x8000_001a;
/// STATUS_INVALID_INFO_CLASS.
pub(super) const INVALID_INFO_CLASS: u32 = 0xc000_0003;
/// STATUS_INVALID_HANDLE: what is behind the handle has gone.
pub(super) const INVALID_HANDLE: u32 = 0xc000_0008;
/// STATUS_INVALID_PARAMETER.
pub(super) const INVALID_PARAMETER: u32 = 0xc000_000d;
/// STATUS_ACCESS_DENIED.
pub(super) const ACCESS_DENIED: u32 = 0xc000_0022;
/// STATUS_OBJECT_NAME_NOT_FOUND.
pub(super) const OBJECT_NAME_NOT_FOUND: u32 = 0xc000_0034;
/// STATUS_OBJECT_NAME_COLLISION.
pub(super) const OBJECT_NAME_COLLISION: u32 = 0xc000_0035;
/// STATUS_NO_SUCH_PRIVILEGE.
pub(super) const NO_SUCH_PRIVILEGE: u32 = 0xc000_0060;
/// STATUS_USER_EXISTS.
pub(super) const USER_EXISTS: u32 = 0xc000_0063;
/// STATUS_NO_SUCH_USER.
pub(super) const NO_SUCH_USER: u32 = 0xc000_0064;
/// STATUS_NO_SUCH_GROUP.
pub(super) const NO_SUCH_GROUP: u32 = 0xc000_0066;
/// STATUS_WRONG_PASSWORD.
pub(super) const WRONG_PASSWORD: u32 = 0xc000_006a;
/// STATUS_PASSWORD_RESTRICTION.
pub(super) const PASSWORD_RESTRICTION: u32 = 0xc000_006c;
/// STATUS_NONE_MAPPED.
pub(super) const NONE_MAPPED: u32 = 0xc000_0073;
/// STATUS_NO_SUCH_DOMAIN.
pub(super) const NO_SUCH_DOMAIN: u32 = 0xc000_00df;
/// STATUS_NO_SUCH_ALIAS.
pub(super) const NO_SUCH_ALIAS: u32 = 0xc000_0151;
/// STATUS_INVALID_ACCOUNT_NAME.
pub(super) const INVALID_ACCOUNT_NAME: u32 = 0xc000_0062;
/// STATUS_MEMBER_NOT_IN_ALIAS.
pub(super) const MEMBER_NOT_IN_ALIAS: u32 = 0xc000_0152;
/// STATUS_MEMBER_IN_ALIAS.
pub(super) const MEMBER_IN_ALIAS: u32 = 0xc000_0153;
/// STATUS_ALIAS_EXISTS.
pub(super) const ALIAS_EXISTS: u32 = 0xc000_0154;
/// STATUS_GROUP_EXISTS.
pub(super) const GROUP_EXISTS: u32 = 0xc000_0065;
/// STATUS_SPECIAL_ACCOUNT: what is asked for is not done to what every machine has.
pub(super) const SPECIAL_ACCOUNT: u32 = 0xc000_0124;
/// STATUS_INVALID_MEMBER: what is named cannot be in an alias.
pub(super) const INVALID_MEMBER: u32 = 0xc000_017b;
/// STATUS_NOT_SUPPORTED.
pub(super) const NOT_SUPPORTED: u32 = 0xc000_00bb;
/// STATUS_NO_SUCH_MEMBER.
pub(super) const NO_SUCH_MEMBER: u32 = 0xc000_017a;

/// The number of a status, or success.
pub(super) fn of(result: Result<(), NtStatus>) -> u32 {
    result.err().map_or(SUCCESS, |status| status.0)
}

/// A status that is a failure; `otherwise` if it is success, but what was made is gone again.
pub(super) fn failure(status: u32, otherwise: u32) -> u32 {
    if status == SUCCESS { otherwise } else { status }
}
