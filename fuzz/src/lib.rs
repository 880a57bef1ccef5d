//! What all targets share: how libFuzzer calls a body, and what it hears of it.

pub mod counters;

/// A target by the type of its input. With `json`, its text is changed as JSON most of the time.
#[macro_export]
macro_rules! target {
    ($input:ty) => {
        libfuzzer_sys::fuzz_target!(init: $crate::plant(), |input: $input| {
            let reached = backfire::fuzz::Body::check(&input);
            $crate::counters::feed(&reached);
            $crate::counters::count(reached, <$input as backfire::fuzz::Body>::USEFUL);
        });
    };
    ($input:ty, json) => {
        $crate::target!($input);
        $crate::json_mutator!();
    };
}

/// Plants the bug that `BACKFIRE_PLANTED` names, to see whether the target finds it.
pub fn plant() {
    if let Some(bug) = std::env::var_os("BACKFIRE_PLANTED") {
        backfire::fuzz::planted::plant(&bug.to_string_lossy());
    }
}

/// Lets [`mutate_json`] change the inputs.
#[macro_export]
macro_rules! json_mutator {
    () => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate_json(data, size, max_size, seed)
        });
    };
}

/// Changes a value of the JSON in an input, and one time in four a byte, as libFuzzer does by itself.
pub fn mutate_json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if !seed.is_multiple_of(4)
        && let Some(changed) = backfire::fuzz::json_mutator::mutate(&data[..size], seed)
        && changed.len() <= max_size
    {
        data[..changed.len()].copy_from_slice(&changed);
        return changed.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}
