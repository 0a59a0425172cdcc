//! What stands behind a share: handlers that carry out commands on names and handles.

#[cfg(test)]
mod contract;
pub mod disk;
pub mod faulty;
pub mod ipc;
pub mod memory;
pub mod offload;
pub mod read_only;
mod ready;
