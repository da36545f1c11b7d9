//! Shells: `sh -c '…'` wraps the commands in its string; a shell with a script runs that script.
//!
//! The string is split as far as it can be without running it: quotes, operators, `cd`, leading assignments, `exec`.
//! A word with an expansion in it stays as it is written, and then means no file.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::reading::{Inner, Invocation, ParsedArgv, Runner, Target, Wrapped};
use super::words::{base, has_script_extension, is_identifier, os};

/// Options of a shell whose value is the next argument.
const TAKES_NEXT: [&str; 6] = ["-o", "+o", "-O", "+O", "--rcfile", "--init-file"];

/// Reads a shell's command line.
pub fn read(words: &[OsString]) -> ParsedArgv {
    let (name, rest) = match words.split_first() {
        Some((first, rest)) => (base(first).to_string_lossy().into_owned(), rest),
        None => (String::new(), words),
    };
    let mut is_string = false;
    let mut at = 0;
    while let Some(arg) = rest.get(at) {
        let bytes = arg.as_encoded_bytes();
        if arg == "--" || arg == "-" {
            at += 1;
            break;
        } else if TAKES_NEXT.iter().any(|option| arg == option) {
            at += 2;
        } else if bytes.len() > 1 && (bytes[0] == b'-' || bytes[0] == b'+') {
            is_string |= bytes[0] == b'-' && !bytes.starts_with(b"--") && bytes.contains(&b'c');
            at += 1;
        } else {
            break;
        }
    }
    let runs =
        |target, args: &[OsString]| ParsedArgv::Runs(Invocation { runner: Runner::Shell, target, args: args.to_vec() });
    match rest.get(at..).and_then(<[OsString]>::split_first) {
        Some((line, _)) if is_string => ParsedArgv::Wraps(Wrapped { name, inner: commands(line) }),
        Some((script, rest)) => runs(Target::Script(PathBuf::from(script)), rest),
        None => runs(Target::Stdin, &[]),
    }
}

/// Words that may come before a command without being one.
const KEYWORDS: [&str; 15] = [
    "exec", "while", "until", "do", "then", "else", "if", "elif", "{", "(", "!", "time", "command", "builtin", "nohup",
];

/// The simple commands of a command line, in their order, each with the folder that `cd` has led to.
pub fn commands(line: &OsStr) -> Vec<Inner> {
    let mut dir: Option<PathBuf> = None;
    let mut found = Vec::new();
    for words in simple_commands(line.as_encoded_bytes()) {
        let skip = words.iter().take_while(|word| is_prefix(word)).count();
        let words = without_input(&words[skip..]);
        // `< file` alone runs nothing.
        let Some((first, rest)) = words.split_first() else { continue };
        match first.to_str() {
            Some("cd" | "pushd") => {
                if let Some(target) = rest.iter().find(|word| !word.as_encoded_bytes().starts_with(b"-")) {
                    dir = Some(dir.map_or_else(|| PathBuf::from(target), |dir| dir.join(target)));
                }
            }
            _ if is_builtin(first) => {}
            _ => found.push(Inner { argv: words, dir: dir.clone() }),
        }
    }
    found
}

/// `python < main.py` runs main.py; behind any other command an input file is not an argument.
fn without_input(words: &[OsString]) -> Vec<OsString> {
    if let [interpreter, mark, script] = words
        && mark == "<"
        && has_script_extension(script)
    {
        return vec![interpreter.clone(), script.clone()];
    }
    let is_input = |at: usize| words[at] == "<" || at.checked_sub(1).is_some_and(|before| words[before] == "<");
    (0..words.len()).filter(|&at| !is_input(at)).map(|at| words[at].clone()).collect()
}

fn is_prefix(word: &OsStr) -> bool {
    KEYWORDS.iter().any(|keyword| word == OsStr::new(keyword)) || is_assignment(word)
}

fn is_assignment(word: &OsStr) -> bool {
    let Some((name, _)) = word.to_str().and_then(|text| text.split_once('=')) else { return false };
    is_identifier(name)
}

/// Whether a command line or script starts something again and again: a `while`, `until` or `for` whose condition or
/// body holds a command that may be a bot (`until ./bot; do sleep 5; done`). Waiting for a port or reading lines is no
/// such loop.
pub fn has_loop(script: &OsStr) -> bool {
    let mut depth = 0_usize;
    for words in simple_commands(script.as_encoded_bytes()) {
        if words.first().is_some_and(|word| word == "done") {
            depth = depth.saturating_sub(1);
            continue;
        }
        let prefix = words.iter().take_while(|word| is_prefix(word) || is_loop(word)).count();
        let (before, command) = words.split_at(prefix);
        let is_for = before.last().is_some_and(|word| word == "for");
        depth += before.iter().filter(|word| is_loop(word)).count();
        let may_be_bot = command.first().is_some_and(|word| !is_builtin(word) && !is_helper(word));
        if depth > 0 && may_be_bot && !is_for {
            return true;
        }
    }
    false
}

