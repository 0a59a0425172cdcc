//! The account database: domains, users, groups and aliases, over the account file. [MS-SAMR]
//!
//! Owns which procedure is where. Handles are in [`objects`], what is told of a domain in [`domains`], accounts in
//! [`users`] and [`user_facts`], groups in [`aliases`] and [`groups`], new passwords in [`password`], descriptors in
//! [`security`], what is done to the account file in [`changes`], the structures in [`types`]. Whoever has said who it
//! is may ask; administrators change; anonymous users are refused.

mod aliases;
mod domains;
mod groups;
mod objects;
mod password;
mod security;
#[cfg(test)]
mod tests;
mod types;
mod user_facts;
mod users;

use super::rpc::interface;

interface! {
    /// The service behind `\PIPE\samr`.
    // [MS-SAMR] 1.9
    SAMR = "samr", b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac", version 1 {
        0 => (objects::connect),
        1 => (objects::close),
        3 => (security::query),
        5 => (domains::lookup_domain),
        6 => (domains::enumerate_domains),
        7 => (objects::open_domain),
        8 => (domains::query_information),
        10 => (groups::create),
        11 => (domains::enumerate_groups),
        12 => later (users::create),
        13 => (domains::enumerate_users),
        14 => later (aliases::create),
        15 => (domains::enumerate_aliases),
        16 => (aliases::memberships),
        17 => (domains::lookup_names),
        18 => (domains::lookup_ids),
        19 => (objects::open_group),
        20 => (groups::query_group),
        23 => (groups::delete),
        25 => (groups::members_in_group),
        27 => (aliases::open),
        28 => (aliases::query),
        29 => later (aliases::set),
        30 => later (aliases::delete),
        31 => later (aliases::add_member),
        32 => later (aliases::remove_member),
        33 => (aliases::list_members),
        34 => (objects::open_user),
        35 => later (users::delete),
        36 => (user_facts::query),
        37 => later (users::set),
        39 => (user_facts::groups_of),
        40 => (domains::query_display),
        44 => (password::user_rules),
        45 => later (aliases::remove_from_all),
        46 => (domains::query_information),
        47 => (user_facts::query),
        48 => (domains::query_display),
        50 => later (users::create_2),
        51 => (domains::query_display),
        52 => later (aliases::add_members),
        53 => later (aliases::remove_members),
        55 => later (password::change),
        56 => (password::domain_rules),
        57 => (objects::connect_2),
        58 => later (users::set),
        62 => (objects::connect_4),
        64 => (objects::connect_5),
        65 => (domains::relative_to_sid),
        73 => later (password::change_by_aes),
    }
}
