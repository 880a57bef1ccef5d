//! The bodies of the fuzz targets: what bytes mean, and what must be true of it.
//!
//! They live here and not in `fuzz/`, so that an ordinary test replays every saved input on a stable compiler and
//! without a fuzzer. A target is a type that is read from bytes, an `impl` of [`Body`], a line in [`TARGETS`], and
//! three lines in `fuzz/fuzz_targets/`.

pub mod auth_header;
pub mod canary;
mod decisions;
mod host;
pub mod journal_file;
pub mod json_mutator;
pub mod pdu;
mod plain_event;
pub mod planted;
pub mod receive;
pub mod request;
pub mod request_mutator;
pub mod request_sequence;
pub mod response;
pub mod room_file;
pub mod scenario_file;
mod script;
pub mod simulation;
mod tape;
pub mod twin;
pub mod walk;
mod world;

use std::{borrow::Cow, collections::BTreeSet, fmt};

use arbitrary::{Arbitrary, Unstructured};

/// What an input led to, in a few words each: the fuzzer takes a new one for progress, as it does a new branch, and a
/// test wants the generators to reach them.
pub type Reached = BTreeSet<Cow<'static, str>>;

/// What a fuzz target does with an input that could be read.
pub trait Body: fmt::Debug + for<'a> Arbitrary<'a> {
    /// The marks of which one is reached by every input that got to what the target is about. None if the target has no
    /// gate at which an input could be stopped.
    const USEFUL: &'static [&'static str] = &[];

    /// Holds the input against what must be true; gives what it led to.
    ///
    /// # Panics
    ///
    /// If it isn't: this is what a fuzzer looks for.
    fn check(&self) -> Reached;
}

/// A fuzz target by its name, which is also the name of its file and of the folders of its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Checks an input; gives what it led to, or nothing if the bytes were none.
    pub run: fn(&[u8]) -> Option<Reached>,
    /// What bytes mean, for people.
    pub show: fn(&[u8]) -> String,
    /// What random bytes must lead to, or the generator is not worth its name. Of raw bytes nothing is wanted.
    pub wanted: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target::<auth_header::AuthHeader>("auth_header", auth_header::WANTED),
    target::<canary::Canary>("canary", &[]),
    target::<journal_file::JournalFile>("journal_file", &[]),
    target::<pdu::PduInput>("pdu", pdu::WANTED),
    target::<receive::Receive>("receive", receive::WANTED),
    target::<request::RawRequest>("request", &[]),
    target::<request_sequence::Sequence>("request_sequence", request_sequence::WANTED),
    target::<response::LyingPeer>("response", response::WANTED),
    target::<room_file::RoomFile>("room_file", &[]),
    target::<scenario_file::ScenarioFile>("scenario_file", &[]),
    target::<simulation::Tape>("simulation", simulation::WANTED),
    target::<walk::Walk>("walk", walk::WANTED),
];

const fn target<T: Body>(name: &'static str, wanted: &'static [&'static str]) -> Target {
    Target { name, run: run::<T>, show: show::<T>, wanted }
}

fn show<T: Body>(data: &[u8]) -> String {
    read::<T>(data).map_or_else(|| "no input".to_owned(), |input| format!("{input:?}"))
}

fn run<T: Body>(data: &[u8]) -> Option<Reached> {
    read::<T>(data).map(|input| input.check())
}

/// Reads bytes exactly as `libfuzzer_sys::fuzz_target!` does: another decoding would replay another input.
fn read<T: Body>(data: &[u8]) -> Option<T> {
    if data.len() < T::size_hint(0).0 {
        return None;
    }
    T::arbitrary_take_rest(Unstructured::new(data)).ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    type Seeds = Vec<(&'static str, Vec<u8>)>;

    /// The seeds of all targets, as the program makes them.
    fn seeds() -> Vec<(&'static str, Seeds)> {
        vec![
            ("auth_header", auth_header::seeds()),
            ("canary", canary::seeds()),
            ("journal_file", journal_file::seeds()),
            ("pdu", pdu::seeds()),
            ("receive", receive::seeds()),
            ("request", request::seeds()),
            ("request_sequence", request_sequence::seeds()),
            ("response", response::seeds()),
            ("room_file", room_file::seeds()),
            ("scenario_file", scenario_file::seeds()),
            ("simulation", simulation::seeds()),
            ("walk", walk::seeds()),
        ]
    }

    /// Seeds of these are files of the repository and runs of it, which may change without harm.
    const FROM_FILES: [&str; 2] = ["journal_file", "scenario_file"];

    fn folder(target: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "../seeds", target].iter().collect()
    }

    /// Writes the committed seeds anew: `cargo test --lib -- --ignored write_seeds`.
    #[test]
    #[ignore = "writes into fuzz/seeds"]
    fn write_seeds() {
        for (target, seeds) in seeds() {
            let _ = fs::remove_dir_all(folder(target));
            fs::create_dir_all(folder(target)).unwrap();
            for (name, bytes) in seeds {
                fs::write(folder(target).join(name), bytes).unwrap();
            }
        }
    }

    #[test]
    fn committed_seeds_are_those_that_are_made() {
        for (target, seeds) in seeds().into_iter().filter(|(target, _)| !FROM_FILES.contains(target)) {
            let kept = fs::read_dir(folder(target)).unwrap().count();
            assert_eq!(kept, seeds.len(), "{target}: run `cargo test --lib -- --ignored write_seeds`");
            for (name, bytes) in seeds {
                let kept = fs::read(folder(target).join(name)).unwrap_or_default();
                assert!(kept == bytes, "{target}/{name}: run `cargo test --lib -- --ignored write_seeds`");
            }
        }
    }
}
