//! Inputs and outputs of control codes in the forms of [MS-SMB2] sections 2.2.31.x and 2.2.32.x.
//!
//! Each is read from the input, or appended to what becomes the output, of an IOCTL.

use std::net::IpAddr;

use crate::dtyp::Guid;
use crate::flags::wire_flags;
use crate::negotiate::{Capabilities, Dialect, SecurityMode};
use crate::{DecodeError, Reader, Writer};

/// Input of FSCTL_VALIDATE_NEGOTIATE_INFO, section 2.2.31.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateNegotiateInfoRequest {
    /// What the client said in NEGOTIATE.
    pub capabilities: Capabilities,
    /// What the client said in NEGOTIATE.
    pub guid: Guid,
    /// What the client said in NEGOTIATE.
    pub security_mode: SecurityMode,
    // DialectCount (2 bytes).
    /// What the client said in NEGOTIATE.
    pub dialects: Vec<Dialect>,
}

impl ValidateNegotiateInfoRequest {
    /// Reads the input.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode(input: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("VALIDATE_NEGOTIATE_INFO request", input);
        let capabilities = Capabilities::from_bits(reader.u32()?);
        let guid = Guid(reader.array()?);
        let security_mode = SecurityMode::from_bits(reader.u16()?);
        let count = reader.size16()?;
        let dialects = reader
            .items(count)?
            .map(|item| Dialect(u16::from_le_bytes(*item)))
            .collect();
        Ok(Self {
            capabilities,
            guid,
            security_mode,
            dialects,
        })
    }

    /// Appends the input.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.capabilities.bits());
        out.bytes(&self.guid.0);
        out.u16(self.security_mode.bits());
        out.size16(self.dialects.len());
        for dialect in &self.dialects {
            out.u16(dialect.0);
        }
    }
}

/// Output of FSCTL_VALIDATE_NEGOTIATE_INFO, section 2.2.32.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidateNegotiateInfoResponse {
    /// What the server said in NEGOTIATE.
    pub capabilities: Capabilities,
    /// What the server said in NEGOTIATE.
    pub guid: Guid,
    /// What the server said in NEGOTIATE.
    pub security_mode: SecurityMode,
    /// The dialect of the connection.
    pub dialect: Dialect,
}

impl ValidateNegotiateInfoResponse {
    /// Size of the output, in bytes.
    pub const SIZE: u32 = 24;

    /// Reads the output.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode(output: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("VALIDATE_NEGOTIATE_INFO response", output);
        Ok(Self {
            capabilities: Capabilities::from_bits(reader.u32()?),
            guid: Guid(reader.array()?),
            security_mode: SecurityMode::from_bits(reader.u16()?),
            dialect: Dialect(reader.u16()?),
        })
    }

    /// Appends the output.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.capabilities.bits());
        out.bytes(&self.guid.0);
        out.u16(self.security_mode.bits());
        out.u16(self.dialect.0);
    }
}

/// The key by which a file is named as the source of a copy: opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResumeKey(pub [u8; 24]);

impl ResumeKey {
    /// Appends the key as output of FSCTL_SRV_REQUEST_RESUME_KEY, section 2.2.32.3.
    pub fn encode_response(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
        // ContextLength, and the Context that Windows sends all the same.
        out.u32(0);
        out.u32(0);
    }

    /// Reads the output of FSCTL_SRV_REQUEST_RESUME_KEY.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode_response(output: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("RESUME_KEY response", output);
        let key = Self(reader.array()?);
        // ContextLength.
        reader.skip(4)?;
        Ok(key)
    }
}

/// Input of FSCTL_SRV_COPYCHUNK and FSCTL_SRV_COPYCHUNK_WRITE, section 2.2.31.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyChunkRequest {
    /// The file to copy from.
    pub source_key: ResumeKey,
    // ChunkCount (4 bytes), Reserved (4 bytes).
    /// The ranges to copy.
    pub chunks: Vec<CopyChunk>,
}

/// One range to copy, section 2.2.31.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyChunk {
    /// Where it begins in the source, in bytes.
    pub source_offset: u64,
    /// Where it goes in the target, in bytes.
    pub target_offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
    // Reserved (4 bytes).
}

impl CopyChunkRequest {
    /// Reads the input.
    ///
    /// # Errors
    /// It is too short, for the fixed part or for the chunks that it announces.
    pub fn decode(input: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("COPYCHUNK request", input);
        let source_key = ResumeKey(reader.array()?);
        let count = reader.size32()?;
        reader.skip(4)?;
        let chunks = reader
            .items(count)?
            .map(CopyChunk::decode)
            .collect::<Result<_, _>>()?;
        Ok(Self { source_key, chunks })
    }

    /// Appends the input.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.source_key.0);
        out.size32(self.chunks.len());
        out.u32(0);
        for chunk in &self.chunks {
            out.u64(chunk.source_offset);
            out.u64(chunk.target_offset);
            out.u32(chunk.length);
            out.u32(0);
        }
    }
}

impl CopyChunk {
    fn decode(bytes: &[u8; 24]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("COPYCHUNK chunk", bytes);
        Ok(Self {
            source_offset: reader.u64()?,
            target_offset: reader.u64()?,
            length: reader.u32()?,
        })
    }
}

