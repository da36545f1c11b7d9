//! How to name the same bot after another subcommand, so that hints work as pasted, in any folder.

use std::path::Path;

use super::bots::Bot;
use super::provenance::SetBy;
use crate::base::error;
use crate::base::shell::quote;
use crate::process::program::Program;

impl Bot {
    /// Its name in the file, or else its program; and its lock where that was named, or where nothing else means it. An
    /// executable need not be a bot at all: its lock means it.
    pub fn typed(&self) -> String {
        let may_mean = |program: &&Program| program.is_script_or_module() || program.is_open();
        let by_program = || program(self.program.as_ref().filter(may_mean)?);
        let bot = if self.configured { Some(quote(&self.name).into_owned()) } else { by_program() };
        let has_lock = bot.is_none() || matches!(self.provenance.of("lock"), SetBy::Flag(_));
        let config = self.config.as_deref().map(|file| format!("-c {}", error::typed(file)));
        let lock = has_lock.then(|| format!("--lock {}", error::typed(&self.lock)));
        [config, bot, lock].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// How to name a program after a subcommand, in any folder. A module is named by its file, because `-m NAME` means it
/// only in its own folder.
pub fn program(program: &Program) -> Option<String> {
    let (text, name) = (program.to_string(), program.file_name());
    let option = |text: &str| Some(format!("-m {}", quote(text)));
    if text.starts_with('/') || text == name {
        return option(&text);
    }
    let path = name.split('.').fold(program.default_lock_dir(Path::new("/")), |path, part| path.join(part));
    let files = [path.with_added_extension("py"), path.join("__main__.py")];
    option(files.iter().find(|file| file.is_file())?.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Selection;
    use crate::settings::testing::{Place, matching};

    #[test]
    fn a_program_is_selected_from_anywhere() {
        assert_eq!(program(&Program::script(Path::new("/a b/main.py"))).as_deref(), Some("-m '/a b/main.py'"));
        assert_eq!(program(&Program::script_glob("/r/*/main.py")).as_deref(), Some("-m '/r/*/main.py'"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tg")).unwrap();
        let module = Program::module("tg.bot", dir.path());
        assert_eq!(program(&module), None);
        std::fs::write(dir.path().join("tg/bot.py"), "").unwrap();
        assert_eq!(program(&module), Some(format!("-m {}/tg/bot.py", dir.path().display())));
    }

    #[test]
    fn a_bot_is_meant_by_what_meant_it() {
        let place = Place::with_file("[bots.main]\nscript = \"main.py\"\n");
        let typed = |selection: &Selection| place.load().unwrap().select_one(selection, None).unwrap().typed();
        let shown = |name: &str| place.path(name).display().to_string();
        let lock = |lock: &str| Selection { lock: Some(lock.into()), ..Selection::default() };
        assert_eq!(typed(&Selection::default()), "main");
        assert_eq!(typed(&lock("/l")), "--lock /l");
        assert_eq!(typed(&matching("./x.py")), format!("-m {}", shown("app/x.py")));
        let both = Selection { lock: Some("/a b".into()), ..matching("./x.py") };
        assert_eq!(typed(&both), format!("-m {} --lock '/a b'", shown("app/x.py")));
    }
}
