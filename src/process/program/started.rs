//! Whether a command line would start this very program: a shell's loop, a line of cron, a manager's entry.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::super::argv::{self, Inner, ParsedArgv};
use super::command::{Room, commands_of_script, folder_of, is_expansion, of_command, shell_text};
use super::{NamedBy, Program};

/// Commands that only one of several at a time gets through.
const EXCLUDERS: [&str; 6] = ["solobot", "flock", "setlock", "s6-setlock", "lckdo", "run-one"];
/// Commands by which scripts look whether the bot is running already.
const LOOKS: [&str; 7] = ["pgrep", "pidof", "ps", "kill", "killall", "fuser", "lsof"];

/// How a command line starts a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// A lock stands before it: a second one does not run.
    pub is_locked: bool,
    /// It looks first whether one is running.
    pub looks_first: bool,
}

impl Program {
    /// How a command line that is typed in `cwd` starts this program; `None` if it does not. `name` is the bot's in
    /// solobot.toml. Scripts for shells are read, and `npm start` is looked up.
    pub fn start_by(&self, command: &[OsString], cwd: &Path, name: Option<&str>) -> Option<Start> {
        StartSearch { program: self, name }.of_words(command, cwd, Room::of(&Cell::default()))
    }

    /// The same of a script for a shell that is run in `cwd`.
    pub fn start_by_script(&self, script: &Path, cwd: &Path, name: Option<&str>) -> Option<Start> {
        StartSearch { program: self, name }.of_script(script, cwd, Room::of(&Cell::default()))
    }
}

struct StartSearch<'a> {
    program: &'a Program,
    name: Option<&'a str>,
}

impl StartSearch<'_> {
    fn of_words(&self, command: &[OsString], cwd: &Path, room: Room<'_>) -> Option<Start> {
        let room = room.below()?;
        if self.is_by_name(command) {
            return Some(Start { is_locked: true, looks_first: false });
        }
        match argv::read(command, None) {
            ParsedArgv::Wraps(wrapped) if wrapped.inner.is_empty() => self.of_program(&of_command(command, cwd, room)?),
            ParsedArgv::Wraps(wrapped) => {
                let is_locked = EXCLUDERS.contains(&wrapped.name.as_str());
                let start = self.of_commands(&wrapped.inner, cwd, cwd, room)?;
                Some(Start { is_locked: start.is_locked || is_locked, ..start })
            }
            ParsedArgv::Runs(_) => {
                let program = of_command(command, cwd, room)?;
                self.of_program(&program).or_else(|| match &program.kind {
                    NamedBy::Script(script) | NamedBy::Executable(script) => self.of_script(script, cwd, room),
                    _ => None,
                })
            }
        }
    }

    fn of_script(&self, script: &Path, cwd: &Path, room: Room<'_>) -> Option<Start> {
        let text = shell_text(script)?;
        let own = script.parent().unwrap_or(cwd);
        self.of_commands(&commands_of_script(script, &text), cwd, own, room)
    }

    fn of_commands(&self, commands: &[Inner], cwd: &Path, own: &Path, room: Room<'_>) -> Option<Start> {
        let start = commands.iter().find_map(|inner| {
            let folder = match &inner.dir {
                Some(dir) => folder_of(dir, cwd, own)?,
                None => cwd.to_path_buf(),
            };
            self.of_words(&inner.argv, &folder, room)
        })?;
        let has = |names: &[&str]| {
            let is_one = |inner: &Inner| inner.argv.first().is_some_and(|first| is_called(first, names));
            commands.iter().any(is_one)
        };
        let asks = |inner: &Inner| {
            let is_solobot = inner.argv.first().is_some_and(|first| is_called(first, &["solobot"]));
            is_solobot && inner.argv.iter().any(|word| word == "check" || word == "status")
        };
        Some(Start {
            // `flock -n 9` locks a descriptor for what follows.
            is_locked: start.is_locked || has(&["flock"]),
            looks_first: start.looks_first || has(&LOOKS) || commands.iter().any(asks),
        })
    }

    fn of_program(&self, program: &Program) -> Option<Start> {
        // Variables for a script's own arguments may be anything.
        let is_open = program.args().is_some_and(|args| args.words().iter().any(is_expansion));
        let is_same = if is_open { program.is_same_but_for_args(self.program) } else { program.is_same(self.program) };
        is_same.then(Start::default)
    }

    /// `solobot acquire main`: the command is the one of solobot.toml.
    fn is_by_name(&self, command: &[OsString]) -> bool {
        let Some((first, rest)) = command.split_first() else { return false };
        let own = rest.iter().take_while(|word| *word != "--");
        let has = |wanted: &str| own.clone().any(|word| word == wanted);
        is_called(first, &["solobot"]) && has("acquire") && self.name.is_some_and(has)
    }
}

