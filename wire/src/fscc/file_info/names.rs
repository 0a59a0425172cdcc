//! The classes that carry a name: the answers that are one, rename and link.

use super::{
    AccessInformation, AlignmentInformation, BasicInformation, EaInformation, Fit,
    InternalInformation, ModeInformation, PositionInformation, StandardInformation,
};
use crate::flags::wire_flags;
use crate::fscc::layout::{Field as _, write_units};
use crate::{DecodeError, Reader, Utf16String, Writer};

/// FileAllInformation.
// [MS-FSCC] 2.4.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllInformation {
    /// BasicInformation.
    pub basic: BasicInformation,
    /// StandardInformation.
    pub standard: StandardInformation,
    /// InternalInformation.
    pub internal: InternalInformation,
    /// EaInformation.
    pub ea: EaInformation,
    /// AccessInformation.
    pub access: AccessInformation,
    /// PositionInformation.
    pub position: PositionInformation,
    /// ModeInformation.
    pub mode: ModeInformation,
    /// AlignmentInformation.
    pub alignment: AlignmentInformation,
    /// NameInformation: the path below the share.
    pub name: Utf16String,
}

impl AllInformation {
    /// Bytes in front of NameInformation.
    const FIXED_SIZE: usize = 96;

    /// Appends the fixed part and as much of the name as `room` bytes hold.
    pub(super) fn encode(&self, out: &mut Writer<'_>, room: usize) -> Fit {
        self.basic.encode(out);
        self.standard.encode(out);
        self.internal.encode(out);
        self.ea.encode(out);
        self.access.encode(out);
        self.position.encode(out);
        self.mode.encode(out);
        self.alignment.encode(out);
        encode_name(&self.name, out, room.saturating_sub(Self::FIXED_SIZE))
    }

    /// Reads the structure.
    ///
    /// # Errors
    /// Too few bytes for the fixed part or for the name.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FileAllInformation", bytes);
        Ok(Self {
            basic: BasicInformation::read(&mut reader)?,
            standard: StandardInformation::read(&mut reader)?,
            internal: InternalInformation::read(&mut reader)?,
            ea: EaInformation::read(&mut reader)?,
            access: AccessInformation::read(&mut reader)?,
            position: PositionInformation::read(&mut reader)?,
            mode: ModeInformation::read(&mut reader)?,
            alignment: AlignmentInformation::read(&mut reader)?,
            name: read_name(&mut reader)?,
        })
    }
}

/// Appends FILE_NAME_INFORMATION with as many whole units as `room` bytes hold; the length is that
/// of the whole name even so.
// [MS-FSA] 2.1.5.12.19
pub(super) fn encode_name(name: &Utf16String, out: &mut Writer<'_>, room: usize) -> Fit {
    out.size32(name.len_bytes());
    let units = name.as_units();
    let fitting = room.saturating_sub(4) / 2;
    match units.get(..fitting).filter(|part| part.len() < units.len()) {
        Some(part) => {
            write_units(part, out);
            Fit::Part
        }
        None => {
            write_units(units, out);
            Fit::Whole
        }
    }
}

/// Reads FILE_NAME_INFORMATION.
// [MS-FSCC] 2.1.7
pub(super) fn decode_name(bytes: &[u8]) -> Result<Utf16String, DecodeError> {
    read_name(&mut Reader::new("FILE_NAME_INFORMATION", bytes))
}

fn read_name(reader: &mut Reader<'_>) -> Result<Utf16String, DecodeError> {
    let length = reader.size32()?;
    Utf16String::decode(reader.bytes(length)?)
}

wire_flags! {
    /// How a file is renamed.
    // [MS-FSCC] 2.4.43
    pub struct RenameFlags: u32 {
        /// An existing file of the new name is replaced.
        const REPLACE_IF_EXISTS = 0x0000_0001;
        /// Opens of the replaced file stay valid.
        const POSIX_SEMANTICS = 0x0000_0002;
        /// The pin state is not inherited.
        const SUPPRESS_PIN_STATE_INHERITANCE = 0x0000_0004;
        /// The storage reserve is not inherited.
        const SUPPRESS_STORAGE_RESERVE_INHERITANCE = 0x0000_0008;
        /// Free space does not grow.
        const NO_INCREASE_AVAILABLE_SPACE = 0x0000_0010;
        /// Free space does not shrink.
        const NO_DECREASE_AVAILABLE_SPACE = 0x0000_0020;
        /// A read-only file is replaced as well.
        const IGNORE_READONLY_ATTRIBUTE = 0x0000_0040;
        /// The target's storage reserve grows.
        const FORCE_RESIZE_TARGET_SR = 0x0000_0080;
        /// The source's storage reserve shrinks.
        const FORCE_RESIZE_SOURCE_SR = 0x0000_0100;
    }
}

