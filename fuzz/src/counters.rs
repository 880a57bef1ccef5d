//! What an input led to, told to libFuzzer as if it were branches: it keeps inputs that lead to something new, though no
//! code ran that had not run before.
//!
//! libFuzzer reads every byte of the section `__libfuzzer_extra_counters`. That takes the only `unsafe` of Backfire.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use backfire::fuzz::Reached;

const SIZE: usize = 4096;

#[repr(C, align(64))]
struct Counters([AtomicU8; SIZE]);

#[used]
#[cfg_attr(all(fuzzing, target_os = "linux"), unsafe(link_section = "__libfuzzer_extra_counters"))]
static COUNTERS: Counters = Counters([const { AtomicU8::new(0) }; SIZE]);

/// Counts what an input led to, unless `BACKFIRE_UNGUIDED` is set, which is for comparisons.
pub fn feed(reached: &Reached) {
    static GUIDED: OnceLock<bool> = OnceLock::new();
    if *GUIDED.get_or_init(|| std::env::var_os("BACKFIRE_UNGUIDED").is_none()) {
        for mark in reached {
            // Not how often: each number would count as news.
            COUNTERS.0[place(mark)].store(1, Ordering::Relaxed);
        }
    }
}

/// FNV-1a, folded to the size of the table.
fn place(mark: &str) -> usize {
    let hash = mark.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ hash >> 32) as usize % SIZE
}
