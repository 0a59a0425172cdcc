//! A share: a name, its settings, and the handler behind it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use config::{Access, Caching, Encryption, Permissions};
use wire::NtStatus;
use wire::dtyp::{AccessMask, AclSlot, SecurityDescriptor};

use super::handler::ShareHandler;
use super::name::Name;
use super::types::{Features, ShareKind};
use crate::access::{self, Privileges, SecurityToken};
use crate::object_store::{Location, NameCase, ShareId};

/// A share as clients see it. [MS-SMB2] 3.3.1.6
pub struct Share {
    /// The number by which the object store tells shares apart.
    pub id: ShareId,
    /// The settings it was made from.
    pub settings: config::Share,
    /// What carries the commands out.
    pub handler: Arc<dyn ShareHandler>,
    features: Features,
    /// Shared with what the share was before its settings changed.
    current_uses: Arc<AtomicU32>,
}

impl Share {
    /// A share with these settings and this handler.
    #[must_use]
    pub fn new(id: ShareId, settings: config::Share, handler: Arc<dyn ShareHandler>) -> Self {
        let features = handler.features();
        Self {
            id,
            settings,
            handler,
            features,
            current_uses: Arc::default(),
        }
    }

    /// The same share with other settings. Whoever uses it already is counted on.
    #[must_use]
    pub fn with_settings(&self, settings: config::Share) -> Self {
        Self {
            id: self.id,
            settings,
            handler: self.handler.clone(),
            features: self.features,
            current_uses: self.current_uses.clone(),
        }
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the handler can do.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether the share is `IPC$`.
    #[must_use]
    pub fn is_pipe(&self) -> bool {
        self.features.kind == ShareKind::Pipe
    }

    /// Where `name` is, for the object store.
    #[must_use]
    pub fn location<'a>(&self, name: &'a Name) -> Location<'a> {
        let case = if self.features.case_sensitive {
            NameCase::Sensitive
        } else {
            NameCase::Insensitive
        };
        Location {
            share: self.id,
            case,
            name,
        }
    }

    /// EncryptData: only encrypted requests are served.
    #[must_use]
    pub fn encrypt_data(&self) -> bool {
        self.settings.encryption == Encryption::Required
    }

    /// IsCA: opens on it can outlive the server.
    #[must_use]
    pub fn is_continuously_available(&self) -> bool {
        self.settings.continuous_availability && self.features.kind == ShareKind::Disk
    }

    /// CscFlags.
    #[must_use]
    pub fn caching(&self) -> Caching {
        self.settings.caching
    }

    /// What the settings let this user do.
    #[must_use]
    pub fn access(&self, identity: &auth::Identity) -> Access {
        match identity.kind {
            auth::LogonKind::User => {
                let groups = identity
                    .account
                    .as_ref()
                    .map_or(&[][..], |account| &account.groups);
                self.settings.access(&identity.user, groups)
            }
            auth::LogonKind::Guest => self.settings.guest_access(),
            auth::LogonKind::Anonymous if self.is_pipe() => Access::Full,
            auth::LogonKind::Anonymous => self.settings.guest_access(),
        }
    }

    /// What of `access` the share's permissions leave to somebody with this token. Privileges count for nothing.
    ///
    /// # Errors
    /// `ACCESS_DENIED`: nothing that a file could be used for.
    // [MS-SMB2] 3.3.5.7
    pub fn permit(
        &self,
        access: AccessMask,
        token: &SecurityToken,
    ) -> Result<AccessMask, NtStatus> {
        let Some(permissions) = &self.settings.permissions else {
            return Ok(access);
        };
        let (user, group) = (*token.user(), *token.primary_group());
        let bare = SecurityToken::new(user, group, token.groups().to_vec(), Privileges::NONE);
        let permitted = access::maximal_access(&bare, &described(permissions));
        let left = AccessMask::from_bits(access.bits() & permitted.bits());
        if left.intersects(AccessMask::FILE_SPECIFIC) {
            Ok(left)
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    }

    /// CurrentUses.
    #[must_use]
    pub fn current_uses(&self) -> u32 {
        self.current_uses.load(Ordering::Relaxed)
    }

    /// Counts one more use; false when MaxUses is reached.
    #[must_use]
    pub fn acquire_use(&self) -> bool {
        let most = match self.settings.max_connections {
            0 => u32::MAX,
            most => most,
        };
        self.current_uses
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |uses| {
                uses.checked_add(1).filter(|uses| *uses <= most)
            })
            .is_ok()
    }

    pub(crate) fn release_use(&self) {
        self.current_uses.fetch_sub(1, Ordering::AcqRel);
    }
}

/// FileSecurity: permissions as a descriptor that nobody owns.
fn described(permissions: &Permissions) -> SecurityDescriptor {
    SecurityDescriptor {
        dacl: AclSlot::List(permissions.list().clone()),
        ..SecurityDescriptor::default()
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}
