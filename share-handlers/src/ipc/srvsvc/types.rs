//! The structures of the server service, in the order of [MS-SRVS] 2.2.4.

use super::super::enumeration::Container;
use super::super::ndr::{Array, Empty, Varying, Wide, ndr_struct, ndr_union};
use super::Text;

ndr_struct! {
    /// CONNECTION_INFO_0.
    // [MS-SRVS] 2.2.4.1
    pub(in crate::ipc) struct Connection0 {
        pub id: u32,
    }

    /// CONNECTION_INFO_1.
    // [MS-SRVS] 2.2.4.2
    pub(in crate::ipc) struct Connection1 {
        pub id: u32,
        pub kind: u32,
        pub opens: u32,
        pub users: u32,
        pub seconds: u32,
        pub user: Text,
        pub share: Text,
    }

    /// FILE_INFO_2.
    // [MS-SRVS] 2.2.4.6
    pub(in crate::ipc) struct File2 {
        pub id: u32,
    }

    /// FILE_INFO_3.
    // [MS-SRVS] 2.2.4.7
    pub(in crate::ipc) struct File3 {
        pub id: u32,
        pub permissions: u32,
        pub locks: u32,
        pub path: Text,
        pub user: Text,
    }

    /// SESSION_INFO_0.
    // [MS-SRVS] 2.2.4.11
    pub(in crate::ipc) struct Session0 {
        pub client: Text,
    }

    /// SESSION_INFO_1.
    // [MS-SRVS] 2.2.4.12
    pub(in crate::ipc) struct Session1 {
        pub client: Text,
        pub user: Text,
        pub opens: u32,
        pub seconds: u32,
        pub idle_seconds: u32,
        pub flags: u32,
    }

    /// SESSION_INFO_2.
    // [MS-SRVS] 2.2.4.13
    pub(in crate::ipc) struct Session2 {
        pub common: Session1,
        pub client_type: Text,
    }

    /// SESSION_INFO_10.
    // [MS-SRVS] 2.2.4.14
    pub(in crate::ipc) struct Session10 {
        pub client: Text,
        pub user: Text,
        pub seconds: u32,
        pub idle_seconds: u32,
    }

    /// SESSION_INFO_502.
    // [MS-SRVS] 2.2.4.15
    pub(in crate::ipc) struct Session502 {
        pub common: Session2,
        pub transport: Text,
    }

    /// SHARE_INFO_0.
    // [MS-SRVS] 2.2.4.22
    pub(in crate::ipc) struct Share0 {
        pub name: Text,
    }

    /// SHARE_INFO_1.
    // [MS-SRVS] 2.2.4.23
    pub(in crate::ipc) struct Share1 {
        pub name: Text,
        pub kind: u32,
        pub comment: Text,
    }

    /// SHARE_INFO_2.
    // [MS-SRVS] 2.2.4.24
    pub(in crate::ipc) struct Share2 {
        pub common: Share1,
        pub permissions: u32,
        pub max_uses: u32,
        pub current_uses: u32,
        pub path: Text,
        pub password: Text,
    }

    /// SHARE_INFO_501.
    // [MS-SRVS] 2.2.4.25
    pub(in crate::ipc) struct Share501 {
        pub common: Share1,
        pub flags: u32,
    }

    /// SHARE_INFO_502_I.
    // [MS-SRVS] 2.2.4.26
    pub(in crate::ipc) struct Share502 {
        pub common: Share2,
        pub descriptor_length: u32,
        pub descriptor: Option<Array<u8>>,
    }

    /// SHARE_INFO_503_I.
    // [MS-SRVS] 2.2.4.27
    pub(in crate::ipc) struct Share503 {
        pub common: Share2,
        pub server_name: Text,
        pub descriptor_length: u32,
        pub descriptor: Option<Array<u8>>,
    }

    /// SHARE_INFO_1004.
    // [MS-SRVS] 2.2.4.28
    pub(in crate::ipc) struct Share1004 {
        pub comment: Text,
    }

    /// SHARE_INFO_1005.
    // [MS-SRVS] 2.2.4.29
    pub(in crate::ipc) struct Share1005 {
        pub flags: u32,
    }

    /// SHARE_INFO_1006.
    // [MS-SRVS] 2.2.4.30
    pub(in crate::ipc) struct Share1006 {
        pub max_uses: u32,
    }

    /// The flags of a share and its other name, which [MS-SRVS] leaves out of SHARE_INFO.
    pub(in crate::ipc) struct Share1007 {
        pub flags: u32,
        pub other_name: Text,
    }

    /// SERVER_INFO_100.
    // [MS-SRVS] 2.2.4.40
    pub(in crate::ipc) struct Server100 {
        pub platform: u32,
        pub name: Text,
    }

    /// SERVER_INFO_101.
    // [MS-SRVS] 2.2.4.41
    pub(in crate::ipc) struct Server101 {
        pub platform: u32,
        pub name: Text,
        pub major: u32,
        pub minor: u32,
        pub kind: u32,
        pub comment: Text,
    }

    /// SERVER_INFO_102.
    // [MS-SRVS] 2.2.4.42
    pub(in crate::ipc) struct Server102 {
        pub common: Server101,
        pub users: u32,
        pub disconnect_minutes: u32,
        pub hidden: u32,
        pub announce_seconds: u32,
        pub announce_milliseconds: u32,
        pub licenses: u32,
        pub user_path: Text,
    }

    /// STAT_SERVER_0.
    // [MS-SRVS] 2.2.4.39
    pub(in crate::ipc) struct Statistics {
        pub start: u32,
        pub file_opens: u32,
        pub device_opens: u32,
        pub jobs_queued: u32,
        pub sessions: u32,
        pub timed_out: u32,
        pub sessions_in_error: u32,
        pub password_errors: u32,
        pub permission_errors: u32,
        pub system_errors: u32,
        /// The low half and the high one.
        pub sent: [u32; 2],
        pub received: [u32; 2],
        pub average_response: u32,
        /// sts0_reqbufneed and sts0_bigbufneed.
        pub lacking: [u32; 2],
    }

    /// DISK_ENUM_CONTAINER.
    // [MS-SRVS] 2.2.4.92
    pub(in crate::ipc) struct Disks {
        pub count: u32,
        pub disks: Option<Varying<Disk>>,
    }

    /// DISK_INFO: three units, not behind a pointer.
    // [MS-SRVS] 2.2.4.91
    pub(in crate::ipc) struct Disk {
        pub offset: Wide,
        pub length: Wide,
        pub name: [u16; 3],
    }

    /// SERVER_TRANSPORT_INFO_0.
    // [MS-SRVS] 2.2.4.93
    pub(in crate::ipc) struct Transport0 {
        pub circuits: u32,
        pub name: Text,
        pub address: Option<Array<u8>>,
        pub address_length: u32,
        pub network_address: Text,
    }

    /// SERVER_TRANSPORT_INFO_1.
    // [MS-SRVS] 2.2.4.94
    pub(in crate::ipc) struct Transport1 {
        pub common: Transport0,
        pub domain: Text,
    }

    /// TIME_OF_DAY_INFO.
    // [MS-SRVS] 2.2.4.105
    pub(in crate::ipc) struct TimeOfDay {
        pub unix_seconds: u32,
        pub running_milliseconds: u32,
        pub hours: u32,
        pub minutes: u32,
        pub seconds: u32,
        pub hundredths: u32,
        pub zone_minutes: u32,
        pub tick: u32,
        pub day: u32,
        pub month: u32,
        pub year: u32,
        pub weekday: u32,
    }

    /// ADT_SECURITY_DESCRIPTOR.
    // [MS-SRVS] 2.2.4.106
    pub(in crate::ipc) struct Descriptor {
        pub length: u32,
        pub bytes: Option<Array<u8>>,
    }

    /// CONNECT_ENUM_STRUCT.
    // [MS-SRVS] 2.2.4.5
    pub(in crate::ipc) struct ConnectionEnum {
        pub level: u32,
        pub list: Connections,
    }

    /// FILE_ENUM_STRUCT.
    // [MS-SRVS] 2.2.4.10
    pub(in crate::ipc) struct FileEnum {
        pub level: u32,
        pub list: Files,
    }

    /// SESSION_ENUM_STRUCT.
    // [MS-SRVS] 2.2.4.21
    pub(in crate::ipc) struct SessionEnum {
        pub level: u32,
        pub list: Sessions,
    }

    /// SHARE_ENUM_STRUCT.
    // [MS-SRVS] 2.2.4.38
    pub(in crate::ipc) struct ShareEnum {
        pub level: u32,
        pub list: Shares,
    }

    /// SERVER_XPORT_ENUM_STRUCT.
    // [MS-SRVS] 2.2.4.101
    pub(in crate::ipc) struct TransportEnum {
        pub level: u32,
        pub list: Transports,
    }
}

