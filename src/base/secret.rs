//! A bot's token, and the one place that keeps it out of sight.
//!
//! Invariant: the secret leaves a [`Token`] only through `Token::secret`, for the HTTP client. `Debug` and `Display`
//! show the bot id and a fingerprint, by which two hosts can be compared; foreign text goes through [`mask`].

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::base::env;

/// How many digits a bot id has.
const ID_DIGITS: std::ops::RangeInclusive<usize> = 6..=12;
/// How many characters the secret has at least.
const SECRET_MIN: usize = 30;

/// A bot's token, syntactically right.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    colon: usize,
    fingerprint: String,
}

/// The text is no bot token. It says nothing of the text, which may be one with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no bot token: it has 6 to 12 digits, a colon and at least 30 letters, digits, `-` or `_`")]
pub struct Malformed;

impl Token {
    /// Takes the text, without the white space around it, for a token.
    ///
    /// # Errors
    /// [`Malformed`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let (id, secret) = text.split_once(':').ok_or(Malformed)?;
        let right = ID_DIGITS.contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && secret.len() >= SECRET_MIN
            && secret.bytes().all(is_secret_byte);
        if !right {
            return Err(Malformed);
        }
        Ok(Self { text: text.to_owned(), colon: id.len(), fingerprint: fingerprint(text) })
    }

    /// The number that Telegram gave the bot: public.
    pub fn bot_id(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The first 12 hexadecimal digits of the token's SHA-256: layout A's `{token_hash}`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The token itself, for the Bot API's URL and for nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bot {} ({})", self.bot_id(), self.fingerprint)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, {})", self.bot_id(), self.fingerprint)
    }
}

fn fingerprint(text: &str) -> String {
    use fmt::Write as _;
    Sha256::digest(text).iter().take(6).fold(String::with_capacity(12), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn is_secret_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Replaces the secret of every token-shaped string by `…`: `<bot id>:…`.
///
/// For whatever text is not ours: command lines, errors of libraries that carry a URL. A colon may be percent-encoded.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    while let Some(secret) = next_secret(text, copied) {
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

/// Where the next secret stands, behind its bot id and colon.
fn next_secret(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    (from..bytes.len()).find_map(|colon| {
        let start = colon + colon_length(&bytes[colon..])?;
        let digits = bytes[from..colon].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let length = bytes[start..].iter().take_while(|byte| is_secret_byte(**byte)).count();
        (digits >= *ID_DIGITS.start() && length >= SECRET_MIN).then(|| start..start + length)
    })
}

fn colon_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b':', ..] => Some(1),
        [b'%', b'3', b'A' | b'a', ..] => Some(3),
        _ => None,
    }
}

/// The token in a process's environment, `KEY=VALUE` separated by NUL: the usual names first, then the extra ones.
/// A value that is no token is passed over, since `BOT_TOKEN` may be another service's.
pub fn find_in_environ(environ: &[u8], extra_names: &[&str]) -> Option<Token> {
    env::TOKENS.iter().chain(extra_names).find_map(|name| {
        environ.split(|byte| *byte == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Token::parse(std::str::from_utf8(value).ok()?).ok()
        })
    })
}

/// The names of all variables whose value is a token, in a process's environment.
pub fn names_in_environ(environ: &[u8]) -> Vec<String> {
    let entries = environ.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='));
    entries.filter(|(_, value)| Token::parse(value).is_ok()).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> String {
        format!("A_-{}", "b".repeat(32))
    }

    fn text(id: &str) -> String {
        format!("{id}:{}", secret())
    }

    #[test]
    fn the_syntax() {
        for right in [text("123456"), text("123456789012"), format!("  {}\r\n", text("1234567"))] {
            assert!(Token::parse(&right).is_ok(), "{right:?}");
        }
        let wrong = [
            String::new(),
            text("12345"),
            text("1234567890123"),
            text("12345x"),
            text("٣٣٣٣٣٣"),
            format!("123456:{}", "A".repeat(29)),
            format!("123456:{} x", "A".repeat(35)),
            format!("123456:{}é", "A".repeat(35)),
            format!("\"{}\"", text("123456")),
            secret(),
        ];
        for wrong in wrong {
            assert_eq!(Token::parse(&wrong), Err(Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn white_space_does_not_change_the_fingerprint() {
        let token = Token::parse(&format!("123456:{}", "A".repeat(35))).unwrap();
        assert_eq!(Token::parse(&format!("\t{}\n", token.secret())), Ok(token.clone()));
        // printf '123456:%s' "$(printf 'A%.0s' {1..35})" | sha256sum | cut -c1-12
        assert_eq!((token.bot_id(), token.fingerprint()), ("123456", "00bd3f0e1ad7"));
    }

    #[test]
    fn shown_without_the_secret() {
        let token = Token::parse(&text("123456")).unwrap();
        for shown in [format!("{token}"), format!("{token:?}"), format!("{token:#?}"), Malformed.to_string()] {
            assert!(!shown.contains(&secret()), "{shown}");
        }
        assert!(token.to_string().starts_with("bot 123456 ("), "{token}");
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
            (format!("12345:{} 123456:short ::", secret()), format!("12345:{} 123456:short ::", secret())),
            (String::new(), String::new()),
        ];
        for (text, masked) in cases {
            assert_eq!(mask(&text), masked);
        }
    }

    #[test]
    fn finds_the_token_of_a_process() {
        let environ =
            format!("PATH=/bin\0XBOT_TOKEN={}\0MINE={}\0BOT_TOKEN=xoxb-1\0=\0", text("111111"), text("222222"));
        assert_eq!(find_in_environ(environ.as_bytes(), &[]), None);
        assert_eq!(find_in_environ(environ.as_bytes(), &["NONE", "MINE"]).unwrap().bot_id(), "222222");
        assert_eq!(names_in_environ(environ.as_bytes()), ["XBOT_TOKEN", "MINE"]);
        let usual = format!("MINE={}\0TELEGRAM_TOKEN={}", text("222222"), text("333333"));
        assert_eq!(find_in_environ(usual.as_bytes(), &["MINE"]).unwrap().bot_id(), "333333");
    }
}
