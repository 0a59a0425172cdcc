//! Simulator, fuzzers, house checks, raw client and outside suites.

pub mod client;
