//! The target `deframer` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (conformance::fuzz::target("deframer").expect("a target").run)(input);
});
