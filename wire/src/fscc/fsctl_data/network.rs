//! What the server tells of itself: its interfaces, and what it negotiated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dtyp::Guid;
use crate::flags::wire_flags;
use crate::fscc::layout::{Chain, Entries, newtype_field, wire_struct};
use crate::{DecodeError, Reader, Writer};

/// VALIDATE_NEGOTIATE_INFO request.
// [MS-SMB2] 2.2.31.4
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidateNegotiateRequest {
    /// Capabilities of the client's NEGOTIATE.
    pub capabilities: u32,
    /// Guid: the client's.
    pub guid: Guid,
    /// SecurityMode of the client's NEGOTIATE.
    pub security_mode: u16,
    /// Dialects of the client's NEGOTIATE. DialectCount lies in front.
    pub dialects: Vec<u16>,
}

impl ValidateNegotiateRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// Too few bytes for the dialects that are announced.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("VALIDATE_NEGOTIATE_INFO", bytes);
        let capabilities = reader.u32()?;
        let guid = Guid(reader.array()?);
        let security_mode = reader.u16()?;
        let count = reader.size16()?;
        let dialects = super::read_array(&mut reader, count)?;
        Ok(Self {
            capabilities,
            guid,
            security_mode,
            dialects,
        })
    }

    /// Appends the request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.capabilities);
        out.bytes(&self.guid.0);
        out.u16(self.security_mode);
        out.size16(self.dialects.len());
        for dialect in &self.dialects {
            out.u16(*dialect);
        }
    }
}

wire_struct! {
    /// VALIDATE_NEGOTIATE_INFO reply.
    // [MS-SMB2] 2.2.32.6
    pub struct ValidateNegotiateResponse {
        /// Capabilities of the server's NEGOTIATE.
        pub capabilities: u32,
        /// Guid: the server's.
        pub guid: Guid,
        /// SecurityMode of the server's NEGOTIATE.
        pub security_mode: u16,
        /// Dialect of the connection.
        pub dialect: u16,
    }
}

wire_flags! {
    /// What a network interface can do.
    // [MS-SMB2] 2.2.32.5
    pub struct InterfaceCapability: u32 {
        /// Receive-side scaling.
        const RSS_CAPABLE = 0x0000_0001;
        /// Remote direct memory access.
        const RDMA_CAPABLE = 0x0000_0002;
    }
}

newtype_field! {
    InterfaceCapability: u32, InterfaceCapability::from_bits, InterfaceCapability::bits;
}

/// NETWORK_INTERFACE_INFO: one address of the server.
// [MS-SMB2] 2.2.32.5
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// IfIndex.
    pub if_index: u32,
    /// Capability. Four bytes are reserved behind it.
    pub capability: InterfaceCapability,
    /// LinkSpeed in bits per second.
    pub link_speed: u64,
    /// SockAddr_Storage: the address, without a port.
    pub address: IpAddr,
}

impl NetworkInterface {
    /// Bytes on the wire.
    pub const SIZE: usize = 152;

    const ALIGNMENT: usize = 8;
    const SOCKADDR_STORAGE: usize = 128;

    /// Appends as many interfaces as `room` bytes hold; returns how many those were.
    pub fn encode_list(list: &[Self], out: &mut Writer<'_>, room: usize) -> usize {
        let mut chain = Chain::new(out, room, Self::ALIGNMENT);
        list.iter()
            .take_while(|one| one.encode(&mut chain, out))
            .count()
    }

    fn encode(&self, chain: &mut Chain, out: &mut Writer<'_>) -> bool {
        if !chain.begin(out, Self::SIZE) {
            return false;
        }
        out.u32(self.if_index);
        out.u32(self.capability.bits());
        out.u32(0);
        out.u64(self.link_speed);
        match self.address {
            // [MS-SMB2] 2.2.32.5.1.1
            IpAddr::V4(address) => {
                out.u16(INTER_NETWORK);
                out.zeros(2);
                out.bytes(&address.octets());
                out.zeros(const { Self::SOCKADDR_STORAGE - 8 });
            }
            // [MS-SMB2] 2.2.32.5.1.2
            IpAddr::V6(address) => {
                out.u16(INTER_NETWORK_V6);
                out.zeros(6);
                out.bytes(&address.octets());
                out.zeros(const { Self::SOCKADDR_STORAGE - 24 });
            }
        }
        true
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An offset that leaves the list, or an address of another family.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Entries::new("NETWORK_INTERFACE_INFO", bytes, Self::ALIGNMENT)
            .map(|entry| Self::decode(&mut entry?))
            .collect()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let if_index = reader.u32()?;
        let capability = InterfaceCapability::from_bits(reader.u32()?);
        reader.skip(4)?;
        let link_speed = reader.u64()?;
        let mut storage = Reader::new("SOCKADDR_STORAGE", reader.bytes(Self::SOCKADDR_STORAGE)?);
        let address = match storage.u16()? {
            INTER_NETWORK => {
                storage.skip(2)?;
                IpAddr::V4(Ipv4Addr::from(storage.array::<4>()?))
            }
            INTER_NETWORK_V6 => {
                storage.skip(6)?;
                IpAddr::V6(Ipv6Addr::from(storage.array::<16>()?))
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

const INTER_NETWORK: u16 = 0x0002;
const INTER_NETWORK_V6: u16 = 0x0017;
