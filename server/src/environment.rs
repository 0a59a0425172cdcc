//! What the server needs from outside: time, randomness, and who the users of the host are.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::Identity;
use bytes::{Bytes, BytesMut};
use wire::NtStatus;
use wire::dtyp::FileTime;
use wire::fscc::fsctl_data::NetworkInterface;

use crate::persistence::PersistentStore;
use crate::share::{Caller, Share};

/// Work that runs by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time and randomness, handed in so that one seed replays a server.
pub trait Environment: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;

    /// The time of day.
    fn wall_clock(&self) -> FileTime;

    /// Fills `bytes` from a cryptographic random source.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Makes a received message shareable. Whoever lends out the buffers of long messages gets them back
    /// when the last share of one is dropped.
    fn share_message(&self, message: BytesMut) -> Bytes {
        message.freeze()
    }

    /// The addresses of this machine that clients may connect to, with what their interfaces can do.
    fn network_interfaces(&self) -> Vec<NetworkInterface> {
        Vec::new()
    }

    /// Ready once `duration` has passed.
    fn sleep(&self, duration: Duration) -> Task;

    /// Runs a task to its end, whatever becomes of the connection it was made for.
    fn spawn(&self, task: Task);
}

/// Maps who logged on to the rights that a share handler acts with.
pub trait IdentityMap: Send + Sync {
    /// The caller that `identity` is on `share`, with `force_user` and the uid map applied.
    ///
    /// # Errors
    /// `ACCESS_DENIED` when the identity maps to no user of the host, `LOGON_TYPE_NOT_GRANTED` when it may not come
    /// over the network.
    fn caller(&self, identity: &Identity, share: &Share) -> Result<Caller, NtStatus>;
}

/// Everything that is handed in.
#[derive(Clone)]
pub struct Surroundings {
    /// Time and randomness.
    pub environment: Arc<dyn Environment>,
    /// The users of the host.
    pub identities: Arc<dyn IdentityMap>,
    /// Where records of opens survive the server; without it, no open does.
    pub persistent_store: Option<Arc<dyn PersistentStore>>,
}
