//! The keys of solobot.toml and the shapes of their values; what they mean together is decided in [`super::bots`].
//!
//! An error names the line, and for an unknown key the nearest known one. It never repeats a token that was written
//! into the file by mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use toml::Spanned;

use super::nearest::nearest;
use crate::duration::{Limit, parse_duration, parse_limit};
use crate::telegram::token::mask;

/// The whole file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// `[defaults]`.
    #[serde(default)]
    pub defaults: Defaults,
    /// `[bots.NAME]`.
    #[serde(default)]
    pub bots: BTreeMap<String, Spanned<Entry>>,
    /// Where solobot records what it did.
    pub journal: Option<PathBuf>,
}

/// What holds for every bot that does not say otherwise.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// How long `acquire` waits for the lock.
    pub wait: Option<Spanned<Wait>>,
    /// How long a process may take to end.
    pub grace: Option<Spanned<Grace>>,
    /// The Bot API's base URL.
    pub api_url: Option<Spanned<String>>,
}

/// One bot.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The bot's folder; its other relative paths start there.
    pub dir: Option<Spanned<String>>,
    /// The program: a script or a glob of scripts.
    pub script: Option<Spanned<String>>,
    /// The program: a dotted module.
    pub module: Option<Spanned<String>>,
    /// The program: an executable.
    pub exe: Option<Spanned<String>>,
    /// The arguments that make it this bot.
    pub args: Option<Spanned<Vec<String>>>,
    /// The lock file.
    pub lock: Option<Spanned<String>>,
    /// Where the token is.
    pub token: Option<Spanned<TokenTable>>,
    /// Log files and units.
    pub logs: Option<Spanned<Vec<String>>>,
    /// What `acquire` runs.
    pub command: Option<Spanned<Words>>,
    /// The Bot API's base URL.
    pub api_url: Option<Spanned<String>>,
    /// The variable that tells the bot to take no lock itself.
    pub skip_env: Option<Spanned<SkipEnv>>,
    /// Whether the bot takes the very same lock itself.
    pub locks_itself: Option<Spanned<bool>>,
    /// How long `acquire` waits for the lock.
    pub wait: Option<Spanned<Wait>>,
    /// How long a process may take to end.
    pub grace: Option<Spanned<Grace>>,
}

/// Where a bot's token is; the first that has one wins.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { env = \"BOT_TOKEN\" }, never the token itself")]
pub struct TokenTable {
    /// A variable, in the environment or in `env_file`.
    pub env: Option<String>,
    /// A file that holds the token and nothing else.
    pub file: Option<String>,
    /// A `.env` file.
    pub env_file: Option<String>,
}

/// A command line: an array, or a string split as a shell would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

/// A variable's name, or `false` for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipEnv {
    /// Set this one.
    Name(String),
    /// Set none.
    Off,
}

/// `wait`: a duration or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Limit);

/// `grace`: a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(pub Duration);

/// What is wrong with a file's text.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Schema {
    /// Reads the text of a solobot.toml.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            unknown_key(error.message(), line).unwrap_or_else(|| Fault {
                line,
                message: mask(error.message().lines().collect::<Vec<_>>().join(", ").trim()).into_owned(),
                hint: None,
            })
        })
    }
}

/// The line of a byte offset, counted from 1.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Reads serde's sentence on an unknown key, which alone knows the keys of each table:
/// ``unknown field `x`, expected one of `a`, `b` ``.
fn unknown_key(message: &str, line: usize) -> Option<Fault> {
    let (key, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    };
    Some(Fault { line, message: format!("unknown key `{}`", mask(key)), hint: Some(hint) })
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text("a duration such as 30, \"5m\" or \"forever\""))?;
        parse_limit(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text("a duration such as 10 or \"500ms\""))?;
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A duration as text: a string, or a number of seconds.
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<String, E> {
        Ok(seconds.to_string())
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<String, E> {
        Ok(seconds.to_string())
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command line, as an array of strings or as one string")
    }

    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Words, E> {
        let words = shell_words::split(line).map_err(|_| E::custom("a quote is missing in this command line"))?;
        not_empty(words)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = array.next_element()? {
            words.push(word);
        }
        not_empty(words)
    }
}

fn not_empty<E: serde::de::Error>(words: Vec<String>) -> Result<Words, E> {
    if words.first().is_none_or(String::is_empty) {
        return Err(E::custom("this command line names no program"));
    }
    Ok(Words(words))
}

impl<'de> Deserialize<'de> for SkipEnv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkipEnvVisitor)
    }
}

struct SkipEnvVisitor;

impl Visitor<'_> for SkipEnvVisitor {
    type Value = SkipEnv;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variable's name, or false")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<SkipEnv, E> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(E::custom(format!("`{name}` is no name for a variable")));
        }
        Ok(SkipEnv::Name(name.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<SkipEnv, E> {
        if on { Err(E::custom("name the variable, or write false for none")) } else { Ok(SkipEnv::Off) }
    }
}
