//! The URL of an engine.
//!
//! Invariant: no error, `Debug` or [`EngineUrl::shown`] has a password, or text that may be one: what cannot be read is not
//! repeated.

mod etcd;
mod malformed;
mod parts;
mod postgres;
mod redis;
mod ssh;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::etcd::EtcdAddress;
use self::malformed::wrong;
pub use self::malformed::{FORMS, MalformedEngine};
pub use self::parts::{HostAndPort, Login};
pub use self::postgres::{PostgresAddress, PostgresTls};
pub use self::redis::RedisAddress;
pub use self::ssh::SshAddress;
use crate::lease::bounds;

/// A URL that names an engine. Its password is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineUrl {
    address: EngineAddress,
    ca_file: Option<PathBuf>,
}

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    Postgres(PostgresAddress),
    Redis(RedisAddress),
    Etcd(EtcdAddress),
    Ssh(SshAddress),
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
            scheme @ ("postgres" | "postgresql") => EngineAddress::Postgres(PostgresAddress::parse(scheme, rest)?),
            "redis" => EngineAddress::Redis(RedisAddress::parse("redis", rest)?),
            "rediss" => EngineAddress::Redis(RedisAddress::parse("rediss", rest)?),
            "valkey" => EngineAddress::Redis(RedisAddress::parse("valkey", rest)?),
            "valkeys" => EngineAddress::Redis(RedisAddress::parse("valkeys", rest)?),
            "etcd" => EngineAddress::Etcd(EtcdAddress::parse("etcd", rest)?),
            "etcds" => EngineAddress::Etcd(EtcdAddress::parse("etcds", rest)?),
            "ssh" => EngineAddress::Ssh(SshAddress::parse(rest)?),
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
        match &self.address {
            EngineAddress::Postgres(address) => address.password.is_some(),
            EngineAddress::Redis(address) => address.login.is_some(),
            EngineAddress::Etcd(address) => address.login.is_some(),
            EngineAddress::Ssh(_) => false,
        }
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
            EngineAddress::Postgres(address) => address.fmt(f),
            EngineAddress::Redis(address) => address.fmt(f),
            EngineAddress::Etcd(address) => address.fmt(f),
            EngineAddress::Ssh(address) => address.fmt(f),
        }
    }
}
