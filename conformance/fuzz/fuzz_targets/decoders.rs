//! The target `decoders` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (conformance::fuzz::target("decoders").expect("a target").run)(input);
});
