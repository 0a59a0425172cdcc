//! The target `rpc_stubs` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (conformance::fuzz::target("rpc_stubs").expect("a target").run)(input);
});
