//! One bot: its entry in solobot.toml, the flags that override it, and what holds where neither says anything.
//!
//! In an entry, `dir` is relative to the file, and every other relative path (`script`, `exe`, `lock`, `logs`, the
//! token's files, the first word of `command`) is relative to `dir`; without `dir` that is the file's folder. `~` is the
//! home folder in all of them. In flags, relative paths start at the current folder and the shell expands `~`.
//!
//! A token given by flags or by the entry's `token` table stands alone: the usual variables and `.env` are looked at only
//! where neither names a source, since they may belong to another bot.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::context::Context;
use super::error::Error;
use super::file::ConfigFile;
use super::paths::{absolute, expand, is_glob, without_dots};
use super::provenance::{Origin, Provenance};
use super::schema::{Entry, SkipEnv};
use super::tokens;
use super::trust::Access;
use crate::duration::Limit;
use crate::env;
use crate::process::program::Program;
use crate::telegram::source::TokenSources;
use crate::telegram::token::mask;

/// How long `acquire` waits unless told.
const WAIT: Limit = Limit::For(Duration::from_secs(30));
/// How long a process may take to end unless told.
const GRACE: Duration = Duration::from_secs(10);
/// Telegram's own Bot API.
const API_URL: &str = "https://api.telegram.org";
/// The default lock's name.
pub const LOCK_NAME: &str = ".solobot.lock";

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
    /// Where each setting came from.
    pub provenance: Provenance,
    /// The keys that root does not take from the file of the user who called `sudo`.
    pub(super) withheld: Vec<&'static str>,
}

/// One place of a bot's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// Files: an absolute path, or a pattern of such paths.
    Files(PathBuf),
    /// The journal of a systemd unit.
    Unit(String),
}

/// What flags say instead of the file.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub program: Option<(Program, Origin)>,
    pub lock: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub token_env: Option<String>,
    pub env_file: Option<PathBuf>,
    pub command: Option<Vec<OsString>>,
}

impl Overrides {
    /// Whether they say anything.
    pub fn any(&self) -> bool {
        let Self { program, lock, token_file, token_env, env_file, command } = self;
        let token = token_file.is_some() || token_env.is_some() || env_file.is_some();
        program.is_some() || lock.is_some() || token || command.is_some()
    }
}

/// Makes bots out of one run's surroundings. Their locks' placeholders are filled in at the end, by [`finish`]: a bot
/// that is not selected needs no token.
#[derive(Clone, Copy)]
pub(super) struct Workshop<'a> {
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

