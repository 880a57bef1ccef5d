//! Results as JUnit XML, which CI systems show.

use std::fmt::Write;

/// One test.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// Why it failed, if it did: a few words, and all of it.
    pub failure: Option<(&'a str, String)>,
}

/// The file of a suite.
pub fn write(suite: &str, cases: &[Case<'_>]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    let suite = escaped(suite);
    let _ = writeln!(out, "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failures}\">", cases.len());
    for case in cases {
        let name = escaped(case.name);
        let start = format!("    <testcase classname=\"{suite}\" name=\"{name}\"");
        let _ = match &case.failure {
            None => writeln!(out, "{start}/>"),
            Some((short, long)) => writeln!(
                out,
                "{start}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(short),
                escaped(long)
            ),
        };
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Text as it may stand in XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        let cases = [
            Case { name: "good", failure: None },
            Case { name: "bad", failure: Some(("failing again", "a < b & \"c\"\u{0}".to_owned())) },
        ];
        let written = write("suite", &cases);
        assert!(written.contains("tests=\"2\" failures=\"1\""), "{written}");
        assert!(written.contains("a &lt; b &amp; &quot;c&quot;\u{fffd}</failure>"), "{written}");
        assert!(written.contains("name=\"good\"/>"), "{written}");
    }
}
