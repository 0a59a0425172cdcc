//! The extended attribute in which DOS attributes and the creation time are kept, in Samba's
//! format.
//!
//! Owns the bytes of `user.DOSATTRIB`: NDR of a string that Samba once kept the attributes in, a
//! version, and the version's structure. Read in versions 1 to 5; written as version 5, or as
//! version 3 when a ChangeTime was set, which is the one version whose ChangeTime Samba ignores
//! without harm.

use wire::dtyp::FileTime;
use wire::fscc::FileAttributes;

/// The attribute's name.
pub(super) const DOSATTRIB: &std::ffi::CStr = c"user.DOSATTRIB";

/// No attribute that Samba or this server writes is longer.
pub(super) const LONGEST: usize = 512;

/// What the extended attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DosAttributes {
    /// The attributes, without DIRECTORY and NORMAL, which the object itself decides.
    pub attributes: FileAttributes,
    /// CreationTime; none when it was never kept.
    pub creation_time: Option<FileTime>,
    /// ChangeTime, when a client set it.
    pub change_time: Option<SetChangeTime>,
}

/// A ChangeTime that a client set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SetChangeTime {
    /// The time that was set.
    pub time: FileTime,
    /// It holds as long as the host's own change time is not behind this.
    pub until: FileTime,
}

impl DosAttributes {
    /// Reads the extended attribute; none for what is no such attribute.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Ndr { bytes, at: 0 };
        let text = reader.string()?;
        let Some(version) = reader.number::<2>() else {
            return from_text(text);
        };
        // The union repeats the version as its switch.
        reader.number::<2>()?;
        match version {
            0xFFFF => Some(Self::of(reader.number::<4>()?, None)),
            1 => {
                let attributes = reader.number::<4>()?;
                reader.skip(4 + 8 + 8)?;
                Some(Self::of(attributes, reader.time()))
            }
            2 => {
                reader.skip(4)?;
                let attributes = reader.number::<4>()?;
                reader.skip(4 + 8 + 8)?;
                Some(Self::of(attributes, reader.time()))
            }
            3 => Self::decode_3(&mut reader),
            4 | 5 => {
                let valid = reader.number::<4>()?;
                let attributes = reader.number::<4>()?;
                if version == 4 {
                    reader.skip(8)?;
                }
                Some(Self::of_valid(valid, attributes, reader.time()))
            }
            _ => from_text(text),
        }
    }

    fn decode_3(reader: &mut Ndr<'_>) -> Option<Self> {
        let valid = reader.number::<4>()?;
        let attributes = reader.number::<4>()?;
        reader.skip(4)?;
        let until = reader.time()?;
        reader.skip(8)?;
        let creation_time = reader.time();
        let mut decoded = Self::of_valid(valid, attributes, creation_time);
        if let Some(time) = reader.time().filter(|_| valid & CHANGE_TIME != 0) {
            decoded.change_time = Some(SetChangeTime { time, until });
        }
        Some(decoded)
    }

    fn of(attributes: u64, creation_time: Option<FileTime>) -> Self {
        let attributes = FileAttributes::from_bits(attributes as u32) & KEPT;
        let creation_time = creation_time.filter(|time| !time.is_zero());
        Self {
            attributes,
            creation_time,
            change_time: None,
        }
    }

    fn of_valid(valid: u64, attributes: u64, creation_time: Option<FileTime>) -> Self {
        let attributes = if valid & ATTRIBUTES == 0 {
            0
        } else {
            attributes
        };
        Self::of(
            attributes,
            creation_time.filter(|_| valid & CREATION_TIME != 0),
        )
    }

    /// The bytes to store. `directory` is whether the object is one: Samba keeps that too.
    pub(super) fn encode(&self, directory: bool) -> Vec<u8> {
        let mut attributes = self.attributes & KEPT;
        if directory {
            attributes |= FileAttributes::DIRECTORY;
        }
        let mut valid = ATTRIBUTES;
        if self.creation_time.is_some() {
            valid |= CREATION_TIME;
        }
        let creation_time = self.creation_time.unwrap_or_default().0;
        // The empty string, its padding, then the version, twice, and padding again.
        let mut bytes = vec![0, 0];
        let mut put = |number: &[u8]| bytes.extend_from_slice(number);
        match self.change_time {
            None => {
                put(&[5, 0, 5, 0, 0, 0]);
                put(&(valid as u32).to_le_bytes());
                put(&attributes.bits().to_le_bytes());
                put(&creation_time.to_le_bytes());
            }
            Some(change) => {
                put(&[3, 0, 3, 0, 0, 0]);
                put(&((valid | CHANGE_TIME) as u32).to_le_bytes());
                put(&attributes.bits().to_le_bytes());
                put(&[0; 4]);
                put(&change.until.0.to_le_bytes());
                put(&[0; 8]);
                put(&creation_time.to_le_bytes());
                put(&change.time.0.to_le_bytes());
            }
        }
        bytes
    }
}

