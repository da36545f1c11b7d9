//! Which bots a subcommand works on.
//!
//! A BOT names an entry of the file. Without one, the program (`-m`, `--module`, or COMMAND) or the lock (`-l`) finds its
//! entry, or else stands for a bot of its own; without any of these it is every bot of the file. The remaining flags
//! override single settings of whatever was found.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::Settings;
use super::bots::{Bot, Overrides, Workshop, finish};
use super::error::Error;
use super::paths::without_dots;
use super::provenance::Origin;
use crate::cli::Selection;
use crate::process::program::Program;

/// Who is meant.
enum Meant {
    /// These bots of the file.
    Entries(Vec<String>),
    /// A bot without an entry.
    Itself,
    /// Nothing is configured and no flag says anything.
    Nobody,
}

impl Settings {
    /// The bots for a subcommand that looks (`status`, `check`): those named, or those that the flags mean, or all of
    /// the file. Empty if nothing is configured and no flag says anything.
    ///
    /// # Errors
    /// For an unknown BOT, flags for one bot where several are meant, and a lock that cannot be told.
    pub fn select_many(&self, selection: &Selection, bots: &[String]) -> Result<Vec<Bot>, Error> {
        let (meant, overrides) = self.meant(selection, bots, &[])?;
        self.make(meant, &overrides)
    }

    /// The one bot for a subcommand that acts: the one named, or the one that the flags mean, or the file's only one.
    ///
    /// # Errors
    /// As [`Self::select_many`], and where it is not exactly one.
    pub fn select_one(&self, selection: &Selection, bot: Option<&str>) -> Result<Bot, Error> {
        self.only(selection, bot, &[])
    }

    /// The bot of `acquire [BOT] [-- COMMAND]`: the one named, or the one whose program is COMMAND's, else COMMAND stands
    /// for itself. Its `command` is COMMAND if there is one.
    ///
    /// # Errors
    /// As [`Self::select_one`].
    pub fn select_for_command(
        &self,
        selection: &Selection,
        bot: Option<&str>,
        command: &[OsString],
    ) -> Result<Bot, Error> {
        let bot = self.only(selection, bot, command)?;
        if bot.command.is_none() { self.refuse_withheld(bot, &["command"]) } else { Ok(bot) }
    }

    fn only(&self, selection: &Selection, bot: Option<&str>, command: &[OsString]) -> Result<Bot, Error> {
        let named: Vec<String> = bot.into_iter().map(str::to_owned).collect();
        let (meant, overrides) = self.meant(selection, &named, command)?;
        match meant {
            Meant::Nobody => return Err(Error::NothingNamed),
            Meant::Entries(names) if names.len() != 1 => return Err(Error::Ambiguous { names }),
            Meant::Entries(_) | Meant::Itself => {}
        }
        let bot = self.make(meant, &overrides)?.pop().ok_or(Error::NothingNamed)?;
        self.refuse_withheld(bot, &["exe", "api_url"])
    }

    fn refuse_withheld(&self, bot: Bot, keys: &[&str]) -> Result<Bot, Error> {
        match (bot.withheld.iter().find(|key| keys.contains(key)), self.file()) {
            (Some(setting), Some(path)) => Err(Error::Withheld { setting, path: path.to_owned(), bot: bot.name }),
            _ => Ok(bot),
        }
    }

    /// Reads BOT, flags and COMMAND: who is meant, and what is overridden.
    fn meant(&self, flags: &Selection, named: &[String], command: &[OsString]) -> Result<(Meant, Overrides), Error> {
        let cwd = &self.context().cwd;
        let mut overrides = Overrides {
            program: program_flag(flags, cwd)?,
            lock: flags.lock.clone(),
            token_file: flags.token_file.clone(),
            token_env: flags.token_env.clone(),
            env_file: flags.env_file.clone(),
            command: (!command.is_empty()).then(|| command.to_vec()),
        };
        if !named.is_empty() {
            return Ok((Meant::Entries(self.entries_named(named)?), overrides));
        }
        let program = overrides.program.take().or_else(|| Some((Program::of_command(command, cwd)?, Origin::Command)));
        if let Some((program, origin)) = program {
            let entries = self.entries_of(|bot| bot.program.as_ref().is_some_and(|own| same(own, &program)));
            if entries.is_empty() {
                overrides.program = Some((program, origin));
                return Ok((Meant::Itself, overrides));
            }
            return Ok((Meant::Entries(entries), overrides));
        }
        if overrides.command.is_some() {
            return Ok((Meant::Itself, overrides));
        }
        if let Some(lock) = &overrides.lock {
            let lock = without_dots(&cwd.join(lock));
            let entries = self.entries_of(|bot| bot.lock == lock);
            return Ok((if entries.is_empty() { Meant::Itself } else { Meant::Entries(entries) }, overrides));
        }
        let all = self.entries_of(|_| true);
        let meant = match (all.is_empty(), overrides.any()) {
            (false, _) => Meant::Entries(all),
            (true, true) => Meant::Itself,
            (true, false) => Meant::Nobody,
        };
        Ok((meant, overrides))
    }

    fn entries_of(&self, wanted: impl Fn(&Bot) -> bool) -> Vec<String> {
        self.bots.iter().filter(|bot| wanted(bot)).map(|bot| bot.name.clone()).collect()
    }

    /// The named bots in the order they were named, each once.
    fn entries_named(&self, named: &[String]) -> Result<Vec<String>, Error> {
        let mut seen = BTreeSet::new();
        if let Some(name) = named.iter().find(|name| !self.knows(name)) {
            return Err(Error::UnknownBot {
                name: name.clone(),
                is_file: self.context().cwd.join(name).is_file(),
                known: self.names().map(str::to_owned).collect(),
                file: self.file().map(ToOwned::to_owned),
            });
        }
        Ok(named.iter().filter(|name| seen.insert(name.as_str())).cloned().collect())
    }

    fn make(&self, meant: Meant, overrides: &Overrides) -> Result<Vec<Bot>, Error> {
        let workshop = Workshop { context: self.context(), file: self.file.as_ref() };
        match meant {
            Meant::Nobody => Ok(Vec::new()),
            Meant::Itself => Ok(vec![finish(workshop.ad_hoc(overrides)?)?]),
            Meant::Entries(names) if names.len() > 1 && overrides.any() => Err(Error::Ambiguous { names }),
            Meant::Entries(names) => {
                let Some(file) = &self.file else { return Ok(Vec::new()) };
                let entries = names.iter().filter_map(|name| Some((name, file.schema.bots.get(name)?)));
                entries
                    .map(|(name, entry)| finish(workshop.configured(name, entry.get_ref(), file, overrides)?))
                    .collect()
            }
        }
    }
}

fn program_flag(flags: &Selection, cwd: &std::path::Path) -> Result<Option<(Program, Origin)>, Error> {
    Ok(match (&flags.program, &flags.module) {
        (Some(text), _) => Some((Program::from_option(text, cwd)?, Origin::Flag("--match"))),
        (None, Some(name)) => Some((Program::module_option(name, cwd), Origin::Flag("--module"))),
        (None, None) => None,
    })
}

/// Whether two programs are one; arguments count only where both are known.
fn same(one: &Program, other: &Program) -> bool {
    match (one.args(), other.args()) {
        (None, Some(args)) => one.clone().with_args(args.to_vec()) == *other,
        (Some(args), None) => other.clone().with_args(args.to_vec()) == *one,
        _ => one == other,
    }
}
