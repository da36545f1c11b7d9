//! A bot's token.
//!
//! Invariant: the secret leaves a [`Token`] only through `Token::secret`, for the HTTP client. `Debug` and `Display`
//! show the bot id and a fingerprint, which tells whether two hosts have the same token.

use std::ffi::OsString;
use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{ID_DIGITS, SECRET_MIN, is_secret_byte, mask, next_token};
use crate::base::env;

/// A well-formed bot token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    colon: usize,
    fingerprint: String,
}

/// What may be shown of a token: enough to tell two bots apart and to compare two hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TokenId {
    /// The number that Telegram gave the bot.
    pub bot_id: String,
    /// The first 12 hexadecimal digits of the token's SHA-256.
    pub fingerprint: String,
}

/// The text is not a bot token. The message does not repeat it: it may be a token with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a bot token: a token is 6 to 12 digits, a colon, and at least 30 letters, digits, `-` or `_`")]
pub struct MalformedToken;

impl Token {
    /// Parses a token. White space around it is ignored.
    ///
    /// # Errors
    /// [`MalformedToken`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let text = text.trim();
        let (id, secret) = text.split_once(':').ok_or(MalformedToken)?;
        let right = ID_DIGITS.contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && secret.len() >= SECRET_MIN
            && secret.bytes().all(is_secret_byte);
        if !right {
            return Err(MalformedToken);
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

    pub fn id(&self) -> TokenId {
        TokenId { bot_id: self.bot_id().to_owned(), fingerprint: self.fingerprint.clone() }
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

/// A token in the environment or the arguments of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessToken {
    pub token: Token,
    /// The variable that has it as its value; `None` if it is in an argument.
    pub variable: Option<String>,
}

/// Every token in a process's environment (`KEY=VALUE` separated by NUL) and in its arguments: the usual variables first,
/// then all others. A value that is not a token is skipped, because `BOT_TOKEN` may belong to another service.
pub fn carried(environ: &[u8], argv: &[OsString]) -> Vec<ProcessToken> {
    let mut found = in_environ(environ);
    found.extend(
        argv.iter().flat_map(|arg| in_text(&arg.to_string_lossy())).map(|token| ProcessToken { token, variable: None }),
    );
    found
}

pub fn in_environ(environ: &[u8]) -> Vec<ProcessToken> {
    let entries = environ.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='));
    let mut found: Vec<ProcessToken> = entries
        .filter_map(|(name, value)| {
            Some(ProcessToken { token: Token::parse(value).ok()?, variable: Some(mask(name).into_owned()) })
        })
        .collect();
    found.sort_by_key(|one| one.usual().unwrap_or(env::TOKENS.len()));
    found
}

impl ProcessToken {
    /// Its place among the usual variables.
    fn usual(&self) -> Option<usize> {
        env::TOKENS.iter().position(|name| self.variable.as_deref() == Some(name))
    }
}

/// The token that a process probably uses: the one in a variable of its bot (`own`), otherwise the only one, otherwise the
/// one in a usual variable. If the `wanted` token is another one of them, there is no telling: `None`.
pub fn used<'a>(carried: &'a [ProcessToken], own: &[String], wanted: Option<&TokenId>) -> Option<&'a Token> {
    let is_own = |one: &&ProcessToken| one.variable.as_ref().is_some_and(|name| own.contains(name));
    if let Some(one) = carried.iter().find(is_own) {
        return Some(&one.token);
    }
    let first = &carried.first()?.token;
    if carried.iter().all(|one| one.token == *first) {
        return Some(first);
    }
    let usual = carried.iter().find(|one| one.usual().is_some()).map(|one| &one.token)?;
    let has = |token: &Token| wanted.is_some_and(|wanted| token.fingerprint == wanted.fingerprint);
    let is_wanted_too = !has(usual) && carried.iter().any(|one| has(&one.token));
    (!is_wanted_too).then_some(usual)
}

/// The tokens in an argument: `--token=…`, or a URL.
fn in_text(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((id, secret)) = next_token(text, at) {
        found.extend(Token::parse(&format!("{}:{}", &text[id], &text[secret.clone()])));
        at = secret.end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{secret, text};
    use super::*;

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
            assert_eq!(Token::parse(&wrong), Err(MalformedToken), "{wrong:?}");
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
        for shown in [format!("{token}"), format!("{token:?}"), format!("{token:#?}"), MalformedToken.to_string()] {
            assert!(!shown.contains(&secret()), "{shown}");
        }
        assert!(token.to_string().starts_with("bot 123456 ("), "{token}");
    }

    #[test]
    fn what_a_process_carries() {
        let environ =
            format!("PATH=/bin\0MINE={}\0BOT_TOKEN=xoxb-1\0=\0TELEGRAM_TOKEN= {}\n\0", text("222222"), text("333333"));
        let argv = [
            "python",
            "bot.py",
            &format!("--token={}", text("444444")),
            &format!("http://h/bot555555%3A{}/x", secret()),
        ];
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        let seen = carried(environ.as_bytes(), &argv);
        let seen: Vec<(&str, Option<&str>)> =
            seen.iter().map(|one| (one.token.bot_id(), one.variable.as_deref())).collect();
        assert_eq!(
            seen,
            [("333333", Some("TELEGRAM_TOKEN")), ("222222", Some("MINE")), ("444444", None), ("555555", None)]
        );
        assert_eq!(carried(b"A=1\0\0=", &[]), []);
        // A variable may be called anything.
        let named = in_environ(format!("{}={}", text("666666"), text("777777")).as_bytes());
        assert_eq!(named[0].variable.as_deref(), Some("666666:…"));
    }

    #[test]
    fn which_token_a_process_uses() {
        let parse = |id: &str| Token::parse(&text(id)).unwrap();
        let carry = |all: &[(&str, &str)]| -> Vec<ProcessToken> {
            let one = |(name, id): &(&str, &str)| ProcessToken { token: parse(id), variable: Some((*name).to_owned()) };
            all.iter().map(one).collect()
        };
        let used = |all: &[(&str, &str)], own: &[&str], wanted: Option<&str>| {
            let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
            used(&carry(all), &own, wanted.map(|id| parse(id).id()).as_ref()).map(|token| token.bot_id().to_owned())
        };
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(used(&[], &[], None), None);
        assert_eq!(used(&[("MINE", "111111")], &[], None), id("111111"));
        assert_eq!(used(&[("A", "111111"), ("B", "111111")], &[], None), id("111111"));
        assert_eq!(used(&[("A", "111111"), ("B", "222222")], &[], None), None);
        assert_eq!(
            used(&[("A", "111111"), ("B", "222222")], &[], Some("111111")),
            None,
            "a shell may export all it has"
        );
        assert_eq!(used(&[("A", "111111"), ("B", "222222")], &["B"], Some("111111")), id("222222"));
        let usual = [("BOT_TOKEN", "111111"), ("B", "222222")];
        assert_eq!(used(&usual, &[], None), id("111111"));
        assert_eq!(used(&usual, &[], Some("333333")), id("111111"));
        assert_eq!(used(&usual, &[], Some("222222")), None);
    }
}
