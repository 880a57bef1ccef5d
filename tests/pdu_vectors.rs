//! Single events against known answers: the specification's signing vectors, ruma's format checks, the
//! limits, and a round trip in every room version.

use backfire::matrix::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName,
    crypto::{Crypto, Scheme, SigningKey},
    draft::{Draft, Place, hash_and_sign},
    keys::{KeyRing, PublicKey},
    pdu::{Limits, MAX_PDU_BYTES, PduError, UnverifiedPdu},
    version::RoomVersion,
};
use ruma_common::{
    canonical_json::redact,
    room_version_rules::RedactionRules,
    serde::{Base64, base64::Standard},
};
use ruma_state_res::check_pdu_format;
use serde_json::{Value, json};

const SERVER: &str = "domain";

fn key() -> SigningKey {
    let seed = Base64::<Standard>::parse("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1").unwrap();
    SigningKey::from_seed(seed.into_inner().try_into().unwrap(), "1")
}

fn keys() -> KeyRing {
    let mut keys = KeyRing::default();
    let key = PublicKey { bytes: key().public().to_vec(), valid_until: u64::MAX, expired: false };
    keys.insert(server(), "ed25519:1", key);
    keys
}

fn server() -> &'static ServerName {
    SERVER.try_into().unwrap()
}

fn object(value: Value) -> CanonicalJsonObject {
    serde_json::from_value(value).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    Base64::<Standard, &[u8]>::new(bytes).encode()
}

// --- Appendices, "Cryptographic Test Vectors".

