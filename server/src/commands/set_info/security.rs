//! SET_INFO of a security descriptor. [MS-SMB2] 3.3.5.21.3

use wire::dtyp::{AccessMask, SecurityDescriptor};
use wire::fscc::CompletionFilter;
use wire::{NtStatus, SetInfoRequest};

use crate::access::needed_to_set;
use crate::commands::effects;
use crate::context::Context;
use crate::object_store::Operation;
use crate::open::Open;

/// Stores the parts of the descriptor that the request names.
///
/// # Errors
/// `ACCESS_DENIED` without the right to write a part, `INVALID_PARAMETER` for bytes that are no descriptor,
/// `INVALID_OWNER` and the like from the handler.
pub(super) async fn set(
    context: &mut Context,
    open: &Open,
    request: &SetInfoRequest,
) -> Result<(), NtStatus> {
    let parts = request.security_information();
    let needed = needed_to_set(parts);
    open.require(needed)?;
    // Shares know nothing of the right to say what is audited: who may set no list there sets none of these.
    let sets_system = needed.contains(AccessMask::ACCESS_SYSTEM_SECURITY);
    if sets_system && !open.tree.maximal_access.contains(AccessMask::WRITE_DAC) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let descriptor =
        SecurityDescriptor::decode(&request.buffer).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    effects::prepare(context, open, Operation::SetSecurity).await?;
    open.handle.set_security(parts, descriptor).await?;
    let changed = CompletionFilter::SECURITY;
    effects::report_file(&context.server, open, changed).await;
    Ok(())
}
