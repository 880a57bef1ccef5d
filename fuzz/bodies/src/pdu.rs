//! One event of any room version: canonical form, hashes, redaction, id, limits and signatures, against a
//! plain twin, against ruma's own verdict, and against what must be true of every event.
//!
//! An event is drawn, changed in up to three places, hashed and signed: the changes fall before the hash,
//! between hash and signature, or after both.

use std::{fmt, sync::Arc};

use arbitrary::{Arbitrary, Result, Unstructured};
use ruma_common::{CanonicalJsonObject, serde::Base64};
use ruma_signatures::{PublicKeyMap, Verified, verify_event};
use serde_json::{Map, Value, json};

use super::{
    Body, Reached, Seeds, plain_event,
    tape::{below, byte, pick},
    world::{HOSTS, START, key, key_ring},
};
use backfire::matrix::{
    crypto::Crypto,
    keys::encode,
    pdu::{Limits, Pdu, PduError, SignatureProblem, UnverifiedPdu},
    version::RoomVersion,
};

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &[
    "at the limit of its size",
    "malformed",
    "no signature",
    "not canonical",
    "redacted for its hash",
    "too large",
    "verified",
    "wrong signature",
];

const CHANGES_MAX: usize = 3;

/// An event, and what is wrong with it.
pub struct PduInput {
    version: RoomVersion,
    kind: &'static str,
    content: Map<String, Value>,
    changes: Vec<(Stage, Change)>,
    signatures: Vec<Signature>,
    /// How many bytes it has in all, as a difference to the limit; nothing for its natural size.
    padded: Option<i8>,
    backfilled: bool,
    /// A bit of the signed text, for the last check.
    flipped: usize,
}

/// When a change is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    BeforeHash,
    BeforeSignature,
    Last,
}

