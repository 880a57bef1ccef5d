//! One request as bytes, put to the whole inbound service of a server in a room with some history.
//!
//! The bytes are the text of a request: method and target, headers, an empty line, a body. So that a fuzzer
//! can get past the gate, the text may name what it can't compute: `{7}` is the id of the room's seventh
//! event and `{room}` the room's, percent-encoded in the target; the header `signed-by: b` signs the request,
//! `events-by: b` hashes and signs the events in its body, and `{signed}` is the id that the last of them
//! then has.

use std::{cell::RefCell, fmt};

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ruma_common::CanonicalJsonObject;
use serde_json::Value;

use super::{
    Body, Reached, Seeds,
    host::{Belongings, Host, durable, sign_request},
    world::{HIDDEN, HOSTS, Realm, key, server, stand_in},
};
use backfire::matrix::{
    draft::place_and_sign_anyway,
    endpoint::{Endpoint, EndpointName, encode},
    pdu::{Limits, UnverifiedPdu},
    request_auth::can_sign,
    version::RoomVersion,
};

/// What the target of a request can't have in it as it is.
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// The longest name of something, `room`.
const NAME_BYTES_MAX: usize = 4;
/// The servers that may read the room.
const READERS: [&str; 4] = ["a", "b", "c", "f"];
/// A signed request of which an endpoint took notice.
const PAST_THE_GATE: &str = "past the gate";
/// How those are refused that no endpoint gets to see.
const AT_THE_GATE: [&str; 4] = ["M_UNRECOGNIZED", "M_UNAUTHORIZED", "M_NOT_JSON", "M_TOO_LARGE"];

/// The text of a request.
pub struct RawRequest(Vec<u8>);

impl<'a> Arbitrary<'a> for RawRequest {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

/// The server under test. While requests change nothing it is used again, since they may not even change what
/// can't be seen from outside.
struct Stage {
    realm: Realm,
    host: Option<Host>,
    belongings: Option<Belongings>,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

impl Stage {
    fn new() -> Self {
        Self { realm: Realm::lived_in(RoomVersion::V11), host: None, belongings: None }
    }

    /// Names in a text as what they stand for.
    fn fill_in(&self, text: &str, write: impl Fn(&str) -> String) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            let close = rest.bytes().take(NAME_BYTES_MAX + 1).position(|byte| byte == b'}');
            match close.and_then(|close| Some((self.named(&rest[..close])?, close))) {
                Some((value, close)) => {
                    filled.push_str(&write(value));
                    rest = &rest[close + 1..];
                }
                None => filled.push('{'),
            }
        }
        filled.push_str(rest);
        filled
    }

    fn named(&self, name: &str) -> Option<&str> {
        if name == "room" {
            return Some(self.realm.room.room_id().as_str());
        }
        let place: usize = name.parse().ok()?;
        self.realm.pdus.get(place).map(|pdu| pdu.event_id().as_str())
    }
}

impl Body for RawRequest {
    const USEFUL: &'static [&'static str] = &[PAST_THE_GATE];

    fn check(&self) -> Reached {
        STAGE.with(|stage| self.check_on(&mut stage.borrow_mut()))
    }
}

impl RawRequest {
    fn check_on(&self, stage: &mut Stage) -> Reached {
        let (request, by) = self.read(stage);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let realm = &stage.realm;
        let host = stage.host.take().unwrap_or_else(|| Host::start(durable("a", realm.room.clone())));
        let before = stage.belongings.get_or_insert_with(|| Belongings::of(&host));
        let effort = host.effort();
        let (status, answer) = host.ask(request);
        let endpoint = EndpointName::in_path(&path);
        // These give away what is in a room.
        if endpoint.known().is_some_and(Endpoint::is_recovery) && status == 200 {
            let by = by.as_deref().unwrap_or_else(|| panic!("{path}: answered without a signature"));
            assert!(READERS.contains(&by), "{path}: answered to {by}, which is not in the room");
            assert!(by != "f" || !answer.to_string().contains(HIDDEN), "{path}: f sees what it may not");
        }
        if status == 200 && by.is_none() {
            let open = path.starts_with("/_matrix/key/v2/") || path == "/_matrix/federation/v1/version";
            assert!(open, "{method} {path}: answered without a signature");
        }
        if host.effort() == effort {
            stage.host = Some(host);
        } else if status != 200 || method == Method::GET {
            let after = Belongings::of(&host);
            let same = if endpoint == Endpoint::SendJoin {
                before.same_but_for_refused(&after)
            } else {
                *before == after
            };
            assert!(same, "{method} {path}: {status}, but it changed {before:?} to {after:?}");
        }
        let errcode = answer["errcode"].as_str().unwrap_or_default();
        let mut reached = Reached::from([format!("{} {status} {errcode}", route(&path)).into()]);
        if by.is_some() && !AT_THE_GATE.contains(&errcode) {
            reached.insert(PAST_THE_GATE.into());
        }
        reached
    }

