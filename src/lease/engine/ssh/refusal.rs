//! How ssh is called, and what its end means.

use std::ffi::OsString;
use std::io;

use super::connection::ConnectionEnd;
use crate::base::error::plain;
use crate::base::shell;
use crate::base::text::is_hidden;
use crate::lease::engine::{EngineError, EngineErrorKind};
use crate::platform::children::Ended;

/// How long to wait for the TCP connection, in seconds.
const CONNECT_TIMEOUT: u32 = 10;
/// How much of the other side's words is shown.
const LONGEST: usize = 300;

/// What runs there. An ssh command line is read by the login shell, whichever that is, so a word in simple quotes is all that
/// it gets to read; a `solobot` in the usual folders is found although a login by ssh sets no PATH for it.
const SCRIPT: &str =
    "PATH=\"$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin\"; exec solobot hold --stdio \"$1\"";

/// Nothing here asks anybody, shares or leaves behind a connection, or runs what the user's configuration has for this host.
/// An ssh whose solobot is dead and whose network is down ends by itself.
const OPTIONS: [&str; 9] = [
    "BatchMode=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "LogLevel=ERROR",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
];

/// Words in ssh's last message, and what they mean.
const MEANINGS: &[(&str, EngineErrorKind)] = &[
    ("Host key verification failed", EngineErrorKind::NotPermitted),
    ("host key is known", EngineErrorKind::NotPermitted),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", EngineErrorKind::NotPermitted),
    ("Permission denied", EngineErrorKind::NotPermitted),
    ("Too many authentication failures", EngineErrorKind::NotPermitted),
    ("Bad owner or permissions", EngineErrorKind::NotPermitted),
    ("Bad configuration option", EngineErrorKind::Configuration),
    ("bad configuration options", EngineErrorKind::Configuration),
];

/// Where the lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// Of the lock, there.
    pub path: String,
}

impl SshTarget {
    fn destination(&self) -> String {
        self.user.as_ref().map_or_else(|| self.host.clone(), |user| format!("{user}@{}", self.host))
    }

    pub fn command_line(&self) -> Vec<OsString> {
        let timeout = format!("ConnectTimeout={CONNECT_TIMEOUT}");
        let options = OPTIONS.iter().copied().chain([timeout.as_str()]);
        let mut words: Vec<String> = vec!["ssh".into(), "-T".into()];
        words.extend(options.flat_map(|option| ["-o".to_owned(), option.to_owned()]));
        words.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        let script = shell::join_for_sh(["exec", "sh", "-c", SCRIPT, "sh", &self.path]);
        words.extend(["--".into(), self.destination(), script]);
        words.into_iter().map(OsString::from).collect()
    }

    /// What to type to see for oneself, and to accept a host key.
    fn by_hand(&self, command: &str) -> String {
        let port = self.port.map_or_else(String::new, |port| format!("-p {port} "));
        format!("ssh -T {port}{} {command}", shell::quote(&self.destination()))
    }

    fn try_by_hand(&self) -> String {
        format!("to try it by hand: {}", self.by_hand("true"))
    }

    /// Nothing came in time.
    pub fn late(&self, what: &str) -> EngineError {
        let message = format!("{} by ssh: {what}", self.destination());
        failure(EngineErrorKind::Unreachable, message, self.try_by_hand())
    }

    /// The solobot there says what is wrong.
    pub fn told(&self, kind: EngineErrorKind, message: &str, hints: &[String]) -> EngineError {
        let hints = hints.iter().take(4).map(|hint| format!("on {}: {}", self.host, shown(hint)));
        EngineError { kind, message: format!("{}: {}", self.destination(), shown(message)), hints: hints.collect() }
    }

    /// Why the connection ended.
    pub fn ended(&self, end: &ConnectionEnd) -> EngineError {
        use EngineErrorKind::{Configuration, NotPermitted, Unreachable};
        let to = self.destination();
        match end {
            ConnectionEnd::Late | ConnectionEnd::Stuck => self.late("no answer"),
            ConnectionEnd::Nonsense => {
                let message = format!("{to} by ssh: what came is no answer of a solobot");
                failure(Unreachable, message, self.try_by_hand())
            }
            ConnectionEnd::NotStarted(error) if error.kind() == io::ErrorKind::NotFound => failure(
                Configuration,
                "ssh is not installed here, or is not in PATH".into(),
                "to install it: sudo apt-get install openssh-client".into(),
            ),
            ConnectionEnd::NotStarted(error) => {
                failure(Unreachable, format!("cannot start ssh: {}", plain(error)), self.try_by_hand())
            }
            ConnectionEnd::OtherVersion(version) => self.other_version(&format!("is version {}", shown(version))),
            ConnectionEnd::Ended { how, words, was_greeted } => {
                let said = shown(words);
                if !was_greeted {
                    if *how == Some(Ended::Code(127)) || words.contains("solobot: not found") {
                        return failure(
                            Configuration,
                            format!("there is no solobot on {to}"),
                            format!("install solobot on {}, then: {}", self.host, self.by_hand("solobot --version")),
                        );
                    }
                    if words.contains("unrecognized subcommand") {
                        return self.other_version("is too old for leases");
                    }
                }
                let kind =
                    MEANINGS.iter().find(|(text, _)| words.contains(text)).map_or(Unreachable, |&(_, kind)| kind);
                let why = if said.is_empty() { "ssh ended without a word".into() } else { said };
                let hint = if kind == NotPermitted && words.contains("host key") || words.contains("Host key") {
                    format!("to check and accept its key, once: {}", self.by_hand("true"))
                } else {
                    self.try_by_hand()
                };
                failure(kind, format!("{to} by ssh: {why}"), hint)
            }
        }
    }

