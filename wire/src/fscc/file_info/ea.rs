//! Extended attributes: FileFullEaInformation and the list of names that selects from them.

use crate::flags::wire_flags;
use crate::fscc::layout::{Chain, Entries};
use crate::writer::{saturate_u16, saturate_u32};
use crate::{DecodeError, Reader, Writer};

wire_flags! {
    /// What an extended attribute means for those who do not know it.
    // [MS-FSCC] 2.4.16
    pub struct EaFlags: u8 {
        /// The file makes no sense without it.
        const NEED_EA = 0x80;
    }
}

/// One extended attribute.
// [MS-FSCC] 2.4.16
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullEa {
    /// Flags.
    pub flags: EaFlags,
    /// EaName: ASCII without case, at most 255 bytes, without its terminator.
    pub name: Vec<u8>,
    /// EaValue: at most 65,535 bytes; empty to remove the attribute.
    pub value: Vec<u8>,
}

impl FullEa {
    const FIXED_SIZE: usize = 9;
    const ALIGNMENT: usize = 4;

    /// Bytes on the wire, without padding behind it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.name
            .len()
            .saturating_add(self.value.len())
            .saturating_add(Self::FIXED_SIZE)
    }

    /// The bytes that these attributes take when they are listed, as EaSize reports them.
    #[must_use]
    pub fn list_size(list: &[Self]) -> u32 {
        let size = list.iter().fold(0_usize, |size, ea| {
            let start = size
                .checked_next_multiple_of(Self::ALIGNMENT)
                .unwrap_or(size);
            start.saturating_add(ea.size())
        });
        saturate_u32(size)
    }

    /// Whether the name is one that a file system takes.
    // [MS-FSCC] 2.4.16
    #[must_use]
    pub fn has_valid_name(&self) -> bool {
        (1..255).contains(&self.name.len())
            && !self
                .name
                .iter()
                .any(|byte| *byte < 0x20 || FORBIDDEN.contains(byte))
    }

    /// Appends as many whole entries as `room` bytes hold; returns how many those were.
    // [MS-FSA] 2.1.5.12.12
    pub fn encode_list(list: &[Self], out: &mut Writer<'_>, room: usize) -> usize {
        let mut chain = Chain::new(out, room, Self::ALIGNMENT);
        list.iter()
            .take_while(|ea| ea.encode(&mut chain, out))
            .count()
    }

    fn encode(&self, chain: &mut Chain, out: &mut Writer<'_>) -> bool {
        debug_assert!(self.name.len() <= 0xFF && self.value.len() <= 0xFFFF);
        if !chain.begin(out, self.size()) {
            return false;
        }
        out.u8(self.flags.bits());
        out.u8(u8::try_from(self.name.len()).unwrap_or(u8::MAX));
        out.u16(saturate_u16(self.value.len()));
        out.bytes(&self.name);
        out.u8(0);
        out.bytes(&self.value);
        true
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An offset or a length that leaves the list, a misaligned entry or a name without its
    /// terminator: EA_LIST_INCONSISTENT. The error's position is what that answer carries.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Entries::new("FileFullEaInformation", bytes, Self::ALIGNMENT)
            .map(|entry| Self::decode(&mut entry?))
            .collect()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [flags, name_length] = reader.array()?;
        let value_length = reader.size16()?;
        let name = read_name(reader, name_length)?;
        let value = reader.bytes(value_length)?.to_vec();
        Ok(Self {
            flags: EaFlags::from_bits(flags),
            name,
            value,
        })
    }
}

/// Reads the FILE_GET_EA_INFORMATION list of a query: the names that are wanted.
///
/// # Errors
/// An offset or a length that leaves the list, or a name without its terminator.
// [MS-FSCC] 2.4.16.1
pub fn decode_ea_names(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    Entries::new("FILE_GET_EA_INFORMATION", bytes, FullEa::ALIGNMENT)
        .map(|entry| {
            let mut entry = entry?;
            let length = entry.u8()?;
            read_name(&mut entry, length)
        })
        .collect()
}

/// Appends a FILE_GET_EA_INFORMATION list.
// [MS-FSCC] 2.4.16.1
pub fn encode_ea_names(names: &[Vec<u8>], out: &mut Writer<'_>) {
    let mut chain = Chain::new(out, usize::MAX, FullEa::ALIGNMENT);
    for name in names {
        if chain.begin(out, name.len().saturating_add(6)) {
            out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.bytes(name);
            out.u8(0);
        }
    }
}

fn read_name(reader: &mut Reader<'_>, length: u8) -> Result<Vec<u8>, DecodeError> {
    let name = reader.bytes(length.into())?.to_vec();
    match reader.u8()? {
        0 => Ok(name),
        _ => Err(reader.error()),
    }
}

/// What no name may contain, beside control characters.
const FORBIDDEN: &[u8] = b"\\/:*?\"<>|,+=[];";
