//! CREATE, [MS-SMB2] 2.2.13 and 2.2.14.
//!
//! This module reads and writes the fixed part; the chains of contexts are in `contexts`.

use bytes::Bytes;

use crate::dtyp::{AccessMask, FileTime};
use crate::flags::{wire_flags, wire_values};
use crate::fscc::FileAttributes;
use crate::header::Header;
use crate::oplock_break::OplockLevel;
use crate::reader::{slice, string};
use crate::{Decode, DecodeError, Encode, FileId, Reader, Utf16String, Writer};

mod chain;
pub mod contexts;
mod lease;
pub mod response_contexts;

pub use contexts::{CreateContext, CreateContexts, DurableHandleFlags};
pub use lease::{LeaseContext, LeaseContextV2, LeaseFlags, LeaseState};
pub use response_contexts::CreateResponseContext;

/// Asks to open or create a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    // SecurityFlags (1 byte): reserved.
    /// The oplock asked for, or that a lease is asked for in a context.
    pub requested_oplock_level: OplockLevel,
    /// How far the server may act as the client.
    pub impersonation_level: ImpersonationLevel,
    // SmbCreateFlags (8 bytes), Reserved (8 bytes).
    /// What the open shall be able to do.
    pub desired_access: AccessMask,
    /// The attributes of a file that is created.
    pub file_attributes: FileAttributes,
    /// What other opens may do meanwhile.
    pub share_access: ShareAccess,
    /// What to do if the file exists, and if not.
    pub create_disposition: CreateDisposition,
    /// How to open it.
    pub create_options: CreateOptions,
    // NameOffset (2 bytes), NameLength (2 bytes), CreateContextsOffset (4 bytes),
    // CreateContextsLength (4 bytes).
    /// The name, relative to the share; empty for the share's root.
    pub name: Utf16String,
    /// What else is asked for.
    pub contexts: CreateContexts,
}

impl Decode for CreateRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("CREATE request", message, REQUEST_SIZE)?;
        // [MS-SMB2] 3.3.5.9
        if message.len() < Header::SIZE.saturating_add(usize::from(REQUEST_SIZE)) {
            return Err(body.error());
        }
        body.skip(1)?;
        let requested_oplock_level = OplockLevel(body.u8()?);
        let impersonation_level = ImpersonationLevel(body.u32()?);
        body.skip(16)?;
        let desired_access = AccessMask::from_bits(body.u32()?);
        let file_attributes = FileAttributes::from_bits(body.u32()?);
        let share_access = ShareAccess::from_bits(body.u32()?);
        let create_disposition = CreateDisposition(body.u32()?);
        let create_options = CreateOptions::from_bits(body.u32()?);
        let (name_offset, name_length) = (body.size16()?, body.size16()?);
        let (contexts_offset, contexts_length) = (body.size32()?, body.size32()?);
        let first = body.position();
        let name = string("CREATE name", message, first, name_offset, name_length)?;
        let chain = slice(
            "CREATE contexts",
            message,
            first,
            contexts_offset,
            contexts_length,
        )?;
        let contexts = CreateContexts::decode(&chain, contexts_offset)?;
        Ok(Self {
            requested_oplock_level,
            impersonation_level,
            desired_access,
            file_attributes,
            share_access,
            create_disposition,
            create_options,
            name,
            contexts,
        })
    }
}

impl Encode for CreateRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u8(0);
        out.u8(self.requested_oplock_level.0);
        out.u32(self.impersonation_level.0);
        out.zeros(16);
        out.u32(self.desired_access.bits());
        out.u32(self.file_attributes.bits());
        out.u32(self.share_access.bits());
        out.u32(self.create_disposition.0);
        out.u32(self.create_options.bits());
        out.u16(REQUEST_BUFFER_OFFSET);
        out.size16(self.name.len_bytes());
        let contexts_at = chain::reserve(out);
        self.name.encode(out);
        // [MS-SMB2] 2.2.13
        if self.name.is_empty() && self.contexts.is_empty() {
            out.u8(0);
        }
        self.contexts.encode(out, &contexts_at);
    }
}

/// The file is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateResponse {
    /// The oplock given.
    pub oplock_level: OplockLevel,
    /// Whether it is a reparse point; 3.x only.
    pub flags: CreateResponseFlags,
    /// What was done.
    pub create_action: CreateAction,
    /// When the file was created.
    pub creation_time: FileTime,
    /// When it was last read or written.
    pub last_access_time: FileTime,
    /// When its data were last written.
    pub last_write_time: FileTime,
    /// When anything about it last changed.
    pub change_time: FileTime,
    /// How much room its data take, in bytes.
    pub allocation_size: u64,
    /// How long its data are, in bytes.
    pub end_of_file: u64,
    /// Its attributes.
    pub file_attributes: FileAttributes,
    // Reserved2 (4 bytes).
    /// The open.
    pub file_id: FileId,
    // CreateContextsOffset (4 bytes), CreateContextsLength (4 bytes).
    /// The answers to the contexts of the request.
    pub contexts: Vec<CreateResponseContext>,
}

