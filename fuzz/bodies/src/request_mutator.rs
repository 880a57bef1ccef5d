//! Changes one part of a request and leaves the others as they are: a byte that is flipped anywhere breaks
//! the head of a request more often than not, and then nothing of it is looked at.
//!
//! A changed request is signed anew when it is put to the server, so the signature needs no part here but for
//! who signs.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use ruma_common::CanonicalJsonValue;

use super::json_mutator;

/// What stands in a target for something that exists, almost exists, or does not.
const NAMES: [&str; 16] = [
    "{room}", "{0}", "{2}", "{5}", "{10}", "{14}", "{17}", "{19}", "{20}", "{25}", "{29}", "{signed}",
    "@u:g", "@u:b", "!other:b", "$nobody",
];
/// Endpoints with what they are asked with.
const LINES: [&str; 14] = [
    "GET /_matrix/federation/v1/backfill/{room}?limit=10&v={29}",
    "POST /_matrix/federation/v1/get_missing_events/{room}",
    "GET /_matrix/federation/v1/event/{10}",
    "GET /_matrix/federation/v1/event_auth/{room}/{10}",
    "GET /_matrix/federation/v1/state/{room}?event_id={20}",
    "GET /_matrix/federation/v1/state_ids/{room}?event_id={20}",
    "GET /_matrix/federation/v1/make_join/{room}/@u:g?ver=11",
    "PUT /_matrix/federation/v2/send_join/{room}/{signed}",
    "PUT /_matrix/federation/v1/send_join/{room}/{signed}",
    "PUT /_matrix/federation/v2/invite/{room}/{signed}",
    "PUT /_matrix/federation/v1/send/1",
    "GET /_matrix/federation/v1/version",
    "GET /_matrix/key/v2/server",
    "GET /_matrix/key/v2/query/b",
];
const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
const KEYS: [&str; 6] = ["v", "limit", "event_id", "ver", "omit_members", "x"];
const VALUES: [&str; 12] =
    ["", "0", "1", "2", "50", "100", "1000", "-1", "18446744073709551616", "1e3", "11", "%zz"];
const SIGNERS: [&str; 8] = ["b", "c", "f", "b", "c", "d", "e", "g"];
const HEADERS: [&str; 6] = [
    "content-type: text/plain",
    "content-length: 7",
    "authorization: X-Matrix origin=b,destination=a,key=\"ed25519:1\",sig=AAAA",
    "authorization: X-Matrix",
    "host: b",
    "events-by: b",
];
const BODIES: [&str; 4] = [
    "",
    r#"{"latest_events":["{29}"],"earliest_events":["{17}"],"limit":10,"min_depth":0}"#,
    r#"{"origin":"b","origin_server_ts":1600000100000,"pdus":[{"type":"m.room.message","room_id":"{room}","sender":"@u:b","content":{"body":"new"},"depth":30,"origin_server_ts":1600000100000,"prev_events":["{29}"],"auth_events":["{0}","{2}","{5}"]}]}"#,
    r#"{"type":"m.room.member","room_id":"{room}","sender":"@u:g","state_key":"@u:g","content":{"membership":"join"},"depth":30,"origin_server_ts":1600000100000,"prev_events":["{29}"],"auth_events":["{0}","{2}","{3}"]}"#,
];

/// A request with one of its parts changed; nothing for what is no text.
pub fn mutate(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed.into());
    let text = std::str::from_utf8(text).ok()?;
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let (mut line, mut headers, mut body) = (line.to_owned(), headers.to_owned(), body.to_owned());
    // What no endpoint would look at any more is mended, or all that come of it would be the same.
    if random.random_ratio(7, 8) {
        line = mended_line(&line, &mut random);
        headers = mended_headers(&headers, &mut random);
        body = mended_body(body, &mut random);
    }
    match random.random_range(0..16) {
        0 => pick(&LINES, &mut random).clone_into(&mut line),
        1..=3 => line = other_path(&line, &mut random),
        4..=7 => line = other_query(&line, &mut random),
        8 => {
            let target = line.split_once(' ').map_or("/", |(_, target)| target);
            line = format!("{} {target}", pick(&METHODS, &mut random));
        }
        9 | 10 => headers = other_headers(&headers, &mut random),
        11 => pick(&BODIES, &mut random).clone_into(&mut body),
        _ => body = other_body(&body, seed, &mut random),
    }
    let separator = if headers.is_empty() { "" } else { "\n" };
    Some(format!("{line}{separator}{headers}\n\n{body}").into_bytes())
}

