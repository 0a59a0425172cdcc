//! Which CREATE a client may repeat: opens by the client's GUID for them, and requests with such a GUID
//! that are still under way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use wire::dtyp::Guid;

use crate::object_store::OpenId;
use crate::open::Open;
use crate::server::Server;

/// The client's name for one CREATE: ClientGuid and CreateGuid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CreateName {
    pub(crate) client: Guid,
    pub(crate) create: Guid,
}

/// What is known by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The request is being carried out, and has not opened the file: others do not share it.
    Opening,
    /// The request is being carried out; what remains is that others give up their caching.
    Opened,
    /// An open that is eligible for replay.
    Open(OpenId),
}

/// All names in use.
#[derive(Debug, Default)]
pub(crate) struct CreateGuids(Mutex<HashMap<CreateName, Known>>);

impl CreateGuids {
    /// The number of names in use.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// A request that is being carried out under a name. The name is free again when this goes.
pub(crate) struct UnderWay {
    server: Arc<Server>,
    name: CreateName,
}

impl UnderWay {
    /// Takes the name.
    ///
    /// # Errors
    /// What is known by it already.
    pub(crate) fn begin(server: &Arc<Server>, name: CreateName) -> Result<Self, Known> {
        match server.create_guids.0.lock().entry(name) {
            Entry::Occupied(known) => return Err(*known.get()),
            Entry::Vacant(free) => free.insert(Known::Opened),
        };
        Ok(Self {
            server: server.clone(),
            name,
        })
    }

    /// Notes what the request waits for.
    pub(crate) fn wait_for(&self, stage: Known) {
        self.server.create_guids.0.lock().insert(self.name, stage);
    }

    /// The request has made this open: it may be repeated until the client uses the open.
    // [MS-SMB2] 3.3.5.9.10
    pub(crate) fn finish(self, open: &Open) {
        open.is_replay_eligible.store(true, Ordering::Release);
        self.wait_for(Known::Open(open.id()));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut names = self.server.create_guids.0.lock();
        if !matches!(names.get(&self.name), Some(Known::Open(_))) {
            names.remove(&self.name);
        }
    }
}

/// The client uses the open, or it is closed: its CREATE is not repeated any more.
#[inline]
pub(crate) fn end_replay(server: &Server, open: &Open) {
    if open.is_replay_eligible.load(Ordering::Relaxed)
        && open.is_replay_eligible.swap(false, Ordering::AcqRel)
        && let Some(create) = open.create_guid
    {
        let name = CreateName {
            client: open.client_guid,
            create,
        };
        server.create_guids.0.lock().remove(&name);
    }
}
