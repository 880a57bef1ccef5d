//! The journal's format: the schema is that of the types, every record of every kept scenario fits it, and
//! `docs/journal.md` speaks of every record and field.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use backfire::{
    campaign::play::play,
    journal::{self, Journal, Record},
    scenario::Scenario,
    simulation::Fabric,
};
use serde_json::Value;

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_schema_in_the_docs_is_the_one_of_the_types() {
    let text = fs::read_to_string(in_repo("docs/journal.schema.json")).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept, journal::schema(), "run `backfire schema --journal > docs/journal.schema.json`");
}

#[test]
fn every_record_of_every_kept_scenario_fits_the_schema() {
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("journal.schema.json", journal::schema()).unwrap();
    let mut schemas = boon::Schemas::new();
    let schema = compiler.compile("journal.schema.json", &mut schemas).unwrap();
    let mut kinds = BTreeSet::new();
    let folders = ["scenarios", "scenarios/peers", "scenarios/zoo", "scenarios/regressions"];
    for path in folders.iter().flat_map(|folder| scenarios(&in_repo(folder))) {
        let scenario = Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let played = play(&scenario, 0, Fabric::Direct).unwrap();
        for record in &played.journal.records {
            let record = serde_json::to_value(record).unwrap();
            kinds.insert(record["what"].as_str().unwrap().to_owned());
            if let Err(error) = schemas.validate(&record, schema) {
                panic!("{}: {record}\n{error:#}", path.display());
            }
        }
    }
    // What never happens is validated by nothing.
    let all: BTreeSet<String> = fields().into_keys().collect();
    let never: Vec<&String> = all.difference(&kinds).collect();
    assert!(never.len() <= 2, "no scenario gives these records: {never:?}");
    let nonsense = serde_json::json!({ "t": 0, "what": "answer", "id": "one" });
    assert!(schemas.validate(&nonsense, schema).is_err(), "the schema allows everything");
}

/// The first journals had neither kinds of drops and refusals nor whose join failed, and may give causes that
/// nobody knows.
const OLD: &str = r#"{"t":0,"what":"run","version":1,"scenario":"s","seed":0,"fabric":"direct","servers":[["a","a"]],"room_version":11,"definition":{}}
{"t":1,"server":"a","what":"request","id":1,"to":"b","endpoint":"event","line":"GET /","cause":"a whim","events":[],"bytes":0}
{"t":2,"server":"a","what":"request","id":2,"to":"b","endpoint":"event","line":"GET /","cause":"gap at $1:a","events":[],"bytes":0}
{"t":3,"server":"a","what":"dropped","from":"user","reason":"of no room"}
{"t":4,"server":"a","what":"judged","event":"$1:a","verdict":"rejected","reason":"not allowed by its auth events: no"}
{"t":5,"server":"a","what":"user_failed","action":"@user:a joins !room:b","reason":"connection refused"}
"#;

#[test]
fn old_journals_are_read_and_written_as_they_are() {
    let mut written = Vec::new();
    Journal::read(OLD.as_bytes()).unwrap().write(&mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), OLD);
}

#[test]
fn a_verdict_of_an_earlier_version_is_read_without_kinds() {
    let violation =
        r#"{"invariant":"frontier","server":"a","message":"a has history and no forward extremity"}"#;
    let line = format!(r#"{{"t":1,"what":"verdict","verdict":"violated","violations":[{violation}]}}"#);
    let record: Record = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), line);
}

#[test]
fn the_docs_speak_of_every_record_and_field() {
    let docs = fs::read_to_string(in_repo("docs/journal.md")).unwrap();
    let mut sections: BTreeMap<&str, &str> = BTreeMap::new();
    for section in docs.split("\n### `").skip(1) {
        let (name, rest) = section.split_once('`').unwrap();
        sections.insert(name, rest);
    }
    let fields = fields();
    assert!(fields.len() > 20, "{fields:?}");
    for (record, fields) in &fields {
        let section =
            sections.remove(record.as_str()).unwrap_or_else(|| panic!("docs/journal.md: no `{record}`"));
        let told: BTreeSet<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(field, _)| field)
            .collect();
        assert_eq!(
            told,
            fields.iter().map(String::as_str).collect(),
            "docs/journal.md: fields of `{record}`"
        );
    }
    assert!(sections.is_empty(), "docs/journal.md: no such records: {sections:?}");
}

/// The kinds of records by the schema, each with the fields of its own.
fn fields() -> BTreeMap<String, BTreeSet<String>> {
    let schema = journal::schema();
    let variants = schema["oneOf"].as_array().expect("kinds of records are a choice");
    let name = |variant: &Value| variant["properties"]["what"]["const"].as_str().unwrap().to_owned();
    variants.iter().map(|variant| (name(variant), own_fields(variant, &schema))).collect()
}

fn own_fields(variant: &Value, schema: &Value) -> BTreeSet<String> {
    let mut fields: BTreeSet<String> =
        variant["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    if let Some(reference) = variant["$ref"].as_str() {
        let definition = &schema["$defs"][reference.rsplit('/').next().unwrap()];
        fields.extend(own_fields(definition, schema));
    }
    for common in ["what", "t", "server", "because"] {
        fields.remove(common);
    }
    fields
}

fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    found.sort();
    found
}
