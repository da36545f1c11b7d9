//! What a server says, as it may be shown.

use super::url::Login;
use crate::base::secret::mask;

/// As much of a server's words as is shown, in characters.
pub const MOST_WORDS: usize = 200;

/// The words without the login and the other secrets, control characters, and what is too much.
pub fn scrubbed(text: &str, login: Option<&Login>, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    let login = login.into_iter().flat_map(|login| [Some(login.password.as_str()), login.user.as_deref()]);
    // A part of another one comes after it.
    let mut secrets: Vec<&str> =
        login.flatten().chain(secrets.iter().copied()).filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        // A server may repeat what it was sent as JSON.
        let escaped = serde_json::Value::from(secret).to_string();
        text = text.replace(secret, "…").replace(&escaped[1..escaped.len() - 1], "…");
    }
    let text = mask(&text).replace(|c: char| c.is_control(), " ");
    let text = text.trim();
    match text.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
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
        assert_eq!(scrubbed(&"é".repeat(MOST_WORDS + 1), None, &[]), "é".repeat(MOST_WORDS) + "…");
    }
}
