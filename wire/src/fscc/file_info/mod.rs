//! What is asked and set about a file: one structure for each information class.
//!
//! Owns the layouts, [`FileInformation`] (the answer to a query, cut to the room there is) and
//! [`SetFileInformation`] (a change that was asked for, checked as far as the bytes alone allow).
//! Directory listings are next door, in `directory_info`.

mod basic;
mod ea;
mod names;
mod pipe;
mod set;
mod streams;

pub use basic::{
    AccessInformation, AlignmentInformation, AttributeTagInformation, BasicInformation,
    CompressionFormat, CompressionInformation, EaInformation, FileMode, IdInformation,
    InternalInformation, ModeInformation, NetworkOpenInformation, PositionInformation,
    StandardInformation,
};
pub use ea::{EaFlags, FullEa, decode_ea_names, encode_ea_names};
pub use names::{AllInformation, LinkInformation, RenameFlags, RenameInformation};
pub use pipe::{PipeInformation, PipeLocalInformation, PipeRemoteInformation, PipeState, PipeType};
pub use set::{BasicChange, DispositionFlags, SetFileInformation, TimeChange};
pub use streams::StreamInformation;

use names::{decode_name, encode_name};

use super::FileInfoClass;
use crate::{DecodeError, NtStatus, Utf16String, Writer};

/// Whether an answer was written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// All of it: SUCCESS.
    Whole,
    /// As much as there was room for: BUFFER_OVERFLOW.
    Part,
}

/// The answer to a query about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileInformation {
    /// FileAccessInformation.
    Access(AccessInformation),
    /// FileAlignmentInformation.
    Alignment(AlignmentInformation),
    /// FileAllInformation.
    All(Box<AllInformation>),
    /// FileAlternateNameInformation: the 8.3 name.
    AlternateName(Utf16String),
    /// FileAttributeTagInformation.
    AttributeTag(AttributeTagInformation),
    /// FileBasicInformation.
    Basic(BasicInformation),
    /// FileCompressionInformation.
    Compression(CompressionInformation),
    /// FileEaInformation.
    Ea(EaInformation),
    /// FileFullEaInformation.
    FullEa(Vec<FullEa>),
    /// FileIdInformation.
    Id(IdInformation),
    /// FileInternalInformation.
    Internal(InternalInformation),
    /// FileModeInformation.
    Mode(ModeInformation),
    /// FileNetworkOpenInformation.
    NetworkOpen(NetworkOpenInformation),
    /// FileNormalizedNameInformation: the path with its case as stored.
    NormalizedName(Utf16String),
    /// FilePipeInformation.
    Pipe(PipeInformation),
    /// FilePipeLocalInformation.
    PipeLocal(PipeLocalInformation),
    /// FilePipeRemoteInformation.
    PipeRemote(PipeRemoteInformation),
    /// FilePositionInformation.
    Position(PositionInformation),
    /// FileStandardInformation.
    Standard(StandardInformation),
    /// FileStreamInformation.
    Stream(Vec<StreamInformation>),
}

impl FileInformation {
    /// The class that this answers.
    #[must_use]
    pub const fn class(&self) -> FileInfoClass {
        match self {
            Self::Access(_) => FileInfoClass::ACCESS,
            Self::Alignment(_) => FileInfoClass::ALIGNMENT,
            Self::All(_) => FileInfoClass::ALL,
            Self::AlternateName(_) => FileInfoClass::ALTERNATE_NAME,
            Self::AttributeTag(_) => FileInfoClass::ATTRIBUTE_TAG,
            Self::Basic(_) => FileInfoClass::BASIC,
            Self::Compression(_) => FileInfoClass::COMPRESSION,
            Self::Ea(_) => FileInfoClass::EA,
            Self::FullEa(_) => FileInfoClass::FULL_EA,
            Self::Id(_) => FileInfoClass::ID,
            Self::Internal(_) => FileInfoClass::INTERNAL,
            Self::Mode(_) => FileInfoClass::MODE,
            Self::NetworkOpen(_) => FileInfoClass::NETWORK_OPEN,
            Self::NormalizedName(_) => FileInfoClass::NORMALIZED_NAME,
            Self::Pipe(_) => FileInfoClass::PIPE,
            Self::PipeLocal(_) => FileInfoClass::PIPE_LOCAL,
            Self::PipeRemote(_) => FileInfoClass::PIPE_REMOTE,
            Self::Position(_) => FileInfoClass::POSITION,
            Self::Standard(_) => FileInfoClass::STANDARD,
            Self::Stream(_) => FileInfoClass::STREAM,
        }
    }

