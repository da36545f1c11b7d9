//! One bot: its entry in solobot.toml, the flags that override it, and the defaults.
//!
//! In an entry, `dir` is relative to the file, and every other relative path (`script`, `exe`, `lock`, `logs`, the
//! token's files, the first word of `command`) is relative to `dir`; without `dir` that is the file's folder. `~` is the
//! home folder in all of them. In flags, relative paths start at the current folder and the shell expands `~`.
//!
//! If flags or the entry's `token` table name a token, nothing else is looked at: the usual variables and `.env` may belong
//! to another bot.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::context::Context;
use super::error::{Error, PLACEHOLDERS};
use super::file::ConfigFile;
use super::lease::source::LeaseSource;
use super::overrides::Overrides;
use super::paths::{absolute, absolute_glob, expand, has_placeholder, is_glob, unknown_placeholder, without_dots};
use super::provenance::{Provenance, SetBy};
use super::schema::{Entry, SkipEnv};
use super::tokens;
use super::trust::Access;
use crate::base::duration::Limit;
use crate::base::env;
use crate::base::secret::mask;
use crate::lock::layouts;
use crate::platform::user;
use crate::process::program::{Args, Program};
use crate::telegram::base_url::{self, BaseUrl};
use crate::telegram::sources::TokenSources;

/// How long `acquire` waits unless told.
const WAIT: Limit = Limit::For(Duration::from_secs(30));
/// How long a process may take to end unless told.
const GRACE: Duration = Duration::from_secs(10);

/// A bot that a subcommand works on.
#[derive(Debug, Clone)]
pub struct Bot {
    /// Its name in the file, or else its program's.
    pub name: String,
    /// Whether it has an entry in the file.
    pub configured: bool,
    /// What makes a process this bot; `None` if only a lock or a token was named.
    pub program: Option<Program>,
    /// Its folder: where its `command` runs. The current folder for a bot without an entry.
    pub dir: PathBuf,
    /// The lock, absolute.
    pub lock: PathBuf,
    /// Where its token is looked for.
    pub token: TokenSources,
    /// Where its log is.
    pub logs: Vec<Log>,
    /// Who runs it, where the file says so.
    pub users: Vec<u32>,
    /// What `acquire` runs; a relative program's path is made absolute.
    pub command: Option<Vec<OsString>>,
    /// The Bot API's base URL, without a slash at the end.
    pub api_url: String,
    /// The variable that tells the bot to take no lock itself.
    pub skip_env: Option<String>,
    /// Whether the bot takes the very same lock itself.
    pub locks_itself: bool,
    /// How long `acquire` waits for the lock.
    pub wait: Limit,
    /// How long a process may take to end before it is killed.
    pub grace: Duration,
    /// The lease that it runs under, if it may run on more than one host.
    pub lease: Option<LeaseSource>,
    /// Where each setting came from.
    pub provenance: Provenance,
    /// The configuration file, if it was named rather than found.
    pub(super) config: Option<PathBuf>,
    /// The keys that root does not take from another user's file.
    pub(super) withheld: Vec<&'static str>,
}

impl Bot {
    /// A bot of which nothing is said.
    fn bare(dir: PathBuf) -> Self {
        Self {
            name: String::new(),
            configured: false,
            program: None,
            lock: dir.join(layouts::SOLOBOT),
            dir,
            token: TokenSources::default(),
            logs: Vec::new(),
            users: Vec::new(),
            command: None,
            api_url: base_url::PUBLIC.to_owned(),
            skip_env: Some(env::SKIP_LOCK.to_owned()),
            locks_itself: false,
            wait: WAIT,
            grace: GRACE,
            lease: None,
            provenance: Provenance::default(),
            config: None,
            withheld: Vec::new(),
        }
    }
}

impl Bot {
    /// Whether root does not take that key from another user's file, although it is there.
    pub fn withholds(&self, key: &str) -> bool {
        self.withheld.contains(&key)
    }

    /// Its name in an owner record: the one that it has in the file, else its program's file, as layout B writes it;
    /// tokens masked, as in the whole record.
    pub fn recorded_name(&self) -> String {
        let program = self.program.as_ref().filter(|_| !self.configured);
        mask(&program.map_or_else(|| self.name.clone(), Program::file_name)).into_owned()
    }

