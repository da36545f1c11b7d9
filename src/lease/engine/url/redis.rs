//! `redis://`, `rediss://`, `valkey://` and `valkeys://`.

use std::fmt;

use super::malformed::{MalformedEngine, wrong};
use super::parts::{Bracketed, Login, Parts};

/// How a password is given.
const BY_VARIABLE: &str =
    "with a password: put redis://:PASSWORD@HOST/0 into a variable, and name it with --lease-env NAME";

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

impl RedisAddress {
    /// # Errors
    /// [`MalformedEngine`].
    pub fn parse(scheme: &'static str, rest: &str) -> Result<Self, MalformedEngine> {
        let parts = Parts::of(rest, scheme)?.without_query()?;
        let place = parts.place(6379)?;
        let database = match parts.path {
            "" | "/" => 0,
            path => path[1..].parse().map_err(|_| {
                wrong(
                    format!("the lease's URL has something other than the number of a database behind its host: {scheme}://HOST/0"),
                    "leave it out, or write the number: redis://HOST/0",
                )
            })?,
        };
        Ok(Self { scheme, host: place.host, port: place.port, login: parts.whole_login(BY_VARIABLE)?, database })
    }

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
