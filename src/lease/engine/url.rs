//! The URL of an engine.
//!
//! Invariant: no error, `Debug` or [`EngineUrl::shown`] has a password, or text that may be one: what cannot be read is not
//! repeated.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::http::proxy::{decode, host_and_port};
use crate::lease::bounds;

/// How a URL of an engine looks, for hints.
pub const FORMS: &str =
    "write it like one of these: redis://HOST/0, rediss://HOST/0 (with TLS), ssh://USER@HOST/FOLDER/NAME.lock";

/// How a password is given.
const BY_VARIABLE: &str =
    "with a password: put redis://:PASSWORD@HOST/0 into a variable, and name it with --lease-env NAME";

/// A URL that names an engine. Its password is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineUrl {
    address: EngineAddress,
    ca_file: Option<PathBuf>,
}

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    Redis(RedisAddress),
    Ssh(SshAddress),
}

/// A server of Redis or Valkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    scheme: &'static str,
    /// An IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
    pub login: Option<Login>,
    pub database: u32,
}

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `None`: the server's default user.
    pub user: Option<String>,
    pub password: String,
}

/// A file on a host that is reached by ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    pub user: Option<String>,
    /// An IPv6 address without its brackets. It never begins with a hyphen, nor does the user.
    pub host: String,
    pub port: Option<u16>,
    /// Absolute: the lock there. It has neither `..` nor a control character.
    pub path: String,
}

/// The text names no engine, or no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MalformedEngine {
    /// What is wrong and why; lower case, no full stop, no secret.
    pub message: String,
    /// What to type.
    pub hints: Vec<String>,
}

impl EngineUrl {
    /// # Errors
    /// [`MalformedEngine`], which has nothing of the text that may be secret.
    pub fn parse(text: &str) -> Result<Self, MalformedEngine> {
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("the lease's URL is empty", FORMS));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("the lease's URL has no scheme such as redis://", FORMS));
        };
        let address = match scheme.to_ascii_lowercase().as_str() {
            "redis" => EngineAddress::Redis(redis("redis", rest)?),
            "rediss" => EngineAddress::Redis(redis("rediss", rest)?),
            "valkey" => EngineAddress::Redis(redis("valkey", rest)?),
            "valkeys" => EngineAddress::Redis(redis("valkeys", rest)?),
            "ssh" => EngineAddress::Ssh(ssh(rest)?),
            later @ ("postgres" | "postgresql" | "etcd" | "etcds") => {
                return Err(wrong(
                    format!("this solobot has no {later}:// leases: they come with a later version"),
                    FORMS,
                ));
            }
            other => {
                let may_be_shown = other.len() <= 16 && other.chars().all(|c| c.is_ascii_alphabetic());
                let what = if may_be_shown {
                    format!("no engine is called {other}://")
                } else {
                    "the lease's URL has an unknown scheme".into()
                };
                return Err(wrong(what, FORMS));
            }
        };
        Ok(Self { address, ca_file: None })
    }

    /// Certificates to trust with TLS, instead of Mozilla's.
    #[must_use]
    pub fn with_ca_file(mut self, file: Option<PathBuf>) -> Self {
        self.ca_file = file;
        self
    }

    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    pub fn has_password(&self) -> bool {
        matches!(&self.address, EngineAddress::Redis(address) if address.login.is_some())
    }

    /// The lease's name, where the URL carries it: the file's, without `.lock`.
    pub fn lease_name(&self) -> Option<String> {
        let EngineAddress::Ssh(address) = &self.address else { return None };
        let file = address.path.rsplit('/').next().unwrap_or_default();
        let stem = file.strip_suffix(".lock").filter(|stem| !stem.is_empty()).unwrap_or(file);
        Some(bounds::name_of(stem))
    }

    /// The login masked.
    pub fn shown(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            EngineAddress::Redis(address) => address.fmt(f),
            EngineAddress::Ssh(address) => address.fmt(f),
        }
    }
}

impl RedisAddress {
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme, "rediss" | "valkeys")
    }

    /// The same on another server, for hints.
    #[must_use]
    pub fn elsewhere(&self, host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, ..self.clone() }
    }
}

/// The login masked.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "…@" } else { "" };
        write!(f, "{}://{login}{}:{}/{}", self.scheme, Bracketed(&self.host), self.port, self.database)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// A user of ssh is no secret.
impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", Bracketed(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

