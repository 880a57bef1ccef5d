#![no_main]

// The same bytes as those of `request`, changed in the same way.
backfire_fuzz::json_mutator!();
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let body = data.windows(2).position(|pair| pair == b"\n\n").map_or(data, |head| &data[head + 2..]);
    drop(serde_json::from_slice::<serde_json::Value>(body));
});
