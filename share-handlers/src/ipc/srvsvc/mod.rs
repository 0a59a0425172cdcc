//! The server service: the shares, the server, its sessions and what they have open. [MS-SRVS]
//!
//! Owns which procedure is where; what they do is in [`shares`], [`share_changes`], [`use_of`], [`server_facts`] and
//! [`security`], the structures they speak in in [`types`]. Everybody who is let in may browse; who uses what, and every change, is
//! for administrators.

mod security;
mod server_facts;
mod share_changes;
mod shares;
mod types;
mod use_of;

use wire::Utf16String;
use wire::fscc::upcase::eq_ignore_case;

use super::rpc::interface;

interface! {
    /// The service behind `\PIPE\srvsvc`.
    // [MS-SRVS] 1.9
    SRVSVC = "srvsvc", b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88", version 3 {
        8 => (use_of::connection_enum),
        9 => (use_of::file_enum),
        10 => (use_of::file_get_info),
        11 => later (use_of::file_close),
        12 => (use_of::session_enum),
        13 => later (use_of::session_del),
        14 => later (share_changes::share_add),
        15 => (shares::share_enum),
        16 => (shares::share_get_info),
        17 => later (share_changes::share_set_info),
        18 => later (share_changes::share_del),
        19 => later (share_changes::share_del),
        20 => (shares::share_check),
        21 => (server_facts::server_get_info),
        23 => (server_facts::disk_enum),
        24 => (server_facts::statistics_get),
        26 => (server_facts::transport_enum),
        28 => (server_facts::remote_tod),
        33 => (server_facts::name_validate),
        36 => (shares::share_enum_sticky),
        39 => later (security::get_file_security),
        40 => later (security::set_file_security),
    }
}

/// A string that need not be there.
type Text = Option<Utf16String>;

fn text(text: &str) -> Text {
    Some(text.into())
}

/// What is in a string that is there and not empty.
fn filled(text: Text) -> Text {
    text.filter(|text| !text.is_empty())
}

fn is_same(one: &Utf16String, other: &str) -> bool {
    eq_ignore_case(one.as_units(), Utf16String::from(other).as_units())
}

const BACKSLASH: u16 = 0x5c;
