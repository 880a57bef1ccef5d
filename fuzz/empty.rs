#![no_main]

// The same bytes as those of `request`, changed in the same way.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let body = data.windows(2).position(|pair| pair == b"\n\n").map_or(data, |head| &data[head + 2..]);
    drop(serde_json::from_slice::<serde_json::Value>(body));
});
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    backfire_fuzz::mutate_text(data, size, max_size, seed, 16, backfire_fuzz_bodies::request_mutator::mutate)
});
