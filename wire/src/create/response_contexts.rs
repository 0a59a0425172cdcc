//! What a CREATE response tells beside its fixed part, [MS-SMB2] 2.2.14.2.

use bytes::Bytes;

use super::chain::{self, ChainAt};
use super::contexts::{DurableHandleFlags, POSIX, SVHDX_OPEN_DEVICE};
use super::lease::LeaseContext;
use crate::dtyp::AccessMask;
use crate::{DecodeError, NtStatus, Reader, Writer};

/// One context of a CREATE response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateResponseContext {
    /// `DHnQ`: the open is durable.
    DurableHandle,
    /// `MxAc`: what the user may do at most.
    MaximalAccess {
        /// Whether that could be found out.
        query_status: NtStatus,
        /// What the user may do; valid if it could.
        maximal_access: AccessMask,
    },
    /// `QFid`: the numbers of file and volume.
    OnDiskId {
        /// Number of the file on its volume.
        disk_file_id: u64,
        /// Number of the volume.
        volume_id: u64,
        // Reserved (16 bytes).
    },
    /// `RqLs`: the lease given, in the version asked for.
    Lease(LeaseContext),
    /// `DH2Q`: the open is durable or persistent.
    DurableHandleV2 {
        /// How long the server will wait for the client after a failure, in milliseconds.
        timeout_ms: u32,
        /// Whether it is persistent.
        flags: DurableHandleFlags,
    },
    /// About a shared virtual disk, [MS-RSVD] 2.2.4.31 and 2.2.4.33.
    SvhdxOpenDevice(Bytes),
    /// The POSIX extensions' answer.
    Posix(Bytes),
    /// `AAPL`: the answer to Apple's clients.
    Aapl(Bytes),
    /// Any other.
    Unknown {
        /// Its name, four bytes at least.
        name: Bytes,
        /// Its data.
        data: Bytes,
    },
}

impl CreateResponseContext {
    /// The name under which the context goes.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::DurableHandle => b"DHnQ",
            Self::MaximalAccess { .. } => b"MxAc",
            Self::OnDiskId { .. } => b"QFid",
            Self::Lease(_) => b"RqLs",
            Self::DurableHandleV2 { .. } => b"DH2Q",
            Self::SvhdxOpenDevice(_) => &SVHDX_OPEN_DEVICE,
            Self::Posix(_) => &POSIX,
            Self::Aapl(_) => b"AAPL",
            Self::Unknown { name, .. } => name,
        }
    }

    fn decode(chain: &Bytes, name: &[u8], data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("CREATE response context", data);
        Ok(match name {
            b"DHnQ" => Self::DurableHandle,
            b"MxAc" => Self::MaximalAccess {
                query_status: NtStatus(reader.u32()?),
                maximal_access: AccessMask::from_bits(reader.u32()?),
            },
            b"QFid" => Self::OnDiskId {
                disk_file_id: reader.u64()?,
                volume_id: reader.u64()?,
            },
            b"RqLs" => Self::Lease(LeaseContext::decode(data)?),
            b"DH2Q" => Self::DurableHandleV2 {
                timeout_ms: reader.u32()?,
                flags: DurableHandleFlags::from_bits(reader.u32()?),
            },
            b"AAPL" => Self::Aapl(chain.slice_ref(data)),
            name if name == SVHDX_OPEN_DEVICE => Self::SvhdxOpenDevice(chain.slice_ref(data)),
            name if name == POSIX => Self::Posix(chain.slice_ref(data)),
            _ => Self::Unknown {
                name: chain.slice_ref(name),
                data: chain.slice_ref(data),
            },
        })
    }

    fn encode_data(&self, out: &mut Writer<'_>) {
        match self {
            Self::DurableHandle => out.u64(0),
            Self::MaximalAccess {
                query_status,
                maximal_access,
            } => {
                out.u32(query_status.0);
                out.u32(maximal_access.bits());
            }
            Self::OnDiskId {
                disk_file_id,
                volume_id,
            } => {
                out.u64(*disk_file_id);
                out.u64(*volume_id);
                out.zeros(16);
            }
            Self::Lease(lease) => lease.encode(out),
            Self::DurableHandleV2 { timeout_ms, flags } => {
                out.u32(*timeout_ms);
                out.u32(flags.bits());
            }
            Self::SvhdxOpenDevice(data)
            | Self::Posix(data)
            | Self::Aapl(data)
            | Self::Unknown { data, .. } => out.bytes(data),
        }
    }
}

/// Reads a chain that lies at `base` in its message.
pub(super) fn decode_all(
    chain: &Bytes,
    base: usize,
) -> Result<Vec<CreateResponseContext>, DecodeError> {
    let mut contexts = Vec::new();
    chain::decode(chain, base, |name, data| {
        contexts.push(CreateResponseContext::decode(chain, name, data)?);
        Ok(())
    })?;
    Ok(contexts)
}

pub(super) fn encode_all(out: &mut Writer<'_>, at: &ChainAt, contexts: &[CreateResponseContext]) {
    chain::encode(
        out,
        at,
        contexts,
        CreateResponseContext::name,
        CreateResponseContext::encode_data,
    );
}
