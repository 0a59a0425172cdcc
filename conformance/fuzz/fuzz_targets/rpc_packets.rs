//! The target `rpc_packets` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (conformance::fuzz::target("rpc_packets").expect("a target").run)(input);
});
