//! Handlers that stand before another handler and change what it does.
//!
//! Each is one file and goes over any share, in any order.

pub mod faulty;
pub mod read_only;
