//! The target `push_rules` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heliograph_fuzz::push_rules(data));
