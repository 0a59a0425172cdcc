//! Opens by the application that they are for: another start of it, on another client, takes their place.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use wire::dtyp::Guid;

use crate::object_store::OpenId;
use crate::open::Open;

/// The application that an open is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppInstance {
    /// AppInstanceId.
    pub id: Guid,
    /// ApplicationInstanceVersionHigh and -Low; the greater start of the application is the later one.
    pub version: Option<(u64, u64)>,
}

/// The opens of each application.
#[derive(Debug, Default)]
pub(crate) struct AppInstances(Mutex<BTreeMap<Guid, Vec<OpenId>>>);

impl AppInstances {
    /// Adds an open, if it is for an application.
    pub(crate) fn insert(&self, open: &Open) {
        if let Some(instance) = open.app_instance {
            let mut instances = self.0.lock();
            instances.entry(instance.id).or_default().push(open.id());
        }
    }

    /// Forgets an open that is closed.
    pub(crate) fn remove(&self, open: &Open) {
        let Some(instance) = open.app_instance else {
            return;
        };
        let mut instances = self.0.lock();
        if let Some(opens) = instances.get_mut(&instance.id) {
            opens.retain(|id| *id != open.id());
            if opens.is_empty() {
                instances.remove(&instance.id);
            }
        }
    }

    /// The number of applications that have opens.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// The opens of an application, the oldest first.
    pub(crate) fn find(&self, id: Guid) -> Vec<OpenId> {
        self.0.lock().get(&id).cloned().unwrap_or_default()
    }
}
