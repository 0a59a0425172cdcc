//! The packet layer: takes a frame apart into messages and puts replies together.
//!
//! It knows transform headers, compounds and padding; it knows no command. What it refuses ends
//! the connection.

mod buffer;
mod compound;
mod reply;
mod transform;
mod unsolicited;

pub use buffer::BufferPool;
pub(crate) use compound::split;
pub use reply::Frame;
pub(crate) use reply::{ReplyBuffer, Signer};
pub(crate) use transform::open;
pub(crate) use unsolicited::unsolicited;
