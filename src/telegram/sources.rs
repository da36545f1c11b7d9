//! Where a bot's token comes from: variables, files, `.env` files.
//!
//! A list of places; the first that has a token wins. Invariant: no error, warning or `Debug` shows the content of a place.
//! Which places a bot has, and whether a file that was only found is trusted, is decided in [`crate::settings`].

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::dotenv::DotEnv;
use crate::base::env::Vars;
use crate::base::error::{Expected, plain, quoted};
use crate::base::exit::Exit;
use crate::base::secret::Token;
use crate::platform::advice;
use crate::platform::filesystem::{self, FileStatus};

/// No token file is longer; what is longer is something else, named by mistake.
pub const MAX_BYTES: u64 = 64 * 1024;

/// One place to look for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// An environment variable.
    Variable(String),
    /// A file that holds the token and nothing else, such as a systemd credential.
    File(PathBuf),
    /// A `.env` file, and the names to look for in it, in their order.
    EnvFile { path: PathBuf, names: Vec<String> },
    /// A `.env` file that was found, but that others may have written.
    Untrusted {
        /// What is wrong with which file.
        reason: String,
        /// What to type.
        remedy: String,
    },
}

impl TokenSource {
    /// Whether both can give the same token.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::EnvFile { path, names }, Self::EnvFile { path: other_path, names: other_names }) => {
                path == other_path && names.iter().any(|name| other_names.contains(name))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "variable `{name}`"),
            Self::File(path) => write!(f, "file {}", quoted(path)),
            Self::EnvFile { path, names } => write!(f, "`{}` in {}", names.join("` or `"), quoted(path)),
            Self::Untrusted { reason, .. } => f.write_str(reason),
        }
    }
}

/// Where a bot's token is looked for.
#[derive(Debug, Clone, Default)]
pub struct TokenSources {
    sources: Vec<TokenSource>,
    /// Named by flags: a file that is not there, or no token at all, is an error.
    required: bool,
    vars: Vars,
    found: OnceLock<Option<Resolved>>,
}

/// A token and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub token: Token,
    /// The place, with the one name that hit; it displays as ``variable `BOT_TOKEN` ``.
    pub source: TokenSource,
    /// What may go wrong with this token, in whole sentences.
    pub warnings: Vec<String>,
    /// There is white space around it.
    pub is_padded: bool,
}

impl TokenSources {
    /// Places to look at, in their order; `required` if the caller named them for this very run.
    pub fn new(sources: Vec<TokenSource>, required: bool, vars: Vars) -> Self {
        Self { sources, required, vars, found: OnceLock::new() }
    }

    /// The places, in their order.
    pub fn sources(&self) -> &[TokenSource] {
        &self.sources
    }

    /// Whether one place is common to both.
    pub fn share(&self, other: &Self) -> bool {
        self.sources.iter().any(|source| other.sources.iter().any(|theirs| source.overlaps(theirs)))
    }

    /// The token of the first place that has one; `None` if none has. The places are read once (one may be a pipe).
    ///
    /// # Errors
    /// For what is found but is not a token, a file that cannot be read, or places named by flags that have no token.
    pub fn resolve(&self) -> Result<Option<&Resolved>, SourceError> {
        if let Some(found) = self.found.get() {
            return Ok(found.as_ref());
        }
        let found = self.look()?;
        if found.is_none() && self.required {
            return Err(self.missing());
        }
        Ok(self.found.get_or_init(|| found).as_ref())
    }

    /// The token, where there is no going on without one.
    ///
    /// # Errors
    /// As [`Self::resolve`], and [`SourceError::Missing`].
    pub fn require(&self) -> Result<&Resolved, SourceError> {
        self.resolve()?.ok_or_else(|| self.missing())
    }

    fn missing(&self) -> SourceError {
        SourceError::Missing { looked: self.sources.iter().map(TokenSource::to_string).collect() }
    }

    fn look(&self) -> Result<Option<Resolved>, SourceError> {
        for source in &self.sources {
            if let Some(resolved) = self.look_at(source)? {
                return Ok(Some(resolved));
            }
        }
        Ok(None)
    }

    fn look_at(&self, source: &TokenSource) -> Result<Option<Resolved>, SourceError> {
        match source {
            TokenSource::Variable(name) => {
                let Some(value) = self.vars.get(name) else { return Ok(None) };
                resolved(&value.to_string_lossy(), source.clone(), Vec::new()).map(Some)
            }
            TokenSource::File(path) => {
                let Some(TokenFileText { text, warnings }) = self.read(path)? else { return Ok(None) };
                resolved(&text, source.clone(), warnings).map(Some)
            }
            TokenSource::EnvFile { path, names } => {
                let Some(TokenFileText { text, warnings }) = self.read(path)? else { return Ok(None) };
                let file = DotEnv::parse(&text);
                let hit = names.iter().find_map(|name| Some((name, file.get(name).filter(|value| !value.is_empty())?)));
                let Some((name, value)) = hit else { return Ok(None) };
                let source = TokenSource::EnvFile { path: path.clone(), names: vec![name.clone()] };
                resolved(value, source, warnings).map(Some)
            }
            TokenSource::Untrusted { reason, remedy } => {
                Err(SourceError::Untrusted { reason: reason.clone(), remedy: remedy.clone() })
            }
        }
    }

