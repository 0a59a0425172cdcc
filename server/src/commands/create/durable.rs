//! What the contexts of a CREATE say of durable opens, what is granted, and what the client is told.

use std::time::Duration;

use wire::create::{CreateContext, CreateResponseContext, DurableHandleFlags, LeaseState};
use wire::dtyp::Guid;
use wire::negotiate::Capabilities;
use wire::{CreateRequest, FileId, NtStatus, OplockLevel};

use super::plan::Plan;
use crate::commands::negotiate::Negotiated;
use crate::context::Context;
use crate::durable::Durability;
use crate::object_store::{Caching, GrantedCaching};
use crate::open::Open;

/// What a CREATE wants of durable opens: the contexts that can stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    None,
    /// SMB2_CREATE_DURABLE_HANDLE_REQUEST: a durable open.
    Durable,
    /// SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: a durable open, known by the client's GUID for it.
    DurableV2 {
        /// The time that the client asks for; none leaves it to the server.
        timeout: Option<Duration>,
        /// Whether a persistent open is wanted.
        flags: DurableHandleFlags,
        /// CreateGuid.
        create_guid: Guid,
    },
    /// One of the two contexts for reconnecting.
    Reconnect(Reconnect),
}

/// The open that a client wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reconnect {
    /// The open.
    pub(super) file_id: FileId,
    /// What version 2 of the context says besides.
    pub(super) v2: Option<ReconnectV2>,
}

/// What SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2 says besides the open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReconnectV2 {
    pub(super) create_guid: Guid,
    pub(super) flags: DurableHandleFlags,
}

/// How long a durable open of version 1 waits. [MS-SMB2] note 335: 2 minutes in Windows.
const V1_TIMEOUT: Duration = Duration::from_mins(2);

/// How long one of version 2 waits when the client leaves that to the server. [MS-SMB2] note 344: 60 s in
/// Windows.
const V2_TIMEOUT: Duration = Duration::from_mins(1);

impl Wish {
    /// Reads the contexts. Those of version 2 mean nothing below SMB 3.0.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for contexts that exclude each other.
    pub(super) fn new(context: &Context, request: &CreateRequest) -> Result<Self, NtStatus> {
        let knows_v2 = context
            .connection
            .negotiated()
            .is_some_and(Negotiated::is_smb3);
        let (mut v1, mut v2) = (Self::None, Self::None);
        for each in &request.contexts {
            match *each {
                // [MS-SMB2] 3.3.5.9.7
                CreateContext::DurableHandleRequest if v1 == Self::None => v1 = Self::Durable,
                CreateContext::DurableHandleReconnect { file_id } => {
                    v1 = Self::Reconnect(Reconnect { file_id, v2: None });
                }
                CreateContext::DurableHandleRequestV2 {
                    timeout_ms,
                    flags,
                    create_guid,
                } if knows_v2 => {
                    refuse_two(v2)?;
                    let timeout = Duration::from_millis(timeout_ms.into());
                    v2 = Self::DurableV2 {
                        timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
                        flags,
                        create_guid,
                    };
                }
                CreateContext::DurableHandleReconnectV2 {
                    file_id,
                    create_guid,
                    flags,
                } if knows_v2 => {
                    refuse_two(v2)?;
                    let besides = ReconnectV2 { create_guid, flags };
                    v2 = Self::Reconnect(Reconnect {
                        file_id,
                        v2: Some(besides),
                    });
                }
                _ => {}
            }
        }
        // [MS-SMB2] 3.3.5.9.6
        // [MS-SMB2] 3.3.5.9.10
        // [MS-SMB2] 3.3.5.9.12
        match (v1, v2) {
            (Self::None, wish) | (wish, Self::None) => Ok(wish),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// CreateGuid.
    pub(super) fn create_guid(&self) -> Option<Guid> {
        match self {
            Self::DurableV2 { create_guid, .. } => Some(*create_guid),
            _ => None,
        }
    }

    /// Whether a persistent open is wanted.
    pub(super) fn is_persistent(&self) -> bool {
        let asks = |flags: DurableHandleFlags| flags.contains(DurableHandleFlags::PERSISTENT);
        match self {
            Self::DurableV2 { flags, .. } => asks(*flags),
            Self::Reconnect(reconnect) => reconnect.v2.is_some_and(|v2| asks(v2.flags)),
            Self::None | Self::Durable => false,
        }
    }

    /// What an open that got this caching is granted.
    // [MS-SMB2] 3.3.5.9.6
    // [MS-SMB2] 3.3.5.9.10
    pub(super) fn grant(
        &self,
        context: &Context,
        plan: &Plan,
        is_directory: bool,
        caching: GrantedCaching,
    ) -> Durability {
        let asked = match self {
            Self::Durable if asks_for_handle(&plan.caching) => V1_TIMEOUT,
            Self::DurableV2 { timeout, .. } => timeout.unwrap_or(V2_TIMEOUT),
            _ => return Durability::None,
        };
        let has_handle = match caching {
            GrantedCaching::Oplock(level) => level == OplockLevel::BATCH,
            GrantedCaching::Lease(lease) => lease.state.contains(LeaseState::HANDLE_CACHING),
        };
        let timeout = asked.min(context.server.limits().durable_timeout);
        if is_directory || timeout.is_zero() {
            return Durability::None;
        }
        if self.is_persistent() && has_persistent_handles(context) {
            return Durability::Persistent(timeout);
        }
        if has_handle {
            Durability::Durable(timeout)
        } else {
            Durability::None
        }
    }

    /// What the client is told of what it was granted.
    pub(super) fn answer(&self, open: &Open) -> Option<CreateResponseContext> {
        let (timeout, flags) = match open.state.lock().durability {
            Durability::Durable(timeout) => (timeout, DurableHandleFlags::NONE),
            Durability::Persistent(timeout) => (timeout, DurableHandleFlags::PERSISTENT),
            Durability::None | Durability::Resilient(_) => return None,
        };
        match self {
            Self::Durable => Some(CreateResponseContext::DurableHandle),
            Self::DurableV2 { .. } => Some(CreateResponseContext::DurableHandleV2 {
                timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
                flags,
            }),
            Self::None | Self::Reconnect(_) => None,
        }
    }
}

/// Whether opens can be persistent on this connection and share.
// [MS-SMB2] 3.3.5.9.10
pub(super) fn has_persistent_handles(context: &Context) -> bool {
    let (Some(negotiated), Ok(tree)) = (context.connection.negotiated(), context.tree()) else {
        return false;
    };
    let offered = negotiated.server_capabilities;
    offered.contains(Capabilities::PERSISTENT_HANDLES) && tree.share.is_continuously_available()
}

fn refuse_two(known: Wish) -> Result<(), NtStatus> {
    if known == Wish::None {
        Ok(())
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}

fn asks_for_handle(caching: &Caching) -> bool {
    match caching {
        Caching::None => false,
        Caching::Oplock(level) => *level == OplockLevel::BATCH,
        Caching::Lease(lease) => lease.state.contains(LeaseState::HANDLE_CACHING),
    }
}
