//! What clients wait for on each other's account: breaks of oplocks and leases, and locks. When a break comes, what
//! ends a wait, and what it costs others.

mod clients;
mod dialects;
mod endings;
mod folders;
mod handles;
mod locks;
mod moves;
mod notices;
mod protection;
mod resent;
