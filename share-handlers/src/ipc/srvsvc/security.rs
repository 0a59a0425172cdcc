//! Descriptors of files, read and set by name.

use std::sync::Arc;

use bytes::BytesMut;
use server::access::{needed_to_read, needed_to_set};
use server::share::{Handle, Name};
use wire::dtyp::{AccessMask, SecurityDescriptor, SecurityInformation};
use wire::{NtStatus, Utf16String, Writer};

use super::super::ndr::Array;
use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::types::Descriptor;
use super::{BACKSLASH, Text, filled};

// [MS-SRVS] 3.1.4.27
pub(super) fn get_file_security(
    call: &mut Call<'_>,
    (_, share, file, parts): (Text, Text, Utf16String, u32),
) -> Result<Later<(Option<Descriptor>, u32)>, Fault> {
    let parts = SecurityInformation::from_bits(parts);
    let opening = open(call, share, &file, needed_to_read(parts));
    Ok(Box::pin(async move {
        let read = async { opening?.await?.security(parts).await };
        match read.await {
            Err(status) => (None, error_of(status)),
            Ok(descriptor) => {
                let mut bytes = BytesMut::new();
                descriptor.encode(&mut Writer::new(&mut bytes));
                let descriptor = Descriptor {
                    length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                    bytes: Some(Array(bytes.to_vec())),
                };
                (Some(descriptor), win32::SUCCESS)
            }
        }
    }))
}

// [MS-SRVS] 3.1.4.28
pub(super) fn set_file_security(
    call: &mut Call<'_>,
    (_, share, file, parts, descriptor): (Text, Text, Utf16String, u32, Descriptor),
) -> Result<Later<(u32,)>, Fault> {
    let parts = SecurityInformation::from_bits(parts);
    let bytes = descriptor.bytes.unwrap_or(Array(Vec::new())).0;
    let decoded = SecurityDescriptor::decode(&bytes).map_err(|_| NtStatus::INVALID_PARAMETER);
    let mut access = needed_to_set(parts);
    // Shares know nothing of the right to say what is audited: who may set no list there sets none of these.
    if access.contains(AccessMask::ACCESS_SYSTEM_SECURITY) {
        access |= AccessMask::WRITE_DAC;
    }
    let opening = open(call, share, &file, access);
    Ok(Box::pin(async move {
        let set = async {
            let descriptor = decoded?;
            opening?.await?.set_security(parts, descriptor).await
        };
        (set.await.err().map_or(win32::SUCCESS, error_of),)
    }))
}

type Opening = server::share::Answer<'static, Arc<dyn Handle>>;

/// Opens a file of a share as the caller, who must be an administrator.
fn open(
    call: &Call<'_>,
    share: Text,
    file: &Utf16String,
    access: AccessMask,
) -> Result<Opening, NtStatus> {
    if !call.is_administrator() {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let facts = call.caller.log_on.as_ref();
    let facts = facts.ok_or(NtStatus::ACCESS_DENIED)?;
    let share = filled(share).ok_or(NtStatus::INVALID_PARAMETER)?;
    let units = file.as_units();
    let below = units.strip_prefix(&[BACKSLASH]).unwrap_or(units);
    let name = Name::parse(&Utf16String::from_units(below.to_vec()));
    let name = name.map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
    let view = &call.services.view;
    Ok(view.open_object(facts, &share.to_string_lossy(), name, access))
}

fn error_of(status: NtStatus) -> u32 {
    match status {
        NtStatus::BAD_NETWORK_NAME => win32::NET_NAME_NOT_FOUND,
        NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::OBJECT_PATH_NOT_FOUND => win32::FILE_NOT_FOUND,
        NtStatus::INVALID_PARAMETER => win32::INVALID_PARAMETER,
        NtStatus::OBJECT_NAME_INVALID => win32::INVALID_NAME,
        NtStatus::NOT_SUPPORTED => win32::NOT_SUPPORTED,
        _ => win32::ACCESS_DENIED,
    }
}
