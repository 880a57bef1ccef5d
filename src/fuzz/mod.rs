//! The bodies of the fuzz targets: what bytes mean, and what must be true of it.
//!
//! They live here and not in `fuzz/`, so that an ordinary test replays every saved input on a stable compiler and
//! without a fuzzer. A target is a type that is read from bytes, an `impl` of [`Body`], a line in [`TARGETS`], and
//! three lines in `fuzz/fuzz_targets/`.

pub mod twin;
pub mod walk;

use arbitrary::{Arbitrary, Unstructured};

/// What a fuzz target does with an input that could be read.
pub trait Body: for<'a> Arbitrary<'a> {
    /// Holds the input against what must be true.
    ///
    /// # Panics
    ///
    /// If it isn't: this is what a fuzzer looks for.
    fn check(&self);
}

/// A fuzz target by its name, which is also the name of its file and of the folders of its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Checks an input; gives whether the bytes were one.
    pub run: fn(&[u8]) -> bool,
}

/// All targets.
pub const TARGETS: &[Target] = &[Target { name: "walk", run: run::<walk::Walk> }];

/// Reads bytes exactly as `libfuzzer_sys::fuzz_target!` does: another decoding would replay another input.
fn run<T: Body>(data: &[u8]) -> bool {
    if data.len() < T::size_hint(0).0 {
        return false;
    }
    let input = T::arbitrary_take_rest(Unstructured::new(data));
    input.is_ok_and(|input| {
        input.check();
        true
    })
}