    /// The request, and who signed it. What no library for HTTP would let through is left out or encoded, or
    /// most inputs would end here.
    fn read(&self, stage: &Stage) -> (Request<Bytes>, Option<String>) {
        let text = String::from_utf8_lossy(&self.0);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        let mut body = stage.fill_in(body, str::to_owned);
        let mut request = Request::new(Bytes::new());
        let (mut signed_by, mut signed) = (None, None);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "signed-by" => signed_by = HOSTS.iter().find(|host| **host == value),
                "events-by" => signed = sign_events(&mut body, value),
                _ => {
                    let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
                    if let (Ok(name), Ok(value)) = header {
                        request.headers_mut().append(name, value);
                    }
                }
            }
        }
        let target = target.replace("{signed}", &encode(&signed.unwrap_or_default()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let target = stage.fill_in(&target, encode);
        let target = utf8_percent_encode(target.trim_start_matches('/'), NOT_IN_A_TARGET);
        *request.uri_mut() = format!("/{target}").parse().unwrap_or_default();
        *request.body_mut() = Bytes::from(body);
        // A target without a path, such as that of CONNECT, is nothing that could be signed.
        let signable = request.uri().path_and_query().is_some() && can_sign(&request);
        let by = signed_by.filter(|_| signable);
        if let Some(by) = by {
            sign_request(&mut request, by, &stand_in());
        }
        (request, by.map(|by| (*by).to_owned()))
    }
}

/// Hashes and signs the events of a transaction, of an invite, or the one that is the whole body; gives the
/// id of the last.
fn sign_events(text: &mut String, by: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(text).ok()?;
    let by = HOSTS.iter().find(|host| **host == by)?;
    let mut id = None;
    let mut sign = |event: &mut Value| {
        let object: Option<CanonicalJsonObject> = serde_json::from_value(event.clone()).ok();
        let signed = object.and_then(|mut object| {
            object.remove("hashes");
            place_and_sign_anyway(object, RoomVersion::V11, server(by), &key(by), &stand_in()).ok()
        });
        if let Some(signed) = signed
            && let Ok(value) = serde_json::from_str(signed.get())
        {
            let pdu = UnverifiedPdu::parse(signed.get(), RoomVersion::V11, Limits::Waived);
            id = pdu.ok().map(|pdu| pdu.event_id().to_string());
            *event = value;
        }
    };
    match &mut body {
        Value::Object(object) if object.contains_key("pdus") => {
            object
                .get_mut("pdus")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .take(64)
                .for_each(sign);
        }
        Value::Object(object) if object.contains_key("event") => {
            object.get_mut("event").into_iter().for_each(sign);
        }
        other => sign(other),
    }
    *text = body.to_string();
    id
}

