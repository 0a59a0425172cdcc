//! What a CREATE request asks for beside its fixed part, [MS-SMB2] 2.2.13.2.
//!
//! A context that is known here and malformed makes the request malformed; one that is not known is kept.

use bytes::Bytes;

use super::chain::{self, ChainAt};
use super::lease::LeaseContext;
use crate::dtyp::{FileTime, Guid};
use crate::flags::wire_flags;
use crate::{DecodeError, FileId, Reader, Writer};

/// The contexts of a CREATE request, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateContexts(Vec<CreateContext>);

/// One context of a CREATE request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateContext {
    /// `ExtA`: extended attributes for the new file, a list of FILE_FULL_EA_INFORMATION.
    EaBuffer(Bytes),
    /// `SecD`: a security descriptor for the new file.
    SdBuffer(Bytes),
    /// `DHnQ`: make the open durable.
    DurableHandleRequest,
    /// `DHnC`: give a durable open back.
    DurableHandleReconnect {
        /// The open.
        file_id: FileId,
    },
    /// `AlSi`: room to reserve for the new file, in bytes.
    AllocationSize(u64),
    /// `MxAc`: tell what the user may do at most.
    QueryMaximalAccess {
        /// Answer only if the file changed since then.
        timestamp: Option<FileTime>,
    },
    /// `TWrp`: open the version of this time.
    TimewarpToken(FileTime),
    /// `QFid`: tell the numbers of file and volume.
    QueryOnDiskId,
    /// `RqLs`: give a lease, of either version.
    RequestLease(LeaseContext),
    /// `DH2Q`: make the open durable or persistent.
    DurableHandleRequestV2 {
        /// How long to keep it after a failure, in milliseconds; 0 leaves it to the server.
        timeout_ms: u32,
        /// Whether it shall be persistent.
        flags: DurableHandleFlags,
        // Reserved (8 bytes).
        /// Identifies the request.
        create_guid: Guid,
    },
    /// `DH2C`: give a durable or persistent open back.
    DurableHandleReconnectV2 {
        /// The open.
        file_id: FileId,
        /// Identifies the request that created it.
        create_guid: Guid,
        /// Whether it is persistent.
        flags: DurableHandleFlags,
    },
    /// The application on whose behalf the file is opened.
    AppInstanceId(Guid),
    /// Which start of the application it is.
    AppInstanceVersion {
        /// The more significant half.
        high: u64,
        /// The less significant half.
        low: u64,
    },
    /// A shared virtual disk is opened, [MS-RSVD] 2.2.4.12 and 2.2.4.32.
    SvhdxOpenDevice(Bytes),
    /// The file is opened with POSIX semantics; the name of the context is reserved in [MS-SMB2].
    Posix {
        /// The mode of a new file.
        mode: u32,
    },
    /// `AAPL`: an extension of Apple's clients.
    Aapl(Bytes),
    /// Any other.
    Unknown {
        /// Its name, four bytes at least.
        name: Bytes,
        /// Its data.
        data: Bytes,
    },
}

impl CreateContexts {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, CreateContext> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a context equal to `context` is there; for those without data.
    #[must_use]
    pub fn contains(&self, context: &CreateContext) -> bool {
        self.0.contains(context)
    }

    /// The first of which `choose` makes something.
    pub fn find_map<'c, T>(
        &'c self,
        choose: impl FnMut(&'c CreateContext) -> Option<T>,
    ) -> Option<T> {
        self.0.iter().find_map(choose)
    }

    /// The first lease that is asked for.
    #[must_use]
    pub fn lease(&self) -> Option<&LeaseContext> {
        self.find_map(|context| match context {
            CreateContext::RequestLease(lease) => Some(lease),
            _ => None,
        })
    }

    /// Reads a chain that lies at `base` in its message.
    pub(super) fn decode(chain: &Bytes, base: usize) -> Result<Self, DecodeError> {
        let mut contexts = Vec::new();
        chain::decode(chain, base, |name, data| {
            contexts.push(CreateContext::decode(chain, name, data)?);
            Ok(())
        })?;
        Ok(Self(contexts))
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>, at: &ChainAt) {
        chain::encode(
            out,
            at,
            &self.0,
            CreateContext::name,
            CreateContext::encode_data,
        );
    }
}

