//! QUERY_INFO of a file. [MS-SMB2] 3.3.5.20.1

use bytes::BytesMut;
use wire::dtyp::AccessMask;
use wire::fscc::file_info::{
    AccessInformation, AlignmentInformation, AllInformation, AttributeTagInformation,
    BasicInformation, CompressionFormat, CompressionInformation, EaInformation, FullEa,
    IdInformation, InternalInformation, ModeInformation, NetworkOpenInformation,
    PositionInformation, StandardInformation, StreamInformation, decode_ea_names,
};
use wire::fscc::{FileInfoClass, FileInformation, ReparseTag};
use wire::query_info::QueryInfoFlags;
use wire::{Dialect, NtStatus, QueryInfoRequest, Utf16String, Writer};

use super::{answer, short_of_room};
use crate::commands::Answer;
use crate::context::Context;
use crate::open::Open;
use crate::share::{FileStat, short_name};

/// Answers one information class of a file.
pub(super) async fn query(
    context: &Context,
    open: &Open,
    request: &QueryInfoRequest,
    dialect: Dialect,
) -> Result<Answer, NtStatus> {
    let class = request.file_info_class.of_file();
    let room = usize::try_from(request.output_buffer_length).unwrap_or_default();
    require_access(open, class)?;
    let minimum = class.minimum_query_length();
    if minimum.is_some_and(|minimum| room < minimum) {
        return Ok(short_of_room(NtStatus::INFO_LENGTH_MISMATCH, None, dialect));
    }
    let information = information(context, open, request, class, dialect).await?;
    let mut out = BytesMut::new();
    match information.encode(&mut Writer::new(&mut out), room) {
        Ok(fit) => Ok(answer(out.freeze(), fit)),
        Err(NtStatus::INFO_LENGTH_MISMATCH) => {
            Ok(short_of_room(NtStatus::INFO_LENGTH_MISMATCH, None, dialect))
        }
        Err(status) => Err(status),
    }
}

/// [MS-SMB2] 3.3.5.20.1
fn require_access(open: &Open, class: FileInfoClass) -> Result<(), NtStatus> {
    match class {
        FileInfoClass::BASIC
        | FileInfoClass::ALL
        | FileInfoClass::PIPE
        | FileInfoClass::PIPE_LOCAL
        | FileInfoClass::PIPE_REMOTE
        | FileInfoClass::NETWORK_OPEN
        | FileInfoClass::ATTRIBUTE_TAG => open.require(AccessMask::FILE_READ_ATTRIBUTES),
        FileInfoClass::FULL_EA => open.require(AccessMask::FILE_READ_EA),
        _ => Ok(()),
    }
}

async fn information(
    context: &Context,
    open: &Open,
    request: &QueryInfoRequest,
    class: FileInfoClass,
    dialect: Dialect,
) -> Result<FileInformation, NtStatus> {
    let stat = async || open.handle.stat().await;
    Ok(match class {
        FileInfoClass::ACCESS => FileInformation::Access(access(open)),
        FileInfoClass::ALIGNMENT => FileInformation::Alignment(ALIGNMENT),
        FileInfoClass::ALL => {
            let stat = stat().await?;
            FileInformation::All(Box::new(all(context, open, &stat).await?))
        }
        FileInfoClass::ALTERNATE_NAME => {
            FileInformation::AlternateName(alternate_name(open).await?)
        }
        FileInfoClass::ATTRIBUTE_TAG => {
            let stat = stat().await?;
            FileInformation::AttributeTag(AttributeTagInformation {
                file_attributes: stat.attributes,
                reparse_tag: ReparseTag(stat.reparse_tag),
            })
        }
        FileInfoClass::BASIC => FileInformation::Basic(basic(&stat().await?)),
        FileInfoClass::COMPRESSION => FileInformation::Compression(CompressionInformation {
            compressed_file_size: stat().await?.end_of_file,
            compression_format: CompressionFormat::NONE,
            compression_unit_shift: 0,
            chunk_shift: 0,
            cluster_shift: 0,
        }),
        FileInfoClass::EA => FileInformation::Ea(EaInformation {
            ea_size: stat().await?.ea_size,
        }),
        FileInfoClass::FULL_EA => FileInformation::FullEa(full_ea(open, request).await?),
        FileInfoClass::ID if dialect < Dialect::SMB_3_0 => return Err(NtStatus::NOT_SUPPORTED),
        FileInfoClass::ID => FileInformation::Id(id(open, &stat().await?)),
        FileInfoClass::INTERNAL => FileInformation::Internal(InternalInformation {
            index_number: stat().await?.file_id,
        }),
        FileInfoClass::MODE => FileInformation::Mode(mode(open)),
        FileInfoClass::NETWORK_OPEN => FileInformation::NetworkOpen(network_open(&stat().await?)),
        FileInfoClass::NORMALIZED_NAME if dialect < Dialect::SMB_3_1_1 => {
            return Err(NtStatus::NOT_SUPPORTED);
        }
        FileInfoClass::NORMALIZED_NAME => {
            FileInformation::NormalizedName(normalized_name(open).await?)
        }
        FileInfoClass::POSITION => FileInformation::Position(position(open)),
        FileInfoClass::STANDARD => {
            FileInformation::Standard(standard(context, open, &stat().await?))
        }
        FileInfoClass::STREAM => FileInformation::Stream(streams(open).await?),
        FileInfoClass::PIPE | FileInfoClass::PIPE_LOCAL | FileInfoClass::PIPE_REMOTE => {
            open.handle.pipe_information(class).await?
        }
        // Classes that exist, but not for QUERY_INFO.
        class if class.minimum_query_length().is_some() => return Err(NtStatus::NOT_SUPPORTED),
        _ => return Err(NtStatus::INVALID_INFO_CLASS),
    })
}

