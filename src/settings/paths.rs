//! Paths as a bot's entry writes them: `~`, relative ones, and the placeholders of `lock`.

use std::path::{Path, PathBuf};

use super::error::Error;
use crate::telegram::source::TokenSources;

/// An absolute path: `~` is the home folder, a relative path starts at `base`. `..` stays, since a link may stand
/// before it; nothing is looked at.
pub fn absolute(text: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    let path = match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => base.join(text),
    };
    without_dots(&path)
}

/// The path without its `.` components and doubled slashes.
pub fn without_dots(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Whether a script's name is a pattern.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The lock's path with `{token_hash}` and `{bot_id}` filled in; the token is looked for only if one of them is there.
///
/// # Errors
/// For another word in braces, and if no token is to be found.
pub fn expand(lock: &Path, tokens: &TokenSources) -> Result<PathBuf, Error> {
    let Some(text) = lock.to_str() else { return Ok(lock.to_owned()) };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, word, after)) = placeholder(rest) {
        expanded.push_str(before);
        match word {
            "token_hash" => expanded.push_str(tokens.require()?.token.fingerprint()),
            "bot_id" => expanded.push_str(tokens.require()?.token.bot_id()),
            _ => return Err(Error::Placeholder { word: word.to_owned() }),
        }
        rest = after;
    }
    Ok(PathBuf::from(expanded + rest))
}

/// Whether the path names a token's lock.
pub fn has_placeholder(lock: &Path) -> bool {
    lock.to_str().is_some_and(|text| placeholder(text).is_some())
}

/// The first `{word}`, with what stands before and behind it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (word, after) = rest.split_once('}')?;
    Some((before, word, after))
}
