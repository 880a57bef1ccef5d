//! The `Authorization` header of a request and what it signs: a valid request is accepted however its header
//! is written, and after any change of what is signed it is refused.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header::AUTHORIZATION};
use ruma_federation_api::authentication::XMatrix;
use serde_json::{Value, json};

use super::{
    Body, Reached, Seeds,
    tape::{below, byte, pick},
    world::{HOSTS, START, key, key_ring, server, stand_in},
};
use backfire::matrix::{
    error::MatrixError,
    request_auth::{Credentials, sign},
};

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &["accepted", "refused", "unreadable"];

/// A header as it is, or a request with something wrong with it.
pub enum AuthHeader {
    /// Only read.
    Raw(Vec<u8>),
    /// Signed by `b` for `a`.
    Signed(Signed),
}

/// A request, and one change after it was signed.
#[derive(Debug)]
pub struct Signed {
    asked: Asked,
    change: Change,
    /// How the header is written: the order of its parameters, spaces, what else is in it.
    style: Style,
}

#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    uri: String,
    body: Option<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Style {
    rotated: usize,
    quoted: bool,
    between: &'static str,
    extra: &'static str,
    scheme: &'static str,
}

#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Method(Method),
    Uri(String),
    Body(Option<Value>),
    Origin(&'static str),
    Destination(&'static str),
    /// The server that reads it is another than the one that it was signed for.
    Reader(&'static str),
    Key,
    /// One bit of the signature.
    Signature(usize),
    /// The header is there without a destination, as old servers send it: no reason to refuse.
    NoDestination,
    Twice,
    Missing(usize),
}

const METHODS: [Method; 5] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD];
const URIS: [&str; 8] = [
    "/_matrix/federation/v1/version",
    "/_matrix/federation/v1/backfill/!room:a?limit=10&v=$e1:a",
    "/_matrix/federation/v1/backfill/!room:a?v=$e1:a&limit=10",
    "/_matrix/federation/v1/backfill/%21room%3Aa?limit=10&v=%24e1%3Aa",
    "/_matrix/federation/v1/send/1",
    "/_matrix/federation/v1/send/1?",
    "/_matrix/federation/v1/event/$e1:a",
    "/",
];
const PARAMETERS: [&str; 4] = ["origin", "destination", "key", "sig"];

impl<'a> Arbitrary<'a> for AuthHeader {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if byte(u)? % 4 == 3 {
            return Ok(Self::Raw(u.bytes(u.len())?.to_vec()));
        }
        let asked = Asked { method: pick(u, &METHODS)?.clone(), uri: draw_uri(u)?, body: draw_body(u)? };
        let change = match below(u, 16)? {
            0..=2 => Change::Nothing,
            3 => Change::Method(pick(u, &METHODS)?.clone()),
            4 | 5 => Change::Uri(draw_uri(u)?),
            6 | 7 => Change::Body(draw_body(u)?),
            8 => Change::Origin(pick(u, &HOSTS)?),
            9 => Change::Destination(pick(u, &HOSTS)?),
            10 => Change::Reader(pick(u, &HOSTS)?),
            11 => Change::Key,
            12 => Change::Signature(u16::from_be_bytes([byte(u)?, byte(u)?]).into()),
            13 => Change::NoDestination,
            14 => Change::Twice,
            _ => Change::Missing(below(u, PARAMETERS.len())?),
        };
        let style = Style {
            rotated: below(u, PARAMETERS.len())?,
            quoted: byte(u)?.is_multiple_of(2),
            between: pick(u, &[",", ", ", " ,\t", " , "])?,
            extra: pick(u, &["", "unknown=x", "x=\"a,b=\\\"c\"", "ORIGINS=b"])?,
            scheme: pick(u, &["X-Matrix", "x-matrix", "X-MATRIX"])?,
        };
        Ok(Self::Signed(Signed { asked, change, style }))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

fn draw_uri(u: &mut Unstructured<'_>) -> Result<String> {
    let uri = (*pick(u, &URIS)?).to_owned();
    let tail = char::from(b'!' + byte(u)? % 94);
    let longer = format!("{uri}{tail}");
    // What is behind `#` is no part of a request.
    Ok(if byte(u)? > 127 && tail != '#' && longer.parse::<http::Uri>().is_ok() { longer } else { uri })
}

fn draw_body(u: &mut Unstructured<'_>) -> Result<Option<Value>> {
    Ok(match below(u, 8)? {
        0..=2 => None,
        3 => Some(json!({})),
        4 => Some(json!({ "pdus": [] })),
        5 => Some(json!({ "limit": byte(u)?, "b": byte(u)?, "a": { "c": byte(u)? } })),
        6 => Some(json!([byte(u)?])),
        _ => Some(json!({ "text": char::from(byte(u)?).to_string() })),
    })
}

impl Body for AuthHeader {
    fn check(&self) -> Reached {
        let outcome = match self {
            Self::Raw(bytes) => {
                check_raw(bytes);
                return Reached::new();
            }
            Self::Signed(signed) => signed.check(),
        };
        Reached::from([outcome.into()])
    }
}

/// What can be read can be written and read again.
fn check_raw(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut request = Request::new(Bytes::new());
    request.headers_mut().insert(AUTHORIZATION, value.clone());
    let read = Credentials::read(&request, server("a"));
    let parsed = XMatrix::try_from(&value);
    if let Err(error) = &read {
        assert_eq!(error.status, StatusCode::UNAUTHORIZED);
    }
    let Ok(parsed) = parsed else { return };
    assert!(read.is_ok() || parsed.destination.as_ref().is_some_and(|name| name != "a"));
    let again = XMatrix::parse(parsed.to_string());
    let again = again.unwrap_or_else(|error| panic!("`{parsed}` can't be read: {error}"));
    let fields = |header: &XMatrix| {
        let XMatrix { origin, destination, key, sig, .. } = header;
        (origin.clone(), destination.clone(), key.to_string(), sig.encode())
    };
    assert_eq!(fields(&again), fields(&parsed));
}

impl Signed {
    fn check(&self) -> &'static str {
        let mut request = self.asked.request();
        sign(&mut request, server("b"), server("a"), &key("b"), &stand_in());
        let header = XMatrix::try_from(&request.headers()[AUTHORIZATION]).expect("own headers can be read");
        let mut parameters: Vec<(&str, String)> = vec![
            ("origin", header.origin.to_string()),
            ("destination", "a".to_owned()),
            ("key", header.key.to_string()),
            ("sig", header.sig.encode()),
        ];
        let (mut asked, mut reader) = (self.asked.clone(), "a");
        let good = match &self.change {
            Change::Nothing => true,
            Change::Method(method) => {
                asked.method = method.clone();
                *method == self.asked.method
            }
            Change::Uri(uri) => {
                asked.uri.clone_from(uri);
                *uri == self.asked.uri
            }
            Change::Body(body) => {
                asked.body.clone_from(body);
                *body == self.asked.body
            }
            Change::Origin(host) => {
                parameters[0].1 = (*host).to_owned();
                *host == "b"
            }
            Change::Destination(host) => {
                parameters[1].1 = (*host).to_owned();
                *host == "a"
            }
            Change::Reader(host) => {
                reader = host;
                *host == "a"
            }
            Change::Key => {
                parameters[2].1 = "ed25519:2".to_owned();
                false
            }
            Change::Signature(bit) => {
                let mut bytes = header.sig.as_bytes().to_vec();
                let at = bit % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
                parameters[3].1 = backfire::matrix::keys::encode(&bytes);
                false
            }
            Change::NoDestination => {
                parameters.remove(1);
                true
            }
            Change::Twice => {
                let twin = parameters[self.style.rotated].clone();
                parameters.push(twin);
                false
            }
            Change::Missing(which) => {
                parameters.remove(*which);
                *which == 1
            }
        };
        let mut request = asked.request();
        let value = HeaderValue::from_str(&self.style.write(&parameters)).expect("it is printable");
        request.headers_mut().insert(AUTHORIZATION, value);
        match read(&request, reader) {
            Ok(origin) => {
                assert!(good, "accepted in spite of {:?}", self.change);
                assert_eq!(origin, "b");
                "accepted"
            }
            Err((stage, error)) => {
                assert!(!good, "refused: {error}");
                assert_eq!((error.status, error.errcode), (StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED"));
                stage
            }
        }
    }
}

/// Who sent the request; or how far it came, and why no further.
fn read(request: &Request<Bytes>, reader: &str) -> std::result::Result<String, (&'static str, MatrixError)> {
    let reader = server(reader);
    let credentials = Credentials::read(request, reader).map_err(|error| ("unreadable", error))?.remove(0);
    let origin = credentials.verify(request, reader, &key_ring(), START, &stand_in());
    origin.map(|origin| origin.to_string()).map_err(|error| ("refused", error))
}

impl Asked {
    fn request(&self) -> Request<Bytes> {
        let body = self.body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder().method(self.method.clone()).uri(&self.uri);
        request.body(body).expect("uris are checked when they are drawn")
    }
}

impl Style {
    fn write(&self, parameters: &[(&str, String)]) -> String {
        let write = |(name, value): &(&str, String)| {
            // `:`, `/` and `+` are no characters of a token (RFC 9110), so keys and signatures go in quotes.
            let token = value.chars().all(|char| char.is_ascii_alphanumeric() || "-._~".contains(char));
            if token && !self.quoted { format!("{name}={value}") } else { format!("{name}=\"{value}\"") }
        };
        let mut list: Vec<String> = parameters.iter().map(write).collect();
        let rotated = self.rotated.min(list.len());
        list.rotate_left(rotated);
        if !self.extra.is_empty() {
            list.insert(rotated, self.extra.to_owned());
        }
        format!("{} {}", self.scheme, list.join(self.between))
    }
}

impl fmt::Debug for AuthHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(bytes) => write!(f, "Authorization: {}", bytes.escape_ascii()),
            Self::Signed(signed) => write!(f, "{signed:#?}"),
        }
    }
}

pub(super) fn seeds() -> Seeds {
    let raw = |text: &str| [&[3], text.as_bytes()].concat();
    // Method, uri, its tail and whether it has one, body; change; style.
    let signed = |change: &[u8]| [&[0, 2, 1, 0, 0, 4][..], change, &[1, 0, 1, 1, 0]].concat();
    vec![
        ("synapse", raw(r#"X-Matrix origin="b",key="ed25519:1",sig="AAAA",destination="a""#)),
        ("tokens", raw("X-Matrix origin=b,destination=a,key=ed25519:1,sig=AAAA")),
        ("escaped", raw(r#"X-Matrix origin="\b:8448",key="ed25519:\1",sig="AA==""#)),
        ("after-another-scheme", raw(r#"Basic YTpi, X-Matrix origin=b,key="ed25519:1",sig=AA"#)),
        ("accepted", signed(&[0])),
        ("another-method", signed(&[3, 0])),
        ("another-query", signed(&[4, 2, 0, 0])),
        ("another-body", signed(&[6, 3])),
        ("another-reader", signed(&[10, 2])),
        ("flipped-bit", signed(&[12, 1, 7])),
        ("no-destination", signed(&[13])),
        ("sig-twice", signed(&[14])),
    ]
}
