//! `etcd://` and `etcds://`: one cluster, named by one or more of its members.

use std::fmt;

use super::malformed::{MalformedEngine, wrong};
use super::parts::{HostAndPort, Login, Parts};

/// How a password is given.
fn by_variable(scheme: &str) -> String {
    format!(
        "with a password: put {scheme}://USER:PASSWORD@HOST:2379 into a variable, and name it with --lease-env NAME"
    )
}

/// A cluster of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAddress {
    scheme: &'static str,
    /// Members of one cluster; never empty.
    pub members: Vec<HostAndPort>,
    /// With a user.
    pub login: Option<Login>,
}

impl EtcdAddress {
    pub fn parse(scheme: &'static str, rest: &str) -> Result<Self, MalformedEngine> {
        let parts = Parts::of(rest, scheme)?.without_query()?;
        let members = parts.places(2379)?;
        if !matches!(parts.path, "" | "/") {
            return Err(wrong(
                format!("the lease's URL has a path, which {scheme}:// does not take"),
                "leave it out; the lease's name is set with --lease-name NAME",
            ));
        }
        // Before a second member, or within a password: what stands behind it would be taken for a host.
        if rest.matches('@').count() > 1 {
            return Err(wrong(
                "the lease's URL has more than one @",
                format!(
                    "write the login once: {scheme}://USER:PASSWORD@HOST1:2379,HOST2:2379; and %40 for @ in a password"
                ),
            ));
        }
        let by_variable = by_variable(scheme);
        let login = parts.whole_login(&by_variable)?;
        if login.as_ref().is_some_and(|login| login.user.is_none()) {
            return Err(wrong("the lease's URL has a password without a user", by_variable));
        }
        Ok(Self { scheme, members, login })
    }

    /// As it stands in the URL.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// How a password is given.
    pub fn by_variable(&self) -> String {
        by_variable(self.scheme)
    }

    pub fn is_tls(&self) -> bool {
        self.scheme == "etcds"
    }

    /// One of its members alone.
    #[must_use]
    pub fn of_member(&self, member: &HostAndPort) -> Self {
        Self { members: vec![member.clone()], ..self.clone() }
    }
}

/// The login masked.
impl fmt::Display for EtcdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "…@" } else { "" };
        write!(f, "{}://{login}", self.scheme)?;
        for (at, member) in self.members.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{member}")?;
        }
        Ok(())
    }
}
