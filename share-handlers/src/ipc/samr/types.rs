//! The structures of the account database, as far as its procedures here speak them.

use wire::dtyp::FileTime;

use super::super::enumeration::Container;
use super::super::ndr::{Array, Counted, Empty, Enum16, Varying, ndr_struct, ndr_union};

ndr_struct! {
    /// SAMPR_RID_ENUMERATION.
    // [MS-SAMR] 2.2.7.9
    pub(in crate::ipc) struct Named {
        pub id: u32,
        pub name: Counted,
    }

    /// GROUP_MEMBERSHIP.
    // [MS-SAMR] 2.2.7.12
    pub(in crate::ipc) struct Membership {
        pub id: u32,
        pub attributes: u32,
    }

    /// SAMPR_GET_MEMBERS_BUFFER.
    // [MS-SAMR] 2.2.7.14
    pub(in crate::ipc) struct Members {
        pub count: u32,
        pub ids: Option<Array<u32>>,
        pub attributes: Option<Array<u32>>,
    }

    /// SAMPR_ULONG_ARRAY.
    // [MS-SAMR] 2.2.7.4
    pub(in crate::ipc) struct Numbers {
        pub count: u32,
        pub elements: Option<Array<u32>>,
    }

    /// DOMAIN_PASSWORD_INFORMATION.
    // [MS-SAMR] 2.2.3.5
    pub(in crate::ipc) struct DomainPassword {
        pub shortest: u16,
        pub history: u16,
        pub properties: u32,
        pub longest_age: FileTime,
        pub shortest_age: FileTime,
    }

    /// SAMPR_DOMAIN_GENERAL_INFORMATION.
    // [MS-SAMR] 2.2.3.10
    pub(in crate::ipc) struct DomainGeneral {
        pub force_logoff: FileTime,
        pub comment: Counted,
        pub name: Counted,
        pub replica: Counted,
        pub modified_count: FileTime,
        pub state: u32,
        pub role: u32,
        pub is_compatible: u8,
        pub users: u32,
        pub groups: u32,
        pub aliases: u32,
    }

    /// DOMAIN_LOCKOUT_INFORMATION.
    // [MS-SAMR] 2.2.3.15
    pub(in crate::ipc) struct DomainLockout {
        pub duration: FileTime,
        pub window: FileTime,
        pub threshold: u16,
    }

    /// DOMAIN_MODIFIED_INFORMATION.
    // [MS-SAMR] 2.2.3.8
    pub(in crate::ipc) struct DomainModified {
        pub count: FileTime,
        pub created: FileTime,
    }

    /// Structures that are one number, or an enumeration: readers of its 16 bits skip the other half.
    pub(in crate::ipc) struct Number {
        pub value: u32,
    }

    /// Structures that are one time.
    pub(in crate::ipc) struct Time {
        pub value: FileTime,
    }

    /// Structures that are one string.
    pub(in crate::ipc) struct Name {
        pub value: Counted,
    }

    /// SAMPR_GROUP_GENERAL_INFORMATION.
    // [MS-SAMR] 2.2.4.3
    pub(in crate::ipc) struct GroupGeneral {
        pub name: Counted,
        pub attributes: u32,
        pub members: u32,
        pub comment: Counted,
    }

    /// SAMPR_ALIAS_GENERAL_INFORMATION.
    // [MS-SAMR] 2.2.5.2
    pub(in crate::ipc) struct AliasGeneral {
        pub name: Counted,
        pub members: u32,
        pub comment: Counted,
    }

    /// SAMPR_USER_GENERAL_INFORMATION.
    // [MS-SAMR] 2.2.6.7
    pub(in crate::ipc) struct UserGeneral {
        pub name: Counted,
        pub full_name: Counted,
        pub primary_group: u32,
        pub description: Counted,
        pub comment: Counted,
    }

    /// SAMPR_USER_PREFERENCES_INFORMATION.
    // [MS-SAMR] 2.2.6.8
    pub(in crate::ipc) struct UserPreferences {
        pub comment: Counted,
        pub reserved: Counted,
        pub country: u16,
        pub code_page: u16,
    }

    /// SAMPR_USER_LOGON_INFORMATION.
    // [MS-SAMR] 2.2.6.10
    pub(in crate::ipc) struct UserLogon {
        pub name: Counted,
        pub full_name: Counted,
        pub id: u32,
        pub primary_group: u32,
        pub home: Counted,
        pub home_drive: Counted,
        pub script: Counted,
        pub profile: Counted,
        pub workstations: Counted,
        pub last_logon: FileTime,
        pub last_logoff: FileTime,
        pub password_set: FileTime,
        pub password_can_change: FileTime,
        pub password_must_change: FileTime,
        pub hours: LogonHours,
        pub bad_passwords: u16,
        pub logons: u16,
        pub control: u32,
    }

    /// SAMPR_USER_ACCOUNT_INFORMATION.
    // [MS-SAMR] 2.2.6.11
    pub(in crate::ipc) struct UserAccount {
        pub name: Counted,
        pub full_name: Counted,
        pub id: u32,
        pub primary_group: u32,
        pub home: Counted,
        pub home_drive: Counted,
        pub script: Counted,
        pub profile: Counted,
        pub description: Counted,
        pub workstations: Counted,
        pub last_logon: FileTime,
        pub last_logoff: FileTime,
        pub hours: LogonHours,
        pub bad_passwords: u16,
        pub logons: u16,
        pub password_set: FileTime,
        pub expires: FileTime,
        pub control: u32,
    }

    /// SAMPR_USER_HOME_INFORMATION.
    // [MS-SAMR] 2.2.6.15
    pub(in crate::ipc) struct UserHome {
        pub home: Counted,
        pub home_drive: Counted,
    }

    /// SAMPR_USER_INTERNAL1_INFORMATION.
    // [MS-SAMR] 2.2.6.23
    pub(in crate::ipc) struct NewHashes {
        pub nt_hash: [u8; 16],
        pub lm_hash: [u8; 16],
        pub nt_is_set: u8,
        pub lm_is_set: u8,
        pub expired: u8,
    }

    /// SAMPR_USER_NAME_INFORMATION.
    // [MS-SAMR] 2.2.6.14
    pub(in crate::ipc) struct UserNames {
        pub name: Counted,
        pub full_name: Counted,
    }

    /// SAMPR_LOGON_HOURS.
    // [MS-SAMR] 2.2.6.5
    pub(in crate::ipc) struct LogonHours {
        pub units: u16,
        pub hours: Option<Varying<u8>>,
    }

    /// SAMPR_USER_ALL_INFORMATION.
    // [MS-SAMR] 2.2.6.6
    pub(in crate::ipc) struct UserAll {
        pub last_logon: FileTime,
        pub last_logoff: FileTime,
        pub password_set: FileTime,
        pub expires: FileTime,
        pub password_can_change: FileTime,
        pub password_must_change: FileTime,
        pub name: Counted,
        pub full_name: Counted,
        pub home: Counted,
        pub home_drive: Counted,
        pub script: Counted,
        pub profile: Counted,
        pub description: Counted,
        pub workstations: Counted,
        pub comment: Counted,
        pub parameters: Counted,
        pub lm_hash: Counted,
        pub nt_hash: Counted,
        pub private: Counted,
        pub descriptor_length: u32,
        pub descriptor: Option<Array<u8>>,
        pub id: u32,
        pub primary_group: u32,
        pub control: u32,
        pub fields: u32,
        pub hours: LogonHours,
        pub bad_passwords: u16,
        pub logons: u16,
        pub country: u16,
        pub code_page: u16,
        pub lm_is_set: u8,
        pub nt_is_set: u8,
        pub password_expired: u8,
        pub private_changed: u8,
    }

    /// SAMPR_USER_INTERNAL4_INFORMATION.
    // [MS-SAMR] 2.2.6.24
    pub(in crate::ipc) struct UserWithPassword {
        pub all: UserAll,
        pub password: [u8; 516],
    }

    /// SAMPR_USER_INTERNAL4_INFORMATION_NEW.
    // [MS-SAMR] 2.2.6.25
    pub(in crate::ipc) struct UserWithSaltedPassword {
        pub all: UserAll,
        pub password: [u8; 532],
    }

    /// SAMPR_USER_INTERNAL5_INFORMATION.
    // [MS-SAMR] 2.2.6.26
    pub(in crate::ipc) struct NewPassword {
        pub password: [u8; 516],
        pub expired: u8,
    }

    /// SAMPR_USER_INTERNAL5_INFORMATION_NEW.
    // [MS-SAMR] 2.2.6.27
    pub(in crate::ipc) struct NewSaltedPassword {
        pub password: [u8; 532],
        pub expired: u8,
    }

    /// SAMPR_ENCRYPTED_PASSWORD_AES.
    // [MS-SAMR] 2.2.6.32
    pub(in crate::ipc) struct EncryptedPassword {
        pub auth_data: [u8; 64],
        pub salt: [u8; 16],
        pub length: u32,
        pub cipher: Option<Array<u8>>,
        pub iterations: u64,
    }

    /// SAMPR_USER_INTERNAL7_INFORMATION.
    // [MS-SAMR] 2.2.6.30
    pub(in crate::ipc) struct NewAesPassword {
        pub password: EncryptedPassword,
        pub expired: u8,
    }

    /// SAMPR_USER_INTERNAL8_INFORMATION.
    // [MS-SAMR] 2.2.6.31
    pub(in crate::ipc) struct UserWithAesPassword {
        pub all: UserAll,
        pub password: EncryptedPassword,
    }

    /// USER_DOMAIN_PASSWORD_INFORMATION.
    // [MS-SAMR] 2.2.7.17
    pub(in crate::ipc) struct PasswordRules {
        pub shortest: u16,
        pub properties: u32,
    }

    /// SAMPR_DOMAIN_DISPLAY_USER.
    // [MS-SAMR] 2.2.8.2
    pub(in crate::ipc) struct DisplayUser {
        pub index: u32,
        pub id: u32,
        pub control: u32,
        pub name: Counted,
        pub comment: Counted,
        pub full_name: Counted,
    }

    /// SAMPR_DOMAIN_DISPLAY_GROUP, and of the machine accounts that are not here.
    // [MS-SAMR] 2.2.8.4
    pub(in crate::ipc) struct DisplayGroup {
        pub index: u32,
        pub id: u32,
        pub attributes: u32,
        pub name: Counted,
        pub comment: Counted,
    }
}

