//! The Bot API's base URL: what comes before `/bot<token>/METHOD`.
//!
//! Plain HTTP is allowed, because self-hosted servers use it
//! (<https://core.telegram.org/bots/api#using-a-local-bot-api-server>), and so is a path. Invariant: a wrong URL is refused
//! before any token is sent, and no message shows a password or token from the URL.

use std::borrow::Cow;
use std::fmt;

use crate::base::secret::mask;

/// Telegram's own Bot API.
pub const PUBLIC: &str = "https://api.telegram.org";

/// A base URL, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    is_https: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

/// The text is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedUrl(&'static str);

impl BaseUrl {
    /// Takes the text for a base URL.
    ///
    /// # Errors
    /// [`MalformedUrl`], which says what is wrong and does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, MalformedUrl> {
        let (scheme, rest) =
            text.split_once("://").ok_or(MalformedUrl("it does not start with http:// or https://"))?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(MalformedUrl("its scheme is neither http nor https")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(MalformedUrl("it must not contain a user name or password"));
        }
        let (host, port) = split_port(authority)?;
        Ok(Self { is_https, host, port, path: checked_path(path)?.to_owned() })
    }

    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, written or implied.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Whether it is Telegram's own server and not a self-hosted one.
    pub fn is_public(&self) -> bool {
        self.host().eq_ignore_ascii_case("api.telegram.org")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}", if self.is_https { "s" } else { "" }, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn split_port(authority: &str) -> Result<(String, Option<u16>), MalformedUrl> {
    let end = authority.find(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[end..].split_once(':') {
        Some((_, port)) => (&authority[..authority.len() - port.len() - 1], Some(port)),
        None => (authority, None),
    };
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(port)) if port != 0 => Some(port),
        Some(_) => return Err(MalformedUrl("its port is not a number from 1 to 65535")),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fine = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    if fine { Ok((host.to_owned(), port)) } else { Err(MalformedUrl("its host cannot be read")) }
}

/// A path in front is allowed; `/bot`, which some libraries want at the end, is ours to add.
fn checked_path(path: &str) -> Result<&str, MalformedUrl> {
    let path = path.trim_end_matches('/');
    if !path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\' | '{' | '}')) {
        return Err(MalformedUrl("it may have a path, but no `?`, `#` or white space"));
    }
    let is_bot = |part: &str| {
        part.strip_prefix("bot").is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if path.split('/').any(is_bot) {
        return Err(MalformedUrl("leave `/bot…` out"));
    }
    if matches!(mask(path), Cow::Owned(_)) {
        return Err(MalformedUrl("leave the token out"));
    }
    Ok(path)
}

/// A URL for messages: without login and without any token.
pub fn shown(url: &str) -> Cow<'_, str> {
    let masked = mask(url);
    let Some(start) = masked.find("://").map(|at| at + 3) else { return masked };
    let end = masked[start..].find(['/', '?', '#']).map_or(masked.len(), |end| start + end);
    match masked[start..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{}…{}", &masked[..start], &masked[start + at..])),
        None => masked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_parts() {
        let cases = [
            (PUBLIC, true, "api.telegram.org", 443, PUBLIC),
            ("http://127.0.0.1:8081/", false, "127.0.0.1", 8081, "http://127.0.0.1:8081"),
            ("HTTPS://[fd00::1]:8443//", true, "fd00::1", 8443, "https://[fd00::1]:8443"),
            ("http://[::1]", false, "::1", 80, "http://[::1]"),
            ("http://host/tg/api/", false, "host", 80, "http://host/tg/api"),
            ("http://my_host/robot", false, "my_host", 80, "http://my_host/robot"),
        ];
        for (text, is_https, host, port, shown) in cases {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.is_https(), url.host(), url.port()), (is_https, host, port), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.is_public(), text == PUBLIC);
        }
    }

    #[test]
    fn what_is_none() {
        let with_token = format!("http://h/bot123456:{}/", "A".repeat(35));
        let with_token_alone = with_token.replace("/bot", "/x/");
        for wrong in [
            "",
            "localhost:8081",
            "127.0.0.1",
            "//host",
            "ftp://host",
            "http://",
            "http:///x",
            "http://:80",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:8081x",
            "http://h:1:2",
            "http://a b",
            "http://a/b c",
            "http://a/?x",
            "http://a?x",
            "http://a/#x",
            "http://user@host",
            "http://user:pass@host",
            "http://[::1",
            "http://::1",
            "http://h\u{e4}",
            "http://h/bot",
            "https://api.telegram.org/bot/",
            &with_token,
            &with_token_alone,
        ] {
            let error = BaseUrl::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains("AAAA") && !error.to_string().contains("pass@"), "{wrong}: {error}");
        }
    }

    #[test]
    fn shown_without_login_and_token() {
        let token = format!("123456:{}", "A".repeat(35));
        assert_eq!(shown(&format!("https://u:p@ss@h/x/{token}?y")), "https://…@h/x/123456:…?y");
        assert_eq!(shown("https://h/x@y"), "https://h/x@y");
        assert_eq!(shown("user:pass@h"), "user:pass@h");
    }
}
