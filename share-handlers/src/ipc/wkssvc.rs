//! The workstation service: what kind of machine this is, and who uses it. [MS-WKST]

use wire::Utf16String;

use super::enumeration::{Container, Wanted, listed};
use super::ndr::{Enum16, ndr_struct, ndr_union};
use super::rpc::{Call, Fault, interface};
use super::{VERSION, win32};

interface! {
    /// The service behind `\PIPE\wkssvc`.
    // [MS-WKST] 1.9
    WKSSVC = "wkssvc", b"\x98\xd0\xff\x6b\x12\xa1\x10\x36\x98\x33\x46\xc3\xf8\x7e\x34\x5a", version 1 {
        0 => (get_info),
        2 => (user_enum),
        5 => (transport_enum),
        20 => (get_join_information),
    }
}

/// A string that need not be there.
type Text = Option<Utf16String>;

fn text(text: &str) -> Text {
    Some(text.into())
}

ndr_struct! {
    /// WKSTA_INFO_100.
    // [MS-WKST] 2.2.5.1
    struct Workstation100 {
        platform: u32,
        name: Text,
        domain: Text,
        major: u32,
        minor: u32,
    }

    /// WKSTA_INFO_101.
    // [MS-WKST] 2.2.5.2
    struct Workstation101 {
        common: Workstation100,
        lan_root: Text,
    }

    /// WKSTA_INFO_102.
    // [MS-WKST] 2.2.5.3
    struct Workstation102 {
        common: Workstation101,
        users: u32,
    }

    /// WKSTA_INFO_502, of which nothing is told.
    // [MS-WKST] 2.2.5.4
    struct Workstation502 {
        fields: [u32; 35],
    }

    /// WKSTA_USER_INFO_0.
    // [MS-WKST] 2.2.5.9
    struct User0 {
        name: Text,
    }

    /// WKSTA_USER_INFO_1.
    // [MS-WKST] 2.2.5.10
    struct User1 {
        name: Text,
        domain: Text,
        other_domains: Text,
        server: Text,
    }

    /// WKSTA_TRANSPORT_INFO_0.
    // [MS-WKST] 2.2.5.8
    struct Transport0 {
        quality: u32,
        circuits: u32,
        name: Text,
        address: Text,
        is_wide_area: u32,
    }

    /// WKSTA_USER_ENUM_STRUCT.
    // [MS-WKST] 2.2.5.14
    struct UserEnum {
        level: u32,
        list: Users,
    }

    /// WKSTA_TRANSPORT_ENUM_STRUCT.
    // [MS-WKST] 2.2.5.16
    struct TransportEnum {
        level: u32,
        list: Transports,
    }
}

ndr_union! {
    /// WKSTA_INFO.
    // [MS-WKST] 2.2.4.1
    enum Workstation(u32) {
        100 => Level100(Option<Workstation100>),
        101 => Level101(Option<Workstation101>),
        102 => Level102(Option<Workstation102>),
        502 => Level502(Option<Workstation502>),
        _ => Other,
    }

    /// The union of WKSTA_USER_ENUM_STRUCT.
    enum Users(u32) {
        0 => Level0(Option<Container<User0>>),
        1 => Level1(Option<Container<User1>>),
        _ => Other,
    }

    /// The union of WKSTA_TRANSPORT_ENUM_STRUCT.
    enum Transports(u32) {
        0 => Level0(Option<Container<Transport0>>),
        _ => Other,
    }
}

// [MS-WKST] 3.2.4.1
fn get_info(call: &mut Call<'_>, (_, level): (Text, u32)) -> Result<(Workstation, u32), Fault> {
    let info = match level {
        100 => Workstation::Level100(Some(workstation_100(call))),
        101 => Workstation::Level101(Some(workstation_101(call))),
        102 => Workstation::Level102(Some(Workstation102 {
            common: workstation_101(call),
            users: u32::try_from(call.services.view.sessions().len()).unwrap_or(u32::MAX),
        })),
        // Limits of a redirector that is not here.
        502 => return Ok((Workstation::Level502(None), win32::ACCESS_DENIED)),
        other => return Ok((Workstation::Other(other), win32::INVALID_LEVEL)),
    };
    Ok((info, win32::SUCCESS))
}

