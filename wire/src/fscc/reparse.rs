//! Reparse points: symbolic links, mount points and the special files of NFS and the Linux
//! subsystem.

use super::ReparseTag;
use crate::dtyp::Guid;
use crate::flags::wire_values;
use crate::{DecodeError, Reader, Utf16String, Writer};

/// A reparse point, as it is set and read.
// [MS-FSCC] 2.1.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReparseBuffer {
    /// A symbolic link.
    SymbolicLink(SymbolicLink),
    /// A mount point or junction.
    MountPoint(LinkNames),
    /// A special file of an NFS client.
    Nfs(NfsFile),
    /// A symbolic link of the Linux subsystem, its target in UTF-8.
    LxSymlink(Vec<u8>),
    /// Any other tag that Microsoft owns, with its data as it is.
    Other(ReparseTag, Vec<u8>),
    /// A tag of somebody else, with the GUID of its owner and its data as it is.
    Guid(ReparseTag, Guid, Vec<u8>),
}

/// The two names of a link.
// [MS-FSCC] 2.1.2.5
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkNames {
    /// SubstituteName: where the link leads.
    pub substitute_name: Utf16String,
    /// PrintName: where it leads, for people.
    pub print_name: Utf16String,
}

/// A symbolic link.
// [MS-FSCC] 2.1.2.4
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolicLink {
    /// Where the link leads.
    pub names: LinkNames,
    /// SYMLINK_FLAG_RELATIVE: the target is relative to the link's directory.
    pub relative: bool,
}

wire_values! {
    /// What a special file of an NFS client is.
    // [MS-FSCC] 2.1.2.6
    pub struct NfsFileType: u64 {
        /// A symbolic link.
        const LNK = 0x0000_0000_014B_4E4C;
        /// A character device.
        const CHR = 0x0000_0000_0052_4843;
        /// A block device.
        const BLK = 0x0000_0000_004B_4C42;
        /// A named pipe.
        const FIFO = 0x0000_0000_4F46_4946;
        /// A socket.
        const SOCK = 0x0000_0000_4B43_4F53;
    }
}

/// A special file of an NFS client.
// [MS-FSCC] 2.1.2.6
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NfsFile {
    /// A symbolic link with its target.
    Link(Utf16String),
    /// A character device with its major and minor number.
    CharacterDevice(u32, u32),
    /// A block device with its major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl ReparseBuffer {
    /// The most bytes that a reparse point can have.
    // [MS-FSCC] 2.3.82
    pub const MAX_SIZE: usize = 16_384;

    /// Bytes in front of the data, without the GUID of a foreign tag.
    const HEADER_SIZE: usize = 8;

    /// The tag.
    #[must_use]
    pub const fn tag(&self) -> ReparseTag {
        match self {
            Self::SymbolicLink(_) => ReparseTag::SYMLINK,
            Self::MountPoint(_) => ReparseTag::MOUNT_POINT,
            Self::Nfs(_) => ReparseTag::NFS,
            Self::LxSymlink(_) => ReparseTag::LX_SYMLINK,
            Self::Other(tag, _) | Self::Guid(tag, _, _) => *tag,
        }
    }

    /// Reads the buffer of SET_REPARSE_POINT or GET_REPARSE_POINT.
    ///
    /// # Errors
    /// More than 16 KiB, a data length that is not that of the data, a reserved tag, or data that
    /// is not what the tag says: IO_REPARSE_DATA_INVALID.
    // [MS-FSCC] 2.3.82
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("reparse point", bytes);
        let error = reader.error();
        let tag = ReparseTag(reader.u32()?);
        let length = reader.size16()?;
        reader.skip(2)?;
        if bytes.len() > Self::MAX_SIZE || matches!(tag.0, 0..=2) {
            return Err(error);
        }
        if !tag.is_microsoft() {
            let guid = Guid(reader.array()?);
            let data = whole(&mut reader, length)?;
            return Ok(Self::Guid(tag, guid, data.to_vec()));
        }
        let data = whole(&mut reader, length)?;
        let mut inner = Reader::new("reparse point", data);
        Ok(match tag {
            ReparseTag::SYMLINK => Self::SymbolicLink(SymbolicLink::decode(&mut inner)?),
            ReparseTag::MOUNT_POINT => {
                let fields = NameFields::decode(&mut inner)?;
                Self::MountPoint(fields.names(inner.rest(), &inner)?)
            }
            ReparseTag::NFS => Self::Nfs(NfsFile::decode(&mut inner)?),
            ReparseTag::LX_SYMLINK => match inner.u32()? {
                LX_SYMLINK_VERSION => Self::LxSymlink(inner.rest().to_vec()),
                _ => return Err(inner.error()),
            },
            _ => Self::Other(tag, data.to_vec()),
        })
    }

    /// Appends the buffer.
    pub fn encode(&self, out: &mut Writer<'_>) {
        let start = out.position();
        out.u32(self.tag().0);
        let length_at = out.reserve_u16();
        out.u16(0);
        let mut data_at = start.saturating_add(Self::HEADER_SIZE);
        match self {
            Self::SymbolicLink(link) => {
                link.names.encode_fields(out);
                out.u32(link.relative.into());
                link.names.encode_path_buffer(out);
            }
            Self::MountPoint(names) => {
                names.encode_fields(out);
                names.encode_path_buffer(out);
            }
            Self::Nfs(file) => file.encode(out),
            Self::LxSymlink(target) => {
                out.u32(LX_SYMLINK_VERSION);
                out.bytes(target);
            }
            Self::Other(_, data) => out.bytes(data),
            Self::Guid(_, guid, data) => {
                out.bytes(&guid.0);
                out.bytes(data);
                data_at = data_at.saturating_add(16);
            }
        }
        out.patch_size16(length_at, out.position().saturating_sub(data_at));
    }
}