    /// Of the bots that a name without a path means, the one that runs this program from `cwd`: its lock is in its own
    /// folder, not in the caller's. Any other bot is returned unchanged.
    #[must_use]
    pub fn running(self, program: &Program, cwd: &Path) -> Self {
        if !self.program.as_ref().is_some_and(|named| named.is_open() && !named.is_pattern()) {
            return self;
        }
        let is_default = *self.provenance.of("lock") == SetBy::Default;
        let lock = if is_default { program.default_lock_dir(cwd).join(layouts::SOLOBOT) } else { self.lock };
        Self { lock, program: Some(program.clone()), ..self }
    }

    /// `--api-url`, which beats environment and file.
    ///
    /// # Errors
    /// If it is not a base URL.
    pub fn set_api_url(&mut self, url: &str) -> Result<(), Error> {
        self.provenance.note("api_url", SetBy::Flag("--api-url"));
        self.api_url = base_url(url, self.provenance.of("api_url"))?;
        Ok(())
    }
}

/// One place of a bot's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// Files: an absolute path, or a pattern of such paths.
    Files(PathBuf),
    /// The journal of a systemd unit.
    Unit(String),
}

/// Makes bots out of one run's surroundings. Their locks' placeholders are filled in at the end, by [`finish`]: a bot
/// that is not selected needs no token.
#[derive(Clone, Copy)]
pub(super) struct BotBuilder<'a> {
    pub context: &'a Context,
    pub file: Option<&'a ConfigFile>,
}

/// Fills in the lock's placeholders.
///
/// # Errors
/// As [`expand`].
pub(super) fn finish(mut bot: Bot) -> Result<Bot, Error> {
    bot.lock = expand(&bot.lock, &bot.token)?;
    Ok(bot)
}

