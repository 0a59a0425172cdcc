//! Directory listings: eleven layouts of one [`DirectoryEntry`].
//!
//! Owns the encoder, which appends entries to a reply until they no longer fit and allocates
//! nothing, and the decoder for clients and tests. Never decides which entries are listed.

use super::layout::{Chain, Entries, write_units};
use super::{FileAttributes, FileInfoClass, Fit, ReparseTag};
use crate::dtyp::FileTime;
use crate::{DecodeError, NtStatus, Reader, Utf16String, Writer};

/// What a listing tells of one file; each class shows a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// FileIndex, zero where the order of entries can change.
    pub file_index: u32,
    /// CreationTime.
    pub creation_time: FileTime,
    /// LastAccessTime.
    pub last_access_time: FileTime,
    /// LastWriteTime.
    pub last_write_time: FileTime,
    /// ChangeTime.
    pub change_time: FileTime,
    /// EndOfFile in bytes.
    pub end_of_file: u64,
    /// AllocationSize in bytes.
    pub allocation_size: u64,
    /// FileAttributes.
    pub file_attributes: FileAttributes,
    /// EaSize in bytes.
    pub ea_size: u32,
    /// ReparsePointTag, [`ReparseTag::NONE`] without a reparse point.
    pub reparse_point_tag: ReparseTag,
    /// FileId, 64 bits.
    pub file_id: u64,
    /// FileId, 128 bits.
    pub file_id_128: [u8; 16],
    /// ShortName, at most 12 units, empty for none.
    pub short_name: &'a [u16],
    /// FileName.
    pub file_name: &'a [u16],
}

/// Which fields a class of listings shows, behind those that nearly all have.
// [MS-FSCC] 2.4.8
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Times, sizes and attributes.
    facts: bool,
    /// EaSize, which gives way to a reparse tag unless there is a field for that.
    ea_size: bool,
    tail: Tail,
}

/// What lies between EaSize and the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    None,
    /// Short name.
    Short,
    /// Short name and 64-bit id.
    ShortAndId,
    /// Four reserved bytes and 64-bit id.
    Id,
    /// Reparse tag and 128-bit id.
    TagAndId128,
    /// Reparse tag and 64-bit id.
    TagAndId,
    /// Reparse tag, 64-bit id and short name.
    TagIdAndShort,
    /// Reparse tag and both ids.
    TagAndIds,
    /// Reparse tag, both ids and short name.
    TagIdsAndShort,
}

impl Layout {
    const fn of(class: FileInfoClass) -> Option<Self> {
        let tail = match class {
            FileInfoClass::DIRECTORY => {
                return Some(Self {
                    facts: true,
                    ea_size: false,
                    tail: Tail::None,
                });
            }
            FileInfoClass::NAMES => {
                return Some(Self {
                    facts: false,
                    ea_size: false,
                    tail: Tail::None,
                });
            }
            FileInfoClass::FULL_DIRECTORY => Tail::None,
            FileInfoClass::BOTH_DIRECTORY => Tail::Short,
            FileInfoClass::ID_BOTH_DIRECTORY => Tail::ShortAndId,
            FileInfoClass::ID_FULL_DIRECTORY => Tail::Id,
            FileInfoClass::ID_EXTD_DIRECTORY => Tail::TagAndId128,
            FileInfoClass::ID_64_EXTD_DIRECTORY => Tail::TagAndId,
            FileInfoClass::ID_64_EXTD_BOTH_DIRECTORY => Tail::TagIdAndShort,
            FileInfoClass::ID_ALL_EXTD_DIRECTORY => Tail::TagAndIds,
            FileInfoClass::ID_ALL_EXTD_BOTH_DIRECTORY => Tail::TagIdsAndShort,
            _ => return None,
        };
        Some(Self {
            facts: true,
            ea_size: true,
            tail,
        })
    }

    /// Bytes in front of the name.
    const fn fixed_size(self) -> usize {
        let facts = if self.facts { 64 } else { 12 };
        let tail = match (self.ea_size, self.tail) {
            (false, _) => 0,
            (true, Tail::None) => 4,
            (true, Tail::Short) => 30,
            (true, Tail::ShortAndId) => 40,
            (true, Tail::Id | Tail::TagAndId) => 16,
            (true, Tail::TagAndId128) => 24,
            (true, Tail::TagIdAndShort) => 42,
            (true, Tail::TagAndIds) => 32,
            (true, Tail::TagIdsAndShort) => 58,
        };
        usize::saturating_add(facts, tail)
    }
}

/// Appends entries of one class to a reply.
#[derive(Debug)]
pub struct DirectoryEncoder {
    layout: Layout,
    chain: Chain,
}

