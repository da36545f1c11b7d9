//! `[on]` and `ping`: what is run when something happens to a bot, and what is asked for while all is well.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::file::ConfigFile;
use super::paths::absolute;
use super::trust::Access;
use crate::http::proxy::host_and_port;

/// What may happen to a bot, as `[on]` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertKind {
    /// Its logs tell of another poller, or of a webhook.
    Conflict,
    /// More than one instance is running.
    Duplicate,
    /// Its lock or its lease was lost.
    Lost,
    /// It is running, and fetches no updates.
    Deaf,
    /// No instance is running.
    Down,
    /// One is.
    Up,
}

impl AlertKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Duplicate => "duplicate",
            Self::Lost => "lost",
            Self::Deaf => "deaf",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingUrl {
    /// The whole, which may be a secret; `{bot}` stands for a bot's name.
    pub url: String,
    pub is_https: bool,
    pub host: String,
    pub port: u16,
}

impl PingUrl {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let is_text = url.bytes().all(|byte| byte.is_ascii_graphic());
        let (host, port) = host_and_port(authority).filter(|(host, _)| is_text && !host.is_empty())?;
        if authority.contains(['@', '{']) {
            return None;
        }
        Some(Self { url: url.to_owned(), is_https, host, port: port.unwrap_or(if is_https { 443 } else { 80 }) })
    }

    /// The same for this bot.
    #[must_use]
    pub fn of_bot(&self, bot: &str) -> Self {
        let encoded = bot.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        Self { url: self.url.replace(BOT, &encoded.collect::<String>()), ..self.clone() }
    }

    /// Whether each bot has its own.
    pub fn is_of_each(&self) -> bool {
        self.url.contains(BOT)
    }
}

const BOT: &str = "{bot}";

/// What the file says of both. Empty where it is another user's, whose commands are not run.
#[derive(Debug, Default)]
pub struct AlertSettings {
    pub commands: Vec<(AlertKind, Vec<String>)>,
    pub ping: Option<PingUrl>,
    /// The folder in which they run.
    pub folder: PathBuf,
}

impl AlertSettings {
    /// # Errors
    /// A command without a word; a URL that is none.
    pub(super) fn of(file: &ConfigFile, home: Option<&Path>) -> Result<Self, Error> {
        if file.access != Access::Full {
            return Ok(Self::default());
        }
        let on = &file.schema.on;
        let all = [
            (AlertKind::Conflict, &on.conflict),
            (AlertKind::Duplicate, &on.duplicate),
            (AlertKind::Lost, &on.lost),
            (AlertKind::Deaf, &on.deaf),
            (AlertKind::Down, &on.down),
            (AlertKind::Up, &on.up),
        ];
        let mut commands = Vec::new();
        for (kind, written) in all {
            let Some(written) = written else { continue };
            let mut words = written.get_ref().clone();
            let Some(program) = words.first_mut().filter(|program| !program.is_empty()) else {
                let hint = format!("write a command line: {kind} = [\"/usr/local/bin/alert\", \"{kind}\"]");
                return Err(file.fault(written, format!("`{kind}` has no command"), hint));
            };
            // A bare name is looked for in PATH.
            if program.contains('/') {
                *program = absolute(program, file.folder(), home).to_string_lossy().into_owned();
            }
            commands.push((kind, words));
        }
        let ping = file.schema.ping.as_ref().map(|written| {
            PingUrl::parse(written.get_ref()).ok_or_else(|| {
                let hint = "write it like this: ping = \"https://hc-ping.com/YOUR-UUID\"";
                file.fault(written, "`ping` is not an http or https URL without a login".into(), hint)
            })
        });
        Ok(Self { commands, ping: ping.transpose()?, folder: file.folder().to_owned() })
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.ping.is_none()
    }

    /// Whether something is to be run for it.
    pub fn has(&self, kind: AlertKind) -> bool {
        self.commands.iter().any(|(known, _)| *known == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_monitors() {
        let url = PingUrl::parse("https://hc-ping.com/key/{bot}?create=1").unwrap();
        assert_eq!((url.is_https, url.host.as_str(), url.port), (true, "hc-ping.com", 443));
        assert!(url.is_of_each());
        assert_eq!(url.of_bot("my bot/ä").url, "https://hc-ping.com/key/my%20bot%2F%C3%A4?create=1");
        let url = PingUrl::parse("http://127.0.0.1:3001/api/push/x?status=up&msg=OK").unwrap();
        assert_eq!((url.is_https, url.host.as_str(), url.port), (false, "127.0.0.1", 3001));
        for wrong in ["", "hc-ping.com/x", "ftp://x/", "https://", "https://u:p@x/", "https://x:y/", "https://x/ y"] {
            assert_eq!(PingUrl::parse(wrong), None, "{wrong}");
        }
    }
}