#[test]
fn json_is_signed_as_in_the_appendix() {
    let cases = [
        ("{}", "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            r#"{"one":1,"two":"Two"}"#,
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ];
    for (text, signature) in cases {
        let crypto = Crypto::new(Scheme::Ed25519);
        assert_eq!(base64(&crypto.sign(&key(), text.as_bytes())), signature, "{text}");
    }
}

#[test]
fn an_event_is_hashed_and_signed_as_in_the_appendix() {
    // The vectors are of room version 1; version 3 redacts alike and wants no event id.
    let event = object(json!({
        "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1_000_000,
        "type": "X", "content": {}, "prev_events": [], "auth_events": [], "depth": 3,
        "unsigned": { "age_ts": 1_000_000 },
    }));
    let version = "3".parse().unwrap();
    let pdu = hash_and_sign(event, version, server(), &key(), &Crypto::default()).unwrap();
    let signed: Value = serde_json::from_str(pdu.json().get()).unwrap();
    assert_eq!(signed["hashes"]["sha256"], "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos");
    assert_eq!(
        signed["signatures"]["domain"]["ed25519:1"],
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"
    );
}

#[test]
fn what_redaction_drops_is_hashed_but_not_signed_as_in_the_appendix() {
    // No event by today's format, since it has no depth: only its bytes can be signed.
    let event = object(json!({
        "content": { "body": "Here is the message content" }, "event_id": "$0:domain", "origin": "domain",
        "origin_server_ts": 1_000_000, "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
        "hashes": { "sha256": "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g" },
    }));
    let redacted = redact(event, &RedactionRules::V1, None).unwrap();
    let signature = Crypto::default().sign(&key(), serde_json::to_string(&redacted).unwrap().as_bytes());
    assert_eq!(
        base64(&signature),
        "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"
    );
}

// --- Round trip.

fn reference(version: RoomVersion, nth: usize) -> CanonicalJsonValue {
    let id =
        if version.has_event_ids_on_the_wire() { format!("${nth}:domain") } else { format!("${nth:043}") };
    let value = if version.has_event_ids_on_the_wire() { json!([id, { "sha256": "" }]) } else { json!(id) };
    serde_json::from_value(value).unwrap()
}

fn draft(version: RoomVersion, draft: Draft) -> CanonicalJsonObject {
    let create = draft.kind == "m.room.create";
    let room_id = if version.has_hash_room_ids() { format!("!{:043}", 0) } else { "!r:domain".to_owned() };
    let implied = create && version.has_hash_room_ids();
    let place = Place {
        version,
        room_id: (!implied).then_some(room_id.as_str()),
        prev_events: if create { Vec::new() } else { vec![reference(version, 1)] },
        auth_events: if create { Vec::new() } else { vec![reference(version, 2)] },
        depth: 2,
        timestamp: 1_000,
        chosen_id: version.has_event_ids_on_the_wire().then_some("$x:domain"),
    };
    draft.place(place).unwrap()
}

fn message(version: RoomVersion) -> CanonicalJsonObject {
    draft(version, Draft::message_like("m.room.message", "@u:domain", json!({ "body": "x" })))
}

#[test]
fn an_event_of_every_room_version_survives_the_wire_and_redaction() {
    for version in RoomVersion::all() {
        let content = json!({ "room_version": version.to_string(), "creator": "@u:domain" });
        for event in [message(version), draft(version, Draft::state("m.room.create", "@u:domain", content))] {
            round_trip(version, event);
        }
    }
}

fn round_trip(version: RoomVersion, event: CanonicalJsonObject) {
    let crypto = Crypto::default();
    let sent = hash_and_sign(event, version, server(), &key(), &crypto).unwrap();
    let received = UnverifiedPdu::parse(sent.json().get(), version, Limits::Hold).unwrap();
    assert_eq!(received.verify(&keys(), &Crypto::default()).unwrap(), sent, "{version:?}");

    let redacted = UnverifiedPdu::parse(sent.redacted_json().get(), version, Limits::Hold).unwrap();
    let redacted = redacted.verify(&keys(), &Crypto::default()).unwrap();
    assert_eq!(redacted.event_id(), sent.event_id(), "{version:?}");
    assert_eq!(redacted.prev_events(), sent.prev_events(), "{version:?}");
    // From version 11 on a create event keeps all its content (MSC2176).
    let keeps_all = sent.is_create() && version.number() >= 11;
    assert_eq!(redacted.is_redacted(), !keeps_all, "{version:?}");
}

// --- Limits.

fn parsed(version: RoomVersion, event: CanonicalJsonObject, limits: Limits) -> Result<(), PduError> {
    UnverifiedPdu::from_object(event, version, limits).map(|_| ())
}

fn signed_message(version: RoomVersion) -> CanonicalJsonObject {
    hash_and_sign(message(version), version, server(), &key(), &Crypto::default()).unwrap().object()
}

#[test]
fn limits_hold_to_the_byte() {
    for version in RoomVersion::all() {
        let cited = |count| (0..count).map(|nth| reference(version, nth + 1)).collect::<Vec<_>>().into();
        for (limits, exempt) in [(Limits::Hold, false), (Limits::Waived, true)] {
            let check = |name: &str, value: CanonicalJsonValue, fits: bool| {
                let mut event = signed_message(version);
                event.insert(name.to_owned(), value);
                assert_eq!(parsed(version, event, limits).is_ok(), fits, "{version:?}, {limits:?}, {name}");
            };
            for (name, limit) in [("prev_events", 20), ("auth_events", 10)] {
                check(name, cited(limit - 1), true);
                check(name, cited(limit), true);
                check(name, cited(limit + 1), exempt);
            }
            for name in ["type", "state_key"] {
                check(name, "é".repeat(127).into(), true);
                check(name, ("é".repeat(127) + "x").into(), true);
                check(name, "é".repeat(128).into(), false);
            }
            check("sender", format!("@{}:domain", "u".repeat(255 - 8)).into(), true);
            check("sender", format!("@{}:domain", "u".repeat(256 - 8)).into(), false);
            for (depth, fits) in [(-1_i64, false), (0, true), (1, true), ((1 << 53) - 1, true)] {
                check("depth", CanonicalJsonValue::Integer(depth.try_into().unwrap()), fits);
            }
        }
    }
}

#[test]
fn an_event_may_have_65536_bytes_and_not_one_more() {
    for version in RoomVersion::all() {
        let empty = event_of_size(version, 0);
        let overhead = serde_json::to_string(&empty).unwrap().len();
        for (size, fits) in [(MAX_PDU_BYTES - 1, true), (MAX_PDU_BYTES, true), (MAX_PDU_BYTES + 1, false)] {
            let event = event_of_size(version, size - overhead);
            let result = parsed(version, event, Limits::Hold);
            assert_eq!(result.is_ok(), fits, "{version:?}, {size} bytes: {result:?}");
        }
    }
}

fn event_of_size(version: RoomVersion, body: usize) -> CanonicalJsonObject {
    let mut event = signed_message(version);
    event.insert("content".to_owned(), serde_json::from_value(json!({ "body": "x".repeat(body) })).unwrap());
    event
}

#[test]
fn depths_are_whole_numbers_up_to_the_bound_of_the_room_version() {
    for version in RoomVersion::all() {
        let text = serde_json::to_string(&signed_message(version)).unwrap();
        let read = |depth: &str| {
            let text = text.replace("\"depth\":2", &format!("\"depth\":{depth}"));
            UnverifiedPdu::parse(&text, version, Limits::Hold)
        };
        // Canonical JSON is enforced from version 6 on.
        for (depth, is_early) in
            [("9007199254740991", false), ("9007199254740992", true), ("9223372036854775807", true)]
        {
            let read = read(depth);
            assert_eq!(read.is_ok(), !is_early || version.number() < 6, "{version:?}, {depth}: {read:?}");
            if let Ok(pdu) = read {
                assert_eq!(pdu.claims().depth().to_string(), depth, "{version:?}");
            }
        }
        for depth in ["9223372036854775808", "-1", "1.0", "1e2", "-0.0", "true", "\"1\"", "\"\u{10ffff}#1\""]
        {
            assert!(read(depth).is_err(), "{version:?}, {depth}");
        }
    }
}

#[test]
fn a_fraction_is_no_text_and_no_text_is_a_fraction() {
    let version = "5".parse().unwrap();
    let text = serde_json::to_string(&signed_message(version)).unwrap();
    let with = |field: &str| {
        UnverifiedPdu::parse(&text.replacen('{', &format!("{{{field},"), 1), version, Limits::Hold)
    };
    assert!(with("\"state_key\":0.5").is_err());
    assert!(with("\"n\":0.5").is_ok());
    for key in ["\u{10ffff}#0.5", "\u{10ffff}", "0.5"] {
        let pdu = with(&format!("\"state_key\":\"{key}\"")).unwrap();
        assert_eq!(pdu.claims().state_key(), Some(key));
        assert!(pdu.claims().json().get().contains(&format!("\"state_key\":\"{key}\"")), "{key}");
    }
}

// --- Against ruma's format checks.

/// Fields that are looked at more closely than by ruma, which leaves them to the types that it parses events
/// into.
const STRICTER: [(&str, &str); 9] = [
    ("hashes", "required (rooms, \"Event format\")"),
    ("signatures", "required (rooms, \"Event format\")"),
    ("content", "required (rooms, \"Event format\")"),
    ("origin_server_ts", "required (rooms, \"Event format\")"),
    ("sender", "must be a user id"),
    ("room_id", "must be a room id, and absent from create events of room version 12"),
    ("event_id", "must be an event id of a server"),
    ("prev_events", "must hold event ids"),
    ("auth_events", "must hold event ids"),
];

#[test]
fn what_is_taken_is_taken_by_ruma_and_what_is_refused_mostly_too() {
    let mut refused_by_both = 0;
    for version in RoomVersion::all() {
        for (what, event) in mutants(version) {
            let rules = &version.rules().event_format;
            let theirs = check_pdu_format(&event, rules);
            let ours = parsed(version, event, Limits::Hold);
            match (&ours, &theirs) {
                (Ok(()), Ok(())) => {}
                (Err(_), Err(_)) => refused_by_both += 1,
                (Ok(()), Err(reason)) => panic!("{version:?}, {what}: taken, but ruma says {reason}"),
                (Err(PduError::Field { field, .. }), Ok(())) => {
                    assert!(STRICTER.iter().any(|known| known.0 == *field), "{version:?}, {what}: {ours:?}");
                }
                (Err(error), Ok(())) => panic!("{version:?}, {what}: {error}"),
            }
        }
    }
    assert!(refused_by_both > 500, "only {refused_by_both}");
}

#[test]
fn two_differences_from_ruma_are_the_specifications() {
    for version in RoomVersion::all() {
        let rules = &version.rules().event_format;
        let overhead = serde_json::to_string(&event_of_size(version, 0)).unwrap().len();
        // CS-API, "Size limits": 65,536 bytes are allowed; ruma has the 65,535 of before 2021.
        let largest = event_of_size(version, MAX_PDU_BYTES - overhead);
        assert!(check_pdu_format(&largest, rules).is_err(), "{version:?}");
        assert_eq!(parsed(version, largest, Limits::Hold), Ok(()), "{version:?}");
        // SS-API `/backfill`: the limits on the citations don't hold there.
        let mut citing = signed_message(version);
        let cited: Vec<_> = (1..30).map(|nth| reference(version, nth)).collect();
        citing.insert("prev_events".to_owned(), cited.into());
        assert!(check_pdu_format(&citing, rules).is_err(), "{version:?}");
        assert_eq!(parsed(version, citing, Limits::Waived), Ok(()), "{version:?}");
    }
}

/// A good event with one field taken away or replaced.
fn mutants(version: RoomVersion) -> Vec<(String, CanonicalJsonObject)> {
    let create = json!({ "room_version": version.to_string(), "creator": "@u:domain" });
    let create = draft(version, Draft::state("m.room.create", "@u:domain", create));
    let create = hash_and_sign(create, version, server(), &key(), &Crypto::default()).unwrap();
    let mut mutants = Vec::new();
    for event in [signed_message(version), create.object()] {
        let mut names: Vec<String> = event.keys().cloned().collect();
        names.extend(["state_key", "event_id", "room_id", "redacts", "unknown"].map(str::to_owned));
        for name in names {
            let mut without = event.clone();
            without.remove(&name);
            mutants.push((format!("without {name}"), without));
            for value in values(version) {
                let mut with = event.clone();
                let what = format!("{name} = {}", value.to_string().chars().take(60).collect::<String>());
                with.insert(name.clone(), serde_json::from_value(value).unwrap());
                mutants.push((what, with));
            }
        }
    }
    mutants
}

fn values(version: RoomVersion) -> Vec<Value> {
    let cited = |count| (1..=count).map(|nth| reference(version, nth).into()).collect::<Vec<Value>>();
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(7),
        json!(""),
        json!("x"),
        json!("@u:domain"),
        json!("!r:domain"),
        json!("$x:domain"),
        json!("$x"),
        json!("m.room.create"),
        json!("x".repeat(255)),
        json!("x".repeat(256)),
        json!("é".repeat(128)),
        json!([]),
        json!(["x"]),
        json!([7]),
        json!([[]]),
        json!([["$x:domain"]]),
        json!([["$x:domain", {}]]),
        json!({}),
        json!({ "sha256": 7 }),
        json!({ "domain": [] }),
        json!(cited(10)),
        json!(cited(11)),
        json!(cited(20)),
        json!(cited(21)),
        json!([format!("${:043}", 0)]),
    ]
}

#[test]
fn the_stand_in_scheme_is_no_ed25519() {
    let crypto = Crypto::new(Scheme::StandIn);
    let event = message(RoomVersion::V11);
    let pdu = hash_and_sign(event, RoomVersion::V11, server(), &key(), &crypto).unwrap();
    let received = UnverifiedPdu::parse(pdu.json().get(), RoomVersion::V11, Limits::Hold).unwrap();
    assert!(received.verify(&keys(), &crypto).is_ok());
    assert!(received.verify(&keys(), &Crypto::default()).is_err());
}