impl SymbolicLink {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let fields = NameFields::decode(reader)?;
        let relative = reader.u32()? & SYMLINK_FLAG_RELATIVE != 0;
        Ok(Self {
            names: fields.names(reader.rest(), reader)?,
            relative,
        })
    }
}

impl LinkNames {
    fn encode_fields(&self, out: &mut Writer<'_>) {
        out.size16(0);
        out.size16(self.substitute_name.len_bytes());
        out.size16(self.substitute_name.len_bytes());
        out.size16(self.print_name.len_bytes());
    }

    fn encode_path_buffer(&self, out: &mut Writer<'_>) {
        self.substitute_name.encode(out);
        self.print_name.encode(out);
    }
}

/// Where the names of a link lie in its PathBuffer.
struct NameFields {
    substitute: (usize, usize),
    print: (usize, usize),
}

impl NameFields {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            substitute: (reader.size16()?, reader.size16()?),
            print: (reader.size16()?, reader.size16()?),
        })
    }

    fn names(&self, path_buffer: &[u8], at: &Reader<'_>) -> Result<LinkNames, DecodeError> {
        let name = |(offset, length): (usize, usize)| {
            let end = offset.saturating_add(length);
            Utf16String::decode(path_buffer.get(offset..end).ok_or(at.error())?)
        };
        Ok(LinkNames {
            substitute_name: name(self.substitute)?,
            print_name: name(self.print)?,
        })
    }
}

impl NfsFile {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let file = match NfsFileType(reader.u64()?) {
            NfsFileType::LNK => return Utf16String::decode(reader.rest()).map(Self::Link),
            NfsFileType::CHR => Self::CharacterDevice(reader.u32()?, reader.u32()?),
            NfsFileType::BLK => Self::BlockDevice(reader.u32()?, reader.u32()?),
            NfsFileType::FIFO => Self::Fifo,
            NfsFileType::SOCK => Self::Socket,
            _ => return Err(reader.error()),
        };
        Ok(file)
    }

    fn encode(&self, out: &mut Writer<'_>) {
        let (file_type, device) = match self {
            Self::Link(_) => (NfsFileType::LNK, None),
            Self::CharacterDevice(major, minor) => (NfsFileType::CHR, Some((major, minor))),
            Self::BlockDevice(major, minor) => (NfsFileType::BLK, Some((major, minor))),
            Self::Fifo => (NfsFileType::FIFO, None),
            Self::Socket => (NfsFileType::SOCK, None),
        };
        out.u64(file_type.0);
        if let Some((major, minor)) = device {
            out.u32(*major);
            out.u32(*minor);
        }
        if let Self::Link(target) = self {
            target.encode(out);
        }
    }
}

/// The data, which must be all that is left.
fn whole<'a>(reader: &mut Reader<'a>, length: usize) -> Result<&'a [u8], DecodeError> {
    if reader.remaining() == length {
        reader.bytes(length)
    } else {
        Err(reader.error())
    }
}

