//! What stands behind a share: handlers that carry out commands on names and handles.

pub mod config_share;
#[cfg(test)]
mod contract;
pub mod disk;
pub mod ipc;
pub mod memory;
pub mod offload;
pub mod print;
mod ready;
pub mod virtual_tree;
pub mod wrappers;