/// FileRenameInformation and FileRenameInformationEx in the layout of SMB2.
///
/// The two differ in the first four bytes: a Boolean with reserved bytes, or flags.
// [MS-FSCC] 2.4.42.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenameInformation {
    /// Flags; REPLACE_IF_EXISTS alone stands for the Boolean ReplaceIfExists.
    pub flags: RenameFlags,
    /// RootDirectory: zero, or the request is refused.
    pub root_directory: u64,
    /// FileName: the new path below the share, or a stream name.
    pub file_name: Utf16String,
}

impl RenameInformation {
    /// Reads FileRenameInformation.
    ///
    /// # Errors
    /// Too few bytes, or a name that leaves them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let target = Target::decode("FileRenameInformation", bytes)?;
        let flags = if target.replaces() {
            RenameFlags::REPLACE_IF_EXISTS
        } else {
            RenameFlags::NONE
        };
        Ok(target.with_flags(flags))
    }

    /// Reads FileRenameInformationEx.
    ///
    /// # Errors
    /// Too few bytes, or a name that leaves them.
    pub fn decode_ex(bytes: &[u8]) -> Result<Self, DecodeError> {
        let target = Target::decode("FileRenameInformationEx", bytes)?;
        let flags = RenameFlags::from_bits(u32::from_le_bytes(target.head));
        Ok(target.with_flags(flags))
    }

    /// Appends FileRenameInformation; of the flags only REPLACE_IF_EXISTS is kept.
    pub fn encode(&self, out: &mut Writer<'_>) {
        let flags = self.flags & RenameFlags::REPLACE_IF_EXISTS;
        encode_target(flags.bits(), self.root_directory, &self.file_name, out);
    }

    /// Appends FileRenameInformationEx.
    pub fn encode_ex(&self, out: &mut Writer<'_>) {
        encode_target(self.flags.bits(), self.root_directory, &self.file_name, out);
    }
}

/// FileLinkInformation in the layout of SMB2.
// [MS-FSCC] 2.4.28.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkInformation {
    /// ReplaceIfExists.
    pub replace_if_exists: bool,
    /// RootDirectory: zero, or the request is refused.
    pub root_directory: u64,
    /// FileName: the further path below the share.
    pub file_name: Utf16String,
}

impl LinkInformation {
    /// Reads FileLinkInformation.
    ///
    /// # Errors
    /// Too few bytes, or a name that leaves them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let target = Target::decode("FileLinkInformation", bytes)?;
        Ok(Self {
            replace_if_exists: target.replaces(),
            root_directory: target.root_directory,
            file_name: target.file_name,
        })
    }

    /// Appends FileLinkInformation.
    pub fn encode(&self, out: &mut Writer<'_>) {
        encode_target(
            self.replace_if_exists.into(),
            self.root_directory,
            &self.file_name,
            out,
        );
    }
}

/// What rename and link have in common.
struct Target {
    head: [u8; 4],
    root_directory: u64,
    file_name: Utf16String,
}

impl Target {
    fn decode(what: &'static str, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(what, bytes);
        let head = reader.array()?;
        reader.skip(4)?;
        Ok(Self {
            head,
            root_directory: reader.u64()?,
            file_name: read_name(&mut reader)?,
        })
    }

    const fn replaces(&self) -> bool {
        let [replace_if_exists, ..] = self.head;
        replace_if_exists != 0
    }

    fn with_flags(self, flags: RenameFlags) -> RenameInformation {
        let Self {
            root_directory,
            file_name,
            ..
        } = self;
        RenameInformation {
            flags,
            root_directory,
            file_name,
        }
    }
}

fn encode_target(head: u32, root_directory: u64, name: &Utf16String, out: &mut Writer<'_>) {
    out.u32(head);
    out.u32(0);
    out.u64(root_directory);
    out.size32(name.len_bytes());
    name.encode(out);
    // The structure has 24 bytes at least.
    out.zeros(4_usize.saturating_sub(name.len_bytes()));
}