    /// Appends the answer, or as much of its variable part as `room` bytes hold.
    ///
    /// # Errors
    /// INFO_LENGTH_MISMATCH when the fixed part does not fit; BUFFER_TOO_SMALL when the first
    /// extended attribute does not. Nothing is appended then.
    // [MS-FSA] 2.1.5.12
    pub fn encode(&self, out: &mut Writer<'_>, room: usize) -> Result<Fit, NtStatus> {
        if self
            .class()
            .minimum_query_length()
            .is_none_or(|minimum| room < minimum)
        {
            return Err(NtStatus::INFO_LENGTH_MISMATCH);
        }
        match self {
            Self::Access(info) => info.encode(out),
            Self::Alignment(info) => info.encode(out),
            Self::All(info) => return Ok(info.encode(out, room)),
            Self::AttributeTag(info) => info.encode(out),
            Self::Basic(info) => info.encode(out),
            Self::Compression(info) => info.encode(out),
            Self::Ea(info) => info.encode(out),
            Self::FullEa(list) => return encode_ea_list(list, out, room),
            Self::Id(info) => info.encode(out),
            Self::Internal(info) => info.encode(out),
            Self::Mode(info) => info.encode(out),
            Self::NetworkOpen(info) => info.encode(out),
            Self::AlternateName(name) | Self::NormalizedName(name) => {
                return Ok(encode_name(name, out, room));
            }
            Self::Pipe(info) => info.encode(out),
            Self::PipeLocal(info) => info.encode(out),
            Self::PipeRemote(info) => info.encode(out),
            Self::Position(info) => info.encode(out),
            Self::Standard(info) => info.encode(out),
            Self::Stream(list) => return Ok(StreamInformation::encode_list(list, out, room)),
        }
        Ok(Fit::Whole)
    }

    /// Reads a whole answer of this class; `None` if the class has no answer.
    ///
    /// # Errors
    /// Too few bytes, or a length or an offset that leaves them.
    pub fn decode(class: FileInfoClass, bytes: &[u8]) -> Option<Result<Self, DecodeError>> {
        Some(match class {
            FileInfoClass::ACCESS => AccessInformation::decode(bytes).map(Self::Access),
            FileInfoClass::ALIGNMENT => AlignmentInformation::decode(bytes).map(Self::Alignment),
            FileInfoClass::ALL => AllInformation::decode(bytes).map(|all| Self::All(Box::new(all))),
            FileInfoClass::ALTERNATE_NAME => decode_name(bytes).map(Self::AlternateName),
            FileInfoClass::ATTRIBUTE_TAG => {
                AttributeTagInformation::decode(bytes).map(Self::AttributeTag)
            }
            FileInfoClass::BASIC => BasicInformation::decode(bytes).map(Self::Basic),
            FileInfoClass::COMPRESSION => {
                CompressionInformation::decode(bytes).map(Self::Compression)
            }
            FileInfoClass::EA => EaInformation::decode(bytes).map(Self::Ea),
            FileInfoClass::FULL_EA => FullEa::decode_list(bytes).map(Self::FullEa),
            FileInfoClass::ID => IdInformation::decode(bytes).map(Self::Id),
            FileInfoClass::INTERNAL => InternalInformation::decode(bytes).map(Self::Internal),
            FileInfoClass::MODE => ModeInformation::decode(bytes).map(Self::Mode),
            FileInfoClass::NETWORK_OPEN => {
                NetworkOpenInformation::decode(bytes).map(Self::NetworkOpen)
            }
            FileInfoClass::NORMALIZED_NAME => decode_name(bytes).map(Self::NormalizedName),
            FileInfoClass::PIPE => PipeInformation::decode(bytes).map(Self::Pipe),
            FileInfoClass::PIPE_LOCAL => PipeLocalInformation::decode(bytes).map(Self::PipeLocal),
            FileInfoClass::PIPE_REMOTE => {
                PipeRemoteInformation::decode(bytes).map(Self::PipeRemote)
            }
            FileInfoClass::POSITION => PositionInformation::decode(bytes).map(Self::Position),
            FileInfoClass::STANDARD => StandardInformation::decode(bytes).map(Self::Standard),
            FileInfoClass::STREAM => StreamInformation::decode_list(bytes).map(Self::Stream),
            _ => return None,
        })
    }
}

// [MS-FSA] 2.1.5.12.12
fn encode_ea_list(list: &[FullEa], out: &mut Writer<'_>, room: usize) -> Result<Fit, NtStatus> {
    match FullEa::encode_list(list, out, room) {
        written if written == list.len() => Ok(Fit::Whole),
        0 => Err(NtStatus::BUFFER_TOO_SMALL),
        _ => Ok(Fit::Part),
    }
}

#[cfg(test)]
mod tests;
