//! The management interface that every service has: what is served here, and how it goes. [C706] Appendix Q

use wire::dtyp::Guid;

use super::ndr::{SizedArray, Varying, ndr_struct};
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// Remote management of the server itself.
    MGMT = "mgmt", b"\x80\xbd\xa8\xaf\x8a\x7d\xc9\x11\xbe\xf4\x08\x00\x2b\x10\x29\x89", version 1 {
        0 => (inq_if_ids),
        1 => (inq_stats),
        2 => (is_server_listening),
        3 => (stop_server_listening),
        4 => (inq_princ_name),
    }
}

ndr_struct! {
    /// rpc_if_id_t.
    pub(super) struct InterfaceId {
        id: Guid,
        version: u32,
    }
}

type InterfaceIds = Option<SizedArray<Option<InterfaceId>>>;

fn inq_if_ids(call: &mut Call<'_>, (): ()) -> Result<(InterfaceIds, u32), Fault> {
    let ids = call.interfaces.iter().map(|interface| {
        Some(InterfaceId {
            id: Guid::from(interface.id.id),
            version: interface.id.version,
        })
    });
    Ok((Some(SizedArray(ids.collect())), win32::SUCCESS))
}

/// Calls and packets, in and out: they are counted for the server as a whole, and not by interface.
fn inq_stats(
    _: &mut Call<'_>,
    (most, _unknown): (u32, u32),
) -> Result<(SizedArray<u32>, u32), Fault> {
    const STATISTICS: u32 = 4;
    let count = usize::try_from(most.min(STATISTICS)).unwrap_or_default();
    Ok((SizedArray(vec![0; count]), win32::SUCCESS))
}

fn is_server_listening(_: &mut Call<'_>, (): ()) -> Result<(u32, u32), Fault> {
    Ok((win32::SUCCESS, 1))
}

fn stop_server_listening(_: &mut Call<'_>, (): ()) -> Result<(u32,), Fault> {
    Ok((win32::ACCESS_DENIED,))
}

/// The name that a client would ask a ticket for. Both mechanisms that are served here tell one and need none.
fn inq_princ_name(
    call: &mut Call<'_>,
    (mechanism, room): (u32, u32),
) -> Result<(Varying<u8>, u32), Fault> {
    const SPNEGO: u32 = 9;
    const NTLM: u32 = 10;
    if room == 0 {
        return Err(Fault::BAD_STUB);
    }
    let name = format!("host/{}", call.services.view.facts().name.to_lowercase());
    let error = match mechanism {
        SPNEGO | NTLM if usize::try_from(room).is_ok_and(|room| name.len() < room) => {
            win32::SUCCESS
        }
        SPNEGO | NTLM => win32::INSUFFICIENT_BUFFER,
        _ => win32::UNKNOWN_AUTHENTICATION_SERVICE,
    };
    let text = if error == win32::SUCCESS { &name } else { "" };
    let elements = text.bytes().chain([0]).collect();
    Ok((Varying { room, elements }, error))
}