ndr_union! {
    /// CONNECT_ENUM_UNION.
    // [MS-SRVS] 2.2.3.1
    pub(in crate::ipc) enum Connections(u32) {
        0 => Level0(Option<Container<Connection0>>),
        1 => Level1(Option<Container<Connection1>>),
        _ => Other,
    }

    /// FILE_ENUM_UNION.
    // [MS-SRVS] 2.2.3.2
    pub(in crate::ipc) enum Files(u32) {
        2 => Level2(Option<Container<File2>>),
        3 => Level3(Option<Container<File3>>),
        _ => Other,
    }

    /// FILE_INFO.
    // [MS-SRVS] 2.2.3.3
    pub(in crate::ipc) enum FileInfo(u32) {
        2 => Level2(Option<File2>),
        3 => Level3(Option<File3>),
        _ => Other,
    }

    /// SESSION_ENUM_UNION.
    // [MS-SRVS] 2.2.3.4
    pub(in crate::ipc) enum Sessions(u32) {
        0 => Level0(Option<Container<Session0>>),
        1 => Level1(Option<Container<Session1>>),
        2 => Level2(Option<Container<Session2>>),
        10 => Level10(Option<Container<Session10>>),
        502 => Level502(Option<Container<Session502>>),
        _ => Other,
    }

    /// SHARE_ENUM_UNION.
    // [MS-SRVS] 2.2.3.5
    pub(in crate::ipc) enum Shares(u32) {
        0 => Level0(Option<Container<Share0>>),
        1 => Level1(Option<Container<Share1>>),
        2 => Level2(Option<Container<Share2>>),
        501 => Level501(Option<Container<Share501>>),
        502 => Level502(Option<Container<Share502>>),
        503 => Level503(Option<Container<Share503>>),
        _ => Other,
    }

    /// SHARE_INFO.
    // [MS-SRVS] 2.2.3.6
    pub(in crate::ipc) enum ShareInfo(u32) {
        0 => Level0(Option<Share0>),
        1 => Level1(Option<Share1>),
        2 => Level2(Option<Share2>),
        501 => Level501(Option<Share501>),
        502 => Level502(Option<Share502>),
        503 => Level503(Option<Share503>),
        1004 => Level1004(Option<Share1004>),
        1005 => Level1005(Option<Share1005>),
        1006 => Level1006(Option<Share1006>),
        1007 => Level1007(Option<Share1007>),
        1501 => Level1501(Option<Descriptor>),
        _ => Other,
    }

    /// SERVER_INFO.
    // [MS-SRVS] 2.2.3.7
    pub(in crate::ipc) enum ServerInfo(u32) {
        100 => Level100(Option<Server100>),
        101 => Level101(Option<Server101>),
        102 => Level102(Option<Server102>),
        502 => Level502(Option<Empty>),
        503 => Level503(Option<Empty>),
        _ => Other,
    }

    /// SERVER_XPORT_ENUM_UNION.
    // [MS-SRVS] 2.2.3.8
    pub(in crate::ipc) enum Transports(u32) {
        0 => Level0(Option<Container<Transport0>>),
        1 => Level1(Option<Container<Transport1>>),
        _ => Other,
    }
}
