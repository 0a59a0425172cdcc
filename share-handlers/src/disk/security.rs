//! Security descriptors of files and folders.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::fs::Statx;
use server::share::Caller;
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};

use super::DiskShare;
use super::file::{File, Opening};
use super::resolve::Folder;

/// Where descriptors are kept without privileges.
pub(super) const USER_NTACL: &CStr = c"user.NTACL";

impl DiskShare {
    pub(super) fn check_may_add(
        &self,
        _caller: &Caller,
        _folder: &Folder,
        _directory: bool,
    ) -> Result<(), NtStatus> {
        Ok(())
    }

    pub(super) fn set_first_security(
        &self,
        _caller: &Caller,
        _folder: &Folder,
        _file: &File,
        _asked: Option<&SecurityDescriptor>,
    ) -> Result<(), NtStatus> {
        Ok(())
    }

    pub(super) fn security_of(
        &self,
        _file: &File,
        _host: &Statx,
    ) -> Result<Option<Arc<SecurityDescriptor>>, NtStatus> {
        Ok(None)
    }
}

impl Opening {
    pub(super) fn security_parts(
        &self,
        _parts: SecurityInformation,
    ) -> Result<SecurityDescriptor, NtStatus> {
        Err(NtStatus::NOT_SUPPORTED)
    }

    pub(super) fn parent_security_now(&self) -> Result<Option<SecurityDescriptor>, NtStatus> {
        Ok(None)
    }

    pub(super) fn set_security_now(
        &self,
        _parts: SecurityInformation,
        _descriptor: &SecurityDescriptor,
    ) -> Result<(), NtStatus> {
        Err(NtStatus::NOT_SUPPORTED)
    }
}