fn wrong(message: impl Into<String>, hint: &str) -> MalformedEngine {
    MalformedEngine { message: message.into(), hints: vec![hint.to_owned()] }
}

fn redis(scheme: &'static str, rest: &str) -> Result<RedisAddress, MalformedEngine> {
    let parts = Parts::of(rest, scheme)?;
    let database = match parts.path {
        "" | "/" => 0,
        path => path[1..].parse().map_err(|_| {
            wrong(
                format!("the lease's URL has something other than the number of a database behind its host: {scheme}://HOST/0"),
                "leave it out, or write the number: redis://HOST/0",
            )
        })?,
    };
    let login = match parts.login {
        None => None,
        Some((_, None)) => {
            return Err(wrong(
                "the lease's URL has a login without a colon, so that nobody can tell a user from a password",
                BY_VARIABLE,
            ));
        }
        Some((_, Some(password))) if password.is_empty() => {
            return Err(wrong("the lease's URL has an empty password", BY_VARIABLE));
        }
        Some((user, Some(password))) => Some(Login { user: Some(user).filter(|user| !user.is_empty()), password }),
    };
    Ok(RedisAddress { scheme, host: parts.host, port: parts.port.unwrap_or(6379), login, database })
}

fn ssh(rest: &str) -> Result<SshAddress, MalformedEngine> {
    const FORM: &str = "write ssh://USER@HOST/FOLDER/NAME.lock, with the absolute path of the lock on that host";
    let parts = Parts::of(rest, "ssh")?;
    let user = match parts.login {
        None => None,
        Some((_, Some(_))) => {
            return Err(wrong(
                "the lease's URL has a password, which ssh does not take",
                "use a key: ssh-copy-id USER@HOST",
            ));
        }
        Some((user, None)) => Some(user),
    };
    let path = decode(parts.path)
        .ok_or_else(|| wrong("the path of the lease's URL has a % that is not an escape such as %20", FORM))?;
    let is_file = path.len() > 1 && !path.ends_with('/');
    let is_plain = !path.chars().any(char::is_control) && path.split('/').all(|part| part != "..");
    if !is_file || !is_plain {
        return Err(wrong("the lease's URL does not end in the path of a file", FORM));
    }
    // What begins with a hyphen, ssh(1) takes for an option.
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let is_user = user.as_ref().is_none_or(|user| !user.is_empty() && !user.starts_with('-') && is_name(user));
    if !is_user || parts.host.starts_with('-') {
        return Err(wrong("the user or host of the lease's URL cannot be used with ssh", FORM));
    }
    Ok(SshAddress { user, host: parts.host, port: parts.port, path })
}