impl DirectoryEncoder {
    /// Begins a listing of at most `room` bytes at the end of `out`.
    ///
    /// # Errors INVALID_INFO_CLASS when the class is not for listings, INFO_LENGTH_MISMATCH when
    /// the fixed part of one entry does not fit.
    // [MS-FSA] 2.1.5.6.3
    pub fn new(class: FileInfoClass, out: &Writer<'_>, room: usize) -> Result<Self, NtStatus> {
        let layout = Layout::of(class).ok_or(NtStatus::INVALID_INFO_CLASS)?;
        if room < layout.fixed_size() {
            return Err(NtStatus::INFO_LENGTH_MISMATCH);
        }
        Ok(Self {
            layout,
            chain: Chain::new(out, room, ALIGNMENT),
        })
    }

    /// Whether the class has room for short names, so that they need not be made for nothing.
    #[must_use]
    pub const fn shows_short_names(&self) -> bool {
        matches!(
            self.layout.tail,
            Tail::Short | Tail::ShortAndId | Tail::TagIdAndShort | Tail::TagIdsAndShort
        )
    }

    /// Whether no entry has been appended yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Appends an entry; `None` when it does not fit, and then it is the first of the next reply.
    ///
    /// A first entry always goes out: if its name does not fit, as [`Fit::Part`] with as much of
    /// the name as does, which ends the listing with BUFFER_OVERFLOW.
    // [MS-FSA] 2.1.5.6.3
    #[must_use]
    pub fn push(&mut self, out: &mut Writer<'_>, entry: &DirectoryEntry<'_>) -> Option<Fit> {
        let fixed_size = self.layout.fixed_size();
        let whole = fixed_size.saturating_add(entry.file_name.len().saturating_mul(2));
        let was_empty = self.chain.is_empty();
        if self.chain.begin(out, whole) {
            self.write_fixed(out, entry);
            write_units(entry.file_name, out);
            return Some(Fit::Whole);
        }
        let fitting = self.chain.left(out).saturating_sub(fixed_size) / 2;
        if !was_empty || !self.chain.begin(out, fixed_size) {
            return None;
        }
        self.write_fixed(out, entry);
        write_units(entry.file_name.get(..fitting).unwrap_or_default(), out);
        Some(Fit::Part)
    }

    /// What lies between NextEntryOffset and the name, collected first and appended at once.
    fn write_fixed(&self, out: &mut Writer<'_>, entry: &DirectoryEntry<'_>) {
        let mut fixed = Fixed::new();
        fixed.put(entry.file_index.to_le_bytes());
        if self.layout.facts {
            for time in [
                entry.creation_time,
                entry.last_access_time,
                entry.last_write_time,
                entry.change_time,
            ] {
                fixed.put(time.0.to_le_bytes());
            }
            fixed.put(entry.end_of_file.to_le_bytes());
            fixed.put(entry.allocation_size.to_le_bytes());
            fixed.put(entry.file_attributes.bits().to_le_bytes());
        }
        let name_length = entry.file_name.len().saturating_mul(2);
        fixed.put(u32::try_from(name_length).unwrap_or(u32::MAX).to_le_bytes());
        if self.layout.ea_size {
            self.put_tail(&mut fixed, entry);
        }
        out.bytes(fixed.as_slice());
    }

    fn put_tail(&self, fixed: &mut Fixed, entry: &DirectoryEntry<'_>) {
        let tag = entry.reparse_point_tag.0.to_le_bytes();
        let id = entry.file_id.to_le_bytes();
        let ea_size = entry.ea_size.to_le_bytes();
        let is_reparse_point = entry
            .file_attributes
            .contains(FileAttributes::REPARSE_POINT);
        let tag_or_ea_size = if is_reparse_point { tag } else { ea_size };
        match self.layout.tail {
            Tail::None => fixed.put(tag_or_ea_size),
            Tail::Short => {
                fixed.put(tag_or_ea_size);
                fixed.put_short_name(entry.short_name);
            }
            Tail::ShortAndId => {
                fixed.put(tag_or_ea_size);
                fixed.put_short_name(entry.short_name);
                fixed.put([0; 2]);
                fixed.put(id);
            }
            Tail::Id => {
                fixed.put(tag_or_ea_size);
                fixed.put([0; 4]);
                fixed.put(id);
            }
            tail => {
                fixed.put(ea_size);
                fixed.put(tag);
                if tail != Tail::TagAndId128 {
                    fixed.put(id);
                }
                if matches!(
                    tail,
                    Tail::TagAndId128 | Tail::TagAndIds | Tail::TagIdsAndShort
                ) {
                    fixed.put(entry.file_id_128);
                }
                if matches!(tail, Tail::TagIdAndShort | Tail::TagIdsAndShort) {
                    fixed.put_short_name(entry.short_name);
                }
            }
        }
    }
}

