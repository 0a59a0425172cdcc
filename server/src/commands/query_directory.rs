//! QUERY_DIRECTORY. [MS-SMB2] 3.3.5.18

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use wire::dtyp::AccessMask;
use wire::fscc::{CaseRule, DirectoryEncoder, DirectoryEntry, Fit, Pattern, ReparseTag};
use wire::query_directory::QueryDirectoryFlags;
use wire::{
    NtStatus, QueryDirectoryRequest, QueryDirectoryResponse, Response, Utf16String, Writer,
};

use super::Answer;
use crate::access;
use crate::context::Context;
use crate::open::{Enumeration, Open};
use crate::share::{CloseHow, Entry, ListFrom, Name, OpenHow, short_name};

/// Lists the next entries of a directory.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER` for what is no directory or too much room,
/// `INVALID_INFO_CLASS`, `INFO_LENGTH_MISMATCH`, `NO_SUCH_FILE` when nothing matches at all,
/// `NO_MORE_FILES` behind the last entry, `OBJECT_NAME_INVALID` for a pattern with a separator or
/// longer than any name.
pub async fn run(
    context: &mut Context,
    request: QueryDirectoryRequest,
) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    context.check_transact_size(request.output_buffer_length)?;
    if !open.is_directory {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    open.require(AccessMask::FILE_LIST_DIRECTORY)?;
    let room = usize::try_from(request.output_buffer_length).unwrap_or_default();
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    let encoder = DirectoryEncoder::new(request.file_information_class, &writer, room)?;
    // Two listings through one open take turns; whoever comes second finds none in progress.
    let mut listing = take_enumeration(&open, &request)?;
    let single = request
        .flags
        .contains(QueryDirectoryFlags::RETURN_SINGLE_ENTRY);
    let filled = fill(&open, &mut listing, encoder, &mut writer, room, single).await;
    let begun_before = listing.begun;
    listing.begun |= filled.as_ref().is_ok_and(Option::is_some);
    open.state.lock().enumeration = Some(listing);
    match filled? {
        None if begun_before => Err(NtStatus::NO_MORE_FILES),
        None => Err(NtStatus::NO_SUCH_FILE),
        Some(fit) => {
            let status = match fit {
                Fit::Whole => NtStatus::SUCCESS,
                Fit::Part => NtStatus::BUFFER_OVERFLOW,
            };
            let response = QueryDirectoryResponse {
                output: out.freeze(),
            };
            Ok(Answer::with_status(
                status,
                Response::QueryDirectory(response),
            ))
        }
    }
}

/// Takes the listing in progress out of the open, or starts one.
// [MS-FSA] 2.1.5.6.3
fn take_enumeration(open: &Open, request: &QueryDirectoryRequest) -> Result<Enumeration, NtStatus> {
    let restarts = QueryDirectoryFlags::RESTART_SCANS.with(QueryDirectoryFlags::REOPEN);
    let mut state = open.state.lock();
    let current = state.enumeration.take();
    let reopens = request.flags.contains(QueryDirectoryFlags::REOPEN);
    match current {
        Some(current) if !request.flags.intersects(restarts) => Ok(current),
        // A restart takes a new pattern if there is one.
        Some(current) if request.file_name.is_empty() && !reopens => {
            Ok(start(current.pattern.clone()))
        }
        _ => Ok(start(pattern(open, &request.file_name)?)),
    }
}

fn start(pattern: Arc<Pattern>) -> Enumeration {
    Enumeration {
        pattern,
        ready: VecDeque::new(),
        position: None,
        begun: false,
        exhausted: false,
    }
}

