//! The configuration file and every limit.
//!
//! This crate takes the text of a configuration file and gives typed values, or every mistake in
//! it, each with its line and with what would be right. It opens no file: the program reads the
//! text and hands it in.
//!
//! Each setting is named once, in its section's [`Section::settings`](schema::Section); reading,
//! printing, comparing and the check of `reference.toml` all walk that one list, so a setting
//! cannot be read but undocumented, or documented but dead.
//!
//! | module | owns |
//! |---|---|
//! | `file` | [`Configuration`], the whole file |
//! | `server`, `users`, `log`, `shares`, `lab`, [`limits`] | one section of the file each |
//! | [`mod@print`] | the settings of a print share |
//! | [`compartments`] | what a share of the kind `config` may do to the machine |
//! | [`settings`] | a running configuration setting by setting |
//! | [`wrappers`] | what may stand between a share's users and its contents |
//! | `permissions` | how the file describes who may do what on a share |
//! | `interface` | how the file describes a network interface |
//! | [`reload`] | what differs between two configurations, and what of it can take effect at once |
//! | `mistake` | one mistake in a file, and the nearest known word |
//! | `schema`, `value` | how sections and values are read from TOML and printed as TOML |

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

pub mod compartments;
mod file;
mod interface;
mod lab;
pub mod limits;
mod log;
mod mistake;
mod permissions;
pub mod print;
pub mod reload;
mod schema;
mod server;
pub mod settings;
mod shares;
mod users;
mod value;
pub mod wrappers;

pub use compartments::{Compartments, Program};
pub use file::Configuration;
pub use interface::Interface;
pub use lab::Lab;
pub use limits::Limits;
pub use log::{Level, Log, LogFormat};
pub use mistake::{Mistake, Mistakes};
pub use permissions::{ParsePermissionsError, Permissions};
pub use print::Print;
pub use server::{Cipher, Dialect, Encryption, GuestPolicy, Server, Signing, SigningAlgorithm};
pub use settings::{ShownSetting, Unchanged};
pub use shares::{Access, Caching, Oplocks, PendingReplay, Share, ShareKind, Symlinks};
pub use users::{Demo, Identity, RunAs};
pub use value::{Mode, Size};
pub use wrappers::Wrapper;
