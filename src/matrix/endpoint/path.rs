//! The path of a request: how it is written with the values of its parameters, and read again.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment or query value as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes one path segment or query value.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A path in which the names of parameters stand in braces.
pub(super) struct Template(pub(super) &'static str);

impl Template {
    fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.0.split('/').skip(1)
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.segments().filter_map(parameter)
    }

    /// The path with these values of its parameters; nothing if it has more of them, or fewer.
    pub(super) fn filled(&self, values: &[&str]) -> Option<String> {
        let mut values = values.iter();
        let mut path = String::new();
        for segment in self.segments() {
            path.push('/');
            match parameter(segment) {
                Some(_) => path.extend(utf8_percent_encode(values.next()?, PLAIN)),
                None => path.push_str(segment),
            }
        }
        values.next().is_none().then_some(path)
    }

    /// The values of its parameters in a path, given by its decoded segments; nothing if that is another one.
    pub(super) fn read(&self, path: &[impl AsRef<str>]) -> Option<Parameters> {
        let mut path = path.iter();
        let mut values = Vec::new();
        for segment in self.segments() {
            let given = path.next()?.as_ref();
            match parameter(segment) {
                Some(name) => values.push((name, given.to_owned())),
                None if segment == given => {}
                None => return None,
            }
        }
        path.next().is_none().then_some(Parameters(values))
    }
}

/// The name in a segment that is a parameter.
fn parameter(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The values of the parameters in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// The value of a parameter, if the path has it.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that every path of the endpoint has.
    ///
    /// # Panics
    ///
    /// If there is no such parameter.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no path of this endpoint has `{name}`"))
    }
}

/// The method of a request, and its path with query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// The method.
    pub method: Method,
    /// The path with query.
    pub path: String,
}

impl RequestLine {
    /// With one more parameter of the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        self.path.extend(utf8_percent_encode(value, PLAIN));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::Endpoint;

    #[test]
    fn what_can_be_mistaken_in_a_path_is_encoded() {
        let line = Endpoint::EventAuth.line(&["!a:b/c", "$d?e"]).query("f", "g&h").query("i", "1");
        assert_eq!(line.path, "/_matrix/federation/v1/event_auth/%21a%3Ab%2Fc/%24d%3Fe?f=g%26h&i=1");
    }
}