impl Decode for CreateResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("CREATE response", message, RESPONSE_SIZE)?;
        let oplock_level = OplockLevel(body.u8()?);
        let flags = CreateResponseFlags::from_bits(body.u8()?);
        let create_action = CreateAction(body.u32()?);
        let creation_time = FileTime(body.u64()?);
        let last_access_time = FileTime(body.u64()?);
        let last_write_time = FileTime(body.u64()?);
        let change_time = FileTime(body.u64()?);
        let allocation_size = body.u64()?;
        let end_of_file = body.u64()?;
        let file_attributes = FileAttributes::from_bits(body.u32()?);
        body.skip(4)?;
        let file_id = FileId::read(&mut body)?;
        let (offset, length) = (body.size32()?, body.size32()?);
        let chain = slice("CREATE contexts", message, body.position(), offset, length)?;
        let contexts = response_contexts::decode_all(&chain, offset)?;
        Ok(Self {
            oplock_level,
            flags,
            create_action,
            creation_time,
            last_access_time,
            last_write_time,
            change_time,
            allocation_size,
            end_of_file,
            file_attributes,
            file_id,
            contexts,
        })
    }
}

impl Encode for CreateResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u8(self.oplock_level.0);
        out.u8(self.flags.bits());
        out.u32(self.create_action.0);
        out.u64(self.creation_time.0);
        out.u64(self.last_access_time.0);
        out.u64(self.last_write_time.0);
        out.u64(self.change_time.0);
        out.u64(self.allocation_size);
        out.u64(self.end_of_file);
        out.u32(self.file_attributes.bits());
        out.u32(0);
        self.file_id.write(out);
        let contexts_at = chain::reserve(out);
        response_contexts::encode_all(out, &contexts_at, &self.contexts);
    }
}

wire_values! {
    /// How far the server may act as the client.
    pub struct ImpersonationLevel: u32 {
        /// Not at all.
        const ANONYMOUS = 0;
        /// It may look at the client's identity.
        const IDENTIFICATION = 1;
        /// It may act as the client on its own system.
        const IMPERSONATION = 2;
        /// It may act as the client anywhere.
        const DELEGATE = 3;
    }
}

wire_flags! {
    /// What other opens may do.
    pub struct ShareAccess: u32 {
        /// Read.
        const READ = 0x0000_0001;
        /// Write.
        const WRITE = 0x0000_0002;
        /// Delete and rename.
        const DELETE = 0x0000_0004;
    }
}

wire_values! {
    /// What to do if the file exists, and if not.
    pub struct CreateDisposition: u32 {
        /// Replace it; else create it.
        const SUPERSEDE = 0;
        /// Open it; else fail.
        const OPEN = 1;
        /// Fail; else create it.
        const CREATE = 2;
        /// Open it; else create it.
        const OPEN_IF = 3;
        /// Open it and make it empty; else fail.
        const OVERWRITE = 4;
        /// Open it and make it empty; else create it.
        const OVERWRITE_IF = 5;
    }
}

wire_flags! {
    /// How to open a file.
    pub struct CreateOptions: u32 {
        /// It is, or shall be, a directory.
        const DIRECTORY_FILE = 0x0000_0001;
        /// Writes end only when the data are on the disk.
        const WRITE_THROUGH = 0x0000_0002;
        /// It will be read or written from front to back.
        const SEQUENTIAL_ONLY = 0x0000_0004;
        /// Data are not cached.
        const NO_INTERMEDIATE_BUFFERING = 0x0000_0008;
        /// Ignored.
        const SYNCHRONOUS_IO_ALERT = 0x0000_0010;
        /// Ignored.
        const SYNCHRONOUS_IO_NONALERT = 0x0000_0020;
        /// It is, or shall be, no directory.
        const NON_DIRECTORY_FILE = 0x0000_0040;
        /// Ignored.
        const COMPLETE_IF_OPLOCKED = 0x0000_0100;
        /// The client does not understand extended attributes.
        const NO_EA_KNOWLEDGE = 0x0000_0200;
        /// Ignored.
        const OPEN_REMOTE_INSTANCE = 0x0000_0400;
        /// It will be read or written here and there.
        const RANDOM_ACCESS = 0x0000_0800;
        /// Delete it when this open is closed.
        const DELETE_ON_CLOSE = 0x0000_1000;
        /// The name is the number of a file; not supported over SMB2.
        const OPEN_BY_FILE_ID = 0x0000_2000;
        /// The caller backs up or restores.
        const OPEN_FOR_BACKUP_INTENT = 0x0000_4000;
        /// It shall not be compressed.
        const NO_COMPRESSION = 0x0000_8000;
        /// Ignored.
        const OPEN_REQUIRING_OPLOCK = 0x0001_0000;
        /// Ignored.
        const DISALLOW_EXCLUSIVE = 0x0002_0000;
        /// Not supported over SMB2.
        const RESERVE_OPFILTER = 0x0010_0000;
        /// Open a reparse point itself, not its target.
        const OPEN_REPARSE_POINT = 0x0020_0000;
        /// Do not fetch it from slow storage.
        const OPEN_NO_RECALL = 0x0040_0000;
        /// Ignored.
        const OPEN_FOR_FREE_SPACE_QUERY = 0x0080_0000;
    }
}

wire_flags! {
    /// Flags of a CREATE response.
    pub struct CreateResponseFlags: u8 {
        /// The last part of the name is a reparse point.
        const REPARSEPOINT = 0x01;
    }
}

wire_values! {
    /// What CREATE did.
    pub struct CreateAction: u32 {
        /// It replaced a file.
        const SUPERSEDED = 0;
        /// It opened a file.
        const OPENED = 1;
        /// It created a file.
        const CREATED = 2;
        /// It opened a file and made it empty.
        const OVERWRITTEN = 3;
    }
}

const REQUEST_SIZE: u16 = 57;
const REQUEST_BUFFER_OFFSET: u16 = 0x78;
const RESPONSE_SIZE: u16 = 89;

#[cfg(test)]
mod tests;