    fn other_version(&self, what: &str) -> EngineError {
        let message =
            format!("the solobot on {} {what}, this one is version {}", self.destination(), env!("CARGO_PKG_VERSION"));
        let hint = format!("install the same version on both hosts; there: {}", self.by_hand("solobot --version"));
        failure(EngineErrorKind::Configuration, message, hint)
    }
}

fn failure(kind: EngineErrorKind, message: String, hint: String) -> EngineError {
    EngineError { kind, message, hints: vec![hint] }
}

/// The words of others in one line that can be shown: bounded, and without anything that a terminal obeys.
pub fn shown(words: &str) -> String {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty() && !line.chars().all(|c| c == '@'));
    let text: String = lines.collect::<Vec<_>>().join("; ").chars().filter(|&c| !is_hidden(c)).collect();
    let text = crate::base::secret::mask(&text);
    if text.chars().count() <= LONGEST {
        return text.into_owned();
    }
    // The end says why.
    let surplus = text.chars().count() - LONGEST;
    ['…'].into_iter().chain(text.chars().skip(surplus)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> SshTarget {
        SshTarget { user: Some("bot".into()), host: "vps".into(), port: Some(2222), path: path.into() }
    }

    #[test]
    fn the_path_reaches_solobot_as_it_is() {
        for path in ["/home/bot/bot.lock", "/home/it's a/b.lock", "/$HOME/`x`/*/\"y\"", "/a/b;c"] {
            let words = target(path).command_line();
            let line = words.last().unwrap().to_str().unwrap().replace("exec solobot hold --stdio", "printf %s");
            for login_shell in ["sh", "bash"] {
                let output = std::process::Command::new(login_shell).args(["-c", &line]).output().unwrap();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), path, "{line}");
            }
        }
        let words: Vec<String> = target("/l").command_line().iter().map(|w| w.to_str().unwrap().to_owned()).collect();
        let end = words.len();
        assert_eq!(words[end - 5..end - 1], ["-p", "2222", "--", "bot@vps"]);
    }

    #[test]
    fn what_the_end_of_ssh_means() {
        use EngineErrorKind::{Configuration, NotPermitted, Unreachable};
        let cases: &[(u8, &str, EngineErrorKind, &str)] = &[
            (255, "bot@vps: Permission denied (publickey).\r\n", NotPermitted, "Permission denied (publickey)"),
            (255, "Host key verification failed.\r\n", NotPermitted, "Host key verification failed"),
            (
                255,
                "No ED25519 host key is known for vps and you have requested strict checking.\r\nHost key verification failed.\r\n",
                NotPermitted,
                "host key is known",
            ),
            (255, "ssh: Could not resolve hostname vps: Name or service not known\r\n", Unreachable, "resolve"),
            (255, "ssh: connect to host vps port 22: Connection refused\r\n", Unreachable, "refused"),
            (255, "ssh: connect to host vps port 22: Connection timed out\r\n", Unreachable, "timed out"),
            (255, "command-line: line 0: Bad configuration option: foo\r\n", Configuration, "Bad configuration"),
            (127, "sh: 1: exec: solobot: not found\n", Configuration, "no solobot on bot@vps"),
            (127, "", Configuration, "no solobot on bot@vps"),
            (2, "error: unrecognized subcommand 'hold'\n", Configuration, "too old"),
            (1, "", Unreachable, "without a word"),
            (1, "\x1b[31mred\u{202e}\n", Unreachable, "[31mred"),
        ];
        for (code, words, kind, text) in cases {
            let how = Some(Ended::Code((*code).into()));
            let error = target("/l").ended(&ConnectionEnd::Ended { how, was_greeted: false, words: (*words).into() });
            assert_eq!(error.kind, *kind, "{words}: {error}");
            assert!(error.message.contains(text) && !error.message.contains(is_hidden), "{error:?}");
            assert!(error.hints.iter().all(|hint| hint.contains("ssh -T -p 2222 bot@vps")), "{error:?}");
        }
        let long = target("/l").ended(&ConnectionEnd::Ended { how: None, was_greeted: true, words: "x".repeat(9000) });
        assert!(long.message.len() < 400, "{}", long.message.len());
    }
}
