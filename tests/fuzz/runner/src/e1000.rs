//! libFuzzer's `e1000`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| switchboard_fuzz::run("e1000", data));