const SYMLINK_FLAG_RELATIVE: u32 = 1;
const LX_SYMLINK_VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn encode(buffer: &ReparseBuffer) -> BytesMut {
        let mut bytes = BytesMut::from(&b"x"[..]);
        buffer.encode(&mut Writer::new(&mut bytes));
        bytes.split_off(1)
    }

    fn names() -> LinkNames {
        LinkNames {
            substitute_name: "\\??\\C:\\t".into(),
            print_name: "C:\\t".into(),
        }
    }

    #[test]
    fn every_kind_survives() {
        for buffer in [
            ReparseBuffer::SymbolicLink(SymbolicLink {
                names: names(),
                relative: false,
            }),
            ReparseBuffer::SymbolicLink(SymbolicLink {
                names: names(),
                relative: true,
            }),
            ReparseBuffer::MountPoint(names()),
            ReparseBuffer::Nfs(NfsFile::Link("../target".into())),
            ReparseBuffer::Nfs(NfsFile::CharacterDevice(1, 2)),
            ReparseBuffer::Nfs(NfsFile::BlockDevice(3, 4)),
            ReparseBuffer::Nfs(NfsFile::Fifo),
            ReparseBuffer::Nfs(NfsFile::Socket),
            ReparseBuffer::LxSymlink(b"../target".to_vec()),
            ReparseBuffer::Other(ReparseTag::AF_UNIX, Vec::new()),
            ReparseBuffer::Other(ReparseTag::DEDUP, vec![1, 2, 3]),
            ReparseBuffer::Guid(ReparseTag(0x1234), Guid([5; 16]), vec![1, 2, 3]),
        ] {
            let bytes = encode(&buffer);
            assert_eq!(bytes[..4], buffer.tag().0.to_le_bytes());
            assert_eq!(ReparseBuffer::decode(&bytes), Ok(buffer));
        }
    }

    #[test]
    fn a_symbolic_link_is_laid_out_as_specified() {
        let names = LinkNames {
            substitute_name: "ab".into(),
            print_name: "c".into(),
        };
        let bytes = encode(&ReparseBuffer::SymbolicLink(SymbolicLink {
            names,
            relative: true,
        }));
        let fields = [
            12, 0, 0, 0xA0, 18, 0, 0, 0, 0, 0, 4, 0, 4, 0, 2, 0, 1, 0, 0, 0,
        ];
        let path = [b'a', 0, b'b', 0, b'c', 0];
        assert_eq!(&bytes[..], &[&fields[..], &path].concat());
    }

    #[test]
    fn names_may_lie_in_any_order_with_terminators_between() {
        let fields = [3, 0, 0, 0xA0, 16, 0, 0, 0, 4, 0, 2, 0, 0, 0, 2, 0];
        let path = [b'p', 0, 0, 0, b's', 0, 0, 0];
        let buffer = ReparseBuffer::decode(&[&fields[..], &path].concat());
        let names = LinkNames {
            substitute_name: "s".into(),
            print_name: "p".into(),
        };
        assert_eq!(buffer, Ok(ReparseBuffer::MountPoint(names)));
    }

    // test [MS-FSCC] 2.3.82
    #[test]
    fn data_that_is_not_what_the_tag_says_is_refused() {
        let good = encode(&ReparseBuffer::MountPoint(names()));
        for (at, value) in [(4, 0xFF), (10, 0xFF), (8, 0xFF)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert!(ReparseBuffer::decode(&bytes).is_err(), "{at}");
        }
        assert!(ReparseBuffer::decode(&good[..7]).is_err());
        assert!(
            ReparseBuffer::decode(&[1, 0, 0, 0, 0, 0, 0, 0]).is_err(),
            "reserved tag"
        );
        assert!(
            ReparseBuffer::decode(&[0x34, 0x12, 0, 0, 0, 0, 0, 0]).is_err(),
            "no GUID"
        );
        let huge = encode(&ReparseBuffer::Other(ReparseTag::DEDUP, vec![0; 16_377]));
        assert!(ReparseBuffer::decode(&huge).is_err(), "over 16 KiB");
    }

    /// One tag of each kind.
    const TAGS: [u32; 6] = [
        0xA000_000C,
        0xA000_0003,
        0x8000_0014,
        0xA000_001D,
        0x8000_0013,
        9,
    ];

    proptest! {
        #[test]
        fn decoding_never_panics_and_what_decodes_survives(
            tag in prop::sample::select(&TAGS[..]),
            data in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = tag.to_le_bytes().to_vec();
            bytes.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
            bytes.extend([0; 2]);
            bytes.extend(&data);
            if let Ok(buffer) = ReparseBuffer::decode(&bytes) {
                prop_assert_eq!(ReparseBuffer::decode(&encode(&buffer)), Ok(buffer));
            }
            let _ = ReparseBuffer::decode(&data);
        }
    }
}
