//! The changes that SET_INFO can ask of a file.

use super::basic::{BasicInformation, ModeInformation};
use super::names::decode_name;
use super::{FileMode, FullEa, LinkInformation, PipeInformation, RenameInformation};
use crate::dtyp::FileTime;
use crate::flags::wire_flags;
use crate::fscc::{FileAttributes, FileInfoClass};
use crate::{DecodeError, NtStatus, Reader, Utf16String, Writer};

/// What to do with one time of a file.
// [MS-FSCC] 2.4.7
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeChange {
    /// 0: leave it.
    #[default]
    Keep,
    /// Set it.
    Set(FileTime),
    /// -1: leave it, and operations on this open no longer move it.
    Freeze,
    /// -2: operations on this open move it again.
    Thaw,
}

impl TimeChange {
    /// Reads the field, a signed number.
    ///
    /// # Errors
    /// INVALID_PARAMETER for a value below -2.
    // [MS-FSA] 2.1.5.15.2
    pub fn from_wire(field: FileTime) -> Result<Self, NtStatus> {
        match field {
            FileTime::ZERO => Ok(Self::Keep),
            FREEZE => Ok(Self::Freeze),
            THAW => Ok(Self::Thaw),
            time if time <= FileTime::MAX => Ok(Self::Set(time)),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// The value of the field.
    #[must_use]
    pub const fn to_wire(self) -> FileTime {
        match self {
            Self::Keep => FileTime::ZERO,
            Self::Set(time) => time,
            Self::Freeze => FREEZE,
            Self::Thaw => THAW,
        }
    }
}

const FREEZE: FileTime = FileTime(u64::MAX);
const THAW: FileTime = FileTime(u64::MAX - 1);

/// FileBasicInformation as a change.
// [MS-FSCC] 2.4.7
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasicChange {
    /// CreationTime.
    pub creation_time: TimeChange,
    /// LastAccessTime.
    pub last_access_time: TimeChange,
    /// LastWriteTime.
    pub last_write_time: TimeChange,
    /// ChangeTime.
    pub change_time: TimeChange,
    /// FileAttributes; none, which is zero on the wire, leaves them.
    pub file_attributes: Option<FileAttributes>,
}

impl BasicChange {
    fn from_wire(basic: &BasicInformation) -> Result<Self, NtStatus> {
        Ok(Self {
            creation_time: TimeChange::from_wire(basic.creation_time)?,
            last_access_time: TimeChange::from_wire(basic.last_access_time)?,
            last_write_time: TimeChange::from_wire(basic.last_write_time)?,
            change_time: TimeChange::from_wire(basic.change_time)?,
            file_attributes: Some(basic.file_attributes)
                .filter(|attributes| !attributes.is_empty()),
        })
    }

    fn to_wire(self) -> BasicInformation {
        BasicInformation {
            creation_time: self.creation_time.to_wire(),
            last_access_time: self.last_access_time.to_wire(),
            last_write_time: self.last_write_time.to_wire(),
            change_time: self.change_time.to_wire(),
            file_attributes: self.file_attributes.unwrap_or_default(),
        }
    }
}

wire_flags! {
    /// How a file is marked for deletion.
    // [MS-FSCC] 2.4.12
    pub struct DispositionFlags: u32 {
        /// Delete it; without this bit, do not.
        const DELETE = 0x0000_0001;
        /// The name goes when this open is closed, the data when the last one is.
        const POSIX_SEMANTICS = 0x0000_0002;
        /// Not while it is being executed.
        const FORCE_IMAGE_SECTION_CHECK = 0x0000_0004;
        /// Change what deletion on close does.
        const ON_CLOSE = 0x0000_0008;
        /// Even when it is read-only.
        const IGNORE_READONLY_ATTRIBUTE = 0x0000_0010;
    }
}

/// A change that SET_INFO asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetFileInformation {
    /// FileAllocationInformation: bytes to reserve.
    Allocation(u64),
    /// FileBasicInformation.
    Basic(BasicChange),
    /// FileDispositionInformation: whether to delete on close.
    Disposition(bool),
    /// FileDispositionInformationEx.
    DispositionEx(DispositionFlags),
    /// FileEndOfFileInformation: the new size in bytes.
    EndOfFile(u64),
    /// FileFullEaInformation.
    FullEa(Vec<FullEa>),
    /// FileLinkInformation.
    Link(LinkInformation),
    /// FileModeInformation.
    Mode(FileMode),
    /// FilePipeInformation.
    Pipe(PipeInformation),
    /// FilePositionInformation.
    Position(u64),
    /// FileRenameInformation.
    Rename(RenameInformation),
    /// FileRenameInformationEx.
    RenameEx(RenameInformation),
    /// FileShortNameInformation: the new 8.3 name, empty for none.
    ShortName(Utf16String),
    /// FileValidDataLengthInformation: in bytes.
    ValidDataLength(u64),
}

impl SetFileInformation {
    /// The class that this is set by.
    #[must_use]
    pub const fn class(&self) -> FileInfoClass {
        match self {
            Self::Allocation(_) => FileInfoClass::ALLOCATION,
            Self::Basic(_) => FileInfoClass::BASIC,
            Self::Disposition(_) => FileInfoClass::DISPOSITION,
            Self::DispositionEx(_) => FileInfoClass::DISPOSITION_EX,
            Self::EndOfFile(_) => FileInfoClass::END_OF_FILE,
            Self::FullEa(_) => FileInfoClass::FULL_EA,
            Self::Link(_) => FileInfoClass::LINK,
            Self::Mode(_) => FileInfoClass::MODE,
            Self::Pipe(_) => FileInfoClass::PIPE,
            Self::Position(_) => FileInfoClass::POSITION,
            Self::Rename(_) => FileInfoClass::RENAME,
            Self::RenameEx(_) => FileInfoClass::RENAME_EX,
            Self::ShortName(_) => FileInfoClass::SHORT_NAME,
            Self::ValidDataLength(_) => FileInfoClass::VALID_DATA_LENGTH,
        }
    }