impl FromIterator<CreateContext> for CreateContexts {
    fn from_iter<I: IntoIterator<Item = CreateContext>>(contexts: I) -> Self {
        Self(contexts.into_iter().collect())
    }
}

impl From<Vec<CreateContext>> for CreateContexts {
    fn from(contexts: Vec<CreateContext>) -> Self {
        Self(contexts)
    }
}

impl<'c> IntoIterator for &'c CreateContexts {
    type Item = &'c CreateContext;
    type IntoIter = std::slice::Iter<'c, CreateContext>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl CreateContext {
    /// The name under which the context goes.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::EaBuffer(_) => b"ExtA",
            Self::SdBuffer(_) => b"SecD",
            Self::DurableHandleRequest => b"DHnQ",
            Self::DurableHandleReconnect { .. } => b"DHnC",
            Self::AllocationSize(_) => b"AlSi",
            Self::QueryMaximalAccess { .. } => b"MxAc",
            Self::TimewarpToken(_) => b"TWrp",
            Self::QueryOnDiskId => b"QFid",
            Self::RequestLease(_) => b"RqLs",
            Self::DurableHandleRequestV2 { .. } => b"DH2Q",
            Self::DurableHandleReconnectV2 { .. } => b"DH2C",
            Self::AppInstanceId(_) => &APP_INSTANCE_ID,
            Self::AppInstanceVersion { .. } => &APP_INSTANCE_VERSION,
            Self::SvhdxOpenDevice(_) => &SVHDX_OPEN_DEVICE,
            Self::Posix { .. } => &POSIX,
            Self::Aapl(_) => b"AAPL",
            Self::Unknown { name, .. } => name,
        }
    }

    /// Reads a context from its name and its data, which are parts of `chain`.
    // [MS-SMB2] 3.3.5.9
    fn decode(chain: &Bytes, name: &[u8], data: &[u8]) -> Result<Self, DecodeError> {
        Ok(match name {
            b"ExtA" => Self::EaBuffer(chain.slice_ref(data)),
            b"SecD" => Self::SdBuffer(chain.slice_ref(data)),
            b"DHnQ" => {
                exactly::<16>("DHnQ context", data)?;
                Self::DurableHandleRequest
            }
            b"DHnC" => {
                let mut reader = exactly::<16>("DHnC context", data)?;
                Self::DurableHandleReconnect {
                    file_id: FileId::read(&mut reader)?,
                }
            }
            b"AlSi" => Self::AllocationSize(exactly::<8>("AlSi context", data)?.u64()?),
            // [MS-SMB2] 2.2.13.2.5
            b"MxAc" if data.is_empty() => Self::QueryMaximalAccess { timestamp: None },
            b"MxAc" => {
                let timestamp = FileTime(exactly::<8>("MxAc context", data)?.u64()?);
                Self::QueryMaximalAccess {
                    timestamp: Some(timestamp),
                }
            }
            b"TWrp" => Self::TimewarpToken(FileTime(exactly::<8>("TWrp context", data)?.u64()?)),
            b"QFid" => Self::QueryOnDiskId,
            b"RqLs" => Self::RequestLease(LeaseContext::decode(data)?),
            b"DH2Q" => {
                let mut reader = exactly::<32>("DH2Q context", data)?;
                let timeout_ms = reader.u32()?;
                let flags = DurableHandleFlags::from_bits(reader.u32()?);
                reader.skip(8)?;
                let create_guid = Guid(reader.array()?);
                Self::DurableHandleRequestV2 {
                    timeout_ms,
                    flags,
                    create_guid,
                }
            }
            b"DH2C" => {
                let mut reader = exactly::<36>("DH2C context", data)?;
                Self::DurableHandleReconnectV2 {
                    file_id: FileId::read(&mut reader)?,
                    create_guid: Guid(reader.array()?),
                    flags: DurableHandleFlags::from_bits(reader.u32()?),
                }
            }
            b"AAPL" => Self::Aapl(chain.slice_ref(data)),
            _ => return Self::decode_long_name(chain, name, data),
        })
    }

    /// Reads a context whose name is a GUID.
    fn decode_long_name(chain: &Bytes, name: &[u8], data: &[u8]) -> Result<Self, DecodeError> {
        Ok(match name {
            name if name == APP_INSTANCE_ID => {
                let mut reader = exactly::<20>("AppInstanceId context", data)?;
                reader.structure_size(20)?;
                reader.skip(2)?;
                Self::AppInstanceId(Guid(reader.array()?))
            }
            name if name == APP_INSTANCE_VERSION => {
                let mut reader = exactly::<24>("AppInstanceVersion context", data)?;
                reader.structure_size(24)?;
                reader.skip(6)?;
                Self::AppInstanceVersion {
                    high: reader.u64()?,
                    low: reader.u64()?,
                }
            }
            name if name == SVHDX_OPEN_DEVICE => Self::SvhdxOpenDevice(chain.slice_ref(data)),
            // [MS-SMB2] 2.2.13.2
            name if name == POSIX && data.len() == 4 => Self::Posix {
                mode: Reader::new("POSIX context", data).u32()?,
            },
            _ => Self::Unknown {
                name: chain.slice_ref(name),
                data: chain.slice_ref(data),
            },
        })
    }

    fn encode_data(&self, out: &mut Writer<'_>) {
        match self {
            Self::EaBuffer(data)
            | Self::SdBuffer(data)
            | Self::SvhdxOpenDevice(data)
            | Self::Aapl(data)
            | Self::Unknown { data, .. } => out.bytes(data),
            Self::DurableHandleRequest => out.zeros(16),
            Self::DurableHandleReconnect { file_id } => file_id.write(out),
            Self::AllocationSize(size) => out.u64(*size),
            Self::QueryMaximalAccess {
                timestamp: Some(time),
            }
            | Self::TimewarpToken(time) => {
                out.u64(time.0);
            }
            Self::QueryMaximalAccess { timestamp: None } | Self::QueryOnDiskId => {}
            Self::RequestLease(lease) => lease.encode(out),
            Self::DurableHandleRequestV2 {
                timeout_ms,
                flags,
                create_guid,
            } => {
                out.u32(*timeout_ms);
                out.u32(flags.bits());
                out.u64(0);
                out.bytes(&create_guid.0);
            }
            Self::DurableHandleReconnectV2 {
                file_id,
                create_guid,
                flags,
            } => {
                file_id.write(out);
                out.bytes(&create_guid.0);
                out.u32(flags.bits());
            }
            Self::AppInstanceId(id) => {
                out.u16(20);
                out.u16(0);
                out.bytes(&id.0);
            }
            Self::AppInstanceVersion { high, low } => {
                out.u16(24);
                out.zeros(6);
                out.u64(*high);
                out.u64(*low);
            }
            Self::Posix { mode } => out.u32(*mode),
        }
    }
}

