//! Which bots a subcommand works on.
//!
//! BOT is the name of an entry in the file. Without it, the program (`-m`, `--module`, or COMMAND) or the lock (`-l`) finds
//! the entry; if there is none, it is a bot without an entry. Without any of these, all bots of the file are meant. The
//! remaining flags override single settings.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::Settings;
use super::bots::{Bot, BotBuilder, finish};
use super::error::Error;
use super::overrides::Overrides;
use super::paths::{expand, is_same_place, without_dots};
use super::provenance::SetBy;
use crate::cli::Selection;
use crate::process::program::Program;

enum Selected {
    /// These bots of the file.
    Entries(Vec<String>),
    /// A bot without an entry.
    AdHoc,
    /// Nothing is configured, and no flag names a bot.
    Nothing,
}

impl Settings {
    /// The bots for a subcommand that looks (`status`, `check`): those named, those that the flags select, or all in the
    /// file. Empty if nothing is configured and no flag names a bot.
    ///
    /// # Errors
    /// For an unknown BOT, for flags of one bot where several are meant, and for a lock whose path cannot be completed.
    pub fn select_many(&self, selection: &Selection, bots: &[String]) -> Result<Vec<Bot>, Error> {
        let (selected, overrides) = self.selected(selection, bots, &[])?;
        self.make(selected, &overrides)
    }

    /// The bot of this environment, if none is named: the one whose token is in the usual places.
    ///
    /// # Errors
    /// For a malformed base URL in the environment.
    pub fn ambient(&self) -> Result<Bot, Error> {
        BotBuilder { context: self.context(), file: None }.ad_hoc(&Overrides::default())
    }

    /// The bot for a subcommand that acts: the one named, the one that the flags select, or the only one in the file.
    ///
    /// # Errors
    /// As [`Self::select_many`], and where it is not exactly one.
    pub fn select_one(&self, selection: &Selection, bot: Option<&str>) -> Result<Bot, Error> {
        self.only(selection, bot, &[])
    }

    /// The bot of `acquire [BOT] [-- COMMAND]`: the one named, or the one with COMMAND's program, otherwise a bot without an
    /// entry. Its `command` is COMMAND, if given.
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
        let bots: Vec<String> = bot.into_iter().map(str::to_owned).collect();
        let (selected, overrides) = self.selected(selection, &bots, command)?;
        match selected {
            Selected::Nothing => return Err(Error::NothingNamed),
            Selected::Entries(names) if names.len() != 1 => return Err(Error::Ambiguous { names }),
            Selected::Entries(_) | Selected::AdHoc => {}
        }
        let bot = self.make(selected, &overrides)?.pop().ok_or(Error::NothingNamed)?;
        self.refuse_withheld(bot, &["exe", "api_url", "lease"])
    }

    fn refuse_withheld(&self, bot: Bot, keys: &[&str]) -> Result<Bot, Error> {
        match (bot.withheld.iter().find(|key| keys.contains(key)), self.file()) {
            (Some(setting), Some(path)) => Err(Error::Withheld { setting, path: path.to_owned(), bot: bot.name }),
            _ => Ok(bot),
        }
    }

    /// Reads BOT, flags and COMMAND: which bots are meant, and what is overridden.
    fn selected(
        &self,
        flags: &Selection,
        named: &[String],
        command: &[OsString],
    ) -> Result<(Selected, Overrides), Error> {
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
            return Ok((Selected::Entries(self.entries_named(named)?), overrides));
        }
        let program = overrides.program.take().or_else(|| Some((Program::of_command(command, cwd)?, SetBy::Command)));
        if let Some((program, origin)) = program {
            let entries = self.entries_running(&program);
            if entries.is_empty() {
                overrides.program = Some((program, origin));
                return Ok((Selected::AdHoc, overrides));
            }
            return Ok((Selected::Entries(entries), overrides));
        }
        if overrides.command.is_some() {
            return Ok((Selected::AdHoc, overrides));
        }
        if let Some(lock) = &overrides.lock {
            let lock = without_dots(&cwd.join(lock));
            let entries =
                self.entries_of(|bot| expand(&bot.lock, &bot.token).is_ok_and(|own| is_same_place(&own, &lock)));
            return Ok((if entries.is_empty() { Selected::AdHoc } else { Selected::Entries(entries) }, overrides));
        }
        let all = self.entries_of(|_| true);
        let selected = match (all.is_empty(), overrides.any()) {
            (false, _) => Selected::Entries(all),
            (true, true) => Selected::AdHoc,
            (true, false) => Selected::Nothing,
        };
        Ok((selected, overrides))
    }

    /// The bots that this program is; where some name the arguments, those that name the most of them.
    fn entries_running(&self, program: &Program) -> Vec<String> {
        let runs = |bot: &Bot| bot.program.as_ref().is_some_and(|own| own.is_same(program));
        let args = |bot: &Bot| Some(bot.program.as_ref()?.args()?.words().len());
        let exact = |bot: &Bot| program.args().is_some() && args(bot).is_some() && runs(bot);
        match self.bots.iter().filter(|bot| exact(bot)).filter_map(args).max() {
            Some(longest) => self.entries_of(|bot| exact(bot) && args(bot) == Some(longest)),
            None => self.entries_of(runs),
        }
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

    fn make(&self, selected: Selected, overrides: &Overrides) -> Result<Vec<Bot>, Error> {
        let builder = BotBuilder { context: self.context(), file: self.file.as_ref() };
        match selected {
            Selected::Nothing => Ok(Vec::new()),
            Selected::AdHoc => Ok(vec![finish(builder.ad_hoc(overrides)?)?]),
            Selected::Entries(names) if names.len() > 1 && overrides.any() => Err(Error::Ambiguous { names }),
            Selected::Entries(names) => {
                let Some(file) = &self.file else { return Ok(Vec::new()) };
                let entries = names.iter().filter_map(|name| Some((name, file.schema.bots.get(name)?)));
                entries
                    .map(|(name, entry)| finish(builder.configured(name, entry.get_ref(), file, overrides)?))
                    .collect()
            }
        }
    }
}

