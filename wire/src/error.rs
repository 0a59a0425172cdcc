//! The response of a request that failed, [MS-SMB2] 2.2.2.

use bytes::{Bytes, BytesMut};

use crate::flags::{wire_flags, wire_values};
use crate::reader::{slice, string};
use crate::{Decode, DecodeError, Encode, Reader, Utf16String, Writer};

/// What a failed request is told beside its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// Data in the form of all dialects but 3.1.1; empty in most errors of all dialects.
    Data(Bytes),
    // ErrorContextCount (1 byte), Reserved (1 byte), ByteCount (4 bytes).
    /// Data in the form of 3.1.1, one context at least.
    Contexts(Vec<ErrorContext>),
}

/// Data of an error in 3.1.1, [MS-SMB2] 2.2.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorContext {
    // ErrorDataLength (4 bytes).
    /// What the data are.
    pub error_id: ErrorId,
    /// The data.
    pub data: Bytes,
}

impl ErrorResponse {
    /// A status and nothing else.
    pub const EMPTY: Self = Self::Data(Bytes::new());

    /// The data of the error, whichever form they came in.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        match self {
            Self::Data(data) => data,
            Self::Contexts(contexts) => contexts.first().map_or(&[], |context| &context.data),
        }
    }
}

impl Decode for ErrorResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("ERROR response", message, STRUCTURE_SIZE)?;
        let context_count = body.u8()?;
        body.skip(1)?;
        let length = body.size32()?;
        let start = body.position();
        let data = slice("ERROR data", message, start, start, length)?;
        if context_count == 0 {
            return Ok(Self::Data(data));
        }
        let mut reader = Reader::new("ERROR context", &data);
        let mut contexts = Vec::with_capacity(context_count.into());
        for _ in 0..context_count {
            reader.align(ALIGNMENT);
            let length = reader.size32()?;
            let error_id = ErrorId(reader.u32()?);
            let start = reader.position();
            let data = slice("ERROR context", &data, start, start, length)?;
            reader.skip(length)?;
            contexts.push(ErrorContext { error_id, data });
        }
        Ok(Self::Contexts(contexts))
    }
}

impl Encode for ErrorResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(STRUCTURE_SIZE);
        match self {
            Self::Data(data) => {
                out.u16(0);
                out.size32(data.len());
                out.bytes(data);
                if data.is_empty() {
                    // Clients expect the one byte that StructureSize counts.
                    out.u8(0);
                }
            }
            Self::Contexts(contexts) => {
                out.u8(u8::try_from(contexts.len()).unwrap_or(u8::MAX));
                out.u8(0);
                let length_at = out.reserve_u32();
                let start = out.position();
                for context in contexts.iter().take(u8::MAX.into()) {
                    // [MS-SMB2] 2.2.2
                    out.pad_to(ALIGNMENT);
                    out.size32(context.data.len());
                    out.u32(context.error_id.0);
                    out.bytes(&context.data);
                }
                out.patch_size32(length_at, out.position().saturating_sub(start));
            }
        }
    }
}

/// Where a symbolic link leads: the data of STOPPED_ON_SYMLINK, [MS-SMB2] 2.2.2.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolicLinkError {
    // SymLinkLength (4 bytes), SymLinkErrorTag (4 bytes), ReparseTag (4 bytes), ReparseDataLength (2 bytes).
    /// How long the part of the name behind the link is, in bytes.
    pub unparsed_path_length: u16,
    // SubstituteNameOffset, SubstituteNameLength, PrintNameOffset, PrintNameLength (2 bytes each).
    /// Whether the target is relative.
    pub flags: SymbolicLinkFlags,
    /// The target.
    pub substitute_name: Utf16String,
    /// The target as users should see it.
    pub print_name: Utf16String,
}

