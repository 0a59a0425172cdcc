//! File-system structures that SMB2 carries: information classes, control codes, names ([MS-FSCC]).
//!
//! Owns their form on the wire, and the two rules about names that need no file system: upper-casing
//! and pattern matching. Never decides what a volume supports.

pub mod expression;
pub mod upcase;
mod upcase_table;
