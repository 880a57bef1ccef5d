#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(serde_json::from_slice::<serde_json::Value>(data)));