impl SymbolicLinkError {
    /// The data of an error.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut buffer = BytesMut::new();
        let mut out = Writer::new(&mut buffer);
        let length_at = out.reserve_u32();
        out.u32(SYMLINK_ERROR_TAG);
        out.u32(REPARSE_TAG_SYMLINK);
        let reparse_length_at = out.reserve_u16();
        out.u16(self.unparsed_path_length);
        let reparse_start = out.position();
        out.u16(0);
        out.size16(self.substitute_name.len_bytes());
        out.size16(self.substitute_name.len_bytes());
        out.size16(self.print_name.len_bytes());
        out.u32(self.flags.bits());
        self.substitute_name.encode(&mut out);
        self.print_name.encode(&mut out);
        let end = out.position();
        out.patch_size16(reparse_length_at, end.saturating_sub(reparse_start));
        out.patch_size32(length_at, end.saturating_sub(4));
        buffer.freeze()
    }

    /// Reads the data of an error.
    ///
    /// # Errors
    /// They are not those of a symbolic link.
    pub fn from_bytes(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("symbolic link error", data);
        reader.skip(4)?;
        if reader.u32()? != SYMLINK_ERROR_TAG || reader.u32()? != REPARSE_TAG_SYMLINK {
            return Err(reader.error());
        }
        reader.skip(2)?;
        let unparsed_path_length = reader.u16()?;
        let (substitute_offset, substitute_length) = (reader.size16()?, reader.size16()?);
        let (print_offset, print_length) = (reader.size16()?, reader.size16()?);
        let flags = SymbolicLinkFlags::from_bits(reader.u32()?);
        let path = reader.rest();
        let name = |offset, length| string("symbolic link name", path, 0, offset, length);
        Ok(Self {
            unparsed_path_length,
            flags,
            substitute_name: name(substitute_offset, substitute_length)?,
            print_name: name(print_offset, print_length)?,
        })
    }
}

wire_values! {
    /// What the data of an error context are.
    pub struct ErrorId: u32 {
        /// What the status says.
        const DEFAULT = 0x0000_0000;
        /// Where the share went.
        const SHARE_REDIRECT = 0x7264_5253;
    }
}

wire_flags! {
    /// Flags of a symbolic link.
    pub struct SymbolicLinkFlags: u32 {
        /// The target is relative to the directory of the link.
        const RELATIVE = 0x0000_0001;
    }
}

const STRUCTURE_SIZE: u16 = 9;
const ALIGNMENT: usize = 8;
const SYMLINK_ERROR_TAG: u32 = 0x4c4d_5953;
const REPARSE_TAG_SYMLINK: u32 = 0xa000_000c;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_name, check_vector, codec_tests, unhex};

    #[test]
    fn an_error_without_data_has_one_byte_all_the_same() {
        check_vector("0900 00 00 00000000 00", &ErrorResponse::EMPTY);
    }

    #[test]
    fn contexts_begin_at_multiples_of_eight() {
        let context = |data: &'static [u8]| ErrorContext {
            error_id: ErrorId::DEFAULT,
            data: Bytes::from_static(data),
        };
        check_vector(
            "0900 02 00 19000000 0400000000000000 01020304 00000000 0100000000000000 05",
            &ErrorResponse::Contexts(vec![context(&[1, 2, 3, 4]), context(&[5])]),
        );
    }

    // test [MS-SMB2] 2.2.2.2.1.1
    #[test]
    fn a_relative_link_is_as_in_the_example() {
        let link = SymbolicLinkError {
            unparsed_path_length: 0x2e,
            flags: SymbolicLinkFlags::RELATIVE,
            substitute_name: Utf16String::from(r"..\DonHall\Documents\PDocs"),
            print_name: Utf16String::from(r"..\DonHall\Documents\PDocs"),
        };
        let bytes = link.to_bytes();
        let head = "80000000 53594d4c 0c0000a0 7400 2e00 0000 3400 3400 3400 01000000";
        assert_eq!(bytes[..28], unhex(head));
        assert_eq!(SymbolicLinkError::from_bytes(&bytes), Ok(link));
    }

    proptest! {
        #[test]
        fn links_survive_the_wire(unparsed: u16, flags: u32, substitute in any_name(), print in any_name()) {
            let link = SymbolicLinkError {
                unparsed_path_length: unparsed,
                flags: SymbolicLinkFlags::from_bits(flags),
                substitute_name: substitute,
                print_name: print,
            };
            let bytes = link.to_bytes();
            prop_assert_eq!(SymbolicLinkError::from_bytes(&bytes), Ok(link));
        }

        #[test]
        fn links_of_noise_never_panic(noise: Vec<u8>) {
            let _ = SymbolicLinkError::from_bytes(&noise);
        }
    }

    fn any_error() -> impl Strategy<Value = ErrorResponse> {
        let context = (any::<u32>(), any_bytes()).prop_map(|(error_id, data)| ErrorContext {
            error_id: ErrorId(error_id),
            data,
        });
        prop_oneof![
            any_bytes().prop_map(ErrorResponse::Data),
            prop::collection::vec(context, 1..4).prop_map(ErrorResponse::Contexts),
        ]
    }

    codec_tests!(ErrorResponse, [9], any_error());
}
