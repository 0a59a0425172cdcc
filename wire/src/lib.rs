//! Every SMB2 message and data type, as typed values.
//!
//! This crate turns bytes into values and values into bytes. It checks what a structure is by itself
//! – sizes, offsets, lengths, alignment – and never what the values mean: a value that the server must
//! refuse with a particular status decodes, so that the command can choose that status.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

mod flags;

pub mod dtyp;
pub mod fscc;
