//! Oplocks, leases and their breaks as clients see them: when a break comes, and what ends it.

mod clients;
mod dialects;
mod endings;
mod folders;
mod handles;
mod notices;
mod resent;
