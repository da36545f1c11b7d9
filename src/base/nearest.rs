//! The name that was probably meant by a mistyped one.

/// How similar two names must be, from 0 to 1. This allows one or two slips in a name of usual length.
const ALIKE: f64 = 0.6;

/// The known name most similar to `name`, if any is similar enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["lock", "logs", "locks_itself", "main"];
        let cases = [("lok", Some("lock")), ("mian", Some("main")), ("lock_itself", Some("locks_itself")), ("x", None)];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
