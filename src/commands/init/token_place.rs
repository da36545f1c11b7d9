//! Where a bot's token comes from, but never the token itself.

use std::path::{Path, PathBuf};

use crate::base::env;
use crate::base::secret::Token;
use crate::platform::filesystem::{open_regular, read_bounded};
use crate::telegram::dotenv::DotEnv;
use crate::telegram::sources::MAX_BYTES;

/// Where a bot's token comes from; never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The variable.
    pub name: String,
    /// The file that sets it.
    pub env_file: Option<PathBuf>,
}

/// The variable of a `.env` file that holds a token: the one that is named, else a usual one, else any.
pub fn in_env_file(path: &Path, name: Option<&str>) -> Option<TokenPlace> {
    let text = read_bounded(open_regular(path).ok()?, MAX_BYTES).ok()?;
    let variables = DotEnv::parse(&String::from_utf8_lossy(&text));
    let is_token = |(_, value): &(&str, &str)| Token::parse(value).is_ok();
    let names: Vec<&str> = variables.iter().filter(is_token).map(|(name, _)| name).collect();
    let found = match name {
        Some(name) => names.contains(&name).then_some(name)?,
        None => env::TOKENS.iter().find(|usual| names.contains(usual)).or(names.first())?,
    };
    Some(TokenPlace { name: found.to_owned(), env_file: Some(path.to_owned()) })
}
