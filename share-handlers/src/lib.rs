//! What stands behind a share: handlers that carry out commands on names and handles.

pub mod disk;
pub mod ipc;
pub mod memory;
pub mod offload;
mod ready;
