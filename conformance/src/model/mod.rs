//! What a file server must do, as plainly as it can be said: names, contents, share modes, locks
//! and deletion, one operation at a time.
//!
//! The simulator asks it to judge each reply. Where the specification lets a server choose, the
//! model takes the server's word; everything else must be as it says.

mod files;
mod operation;
mod rules;

pub use files::Model;
pub use operation::{Access, Disposition, Operation, Outcome, Sharing};