impl Workshop<'_> {
    /// A bot of the file.
    pub fn configured(self, name: &str, entry: &Entry, file: &ConfigFile, flags: &Overrides) -> Result<Bot, Error> {
        let home = self.context.home.as_deref();
        let mut from = Provenance::default();
        let mut set = Recorder { file, from: &mut from };
        let dir = match set.value("dir", entry.dir.as_ref()) {
            Some(dir) => absolute(dir, file.folder(), home),
            None => without_dots(file.folder()),
        };
        let program = set.program(name, entry, &dir, home)?;
        let lock = match set.value("lock", entry.lock.as_ref()) {
            Some(lock) => absolute(lock, &dir, home),
            None => program.default_lock_dir(&dir).join(LOCK_NAME),
        };
        let logs = set.value("logs", entry.logs.as_ref()).map(Vec::as_slice).unwrap_or_default();
        let table = set.value("token", entry.token.as_ref());
        let bot = Bot {
            name: name.to_owned(),
            configured: true,
            logs: logs.iter().map(|log| Log::parse(log, &dir, home)).collect(),
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
            program: Some(program),
            provenance: from,
            ..self.bare(dir)
        };
        let bot = self.with_defaults(bot, entry)?;
        Ok(self.with_flags(withhold(bot, file, entry), flags, table.and_then(|table| table.env.as_deref())))
    }

    /// A bot that flags or COMMAND name.
    pub fn ad_hoc(self, flags: &Overrides) -> Result<Bot, Error> {
        let cwd = &self.context.cwd;
        let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let by_program = flags.program.as_ref().map(|(program, _)| program.file_name());
        let by_command = || file_name(Path::new(flags.command.as_ref()?.first()?));
        let by_lock = || flags.lock.as_deref().and_then(file_name);
        let bot = Bot {
            name: by_program.or_else(by_command).or_else(by_lock).unwrap_or_else(|| "bot".into()),
            token: tokens::usual(cwd, self.context),
            ..self.bare(without_dots(cwd))
        };
        Ok(self.with_flags(self.with_defaults(bot, &Entry::default())?, flags, None))
    }

    /// A bot of which nothing is said.
    fn bare(self, dir: PathBuf) -> Bot {
        Bot {
            name: String::new(),
            configured: false,
            program: None,
            lock: dir.join(LOCK_NAME),
            dir,
            token: TokenSources::default(),
            logs: Vec::new(),
            command: None,
            api_url: API_URL.to_owned(),
            skip_env: Some(env::SKIP_LOCK.to_owned()),
            locks_itself: false,
            wait: WAIT,
            grace: GRACE,
            provenance: Provenance::default(),
            withheld: Vec::new(),
        }
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
            let url = entry.api_url.as_ref().or(defaults.api_url.as_ref());
            if let Some(url) = set.value("api_url", url).filter(|_| file.access == Access::Full) {
                bot.api_url.clone_from(url);
            }
        }
        if let Some(url) = self.context.vars.get(env::API_URL) {
            bot.api_url = url.to_string_lossy().into_owned();
            bot.provenance.note("api_url", Origin::Variable(env::API_URL));
        }
        bot.api_url = base_url(&bot.api_url, bot.provenance.of("api_url"))?;
        Ok(bot)
    }

    /// What the flags say instead; `token_name` is the name of the token's variable in the entry.
    fn with_flags(self, mut bot: Bot, flags: &Overrides, token_name: Option<&str>) -> Bot {
        if let Some((program, origin)) = &flags.program {
            bot.program = Some(program.clone());
            bot.provenance.note("program", origin.clone());
            if *bot.provenance.of("lock") == Origin::Default {
                bot.lock = program.default_lock_dir(&self.context.cwd).join(LOCK_NAME);
            }
        }
        if let Some(lock) = &flags.lock {
            bot.lock = without_dots(&self.context.cwd.join(lock));
            bot.provenance.note("lock", Origin::Flag("--lock"));
        }
        if let Some((token, origin)) = tokens::of_flags(flags, token_name, self.context) {
            bot.token = token;
            bot.provenance.note("token", origin);
        }
        if let Some(command) = &flags.command {
            bot.command = Some(command.clone());
            bot.provenance.note("command", Origin::Command);
        }
        bot
    }
}

/// Root does not take these keys from the file of the user who called `sudo`.
fn withhold(mut bot: Bot, file: &ConfigFile, entry: &Entry) -> Bot {
    if file.access == Access::Full {
        return bot;
    }
    bot.command = None;
    let api_url = *bot.provenance.of("api_url") != Origin::Variable(env::API_URL)
        && (entry.api_url.is_some() || file.schema.defaults.api_url.is_some());
    let keys = [("exe", entry.exe.is_some()), ("api_url", api_url), ("command", entry.command.is_some())];
    bot.withheld = keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect();
    bot
}

