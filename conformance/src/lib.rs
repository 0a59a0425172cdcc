//! Simulator, fuzzers, house checks, raw client and outside suites.

pub mod bench;
pub mod captures;
pub mod client;
pub mod fuzz;
pub mod model;
pub mod sim;
pub mod trace;
