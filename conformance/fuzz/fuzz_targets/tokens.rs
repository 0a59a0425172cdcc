//! The target `tokens` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (conformance::fuzz::target("tokens").expect("a target").run)(input);
});
