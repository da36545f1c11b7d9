//! Whether two programs are the same: the entry of solobot.toml that a COMMAND or `-m` means.

use std::path::{Path, PathBuf};

use super::pattern::PathPattern;
use super::{NamedBy, Program, module_files};
use crate::platform::filesystem::FileId;

impl Program {
    /// Whether both mean the same program: one file, by path or identity, as a script, a module or an executable; or a
    /// name or pattern that the other one fits. Arguments count only where both sides know them.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_args = match (self.args(), other.args()) {
            (Some(ours), Some(theirs)) => ours.is_same(theirs),
            _ => true,
        };
        same_args && self.is_same_but_for_args(other)
    }

    /// The same, with any arguments.
    pub fn is_same_but_for_args(&self, other: &Self) -> bool {
        self.kind == other.kind || self.fits(other) || other.fits(self) || self.has_file_of(other)
    }

    /// Whether this is a name or pattern that one of the other's files has.
    fn fits(&self, other: &Self) -> bool {
        let files = other.files();
        match &self.kind {
            NamedBy::Named(name) => files.iter().any(|file| file.file_name() == Some(name)),
            NamedBy::Glob(pattern) => {
                let pattern = PathPattern::new(pattern);
                files.iter().any(|file| pattern.fits(file, |file| file.canonicalize().ok()))
            }
            NamedBy::Module { name, dir: None } => {
                module_files(name, Path::new("")).iter().any(|suffix| files.iter().any(|file| file.ends_with(suffix)))
            }
            NamedBy::Script(_) | NamedBy::Executable(_) | NamedBy::Module { dir: Some(_), .. } => false,
        }
    }

    fn has_file_of(&self, other: &Self) -> bool {
        let theirs = other.files();
        self.files().iter().any(|file| theirs.iter().any(|their| is_same_file(file, their)))
    }

    /// The files that may stand for it.
    fn files(&self) -> Vec<PathBuf> {
        match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => vec![path.clone()],
            NamedBy::Module { name, dir: Some(dir) } => module_files(name, dir).to_vec(),
            NamedBy::Glob(_) | NamedBy::Named(_) | NamedBy::Module { dir: None, .. } => Vec::new(),
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || FileId::of(one).is_some_and(|one| Some(one) == FileId::of(other))
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::super::Args;
    use super::*;

    #[test]
    fn one_program_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        std::fs::create_dir_all(dir.join("releases/1/tg_bot")).unwrap();
        let script = dir.join("releases/1/tg_bot/bot.py");
        std::fs::write(&script, "").unwrap();
        std::os::unix::fs::symlink("releases/1", dir.join("current")).unwrap();
        let ours = Program::script(&script);
        let glob = |pattern: &str| Program::script_glob(&format!("{}/{pattern}", dir.display()));
        let cases = [
            (Program::script(&dir.join("current/tg_bot/bot.py")), true),
            (Program::module("tg_bot.bot", &dir.join("current")), true),
            (Program::from_option(OsStr::new("bot.py"), dir).unwrap(), true),
            (Program::module_option("tg_bot.bot", dir), true),
            (glob("releases/*/tg_bot/bot.py"), true),
            (glob("cur*/tg_bot/bot.py"), false),
            (glob("releases/*/bot.py"), false),
            (Program::module("bot", &dir.join("current")), false),
            (Program::script(&dir.join("bot.py")), false),
            (Program::from_option(OsStr::new("ot.py"), dir).unwrap(), false),
            (ours.clone().with_args(Args::exactly(vec![OsString::from("-x")])), true),
        ];
        for (other, same) in cases {
            assert_eq!((ours.is_same(&other), other.is_same(&ours)), (same, same), "{other:?}");
        }
        let with = |arg: &str| ours.clone().with_args(Args::exactly(vec![OsString::from(arg)]));
        assert!(with("a").is_same(&with("a")) && !with("a").is_same(&with("b")));
        let configured = ours.clone().with_args(Args::beginning(vec![OsString::from("a")]));
        assert!(configured.is_same(&with("a")) && with("a").is_same(&configured) && !configured.is_same(&with("b")));
    }
}