#[derive(Clone, Debug)]
enum Change {
    Remove(&'static str),
    Set(&'static str, Value),
    /// A text of so many bytes.
    Length(&'static str, usize),
    /// A list of so many references.
    Count(&'static str, usize),
}

/// A signature of one of the hosts.
#[derive(Clone, Copy, Debug)]
struct Signature {
    host: &'static str,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    OtherBytes,
    NoBase64,
    UnknownKey,
    NoText,
}

const KINDS: [&str; 10] = [
    "m.room.message",
    "m.room.member",
    "m.room.create",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.redaction",
    "m.room.aliases",
    "m.room.topic",
    "",
];
const FIELDS: [&str; 18] = [
    "type",
    "sender",
    "state_key",
    "content",
    "room_id",
    "event_id",
    "depth",
    "origin_server_ts",
    "prev_events",
    "auth_events",
    "hashes",
    "signatures",
    "redacts",
    "unsigned",
    "origin",
    "membership",
    "prev_state",
    "age_ts",
];
const CONTENT_KEYS: [&str; 24] = [
    "body",
    "membership",
    "join_authorised_via_users_server",
    "third_party_invite",
    "creator",
    "room_version",
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
    "invite",
    "join_rule",
    "allow",
    "history_visibility",
    "redacts",
    "aliases",
    "signed",
    "",
    "\u{e000}",
    "\u{10000}",
];
const FLAWS: [Flaw; 8] = [
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::OtherBytes,
    Flaw::NoBase64,
    Flaw::UnknownKey,
    Flaw::NoText,
];

impl<'a> Arbitrary<'a> for PduInput {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let versions: Vec<RoomVersion> = RoomVersion::all().collect();
        let version = versions[(versions.len() - 2 + below(u, versions.len())?) % versions.len()];
        let kind = pick(u, &KINDS)?;
        let mut content = Map::new();
        for _ in 0..below(u, 6)? {
            content.insert((*pick(u, &CONTENT_KEYS)?).to_owned(), draw_value(u, 2)?);
        }
        let mut changes = Vec::new();
        for _ in 0..[0, 0, 1, 1, 2, CHANGES_MAX][below(u, 6)?] {
            let stage = *pick(u, &[Stage::BeforeHash, Stage::BeforeSignature, Stage::Last])?;
            changes.push((stage, draw_change(u)?));
        }
        let mut signatures = vec![Signature { host: "a", flaw: *pick(u, &FLAWS)? }];
        for _ in 0..[0, 0, 0, 1, 2][below(u, 5)?] {
            signatures.push(Signature { host: pick(u, &HOSTS)?, flaw: *pick(u, &FLAWS)? });
        }
        if byte(u)? > 240 {
            signatures.remove(0);
        }
        let padded = match byte(u)? {
            0..=239 => None,
            other => Some((other % 3) as i8 - 1),
        };
        Ok(Self {
            version,
            kind,
            content,
            changes,
            signatures,
            padded,
            backfilled: byte(u)? > 200,
            flipped: usize::from(byte(u)?) * 8 + below(u, 7)?,
        })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

fn draw_change(u: &mut Unstructured<'_>) -> Result<Change> {
    let field = pick(u, &FIELDS)?;
    Ok(match below(u, 8)? {
        0 | 1 => Change::Remove(field),
        2 => Change::Length(
            pick(u, &["type", "state_key", "sender", "room_id", "event_id"])?,
            254 + below(u, 3)?,
        ),
        3 => Change::Count("prev_events", 19 + below(u, 3)?),
        4 => Change::Count("auth_events", 9 + below(u, 3)?),
        _ => Change::Set(field, draw_value(u, 2)?),
    })
}

fn draw_value(u: &mut Unstructured<'_>, nesting: usize) -> Result<Value> {
    const TEXTS: [&str; 14] = [
        "",
        "join",
        "invite",
        "@u:a",
        "@u:b",
        "$e:a",
        "!room:a",
        "public",
        "\u{0}\u{1f}\u{7f}\"\\/\u{8}\u{c}\n\r\t",
        "\u{e9}\u{65}\u{301}",
        "\u{ffff}\u{10000}\u{10ffff}",
        "\u{2028}</script>",
        "1",
        "a",
    ];
    const NUMBERS: [&str; 16] = [
        "0",
        "1",
        "-1",
        "100",
        "9007199254740991",
        "9007199254740992",
        "-9007199254740991",
        "-9007199254740992",
        "18446744073709551615",
        "1.0",
        "-0",
        "1e2",
        "0.5",
        "9223372036854775807",
        "50",
        "18446744073709551616",
    ];
    let text = |u: &mut Unstructured<'_>| pick(u, &TEXTS).map(|text| Value::from(*text));
    Ok(match below(u, 10)? {
        0..=2 => text(u)?,
        3 => Value::from(byte(u)?),
        4 => serde_json::from_str(pick(u, &NUMBERS)?).expect("these are JSON"),
        5 => Value::Bool(byte(u)?.is_multiple_of(2)),
        6 => Value::Null,
        7 if nesting > 0 => {
            (0..below(u, 3)?).map(|_| draw_value(u, nesting - 1)).collect::<Result<Value>>()?
        }
        8 | 9 if nesting > 0 => {
            let mut object = Map::new();
            for _ in 0..below(u, 4)? {
                object.insert((*pick(u, &CONTENT_KEYS)?).to_owned(), draw_value(u, nesting - 1)?);
            }
            Value::Object(object)
        }
        _ => text(u)?,
    })
}

impl Body for PduInput {
    fn check(&self) -> Reached {
        let event = self.event();
        let text = Value::Object(event.clone()).to_string();
        let limits = if self.backfilled { Limits::Waived } else { Limits::Hold };
        let version = self.version.number();
        let parsed = UnverifiedPdu::parse(&text, self.version, limits);
        let well_formed = plain_event::is_well_formed(&event, version, self.backfilled);
        assert_eq!(parsed.is_ok(), well_formed, "well-formed by the twin: {well_formed}, by us: {parsed:?}");
        let unverified = match parsed {
            Ok(unverified) => unverified,
            Err(PduError::NotCanonical(_)) => return Reached::from(["not canonical".into()]),
            Err(PduError::TooLarge(_)) => return Reached::from(["too large".into()]),
            Err(_) => return Reached::from(["malformed".into()]),
        };
        self.check_form(&event, &unverified);
        let verdict = self.check_signatures(&event, &unverified);
        let mut reached = Reached::from([verdict.into()]);
        if self.padded == Some(0) {
            reached.insert("at the limit of its size".into());
        }
        reached
    }
}

impl PduInput {
    fn event(&self) -> Map<String, Value> {
        let natural = self.signed(0);
        let Some(by) = self.padded else { return natural };
        let Some(length) =
            plain_event::canonical(&Value::Object(without_unsigned(&natural)), self.version.number())
                .map(|text| text.len())
        else {
            return natural;
        };
        let padding = "\"pad\":\"\",".len();
        let wanted = (65_536 + isize::from(by)) as usize;
        self.signed(wanted.saturating_sub(length + padding))
    }

    /// The event with `padding` bytes in its content, 0 for none, hashed and signed.
    fn signed(&self, padding: usize) -> Map<String, Value> {
        let mut event = self.unsigned(padding);
        self.change(&mut event, Stage::BeforeHash);
        let hash = plain_event::content_hash(&event, self.version.number()).unwrap_or_default();
        event.insert("hashes".to_owned(), json!({ "sha256": encode(&hash) }));
        self.change(&mut event, Stage::BeforeSignature);
        let message = plain_event::signed_text(&event, self.version.number()).unwrap_or_default();
        let crypto = Crypto::default();
        let mut signatures = json!({});
        for Signature { host, flaw } in &self.signatures {
            let good = encode(&crypto.sign(&key(host), message.as_bytes()));
            let (id, value) = match flaw {
                Flaw::None => ("ed25519:1", json!(good)),
                Flaw::OtherBytes => ("ed25519:1", json!(encode(&crypto.sign(&key(host), b"else")))),
                Flaw::NoBase64 => ("ed25519:1", json!("*")),
                Flaw::UnknownKey => ("ed25519:2", json!(good)),
                Flaw::NoText => ("ed25519:1", json!(1)),
            };
            signatures[host][id] = value;
        }
        event.insert("signatures".to_owned(), signatures);
        self.change(&mut event, Stage::Last);
        event
    }

    fn unsigned(&self, padding: usize) -> Map<String, Value> {
        let version = self.version.number();
        let mut event = json!({
            "type": self.kind, "sender": "@u:a", "content": self.content, "depth": 7, "origin_server_ts": START,
            "prev_events": [reference(version, 1)], "auth_events": [reference(version, 2), reference(version, 3)],
        });
        if version == 2 {
            event["event_id"] = "$e:a".into();
        }
        if version < 12 || self.kind != "m.room.create" {
            event["room_id"] =
                if version == 12 { "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { "!room:a" }.into();
        }
        if !matches!(self.kind, "m.room.message" | "m.room.redaction" | "") {
            event["state_key"] = if self.kind == "m.room.member" { "@u:a" } else { "" }.into();
        }
        if padding > 0 {
            event["content"]["pad"] = "x".repeat(padding).into();
        }
        let Value::Object(event) = event else { unreachable!("it was written as one") };
        event
    }

    fn change(&self, event: &mut Map<String, Value>, at: Stage) {
        for (_, change) in self.changes.iter().filter(|(stage, _)| *stage == at) {
            match change {
                Change::Remove(field) => drop(event.remove(*field)),
                Change::Set(field, value) => drop(event.insert((*field).to_owned(), value.clone())),
                Change::Length(field, length) => {
                    let (before, after) = match *field {
                        "sender" => ("@", ":a"),
                        "room_id" => ("!", ":a"),
                        "event_id" => ("$", ":a"),
                        _ => ("", ""),
                    };
                    let filler = "n".repeat(length - before.len() - after.len());
                    event.insert((*field).to_owned(), format!("{before}{filler}{after}").into());
                }
                Change::Count(field, count) => {
                    let list: Vec<Value> = (0..*count).map(|n| reference(self.version.number(), n)).collect();
                    event.insert((*field).to_owned(), list.into());
                }
            }
        }
    }

    /// The id, the canonical text and the redacted form are those of the twin, and the id sees what it should
    /// see.
    fn check_form(&self, event: &Map<String, Value>, unverified: &UnverifiedPdu) {
        let version = self.version.number();
        let id = plain_event::event_id(event, version).expect("well-formed events have an id");
        assert_eq!(unverified.event_id().as_str(), id, "event id");
        let kept = without_unsigned(event);
        let text = plain_event::canonical(&Value::Object(kept), version).expect("it is canonical");
        assert_eq!(unverified.claims().json().get(), text, "canonical form");

        let redacted = self.read(&self.redacted_text(unverified.claims()));
        assert_eq!(redacted.event_id().as_str(), id, "the id of the redacted form");
        let twice = self.redacted_text(redacted.claims());
        assert_eq!(twice, redacted.claims().json().get(), "redacted twice");
        let mut plain = plain_event::redacted(event, version);
        plain.remove("unsigned");
        assert_eq!(Some(twice), plain_event::canonical(&Value::Object(plain), version), "redacted form");

        let mut gossip = event.clone();
        gossip.insert("unsigned".to_owned(), json!({ "age": 5 }));
        gossip.insert("signatures".to_owned(), json!({ "x": { "ed25519:1": "AA" } }));
        if let Ok(gossip) =
            UnverifiedPdu::parse(&Value::Object(gossip).to_string(), self.version, Limits::Waived)
        {
            assert_eq!(gossip.event_id().as_str(), id, "the id sees what is not signed");
        }
        if version > 2 {
            let mut later = event.clone();
            later.insert("depth".to_owned(), json!(8));
            assert_ne!(
                self.read(&Value::Object(later).to_string()).event_id().as_str() == id,
                event["depth"] != 8,
                "the id and the depth"
            );
        }
    }

    fn redacted_text(&self, pdu: &Pdu) -> String {
        pdu.redacted_json().get().to_owned()
    }

    fn read(&self, text: &str) -> UnverifiedPdu {
        UnverifiedPdu::parse(text, self.version, Limits::Waived)
            .unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The verdict on signatures and hash is ruma's, and a changed bit of the signed text is noticed.
    fn check_signatures(&self, event: &Map<String, Value>, unverified: &UnverifiedPdu) -> &'static str {
        let (keys, crypto) = (key_ring(), Crypto::default());
        let ours = unverified.verify(&keys, &crypto);
        let theirs = verify_event(&public_keys(), unverified.object(), self.version.rules());
        let holds = plain_event::content_hash(event, self.version.number()).map(|hash| encode(&hash));
        let claimed = event.get("hashes").and_then(|hashes| hashes.get("sha256")?.as_str());
        let is_canonical = plain_event::canonical(&Value::Object(event.clone()), 6).is_some();
        match (&ours, &theirs) {
            // ruma's values hold no such numbers: to it a mark stands where they do.
            (Ok(pdu), _) if !is_canonical => {
                assert_eq!(pdu.is_redacted(), holds.as_deref() != claimed, "hash by the twin: {holds:?}");
                "numbers of the first room versions"
            }
            (Err(_), _) if !is_canonical => "numbers of the first room versions, not verified",
            (Ok(pdu), Ok(verified)) => {
                assert_eq!(
                    pdu.is_redacted(),
                    *verified == Verified::Signatures,
                    "hash by ruma: {verified:?}"
                );
                assert_eq!(pdu.is_redacted(), holds.as_deref() != claimed, "hash by the twin: {holds:?}");
                self.check_flipped_bit(unverified, pdu);
                if pdu.is_redacted() { "redacted for its hash" } else { "verified" }
            }
            (Err(PduError::Field { .. }), Err(_)) => "malformed content",
            (Err(PduError::UnknownKey { .. }), Err(_)) => "no known key",
            (Err(PduError::Signature { problem: SignatureProblem::Missing, .. }), Err(_)) => "no signature",
            (Err(_), Err(_)) => "wrong signature",
            // A list of hashes without SHA-256 is no event to ruma; to us its content is just not what was
            // hashed.
            (Ok(pdu), Err(_)) if claimed.is_none() && pdu.is_redacted() => "redacted for its hash",
            _ => panic!("verdict: ours {ours:?}, ruma's {theirs:?}"),
        }
    }

    /// Another depth is another event, which nobody has signed.
    fn check_flipped_bit(&self, unverified: &UnverifiedPdu, verified: &Arc<Pdu>) {
        let mut object: CanonicalJsonObject = unverified.object().clone();
        let depth = verified.depth() ^ (1 << (self.flipped % 52));
        object.insert("depth".to_owned(), ruma_common::CanonicalJsonValue::Integer((depth as u32).into()));
        if depth as u32 as u64 == verified.depth() {
            return;
        }
        let Ok(forged) = UnverifiedPdu::from_object(object, self.version, Limits::Waived) else { return };
        // An invite of a third party is signed by nobody but, in version 2, the server that chose the id.
        let needed = ruma_signatures::required_server_signatures_to_verify_event(
            forged.object(),
            &self.version.rules().signatures,
        );
        if needed.is_ok_and(|servers| !servers.is_empty()) {
            let verdict = forged.verify(&key_ring(), &Crypto::default());
            assert!(verdict.is_err(), "another depth, the same signature: {verdict:?}");
        }
    }
}

fn without_unsigned(event: &Map<String, Value>) -> Map<String, Value> {
    let mut event = event.clone();
    event.remove("unsigned");
    event
}

fn reference(version: u8, number: usize) -> Value {
    if version == 2 {
        json!([format!("$r{number}:a"), { "sha256": "AA" }])
    } else {
        json!(format!("$r{number}"))
    }
}

fn public_keys() -> PublicKeyMap {
    let of = |host: &str| {
        let key = Base64::new(key(host).public().to_vec());
        (host.to_owned(), [("ed25519:1".to_owned(), key)].into())
    };
    HOSTS.map(of).into()
}

impl fmt::Debug for PduInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, changes, signatures, padded, backfilled, .. } = self;
        writeln!(f, "PduInput of room version {version}, backfilled: {backfilled}, padded: {padded:?}")?;
        writeln!(f, "  changes: {changes:?}\n  signatures: {signatures:?}")?;
        let text = Value::Object(self.event()).to_string();
        write!(f, "  {}", if text.len() > 4_000 { &self.kind } else { &*text })
    }
}

pub(super) fn seeds() -> Seeds {
    // Version, kind, number of keys in the content and each, changes, signatures, and what follows.
    vec![
        ("message", vec![0, 0, 1, 0, 0, 1]),
        ("member", vec![0, 1, 1, 1, 0, 1]),
        ("restricted-join", vec![1, 1, 2, 1, 0, 1, 2, 0, 4, 0, 0, 3, 1, 0]),
        ("create-of-version-12", vec![1, 2, 1, 5, 0, 12]),
        ("create-of-version-2", vec![2, 2, 1, 4, 0, 3]),
        ("power-levels-with-a-float", vec![0, 3, 1, 6, 4, 9]),
        ("at-the-limit-of-its-size", vec![0, 0, 0, 0, 0, 0, 0, 241]),
        ("too-large", vec![0, 0, 0, 0, 0, 0, 0, 242]),
        ("twenty-one-parents", vec![0, 0, 0, 2, 0, 0, 3, 2]),
        ("ten-auth-events", vec![0, 0, 0, 2, 0, 0, 4, 1]),
        ("long-type", vec![0, 0, 0, 2, 0, 0, 2, 0, 2]),
        ("content-changed-after-the-hash", vec![0, 0, 0, 2, 1, 3, 5, 8, 0]),
        ("sender-changed-after-the-signature", vec![0, 0, 0, 2, 2, 1, 5, 0, 4]),
        ("signature-of-other-bytes", vec![0, 0, 0, 0, 4]),
        ("unknown-key", vec![0, 0, 0, 0, 6]),
    ]
}
