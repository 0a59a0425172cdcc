//! The part that the machine plays in a domain: none. [MS-DSSP]

use wire::Utf16String;
use wire::dtyp::Guid;

use super::ndr::{Enum16, ndr_struct, ndr_union};
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The second service behind `\PIPE\lsarpc`.
    // [MS-DSSP] 1.9
    DSSETUP = "dssetup", b"\x6a\x28\x19\x39\x0c\xb1\xd0\x11\x9b\xa8\x00\xc0\x4f\xd9\x2e\xf5", version 0 {
        0 => (primary_domain_information),
    }
}

ndr_struct! {
    /// DSROLER_PRIMARY_DOMAIN_INFO_BASIC.
    // [MS-DSSP] 2.2.1
    struct Basic {
        role: Enum16,
        flags: u32,
        flat_name: Option<Utf16String>,
        dns_name: Option<Utf16String>,
        forest: Option<Utf16String>,
        id: Guid,
    }

    /// DSROLE_UPGRADE_STATUS_INFO.
    struct Upgrade {
        state: u32,
        previous: Enum16,
    }

    /// DSROLE_OPERATION_STATE_INFO.
    struct Operation {
        state: Enum16,
    }
}

ndr_union! {
    /// DSROLER_PRIMARY_DOMAIN_INFORMATION.
    enum Information(Enum16) {
        1 => Basic(Basic),
        2 => Upgrade(Upgrade),
        3 => Operation(Operation),
    }
}

// [MS-DSSP] 3.2.5.1
fn primary_domain_information(
    call: &mut Call<'_>,
    (level,): (Enum16,),
) -> Result<(Option<Information>, u32), Fault> {
    /// DsRole_RoleStandaloneServer.
    const STANDALONE_SERVER: Enum16 = Enum16(2);
    // What follows is nothing under way, and nothing before.
    const NONE: Enum16 = Enum16(0);
    if call.is_anonymous() {
        return Ok((None, win32::ACCESS_DENIED));
    }
    let facts = call.services.view.facts();
    let information = match level.0 {
        1 => Information::Basic(Basic {
            role: STANDALONE_SERVER,
            flags: 0,
            flat_name: Some(facts.domain.as_str().into()),
            dns_name: None,
            forest: None,
            id: Guid::ZERO,
        }),
        2 => Information::Upgrade(Upgrade {
            state: 0,
            previous: NONE,
        }),
        3 => Information::Operation(Operation { state: NONE }),
        _ => return Ok((None, win32::INVALID_PARAMETER)),
    };
    Ok((Some(information), win32::SUCCESS))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::dtyp::Sid;

    use super::super::testing::{Client, Desk};
    use super::*;

    fn ask(groups: &[Sid], level: u16) -> (Option<Information>, u32) {
        let mut client = Client::new(Arc::new(Desk::default()), &DSSETUP, groups);
        client.call(0, &(Enum16(level),)).unwrap()
    }

    // test [MS-DSSP] 3.2.5.1
    #[test]
    fn the_machine_is_a_server_on_its_own_and_nothing_else() {
        let (Some(Information::Basic(basic)), 0) = ask(&[], 1) else {
            panic!("no basic information");
        };
        assert_eq!(basic.role, Enum16(2));
        assert_eq!(basic.flat_name, Some("OFFICE".into()));
        assert_eq!((basic.dns_name, basic.forest), (None, None));
        assert!(matches!(ask(&[], 2), (Some(Information::Upgrade(_)), 0)));
        assert!(matches!(ask(&[], 3), (Some(Information::Operation(_)), 0)));
    }

    #[test]
    fn levels_that_are_none_and_anonymous_users_are_refused() {
        assert_eq!(ask(&[], 4), (None, win32::INVALID_PARAMETER));
        assert_eq!(ask(&[Sid::ANONYMOUS], 1), (None, win32::ACCESS_DENIED));
    }
}
