//! TREE_CONNECT, [MS-SMB2] 2.2.9 and 2.2.10.

use bytes::Bytes;

use crate::dtyp::AccessMask;
use crate::flags::{wire_flags, wire_values};
use crate::header::Header;
use crate::reader::{slice, string};
use crate::{Decode, DecodeError, Encode, Reader, Utf16String, Writer};

/// Asks for a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeConnectRequest {
    /// How to process the request; reserved but in 3.1.1.
    pub flags: TreeConnectFlags,
    // PathOffset (2 bytes), PathLength (2 bytes).
    /// `\\server\share`.
    pub path: Utf16String,
    /// What goes with it; empty but where `flags` has `EXTENSION_PRESENT`.
    pub contexts: Vec<TreeConnectContext>,
}

/// One context of a TREE_CONNECT, [MS-SMB2] 2.2.9.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeConnectContext {
    /// What the data are.
    pub context_type: TreeConnectContextType,
    // DataLength (2 bytes), Reserved (4 bytes).
    /// The data.
    pub data: Bytes,
}

impl Decode for TreeConnectRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("TREE_CONNECT request", message, REQUEST_SIZE)?;
        let flags = TreeConnectFlags::from_bits(body.u16()?);
        let (offset, length) = (body.size16()?, body.size16()?);
        let path = string(
            "TREE_CONNECT path",
            message,
            body.position(),
            offset,
            length,
        )?;
        // [MS-SMB2] 2.2.9.1
        let contexts = if flags.contains(TreeConnectFlags::EXTENSION_PRESENT) {
            let (offset, count) = (body.size32()?, body.size16()?);
            body.skip(10)?;
            decode_contexts(
                message,
                body.position(),
                Header::SIZE.saturating_add(offset),
                count,
            )?
        } else {
            Vec::new()
        };
        Ok(Self {
            flags,
            path,
            contexts,
        })
    }
}

impl Encode for TreeConnectRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u16(self.flags.bits());
        let path_offset = out.reserve_u16();
        out.size16(self.path.len_bytes());
        if !self.flags.contains(TreeConnectFlags::EXTENSION_PRESENT) {
            out.patch_size16(path_offset, out.position());
            self.path.encode(out);
            return;
        }
        let context_offset = out.reserve_u32();
        out.size16(self.contexts.len());
        out.zeros(10);
        out.patch_size16(path_offset, out.position());
        self.path.encode(out);
        out.pad_to(ALIGNMENT);
        out.patch_size32(context_offset, out.position().saturating_sub(Header::SIZE));
        for context in &self.contexts {
            out.pad_to(ALIGNMENT);
            out.u16(context.context_type.0);
            out.size16(context.data.len());
            out.u32(0);
            out.bytes(&context.data);
        }
    }
}

fn decode_contexts(
    message: &Bytes,
    first: usize,
    offset: usize,
    count: usize,
) -> Result<Vec<TreeConnectContext>, DecodeError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new("TREE_CONNECT context list", message).at(offset)?;
    if offset < first {
        return Err(reader.error());
    }
    let mut contexts = Vec::with_capacity(count.min(message.len() / CONTEXT_HEAD_SIZE));
    for _ in 0..count {
        reader.align(ALIGNMENT);
        let context_type = TreeConnectContextType(reader.u16()?);
        let length = reader.size16()?;
        reader.skip(4)?;
        let start = reader.position();
        let data = slice("TREE_CONNECT context", message, start, start, length)?;
        reader.skip(length)?;
        contexts.push(TreeConnectContext { context_type, data });
    }
    Ok(contexts)
}

/// The share is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeConnectResponse {
    /// What kind of share it is.
    pub share_type: ShareType,
    // Reserved (1 byte).
    /// How the client should treat it.
    pub share_flags: ShareFlags,
    /// What it can do.
    pub capabilities: ShareCapabilities,
    /// What the user may do there at most.
    pub maximal_access: AccessMask,
}

impl Decode for TreeConnectResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("TREE_CONNECT response", message, RESPONSE_SIZE)?;
        let share_type = ShareType(body.u8()?);
        body.skip(1)?;
        Ok(Self {
            share_type,
            share_flags: ShareFlags::from_bits(body.u32()?),
            capabilities: ShareCapabilities::from_bits(body.u32()?),
            maximal_access: AccessMask::from_bits(body.u32()?),
        })
    }
}

impl Encode for TreeConnectResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u8(self.share_type.0);
        out.u8(0);
        out.u32(self.share_flags.bits());
        out.u32(self.capabilities.bits());
        out.u32(self.maximal_access.bits());
    }
}

wire_flags! {
    /// Flags of a TREE_CONNECT request.
    pub struct TreeConnectFlags: u16 {
        /// The client was connected to this cluster share before.
        const CLUSTER_RECONNECT = 0x0001;
        /// The client understands a redirection in the error.
        const REDIRECT_TO_OWNER = 0x0002;
        /// Contexts go with the path.
        const EXTENSION_PRESENT = 0x0004;
    }
}

wire_values! {
    /// The type of a TREE_CONNECT context.
    pub struct TreeConnectContextType: u16 {
        /// Reserved.
        const RESERVED = 0x0000;
        /// The identity of somebody else, in whose name the share is used.
        const REMOTED_IDENTITY = 0x0001;
    }
}

wire_values! {
    /// The kind of a share.
    pub struct ShareType: u8 {
        /// Files.
        const DISK = 0x01;
        /// Named pipes.
        const PIPE = 0x02;
        /// A printer.
        const PRINT = 0x03;
    }
}

