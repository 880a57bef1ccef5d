//! What all targets share: how libFuzzer calls a body, and what it hears of it.

pub mod counters;

/// A fifth of a target's time goes by in the system's allocator; the command line tool has this one for the
/// same reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A target by the type of its input. With a function that changes its text, that does it most of the time.
#[macro_export]
macro_rules! target {
    ($input:ty) => {
        libfuzzer_sys::fuzz_target!(init: $crate::plant(), |input: $input| {
            let reached = backfire_fuzz_bodies::Body::check(&input);
            $crate::counters::feed(&reached);
            $crate::counters::count(reached, <$input as backfire_fuzz_bodies::Body>::USEFUL);
        });
    };
    ($input:ty, $mutate:path, a byte one time in $bytes:literal) => {
        $crate::target!($input);
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate_text(data, size, max_size, seed, $bytes, $mutate)
        });
    };
}

/// Plants the bug that `BACKFIRE_PLANTED` names, to see whether the target finds it.
pub fn plant() {
    if let Some(bug) = std::env::var_os("BACKFIRE_PLANTED") {
        backfire_fuzz_bodies::planted::plant(&bug.to_string_lossy());
    }
}

/// Changes an input with `mutate`, and now and then a byte of it, as libFuzzer does by itself.
pub fn mutate_text(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    bytes: u32,
    mutate: fn(&[u8], u32) -> Option<Vec<u8>>,
) -> usize {
    if !seed.is_multiple_of(bytes)
        && let Some(changed) = mutate(&data[..size], seed)
        && changed.len() <= max_size
    {
        data[..changed.len()].copy_from_slice(&changed);
        return changed.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}
