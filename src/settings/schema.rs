//! The keys of solobot.toml and the shapes of their values; what they mean together is decided in [`super::bots`].
//!
//! An error names the line, and for an unknown key the most similar one. It never repeats a token that was written into the
//! file by mistake, or a URL's password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::base::duration::{Limit, parse_duration, parse_limit};
use crate::base::nearest::nearest;
use crate::base::shell;
use crate::base::text::{escape, is_hidden};
use crate::lease::bounds::{parse_name, parse_ttl};
use crate::telegram::base_url::shown;

/// The file's name in each folder.
pub const FILE_NAME: &str = "solobot.toml";

/// The whole file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    #[serde(default)]
    pub defaults: Defaults,
    /// `[bots.NAME]`.
    #[serde(default)]
    pub bots: BTreeMap<String, Spanned<Entry>>,
    /// The file to which solobot appends what it did.
    pub journal: Option<PathBuf>,
    /// What is run when something happens to a bot.
    #[serde(default)]
    pub on: On,
    /// The URL that is asked for while all is well.
    pub ping: Option<Spanned<String>>,
}

/// `[on]`, as it is written: each a command line, an array of words.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [on]")]
pub struct On {
    pub conflict: Option<Spanned<Vec<String>>>,
    pub duplicate: Option<Spanned<Vec<String>>>,
    pub lost: Option<Spanned<Vec<String>>>,
    pub deaf: Option<Spanned<Vec<String>>>,
    pub down: Option<Spanned<Vec<String>>>,
    pub up: Option<Spanned<Vec<String>>>,
}

/// Defaults for every bot.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [defaults]")]
pub struct Defaults {
    /// How long `acquire` waits for the lock.
    pub wait: Option<Spanned<Wait>>,
    /// How long a process may take to end before it is killed.
    pub grace: Option<Spanned<Grace>>,
    /// The Bot API's base URL.
    pub api_url: Option<Spanned<String>>,
}

/// One bot.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [bots.NAME]")]
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
    pub command: Option<Spanned<CommandWords>>,
    /// The Bot API's base URL.
    pub api_url: Option<Spanned<String>>,
    /// The variable that tells the bot to take no lock itself.
    pub skip_env: Option<Spanned<SkipEnv>>,
    /// Whether the bot takes this lock itself.
    pub locks_itself: Option<Spanned<bool>>,
    /// How long `acquire` waits for the lock.
    pub wait: Option<Spanned<Wait>>,
    /// How long a process may take to end before it is killed.
    pub grace: Option<Spanned<Grace>>,
    /// The user who runs it, if that is neither its owner nor the caller.
    pub user: Option<Spanned<String>>,
    /// The engine of the lease that it runs under.
    pub lease: Option<Spanned<WrittenLease>>,
    /// The lease's name, if that is not the bot's id.
    pub lease_name: Option<Spanned<WrittenLeaseName>>,
    /// How long a grant of the lease lasts without renewal.
    pub lease_ttl: Option<Spanned<LeaseTtl>>,
}

/// Where a bot's token is; the first that has one wins.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { env = \"BOT_TOKEN\" }, never the token itself")]
pub struct TokenTable {
    /// A variable, in the environment or in `env_file`.
    pub env: Option<String>,
    /// A file that holds the token and nothing else.
    pub file: Option<String>,
    pub env_file: Option<String>,
}

/// A command line: an array, or a string split as a shell would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandWords(pub Vec<String>);

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(pub Duration);

/// `lease`: an engine's URL, or where it is. The URL may have a password, so `Debug` is not derived.
pub enum WrittenLease {
    Url(String),
    /// In this variable.
    Variable(String),
}

impl fmt::Debug for WrittenLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Url(_)) { "Url" } else { "Variable" })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLeaseName(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTtl(pub Duration);

/// What is wrong with a file's text.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseError {
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
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            unknown_key(error.message(), line).unwrap_or_else(|| {
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                // serde's words for TOML's arrays and tables.
                let message = message.replace("expected a sequence", "expected an array").replace("a map", "a table");
                let key = key_in(text, line).filter(|key| !message.contains(&format!("`{key}`")));
                let message = key.map_or_else(|| message.clone(), |key| format!("`{key}`: {message}"));
                ParseError { line, message: shown(&message).into_owned(), hint: None }
            })
        })
    }
}

