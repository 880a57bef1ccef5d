//! "Did you mean": the known word nearest to an unknown one.

/// The word of `known` that `wrong` was most likely meant to be, if any is near enough.
///
/// Near enough is one typing slip (a letter left out, added, changed or swapped) for every three letters, and
/// at least one; for words of one or two letters only a difference in case counts, since everything is one
/// slip away from `a`.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if wrong.len() > LONGEST {
        return None;
    }
    let lower = wrong.to_lowercase();
    let letters = wrong.chars().count();
    let slips = if letters <= 2 { 0 } else { letters.div_ceil(3) };
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Advice to take a known word.
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// Advice for an unknown word: the nearest known one, or else all of them, if they are few enough to read.
pub(crate) fn advice<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(word) = nearest(wrong, known.clone()) {
        return Some(did_you_mean(word));
    }
    const READABLE: usize = 40;
    let words: Vec<String> = known.into_iter().take(READABLE + 1).map(|word| format!("`{word}`")).collect();
    match words.len() {
        0 => None,
        1 => Some(format!("it can be {}", words[0])),
        n if n > READABLE => None,
        _ => Some(format!("it can be one of {}", words.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        #[track_caller]
        fn check(wrong: &str, expected: Option<&str>) {
            assert_eq!(nearest(wrong, ["message", "partition", "profile", "a", "b"]), expected);
        }
        check("mesage", Some("message"));
        check("msesage", Some("message"));
        check("Partition", Some("partition"));
        check("A", Some("a"));
        check("c", None);
        check("teleport", None);
        check("", None);
    }
}
