//! The chain in which CREATE carries its contexts, [MS-SMB2] 2.2.13.2.

use crate::reader::part;
use crate::{DecodeError, Reader, Writer};

/// Where the offset and the length of a chain are patched.
pub(super) struct ChainAt(usize);

/// Makes room for CreateContextsOffset and CreateContextsLength.
pub(super) fn reserve(out: &mut Writer<'_>) -> ChainAt {
    let at = out.reserve_u32();
    out.u32(0);
    ChainAt(at)
}

/// Calls `each` with name and data of every context, both parts of `chain`; `base` is where the chain
/// lies in the message.
pub(super) fn decode(
    chain: &[u8],
    base: usize,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if chain.is_empty() {
        return Ok(());
    }
    // [MS-SMB2] 2.2.13
    if !base.is_multiple_of(ALIGNMENT) {
        return Err(DecodeError {
            what: WHAT,
            at: base,
        });
    }
    let mut at = base;
    let mut next = Some(chain);
    while let Some(rest) = next {
        let moved = |error: DecodeError| DecodeError {
            at: error.at.saturating_add(at),
            ..error
        };
        let (entry, behind) = split(rest).map_err(moved)?;
        let (name, data) = name_and_data(entry).map_err(moved)?;
        each(name, data).map_err(moved)?;
        at = at.saturating_add(entry.len());
        next = behind;
    }
    Ok(())
}

/// Cuts the first context from those behind it.
fn split(rest: &[u8]) -> Result<(&[u8], Option<&[u8]>), DecodeError> {
    let mut reader = Reader::new(WHAT, rest);
    let next = reader.size32()?;
    if next == 0 {
        return Ok((rest, None));
    }
    // [MS-SMB2] 2.2.13.2
    match rest.split_at_checked(next) {
        Some((entry, behind))
            if next >= HEAD_SIZE && next.is_multiple_of(ALIGNMENT) && !behind.is_empty() =>
        {
            Ok((entry, Some(behind)))
        }
        _ => Err(reader.error()),
    }
}

fn name_and_data(entry: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let mut head = Reader::new(WHAT, entry);
    head.skip(4)?;
    let (name_offset, name_length) = (head.size16()?, head.size16()?);
    head.skip(2)?;
    let (data_offset, data_length) = (head.size16()?, head.size32()?);
    // [MS-SMB2] 3.3.5.9
    if name_length < MIN_NAME_LENGTH {
        return Err(head.error_in("create context name"));
    }
    // [MS-SMB2] 2.2.13.2
    let data_is_aligned = data_length == 0 || data_offset.is_multiple_of(ALIGNMENT);
    if !name_offset.is_multiple_of(ALIGNMENT) || !data_is_aligned {
        return Err(head.error());
    }
    let name = part(
        "create context name",
        entry,
        HEAD_SIZE,
        name_offset,
        name_length,
    )?;
    let data = part(
        "create context data",
        entry,
        HEAD_SIZE,
        data_offset,
        data_length,
    )?;
    Ok((name, data))
}

/// Appends one context after the other, and patches where they are.
pub(super) fn encode<'c, C: 'c>(
    out: &mut Writer<'_>,
    at: &ChainAt,
    contexts: &'c [C],
    name: impl Fn(&'c C) -> &'c [u8],
    data: impl Fn(&'c C, &mut Writer<'_>),
) {
    if contexts.is_empty() {
        return;
    }
    out.pad_to(ALIGNMENT);
    let first = out.position();
    let mut previous = None;
    for context in contexts {
        out.pad_to(ALIGNMENT);
        let start = out.position();
        if let Some(previous) = previous.replace(start) {
            out.patch_size32(previous, start.saturating_sub(previous));
        }
        encode_one(out, name(context), |out| data(context, out));
    }
    out.patch_size32(at.0, first);
    out.patch_size32(at.0.saturating_add(4), out.position().saturating_sub(first));
}

fn encode_one(out: &mut Writer<'_>, name: &[u8], data: impl Fn(&mut Writer<'_>)) {
    let start = out.position();
    out.u32(0);
    out.size16(HEAD_SIZE);
    out.size16(name.len());
    out.u16(0);
    let offset_at = out.reserve_u16();
    let length_at = out.reserve_u32();
    out.bytes(name);
    let end_of_name = out.position();
    out.pad_to(ALIGNMENT);
    let data_start = out.position();
    data(out);
    let length = out.position().saturating_sub(data_start);
    if length == 0 {
        out.truncate(end_of_name);
        return;
    }
    out.patch_size16(offset_at, data_start.saturating_sub(start));
    out.patch_size32(length_at, length);
}

const WHAT: &str = "create context";
const ALIGNMENT: usize = 8;
/// Next (4 bytes), NameOffset, NameLength, Reserved, DataOffset (2 bytes each), DataLength (4 bytes).
const HEAD_SIZE: usize = 16;
const MIN_NAME_LENGTH: usize = 4;
