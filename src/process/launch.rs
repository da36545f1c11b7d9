//! What to type to start a program that was named by itself: `bot.py` needs `python3` in front of it, a file of this
//! folder needs `./`. For hints only: nothing here starts anything.

use std::ffi::{OsStr, OsString};
use std::path::{MAIN_SEPARATOR, Path};

use crate::platform::advice::PYTHON;
use crate::platform::words::names_folder;

use super::argv::{self, ParsedArgv, Runner, Target, base, has_script_extension};

/// Whether a word names a program rather than a bot: an interpreter, a script, a path, a file of this folder.
pub fn is_program(word: &str) -> bool {
    is_interpreter(word) || is_script(word)
}

/// Whether a word names an interpreter: `python3`, `/usr/bin/node`.
pub fn is_interpreter(word: &str) -> bool {
    Runner::of_name(base(OsStr::new(word))).is_some()
}

fn is_script(word: &str) -> bool {
    names_folder(word.as_bytes()) || has_script_extension(OsStr::new(word)) || Path::new(word).is_file()
}

/// The command that starts these words: with an interpreter in front where the first is a script.
pub fn command_for(words: &[String]) -> Vec<String> {
    let Some(first) = words.first() else { return Vec::new() };
    let before: &[&str] = if is_interpreter(first) { &[] } else { interpreter_of(first) };
    let mut command: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
    command.extend_from_slice(words);
    if before.is_empty() && !is_interpreter(first) && !names_folder(first.as_bytes()) && Path::new(first).is_file() {
        command[0] = format!(".{MAIN_SEPARATOR}{first}");
    }
    command
}

/// What runs a script of this extension. A shell script with a path is run by itself.
fn interpreter_of(word: &str) -> &'static [&'static str] {
    let extension = Path::new(word).extension().and_then(OsStr::to_str).unwrap_or_default();
    match extension {
        "py" | "pyc" | "pyw" | "pyz" => &[PYTHON],
        "js" | "mjs" | "cjs" => &["node"],
        "ts" | "mts" | "cts" | "tsx" | "jsx" => &["npx", "tsx"],
        "rb" => &["ruby"],
        "php" | "phar" => &["php"],
        "pl" => &["perl"],
        "lua" => &["lua"],
        "tcl" => &["tclsh"],
        "jar" => &["java", "-jar"],
        "dll" => &["dotnet"],
        "sh" | "bash" if !names_folder(word.as_bytes()) => &["bash"],
        _ => &[],
    }
}

/// The program that a command runs, as `-m` takes it; `None` where the command does not say.
pub fn program_of(command: &[String]) -> Option<String> {
    let words: Vec<OsString> = command.iter().map(OsString::from).collect();
    let ParsedArgv::Runs(invocation) = argv::read(&words, None) else { return None };
    match invocation.target {
        Target::Script(path) => Some(path.to_string_lossy().into_owned()),
        Target::Module(name) => Some(name),
        Target::Executable(name) if !words.is_empty() => Some(name.to_string_lossy().into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_script_gets_its_interpreter() {
        for (typed, command) in [
            ("bot.py --debug", "python3 bot.py --debug"),
            ("./bot.py", "python3 ./bot.py"),
            ("bot.mjs", "node bot.mjs"),
            ("run.sh", "bash run.sh"),
            ("./run.sh", "./run.sh"),
            ("bot.jar", "java -jar bot.jar"),
            ("python3 -u bot.py", "python3 -u bot.py"),
            ("mybot --debug", "mybot --debug"),
        ] {
            assert_eq!(command_for(&words(typed)).join(" "), command);
        }
    }

    #[test]
    fn a_program_is_told_from_a_name() {
        for word in ["python3", "/usr/bin/node", "bot.py", "./run.sh", "bin/mybot", "Cargo.toml"] {
            assert!(is_program(word), "{word}");
        }
        for word in ["main", "mybot", "tg_bot.bot", "--debug"] {
            assert!(!is_program(word), "{word}");
        }
    }

    #[test]
    fn the_program_of_a_command() {
        for (command, program) in [
            ("python3 -u bot.py --debug", Some("bot.py")),
            ("python3 -m tg_bot.bot", Some("tg_bot.bot")),
            ("./run.sh", Some("./run.sh")),
            ("timeout 5 python3 bot.py", None),
        ] {
            assert_eq!(program_of(&words(command)).as_deref(), program);
        }
    }
}