    /// Reads the buffer of a SET_INFO request.
    ///
    /// # Errors
    /// - INVALID_INFO_CLASS: the class cannot be set.
    /// - INFO_LENGTH_MISMATCH: the buffer is smaller than the structure.
    /// - EA_LIST_INCONSISTENT: a list of extended attributes does not hang together.
    /// - INVALID_PARAMETER: a negative size, a time below -2, or a name that is odd or leaves the
    ///   buffer.
    // [MS-FSA] 2.1.5.15
    pub fn decode(class: FileInfoClass, bytes: &[u8]) -> Result<Self, NtStatus> {
        let minimum = class
            .minimum_set_length()
            .ok_or(NtStatus::INVALID_INFO_CLASS)?;
        if bytes.len() < minimum {
            return Err(NtStatus::INFO_LENGTH_MISMATCH);
        }
        let invalid = |_: DecodeError| NtStatus::INVALID_PARAMETER;
        match class {
            FileInfoClass::ALLOCATION => not_negative(bytes).map(Self::Allocation),
            FileInfoClass::BASIC => {
                let basic = BasicInformation::decode(bytes).map_err(invalid)?;
                BasicChange::from_wire(&basic).map(Self::Basic)
            }
            FileInfoClass::DISPOSITION => Ok(Self::Disposition(
                bytes.first().is_some_and(|delete| *delete != 0),
            )),
            FileInfoClass::DISPOSITION_EX => {
                let flags = Reader::new("FileDispositionInformationEx", bytes).u32();
                flags
                    .map(DispositionFlags::from_bits)
                    .map(Self::DispositionEx)
                    .map_err(invalid)
            }
            FileInfoClass::END_OF_FILE => not_negative(bytes).map(Self::EndOfFile),
            FileInfoClass::FULL_EA => FullEa::decode_list(bytes)
                .map(Self::FullEa)
                // [MS-SMB2] 3.3.5.21.1
                .map_err(|_| NtStatus::EA_LIST_INCONSISTENT),
            FileInfoClass::LINK => LinkInformation::decode(bytes)
                .map(Self::Link)
                .map_err(invalid),
            FileInfoClass::MODE => ModeInformation::decode(bytes)
                .map(|info| Self::Mode(info.mode))
                .map_err(invalid),
            FileInfoClass::PIPE => PipeInformation::decode(bytes)
                .map(Self::Pipe)
                .map_err(invalid),
            FileInfoClass::POSITION => not_negative(bytes).map(Self::Position),
            FileInfoClass::RENAME => RenameInformation::decode(bytes)
                .map(Self::Rename)
                .map_err(invalid),
            FileInfoClass::RENAME_EX => RenameInformation::decode_ex(bytes)
                .map(Self::RenameEx)
                .map_err(invalid),
            FileInfoClass::SHORT_NAME => decode_name(bytes).map(Self::ShortName).map_err(invalid),
            FileInfoClass::VALID_DATA_LENGTH => not_negative(bytes).map(Self::ValidDataLength),
            _ => Err(NtStatus::INVALID_INFO_CLASS),
        }
    }

    /// Appends the buffer of a SET_INFO request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Allocation(bytes)
            | Self::EndOfFile(bytes)
            | Self::Position(bytes)
            | Self::ValidDataLength(bytes) => out.u64(*bytes),
            Self::Basic(change) => change.to_wire().encode(out),
            Self::Disposition(delete) => out.u8((*delete).into()),
            Self::DispositionEx(flags) => out.u32(flags.bits()),
            Self::FullEa(list) => {
                FullEa::encode_list(list, out, usize::MAX);
            }
            Self::Link(link) => link.encode(out),
            Self::Mode(mode) => out.u32(mode.bits()),
            Self::Pipe(info) => info.encode(out),
            Self::Rename(rename) => rename.encode(out),
            Self::RenameEx(rename) => rename.encode_ex(out),
            Self::ShortName(name) => {
                out.size32(name.len_bytes());
                name.encode(out);
                // The structure has 8 bytes at least.
                out.zeros(4_usize.saturating_sub(name.len_bytes()));
            }
        }
    }
}

/// A signed 64-bit size or position.
fn not_negative(bytes: &[u8]) -> Result<u64, NtStatus> {
    let value = Reader::new("size", bytes)
        .u64()
        .map_err(|_| NtStatus::INFO_LENGTH_MISMATCH)?;
    match i64::try_from(value) {
        Ok(_) => Ok(value),
        Err(_) => Err(NtStatus::INVALID_PARAMETER),
    }
}
