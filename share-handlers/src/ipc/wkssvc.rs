//! The workstation service: what kind of machine this is. [MS-WKST]

use super::ndr::{Field, NdrReader, NdrWriter, Row, row};
use super::pdu::Syntax;
use super::rpc::{Call, Fault, Service};
use super::{VERSION, win32};

/// The service behind `\PIPE\wkssvc`.
pub(super) const WKSSVC: Service = Service {
    pipe: "wkssvc",
    // [MS-WKST] 1.9
    interface: Syntax {
        id: *b"\x98\xd0\xff\x6b\x12\xa1\x10\x36\x98\x33\x46\xc3\xf8\x7e\x34\x5a",
        version: 1,
    },
    call,
};

fn call(
    call: &Call<'_>,
    operation: u16,
    arguments: &mut NdrReader<'_>,
) -> Result<NdrWriter, Fault> {
    match operation {
        NETR_WKSTA_GET_INFO => get_info(call, arguments),
        _ => Err(Fault::OPERATION_RANGE),
    }
}

// [MS-WKST] 3.2.4.1
fn get_info(call: &Call<'_>, arguments: &mut NdrReader<'_>) -> Result<NdrWriter, Fault> {
    let _server_name = arguments.unique_string()?;
    let level = arguments.u32()?;
    let mut out = NdrWriter::default();
    match information(call, level) {
        Some(row) => {
            out.information(level, Some(&row));
            out.u32(win32::SUCCESS);
        }
        // Limits of a redirector that is not here.
        None if level == 502 => {
            out.information(level, None);
            out.u32(win32::ACCESS_DENIED);
        }
        None => {
            out.u32(level);
            out.u32(win32::INVALID_LEVEL);
        }
    }
    Ok(out)
}

fn information(call: &Call<'_>, level: u32) -> Option<Row> {
    let facts = call.view.facts();
    let (major, minor) = VERSION;
    let mut row: Row = row![PLATFORM_ID_NT, &facts.name, &facts.domain, major, minor];
    match level {
        100 => {}
        101 => row.push(Field::Null),
        102 => row.extend([Field::Null, Field::Number(1)]),
        _ => return None,
    }
    Some(row)
}

const NETR_WKSTA_GET_INFO: u16 = 0;
/// [MS-WKST] 2.2.5.1
const PLATFORM_ID_NT: u32 = 500;