impl Numbers {
    /// These numbers; the array is there even if it is empty, which some clients rely on.
    pub(in crate::ipc) fn of(numbers: Vec<u32>) -> Self {
        Self {
            count: u32::try_from(numbers.len()).unwrap_or(u32::MAX),
            elements: Some(Array(numbers)),
        }
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

ndr_union! {
    /// SAMPR_REVISION_INFO.
    // [MS-SAMR] 2.2.7.16
    pub(in crate::ipc) enum Revision(u32) {
        1 => Version1([u32; 2]),
        _ => Other,
    }

    /// SAMPR_DOMAIN_INFO_BUFFER.
    // [MS-SAMR] 2.2.3.17
    pub(in crate::ipc) enum DomainInfo(Enum16) {
        1 => Password(DomainPassword),
        2 => General(DomainGeneral),
        3 => Logoff(Time),
        4 => Comment(Name),
        5 => Name(Name),
        6 => Replica(Name),
        7 => Role(Number),
        8 => Modified(DomainModified),
        9 => State(Number),
        12 => Lockout(DomainLockout),
    }

    /// SAMPR_GROUP_INFO_BUFFER.
    // [MS-SAMR] 2.2.4.7
    pub(in crate::ipc) enum GroupInfo(Enum16) {
        1 => General(GroupGeneral),
        2 => Name(Name),
        3 => Attributes(Number),
        4 => Comment(Name),
    }

    /// SAMPR_ALIAS_INFO_BUFFER.
    // [MS-SAMR] 2.2.5.6
    pub(in crate::ipc) enum AliasInfo(Enum16) {
        1 => General(AliasGeneral),
        2 => Name(Name),
        3 => Comment(Name),
    }

    /// SAMPR_USER_INFO_BUFFER.
    // [MS-SAMR] 2.2.6.29
    pub(in crate::ipc) enum UserInfo(Enum16) {
        1 => General(UserGeneral),
        2 => Preferences(UserPreferences),
        3 => Logon(UserLogon),
        4 => Hours(LogonHours),
        5 => Account(UserAccount),
        6 => Names(UserNames),
        7 => AccountName(Name),
        8 => FullName(Name),
        9 => PrimaryGroup(Number),
        10 => Home(UserHome),
        11 => Script(Name),
        12 => Profile(Name),
        13 => AdminComment(Name),
        14 => Workstations(Name),
        16 => Control(Number),
        17 => Expires(Time),
        18 => Hashes(NewHashes),
        20 => Parameters(Name),
        21 => All(UserAll),
        23 => AllWithPassword(UserWithPassword),
        24 => Password(NewPassword),
        25 => AllWithSaltedPassword(UserWithSaltedPassword),
        26 => SaltedPassword(NewSaltedPassword),
        31 => AesPassword(NewAesPassword),
        32 => AllWithAesPassword(UserWithAesPassword),
    }

    /// SAMPR_DISPLAY_INFO_BUFFER.
    // [MS-SAMR] 2.2.8.13
    pub(in crate::ipc) enum Display(Enum16) {
        1 => Users(Container<DisplayUser>),
        2 => Machines(Container<DisplayGroup>),
        3 => Groups(Container<DisplayGroup>),
        4 => UserNames(Container<Empty>),
        5 => GroupNames(Container<Empty>),
    }
}
