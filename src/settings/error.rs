//! What can be wrong with flags and solobot.toml, and what to type instead.

use std::io;
use std::path::{Path, PathBuf};

use super::lease::error::LeaseError;
use super::schema::{self, ParseError};
use crate::base::error::{Expected, exit_of_io, plain, quoted, typed};
use crate::base::exit::Exit;
use crate::base::nearest::nearest;
use crate::base::shell;
use crate::platform::advice::{PYTHON, manual};
use crate::process::launch::is_interpreter;
use crate::process::program;
use crate::telegram::{base_url, sources};

/// The hint for an unknown placeholder.
pub const PLACEHOLDERS: &str = "use `{token_hash}` or `{bot_id}`, for example: lock = \"bot-{bot_id}.lock\"";

/// An expected error of the settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The current folder is gone.
    #[error("cannot find out the current folder: {}", plain(.source))]
    Cwd { source: io::Error },
    /// The named configuration file does not exist: wrong usage, perhaps flock's `-c`.
    #[error("configuration file {} does not exist", quoted(.path))]
    NoFile { path: PathBuf },
    /// The configuration file cannot be read.
    #[error("cannot read {}: {}", quoted(.path), plain(.source))]
    Unreadable { path: PathBuf, source: io::Error },
    /// The configuration file is a folder, a FIFO or a device.
    #[error("{} is {what}, not a configuration file", quoted(.path))]
    NotAFile {
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
        /// The operator named it, rather than solobot having found it.
        is_named: bool,
    },
    /// The configuration file was found, but another user may have written it.
    #[error("{} is not trusted: {reason}", quoted(.path))]
    Untrusted {
        path: PathBuf,
        /// Who, naming the file or folder.
        reason: String,
        /// The command that fixes it, if there is one: `chmod`, on Windows `icacls`.
        chmod: Option<String>,
    },
    /// The configuration file's text is wrong.
    #[error("{}:{}: {}", .path.display(), .fault.line, .fault.message)]
    Text {
        path: PathBuf,
        /// What and where.
        fault: ParseError,
    },
    /// The caller of `sudo` wrote this setting, and root must name the file to use it.
    #[error("bot `{bot}`: root does not use `{setting}` from {}, because another user wrote it", quoted(.path))]
    Withheld {
        bot: String,
        /// The key.
        setting: &'static str,
        path: PathBuf,
    },
    /// Two bots with the same lock but different tokens would wait for each other.
    #[error("bots `{one}` and `{other}` have the same lock {} but not the same token", quoted(.lock))]
    SharedLock { one: String, other: String, lock: PathBuf },
    /// An unknown `{word}` in a lock's path.
    #[error("unknown placeholder `{{{word}}}` in the lock's path")]
    Placeholder {
        /// The word between the braces.
        word: String,
    },
    /// A malformed base URL.
    #[error("`{url}` ({place}) is not a base URL of a Bot API: {why}")]
    ApiUrl {
        /// The text, without login and token.
        url: String,
        /// Where it is set.
        place: String,
        /// What is wrong with it.
        why: base_url::MalformedUrl,
    },
    /// The file has no bot of this name.
    #[error("no bot `{name}`{}", .file.as_ref().map_or_else(
        || ": there is no solobot.toml".to_owned(), |file| format!(" in {}", quoted(file))))]
    UnknownBot {
        /// What was named.
        name: String,
        /// A file of that name exists.
        is_file: bool,
        /// The bots there are.
        known: Vec<String>,
        /// The file, if there is one.
        file: Option<PathBuf>,
    },
    /// No bot is named.
    #[error("which bot? there is no solobot.toml with a bot, and no option names one")]
    NothingNamed,
    /// Several bots could be meant.
    #[error("which bot? it could be {}", .names.join(", "))]
    Ambiguous { names: Vec<String> },
    /// The text after `-m` names no program.
    #[error(transparent)]
    Program(#[from] program::Error),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The lock's path needs a token.
    #[error(transparent)]
    Token(#[from] sources::SourceError),
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Cwd { source } => exit_of_io(source),
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::Untrusted { .. }
            | Self::Text { .. }
            | Self::Withheld { .. }
            | Self::SharedLock { .. }
            | Self::Placeholder { .. }
            | Self::ApiUrl { .. } => Exit::Config,
            Self::NoFile { .. } | Self::UnknownBot { .. } | Self::NothingNamed | Self::Ambiguous { .. } => Exit::Usage,
            Self::Program(error) => error.exit(),
            Self::Lease(error) => error.exit(),
            Self::Token(error) => error.exit(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Cwd { .. } => "current-folder",
            Self::NoFile { .. } => "config-missing",
            Self::Unreadable { .. } | Self::NotAFile { .. } => "config-unreadable",
            Self::Untrusted { .. } => "config-untrusted",
            Self::Text { .. } => "config-invalid",
            Self::Withheld { .. } => "config-withheld",
            Self::SharedLock { .. } => "shared-lock",
            Self::Placeholder { .. } => "lock-placeholder",
            Self::ApiUrl { .. } => "api-url",
            Self::UnknownBot { .. } => "unknown-bot",
            Self::NothingNamed => "no-bot",
            Self::Ambiguous { .. } => "ambiguous-bot",
            Self::Program(error) => error.kind(),
            Self::Lease(error) => error.kind(),
            Self::Token(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Cwd { .. } => vec!["change to a folder that exists: cd".into()],
            Self::NoFile { .. } => vec![
                "name a file that exists: solobot -c FILE …".into(),
                format!("to run a command (solobot has no -c like flock): solobot acquire -- {PYTHON} main.py"),
            ],
            Self::Unreadable { .. } => vec!["name a file that you can read: solobot -c FILE …".into()],
            Self::NotAFile { path, what, is_named } => hints_of_no_file(path, what, *is_named),
            Self::Untrusted { path, chmod, .. } => {
                chmod.iter().map(|chmod| format!("to fix it: {chmod}")).chain([name_it(path)]).collect()
            }
            Self::Text { fault, .. } => fault
                .hint
                .iter()
                .cloned()
                .chain(manual("5 solobot.toml").map(|page| format!("to see every key: {page}")))
                .collect(),
            Self::Withheld { path, .. } => vec![name_it(path)],
            Self::SharedLock { other, .. } => vec![
                format!("give each bot its own lock: lock = \".solobot-{other}.lock\""),
                "or, if both use the same token, write it for both: token = { env = \"BOT_TOKEN\" }".into(),
            ],
            Self::Placeholder { .. } => vec![PLACEHOLDERS.into()],
            Self::ApiUrl { .. } => {
                vec!["write it like this: solobot … --api-url http://127.0.0.1:8081".into()]
            }
            Self::UnknownBot { name, is_file, known, file } => unknown_bot_hints(name, *is_file, known, file.is_some()),
            Self::NothingNamed => vec![
                "name its program or its lock: -m main.py or -l PATH".into(),
                "to see what is running here: solobot status".into(),
                "to write solobot.toml from what is running here: solobot init".into(),
            ],
            Self::Ambiguous { names } => vec![format!("name one after the subcommand: {}", names.join(" or "))],
            Self::Program(error) => error.hints(),
            Self::Lease(error) => error.hints(),
            Self::Token(error) => error.hints(),
        }
    }
}

fn hints_of_no_file(path: &Path, what: &str, is_named: bool) -> Vec<String> {
    let named = "name a regular file: solobot -c FILE …".to_owned();
    if !is_named {
        return vec![format!("move it away: mv {0} {0}.old", typed(path)), named];
    }
    if what == crate::lock::file::A_FOLDER {
        let inside = path.components().collect::<PathBuf>().join(schema::FILE_NAME);
        return vec![format!("name the file in it: solobot -c {} …", typed(&inside))];
    }
    vec![named]
}

/// A file that the caller names is trusted.
fn name_it(path: &Path) -> String {
    format!("if you trust it, name it: solobot -c {} …", typed(path))
}

fn unknown_bot_hints(name: &str, is_file: bool, known: &[String], has_file: bool) -> Vec<String> {
    if is_interpreter(name) {
        return vec![format!("put `--` before the bot's command: solobot acquire -- {name} main.py")];
    }
    let mut hints = Vec::new();
    if is_file {
        hints.push(format!("to name a program, use -m: -m {}", shell::quote(name)));
    }
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        hints.push(format!("did you mean `{near}`?"));
    }
    if !known.is_empty() {
        hints.push(format!("the bots in that file: {}", known.join(", ")));
        hints.push("to see them all: solobot status".into());
    } else if !is_file {
        hints.push("to name the bot's program instead: -m main.py".into());
        if !has_file {
            hints.push("to write a solobot.toml: solobot init".into());
        }
    }
    hints
}