/// The oldest form: nothing but the attributes in hexadecimal, such as `0x22`.
fn from_text(text: &[u8]) -> Option<DosAttributes> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.trim().strip_prefix("0x")?;
    u64::from_str_radix(digits, 16)
        .ok()
        .map(|attributes| DosAttributes::of(attributes, None))
}

/// A reader of little-endian NDR: every number is aligned to its own size, eight bytes to four.
struct Ndr<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Ndr<'a> {
    fn string(&mut self) -> Option<&'a [u8]> {
        let end = self
            .bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.bytes.len());
        self.at = end + 1;
        self.bytes.get(..end)
    }

    fn number<const SIZE: usize>(&mut self) -> Option<u64> {
        let start = self.at.next_multiple_of(SIZE.min(4));
        let bytes = self.bytes.get(start..start + SIZE)?;
        self.at = start + SIZE;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
        )
    }

    fn time(&mut self) -> Option<FileTime> {
        self.number::<8>().map(FileTime)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.at = self.at.next_multiple_of(4) + length;
        (self.at <= self.bytes.len()).then_some(())
    }
}

/// The attributes that are kept: those a client can set, and SPARSE_FILE.
const KEPT: FileAttributes = FileAttributes::SETTABLE.with(FileAttributes::SPARSE_FILE);
const ATTRIBUTES: u64 = 0x01;
const CREATION_TIME: u64 = 0x10;
const CHANGE_TIME: u64 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    /// As Samba 4.17 wrote it for a hidden file and for a folder.
    const SAMBA_FILE: &[u8] =
        b"\0\0\x05\0\x05\0\0\0\x11\0\0\0\x22\0\0\0\x9c\xf4\x93\xa2\x4e\x79\xdd\x01";
    const SAMBA_FOLDER: &[u8] =
        b"\0\0\x05\0\x05\0\0\0\x11\0\0\0\x10\0\0\0\xc4\x2f\x94\xa2\x4e\x79\xdd\x01";

    #[test]
    fn sambas_attribute_is_read_and_written_alike() {
        let file = DosAttributes::decode(SAMBA_FILE).unwrap();
        assert_eq!(
            file.attributes,
            FileAttributes::HIDDEN | FileAttributes::ARCHIVE
        );
        assert_eq!(file.creation_time, Some(FileTime(0x01dd_794e_a293_f49c)));
        assert_eq!(file.encode(false), SAMBA_FILE);
        let folder = DosAttributes::decode(SAMBA_FOLDER).unwrap();
        assert_eq!(folder.attributes, FileAttributes::NONE);
        assert_eq!(folder.encode(true), SAMBA_FOLDER);
    }

    #[test]
    fn a_set_change_time_survives() {
        let kept = DosAttributes {
            attributes: FileAttributes::READONLY,
            creation_time: Some(FileTime(5)),
            change_time: Some(SetChangeTime {
                time: FileTime(7),
                until: FileTime(9),
            }),
        };
        assert_eq!(DosAttributes::decode(&kept.encode(false)), Some(kept));
    }

    #[test]
    fn older_versions_are_read() {
        let text = DosAttributes::decode(b"0x22\0").unwrap();
        assert_eq!(
            text.attributes,
            FileAttributes::HIDDEN | FileAttributes::ARCHIVE
        );
        let mut version_4 = b"\0\0\x04\0\x04\0\0\0\x11\0\0\0\x01\0\0\0".to_vec();
        version_4.extend([9; 8]);
        version_4.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        let decoded = DosAttributes::decode(&version_4).unwrap();
        assert_eq!(decoded.creation_time, Some(FileTime(3)));
        assert_eq!(decoded.attributes, FileAttributes::READONLY);
    }

    #[test]
    fn garbage_is_no_attribute() {
        for bytes in [
            &b""[..],
            b"\0",
            b"abc",
            b"\0\0\x05\0\x05\0\0\0\x11",
            b"\0\0\x07\0\x07\0aaaaaaaaaa",
        ] {
            assert_eq!(DosAttributes::decode(bytes), None, "{bytes:?}");
        }
    }
}
