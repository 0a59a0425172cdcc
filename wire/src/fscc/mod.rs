//! File-system structures that SMB2 carries: information classes, control codes, names ([MS-FSCC]).
//!
//! Owns their form on the wire, and the two rules about names that need no file system:
//! upper-casing and pattern matching. Never decides what a volume supports.

mod attributes;
mod class;
pub mod directory_info;
pub mod expression;
pub mod file_info;
mod fsctl;
pub mod fsctl_data;
mod layout;
pub mod notify;
pub mod reparse;
pub mod upcase;
mod upcase_table;
pub mod volume_info;

pub use attributes::{FileAttributes, ReparseTag};
pub use class::{FileInfoClass, FsInfoClass};
pub use directory_info::{DirectoryEncoder, DirectoryEntry};
pub use expression::{CaseRule, Pattern};
pub use file_info::{FileInformation, Fit, SetFileInformation, TimeChange};
pub use fsctl::Fsctl;
pub use notify::{CompletionFilter, FileAction, FileNotifyInformation};
pub use reparse::ReparseBuffer;
pub use volume_info::FsInformation;
