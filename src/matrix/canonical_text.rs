//! The canonical form of any JSON, for signatures of requests: their bodies may hold what no event may, such
//! as fractions (appendices, "Signing JSON"). Numbers keep the text that they have, since nobody else's way
//! to write them is known.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep arrays and objects may stand in each other: deeper than anybody reads, and far from where a stack
/// ends.
const DEPTH_MAX: usize = 256;

/// The canonical form of a JSON text.
///
/// # Errors
///
/// When it is not JSON, or nested too deep.
pub(super) fn canonical_text(json: &[u8]) -> Result<String, String> {
    let value: &RawValue = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut reader = Reader { rest: value.get() };
    let mut text = String::with_capacity(json.len());
    reader.value(&mut text, 0)?;
    Ok(text)
}

/// What is left to read of a text that is known to be JSON.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, text: &mut String, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        match self.peek() {
            Some('{') => self.object(text, depth),
            Some('[') => self.array(text, depth),
            Some('"') => {
                text.push_str(&string(self.token()));
                Ok(())
            }
            _ => {
                text.push_str(self.token());
                Ok(())
            }
        }
    }

    fn object(&mut self, text: &mut String, depth: usize) -> Result<(), String> {
        self.skip();
        let mut fields = BTreeMap::new();
        while self.peek() != Some('}') {
            let name = string(self.token());
            let name: String = serde_json::from_str(&name).unwrap_or(name);
            // The colon.
            self.peek();
            self.skip();
            let mut value = String::new();
            self.value(&mut value, depth + 1)?;
            fields.insert(name, value);
            self.skip_comma();
        }
        self.skip();
        text.push('{');
        for (nth, (name, value)) in fields.into_iter().enumerate() {
            if nth > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(&name).expect("texts are JSON"));
            text.push(':');
            text.push_str(&value);
        }
        text.push('}');
        Ok(())
    }

    fn array(&mut self, text: &mut String, depth: usize) -> Result<(), String> {
        self.skip();
        text.push('[');
        let mut first = true;
        while self.peek() != Some(']') {
            if !first {
                text.push(',');
            }
            first = false;
            self.value(text, depth + 1)?;
            self.skip_comma();
        }
        self.skip();
        text.push(']');
        Ok(())
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    /// Past a bracket, a colon or a comma.
    fn skip(&mut self) {
        self.rest = &self.rest[1..];
    }

    fn skip_comma(&mut self) {
        if self.peek() == Some(',') {
            self.skip();
        }
    }

    /// A string with its quotes, a number or a word.
    fn token(&mut self) -> &'a str {
        self.peek();
        let bytes = self.rest.as_bytes();
        let end = if bytes.first() == Some(&b'"') {
            let mut at = 1;
            while bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        } else {
            let ends = |char| matches!(char, ',' | ']' | '}' | ' ' | '\t' | '\n' | '\r');
            self.rest.find(ends).unwrap_or(self.rest.len())
        };
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }
}

/// A string with its quotes as it is written canonically; one with half a surrogate pair, which says nothing,
/// as it is.
fn string(token: &str) -> String {
    let read: Result<String, _> = serde_json::from_str(token);
    read.map_or_else(|_| token.to_owned(), |text| serde_json::to_string(&text).expect("texts are JSON"))
}

#[cfg(test)]
mod tests {
    use ruma_common::CanonicalJsonObject;

    use super::*;

    #[test]
    fn what_ruma_can_write_is_written_as_by_ruma() {
        for text in [
            "{}",
            " { } ",
            r#"{"b":[1, 2 ,[ ],{}],"a":{"d":null,"c":[true,false]}, "é":"\u00e9\n\u0001\/\"\\"}"#,
            r#"{"a":1,"a":2,"":-5,"\u0061b":"}],{"}"#,
        ] {
            let object: CanonicalJsonObject = serde_json::from_str(text).unwrap();
            assert_eq!(canonical_text(text.as_bytes()).unwrap(), serde_json::to_string(&object).unwrap());
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let text = br#"{"b": [1.50, -0, 1E5], "a": 9223372036854775808}"#;
        assert_eq!(canonical_text(text).unwrap(), r#"{"a":9223372036854775808,"b":[1.50,-0,1E5]}"#);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(canonical_text(nested(150).as_bytes()).unwrap(), nested(150));
        assert!(canonical_text(nested(100_000).as_bytes()).is_err());
        assert!(canonical_text(b"[1").is_err());
    }
}