fn program_flag(flags: &Selection, cwd: &std::path::Path) -> Result<Option<(Program, SetBy)>, Error> {
    Ok(match (&flags.program, &flags.module) {
        (Some(text), _) => Some((Program::from_option(text, cwd)?, SetBy::Flag("--match"))),
        (None, Some(name)) => Some((Program::module_option(name, cwd), SetBy::Flag("--module"))),
        (None, None) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Expected;
    use crate::base::exit::Exit;
    use crate::settings::testing::{Place, matching, token};

    const ONE: &str = "[bots.main]\nscript = \"main.py\"\nlock = \"main.lock\"\ncommand = \"./run -x\"\n";
    const TWO: &str = "[bots.main]\nscript = \"main.py\"\n[bots.aux]\nscript = \"aux/bot.py\"\n";

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn names(place: &Place, flags: &Selection, bots: &[&str]) -> Result<Vec<String>, Error> {
        let bots: Vec<String> = bots.iter().map(|bot| (*bot).to_owned()).collect();
        Ok(place.load()?.select_many(flags, &bots)?.into_iter().map(|bot| bot.name).collect())
    }

    fn for_command(place: &Place, flags: &Selection, bot: Option<&str>, line: &str) -> Result<Bot, Error> {
        place.load()?.select_for_command(flags, bot, &words(line))
    }

    #[test]
    fn looking_means_every_bot_in_the_files_order() {
        let place = Place::with_file(TWO);
        let none = Selection::default();
        assert_eq!(names(&place, &none, &[]).unwrap(), ["main", "aux"]);
        assert_eq!(names(&place, &none, &["aux", "main", "aux"]).unwrap(), ["aux", "main"]);
        assert_eq!(names(&Place::new(), &none, &[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn acting_means_one() {
        let none = Selection::default();
        let one = Place::with_file(ONE).load().unwrap();
        assert_eq!(one.select_one(&none, None).unwrap().name, "main");
        let error = Place::with_file(TWO).load().unwrap().select_one(&none, None).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(error.to_string(), "which bot? it could be main, aux");
        let error = Place::new().load().unwrap().select_one(&none, None).unwrap_err();
        assert_eq!((error.exit(), error.kind()), (Exit::Usage, "no-bot"));
    }

    #[test]
    fn an_unknown_bot_says_what_could_be_meant() {
        let place = Place::with_file(TWO);
        place.write("app/other.py", "");
        let error = |name: &str| names(&place, &Selection::default(), &[name]).unwrap_err();
        assert_eq!(error("mian").exit(), Exit::Usage);
        assert_eq!(
            error("mian").hints(),
            ["did you mean `main`?", "the bots in that file: main, aux", "to see them all: solobot status"]
        );
        assert_eq!(error("other.py").hints()[0], "to name a program, use -m: -m other.py");
        let error = names(&Place::new(), &Selection::default(), &["main"]).unwrap_err();
        assert_eq!(error.to_string(), "no bot `main`: there is no solobot.toml");
    }

    #[test]
    fn a_program_or_a_lock_finds_its_entry_or_stands_for_itself() {
        let place = Place::with_file(ONE);
        let lock = |path: &str| Selection { lock: Some(path.into()), ..Selection::default() };
        let cases = [
            (matching("./main.py"), "main", true, "app/main.lock"),
            (matching("../other/x.py"), "x", false, "other/.solobot.lock"),
            (lock("main.lock"), "main", true, "app/main.lock"),
            (lock("/tmp/x.lock"), "x.lock", false, "/tmp/x.lock"),
            (Selection { module: Some("a.b".into()), ..Selection::default() }, "b", false, "app/.solobot.lock"),
            (Selection { lock: Some("l".into()), ..matching("./main.py") }, "main", true, "app/l"),
        ];
        for (flags, name, configured, lock) in cases {
            let bot = place.load().unwrap().select_one(&flags, None).unwrap();
            assert_eq!((bot.name.as_str(), bot.configured), (name, configured));
            assert_eq!(bot.lock, place.path(lock), "{flags:?}");
        }
    }

    #[test]
    fn flags_for_one_bot_do_not_change_several() {
        let flags = Selection { token_env: Some("T".into()), ..Selection::default() };
        let error = names(&Place::with_file(TWO), &flags, &[]).unwrap_err();
        assert_eq!((error.exit(), error.kind()), (Exit::Usage, "ambiguous-bot"));
        assert_eq!(names(&Place::with_file(TWO), &flags, &["aux"]).unwrap(), ["aux"]);
        assert_eq!(names(&Place::new(), &flags, &[]).unwrap(), ["bot"]);
    }

    #[test]
    fn command_finds_its_bot_or_stands_for_itself() {
        let place = Place::with_file(ONE);
        let none = Selection::default();
        let bot = for_command(&place, &none, None, "python3 main.py").unwrap();
        assert_eq!((bot.name.as_str(), bot.configured), ("main", true));
        assert_eq!(bot.command, Some(words("python3 main.py")));
        assert_eq!(bot.provenance.of("command"), &SetBy::Command);

        let bot = for_command(&place, &none, None, "python3 ../o/other.py --x").unwrap();
        assert_eq!((bot.name.as_str(), bot.configured), ("other", false));
        assert_eq!(bot.lock, place.path("o/.solobot.lock"));

        let bot = for_command(&place, &none, Some("main"), "./else").unwrap();
        assert_eq!((bot.name.as_str(), bot.command), ("main", Some(words("./else"))));
        let bot = for_command(&place, &none, None, "").unwrap();
        assert_eq!(bot.command, Some(vec![place.path("app/run").into(), "-x".into()]));
        assert!(matches!(for_command(&Place::new(), &none, None, ""), Err(Error::NothingNamed)));
    }

    #[test]
    fn command_of_a_bot_with_arguments_is_told_apart() {
        let place = Place::with_file(
            "[bots.a]\nscript = \"m.py\"\nargs = [\"--config\", \"a\"]\nlock = \"a\"\n[bots.b]\nscript = \"m.py\"\n\
             args = [\"--config\", \"b\"]\nlock = \"b\"\n",
        );
        let none = Selection::default();
        assert_eq!(for_command(&place, &none, None, "python m.py --config b").unwrap().name, "b");
        assert_eq!(for_command(&place, &none, None, "python m.py --config c").unwrap().name, "m");
        place.write(
            "app/solobot.toml",
            "[bots.a]\nscript = \"m.py\"\nlock = \"a\"\n[bots.b]\nscript = \"m.py\"\nargs = [\"-b\"]\nlock = \"b\"\n",
        );
        assert_eq!(for_command(&place, &none, None, "python m.py -b").unwrap().name, "b");
        assert_eq!(for_command(&place, &none, None, "python m.py -c").unwrap().name, "a");
        assert_eq!(names(&place, &matching("./m.py"), &[]).unwrap(), ["a", "b"]);
        assert!(matches!(place.load().unwrap().select_one(&matching("./m.py"), None), Err(Error::Ambiguous { .. })));
    }

    #[test]
    fn one_lock_needs_one_token() {
        let bots = |a: &str, b: &str| {
            format!(
                "[bots.a]\nscript = \"a.py\"\nlock = \"l\"\n{a}\n[bots.b]\nscript = \"b.py\"\nlock = \"./l\"\n{b}\n"
            )
        };
        let shared = [
            ("", ""),
            ("token = { env = \"A\" }", "token = { env = \"A\" }"),
            ("token = { env = \"A\", env_file = \".env\" }", "token = { env = \"A\" }"),
            ("token = { file = \"t\" }", "token = { file = \"./t\" }"),
            ("", "token = { env = \"BOT_TOKEN\" }"),
        ];
        for (a, b) in shared {
            assert!(Place::with_file(&bots(a, b)).load().is_ok(), "{a} {b}");
        }
        let error = Place::with_file(&bots("token = { env = \"A\" }", "token = { env = \"B\" }")).load().unwrap_err();
        assert_eq!((error.exit(), error.kind()), (Exit::Config, "shared-lock"));
        assert!(error.to_string().starts_with("bots `a` and `b` have the same lock `/"), "{error}");
        let hashed = bots("token = { env = \"A\" }", "token = { env = \"B\" }")
            .replace("\"l\"", "\"{token_hash}\"")
            .replace("\"./l\"", "\"{token_hash}\"");
        assert!(Place::with_file(&hashed).load().is_ok());
    }

    #[test]
    fn root_acts_on_the_callers_file_only_if_it_is_named() {
        let text = "journal = \"j\"\n[bots.main]\nscript = \"main.py\"\ncommand = \"./run\"\n[bots.exe]\nexe = \"x\"\nlock = \"x\"\n\
                    [bots.url]\nscript = \"u.py\"\nlock = \"u\"\napi_url = \"http://evil\"\n";
        let mut place = Place::with_file(text);
        let file = place.path("app/solobot.toml");
        let owner = place.make_foreign(&file);
        place.context.caller =
            crate::settings::Caller { uid: 0, sudo_uid: Some(owner), purpose: crate::settings::Purpose::Acting };
        let none = Selection::default();
        let settings = place.load().unwrap();
        let looked = settings.select_many(&none, &[]).unwrap();
        assert_eq!(looked.len(), 3);
        assert!(looked.iter().all(|bot| bot.command.is_none() && bot.api_url == "https://api.telegram.org"));
        assert_eq!(
            settings.warnings.len(),
            2,
            "a `command` is missed only where it is needed: {:?}",
            settings.warnings
        );
        assert!(settings.select_one(&none, Some("main")).is_ok());
        assert!(for_command(&place, &none, Some("main"), "./mine").is_ok());
        for (bot, setting) in [("main", "command"), ("exe", "exe"), ("url", "api_url")] {
            let error = for_command(&place, &none, Some(bot), "").unwrap_err();
            assert_eq!(error.exit(), Exit::Config);
            assert!(error.to_string().contains(&format!("`{setting}`")), "{error}");
            assert!(error.hints()[0].contains(&format!("solobot -c {}", file.display())), "{:?}", error.hints());
        }
        let named = place.load_named(&file).unwrap();
        assert!(named.select_for_command(&none, Some("main"), &[]).unwrap().command.is_some());
        assert_eq!(named.warnings, [""; 0]);
        assert_eq!((settings.journal(), named.journal()), (None, Some(place.path("app/j"))));
    }

    #[test]
    fn no_token_in_any_debug_output() {
        let place = Place::with_file(ONE).vars(&[("BOT_TOKEN", &token())]);
        let settings = place.load().unwrap();
        let bot = settings.select_one(&Selection::default(), None).unwrap();
        assert_eq!(bot.token.require().unwrap().token.bot_id(), "123456");
        assert!(!format!("{settings:?} {bot:?} {:?}", bot.token).contains("AAAA"));
    }
}
