//! The bodies of the fuzz targets: what bytes mean, and what must be true of it.
//!
//! A crate of its own that knows no fuzzer, so that an ordinary test replays every saved input on a stable
//! compiler, and whoever uses the library doesn't build it. A target is a type that is read from bytes, an
//! `impl` of [`Body`], a line in [`TARGETS`], and two lines in `fuzz/fuzz_targets/`.

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

/// What an input led to, in a few words each: the fuzzer takes a new one for progress, as it does a new
/// branch, and a test wants the generators to reach them.
pub type Reached = BTreeSet<Cow<'static, str>>;

/// What a fuzz target does with an input that could be read.
pub trait Body: fmt::Debug + for<'a> Arbitrary<'a> {
    /// The marks of which one is reached by every input that got to what the target is about. None if the
    /// target has no gate at which an input could be stopped.
    const USEFUL: &'static [&'static str] = &[];

    /// Holds the input against what must be true; gives what it led to.
    ///
    /// # Panics
    ///
    /// If it isn't: this is what a fuzzer looks for.
    fn check(&self) -> Reached;
}

/// Inputs to start from, by their names.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;

/// A fuzz target by its name, which is also the name of its file and of the folders of its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Checks an input; gives what it led to, or nothing if the bytes were none.
    pub run: fn(&[u8]) -> Option<Reached>,
    /// What bytes mean, for people.
    pub show: fn(&[u8]) -> String,
    /// Makes the inputs to start from, those in `fuzz/seeds`.
    pub seeds: fn() -> Seeds,
    /// What random bytes must lead to, or the generator is not worth its name. Of raw bytes nothing is
    /// wanted.
    pub wanted: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target::<auth_header::AuthHeader>("auth_header", auth_header::seeds, auth_header::WANTED),
    target::<canary::Canary>("canary", canary::seeds, &[]),
    target::<journal_file::JournalFile>("journal_file", journal_file::seeds, &[]),
    target::<pdu::PduInput>("pdu", pdu::seeds, pdu::WANTED),
    target::<receive::Receive>("receive", receive::seeds, receive::WANTED),
    target::<request::RawRequest>("request", request::seeds, &[]),
    target::<request_sequence::Sequence>(
        "request_sequence",
        request_sequence::seeds,
        request_sequence::WANTED,
    ),
    target::<response::LyingPeer>("response", response::seeds, response::WANTED),
    target::<room_file::RoomFile>("room_file", room_file::seeds, &[]),
    target::<scenario_file::ScenarioFile>("scenario_file", scenario_file::seeds, &[]),
    target::<simulation::Tape>("simulation", simulation::seeds, simulation::WANTED),
    target::<walk::Walk>("walk", walk::seeds, walk::WANTED),
];

const fn target<T: Body>(
    name: &'static str,
    seeds: fn() -> Seeds,
    wanted: &'static [&'static str],
) -> Target {
    Target { name, run: run::<T>, show: show::<T>, seeds, wanted }
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