wire_flags! {
    /// How durable an open is.
    pub struct DurableHandleFlags: u32 {
        /// It survives the failure of the server.
        const PERSISTENT = 0x0000_0002;
    }
}

/// A reader of data that must be of exactly this size.
fn exactly<'a, const SIZE: usize>(
    what: &'static str,
    data: &'a [u8],
) -> Result<Reader<'a>, DecodeError> {
    if data.len() == SIZE {
        Ok(Reader::new(what, data))
    } else {
        Err(DecodeError { what, at: 0 })
    }
}

/// Name of the application's id; names are in network byte order.
const APP_INSTANCE_ID: [u8; 16] = 0x45BC_A66A_EFA7_F74A_9008_FA46_2E14_4D74_u128.to_be_bytes();
const APP_INSTANCE_VERSION: [u8; 16] = 0xB982_D0B7_3B56_074F_A07B_524A_8116_A010_u128.to_be_bytes();
/// Name of the context of shared virtual disks, in request and response.
pub(super) const SVHDX_OPEN_DEVICE: [u8; 16] =
    0x9CCB_CF9E_04C1_E643_980E_158D_A1F6_EC83_u128.to_be_bytes();
/// Name of the context of the POSIX extensions, in request and response.
pub(super) const POSIX: [u8; 16] = 0x93AD_2550_9CB4_11E7_B423_83DE_968B_CD7C_u128.to_be_bytes();
