//! The target `sync_tokens` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heliograph_fuzz::sync_tokens(data));
