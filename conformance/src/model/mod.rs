//! What a file server must do, as plainly as it can be said: names, contents, share modes, locks,
//! deletion, caching, opens without a client and watches, one operation at a time.
//!
//! The simulator asks it to judge each reply. Where the specification lets a server choose, the
//! model takes the server's word; everything else must be as it says.

mod away;
mod caching;
mod channels;
mod files;
mod folders;
mod locks;
mod operation;
mod order;
mod restart;
mod rules;
mod watching;

pub use caching::Notice;
pub use channels::{Counted, Sending};
pub use files::Model;
pub use locks::{Element, ElementKind, LockSequence};
pub use operation::{Access, Disposition, Holder, Kind, Leasing, Operation, Outcome, Sharing};
pub use order::{Event, Objection};