fn workstation_100(call: &Call<'_>) -> Workstation100 {
    let facts = call.services.view.facts();
    let (major, minor) = VERSION;
    Workstation100 {
        platform: PLATFORM_ID_NT,
        name: text(&facts.name),
        domain: text(&facts.domain),
        major,
        minor,
    }
}

fn workstation_101(call: &Call<'_>) -> Workstation101 {
    Workstation101 {
        common: workstation_100(call),
        lan_root: None,
    }
}

type UserEnumArguments = (Text, UserEnum, u32, Option<u32>);

// [MS-WKST] 3.2.4.3
fn user_enum(
    call: &mut Call<'_>,
    (_, asked, room, resume): UserEnumArguments,
) -> Result<(UserEnum, u32, Option<u32>, u32), Fault> {
    let level = asked.level;
    if !call.is_administrator() {
        let list = match asked.list {
            Users::Level0(_) => Users::Level0(None),
            Users::Level1(_) => Users::Level1(None),
            other @ Users::Other(_) => other,
        };
        return Ok((UserEnum { level, list }, 0, resume, win32::ACCESS_DENIED));
    }
    let facts = call.services.view.facts();
    let mut names: Vec<String> = call
        .services
        .view
        .sessions()
        .into_iter()
        .map(|session| session.user)
        .collect();
    names.sort_unstable();
    names.dedup();
    let wanted = Wanted { room, resume };
    let (list, total, resume, error) = match asked.list {
        Users::Level0(_) => {
            let users = names.iter().map(|name| User0 { name: text(name) });
            listed!(wanted, Users::Level0, users.collect())
        }
        Users::Level1(_) => {
            let users = names.iter().map(|name| User1 {
                name: text(name),
                domain: text(&facts.name),
                other_domains: text(""),
                server: text(&facts.name),
            });
            listed!(wanted, Users::Level1, users.collect())
        }
        other @ Users::Other(_) => (other, 0, resume, win32::INVALID_LEVEL),
    };
    Ok((UserEnum { level, list }, total, resume, error))
}

type TransportEnumArguments = (Text, TransportEnum, u32, Option<u32>);

// [MS-WKST] 3.2.4.4
fn transport_enum(
    call: &mut Call<'_>,
    (_, asked, room, resume): TransportEnumArguments,
) -> Result<(TransportEnum, u32, Option<u32>, u32), Fault> {
    let wanted = Wanted { room, resume };
    let circuits = u32::try_from(call.services.view.sessions().len()).unwrap_or(u32::MAX);
    let level = asked.level;
    let (list, total, resume, error) = match asked.list {
        Transports::Level0(_) => {
            let tcp = Transport0 {
                quality: 0,
                circuits,
                name: text("\\Device\\NetbiosSmb"),
                address: text("000000000000"),
                is_wide_area: 1,
            };
            listed!(wanted, Transports::Level0, vec![tcp])
        }
        other @ Transports::Other(_) => (other, 0, resume, win32::INVALID_LEVEL),
    };
    Ok((TransportEnum { level, list }, total, resume, error))
}

// [MS-WKST] 3.2.4.13
fn get_join_information(
    call: &mut Call<'_>,
    (_, _): (Text, Text),
) -> Result<(Text, Enum16, u32), Fault> {
    /// NetSetupWorkgroupName.
    const WORKGROUP: Enum16 = Enum16(2);
    let facts = call.services.view.facts();
    Ok((text(&facts.domain), WORKGROUP, win32::SUCCESS))
}

/// [MS-WKST] 2.2.5.1
const PLATFORM_ID_NT: u32 = 500;
