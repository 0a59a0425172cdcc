//! The endpoint mapper: behind which pipe each interface is served. [C706] Appendix O
//!
//! Owns the map's entries, which are what [`PIPES`] says, and the towers that they are written as. Everybody who gets
//! as far as the pipe may ask; nobody may register anything. There are no other transports than pipes.

use wire::dtyp::Guid;

use super::PIPES;
use super::ndr::{BoundedText, Handle, SizedArray, Varying, ndr_struct};
use super::pdu::SyntaxId;
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The service behind `\PIPE\epmapper`.
    // [C706] Appendix O
    EPMAPPER = "epmapper", b"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa", version 3 {
        2 => (lookup),
        3 => (map),
        4 => (free),
    }
}

/// A tower: its length, and its octets.
// [C706] Appendix L
type Tower = Option<SizedArray<u8>>;

ndr_struct! {
    /// RPC_IF_ID.
    struct InterfaceId {
        id: Guid,
        major: u16,
        minor: u16,
    }

    /// ept_entry_t.
    // [C706] Appendix O
    struct Entry {
        object: Guid,
        tower: Tower,
        annotation: BoundedText,
    }
}

/// An interface behind a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Endpoint {
    pipe: &'static str,
    name: &'static str,
    interface: SyntaxId,
}

impl Endpoint {
    fn version(&self) -> (u16, u16) {
        halves(self.interface.version)
    }

    /// Where the interface is, as a pipe of the server that is called so.
    // [MS-RPCE] 2.1.1.2
    fn tower(&self, server: &str) -> Tower {
        let of = |id: &SyntaxId| {
            let (major, minor) = halves(id.version);
            let left = [&[UUID][..], &id.id, &major.to_le_bytes()].concat();
            (left, minor.to_le_bytes().to_vec())
        };
        let text = |protocol, text: String| (vec![protocol], [text.as_bytes(), b"\0"].concat());
        let floors = [
            of(&self.interface),
            of(&SyntaxId::NDR),
            (vec![CONNECTION_ORIENTED], vec![0, 0]),
            text(NAMED_PIPE, format!("\\PIPE\\{}", self.pipe)),
            text(NETBIOS, format!("\\\\{server}")),
        ];
        let mut octets = u16::try_from(floors.len())
            .unwrap_or_default()
            .to_le_bytes()
            .to_vec();
        for side in floors.iter().flat_map(|(left, right)| [left, right]) {
            octets.extend(u16::try_from(side.len()).unwrap_or_default().to_le_bytes());
            octets.extend(side);
        }
        Some(SizedArray(octets))
    }
}