/// What stands behind the scheme.
struct Parts<'a> {
    /// Decoded: the user, and what stands behind a colon.
    login: Option<(String, Option<String>)>,
    /// Without brackets.
    host: String,
    port: Option<u16>,
    /// Empty, or beginning with a slash.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str, scheme: &str) -> Result<Self, MalformedEngine> {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            return Err(wrong(
                "the login of the lease's URL has a character that must be escaped",
                "write %2F for /, %3F for ?, %23 for # and %40 for @ in a password",
            ));
        }
        if let Some(at) = path.find(['?', '#']) {
            let what = &path[at..=at];
            return Err(wrong(
                format!("the lease's URL has no place for what stands behind its `{what}`"),
                "leave it out",
            ));
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let login = login.map(|login| {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (decode(user), Some(decode(password))),
                None => (decode(login), None),
            };
            let password = match password {
                Some(None) => None,
                Some(Some(password)) => Some(Some(password)),
                None => Some(None),
            };
            user.zip(password).ok_or_else(|| {
                wrong(
                    "the login of the lease's URL has a % that is not an escape such as %40",
                    "write %25 for % in a password",
                )
            })
        });
        let login = login.transpose()?;
        if place.is_empty() || place.starts_with(':') {
            return Err(wrong(format!("the lease's URL names no host: {scheme}://"), FORMS));
        }
        let (host, port) =
            host_and_port(place).ok_or_else(|| wrong("the host or port of the lease's URL cannot be read", FORMS))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { login, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(text: &str) -> EngineUrl {
        EngineUrl::parse(text).unwrap()
    }

    #[test]
    fn the_parts_of_a_url_of_redis() {
        let url = parse("redis://us%40er:pa%2Fss%3a@[::1]:7000/3");
        let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
        assert_eq!((address.host.as_str(), address.port, address.database), ("::1", 7000, 3));
        let login = address.login.as_ref().unwrap();
        assert_eq!((login.user.as_deref(), login.password.as_str()), (Some("us@er"), "pa/ss:"));
        assert!(url.has_password() && !address.is_tls());
        assert_eq!(url.shown(), "redis://…@[::1]:7000/3");
        for text in ["redis://10.0.0.5", " REDIS://10.0.0.5/ ", "redis://10.0.0.5:6379/0"] {
            assert_eq!(parse(text).shown(), "redis://10.0.0.5:6379/0");
            assert!(!parse(text).has_password());
        }
        for (text, is_tls) in [("rediss://h", true), ("valkeys://h", true), ("valkey://h", false)] {
            let url = parse(text);
            let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
            assert_eq!(address.is_tls(), is_tls);
        }
        let EngineAddress::Redis(address) = parse("valkey://:only@h").address().clone() else { panic!() };
        assert_eq!(address.login, Some(Login { user: None, password: "only".into() }));
    }

    #[test]
    fn the_parts_of_a_url_of_ssh() {
        let url = parse("ssh://bot@home.example:2222/srv/my%20bots/.a%20b.lock");
        let EngineAddress::Ssh(address) = url.address() else { panic!("{url:?}") };
        assert_eq!((address.user.as_deref(), address.port), (Some("bot"), Some(2222)));
        assert_eq!(address.path, "/srv/my bots/.a b.lock");
        assert_eq!(url.lease_name().as_deref(), Some(".a_b"));
        assert_eq!(url.shown(), "ssh://bot@home.example:2222/srv/my bots/.a b.lock");
        assert_eq!(parse("ssh://[fd00::1]/l").shown(), "ssh://[fd00::1]/l");
        assert_eq!(parse("redis://h").lease_name(), None);
        assert!(!url.has_password());
    }

    #[test]
    fn what_names_no_engine_is_an_error_with_what_to_type_and_without_a_secret() {
        let cases = [
            ("", "is empty"),
            ("hunter2", "no scheme"),
            ("/tmp/hunter2", "no scheme"),
            ("hunter2://h/0", "unknown scheme"),
            ("mysql://:hunter2@h/0", "no engine is called mysql://"),
            ("postgres://u:hunter2@h/db", "this solobot has no postgres:// leases: they come with a later version"),
            ("etcds://h", "this solobot has no etcds:// leases"),
            ("redis://", "names no host: redis://"),
            ("redis:///0", "names no host"),
            ("redis://:hunter2@/0", "names no host"),
            ("redis://:hunter2@:6379/0", "names no host"),
            ("redis://h:0/0", "host or port"),
            ("redis://h:99999", "host or port"),
            ("redis://h h/0", "host or port"),
            ("redis://[::1/0", "host or port"),
            ("redis://h/zero", "the number of a database"),
            ("redis://h/-1", "the number of a database"),
            ("redis://h/0/hunter2", "the number of a database"),
            ("redis://h/0?password=hunter2", "behind its `?`"),
            ("redis://h/0#hunter2", "behind its `#`"),
            ("redis://hunter2@h/0", "a login without a colon"),
            ("redis://user:@h/0", "an empty password"),
            ("redis://:hunter2/x@h/0", "must be escaped"),
            ("redis://:hunter2%zz@h/0", "a % that is not an escape"),
            ("ssh://h", "path of a file"),
            ("ssh://h/", "path of a file"),
            ("ssh://h/a/", "path of a file"),
            ("ssh://h/a/../b", "path of a file"),
            ("ssh://h/a%0ab", "path of a file"),
            ("ssh://h/a%zz", "a % that is not an escape"),
            ("ssh://u:hunter2@h/a", "a password, which ssh does not take"),
            ("ssh://-oProxyCommand=x@h/a", "cannot be used with ssh"),
            ("ssh://-oProxyCommand/a", "cannot be used with ssh"),
            ("ssh://@h/a", "cannot be used with ssh"),
        ];
        for (text, expected) in cases {
            let error = EngineUrl::parse(text).unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error}");
            assert!(!error.hints.is_empty(), "{text}");
            assert!(!format!("{error:?}").contains("hunter2"), "{text}: {error:?}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        let url = parse("rediss://hunter1:hunter2@h/0");
        let address = url.address();
        assert!(!format!("{url} {url:?} {address:?} {}", url.shown()).contains("hunter"));
    }
}
