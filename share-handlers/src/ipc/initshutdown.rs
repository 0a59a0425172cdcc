//! Shutting the machine down from afar, which nobody may. [MS-RSP]

use super::ndr::Counted;
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The service behind `\PIPE\InitShutdown`.
    // [MS-RSP] 1.9
    INITSHUTDOWN = "initshutdown", b"\xc0\xe0\x4d\x89\x55\x0d\xd3\x11\xa3\x22\x00\xc0\x4f\xa3\x21\xa1", version 1 {
        0 => (initiate),
        1 => (abort),
        2 => (initiate_ex),
    }
}

type Refused = Result<(u32,), Fault>;

// [MS-RSP] 3.2.4.1
fn initiate(
    _: &mut Call<'_>,
    (_, _, _, _, _): (Option<u16>, Option<Counted>, u32, u8, u8),
) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}

// [MS-RSP] 3.2.4.2
fn abort(_: &mut Call<'_>, (_,): (Option<u16>,)) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}

// [MS-RSP] 3.2.4.3
fn initiate_ex(
    _: &mut Call<'_>,
    (_, _, _, _, _, _): (Option<u16>, Option<Counted>, u32, u8, u8, u32),
) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::dtyp::Sid;

    use super::super::testing::{Client, Desk};
    use super::*;

    // test [MS-RSP] 3.2.4.1
    // test [MS-RSP] 3.2.4.2
    // test [MS-RSP] 3.2.4.3
    #[test]
    fn not_even_administrators_shut_the_machine_down() {
        let desk = Arc::new(Desk::default());
        let mut client = Client::new(desk, &INITSHUTDOWN, &[Sid::ADMINISTRATORS]);
        let refused = Ok((win32::ACCESS_DENIED,));
        let message = || Some(Counted::from("now"));
        let initiate = (None::<u16>, message(), 30_u32, 1_u8, 1_u8);
        assert_eq!(client.call(0, &initiate), refused);
        assert_eq!(client.call(1, &(None::<u16>,)), refused);
        let initiate = (None::<u16>, message(), 30_u32, 1_u8, 1_u8, 0_u32);
        assert_eq!(client.call(2, &initiate), refused);
    }
}