fn halves(version: u32) -> (u16, u16) {
    let [a, b, c, d] = version.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

/// Every interface behind every pipe.
fn endpoints() -> impl Iterator<Item = Endpoint> {
    PIPES.iter().flat_map(|(pipe, interfaces)| {
        interfaces.iter().map(|interface| Endpoint {
            pipe,
            name: interface.name,
            interface: interface.id,
        })
    })
}

/// What a search has found and not told yet.
struct Left(Vec<Endpoint>);

type LookupArguments = (u32, Option<Guid>, Option<InterfaceId>, u32, Handle, u32);

// [MS-RPCE] 2.2.1.2.4
fn lookup(
    call: &mut Call<'_>,
    (inquiry, _, wanted, versions, handle, most): LookupArguments,
) -> Result<(Handle, u32, Varying<Entry>, u32), Fault> {
    const ALL: u32 = 0;
    const BY_OBJECT: u32 = 2;
    const BY_BOTH: u32 = 3;
    let is_wanted = |endpoint: &Endpoint| match (inquiry, &wanted) {
        (ALL, _) => true,
        // No interface is served for one object only, and so for any.
        (BY_OBJECT, _) => true,
        (..=BY_BOTH, Some(wanted)) => fits(endpoint, wanted, versions),
        _ => false,
    };
    let (handle, found, status) = search(call, handle, most, is_wanted)?;
    let server = call.services.view.facts().name;
    let entry = |endpoint: Endpoint| Entry {
        object: Guid::ZERO,
        tower: endpoint.tower(&server),
        annotation: BoundedText(endpoint.name.to_owned()),
    };
    let elements: Vec<Entry> = found.into_iter().map(entry).collect();
    Ok((
        handle,
        count(elements.len()),
        Varying {
            room: most,
            elements,
        },
        status,
    ))
}

/// Whether an endpoint is of the interface that is wanted, in a version that will do.
fn fits(endpoint: &Endpoint, wanted: &InterfaceId, versions: u32) -> bool {
    let ours = endpoint.version();
    let theirs = (wanted.major, wanted.minor);
    let is_version = match versions {
        1 => true,
        2 => ours.0 == theirs.0 && ours.1 >= theirs.1,
        3 => ours == theirs,
        4 => ours.0 == theirs.0,
        5 => ours <= theirs,
        _ => false,
    };
    Guid::from(endpoint.interface.id) == wanted.id && is_version
}

type Mapped = (Handle, u32, Varying<Tower>, u32);

// [MS-RPCE] 2.2.1.2.5
fn map(
    call: &mut Call<'_>,
    (_, tower, handle, most): (Option<Guid>, Tower, Handle, u32),
) -> Result<Mapped, Fault> {
    let wanted = tower.and_then(|SizedArray(octets)| wanted_of(&octets));
    let is_wanted = |endpoint: &Endpoint| {
        wanted
            .as_ref()
            .is_some_and(|wanted| fits(endpoint, wanted, COMPATIBLE))
    };
    let (handle, found, status) = search(call, handle, most, is_wanted)?;
    let server = call.services.view.facts().name;
    let towers = found.iter().map(|endpoint| endpoint.tower(&server));
    let elements: Vec<Tower> = towers.collect();
    Ok((
        handle,
        count(elements.len()),
        Varying {
            room: most,
            elements,
        },
        status,
    ))
}

/// The interface that a tower wants, if it leads over a pipe; none too for what is no tower.
fn wanted_of(octets: &[u8]) -> Option<InterfaceId> {
    let (floors, mut rest) = octets.split_first_chunk()?;
    let mut sides = Vec::new();
    for _ in 0..usize::from(u16::from_le_bytes(*floors)).min(MOST_FLOORS) * 2 {
        let (length, behind) = rest.split_first_chunk()?;
        let (side, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
        sides.push(side);
        rest = behind;
    }
    // Of each floor the left side says what is meant, the right one where.
    let [interface, minor, _, _, protocol, _, transport, ..] = sides.as_slice() else {
        return None;
    };
    if protocol.first() != Some(&CONNECTION_ORIENTED) || transport.first() != Some(&NAMED_PIPE) {
        return None;
    }
    let (id, major) = interface.strip_prefix(&[UUID])?.split_first_chunk::<16>()?;
    Some(InterfaceId {
        id: Guid::from(*id),
        major: u16::from_le_bytes(*major.first_chunk()?),
        minor: u16::from_le_bytes(*minor.first_chunk()?),
    })
}

/// The next endpoints of a search, which begins without a handle: at most so many, and the handle for the rest.
fn search(
    call: &mut Call<'_>,
    handle: Handle,
    most: u32,
    is_wanted: impl Fn(&Endpoint) -> bool,
) -> Result<(Handle, Vec<Endpoint>, u32), Fault> {
    if most > MOST_ENTRIES {
        return Err(Fault::BAD_STUB);
    }
    let mut found = if handle == Handle::NULL {
        endpoints().filter(is_wanted).collect()
    } else {
        let Left(left) = call.handles.find(&handle)?;
        let left = left.clone();
        call.handles.close(&handle)?;
        left
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let left = found.split_off(most.min(found.len()));
    if found.is_empty() {
        return Ok((Handle::NULL, found, NOT_REGISTERED));
    }
    // observed: impacket ends where it gets no handle, rpcclient where nothing is found. Whoever got fewer than it asked
    // for has seen the end, whoever got as many goes on: without a handle it would begin anew, for ever.
    let handle = if found.len() < most {
        Handle::NULL
    } else {
        call.handles.open(Left(left))?
    };
    Ok((handle, found, win32::SUCCESS))
}

// [MS-RPCE] 2.2.1.2.8
fn free(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(Handle, u32), Fault> {
    let _: &Left = call.handles.find(&handle)?;
    Ok((call.handles.close(&handle)?, win32::SUCCESS))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

// Protocol identifiers, [C706] Appendix I.
const UUID: u8 = 0x0d;
const CONNECTION_ORIENTED: u8 = 0x0b;
const NAMED_PIPE: u8 = 0x0f;
const NETBIOS: u8 = 0x11;

/// RPC_C_VERS_COMPATIBLE.
const COMPATIBLE: u32 = 2;
/// ept_s_not_registered.
const NOT_REGISTERED: u32 = 0x16c9_a0d6;
/// [MS-RPCE] 2.2.1.2.4
const MOST_ENTRIES: u32 = 500;
/// A tower over a pipe has five.
const MOST_FLOORS: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::srvsvc::SRVSVC;
    use super::super::testing::{Client, Desk};
    use super::*;

    fn client() -> Client {
        Client::new(Arc::new(Desk::default()), &EPMAPPER, &[])
    }

    fn server_service() -> Endpoint {
        Endpoint {
            pipe: "srvsvc",
            name: SRVSVC.name,
            interface: SRVSVC.id,
        }
    }

    fn ask_map(client: &mut Client, tower: Tower, handle: Handle, most: u32) -> Mapped {
        client
            .call(3, &(None::<Guid>, tower, handle, most))
            .unwrap()
    }

    // test [MS-RPCE] 2.2.1.2.5
    #[test]
    fn an_interface_is_mapped_to_its_pipe() {
        let tower = server_service().tower("DESK");
        let octets = tower.clone().unwrap().0;
        assert_eq!(octets[..4], [5, 0, 19, 0]);
        assert!(octets.ends_with(b"\x01\0\x0f\x0d\0\\PIPE\\srvsvc\0\x01\0\x11\x07\0\\\\DESK\0"));
        let mut client = client();
        let (handle, number, towers, status) = ask_map(&mut client, tower.clone(), Handle::NULL, 4);
        assert_eq!((handle, number, status), (Handle::NULL, 1, 0));
        assert_eq!(towers.elements, [tower]);
    }

    #[test]
    fn other_interfaces_other_transports_and_no_towers_are_not_registered() {
        let unknown = Endpoint {
            interface: SyntaxId {
                id: [7; 16],
                version: 1,
            },
            ..server_service()
        };
        let newer = Endpoint {
            interface: SyntaxId {
                version: 4,
                ..SRVSVC.id
            },
            ..server_service()
        };
        let mut tcp = server_service().tower("DESK").unwrap();
        let at = tcp
            .0
            .windows(3)
            .position(|part| part == [1, 0, NAMED_PIPE])
            .unwrap();
        tcp.0[at + 2] = 0x07;
        let short = SizedArray(tcp.0[..30].to_vec());
        for tower in [
            unknown.tower("x"),
            newer.tower("x"),
            Some(tcp),
            Some(short),
            Some(SizedArray(vec![])),
            None,
        ] {
            let (_, number, _, status) = ask_map(&mut client(), tower, Handle::NULL, 4);
            assert_eq!((number, status), (0, NOT_REGISTERED));
        }
    }

    // test [MS-RPCE] 2.2.1.2.4
    // test [MS-RPCE] 2.2.1.2.8
    #[test]
    fn everything_is_looked_up_in_parts() {
        type Found = (Handle, u32, Varying<Entry>, u32);
        let mut client = client();
        let mut ask = |handle: Handle, most: u32| -> Result<Found, Fault> {
            client.call(
                2,
                &(
                    0_u32,
                    None::<Guid>,
                    None::<InterfaceId>,
                    1_u32,
                    handle,
                    most,
                ),
            )
        };
        let all = u32::try_from(endpoints().count()).unwrap();
        for most in [1, all, 4, all + 1] {
            let (mut handle, mut names) = (Handle::NULL, Vec::new());
            let last = loop {
                let (next, number, entries, status) = ask(handle, most).unwrap();
                assert_eq!(entries.elements.len(), number as usize);
                names.extend(entries.elements.into_iter().map(|entry| entry.annotation.0));
                handle = next;
                if handle == Handle::NULL {
                    break (number, status);
                }
                assert_eq!((number, status), (most, 0));
            };
            let left = all % most;
            let expected = if left == 0 { NOT_REGISTERED } else { 0 };
            assert_eq!(last, (left, expected), "parts of {most}");
            assert_eq!(names.len(), all as usize);
            assert!(names.contains(&"srvsvc".to_owned()));
        }
        let (handle, ..) = ask(Handle::NULL, 1).unwrap();
        assert_eq!(ask(Handle::NULL, 501).err(), Some(Fault::BAD_STUB));
        let freed: (Handle, u32) = client.call(4, &(handle,)).unwrap();
        assert_eq!(freed, (Handle::NULL, 0));
        let again: Result<(Handle, u32), Fault> = client.call(4, &(handle,));
        assert_eq!(again.err(), Some(Fault::CONTEXT_MISMATCH));
    }

    #[test]
    fn versions_are_compared_as_was_asked() {
        let wanted = |major, minor| InterfaceId {
            id: Guid::from(SRVSVC.id.id),
            major,
            minor,
        };
        let versions = |wanted: &InterfaceId| {
            (1..=5)
                .filter(|option| fits(&server_service(), wanted, *option))
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(&wanted(3, 0)), [1, 2, 3, 4, 5]);
        assert_eq!(versions(&wanted(3, 1)), [1, 4, 5]);
        assert_eq!(versions(&wanted(2, 9)), [1]);
        assert_eq!(versions(&wanted(4, 0)), [1, 5]);
    }
}