/// The line of a byte offset, counted from 1.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The key that a line sets: serde's words do not name it.
fn key_in(text: &str, line: usize) -> Option<&str> {
    let key = text.lines().nth(line - 1)?.split_once('=')?.0.trim();
    (!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))).then_some(key)
}

/// Reads serde's sentence on an unknown key, which alone knows the keys of each table:
/// ``unknown field `x`, expected one of `a`, `b` ``.
fn unknown_key(message: &str, line: usize) -> Option<ParseError> {
    // The key may hold anything; the keys that are known are ours.
    let (key, expected) = message.strip_prefix("unknown field `")?.rsplit_once("`, expected ")?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    };
    Some(ParseError { line, message: format!("unknown key `{}`", shown(key)), hint: Some(hint) })
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

impl<'de> Deserialize<'de> for LeaseTtl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text("a duration such as 60 or \"60s\""))?;
        parse_ttl(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for WrittenLeaseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_name(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for WrittenLease {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenLeaseVisitor)
    }
}

struct WrittenLeaseVisitor;

impl<'de> Visitor<'de> for WrittenLeaseVisitor {
    type Value = WrittenLease;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL such as \"redis://HOST:6379/0\", or a variable: { env = \"LEASE_URL\" }")
    }

    fn visit_str<E: serde::de::Error>(self, url: &str) -> Result<WrittenLease, E> {
        Ok(WrittenLease::Url(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<WrittenLease, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Variable {
            env: String,
        }
        let Variable { env } = Variable::deserialize(MapAccessDeserializer::new(table))?;
        if env.is_empty() {
            Err(A::Error::custom("the variable's name is empty"))
        } else {
            Ok(WrittenLease::Variable(env))
        }
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

impl<'de> Deserialize<'de> for CommandWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = CommandWords;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command line, as an array of strings or as one string")
    }

    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<CommandWords, E> {
        let words = shell::split(line).ok_or_else(|| E::custom("a closing quote is missing in this command line"))?;
        not_empty(words)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<CommandWords, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = array.next_element()? {
            words.push(word);
        }
        not_empty(words)
    }
}

fn not_empty<E: serde::de::Error>(words: Vec<String>) -> Result<CommandWords, E> {
    if words.first().is_none_or(String::is_empty) {
        return Err(E::custom("this command line is empty"));
    }
    Ok(CommandWords(words))
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
            return Err(E::custom(format!("`{name}` is not a valid variable name")));
        }
        Ok(SkipEnv::Name(name.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<SkipEnv, E> {
        if on { Err(E::custom("write the variable's name, or false for none")) } else { Ok(SkipEnv::Off) }
    }
}

/// A string as solobot.toml has it: no hidden character is written as it is.
pub fn toml_string(text: &str) -> String {
    if text.contains(is_hidden) {
        let one = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            hidden if is_hidden(hidden) => escape(hidden),
            other => other.to_string(),
        };
        return format!("\"{}\"", text.chars().map(one).collect::<String>());
    }
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, String) {
        let fault = Schema::parse(text).unwrap_err();
        (fault.line, format!("{} / {}", fault.message, fault.hint.unwrap_or_default()))
    }

    #[test]
    fn the_example_of_the_contract() {
        let text = r#"
            journal = "journal.log"
            [defaults]
            wait = 30
            grace = 0.5
            [bots.main]
            dir = "/home/bot/app"
            module = "tg_bot.bot"
            args = ["--config", "a.toml"]
            lock = "/tmp/telegram_polling.lock"
            token = { env = "TELEGRAM_BOT_TOKEN", env_file = ".env" }
            logs = ["logs/*.log", "unit:bot.service"]
            command = "venv/bin/python -m 'tg_bot.bot'"
            skip_env = false
            wait = "forever"
        "#;
        let schema = Schema::parse(text).unwrap();
        let bot = schema.bots["main"].get_ref();
        assert_eq!(bot.command.as_ref().unwrap().get_ref().0, ["venv/bin/python", "-m", "tg_bot.bot"]);
        assert_eq!(*bot.skip_env.as_ref().unwrap().get_ref(), SkipEnv::Off);
        assert_eq!(bot.wait.as_ref().unwrap().get_ref().0, Limit::Forever);
        assert_eq!(schema.defaults.grace.unwrap().get_ref().0, Duration::from_millis(500));
        assert_eq!(line_at(text, bot.lock.as_ref().unwrap().span().start), 10);
        assert_eq!(line_at(text, schema.bots["main"].span().start), 6);
    }

    #[test]
    fn an_unknown_key_has_a_line_and_a_neighbour() {
        let cases = [
            ("[bots.main]\nscript = \"a.py\"\nlok = \"x\"\n", 3, "unknown key `lok`", "did you mean `lock`?"),
            ("[bots.main]\nscirpt = \"a.py\"\n", 2, "`scirpt`", "`script`"),
            ("[bot.main]\nscript = \"a.py\"\n", 1, "`bot`", "`bots`"),
            ("[defaults]\n\nwiat = 3\n", 3, "`wiat`", "`wait`"),
            ("[bots.main]\ntoken = { envfile = \".env\" }\n", 2, "`envfile`", "`env_file`"),
            ("[bots.main]\nzzzzz = 1\n", 2, "`zzzzz`", "the keys here are dir, script, module"),
            ("[bots.main]\n\"a`, expected `b\" = 1\n", 2, "`a`, expected `b`", "the keys here are dir, script, module"),
        ];
        for (text, line, key, hint) in cases {
            let (at, said) = fault(text);
            assert_eq!(at, line, "{text}: {said}");
            assert!(said.contains(key) && said.contains(hint), "{text}: {said}");
        }
    }

    #[test]
    fn a_wrong_value_has_a_line_and_a_reason() {
        let cases = [
            ("journal = 1", 1, "string"),
            ("[bots.main]\nscript = 5", 2, "string"),
            ("[bots.main]\nargs = \"x\"", 2, "expected an array"),
            ("[bots.main]\nwait = \"soon\"", 2, "`soon` is not a duration"),
            ("[bots.main]\nwait = -1", 2, "not a duration"),
            ("[bots.main]\ngrace = \"forever\"", 2, "not a duration"),
            ("[bots.main]\ngrace = true", 2, "a duration such as"),
            ("[bots.main]\ncommand = []", 2, "command line is empty"),
            ("[bots.main]\ncommand = \"a 'b\"", 2, "a closing quote is missing"),
            ("[bots.main]\ncommand = 3", 2, "a command line"),
            ("[bots.main]\nskip_env = true", 2, "the variable's name"),
            ("[bots.main]\nskip_env = \"A B\"", 2, "not a valid variable name"),
            ("[bots.main]\nlocks_itself = \"yes\"", 2, "boolean"),
            ("[bots.main]\nlock = \"a\"\nlock = \"b\"", 3, "duplicate"),
            ("[bots.main\n", 1, ""),
            ("bots = 3", 1, "expected a table"),
            ("[bots]\nmain = 3", 2, "expected a table [bots.NAME]"),
        ];
        for (text, line, reason) in cases {
            let (at, said) = fault(text);
            assert_eq!(at, line, "{text}: {said}");
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn a_token_in_the_file_is_not_repeated() {
        let token = crate::settings::testing::token();
        for text in [
            format!("[bots.main]\ntoken = \"{token}\""),
            format!("[bots.main]\n\"{token}\" = 1"),
            format!("[bots.main]\ntoken = {token}"),
            format!("[bots.main]\nwait = \"{token}\""),
            format!("[bots.main]\ntoken = {{ \"{token}\" = 1 }}"),
        ] {
            let (line, said) = fault(&text);
            assert_eq!(line, 2, "{said}");
            assert!(!said.contains("AAAA"), "{said}");
        }
        let (_, said) = fault(&format!("[bots.main]\ntoken = \"{token}\""));
        assert!(said.contains("never the token itself"), "{said}");
        for lease in ["{ \"redis://:secret@h/0\" = 1 }", "[\"redis://:secret@h/0\"]", "redis://:secret@h/0"] {
            let (line, said) = fault(&format!("[bots.main]\nlease = {lease}"));
            assert!(line == 2 && !said.contains("secret"), "{said}");
        }
    }
}
