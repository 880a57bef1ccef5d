//! What an input led to, told to libFuzzer as if it were branches: it keeps inputs that lead to something
//! new, though no code ran that had not run before.
//!
//! libFuzzer reads every byte of the section `__libfuzzer_extra_counters`. That takes the only `unsafe` of
//! Backfire.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use backfire_fuzz_bodies::Reached;

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

/// What has come of all inputs together.
struct Tally {
    inputs: u64,
    /// Those that got to what the target is about.
    useful: u64,
    marks: Reached,
}

/// Counts an input; it is useful if it reached one of those marks. With `BACKFIRE_TALLY` set, a line says so
/// whenever there are new marks, and whenever libFuzzer gives its pulse: after 1, 2, 4, 8 inputs, and so on.
pub fn count(reached: Reached, useful: &[&str]) {
    static TOLD: OnceLock<bool> = OnceLock::new();
    static TALLY: Mutex<Tally> = Mutex::new(Tally { inputs: 0, useful: 0, marks: Reached::new() });
    if !*TOLD.get_or_init(|| std::env::var_os("BACKFIRE_TALLY").is_some()) {
        return;
    }
    let mut tally = TALLY.lock().expect("nothing panics while it is held");
    tally.inputs += 1;
    tally.useful += u64::from(useful.is_empty() || useful.iter().any(|mark| reached.contains(*mark)));
    let before = tally.marks.len();
    tally.marks.extend(reached);
    if tally.inputs.is_power_of_two() || tally.marks.len() > before {
        let Tally { inputs, useful, marks } = &*tally;
        eprintln!("{inputs} inputs, {} % of them useful; {} marks", useful * 100 / inputs, marks.len());
    }
}

/// FNV-1a, folded to the size of the table.
fn place(mark: &str) -> usize {
    let hash = mark.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ hash >> 32) as usize % SIZE
}
