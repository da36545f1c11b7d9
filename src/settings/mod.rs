//! Turns flags, environment and solobot.toml into settings.
//!
//! [`Settings::load`] finds and reads the file once. The `select_…` functions then make [`Bot`]s from flags, the environment
//! and the file. Only three things touch the disk: the file, the token of a lock that is named after it, and a check whether
//! `.env` can be trusted. Flags override the environment, and the environment overrides the file.
//!
//! Not promised: that a bot's program or lock exists.

pub mod alerts;
mod bots;
pub mod context;
mod error;
mod explained;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod lease;
mod overrides;
mod paths;
mod provenance;
mod schema;
mod select;
mod telegram;
#[cfg(test)]
mod testing;
mod tokens;
mod trust;
pub mod typed;

use std::path::{Path, PathBuf};

pub use bots::{Bot, Log};
pub use context::{Caller, Context, Purpose};
pub use error::Error;
pub use explained::ExplainedSetting;
pub use lease::source::LeaseSource;
pub use provenance::{Provenance, SetBy};
pub use schema::{FILE_NAME, toml_string};

use alerts::AlertSettings;
use bots::BotBuilder;
use file::ConfigFile;
use overrides::Overrides;
use paths::{absolute, has_placeholder, is_same_place};
pub use trust::{Access, open_of};
use trust::{Refusal, open_found};

use crate::cli;
use crate::lock::layouts;
use crate::platform::advice;
use crate::platform::user;
use crate::process::program::{Args, Program};

/// The settings of a whole run, from which bots are made.
#[derive(Debug)]
pub struct Settings {
    context: Context,
    file: Option<ConfigFile>,
    /// The bots of the file without any flag, in the file's order.
    bots: Vec<Bot>,
    alerts: AlertSettings,
    /// Whole sentences for the operator.
    pub warnings: Vec<String>,
}

/// The same, if only the file is known.
pub fn why_no_bot(file: Option<&Path>) -> String {
    file.map_or_else(|| "there is no solobot.toml".into(), |file| format!("`{}` has no bot yet", file.display()))
}

impl Settings {
    /// Finds and reads solobot.toml.
    ///
    /// # Errors
    /// If it cannot be read or trusted, or is wrong anywhere, even in bots that are not asked for.
    pub fn load(global: &cli::Global, context: Context) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let file = ConfigFile::find(global.config.as_deref(), &context, &mut warnings)?;
        let bots = file.as_ref().map_or_else(|| Ok(Vec::new()), |file| configured_bots(file, &context))?;
        warnings.extend(bots.iter().filter_map(|bot| withheld_warning(bot, file.as_ref()?)));
        let alerts = file.as_ref().map(|file| AlertSettings::of(file, context.home.as_deref())).transpose()?;
        Ok(Self { context, file, bots, alerts: alerts.unwrap_or_default(), warnings })
    }

    /// Settings without a file.
    pub fn without_file(context: Context) -> Self {
        Self { context, file: None, bots: Vec::new(), alerts: AlertSettings::default(), warnings: Vec::new() }
    }

    /// The absolute path of the configuration file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Why no bot is configured, as the end of a sentence: there is no file, or the file has no bot, like a template of
    /// `init`.
    pub fn why_no_bot(&self) -> String {
        why_no_bot(self.file())
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The file's bots without any flag, in the file's order.
    pub fn bots(&self) -> &[Bot] {
        &self.bots
    }

    /// The names of the file's bots, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bots.iter().map(|bot| bot.name.as_str())
    }

    /// Whether the file has a bot of this name. Where a path is possible too, the name wins.
    pub fn knows(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// A bot that was found rather than named. It runs this program and was started in `cwd`.
    pub fn bot_running(&self, program: &Program, cwd: &Path) -> Bot {
        self.bot_builder().found(program, cwd)
    }

    /// The same for a process whose program is unknown.
    pub fn bot_of_process(&self, command: &str, cwd: &Path) -> Bot {
        let word = command.split_ascii_whitespace().next().unwrap_or("bot");
        let program = Program::executable(&cwd.join(word));
        Bot { program: None, lock: cwd.join(layouts::SOLOBOT), ..self.bot_running(&program, cwd) }
    }

    /// The bot whose lock is there, with its program if that is known.
    pub fn bot_of_lock_file(&self, lock: &Path, program: Option<&Program>) -> Bot {
        let folder = lock.parent().unwrap_or(Path::new("/"));
        let mut bot = if let Some(program) = program {
            self.bot_running(program, folder)
        } else {
            let name = lock.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Bot { name, ..self.bot_of_process("", folder) }
        };
        if bot.lock != lock || program.is_none() {
            lock.clone_into(&mut bot.lock);
            bot.provenance.note("lock", SetBy::Flag("--lock"));
        }
        bot
    }

    /// The arguments of the file's other bots of the same program that begin with this one's: whose arguments match several
    /// is the bot of the longest.
    pub fn longer_arguments(&self, bot: &Bot) -> Vec<Args> {
        let Some(program) = bot.program.as_ref().filter(|_| bot.configured) else { return Vec::new() };
        let own = program.args().map_or(&[][..], Args::words);
        let others = self.bots.iter().filter(|other| other.name != bot.name).filter_map(|other| other.program.as_ref());
        let others = others.filter(|other| other.is_same_but_for_args(program)).filter_map(Program::args);
        others.filter(|args| args.words().len() > own.len() && args.words().starts_with(own)).cloned().collect()
    }

    fn bot_builder(&self) -> BotBuilder<'_> {
        BotBuilder { context: &self.context, file: self.file.as_ref() }
    }

    /// The name of the bot whose lock this is. Locks that are named after a token are not compared.
    pub fn bot_of_lock(&self, lock: &Path) -> Option<&str> {
        self.bots.iter().find(|bot| is_same_place(&bot.lock, lock)).map(|bot| bot.name.as_str())
    }

    /// `[on]` and `ping`.
    pub fn alerts(&self) -> &AlertSettings {
        &self.alerts
    }

    /// The journal's path, if the file names one. Root does not write to a path from the file of the user who called `sudo`.
    pub fn journal(&self) -> Option<PathBuf> {
        let file = self.file.as_ref().filter(|file| file.access == Access::Full)?;
        let journal = file.schema.journal.as_deref()?.to_str()?;
        Some(absolute(journal, file.folder(), self.context.home.as_deref()))
    }
}