impl BotBuilder<'_> {
    pub fn configured(self, name: &str, entry: &Entry, file: &ConfigFile, flags: &Overrides) -> Result<Bot, Error> {
        let home = self.context.home.as_deref();
        let mut from = Provenance::default();
        let mut set = Recorder { file, from: &mut from };
        let dir = match set.value("dir", entry.dir.as_ref()) {
            Some(dir) => absolute(dir, file.folder(), home),
            None => without_dots(file.folder()),
        };
        let program = set.program(name, entry, &dir, home)?;
        if let Some(value) = &entry.lock
            && let Some(word) = unknown_placeholder(value.get_ref())
        {
            let error = Error::Placeholder { word: word.to_owned() };
            return Err(file.fault(value, error.to_string(), PLACEHOLDERS));
        }
        let lock = match set.value("lock", entry.lock.as_ref()) {
            Some(lock) => absolute(lock, &dir, home),
            None => program.default_lock_dir(&dir).join(layouts::SOLOBOT),
        };
        let logs = set.value("logs", entry.logs.as_ref()).map(Vec::as_slice).unwrap_or_default();
        let table = set.value("token", entry.token.as_ref());
        set.value("lease", entry.lease.as_ref());
        set.value("lease_name", entry.lease_name.as_ref());
        set.value("lease_ttl", entry.lease_ttl.as_ref());
        let bot = Bot {
            name: name.to_owned(),
            configured: true,
            logs: logs.iter().map(|log| Log::parse(log, &dir, home)).collect(),
            users: set.user(entry)?,
            command: set.value("command", entry.command.as_ref()).map(|words| command(&words.0, &dir, home)),
            skip_env: match set.value("skip_env", entry.skip_env.as_ref()) {
                Some(SkipEnv::Name(name)) => Some(name.clone()),
                Some(SkipEnv::Off) => None,
                None => Some(env::SKIP_LOCK.to_owned()),
            },
            locks_itself: set.value("locks_itself", entry.locks_itself.as_ref()).copied().unwrap_or_default(),
            token: match table {
                Some(table) => tokens::of_table(table, &dir, self.context),
                None => tokens::usual(&dir, self.context),
            },
            lock,
            lease: LeaseSource::of_entry(entry, file, &self.context.vars)?,
            program: Some(program),
            provenance: from,
            config: file.named(),
            ..Bot::bare(dir)
        };
        let bot = self.with_defaults(bot, entry)?;
        Ok(self.with_flags(withhold(bot, file, entry), flags, table.and_then(|table| table.env.as_deref())))
    }

    /// A bot that flags or COMMAND name.
    pub fn ad_hoc(self, flags: &Overrides) -> Result<Bot, Error> {
        let cwd = &self.context.cwd;
        let by_program = flags.program.as_ref().map(|(program, _)| program.short_name());
        let by_command = || Some(Program::executable(Path::new(flags.command.as_ref()?.first()?)).short_name());
        let by_lock = || Some(flags.lock.as_deref()?.file_name()?.to_string_lossy().into_owned());
        let bot = Bot {
            name: by_program.or_else(by_command).or_else(by_lock).unwrap_or_else(|| "bot".into()),
            token: tokens::usual(cwd, self.context),
            config: self.file.and_then(ConfigFile::named),
            ..Bot::bare(without_dots(cwd))
        };
        Ok(self.with_flags(self.with_defaults(bot, &Entry::default())?, flags, None))
    }

    /// A bot that was found rather than named: it runs this program, started in `cwd`. Our own environment says nothing of
    /// its token.
    pub fn found(self, program: &Program, cwd: &Path) -> Bot {
        let folder = program.default_lock_dir(cwd);
        let bot = Bot {
            name: program.short_name(),
            lock: folder.join(layouts::SOLOBOT),
            program: Some(program.clone()),
            ..Bot::bare(folder)
        };
        // A malformed base URL is an error only if a bot is asked for.
        self.with_defaults(bot.clone(), &Entry::default()).unwrap_or(bot)
    }

    /// What the environment, the entry and `[defaults]` say, in this order.
    fn with_defaults(self, mut bot: Bot, entry: &Entry) -> Result<Bot, Error> {
        if let Some(file) = self.file {
            let defaults = &file.schema.defaults;
            let mut set = Recorder { file, from: &mut bot.provenance };
            if let Some(wait) = set.value("wait", entry.wait.as_ref().or(defaults.wait.as_ref())) {
                bot.wait = wait.0;
            }
            if let Some(grace) = set.value("grace", entry.grace.as_ref().or(defaults.grace.as_ref())) {
                bot.grace = grace.0;
            }
            let url = entry.api_url.as_ref().or(defaults.api_url.as_ref()).filter(|_| file.access == Access::Full);
            if let Some(url) = set.value("api_url", url) {
                bot.api_url.clone_from(url);
            }
        }
        if let Some(url) = self.context.vars.get(env::API_URL) {
            bot.api_url = url.to_string_lossy().into_owned();
            bot.provenance.note("api_url", SetBy::Variable(env::API_URL));
        }
        bot.api_url = base_url(&bot.api_url, bot.provenance.of("api_url"))?;
        Ok(bot)
    }

    /// What the flags say instead; `token_name` is the name of the token's variable in the entry.
    fn with_flags(self, mut bot: Bot, flags: &Overrides, token_name: Option<&str>) -> Bot {
        if let Some((program, origin)) = &flags.program {
            bot.program = Some(program.clone());
            bot.provenance.note("program", origin.clone());
            if *bot.provenance.of("lock") == SetBy::Default {
                bot.lock = program.default_lock_dir(&self.context.cwd).join(layouts::SOLOBOT);
            }
        }
        if let Some(lock) = &flags.lock {
            bot.lock = without_dots(&self.context.cwd.join(lock));
            bot.provenance.note("lock", SetBy::Flag("--lock"));
        }
        if let Some((token, origin)) = tokens::of_flags(flags, token_name, self.context) {
            bot.token = token;
            bot.provenance.note("token", origin);
        }
        if let Some(command) = &flags.command {
            bot.command = Some(command.clone());
            bot.provenance.note("command", SetBy::Command);
        }
        bot
    }
}