    /// A file's text; `None` if it is not there and need not be: a bot's credential exists only while its unit runs.
    fn read(&self, path: &Path) -> Result<Option<TokenFileText>, SourceError> {
        match read_bounded(path) {
            Err(SourceError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound && !self.required =>
            {
                Ok(None)
            }
            content => content.map(Some),
        }
    }
}

struct TokenFileText {
    text: String,
    warnings: Vec<String>,
}

/// Reads a file, or a pipe such as `--token-file <(pass bot)`.
fn read_bounded(path: &Path) -> Result<TokenFileText, SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let meta = FileStatus::of_open(&file).map_err(unreadable)?;
    let bytes = filesystem::read_bounded(file, MAX_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => SourceError::TooLarge { path: path.to_owned() },
        _ => unreadable(source),
    })?;
    let mut warnings = Vec::new();
    if meta.is_file() && meta.is_readable_by_all() {
        let hide = advice::hide(path);
        warnings.push(format!("every user of this machine can read {}; to change that: {hide}", quoted(path)));
    }
    Ok(TokenFileText { text: String::from_utf8_lossy(&bytes).into_owned(), warnings })
}

fn resolved(raw: &str, source: TokenSource, mut warnings: Vec<String>) -> Result<Resolved, SourceError> {
    let text = raw.trim_start_matches('\u{feff}');
    let token =
        Token::parse(text).map_err(|_| SourceError::Malformed { quoted: is_quoted(text), place: source.clone() })?;
    let is_padded = raw != token.secret();
    if is_padded {
        warnings.push(format!(
            "the token in {source} has white space around it; a program that does not strip it uses another lock"
        ));
    }
    Ok(Resolved { token, source, warnings, is_padded })
}

fn is_quoted(text: &str) -> bool {
    text.trim().starts_with(['"', '\''])
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The content is not a token.
    #[error("{place} does not contain a bot token")]
    Malformed {
        place: TokenSource,
        /// It has quotes around it.
        quoted: bool,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {why}", path = quoted(.path), why = plain(.source))]
    Unreadable { path: PathBuf, source: io::Error },
    /// The file is too large for a token.
    #[error("{path} is longer than 64 KiB, so it is not a token", path = quoted(.path))]
    TooLarge { path: PathBuf },
    /// None of the places has a token.
    #[error("no token found; looked in {}", .looked.join(", "))]
    Missing {
        /// The places.
        looked: Vec<String>,
    },
    /// A file that was found rather than named, and that others can write to.
    #[error("{reason}")]
    Untrusted {
        /// What is wrong with which file.
        reason: String,
        /// What to type.
        remedy: String,
    },
}

impl Expected for SourceError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Missing { .. }
            | Self::Untrusted { .. } => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "token-malformed",
            Self::Unreadable { .. } => "token-unreadable",
            Self::TooLarge { .. } => "token-too-large",
            Self::Missing { .. } => "token-missing",
            Self::Untrusted { .. } => "token-untrusted",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Malformed { quoted: true, .. } => {
                vec!["write the token without quotes: BOT_TOKEN=123456:…".into()]
            }
            Self::Malformed { place: TokenSource::File(path), .. } => vec![
                "a token is 6 to 12 digits, a colon, and at least 30 letters, digits, `-` or `_`".into(),
                format!("if it has lines such as BOT_TOKEN=…: --env-file {}", path.display()),
            ],
            Self::Malformed { .. } => vec![
                "a token is 6 to 12 digits, a colon, and at least 30 letters, digits, `-` or `_`".into(),
                "or name another place: --token-env NAME, --token-file PATH or --env-file PATH".into(),
            ],
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                vec![advice::as_user("run solobot as the user of the bot", "USER", "solobot …")]
            }
            Self::Unreadable { .. } => vec!["name another place: --token-env NAME or --token-file PATH".into()],
            Self::TooLarge { .. } | Self::Missing { .. } => {
                vec!["say where the token is: --token-env NAME, --token-file PATH or --env-file PATH".into()]
            }
            Self::Untrusted { remedy, .. } => vec![remedy.clone()],
        }
    }
}

#[cfg(test)]
mod tests;
