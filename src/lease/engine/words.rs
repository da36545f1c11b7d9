//! What a server says, as it may be shown.

use super::url::Login;
use crate::base::secret::mask;
use crate::base::text::cut;

/// As much of a server's words as is shown, in characters.
pub const MOST_WORDS: usize = 200;

/// The words without the login and the other secrets, control characters, and what is too much. A user may be called as a part
/// of a common word is, and is hidden only where it is a word.
pub fn scrubbed(text: &str, login: Option<&Login>, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    let mut secrets: Vec<&str> =
        login.map(|login| login.password.as_str()).into_iter().chain(secrets.iter().copied()).collect();
    // A part of another one comes after it.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "…").replace(&escaped(secret), "…");
    }
    if let Some(user) = login.and_then(|login| login.user.as_deref()) {
        text = without_word(&without_word(&text, user), &escaped(user));
    }
    let text = mask(&text).replace(|c: char| c.is_control(), " ");
    cut(text.trim(), MOST_WORDS)
}

/// As a server writes it that repeats what it was sent as JSON.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn without_word(text: &str, word: &str) -> String {
    let is_of_words = |c: char| c.is_alphanumeric() || c == '_';
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word).filter(|_| !word.is_empty()) {
        let (before, behind) = (&rest[..at], &rest[at + word.len()..]);
        let before_it = before.chars().next_back().or_else(|| shown.chars().next_back());
        let is_whole = !before_it.is_some_and(is_of_words) && !behind.chars().next().is_some_and(is_of_words);
        shown.push_str(before);
        shown.push_str(if is_whole { "…" } else { word });
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left_however_it_is_written() {
        let login = Login { user: Some("hunter".into()), password: "hunter\"2".into() };
        for said in ["hunter\"2", r#"{"password":"hunter\"2"}"#, "hunter", "token hunter3"] {
            let shown = scrubbed(said, Some(&login), &["hunter3", ""]);
            assert!(!shown.contains("hunter") && !shown.contains(['2', '3']), "{shown}");
        }
        assert_eq!(scrubbed(" a\u{1b}[2J\r\n", None, &[]), "a [2J");
        assert_eq!(scrubbed(&"é".repeat(MOST_WORDS + 1), None, &[]), "é".repeat(MOST_WORDS - 1) + "…");
    }

    #[test]
    fn a_user_is_hidden_where_it_is_a_word() {
        let shown = without_word("permission denied for table solobot_lease, bot bots \"bot\"", "bot");
        assert_eq!(shown, "permission denied for table solobot_lease, … bots \"…\"");
        assert_eq!(without_word("bot", ""), "bot");
    }
}