/// An entry as a client reads it, with the fields that its class shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedEntry {
    /// The fields but for the names, which are empty here.
    pub entry: DirectoryEntry<'static>,
    /// ShortName.
    pub short_name: Utf16String,
    /// FileName.
    pub file_name: Utf16String,
}

/// Reads a listing.
///
/// EaSize is given as a reparse tag where the entry is a reparse point and the class has one field
/// for both.
///
/// # Errors A class that is not for listings, or an offset or a length that leaves the listing.
pub fn decode_listing(class: FileInfoClass, bytes: &[u8]) -> Result<Vec<ListedEntry>, DecodeError> {
    let layout = Layout::of(class).ok_or(DecodeError {
        what: "class of a listing",
        at: 0,
    })?;
    Entries::new("directory listing", bytes, ALIGNMENT)
        .map(|reader| decode_entry(layout, &mut reader?))
        .collect()
}

fn decode_entry(layout: Layout, reader: &mut Reader<'_>) -> Result<ListedEntry, DecodeError> {
    let mut listed = ListedEntry::default();
    let entry = &mut listed.entry;
    entry.file_index = reader.u32()?;
    if layout.facts {
        entry.creation_time = FileTime(reader.u64()?);
        entry.last_access_time = FileTime(reader.u64()?);
        entry.last_write_time = FileTime(reader.u64()?);
        entry.change_time = FileTime(reader.u64()?);
        entry.end_of_file = reader.u64()?;
        entry.allocation_size = reader.u64()?;
        entry.file_attributes = FileAttributes::from_bits(reader.u32()?);
    }
    let name_length = reader.size32()?;
    if layout.ea_size {
        decode_tail(layout.tail, &mut listed, reader)?;
    }
    listed.file_name = Utf16String::decode(reader.bytes(name_length)?)?;
    Ok(listed)
}

fn decode_tail(
    tail: Tail,
    listed: &mut ListedEntry,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let entry = &mut listed.entry;
    entry.ea_size = reader.u32()?;
    match tail {
        Tail::None | Tail::Short | Tail::ShortAndId | Tail::Id => {
            if entry
                .file_attributes
                .contains(FileAttributes::REPARSE_POINT)
            {
                entry.reparse_point_tag = ReparseTag(std::mem::take(&mut entry.ea_size));
            }
        }
        _ => entry.reparse_point_tag = ReparseTag(reader.u32()?),
    }
    match tail {
        Tail::None | Tail::TagAndId128 | Tail::Short | Tail::ShortAndId => {}
        Tail::Id => {
            reader.skip(4)?;
            entry.file_id = reader.u64()?;
        }
        _ => entry.file_id = reader.u64()?,
    }
    if matches!(
        tail,
        Tail::TagAndId128 | Tail::TagAndIds | Tail::TagIdsAndShort
    ) {
        entry.file_id_128 = reader.array()?;
    }
    if matches!(
        tail,
        Tail::Short | Tail::ShortAndId | Tail::TagIdAndShort | Tail::TagIdsAndShort
    ) {
        listed.short_name = read_short_name(reader)?;
    }
    if tail == Tail::ShortAndId {
        reader.skip(2)?;
        entry.file_id = reader.u64()?;
    }
    Ok(())
}

fn read_short_name(reader: &mut Reader<'_>) -> Result<Utf16String, DecodeError> {
    let error = reader.error();
    let [length, _reserved] = reader.array()?;
    let field: [u8; SHORT_NAME_BYTES] = reader.array()?;
    Utf16String::decode(field.get(..length.into()).ok_or(error)?)
}

/// The fixed part of an entry while it is put together.
struct Fixed {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Fixed {
    /// The largest fixed part, without NextEntryOffset.
    const CAPACITY: usize = Layout {
        facts: true,
        ea_size: true,
        tail: Tail::TagIdsAndShort,
    }
    .fixed_size()
        - 4;

    const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }

    fn put<const N: usize>(&mut self, field: [u8; N]) {
        let room = self
            .bytes
            .get_mut(self.length..)
            .and_then(|rest| rest.first_chunk_mut::<N>());
        debug_assert!(room.is_some(), "the largest layout fits");
        if let Some(room) = room {
            *room = field;
            self.length = self.length.saturating_add(N);
        }
    }

    /// ShortNameLength, a reserved byte and ShortName.
    fn put_short_name(&mut self, name: &[u16]) {
        let mut field = [[0; 2]; SHORT_NAME_BYTES / 2];
        let mut length = 0_u8;
        for (pair, unit) in field.iter_mut().zip(name) {
            *pair = unit.to_le_bytes();
            length = length.saturating_add(2);
        }
        self.put([length, 0]);
        for pair in field {
            self.put(pair);
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

const ALIGNMENT: usize = 8;
const SHORT_NAME_BYTES: usize = 24;

#[cfg(test)]
mod tests;