/// Takes values out of an entry and records where they stand.
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

    /// The entry's program: exactly one key must name it.
    fn program(&mut self, name: &str, entry: &Entry, dir: &Path, home: Option<&Path>) -> Result<Program, Error> {
        let keys = [("script", &entry.script), ("module", &entry.module), ("exe", &entry.exe)];
        let given: Vec<_> = keys.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect();
        let hint = "write one of script = \"main.py\", module = \"tg_bot.bot\" or exe = \"/usr/bin/mybot\"";
        let (key, value) = match given[..] {
            [only] => only,
            [] => return Err(self.file.fault_of_bot(name, format!("bot `{name}` has no program"), hint)),
            [(one, _), (other, value), ..] => {
                let message = format!("bot `{name}` has `{other}` beside `{one}`");
                return Err(self.file.fault(value, message, hint));
            }
        };
        if value.get_ref().is_empty() {
            return Err(self.file.fault(value, format!("`{key}` is empty"), hint));
        }
        self.from.note("program", self.file.origin(value));
        let path = absolute(value.get_ref(), dir, home);
        let program = match key {
            "module" => Program::module(value.get_ref(), dir),
            "exe" => Program::executable(&path),
            _ if is_glob(value.get_ref()) => Program::script_glob(&path.to_string_lossy()),
            _ => Program::script(&path),
        };
        Ok(match self.value("args", entry.args.as_ref()) {
            Some(args) => program.with_args(args.iter().map(OsString::from).collect()),
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

fn base_url(text: &str, origin: &Origin) -> Result<String, Error> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '?' | '#');
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || !host.chars().all(plain)) {
        return Err(Error::ApiUrl { url: mask(text).into_owned(), place: origin.to_string() });
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Selection;
    use crate::error::Expected;
    use crate::exit::Exit;
    use crate::settings::testing::{Place, token};

    fn only(place: &Place) -> Bot {
        only_with(place, &Selection::default())
    }

    fn only_with(place: &Place, flags: &Selection) -> Bot {
        place.load().unwrap().select_one(flags, Some("main")).unwrap()
    }

    #[test]
    fn what_holds_where_nothing_is_said() {
        let place = Place::with_file("[bots.main]\nscript = \"src/main.py\"\n");
        let app = place.path("app");
        let bot = only(&place);
        assert_eq!((bot.name.as_str(), bot.configured, &bot.dir), ("main", true, &app));
        assert_eq!(bot.program, Some(Program::script(&app.join("src/main.py"))));
        assert_eq!(bot.lock, app.join("src/.solobot.lock"));
        assert_eq!((bot.wait, bot.grace), (Limit::For(Duration::from_secs(30)), Duration::from_secs(10)));
        assert_eq!(bot.api_url, "https://api.telegram.org");
        assert_eq!(bot.skip_env.as_deref(), Some("SKIP_TELEGRAM_LOCK"));
        assert_eq!((bot.command, bot.locks_itself, bot.logs.len()), (None, false, 0));
        assert_eq!(bot.provenance.of("wait").to_string(), "default");
    }

    #[test]
    fn relative_paths_start_at_the_bots_folder() {
        let place = Place::with_file(
            "[bots.main]\ndir = \"../bot\"\nmodule = \"tg_bot.bot\"\nlock = \"run/x.lock\"\nlogs = [\"logs/*.log\", \
             \"~/a.log\", \"unit:bot.service\"]\ncommand = [\"venv/bin/python\", \"-m\", \"tg_bot.bot\"]\n",
        );
        let bot = only(&place);
        let dir = place.path("app/../bot");
        assert_eq!(bot.dir, dir);
        assert_eq!(bot.program, Some(Program::module("tg_bot.bot", &dir)));
        assert_eq!(bot.lock, dir.join("run/x.lock"));
        let logs = [Log::Files(dir.join("logs/*.log")), Log::Files(place.path("a.log"))];
        assert_eq!(bot.logs[..2], logs);
        assert_eq!(bot.logs[2], Log::Unit("bot.service".into()));
        let python = dir.join("venv/bin/python").into_os_string();
        assert_eq!(bot.command, Some(vec![python, "-m".into(), "tg_bot.bot".into()]));
    }

    #[test]
    fn the_default_lock_is_beside_the_program() {
        let cases = [
            ("script = \"a/main.py\"", "a/.solobot.lock"),
            ("script = \"releases/*/main.py\"", ".solobot.lock"),
            ("dir = \"d\"\nmodule = \"tg_bot.bot\"", "d/.solobot.lock"),
            ("exe = \"/usr/bin/mybot\"", ".solobot.lock"),
        ];
        for (entry, lock) in cases {
            let place = Place::with_file(&format!("[bots.main]\n{entry}\n"));
            assert_eq!(only(&place).lock, place.path("app").join(lock), "{entry}");
        }
    }

    #[test]
    fn flags_beat_the_environment_beats_the_file_beats_defaults() {
        let text =
            "[defaults]\nwait = 5\ngrace = 6\napi_url = \"http://a/\"\n[bots.main]\nscript = \"m.py\"\nwait = 7\n";
        let bot = only(&Place::with_file(text));
        assert_eq!((bot.wait, bot.grace), (Limit::For(Duration::from_secs(7)), Duration::from_secs(6)));
        assert_eq!(bot.api_url, "http://a");
        let lines = ["wait", "grace", "api_url", "program"].map(|setting| match bot.provenance.of(setting) {
            Origin::File { line, .. } => *line,
            other => panic!("{other:?}"),
        });
        assert_eq!(lines, [7, 3, 4, 6]);

        let place = Place::with_file(text).vars(&[("SOLOBOT_API_URL", "http://b:8081")]);
        let flags = Selection { lock: Some("x.lock".into()), program: Some("./n.py".into()), ..Selection::default() };
        let bot = only_with(&place, &flags);
        assert_eq!(bot.api_url, "http://b:8081");
        assert_eq!(bot.provenance.of("api_url"), &Origin::Variable("SOLOBOT_API_URL"));
        assert_eq!(bot.lock, place.path("app/x.lock"));
        assert_eq!(bot.provenance.of("lock"), &Origin::Flag("--lock"));
        assert_eq!(bot.program, Some(Program::script(&place.path("app/n.py"))));
        assert_eq!(bot.name, "main");
    }

    #[test]
    fn exactly_one_key_names_the_program() {
        let cases = [
            ("[bots.main]\nlock = \"x\"\n", 1, "has no program"),
            ("[bots.main]\nscript = \"m.py\"\nexe = \"m\"\n", 3, "has `exe` beside `script`"),
            ("[bots.main]\nmodule = \"\"\n", 2, "`module` is empty"),
        ];
        for (text, line, reason) in cases {
            let error = Place::with_file(text).load().unwrap_err();
            assert_eq!(error.exit(), Exit::Config);
            assert!(error.to_string().contains(reason), "{error}");
            assert!(error.to_string().contains(&format!("solobot.toml` line {line}: ")), "{error}");
        }
    }

    #[test]
    fn a_base_url_must_be_one() {
        for url in ["", "localhost:8081", "ftp://x", "http://", "https:///x", "http://a b", "http://a/?x=1"] {
            let text = format!("[bots.main]\nscript = \"m.py\"\napi_url = \"{url}\"\n");
            let error = Place::with_file(&text).load().unwrap_err();
            assert_eq!((error.exit(), error.kind()), (Exit::Config, "api-url"), "{url}");
            assert!(error.to_string().contains("line 3"), "{error}");
        }
        let url = format!("ftp://host/bot{}", token());
        let error = Place::with_file("[bots.main]\nscript = \"m.py\"\n").vars(&[("SOLOBOT_API_URL", &url)]);
        assert!(!error.load().unwrap_err().to_string().contains("AAAA"));
    }

    #[test]
    fn the_lock_may_be_named_after_the_token() {
        let text = "[bots.main]\nscript = \"m.py\"\nlock = \"~/locks/{token_hash}.lock\"\ntoken = { env = \"T\" }\n";
        let place = Place::with_file(text).vars(&[("T", &token())]);
        let bot = only(&place);
        let fingerprint = bot.token.require().unwrap().token.fingerprint().to_owned();
        assert_eq!(bot.lock, place.path(&format!("locks/{fingerprint}.lock")));
        assert!(!format!("{bot:?}").contains("AAAA"));

        let error = Place::with_file(text).load().unwrap().select_one(&Selection::default(), None).unwrap_err();
        assert_eq!((error.exit(), error.kind()), (Exit::Config, "token-missing"));
        assert!(error.to_string().contains("variable `T`"), "{error}");
    }
}
