//! `postgres://` and `postgresql://`, as in `DATABASE_URL`.
//!
//! What such a URL has for other programs (`pgbouncer=true`, `connection_limit=…`, `schema=…`) is passed over. What is about TLS
//! is understood or refused, since whoever wrote it relies on it; the modes mean what they mean to libpq. solobot does not bind
//! channels: what `channel_binding=require` is for, that nobody stands in between, is had by a certificate that is proved, so
//! it means `sslmode=verify-full`. The password stands before the host or nowhere: behind the question mark it would be shown by
//! what masks the login.

use std::fmt;
use std::path::PathBuf;

use super::malformed::{MalformedEngine, wrong};
use super::parts::{HostAndPort, Parts};
use crate::http::proxy::decode;

const FORM: &str = "write postgres://USER@HOST/DATABASE";
const BY_VARIABLE: &str =
    "put postgres://USER:PASSWORD@HOST/DATABASE into a variable, and name it with --lease-env NAME";

/// A database of PostgreSQL.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub place: HostAndPort,
    pub user: String,
    pub password: Option<String>,
    /// `None`: the one that is called as the user.
    pub database: Option<String>,
    pub tls: PostgresTls,
    /// `sslrootcert`: certificates to trust.
    pub root_certificates: Option<PathBuf>,
    /// `options`: for the server, as libpq sends it.
    pub options: Option<String>,
}

/// `sslmode`; each proves more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresTls {
    Disable,
    /// With TLS if the server has it; libpq's default.
    Prefer,
    /// With TLS; whoever answers is believed.
    Require,
    /// The certificate must come from an authority that is trusted.
    VerifyCa,
    /// And be that host's.
    VerifyFull,
}

impl PostgresTls {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

impl PostgresAddress {
    pub fn parse(scheme: &str, rest: &str) -> Result<Self, MalformedEngine> {
        let parts = Parts::of(rest, scheme)?;
        if parts.names_several_hosts() {
            return Err(wrong(
                "the lease's URL names several hosts, of which only one can keep the lease",
                "name the primary, which takes writes",
            ));
        }
        let place = parts.place(5432)?;
        let Some((user, password)) = parts.login.clone() else {
            return Err(wrong("the lease's URL names no user", FORM));
        };
        if user.is_empty() {
            return Err(wrong("the lease's URL has an empty user", FORM));
        }
        let database = decode(parts.path.strip_prefix('/').unwrap_or_default())
            .ok_or_else(|| wrong("the database of the lease's URL has a % that is not an escape such as %20", FORM))?;
        if [&user, &database].iter().any(|text| text.contains('\0'))
            || password.as_ref().is_some_and(|password| password.contains('\0'))
        {
            return Err(wrong("the lease's URL has a zero byte, which PostgreSQL does not take", FORM));
        }
        let mut address = Self {
            place,
            database: Some(database).filter(|database| !database.is_empty()),
            user,
            password: password.filter(|password| !password.is_empty()),
            tls: PostgresTls::Prefer,
            root_certificates: None,
            options: None,
        };
        let pairs = parts.query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pairs: Vec<_> =
            pairs.map(|(key, value)| (decode(key).unwrap_or_else(|| key.to_owned()), decode(value))).collect();
        // As libpq has it.
        let is_systems = pairs.iter().any(|(key, value)| key == "sslrootcert" && value.as_deref() == Some("system"));
        if is_systems {
            address.tls = PostgresTls::VerifyFull;
        }
        let mut at_least = PostgresTls::Disable;
        for (key, value) in pairs {
            at_least = at_least.max(address.set(&key, value.as_deref())?);
        }
        address.tls = address.tls.max(at_least);
        if is_systems && address.tls != PostgresTls::VerifyFull {
            return Err(wrong(
                "the lease's URL trusts well-known authorities (sslrootcert=system), but an sslmode that does not look at names",
                "write sslmode=verify-full",
            ));
        }
        if address.root_certificates.is_some() && address.tls < PostgresTls::Require {
            return Err(wrong(
                "the lease's URL has certificates to trust (sslrootcert), but an sslmode that checks none",
                "write sslmode=verify-full",
            ));
        }
        Ok(address)
    }

