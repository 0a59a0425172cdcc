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

fn initiate(
    _: &mut Call<'_>,
    (_, _, _, _, _): (Option<u16>, Option<Counted>, u32, u8, u8),
) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}

fn abort(_: &mut Call<'_>, (_,): (Option<u16>,)) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}

fn initiate_ex(
    _: &mut Call<'_>,
    (_, _, _, _, _, _): (Option<u16>, Option<Counted>, u32, u8, u8, u32),
) -> Refused {
    Ok((win32::ACCESS_DENIED,))
}