const ALIGNMENT: AlignmentInformation = AlignmentInformation {
    alignment_requirement: 0,
};

fn access(open: &Open) -> AccessInformation {
    AccessInformation {
        access_flags: open.granted_access,
    }
}

fn mode(open: &Open) -> ModeInformation {
    ModeInformation {
        mode: open.state.lock().mode,
    }
}

fn position(open: &Open) -> PositionInformation {
    PositionInformation {
        current_byte_offset: open.state.lock().position,
    }
}

fn basic(stat: &FileStat) -> BasicInformation {
    BasicInformation {
        creation_time: stat.creation_time,
        last_access_time: stat.last_access_time,
        last_write_time: stat.last_write_time,
        change_time: stat.change_time,
        file_attributes: stat.attributes,
    }
}

fn standard(context: &Context, open: &Open, stat: &FileStat) -> StandardInformation {
    let delete_pending = context
        .server
        .object_store
        .is_delete_pending(&open.attachment);
    StandardInformation {
        allocation_size: stat.allocation_size,
        end_of_file: stat.end_of_file,
        // [MS-FSA] 2.1.5.12.27
        // A name that is to go does not count.
        number_of_links: stat.links.saturating_sub(u32::from(delete_pending)),
        delete_pending,
        directory: open.is_directory,
    }
}

fn network_open(stat: &FileStat) -> NetworkOpenInformation {
    NetworkOpenInformation {
        creation_time: stat.creation_time,
        last_access_time: stat.last_access_time,
        last_write_time: stat.last_write_time,
        change_time: stat.change_time,
        allocation_size: stat.allocation_size,
        end_of_file: stat.end_of_file,
        file_attributes: stat.attributes,
    }
}

fn id(open: &Open, stat: &FileStat) -> IdInformation {
    let mut file_id = [0; 16];
    if let Some(low) = file_id.first_chunk_mut() {
        *low = stat.file_id.to_le_bytes();
    }
    IdInformation {
        volume_serial_number: open.handle.object().volume,
        file_id,
    }
}

async fn all(context: &Context, open: &Open, stat: &FileStat) -> Result<AllInformation, NtStatus> {
    const SEPARATOR: u16 = 0x5c;
    let mut name = vec![SEPARATOR];
    name.extend_from_slice(open.handle.name().await?.to_utf16().as_units());
    Ok(AllInformation {
        basic: basic(stat),
        standard: standard(context, open, stat),
        internal: InternalInformation {
            index_number: stat.file_id,
        },
        ea: EaInformation {
            ea_size: stat.ea_size,
        },
        access: access(open),
        position: position(open),
        mode: mode(open),
        alignment: ALIGNMENT,
        name: Utf16String::from_units(name),
    })
}

/// The name as stored, from the share's root on. [MS-FSCC] 2.1.5
async fn normalized_name(open: &Open) -> Result<Utf16String, NtStatus> {
    let name = open.handle.name().await?;
    Ok(name.with_stream(open.stream.clone()).to_utf16())
}

/// The 8.3 name; a name that is one already stands for itself.
async fn alternate_name(open: &Open) -> Result<Utf16String, NtStatus> {
    let name = open.handle.name().await?;
    let long = name.file_name().ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    Ok(short_name(long.as_units()).unwrap_or_else(|| long.clone()))
}

async fn streams(open: &Open) -> Result<Vec<StreamInformation>, NtStatus> {
    let streams = open.handle.streams().await?;
    Ok(streams
        .into_iter()
        .map(|stream| StreamInformation {
            stream_size: stream.end_of_file,
            stream_allocation_size: stream.allocation_size,
            stream_name: stream.name,
        })
        .collect())
}

// [MS-SMB2] 3.3.5.20.1
async fn full_ea(open: &Open, request: &QueryInfoRequest) -> Result<Vec<FullEa>, NtStatus> {
    let all = open.handle.extended_attributes().await?;
    if !request.input.is_empty() {
        let names = decode_ea_names(&request.input).map_err(|_| NtStatus::EA_LIST_INCONSISTENT)?;
        return Ok(names.into_iter().map(|name| named_ea(&all, name)).collect());
    }
    if all.is_empty() {
        return Err(NtStatus::NO_EAS_ON_FILE);
    }
    let first = if request.flags.contains(QueryInfoFlags::INDEX_SPECIFIED) {
        let index = usize::try_from(request.additional_information).unwrap_or_default();
        index
            .checked_sub(1)
            .filter(|index| *index < all.len())
            .ok_or(NtStatus::NONEXISTENT_EA_ENTRY)?
    } else {
        0
    };
    let most = if request.flags.contains(QueryInfoFlags::RETURN_SINGLE_ENTRY) {
        1
    } else {
        all.len()
    };
    Ok(all.into_iter().skip(first).take(most).collect())
}

/// The attribute of that name; one that does not exist has an empty value.
fn named_ea(all: &[FullEa], name: Vec<u8>) -> FullEa {
    let found = all.iter().find(|ea| ea.name.eq_ignore_ascii_case(&name));
    found.cloned().unwrap_or(FullEa {
        name,
        ..FullEa::default()
    })
}
