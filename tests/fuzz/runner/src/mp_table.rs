//! libFuzzer's `mp_table`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| switchboard_fuzz::run("mp_table", data));
