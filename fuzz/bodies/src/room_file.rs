//! The text of a room dump and of its keys, as people bring them: what can't be read is refused with a place
//! in the file, every event of the rest is accounted for, and what was read can be written and is the same
//! again.
//!
//! The dump ends at the first empty line; what follows is the file of keys.

use std::{collections::BTreeSet, fmt};

use arbitrary::{Arbitrary, Result, Unstructured};
use ruma_common::OwnedEventId;
use serde_json::Value;

use super::{Body, Reached, Seeds};
use backfire::{
    matrix::pdu::Pdu,
    room::dump::{Dump, DumpError, Invalid, Verified, read_keys},
};

/// The bytes of both files.
pub struct RoomFile(Vec<u8>);

impl<'a> Arbitrary<'a> for RoomFile {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

/// Events of the dump were judged.
const JUDGED: &str = "judged";

impl Body for RoomFile {
    const USEFUL: &'static [&'static str] = &[JUDGED];

    fn check(&self) -> Reached {
        let text = String::from_utf8_lossy(&self.0);
        let (events, keys) = text.split_once("\n\n").unwrap_or((&text, ""));
        let keys = read_keys("keys.json", keys).map_err(|error| check_place(&error, keys));
        let dump = match Dump::parse("room.jsonl", events) {
            Ok(dump) => dump,
            Err(error) => return Reached::from([check_place(&error, events).into()]),
        };
        assert_eq!(dump.events().count() + dump.invalid().len(), dump.event_count(), "an event is lost");
        check_ids(dump.invalid(), events);
        let all = account_for(&dump, dump.clone().verify(None));
        check_written(&all);
        check_judged(&all);
        let mut reached = Reached::from([JUDGED.into()]);
        reached.extend(all.invalid.iter().map(|invalid| first_words(&invalid.reason).into()));
        match keys {
            Ok(keys) => {
                let signed = account_for(&dump, dump.clone().verify(Some(&keys)));
                assert!(
                    ids(&signed).is_subset(&ids(&all)),
                    "what is signed is refused without a look at that"
                );
                reached.insert(if signed.pdus.is_empty() { "none signed" } else { "signed" }.into());
            }
            Err(why) => drop(reached.insert(why.into())),
        }
        reached
    }
}

/// What kind of mistake it is; its place must be in the file.
fn check_place(error: &DumpError, text: &str) -> &'static str {
    let lines = text.lines().count();
    let (line, kind) = match error {
        DumpError::Json { place, .. } => (place.line, "no JSON"),
        DumpError::NoEvent { place, .. } => (place.line, "no event"),
        DumpError::ClientFormat { place } => (place.line, "client format"),
        DumpError::Version { place, .. } => (place.line, "no version"),
        DumpError::Create { place, .. } => {
            check_create_is_bad(text.lines().nth(place.line - 1).expect("the file has so many lines"));
            (place.line, "no good create event")
        }
        DumpError::Keys { line, .. } => {
            return if *line <= lines + 1 { "no keys" } else { panic!("{error}") };
        }
        DumpError::NoCreate { .. } => return "no create event",
        DumpError::Key { .. } => return "a bad key",
        DumpError::State { .. } => panic!("no state was given: {error}"),
    };
    assert!((1..=lines.max(1)).contains(&line), "{error}: there are {lines} lines");
    kind
}

/// A create event that is good without the id that a database adds is not refused for its own id.
fn check_create_is_bad(line: &str) {
    let Ok(Value::Object(mut event)) = serde_json::from_str(line) else { return };
    let id = event.remove("event_id");
    let without = Dump::parse("create.jsonl", &Value::Object(event).to_string()).ok();
    let own = without.and_then(|dump| Some(dump.events().next()?.event_id().to_string()));
    assert!(
        own.is_none() || id.as_ref().and_then(Value::as_str) != own.as_deref(),
        "refused for its own id: {line}"
    );
}

/// An event that stands on a line of its own and is said to have an id has it.
fn check_ids(invalid: &[Invalid], text: &str) {
    for Invalid { event_id, place, .. } in invalid {
        let written = text.lines().nth(place.line - 1).expect("the file has so many lines");
        let Ok(event) = serde_json::from_str::<Value>(written) else { continue };
        if event.get("type").is_some() {
            assert_eq!(event["event_id"].as_str(), event_id.as_deref(), "{place} is another one");
        }
    }
}

/// Each event of the dump is one or is said to be none, and where.
fn account_for(dump: &Dump, verified: Verified) -> Verified {
    assert_eq!(verified.pdus.len() + verified.invalid.len(), dump.event_count(), "an event is lost");
    for Invalid { reason, .. } in &verified.invalid {
        assert!(!reason.is_empty(), "refused without a reason");
    }
    for pdu in &verified.pdus {
        assert_eq!(pdu.room_id(), *dump.room_id(), "{} is of another room", pdu.event_id());
    }
    verified
}

fn ids(verified: &Verified) -> BTreeSet<OwnedEventId> {
    verified.pdus.iter().map(|pdu| pdu.event_id().clone()).collect()
}