fn is_called(word: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|name| argv::base(word) == OsStr::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_start_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        std::fs::write(dir.join("bot.py"), "").unwrap();
        std::fs::write(dir.join("start.sh"), "cd \"$(dirname \"$0\")\"\nexec python3 bot.py \"$@\"\n").unwrap();
        std::fs::write(dir.join("loop.sh"), "while true; do\n flock -n 9 || exit 1\n ./start.sh\ndone 9>x\n").unwrap();
        let program = Program::script(&dir.join("bot.py"));
        let start = |line: &str| {
            let words: Vec<OsString> = shell_words::split(line).unwrap().into_iter().map(OsString::from).collect();
            program.start_by(&words, dir, Some("main")).map(|start| (start.is_locked, start.looks_first))
        };
        let (plain, locked, looking) = (Some((false, false)), Some((true, false)), Some((false, true)));
        for (line, expected) in [
            ("python3 bot.py", plain),
            ("sh -c 'cd . && nohup python3 -u bot.py >> log 2>&1 &'", plain),
            ("bash start.sh", plain),
            ("watch -n1 python3 bot.py", plain),
            ("watch -n 5 'cd x; python3 ../bot.py'", plain),
            ("flock -n x.lock python3 bot.py", locked),
            ("solobot acquire -n -- python3 bot.py", locked),
            ("solobot acquire -n main", locked),
            ("bash loop.sh", locked),
            ("sh -c 'pgrep -f bot.py || python3 bot.py'", looking),
            ("sh -c 'solobot check main && python3 bot.py'", looking),
            ("sh -c 'solobot status main; python3 bot.py'", looking),
            // This one asks nothing.
            ("sh -c 'solobot release main; python3 bot.py'", plain),
            ("sh -c 'while :; do python3 other.py; done'", None),
            ("solobot acquire other", None),
            ("vim bot.py", None),
            ("tail -f bot.py", None),
        ] {
            assert_eq!(start(line), expected, "{line}");
        }
    }

    #[test]
    fn scripts_that_name_themselves_in_every_line_come_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write("loop.sh", &"bash loop.sh\n".repeat(1000));
        write("package.json", &format!(r#"{{"scripts":{{"start":"npm start{}"}}}}"#, "; npm start".repeat(1000)));
        let program = Program::script(&dir.join("bot.py"));
        for line in [&["bash", "loop.sh"], &["npm", "start"]] {
            let words = line.map(OsString::from).to_vec();
            assert_eq!(program.start_by(&words, dir, None), None, "{words:?}");
            assert!(!Program::is_handed_on(&words, dir));
            let _ = Program::of_command(&words, dir);
        }
    }

    #[test]
    fn with_other_arguments_it_is_another_bot() {
        let dir = Path::new("/srv");
        let args = super::super::Args::exactly(vec!["--config".into(), "a".into()]);
        let program = Program::script(Path::new("/srv/bot.py")).with_args(args);
        let start = |config: &str| {
            let words: Vec<OsString> = ["python3", "bot.py", "--config", config].map(OsString::from).to_vec();
            program.start_by(&words, dir, None).is_some()
        };
        assert!(start("a") && !start("b"));
    }
}
