//! The text of a journal: what is read can be written and is the same again, and whatever it says can be
//! judged.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{Body, Reached, Seeds};
use backfire::{
    check::verdict::{judge, word},
    journal::{Journal, JournalError, What},
    scenario::Scenario,
};

/// A file's bytes.
pub struct JournalFile(Vec<u8>);

impl<'a> Arbitrary<'a> for JournalFile {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

impl Body for JournalFile {
    fn check(&self) -> Reached {
        let journal = match Journal::read(&*self.0) {
            Ok(journal) => journal,
            Err(JournalError::Line { line, .. }) => {
                let lines = self.0.split(|byte| *byte == b'\n').count();
                assert!((1..=lines).contains(&line), "line {line} of {lines}");
                return Reached::new();
            }
            Err(_) => return Reached::new(),
        };
        let written = bytes(&journal);
        let again = Journal::read(&*written).expect("what was written can be read");
        assert!(bytes(&again) == written, "written twice, two texts");
        judged(&journal).into_iter().map(|word| word.into()).collect()
    }
}

fn bytes(journal: &Journal) -> Vec<u8> {
    let mut bytes = Vec::new();
    journal.write(&mut bytes).expect("writing to memory does not fail");
    bytes
}

/// The verdict on a journal, however little it is one of a run.
fn judged(journal: &Journal) -> Option<&'static str> {
    let Some(What::Run { definition, .. }) = journal.records.first().map(|record| &record.what) else {
        return None;
    };
    let scenario = Scenario::parse(&definition.to_string(), "journal").ok()?;
    judge(&scenario, journal).ok().map(|judgement| word(judgement.verdict))
}

impl fmt::Debug for JournalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

pub(super) fn seeds() -> Seeds {
    use backfire::simulation::{Options, simulate};

    let runs = [
        ("one-message", r#"[{"at":"1s","message":{"by":"a"}}]"#),
        (
            "partition",
            r#"[{"at":"1s","partition":{"groups":[["a"],["b"]],"for":"5s"}},
                {"at":"2s","message":{"by":"a"}},{"at":"3s","message":{"by":"b"}}]"#,
        ),
    ];
    let run = |timeline: &str| {
        let text = format!(
            r#"{{"why":"a seed","servers":{{"a":{{}},"b":{{}}}},"room":{{"created_by":"a"}},"timeline":{timeline}}}"#
        );
        let scenario = Scenario::parse(&text, "seed.json").unwrap_or_else(|error| panic!("{error}"));
        bytes(&simulate(&scenario, &Options::default()).unwrap().journal)
    };
    runs.map(|(name, timeline)| (name, run(timeline))).to_vec()
}
