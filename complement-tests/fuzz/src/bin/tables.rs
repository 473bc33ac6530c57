//! The target `tables` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heliograph_fuzz::tables(data));
