//! The local security authority: what identifiers are called, and what the machine's domain is. [MS-LSAD], [MS-LSAT]
//!
//! Owns policy handles and the rights they carry; translation is in [`lookups`], the facts in [`policy`], who
//! holds rights in [`accounts`] and how that changes in [`grants`], what privileges there are in [`privileges`], the
//! structures in [`types`]. Everybody but anonymous users may look up; administrators change who holds which rights.

mod accounts;
mod grants;
mod lookups;
mod policy;
mod privileges;
#[cfg(test)]
mod tests;
mod types;

use super::rpc::interface;

interface! {
    /// The service behind `\PIPE\lsarpc`.
    // [MS-LSAD] 1.9
    LSARPC = "lsarpc", b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab", version 0 {
        0 => (policy::close),
        1 => (accounts::delete),
        2 => (privileges::enumerate),
        3 => (policy::query_security),
        6 => (policy::open_policy),
        7 => (policy::query_information),
        10 => later (grants::create),
        11 => (accounts::enumerate_accounts),
        13 => (policy::enumerate_trusted_domains),
        14 => later (lookups::lookup_names),
        15 => later (lookups::lookup_sids),
        17 => (accounts::open_account),
        18 => (accounts::enumerate_privileges),
        19 => later (grants::add_privileges),
        20 => later (grants::remove_privileges),
        23 => (accounts::system_access),
        24 => later (grants::set_system_access),
        31 => (privileges::lookup_value),
        32 => (privileges::lookup_name),
        33 => (privileges::lookup_display_name),
        34 => later (grants::delete_object),
        35 => (accounts::enumerate_with_right),
        36 => (accounts::enumerate_account_rights),
        37 => later (grants::add_rights),
        38 => later (grants::remove_rights),
        44 => (policy::open_policy_2),
        45 => (policy::get_user_name),
        46 => (policy::query_information),
        57 => later (lookups::lookup_sids_2),
        58 => later (lookups::lookup_names_2),
        68 => later (lookups::lookup_names_3),
        76 => later (lookups::lookup_sids_3),
        77 => later (lookups::lookup_names_4),
    }
}