fn pick<'t>(from: &[&'t str], random: &mut ChaCha8Rng) -> &'t str {
    from[random.random_range(0..from.len())]
}

/// The same if it asks an endpoint by its method, and otherwise another one.
fn mended_line(line: &str, random: &mut ChaCha8Rng) -> String {
    let is_known = LINES.iter().any(|known| endpoint(known) == endpoint(line));
    if is_known { line.to_owned() } else { pick(&LINES, random).to_owned() }
}

/// Method, and path as far as it is the same for all rooms and events.
fn endpoint(line: &str) -> Vec<&str> {
    line.split(['/', '?']).take(5).collect()
}

fn mended_headers(headers: &str, random: &mut ChaCha8Rng) -> String {
    let signs = |line: &str| line.strip_prefix("signed-by: ").is_some_and(|by| SIGNERS.contains(&by));
    if headers.lines().any(signs) {
        return headers.to_owned();
    }
    format!("signed-by: {}{}{headers}", pick(&SIGNERS, random), if headers.is_empty() { "" } else { "\n" })
}

/// One of the names in a path is another, is missing or is one too many; seldom the endpoint itself.
fn other_path(line: &str, random: &mut ChaCha8Rng) -> String {
    let (path, query) = line.split_once('?').map_or((line, None), |(path, query)| (path, Some(query)));
    let mut parts: Vec<&str> = path.split('/').collect();
    // Method, `_matrix`, `federation`, the version and the endpoint come first.
    let first = if random.random_ratio(1, 8) { 0 } else { 5 };
    let name = pick(&NAMES, random);
    if first >= parts.len() {
        parts.push(name);
    } else {
        let place = random.random_range(first..parts.len());
        match random.random_range(0..6) {
            0 => drop(parts.remove(place)),
            1 => parts.insert(place, name),
            _ => parts[place] = name,
        }
    }
    let path = parts.join("/");
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

fn other_query(line: &str, random: &mut ChaCha8Rng) -> String {
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    let key = pick(&KEYS, random);
    let value = if random.random() { pick(&NAMES, random) } else { pick(&VALUES, random) };
    if pairs.is_empty() {
        return format!("{path}?{key}={value}");
    }
    let place = random.random_range(0..pairs.len());
    match random.random_range(0..6) {
        0 => drop(pairs.remove(place)),
        1 => pairs.push(format!("{key}={value}")),
        2 => pairs.push(pairs[place].clone()),
        _ => {
            let key = pairs[place].split('=').next().unwrap_or(key).to_owned();
            pairs[place] = format!("{key}={value}");
        }
    }
    format!("{path}?{}", pairs.join("&"))
}

/// Somebody else signs, the request or its events; seldom nobody, or there is a header more.
fn other_headers(headers: &str, random: &mut ChaCha8Rng) -> String {
    let mut lines: Vec<String> = headers.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return format!("signed-by: {}", pick(&SIGNERS, random));
    }
    if random.random_ratio(1, 8) {
        lines.push(pick(&HEADERS, random).to_owned());
        return lines.join("\n");
    }
    let place = random.random_range(0..lines.len());
    if random.random_ratio(1, 8) {
        lines.remove(place);
    } else if let Some((name, _)) = lines[place].split_once(": ") {
        lines[place] = format!("{name}: {}", pick(&SIGNERS, random));
    }
    lines.join("\n")
}

/// What is not canonical can't be signed.
fn mended_body(body: String, random: &mut ChaCha8Rng) -> String {
    let is_good = body.is_empty() || serde_json::from_str::<CanonicalJsonValue>(&body).is_ok();
    if is_good { body } else { pick(&BODIES, random).to_owned() }
}

fn other_body(body: &str, seed: u32, random: &mut ChaCha8Rng) -> String {
    let changed = json_mutator::mutate(body.as_bytes(), seed).and_then(|bytes| String::from_utf8(bytes).ok());
    changed.unwrap_or_else(|| pick(&BODIES, random).to_owned())
}