/// Whether a file with this text would be accepted at that path.
///
/// # Errors
/// What [`Settings::load`] would say of it.
pub fn check(path: &Path, text: &str, context: &Context) -> Result<(), Error> {
    let file = ConfigFile::of_text(path.to_owned(), text.to_owned(), Access::Full)?;
    AlertSettings::of(&file, context.home.as_deref())?;
    configured_bots(&file, context).map(drop)
}

/// Why a file would not be trusted if it was found rather than named, and how to fix it; `None` if it would be trusted.
pub fn distrust(path: &Path, context: &Context) -> Option<String> {
    match open_found(path, context.caller) {
        Err(Refusal::Distrust { reason, chmod }) => {
            Some(chmod.map_or_else(|| reason.clone(), |chmod| format!("{reason}; to fix it: {chmod}")))
        }
        Err(Refusal::NotAFile(_)) => Some("it is not a regular file".into()),
        Err(Refusal::Io(error)) => Some(error.to_string()),
        Ok(_) => None,
    }
}

/// How far a file that was found, such as an owner record, is trusted; `None` if not at all.
pub fn believed(path: &Path, context: &Context) -> Option<Access> {
    open_found(path, context.caller).ok().flatten().map(|(_, access)| access)
}

/// The names of the file's bots in the file's order, for completion: nothing else is looked at, and what is wrong with
/// the file is not an error here.
pub fn names_in(named: Option<&Path>, context: &Context) -> Vec<String> {
    let Ok(Some(file)) = ConfigFile::find(named, context, &mut Vec::new()) else { return Vec::new() };
    let mut entries: Vec<_> = file.schema.bots.iter().collect();
    entries.sort_by_key(|(_, entry)| entry.span().start);
    entries.into_iter().map(|(name, _)| name.clone()).collect()
}

/// Every bot of the file as it is without flags, checked against the others.
fn configured_bots(file: &ConfigFile, context: &Context) -> Result<Vec<Bot>, Error> {
    let builder = BotBuilder { context, file: Some(file) };
    let mut entries: Vec<_> = file.schema.bots.iter().collect();
    entries.sort_by_key(|(_, entry)| entry.span().start);
    let bots = entries
        .into_iter()
        .map(|(name, entry)| builder.configured(name, entry.get_ref(), file, &Overrides::default()))
        .collect::<Result<Vec<Bot>, Error>>()?;
    for (index, bot) in bots.iter().enumerate() {
        refuse_shared_lock(&bots[..index], bot)?;
    }
    Ok(bots)
}

/// Two bots with the same lock never run at the same time, which is right only if they have the same token. A lock that is
/// named after the token differs if the token does.
fn refuse_shared_lock(others: &[Bot], bot: &Bot) -> Result<(), Error> {
    let clash = others.iter().find(|other| is_same_place(&other.lock, &bot.lock) && !other.token.share(&bot.token));
    match clash.filter(|_| !has_placeholder(&bot.lock)) {
        Some(other) => {
            let (one, other) = (other.name.clone(), bot.name.clone());
            Err(Error::SharedLock { one, other, lock: bot.lock.clone() })
        }
        None => Ok(()),
    }
}

fn withheld_warning(bot: &Bot, file: &ConfigFile) -> Option<String> {
    // Without a `command`, a start fails with its own error; looking does not need it.
    let missed: Vec<&str> = bot.withheld.iter().copied().filter(|key| *key != "command").collect();
    if file.access == Access::Full || missed.is_empty() {
        return None;
    }
    let keys = missed.join("`, `");
    let path = file.path.display();
    let how = match (file.access, file.owner()) {
        (Access::Foreign, Some(owner)) => {
            advice::as_user("to use it, run solobot as its owner", &user::name(owner), "solobot …")
        }
        _ => "to use it, name the file with -c".to_owned(),
    };
    Some(format!("root does not use `{keys}` of bot `{}` from `{path}`, which another user wrote; {how}", bot.name))
}
