//! `ssh://`: a file on a home host.

use std::fmt;

use super::malformed::{MalformedEngine, wrong};
use super::parts::{Bracketed, Parts};
use crate::http::proxy::decode;

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

impl SshAddress {
    /// # Errors
    /// [`MalformedEngine`].
    pub fn parse(rest: &str) -> Result<Self, MalformedEngine> {
        const FORM: &str = "write ssh://USER@HOST/FOLDER/NAME.lock, with the absolute path of the lock on that host";
        let parts = Parts::of(rest, "ssh")?.without_query()?;
        let (host, port) = parts.host()?;
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
        if !is_user || host.starts_with('-') {
            return Err(wrong("the user or host of the lease's URL cannot be used with ssh", FORM));
        }
        Ok(Self { user, host, port, path })
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