/// Output of FSCTL_SRV_COPYCHUNK and FSCTL_SRV_COPYCHUNK_WRITE, section 2.2.32.1: what was copied, or
/// with INVALID_PARAMETER the server's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyChunkResponse {
    /// How many chunks.
    pub chunks_written: u32,
    /// How much of the chunk that failed, or of one chunk at most; in bytes.
    pub chunk_bytes_written: u32,
    /// How much in all, in bytes.
    pub total_bytes_written: u32,
}

impl CopyChunkResponse {
    /// Size of the output, in bytes.
    pub const SIZE: u32 = 12;

    /// Reads the output.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode(output: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("COPYCHUNK response", output);
        Ok(Self {
            chunks_written: reader.u32()?,
            chunk_bytes_written: reader.u32()?,
            total_bytes_written: reader.u32()?,
        })
    }

    /// Appends the output.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.chunks_written);
        out.u32(self.chunk_bytes_written);
        out.u32(self.total_bytes_written);
    }
}

/// Input of FSCTL_LMR_REQUEST_RESILIENCY, section 2.2.31.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkResiliencyRequest {
    /// How long to keep the open after its connection is lost, in milliseconds.
    pub timeout_ms: u32,
    // Reserved (4 bytes).
}

impl NetworkResiliencyRequest {
    /// Reads the input.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode(input: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("NETWORK_RESILIENCY request", input);
        let timeout_ms = reader.u32()?;
        reader.skip(4)?;
        Ok(Self { timeout_ms })
    }

    /// Appends the input.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.timeout_ms);
        out.u32(0);
    }
}

/// One interface in the output of FSCTL_QUERY_NETWORK_INTERFACE_INFO, section 2.2.32.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInterfaceInfo {
    // Next (4 bytes).
    /// Number of the interface.
    pub if_index: u32,
    /// What it can do.
    pub capability: InterfaceCapability,
    // Reserved (4 bytes).
    /// How fast it is, in bits per second.
    pub link_speed: u64,
    /// Its address.
    pub address: IpAddr,
}

impl NetworkInterfaceInfo {
    /// Size of one entry, in bytes.
    pub const SIZE: usize = 152;

    /// Appends the whole output, one entry for each address.
    pub fn encode_all(interfaces: &[Self], out: &mut Writer<'_>) {
        let mut left = interfaces.len();
        for interface in interfaces {
            left = left.saturating_sub(1);
            out.size32(if left == 0 { 0 } else { Self::SIZE });
            interface.encode(out);
        }
    }

    fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.if_index);
        out.u32(self.capability.bits());
        out.u32(0);
        out.u64(self.link_speed);
        // [MS-SMB2] 2.2.32.5.1
        match self.address {
            IpAddr::V4(address) => {
                out.u16(FAMILY_INTER_NETWORK);
                out.u16(0);
                out.bytes(&address.octets());
                out.zeros(SOCKADDR_SIZE - 8);
            }
            IpAddr::V6(address) => {
                out.u16(FAMILY_INTER_NETWORK_V6);
                out.zeros(6);
                out.bytes(&address.octets());
                out.zeros(SOCKADDR_SIZE - 24);
            }
        }
    }

    /// Reads the whole output.
    ///
    /// # Errors
    /// An entry is too short, leads out of the output or backwards, or has no address known here.
    pub fn decode_all(output: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let mut interfaces = Vec::new();
        let mut reader = Reader::new("NETWORK_INTERFACE_INFO", output);
        loop {
            let start = reader.position();
            let next = reader.size32()?;
            interfaces.push(Self::decode(&mut reader)?);
            match next {
                0 => return Ok(interfaces),
                _ if next < Self::SIZE => return Err(reader.error()),
                _ => reader = reader.at(start.saturating_add(next))?,
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let if_index = reader.u32()?;
        let capability = InterfaceCapability::from_bits(reader.u32()?);
        reader.skip(4)?;
        let link_speed = reader.u64()?;
        let mut storage = Reader::new("SOCKADDR_STORAGE", reader.bytes(SOCKADDR_SIZE)?);
        let family = storage.u16()?;
        storage.skip(2)?;
        let address = match family {
            FAMILY_INTER_NETWORK => IpAddr::from(storage.array::<4>()?),
            FAMILY_INTER_NETWORK_V6 => {
                storage.skip(4)?;
                IpAddr::from(storage.array::<16>()?)
            }
            _ => return Err(storage.error()),
        };
        Ok(Self {
            if_index,
            capability,
            link_speed,
            address,
        })
    }
}

wire_flags! {
    /// What a network interface can do.
    pub struct InterfaceCapability: u32 {
        /// Spread received packets over processors.
        const RSS_CAPABLE = 0x0000_0001;
        /// RDMA.
        const RDMA_CAPABLE = 0x0000_0002;
    }
}

const FAMILY_INTER_NETWORK: u16 = 0x0002;
const FAMILY_INTER_NETWORK_V6: u16 = 0x0017;
const SOCKADDR_SIZE: usize = 128;

#[cfg(test)]
mod tests;
