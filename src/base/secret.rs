//! A bot's token, and the one place that hides it: text from elsewhere goes through [`mask`].

#[cfg(feature = "cli")]
mod token;

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

#[cfg(feature = "cli")]
pub use token::{MalformedToken, ProcessToken, Token, TokenId, carried, in_environ, used};

/// How many digits a bot id has.
const ID_DIGITS: RangeInclusive<usize> = 6..=12;
/// The minimum length of the secret.
const SECRET_MIN: usize = 30;

fn is_secret_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Replaces the secret of every token-shaped string with `…`: `<bot id>:…`.
///
/// For all text that is not ours: command lines, and errors of libraries that contain a URL. The colon may be
/// percent-encoded.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    while let Some((_, secret)) = next_token(text, copied) {
        masked.push_str(&text[copied..secret.start]);
        masked.push('…');
        copied = secret.end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// The place of the next token: its bot id, and after the colon its secret.
fn next_token(text: &str, from: usize) -> Option<(Range<usize>, Range<usize>)> {
    let bytes = text.as_bytes();
    (from..bytes.len()).find_map(|colon| {
        let start = colon + colon_length(&bytes[colon..])?;
        // Where two tokens stand in one word, the id of the second one is also the end of the first one's secret.
        let digits = bytes[..colon].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let length = bytes[start..].iter().take_while(|byte| is_secret_byte(**byte)).count();
        (digits >= *ID_DIGITS.start() && length >= SECRET_MIN).then(|| (colon - digits..colon, start..start + length))
    })
}

fn colon_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b':', ..] => Some(1),
        [b'%', b'3', b'A' | b'a', ..] => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn secret() -> String {
        format!("A_-{}", "b".repeat(32))
    }

    /// A token's text; put together, so that none stands in the sources.
    pub fn text(id: &str) -> String {
        format!("{id}:{}", secret())
    }

    #[test]
    fn masks_every_token() {
        let (one, two) = (text("123456"), text("987654321"));
        let cases = [
            (format!("bot --token {one} -x {two}"), "bot --token 123456:… -x 987654321:…".to_owned()),
            (format!("https://host/bot{one}/getMe: é"), "https://host/bot123456:…/getMe: é".to_owned()),
            (format!("a=12345678901234:{}", secret()), "a=12345678901234:…".to_owned()),
            (format!("t=123456%3A{}&x", secret()), "t=123456%3A…&x".to_owned()),
            (format!("{one}:{one}"), format!("123456:…:{one}").replace(&secret(), "…")),
            (format!("{one}{two}"), "123456:…:…".to_owned()),
            (format!("12345:{} 123456:short ::", secret()), format!("12345:{} 123456:short ::", secret())),
            (String::new(), String::new()),
        ];
        for (text, masked) in cases {
            assert_eq!(mask(&text), masked);
        }
    }
}