fn is_loop(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), b"while" | b"until" | b"for")
}

/// Commands of the shell itself, and ends of its constructs.
const BUILTINS: [&str; 31] = [
    "true", "false", ":", "done", "fi", "esac", "sleep", "echo", "printf", "export", "set", "unset", "wait", ".",
    "source", "trap", "ulimit", "umask", "exit", "return", "break", "continue", "[", "[[", "test", "read", "for",
    "case", "}", "shift", "local",
];

fn is_builtin(word: &OsStr) -> bool {
    BUILTINS.iter().any(|builtin| word == OsStr::new(builtin))
}

/// Commands that scripts repeat while they wait or tidy up.
const HELPERS: [&str; 30] = [
    "nc",
    "curl",
    "wget",
    "ping",
    "pg_isready",
    "mysqladmin",
    "redis-cli",
    "psql",
    "grep",
    "ps",
    "pgrep",
    "kill",
    "systemctl",
    "docker",
    "mkdir",
    "rm",
    "cp",
    "mv",
    "ln",
    "chmod",
    "chown",
    "touch",
    "cat",
    "tail",
    "date",
    "cd",
    "tee",
    "logger",
    "getopts",
    "cut",
];

fn is_helper(word: &OsStr) -> bool {
    HELPERS.iter().any(|helper| base(word) == OsStr::new(helper))
}

/// The words of one command, quotes resolved, redirections left out.
pub fn words(line: &OsStr) -> Vec<OsString> {
    simple_commands(line.as_encoded_bytes()).into_iter().flatten().collect()
}

/// Splits at operators outside quotes, and each part into words.
fn simple_commands(line: &[u8]) -> Vec<Vec<OsString>> {
    let mut splitter = Splitter::default();
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        at += 1;
        match (splitter.quote, byte) {
            (Some(b'\''), b'\'') | (Some(b'"'), b'"') => splitter.quote = None,
            (Some(b'\''), _) => splitter.push(byte),
            (_, b'\\') => {
                if let Some(&next) = line.get(at) {
                    at += 1;
                    if next != b'\n' {
                        splitter.push(next);
                    }
                }
            }
            (None, b'\'' | b'"') => {
                splitter.quote = Some(byte);
                splitter.in_word = true;
            }
            (None, b'#') if !splitter.in_word => {
                at += line[at..].iter().position(|&byte| byte == b'\n').unwrap_or(line.len() - at);
            }
            (None, b' ' | b'\t' | b'\r') => splitter.end_word(),
            // `2>&1` and `&>log` are redirections, no ends.
            (None, b'&') if splitter.redirects => splitter.push(byte),
            (None, b'&') if line.get(at) == Some(&b'>') => {}
            (None, b';' | b'&' | b'|' | b'\n' | b'(' | b')') => splitter.end_command(),
            (None, b'>' | b'<') => splitter.redirect(byte),
            _ => splitter.push(byte),
        }
    }
    splitter.end_command();
    splitter.commands
}

#[derive(Default)]
struct Splitter {
    commands: Vec<Vec<OsString>>,
    words: Vec<OsString>,
    word: Vec<u8>,
    in_word: bool,
    quote: Option<u8>,
    /// The word under way is a redirection, or the next one is its file.
    redirects: bool,
}

impl Splitter {
    fn push(&mut self, byte: u8) {
        self.word.push(byte);
        self.in_word = true;
    }

    /// `2>&1`, `>>log`, `< main.py`: neither the number before nor the file behind is an argument. `python < main.py`
    /// keeps its operand, because that file is the script.
    fn redirect(&mut self, byte: u8) {
        if self.in_word && !self.redirects && !self.word.iter().all(u8::is_ascii_digit) {
            self.end_word();
        }
        self.word.clear();
        self.in_word = false;
        self.redirects = true;
        if byte == b'<' {
            self.words.push(os(b"<"));
        }
    }

    fn end_word(&mut self) {
        if !self.in_word {
            return;
        }
        let word = std::mem::take(&mut self.word);
        self.in_word = false;
        let is_input = self.words.last().is_some_and(|last| last == "<");
        if self.redirects && !is_input {
            self.redirects = false;
            return;
        }
        self.redirects = false;
        self.words.push(os(&word));
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = false;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_only_reads_a_file_runs_nothing() {
        let argv = |line: &str| commands(OsStr::new(line)).into_iter().map(|inner| inner.argv).collect::<Vec<_>>();
        assert_eq!(argv("< main.py; exec < log"), Vec::<Vec<OsString>>::new());
        assert_eq!(argv("python < main.py"), [["python", "main.py"]]);
    }
}