/// A dump of what was read is read as the same, with the ids that databases add and without.
fn check_written(verified: &Verified) {
    let bare = |pdu: &Pdu| pdu.json().get().to_owned();
    let with_id = |pdu: &Pdu| {
        let mut event: Value = serde_json::from_str(pdu.json().get()).expect("it was read");
        event["event_id"] = pdu.event_id().as_str().into();
        event.to_string()
    };
    for write in [&bare as &dyn Fn(&Pdu) -> String, &with_id] {
        let lines: Vec<String> = verified.pdus.iter().map(|pdu| write(pdu)).collect();
        let Ok(again) = Dump::parse("again.jsonl", &lines.join("\n")) else {
            // The first create event tells the version. One that its hash doesn't fit was read redacted, and
            // can lack it.
            let first = verified.pdus.iter().find(|pdu| pdu.is_create());
            assert!(first.is_none_or(|pdu| pdu.is_redacted()), "the create event is not read again");
            continue;
        };
        let again = again.verify(None);
        assert_eq!(again.invalid, [], "what was read and written is not read");
        let same = again.pdus.iter().map(|pdu| pdu.event_id());
        assert!(same.eq(verified.pdus.iter().map(|pdu| pdu.event_id())), "other events than were written");
    }
}

/// The room has every event, in its history or waiting, and is the same whoever judges.
fn check_judged(verified: &Verified) {
    let room = verified.judge();
    let missing = verified.missing();
    let waiting: BTreeSet<&OwnedEventId> = room.waiting().map(|pdu| pdu.event_id()).collect();
    for pdu in &verified.pdus {
        let id = pdu.event_id();
        assert!(room.event(id).is_some() || waiting.contains(id), "{id} is gone");
        for cited in pdu.prev_events() {
            let is_there = room.event(cited).is_some();
            assert_eq!(missing.contains(cited), !is_there, "whether {cited} is missing");
        }
    }
    assert_eq!(verified.judge().forward_extremities(), room.forward_extremities(), "judged twice, two rooms");
}

fn first_words(reason: &str) -> String {
    reason.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for RoomFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

pub(super) fn seeds() -> Seeds {
    use serde_json::json;

    use super::world::{HOSTS, Realm, key, sign};
    use backfire::matrix::{crypto::Crypto, keys::encode, version::RoomVersion};

    let dump = |version| {
        let realm = Realm::founded(version);
        let signed = |pdu: &backfire::matrix::pdu::Pdu| {
            let object = serde_json::from_str(pdu.json().get()).expect("it is canonical");
            let pdu = sign(object, version, &Crypto::default()).expect("it is well-formed");
            let mut event: serde_json::Value = serde_json::from_str(pdu.json().get()).expect("it is JSON");
            event["event_id"] = pdu.event_id().as_str().into();
            event.to_string()
        };
        realm.pdus.iter().map(|pdu| signed(pdu)).collect::<Vec<_>>()
    };
    let public = |host: &str| json!({ "server_name": host, "verify_keys": { "ed25519:1": encode(&key(host).public()) }, "valid_until_ts": 1_700_000_000_000_u64 });
    let keys = json!(HOSTS[..4].iter().map(|host| public(host)).collect::<Vec<_>>()).to_string();
    let both = |lines: &[String], keys: &str| format!("{}\n\n{keys}", lines.join("\n")).into_bytes();
    let (eleven, two) = (dump(RoomVersion::V11), dump("2".parse().expect("a version")));
    let changed = eleven.iter().map(|line| line.replace("public", "invite")).collect::<Vec<_>>();
    let row = |line: &String| {
        let event: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        let id = event["event_id"].as_str().expect("it has an id");
        format!("{id},\"{}\"", line.replace('"', "\"\""))
    };
    let rows: Vec<String> = eleven.iter().map(row).collect();
    let (chain, state) = eleven.split_at(3);
    let file = |events: String| format!("{events}\n\n{keys}").into_bytes();
    let create = |version: &str| {
        let start = r#"{"type":"m.room.create","state_key":"","prev_events":[],"content":{"room_version":"#;
        format!("{start}{version}}}}}\n\n[]").into_bytes()
    };
    vec![
        ("signed", both(&eleven, &keys)),
        ("version-2", both(&two, &keys)),
        ("without-keys", both(&eleven[..3], "")),
        ("changed-after-the-hash", both(&changed, &keys)),
        ("two-rooms", both(&[&eleven[..2], &two[..2]].concat(), "[]")),
        ("with-a-hole", both(&[&eleven[..2], &eleven[6..]].concat(), &keys)),
        ("no-create", both(&eleven[1..3], &keys)),
        ("array", file(format!("[{}]", eleven.join(",\n")))),
        ("answer", file(format!(r#"{{"auth_chain":[{}],"pdus":[{}]}}"#, chain.join(","), state.join(",")))),
        ("csv", file(format!("event_id,json\n{}", rows.join("\n")))),
        ("client-format", b"[{\"type\":\"m.room.create\",\"state_key\":\"\",\"content\":{}}]\n\n[]".to_vec()),
        ("no-json", both(&["{}".to_owned(), "{".to_owned()], "[{}]")),
        (
            "a-key-that-is-none",
            both(
                &eleven[..1],
                r#"[{"server_name":"a","verify_keys":{"ed25519:1":"AA"},"valid_until_ts":0}]"#,
            ),
        ),
        ("version-of-the-future", create(r#""99""#)),
        ("version-that-is-no-text", create("11")),
    ]
}