wire_flags! {
    /// How the client should treat a share.
    pub struct ShareFlags: u32 {
        /// It is in a namespace of DFS.
        const DFS = 0x0000_0001;
        /// It is the root of a namespace of DFS.
        const DFS_ROOT = 0x0000_0002;
        /// Files that are used may be kept for offline use.
        const AUTO_CACHING = 0x0000_0010;
        /// As `AUTO_CACHING`, and used from there even while the share is there.
        const VDO_CACHING = 0x0000_0020;
        /// Nothing may be kept for offline use. Without these bits, what the user chooses may be.
        const NO_CACHING = 0x0000_0030;
        /// No open may deny others to read.
        const RESTRICT_EXCLUSIVE_OPENS = 0x0000_0100;
        /// No open may deny others to delete.
        const FORCE_SHARED_DELETE = 0x0000_0200;
        /// The namespace may be cached; clients ignore it.
        const ALLOW_NAMESPACE_CACHING = 0x0000_0400;
        /// Listings leave out what the user cannot read.
        const ACCESS_BASED_DIRECTORY_ENUM = 0x0000_0800;
        /// No oplock above level II is given.
        const FORCE_LEVELII_OPLOCK = 0x0000_1000;
        /// There are content hashes, version 1.
        const ENABLE_HASH_V1 = 0x0000_2000;
        /// There are content hashes, version 2.
        const ENABLE_HASH_V2 = 0x0000_4000;
        /// All messages must be encrypted.
        const ENCRYPT_DATA = 0x0000_8000;
        /// The share takes remoted identities.
        const IDENTITY_REMOTING = 0x0004_0000;
        /// Reads and writes may be compressed.
        const COMPRESS_DATA = 0x0010_0000;
        /// Better used over connections of its own.
        const ISOLATED_TRANSPORT = 0x0020_0000;
    }
}

wire_flags! {
    /// What a share can do.
    pub struct ShareCapabilities: u32 {
        /// It is in a namespace of DFS.
        const DFS = 0x0000_0008;
        /// Handles survive the failure of a server.
        const CONTINUOUS_AVAILABILITY = 0x0000_0010;
        /// It is served by several nodes at once.
        const SCALEOUT = 0x0000_0020;
        /// It can be watched through the witness service.
        const CLUSTER = 0x0000_0040;
        /// Its owner among the nodes can change.
        const ASYMMETRIC = 0x0000_0080;
        /// It sends clients to its owner.
        const REDIRECT_TO_OWNER = 0x0000_0100;
    }
}

const REQUEST_SIZE: u16 = 9;
const RESPONSE_SIZE: u16 = 16;
const ALIGNMENT: usize = 8;
const CONTEXT_HEAD_SIZE: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_name, check_vector, codec_tests, message};

    // test [MS-SMB2] 4.3
    #[test]
    fn a_request_is_as_in_the_example() {
        let request = TreeConnectRequest {
            flags: TreeConnectFlags::NONE,
            path: Utf16String::from(r"\\smb2server\IPC$"),
            contexts: Vec::new(),
        };
        check_vector(
            "0900 0000 4800 2200 5c005c0073006d0062003200730065007200760065007200 \
             5c004900500043002400",
            &request,
        );
    }

    // test [MS-SMB2] 4.3
    #[test]
    fn a_response_is_as_in_the_example() {
        let response = TreeConnectResponse {
            share_type: ShareType::PIPE,
            share_flags: ShareFlags::NO_CACHING,
            capabilities: ShareCapabilities::NONE,
            maximal_access: AccessMask::from_bits(0x001f_01ff),
        };
        check_vector("1000 02 00 30000000 00000000 ff011f00", &response);
    }

    #[test]
    fn a_path_of_an_odd_length_is_malformed() {
        let error = TreeConnectRequest::decode(&message("0900 0000 4800 0300 5c005c00"));
        assert_eq!(
            error,
            Err(DecodeError {
                what: "TREE_CONNECT path",
                at: 0x48
            })
        );
    }

    mod request {
        use super::*;

        fn any_request() -> impl Strategy<Value = TreeConnectRequest> {
            let context =
                (any::<u16>(), any_bytes()).prop_map(|(context_type, data)| TreeConnectContext {
                    context_type: TreeConnectContextType(context_type),
                    data,
                });
            let contexts = prop::collection::vec(context, 0..3);
            (any::<u16>(), any_name(), contexts).prop_map(|(flags, path, contexts)| {
                let extension = TreeConnectFlags::EXTENSION_PRESENT;
                let flags = TreeConnectFlags::from_bits(flags);
                let flags = if contexts.is_empty() {
                    flags.without(extension)
                } else {
                    flags | extension
                };
                TreeConnectRequest {
                    flags,
                    path,
                    contexts,
                }
            })
        }

        codec_tests!(TreeConnectRequest, [9], any_request());
    }

    mod response {
        use super::*;

        codec_tests!(
            TreeConnectResponse,
            [16],
            any::<(u8, u32, u32, u32)>().prop_map(|(share_type, flags, capabilities, access)| {
                TreeConnectResponse {
                    share_type: ShareType(share_type),
                    share_flags: ShareFlags::from_bits(flags),
                    capabilities: ShareCapabilities::from_bits(capabilities),
                    maximal_access: AccessMask::from_bits(access),
                }
            })
        );
    }
}