fn pattern(open: &Open, text: &Utf16String) -> Result<Arc<Pattern>, NtStatus> {
    const SEPARATORS: [u16; 2] = [0x5c, 0x2f];
    let units = text.as_units();
    let is_too_long = units.len() > LONGEST_PATTERN;
    if is_too_long || units.iter().any(|unit| SEPARATORS.contains(unit)) {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    if text.is_empty() {
        return Ok(Arc::new(Pattern::any()));
    }
    let case = if open.tree.share.features().case_sensitive {
        CaseRule::Respect
    } else {
        CaseRule::Ignore
    };
    Ok(Arc::new(Pattern::new(text.as_units(), case)))
}

/// Encodes entries until the room is full; none when there was none left.
async fn fill(
    open: &Open,
    listing: &mut Enumeration,
    mut encoder: DirectoryEncoder,
    writer: &mut Writer<'_>,
    room: usize,
    single: bool,
) -> Result<Option<Fit>, NtStatus> {
    loop {
        while let Some(entry) = listing.ready.front() {
            let short = encoder
                .shows_short_names()
                .then(|| short_name(entry.name.as_units()));
            let short = short.flatten();
            match encoder.push(writer, &directory_entry(entry, short.as_ref())) {
                None => return Ok(Some(Fit::Whole)),
                Some(Fit::Part) => {
                    listing.ready.pop_front();
                    return Ok(Some(Fit::Part));
                }
                Some(Fit::Whole) => {
                    listing.ready.pop_front();
                    if single {
                        return Ok(Some(Fit::Whole));
                    }
                }
            }
        }
        if listing.exhausted {
            return Ok((!encoder.is_empty()).then_some(Fit::Whole));
        }
        let from = listing.position.map_or(ListFrom::Start, ListFrom::After);
        // One entry more than asked for costs little; a reply with one entry should not list 100,000.
        let wanted_bytes = if single { 1 } else { room };
        let entries = open
            .handle
            .list(from, &listing.pattern, wanted_bytes)
            .await?;
        match entries.last() {
            Some(last) => listing.position = Some(last.position),
            None => listing.exhausted = true,
        }
        listing.ready.extend(visible(open, entries).await?);
    }
}

/// Leaves out what the user may not read, where the share wants that.
// [MS-SMB2] 3.3.5.18
async fn visible(open: &Open, entries: Vec<Entry>) -> Result<Vec<Entry>, NtStatus> {
    if !open.tree.share.settings.access_based_enumeration {
        return Ok(entries);
    }
    let folder = open.handle.name().await?;
    let mut visible = Vec::with_capacity(entries.len());
    for entry in entries {
        let is_folder = DOTS.contains(&entry.name.to_string_lossy().as_str());
        if is_folder || may_read(open, &folder.child(entry.name.clone())).await {
            visible.push(entry);
        }
    }
    Ok(visible)
}

/// The longest pattern, in UTF-16 units: as long as a name. Matching takes a pattern's length times a
/// name's, for each entry of the folder.
const LONGEST_PATTERN: usize = 255;

/// The entries for the folder itself and the one above it, whoever lists.
const DOTS: [&str; 2] = [".", ".."];

async fn may_read(open: &Open, name: &Name) -> bool {
    let caller = open.tree.caller.load_full();
    let how = OpenHow::to_look(AccessMask::READ_CONTROL);
    let Ok(opened) = open.tree.share.handler.open(&caller, name, &how).await else {
        return false;
    };
    let security = opened.security.clone();
    // Whether it can be read does not hang on how the look at it ends.
    let _ = opened.handle.close(CloseHow::Keep).await;
    security.is_none_or(|security| {
        access::check(&caller.token, &security, AccessMask::FILE_GENERIC_READ).is_ok()
    })
}

fn directory_entry<'a>(entry: &'a Entry, short: Option<&'a Utf16String>) -> DirectoryEntry<'a> {
    let stat = &entry.stat;
    let mut file_id_128 = [0; 16];
    if let Some(low) = file_id_128.first_chunk_mut() {
        *low = stat.file_id.to_le_bytes();
    }
    DirectoryEntry {
        file_index: 0,
        creation_time: stat.creation_time,
        last_access_time: stat.last_access_time,
        last_write_time: stat.last_write_time,
        change_time: stat.change_time,
        end_of_file: stat.end_of_file,
        allocation_size: stat.allocation_size,
        file_attributes: stat.attributes,
        ea_size: stat.ea_size,
        reparse_point_tag: ReparseTag(stat.reparse_tag),
        file_id: stat.file_id,
        file_id_128,
        short_name: short.map_or(&[], Utf16String::as_units),
        file_name: entry.name.as_units(),
    }
}