    /// What `options` sets `search_path` to.
    pub fn search_path(&self) -> Option<String> {
        let words = words_of(self.options.as_deref().unwrap_or_default());
        let mut words = words.iter();
        let mut path = None;
        while let Some(word) = words.next() {
            let setting = match word.strip_prefix("-c") {
                Some("") => words.next().map(String::as_str),
                Some(setting) => Some(setting),
                None => word.strip_prefix("--"),
            };
            if let Some((name, value)) = setting.and_then(|setting| setting.split_once('='))
                && name.replace('-', "_").eq_ignore_ascii_case("search_path")
            {
                path = Some(value.to_owned());
            }
        }
        path
    }

    /// What it says of TLS beside `sslmode`, as the least mode that does it.
    fn set(&mut self, key: &str, value: Option<&str>) -> Result<PostgresTls, MalformedEngine> {
        let decoded = || {
            value.filter(|value| !value.contains('\0')).map(str::to_owned).ok_or_else(|| {
                wrong("what stands behind the `?` of the lease's URL has a % that is not an escape such as %20", FORM)
            })
        };
        match key {
            "sslmode" => {
                self.tls = PostgresTls::parse(&decoded()?).ok_or_else(|| {
                    wrong(
                        "the sslmode of the lease's URL is unknown",
                        "write sslmode=disable, prefer, require, verify-ca or verify-full",
                    )
                })?;
            }
            // What `system` means is said by the mode.
            "sslrootcert" => self.root_certificates = Some(decoded()?).filter(|file| file != "system").map(Into::into),
            "options" => self.options = Some(decoded()?),
            "sslcert" | "sslkey" | "sslpassword" => {
                return Err(wrong(
                    "the lease's URL wants a certificate of the client's own, which solobot does not have",
                    BY_VARIABLE,
                ));
            }
            // As libpq reads what other programs write.
            "ssl" => {
                if decoded()? == "true" {
                    return Ok(PostgresTls::Require);
                }
                return Err(wrong(
                    "the lease's URL has an ssl that is not ssl=true",
                    "write sslmode=disable, prefer, require, verify-ca or verify-full instead",
                ));
            }
            "channel_binding" => match decoded()?.as_str() {
                "require" => return Ok(PostgresTls::VerifyFull),
                "prefer" | "disable" => {}
                _ => {
                    return Err(wrong(
                        "the channel_binding of the lease's URL is unknown",
                        "write channel_binding=disable, prefer or require",
                    ));
                }
            },
            "sslnegotiation" if value != Some("postgres") => {
                return Err(wrong(
                    "the lease's URL asks for direct TLS (sslnegotiation), which solobot does not do",
                    "leave sslnegotiation out",
                ));
            }
            "gssencmode" if matches!(value, Some("disable" | "prefer")) => {}
            "gssencmode" | "require_auth" | "requiressl" => return Err(not_done(key)),
            // It says nothing of who is believed.
            "sslcompression" | "sslsni" | "sslnegotiation" => {}
            _ if key.to_ascii_lowercase().starts_with("ssl") => return Err(not_done(key)),
            "host" | "hostaddr" | "port" | "user" | "password" | "dbname" | "service" => {
                return Err(wrong(format!("the lease's URL has its {key} behind the `?`"), BY_VARIABLE));
            }
            _ => {}
        }
        Ok(PostgresTls::Disable)
    }
}

fn not_done(key: &str) -> MalformedEngine {
    // The name may be anything.
    let known = ["gssencmode", "require_auth", "requiressl", "sslcrl", "sslcrldir"];
    let known =
        known.into_iter().chain(["ssl_min_protocol_version", "ssl_max_protocol_version"]).find(|known| *known == key);
    let what = known.unwrap_or("a parameter that begins with ssl");
    wrong(
        format!("the lease's URL asks for what solobot does not do: {what}"),
        "leave it out, and write sslmode=verify-full",
    )
}

/// As the server takes `options` apart: at white space that has no backslash before it.
fn words_of(options: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() {
            words.push(String::new());
        } else if let (Some(word), Some(c)) = (words.last_mut(), if c == '\\' { chars.next() } else { Some(c) }) {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The login masked.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://…@{}", self.place)?;
        self.database.as_ref().map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

/// As shown.
impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self}, {:?})", self.tls)
    }
}