/// Root does not take these keys from another user's file; `logs` and `token` not even from one by which it only looks.
fn withhold(mut bot: Bot, file: &ConfigFile, entry: &Entry) -> Bot {
    if file.access == Access::Full {
        return bot;
    }
    bot.command = None;
    // Whoever wrote the file would make root send a password, or start ssh.
    bot.lease = None;
    let api_url = *bot.provenance.of("api_url") != SetBy::Variable(env::API_URL)
        && (entry.api_url.is_some() || file.schema.defaults.api_url.is_some());
    let is_foreign = file.access == Access::Foreign;
    // Which lock one named after the token is, is not known then.
    let lock = is_foreign && has_placeholder(&bot.lock);
    if is_foreign {
        bot.logs.clear();
        bot.token = TokenSources::default();
    }
    if lock {
        let folder = bot.program.as_ref().map_or_else(|| bot.dir.clone(), |program| program.default_lock_dir(&bot.dir));
        bot.lock = folder.join(layouts::SOLOBOT);
        bot.provenance.note("lock", SetBy::Default);
    }
    let keys = [
        ("exe", entry.exe.is_some()),
        ("api_url", api_url),
        ("command", entry.command.is_some()),
        ("lease", entry.lease.is_some()),
        ("logs", is_foreign && entry.logs.is_some()),
        ("token", is_foreign && entry.token.is_some()),
        ("lock", lock),
    ];
    bot.withheld = keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect();
    bot
}

/// Takes values out of an entry and records their lines.
struct Recorder<'a> {
    file: &'a ConfigFile,
    from: &'a mut Provenance,
}

impl Recorder<'_> {
    fn value<'v, T>(&mut self, setting: &'static str, value: Option<&'v Spanned<T>>) -> Option<&'v T> {
        let value = value?;
        self.from.note(setting, self.file.origin(value));
        Some(value.get_ref())
    }

    /// The entry's user, by name or number.
    fn user(&mut self, entry: &Entry) -> Result<Vec<u32>, Error> {
        let Some(value) = &entry.user else { return Ok(Vec::new()) };
        let name = self.value("user", entry.user.as_ref()).map(String::as_str).unwrap_or_default();
        let Some(uid) = name.parse().ok().or_else(|| user::by_name(name)) else {
            let hint = "to see the users of this machine: getent passwd";
            return Err(self.file.fault(value, format!("user `{name}` does not exist"), hint));
        };
        Ok(vec![uid])
    }

    /// The entry's program: exactly one key must name it.
    fn program(&mut self, name: &str, entry: &Entry, dir: &Path, home: Option<&Path>) -> Result<Program, Error> {
        let keys = [("script", &entry.script), ("module", &entry.module), ("exe", &entry.exe)];
        let given: Vec<_> = keys.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect();
        let hint = "write one of script = \"main.py\", module = \"tg_bot.bot\" or exe = \"/usr/bin/mybot\"";
        let (key, value) = match given[..] {
            [only] => only,
            [] => return Err(self.file.fault_of_bot(name, format!("bot `{name}` has no program"), hint)),
            [(one, _), (other, value), ..] => {
                let message = format!("bot `{name}` has both `{one}` and `{other}`");
                return Err(self.file.fault(value, message, hint));
            }
        };
        if value.get_ref().is_empty() {
            return Err(self.file.fault(value, format!("`{key}` is empty"), hint));
        }
        self.from.note("program", self.file.origin(value));
        let text = value.get_ref();
        let program = match key {
            "module" => Program::module(text, dir),
            "exe" => Program::executable(&absolute(text, dir, home)),
            _ if is_glob(text) => Program::script_glob(&absolute_glob(text, dir, home)),
            _ => Program::script(&absolute(text, dir, home)),
        };
        Ok(match self.value("args", entry.args.as_ref()) {
            Some(args) => program.with_args(Args::beginning(args.iter().map(OsString::from).collect())),
            None => program,
        })
    }
}

impl Log {
    fn parse(text: &str, dir: &Path, home: Option<&Path>) -> Self {
        match text.strip_prefix("unit:") {
            Some(unit) => Self::Unit(unit.to_owned()),
            None => Self::Files(absolute(text, dir, home)),
        }
    }
}

/// The entry's command: where its program is a path, it is the bot's and not the current folder's.
fn command(words: &[String], dir: &Path, home: Option<&Path>) -> Vec<OsString> {
    let mut command: Vec<OsString> = words.iter().map(OsString::from).collect();
    if let Some(program) = command.first_mut()
        && words[0].contains('/')
    {
        *program = absolute(&words[0], dir, home).into_os_string();
    }
    command
}

fn base_url(text: &str, origin: &SetBy) -> Result<String, Error> {
    match BaseUrl::parse(text) {
        Ok(url) => Ok(url.to_string()),
        Err(why) => Err(Error::ApiUrl { url: base_url::shown(text).into_owned(), place: origin.to_string(), why }),
    }
}

#[cfg(test)]
mod tests;
