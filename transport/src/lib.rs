//! Links that carry whole SMB messages.
//!
//! A [`Listener`] yields [`Link`]s; a link takes whole messages off its socket and puts
//! [`Frame`]s onto it. This crate knows where a message begins and ends and nothing of what is
//! in it: it never looks behind the transport header, and decides no policy but its limits.
//!
//! Bytes move as seldom as they can: the kernel writes a large message straight into the buffer
//! that is handed up, a frame's parts go out in one vectored call, and a [`FileRegion`] goes from
//! the page cache to the socket. Buffers come from a [`BufferPool`]; an idle link holds none.

#![forbid(unsafe_code)]

mod direct_tcp;
mod frame;
mod link;
pub mod netbios;
mod pool;
mod send;

pub use direct_tcp::Listener;
pub use frame::{Deframer, FrameError, Framing, HEADER_LENGTH, MAX_MESSAGE, Packet};
pub use link::{Link, LinkError, LinkFacts, LinkKind, LinkReader, LinkSettings, LinkWriter};
pub use pool::BufferPool;
pub use send::{FileRegion, Frame, FrameTooLong, Part};