/// The endpoint of a path, without what differs from request to request.
fn route(path: &str) -> &str {
    // Of keys there are two.
    let known = |part: &&str| match Endpoint::named(part) {
        Some(endpoint) => endpoint != Endpoint::Key,
        None => ["server", "query"].contains(part),
    };
    path.split('/').find(known).unwrap_or("elsewhere")
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

pub(super) fn seeds() -> Seeds {
    let federation = |method: &str, rest: &str, by: &str, body: &str| {
        format!("{method} /_matrix/federation/{rest}\nsigned-by: {by}\n\n{body}").into_bytes()
    };
    let get = |rest: &str, by: &str| federation("GET", rest, by, "");
    let missing = |body: &str| federation("POST", "v1/get_missing_events/{room}", "b", body);
    let message = |parent: &str| {
        format!(
            r#"{{"type":"m.room.message","room_id":"{{room}}","sender":"@u:b","content":{{"body":"new"}},"depth":30,"origin_server_ts":1600000100000,"prev_events":["{parent}"],"auth_events":["{{0}}","{{2}}","{{5}}"]}}"#
        )
    };
    let send = |pdus: &str| {
        let body = format!(r#"{{"origin":"b","origin_server_ts":1600000100000,"pdus":[{pdus}]}}"#);
        format!("PUT /_matrix/federation/v1/send/1\nevents-by: b\nsigned-by: b\n\n{body}").into_bytes()
    };
    let join = r#"{"type":"m.room.member","room_id":"{room}","sender":"@u:g","state_key":"@u:g","content":{"membership":"join"},"depth":30,"origin_server_ts":1600000100000,"prev_events":["{29}"],"auth_events":["{0}","{2}","{3}"]}"#;
    let invite = r#"{"room_version":"11","event":{"type":"m.room.member","room_id":"!other:b","sender":"@u:b","state_key":"@u:a","content":{"membership":"invite"},"depth":9,"origin_server_ts":1600000100000,"prev_events":[],"auth_events":[]},"invite_room_state":[]}"#;
    vec![
        ("version", b"GET /_matrix/federation/v1/version\n\n".to_vec()),
        ("key", b"GET /_matrix/key/v2/server\n\n".to_vec()),
        ("key-query", b"GET /_matrix/key/v2/query/b\n\n".to_vec()),
        ("backfill", get("v1/backfill/{room}?limit=10&v={29}", "b")),
        ("backfill-of-hidden-events", get("v1/backfill/{room}?v={19}&v={20}&limit=100", "f")),
        ("backfill-without-limit", get("v1/backfill/{room}?v={29}", "b")),
        ("backfill-by-a-banned-server", get("v1/backfill/{room}?limit=10&v={29}", "e")),
        ("event", get("v1/event/{10}", "c")),
        ("event-of-nobody", get("v1/event/$nobody", "c")),
        ("event-auth", get("v1/event_auth/{room}/{10}", "b")),
        ("state", get("v1/state/{room}?event_id={20}", "f")),
        ("state-ids", get("v1/state_ids/{room}?event_id={20}", "b")),
        ("make-join", get("v1/make_join/{room}/@u:g?ver=11&ver=10", "g")),
        ("make-join-of-a-banned-user", get("v1/make_join/{room}/@u:e?ver=11", "e")),
        ("missing-events", missing(r#"{"latest_events":["{29}"],"earliest_events":["{20}"],"limit":10,"min_depth":0}"#)),
        ("missing-events-in-wrong-types", missing(r#"{"latest_events":"{29}","earliest_events":[7],"limit":-1}"#)),
        ("not-json", missing("{")),
        ("unsigned", b"POST /_matrix/federation/v1/get_missing_events/{room}\n\n{}".to_vec()),
        ("send", send(&message("{29}"))),
        ("send-behind-an-unknown-event", send(&message("$unknown"))),
        ("send-join", format!("PUT /_matrix/federation/v2/send_join/{{room}}/{{signed}}\nevents-by: g\nsigned-by: g\n\n{join}").into_bytes()),
        ("invite", format!("PUT /_matrix/federation/v2/invite/!other:b/{{signed}}\nevents-by: b\nsigned-by: b\n\n{invite}").into_bytes()),
        ("no-such-path", get("v1/nothing", "b")),
        ("no-such-method", federation("DELETE", "v1/event/{10}", "b", "")),
        ("twice-encoded", get("v1/event/%2524x%252Fy", "b")),
        ("forged-header", b"GET /_matrix/federation/v1/event/{10}\nauthorization: X-Matrix origin=b,destination=a,key=\"ed25519:1\",sig=AAAA\n\n".to_vec()),
    ]
}
