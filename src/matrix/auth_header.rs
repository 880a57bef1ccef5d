//! The `Authorization` header of a request, as servers really write it: the specification tells readers to
//! take values that are neither tokens nor quoted, and more spaces than one (SS-API, "Request
//! Authentication").
//!
//! It may not know what is signed, nor by which key.

use http::HeaderValue;
use ruma_federation_api::authentication::XMatrix;

/// What a header says, or why it can't be read.
///
/// # Errors
///
/// A sentence.
pub(super) fn read(value: &HeaderValue) -> Result<XMatrix, String> {
    let text = value.to_str().map_err(|error| error.to_string())?;
    XMatrix::parse(text).or_else(|error| {
        let tidied = tidied(text).ok_or_else(|| error.to_string())?;
        XMatrix::parse(tidied).map_err(|error| error.to_string())
    })
}

/// The same header as a strict reader wants it: one space behind the scheme, and all values in quotes.
fn tidied(text: &str) -> Option<String> {
    let (scheme, mut rest) = text.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case(XMatrix::AUTH_SCHEME) {
        return None;
    }
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(format!("{} {}", XMatrix::AUTH_SCHEME, parameters.join(",")));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start_matches([' ', '\t']))?;
        parameters.push(format!("{}={value}", name.trim_end()));
        rest = after;
    }
}

/// The first value of a list, in quotes, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let (value, rest) = text.split_once(',').unwrap_or((text, ""));
        let value = value.trim_end();
        return (!value.contains(['"', '\\'])).then(|| (format!("\"{value}\""), rest));
    }
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((text[..=at].to_owned(), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_servers_write_them() {
        let check = |text: &str| {
            let header = read(&HeaderValue::from_str(text).unwrap()).ok()?;
            let XMatrix { origin, destination, key, sig, .. } = header;
            let destination = destination.map_or_else(String::new, |name| name.to_string());
            Some(format!("{origin} {destination} {key} {}", sig.encode()))
        };
        let whole = Some("b:8448 a:1 ed25519:1 AAA/".to_owned());
        for text in [
            r#"X-Matrix origin="b:8448",destination="a:1",key="ed25519:1",sig="AAA/""#,
            "X-Matrix origin=b:8448,destination=a:1,key=ed25519:1,sig=AAA/",
            "X-Matrix   origin=b:8448, destination=a:1 ,\tkey=ed25519:1,sig=AAA/",
            "x-matrix\torigin = b:8448,destination=\"a:1\",key=ed25519:1,sig=AAA/,other=x/y",
            r#"X-Matrix origin="\b:8448",,destination=a:1,key="ed25519:1",sig=AAA/ "#,
        ] {
            assert_eq!(check(text), whole, "{text}");
        }
        for text in [
            "X-Matrix",
            "X-Matrix origin",
            "Basic origin=b:8448,destination=a:1,key=ed25519:1,sig=AAA/",
            "X-Matrix origin=b:8448,destination=a:1,key=ed25519:1",
            "X-Matrix origin=b:8448,origin=b:8448,destination=a:1,key=ed25519:1,sig=AAA/",
            r#"X-Matrix origin=b:8448,destination=a:1,key=ed25519:1,sig="AAA/"#,
        ] {
            assert_eq!(check(text), None, "{text}");
        }
    }
}
