//! A folder of the host as a share.

mod errno;
mod identity;
mod index;
mod names;
