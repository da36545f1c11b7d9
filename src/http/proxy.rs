//! Which proxy leads to the Bot API: the usual variables, read by ourselves.
//!
//! The HTTP library ignores a value that it cannot parse, and a token would then go another way than the operator meant.
//! Invariant: no error and no `Debug` shows a variable's value, which may contain a password.

use std::fmt;
use std::net::IpAddr;

use crate::base::env::{PROXIES, Vars};

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT over TLS.
    Https,
    /// SOCKS4: the name is looked up here.
    Socks4,
    /// SOCKS4 with names: the proxy looks the name up.
    Socks4a,
    /// SOCKS5: the name is looked up here.
    Socks5,
    /// SOCKS5: the proxy looks the name up.
    Socks5h,
}

impl Protocol {
    fn of(scheme: &str) -> Option<Self> {
        Some(match scheme.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "https" => Self::Https,
            "socks4" => Self::Socks4,
            "socks4a" => Self::Socks4a,
            "socks" | "socks5" => Self::Socks5,
            "socks5h" => Self::Socks5h,
            _ => return None,
        })
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks4 | Self::Socks4a | Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

/// A proxy to use.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its host; an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// The variable that names it.
    pub variable: &'static str,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Host and port, and the variable to blame.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.host, self.port, self.variable)
    }
}

/// A variable's value is not a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("variable `{variable}` is not a proxy: {why}")]
pub struct MalformedProxy {
    pub variable: &'static str,
    /// What is wrong; never the value.
    pub why: &'static str,
}

/// Where a request goes, as far as a proxy's choice depends on it.
#[derive(Debug, Clone, Copy)]
pub struct ProxyTarget<'a> {
    /// Whether it is `https`.
    pub is_https: bool,
    /// The host, without brackets.
    pub host: &'a str,
    pub port: u16,
}

/// The proxy for a request: the scheme's own variable, otherwise `ALL_PROXY`; none if `NO_PROXY` names the host. Lower case
/// wins, as with curl.
///
/// # Errors
/// [`MalformedProxy`], if the variable that counts cannot be understood.
pub fn choose(vars: &Vars, target: ProxyTarget<'_>) -> Result<Option<Proxy>, MalformedProxy> {
    if excepted(vars, target) {
        return Ok(None);
    }
    let own = if target.is_https { &PROXIES.https } else { &PROXIES.http };
    let named = own.iter().chain(&PROXIES.all).find_map(|&name| Some((name, vars.get(name)?)));
    let Some((variable, value)) = named else { return Ok(None) };
    let text = value.to_str().ok_or(MalformedProxy { variable, why: "it is not valid UTF-8" })?;
    parse(variable, text.trim()).map(Some)
}

fn parse(variable: &'static str, text: &str) -> Result<Proxy, MalformedProxy> {
    let wrong = |why| MalformedProxy { variable, why };
    let (protocol, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (
            Protocol::of(scheme).ok_or(wrong("its scheme is not http, https, socks4, socks4a, socks5 or socks5h"))?,
            rest,
        ),
        None => (Protocol::Http, text),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decoded = decode(user)
                .zip(decode(password))
                .ok_or(wrong("its login has a % that is not an escape such as %40"))?;
            (Some(decoded), place)
        }
        None => (None, authority),
    };
    let (host, port) = host_and_port(place).ok_or(wrong("its host or port cannot be read"))?;
    Ok(Proxy { protocol, host, port: port.unwrap_or(protocol.default_port()), login, variable })
}

/// `host`, `host:port`, `[::1]:port`; a host keeps its brackets.
pub fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.rfind(']') {
        Some(end) => (&text[..=end], &text[end + 1..]),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|&port| port != 0)?),
        None if port.is_empty() => None,
        None => return None,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    let fine = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => is_address(inner),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    fine.then(|| (host.to_owned(), port))
}

pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether `NO_PROXY` names the host: `*`, a domain with everything below it, an address, a network, each perhaps with a
/// port.
fn excepted(vars: &Vars, target: ProxyTarget<'_>) -> bool {
    let Some(list) = PROXIES.none.iter().find_map(|name| vars.get(name)) else { return false };
    let list = list.to_string_lossy().to_ascii_lowercase();
    let host = target.host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (entry, port) = without_port(entry);
        if port.is_some_and(|port| port != target.port) {
            return false;
        }
        if let Some(address) = address {
            return is_in(entry, address);
        }
        let domain = entry.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        !domain.is_empty() && host.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

fn without_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        // More than one colon: an IPv6 address without brackets.
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

/// Whether an entry (`10.0.0.1`, `10.0.0.0/8`) holds the address.
fn is_in(entry: &str, address: IpAddr) -> bool {
    let (network, length) = match entry.split_once('/') {
        Some((network, length)) => match length.parse::<u32>() {
            Ok(length) => (network, Some(length)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    match (network.parse::<IpAddr>().map(|network| network.to_canonical()), address.to_canonical()) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(length.unwrap_or(32));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(length.unwrap_or(128));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Whether a process with this environment may reach Telegram through a proxy, so that its sockets prove nothing.
pub fn is_set(environ: &[u8]) -> bool {
    environ.split(|&byte| byte == 0).any(|entry| {
        let Some(equals) = entry.iter().position(|&byte| byte == b'=') else { return false };
        let (name, value) = (&entry[..equals], &entry[equals + 1..]);
        let names = PROXIES.https.iter().chain(&PROXIES.http).chain(&PROXIES.all);
        !value.is_empty() && names.into_iter().any(|known| known.as_bytes() == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: ProxyTarget<'static> = ProxyTarget { is_https: true, host: "api.telegram.org", port: 443 };
    const LOCAL: ProxyTarget<'static> = ProxyTarget { is_https: false, host: "127.0.0.1", port: 8081 };

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn chosen(vars: &[(&str, &str)], target: ProxyTarget<'_>) -> Result<Option<String>, MalformedProxy> {
        let vars: Vars = vars.iter().copied().collect();
        Ok(choose(&vars, target)?.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn the_schemes_own_variable_then_the_one_for_all() {
        let all = ("ALL_PROXY", "socks5h://a:1");
        let cases: [(Variables<'_>, ProxyTarget<'_>, Option<&str>); 8] = [
            (&[], PUBLIC, None),
            (&[all], PUBLIC, Some("a:1 (ALL_PROXY)")),
            (&[all, ("https_proxy", "b")], PUBLIC, Some("b:80 (https_proxy)")),
            (&[all, ("HTTPS_PROXY", "b"), ("https_proxy", "c:3128/")], PUBLIC, Some("c:3128 (https_proxy)")),
            (&[all, ("HTTPS_PROXY", "b")], LOCAL, Some("a:1 (ALL_PROXY)")),
            (&[("HTTP_PROXY", "http://[::1]:8118")], LOCAL, Some("[::1]:8118 (HTTP_PROXY)")),
            (&[("HTTP_PROXY", "http://b")], PUBLIC, None),
            (&[("HTTPS_PROXY", "")], PUBLIC, None),
        ];
        for (vars, target, proxy) in cases {
            assert_eq!(chosen(vars, target), Ok(proxy.map(str::to_owned)), "{vars:?}");
        }
    }

    #[test]
    fn logins_are_decoded_and_never_shown() {
        let vars: Vars = [("ALL_PROXY", "socks5://us%40er:pa%3Ass@host")].into_iter().collect();
        let proxy = choose(&vars, PUBLIC).unwrap().unwrap();
        assert_eq!(proxy.login, Some(("us@er".to_owned(), "pa:ss".to_owned())));
        assert_eq!((proxy.protocol, proxy.port), (Protocol::Socks5, 1080));
        assert!(!format!("{proxy} {proxy:?}").contains("ss@") && !format!("{proxy:?}").contains("pa:"));
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_does_not_repeat_it() {
        for wrong in [
            "foo://h",
            "http://",
            "http://h:99999",
            "http://h:0",
            "http://h:x",
            "http://h:1:2",
            "http://[::1",
            "http://[zz]:1",
            "http://us:pa%zz@h",
            "h h",
            "http://h/path",
            "://",
        ] {
            let error = chosen(&[("https_proxy", wrong)], PUBLIC).unwrap_err();
            assert!(error.to_string().starts_with("variable `https_proxy` is not a proxy: "), "{error}");
            assert!(!error.to_string().contains("pa%"), "{error}");
        }
    }

    #[test]
    fn hosts_that_are_excepted() {
        let excepted = |list: &str, target| chosen(&[("ALL_PROXY", "p"), ("NO_PROXY", list)], target) == Ok(None);
        for list in
            ["*", "telegram.org", ".telegram.org", "x, API.Telegram.org:443", "*.telegram.org", "a api.telegram.org."]
        {
            assert!(excepted(list, PUBLIC), "{list}");
        }
        for list in ["", "gram.org", "api.telegram.org:80", "x.api.telegram.org", "10.0.0.0/8", "."] {
            assert!(!excepted(list, PUBLIC), "{list}");
        }
        for list in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "127.0.0.1:8081", "::ffff:127.0.0.1"] {
            assert!(excepted(list, LOCAL), "{list}");
        }
        for list in ["127.0.0.2", "127.0.0.1:80", "128.0.0.0/8", "localhost", "127.0.0.0/x", "::1"] {
            assert!(!excepted(list, LOCAL), "{list}");
        }
        let six = ProxyTarget { is_https: false, host: "fd00::1", port: 80 };
        assert!(excepted("fd00::/8", six) && excepted("[fd00::1]:80", six) && !excepted("[fd00::1]:81", six));
        assert_eq!(chosen(&[("ALL_PROXY", "p"), ("no_proxy", "*"), ("NO_PROXY", "x")], PUBLIC), Ok(None));
    }

    #[test]
    fn an_environment_with_a_proxy() {
        assert!(is_set(b"A=b\0https_proxy=http://p\0"));
        assert!(is_set(b"ALL_PROXY=x"));
        assert!(!is_set(b"https_proxy=\0NO_PROXY=*\0XHTTPS_PROXY=1\0"));
    }
}
