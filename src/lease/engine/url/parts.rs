//! What stands behind a scheme.

use std::fmt;

use super::malformed::{FORMS, MalformedEngine, wrong};
use crate::http::proxy::{decode, host_and_port};

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `None`: the server's default user.
    pub user: Option<String>,
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAndPort {
    /// An IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

/// As in a URL.
impl fmt::Display for HostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

pub struct Bracketed<'a>(pub &'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

/// What stands behind the scheme.
pub struct Parts<'a> {
    scheme: &'a str,
    /// Decoded: the user, and what stands behind a colon.
    pub login: Option<(String, Option<String>)>,
    /// One host, or several with a comma between.
    hosts: &'a str,
    /// Empty, or beginning with a slash.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub fn of(rest: &'a str, scheme: &'a str) -> Result<Self, MalformedEngine> {
        let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if behind.contains('@') {
            return Err(wrong(
                "the login of the lease's URL has a character that must be escaped",
                "write %2F for /, %3F for ?, %23 for # and %40 for @ in a password",
            ));
        }
        if behind.contains('#') {
            return Err(no_place_for("#"));
        }
        let (path, query) = match behind.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (behind, None),
        };
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
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
        Ok(Self { scheme, login: login.transpose()?, hosts, path, query })
    }

    /// Where no query is understood.
    pub fn without_query(self) -> Result<Self, MalformedEngine> {
        if self.query.is_some() { Err(no_place_for("?")) } else { Ok(self) }
    }

    pub fn host(&self) -> Result<(String, Option<u16>), MalformedEngine> {
        let place = self.hosts;
        if place.is_empty() || place.starts_with(':') {
            return Err(wrong(format!("the lease's URL names no host: {}://", self.scheme), FORMS));
        }
        let (host, port) =
            host_and_port(place).ok_or_else(|| wrong("the host or port of the lease's URL cannot be read", FORMS))?;
        Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
    }

    pub fn place(&self, port: u16) -> Result<HostAndPort, MalformedEngine> {
        let (host, own) = self.host()?;
        Ok(HostAndPort { host, port: own.unwrap_or(port) })
    }

    /// Where several servers are one engine.
    pub fn places(&self, port: u16) -> Result<Vec<HostAndPort>, MalformedEngine> {
        self.hosts.split(',').map(|hosts| Parts { hosts, login: None, ..*self }.place(port)).collect()
    }

    pub fn names_several_hosts(&self) -> bool {
        self.hosts.contains(',')
    }

    /// The user and the password, where a user alone would be none.
    pub fn whole_login(&self, by_variable: &str) -> Result<Option<Login>, MalformedEngine> {
        match &self.login {
            None => Ok(None),
            Some((_, None)) => Err(wrong(
                "the lease's URL has a login without a colon, so that nobody can tell a user from a password",
                by_variable,
            )),
            Some((_, Some(password))) if password.is_empty() => {
                Err(wrong("the lease's URL has an empty password", by_variable))
            }
            Some((user, Some(password))) => {
                Ok(Some(Login { user: Some(user.clone()).filter(|user| !user.is_empty()), password: password.clone() }))
            }
        }
    }
}

fn no_place_for(what: &str) -> MalformedEngine {
    wrong(format!("the lease's URL has no place for what stands behind its `{what}`"), "leave it out")
}
