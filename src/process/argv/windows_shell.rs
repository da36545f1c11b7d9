//! The shells of Windows: `cmd /c LINE`, batch files, PowerShell.
//!
//! As with sh, a line is split as far as it can be without running it: quotes, operators, `cd`, `call`, `start`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::reading::{Inner, Invocation, ParsedArgv, Runner, Target, Wrapped};
use super::words::base;
use crate::platform::words::is_same_name;

/// Reads the command line of one of these shells; `None` for any other.
pub fn read(argv: &[OsString]) -> Option<ParsedArgv> {
    let (first, rest) = argv.split_first()?;
    let name = base(first);
    let is = |file: &str| name.eq_ignore_ascii_case(file) || is_same_name(name.as_encoded_bytes(), file.as_bytes());
    let words: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if is("cmd.exe") {
        Some(cmd(&words))
    } else if is("powershell.exe") || is("pwsh.exe") || name == "pwsh" {
        Some(powershell(&words))
    } else {
        None
    }
}

/// Whether a file is a script of these shells.
pub fn is_script(extension: &OsStr) -> bool {
    ["bat", "cmd", "ps1"].iter().any(|one| extension.eq_ignore_ascii_case(one))
}

/// The commands of a script of theirs, in their order. `own` is its folder, for `%~dp0` and `$PSScriptRoot`.
pub fn commands_of_script(text: &str, extension: &OsStr, own: &str) -> Vec<Inner> {
    if extension.eq_ignore_ascii_case("ps1") {
        return commands(&text.replace("$PSScriptRoot", own), Dialect::PowerShell);
    }
    commands(&text.replace("%~dp0", &format!("{own}\\")), Dialect::Cmd)
}

/// Whether a script or a line of theirs starts something again and again: `goto` back, `for /l`, PowerShell's `while`. A loop
/// that only waits, or looks at files, is none.
pub fn has_loop(text: &str, is_powershell: bool) -> bool {
    let dialect = if is_powershell { Dialect::PowerShell } else { Dialect::Cmd };
    let may_be_bot = |inner: &Inner| {
        let name = inner.argv[0].to_string_lossy().to_ascii_lowercase();
        // A cmdlet is called by a verb and a noun.
        let is_cmdlet = name.contains('-') && !name.contains(['.', '\\', '/']);
        let is_name = name.contains(char::is_alphanumeric);
        is_name && !is_cmdlet && !["while", "do", "for", "foreach", "until", "else", "try", "catch"].contains(&&*name)
    };
    let is_loop = if is_powershell { loops_in_powershell(text) } else { loops_in_batch(text) };
    is_loop && commands(text, dialect).iter().any(may_be_bot)
}

fn loops_in_powershell(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_alphanumeric() || "_-$.".contains(c)));
    words.into_iter().any(|word| ["while", "do", "for"].iter().any(|one| word.eq_ignore_ascii_case(one)))
}

fn loops_in_batch(text: &str) -> bool {
    let mut labels: Vec<String> = Vec::new();
    text.lines().any(|line| {
        let line = line.trim().trim_start_matches('@').to_ascii_lowercase();
        if let Some(label) = line.strip_prefix(':') {
            labels.extend(label.split_whitespace().next().map(str::to_owned));
            return false;
        }
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "()&|".contains(c)).collect();
        words.windows(2).any(|pair| match pair {
            ["goto", label] => labels.iter().any(|known| known == label.trim_start_matches(':')),
            ["for", option] => *option == "/l",
            _ => false,
        })
    })
}

fn runs(target: Target, args: &[String]) -> ParsedArgv {
    ParsedArgv::Runs(Invocation { runner: Runner::Shell, target, args: args.iter().map(OsString::from).collect() })
}

/// What is behind `/c` or `/k` is a line.
fn cmd(words: &[String]) -> ParsedArgv {
    let is_line =
        |word: &String| word.get(..2).is_some_and(|start| ["/c", "/k"].contains(&&*start.to_ascii_lowercase()));
    let Some(at) = words.iter().position(is_line) else { return runs(Target::Stdin, &[]) };
    let behind = Some(words[at][2..].to_owned()).filter(|word| !word.is_empty());
    let words: Vec<String> = behind.into_iter().chain(words[at + 1..].iter().cloned()).collect();
    let line = match words.as_slice() {
        [line] => line.clone(),
        words => words.iter().map(|word| in_quotes(word)).collect::<Vec<_>>().join(" "),
    };
    ParsedArgv::Wraps(Wrapped { name: "cmd".into(), inner: commands(&line, Dialect::Cmd) })
}

fn in_quotes(word: &str) -> String {
    if word.contains(' ') && !word.contains('"') { format!("\"{word}\"") } else { word.to_owned() }
}

/// `-File SCRIPT` runs a script, what is behind `-Command` is a line; without either it is a line too, and a script for `pwsh`.
fn powershell(words: &[String]) -> ParsedArgv {
    let mut at = 0;
    while let Some(option) = words.get(at).and_then(|word| word.strip_prefix(['-', '/'])) {
        let option = option.to_ascii_lowercase();
        let is = |whole: &str, least: usize| option.len() >= least && whole.starts_with(&option);
        at += 1;
        if is("file", 1) {
            break;
        } else if is("command", 1) {
            return line_of_powershell(&words[at..]);
        } else if is("encodedcommand", 1) || option == "ec" {
            return ParsedArgv::Wraps(Wrapped { name: "powershell".into(), inner: vec![] });
        } else if !(is("noprofile", 3) || is("nologo", 3) || is("noninteractive", 4) || is("noexit", 3))
            && !(is("sta", 2) || is("mta", 2) || is("login", 1))
        {
            // `-ExecutionPolicy Bypass`, `-WindowStyle Hidden`.
            at += 1;
        }
    }
    match words.get(at..).and_then(<[String]>::split_first) {
        Some((script, args)) if script.to_ascii_lowercase().ends_with(".ps1") => {
            runs(Target::Script(PathBuf::from(script)), args)
        }
        Some(_) => line_of_powershell(&words[at..]),
        None => runs(Target::Stdin, &[]),
    }
}

fn line_of_powershell(words: &[String]) -> ParsedArgv {
    let inner = commands(&words.join(" "), Dialect::PowerShell);
    ParsedArgv::Wraps(Wrapped { name: "powershell".into(), inner })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Cmd,
    PowerShell,
}

/// Commands of the shells themselves.
const BUILTINS: [&str; 18] = [
    "echo", "set", "setlocal", "endlocal", "rem", "title", "timeout", "pause", "exit", "goto", "if", "popd", "chcp",
    "cls", "color", "mode", "del", "ping",
];

fn commands(text: &str, dialect: Dialect) -> Vec<Inner> {
    let (mut dir, mut found): (Option<PathBuf>, Vec<Inner>) = (None, Vec::new());
    for words in text.lines().flat_map(|line| simple_commands(line, dialect)) {
        let mut words = words.as_slice();
        // `for … do COMMAND`, and what only calls.
        if let Some(at) = words.iter().position(|word| word.is("do")) {
            words = &words[at + 1..];
        }
        while let Some(rest) =
            words.split_first().filter(|(first, _)| ["call", "&", "."].iter().any(|one| first.is(one)))
        {
            words = rest.1;
        }
        let Some((first, mut rest)) = words.split_first() else { continue };
        if ["cd", "chdir", "pushd", "sl", "set-location", "push-location"].iter().any(|one| first.is(one)) {
            if let Some(target) = rest.iter().find(|word| !word.is_option()) {
                dir = Some(dir.map_or_else(|| PathBuf::from(&target.text), |dir| dir.join(&target.text)));
            }
            continue;
        }
        let is_start = first.is("start") || first.is("start-process");
        if is_start {
            // Its title is the first word in quotes.
            let title = usize::from(first.is("start") && rest.first().is_some_and(|word| word.is_quoted));
            let options = rest[title..].iter().take_while(|word| word.is_option()).count();
            rest = &rest[title + options..];
        }
        let is_command = is_start || !(BUILTINS.iter().any(|one| first.is(one)) || first.text.starts_with([':', '$']));
        let own = (!is_start).then_some(first).into_iter();
        let argv: Vec<OsString> = own.chain(rest).map(|word| OsString::from(&word.text)).collect();
        if is_command && !argv.is_empty() {
            found.push(Inner { argv, dir: dir.clone() });
        }
    }
    found
}

/// A word without its quotes.
#[derive(Debug, Default)]
struct Word {
    text: String,
    is_quoted: bool,
}

impl Word {
    fn is(&self, name: &str) -> bool {
        !self.is_quoted && self.text.eq_ignore_ascii_case(name)
    }

    fn is_option(&self) -> bool {
        !self.is_quoted && self.text.starts_with(['/', '-'])
    }
}

/// The words of each simple command of a line, without what is redirected.
fn simple_commands(line: &str, dialect: Dialect) -> Vec<Vec<Word>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote): (Option<Word>, Option<char>) = (None, None);
    let mut before = ' ';
    for c in unquoted_script(line).trim_start_matches(['@', ' ', '\t']).chars() {
        let is_quote = c == '"' || (c == '\'' && dialect == Dialect::PowerShell);
        let ends = match dialect {
            // Of `2>&1` it is no operator.
            Dialect::Cmd => (c == '&' && before != '>') || matches!(c, '|' | '(' | ')'),
            Dialect::PowerShell => matches!(c, ';' | '|' | '{' | '}' | '(' | ')'),
        };
        match quote {
            Some(open) if c == open => quote = None,
            None if is_quote => {
                quote = Some(c);
                word.get_or_insert_default().is_quoted = true;
            }
            None if ends || c.is_whitespace() => {
                if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
                    command.push(word);
                }
                if ends {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().text.push(c),
        }
        before = c;
    }
    if let (Some(word), Some(command)) = (word, commands.last_mut()) {
        command.push(word);
    }
    commands.iter_mut().for_each(drop_redirections);
    commands
}

/// `>>bot.log`, `2> NUL`, `<input`.
fn drop_redirections(words: &mut Vec<Word>) {
    let mut is_target = false;
    words.retain(|word| {
        let mark = word.text.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_redirection = !word.is_quoted && mark.starts_with(['>', '<']);
        let is_kept = !is_redirection && !is_target;
        is_target = is_redirection && mark.trim_start_matches(['>', '<']).is_empty();
        is_kept
    });
}

/// A line that begins with the path of a batch file, from which the quotes were lost on the way: with them.
fn unquoted_script(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let end = [".bat", ".cmd"].iter().filter_map(|end| Some(lower.find(end)? + end.len())).min();
    match end.and_then(|end| line.split_at_checked(end)) {
        Some((script, rest))
            if script.get(1..3) == Some(":\\")
                && script.contains(' ')
                && (rest.is_empty() || rest.starts_with(' ')) =>
        {
            format!("\"{script}\"{rest}")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[track_caller]
    fn wraps(words: &[&str], inner: &[(&[&str], Option<&str>)]) {
        let Some(ParsedArgv::Wraps(wrapped)) = read(&argv(words)) else { panic!("{words:?}: no wrapper") };
        let inner: Vec<Inner> =
            inner.iter().map(|(words, dir)| Inner { argv: argv(words), dir: dir.map(PathBuf::from) }).collect();
        assert_eq!(wrapped.inner, inner, "{words:?}");
    }

    #[test]
    fn cmd_runs_a_line() {
        wraps(&["cmd.exe", "/c", "node", "bot.js"], &[(&["node", "bot.js"], None)]);
        wraps(&["CMD.EXE", "/d", "/s", "/c", r"node C:\b\bot.js"], &[(&["node", r"C:\b\bot.js"], None)]);
        wraps(&["cmd.exe", "/cnode bot.js"], &[(&["node", "bot.js"], None)]);
        wraps(
            &["cmd.exe", "/k", r#"cd /d "C:\my bots" && call venv\Scripts\python.exe bot.py >>bot.log 2>&1"#],
            &[(&[r"venv\Scripts\python.exe", "bot.py"], Some(r"C:\my bots"))],
        );
        wraps(&["cmd.exe", "/c", r#"start "my bot" /b python bot.py"#], &[(&["python", "bot.py"], None)]);
        // As the line of a batch file comes out of its quotes.
        wraps(&["cmd.exe", "/e:ON", "/c", r"C:\my bots\start.bat a"], &[(&[r"C:\my bots\start.bat", "a"], None)]);
        wraps(&["cmd.exe", "/c", r"C:\my bots\python.exe", "bot.py"], &[(&[r"C:\my bots\python.exe", "bot.py"], None)]);
        assert!(matches!(read(&argv(&["cmd.exe"])), Some(ParsedArgv::Runs(_))));
        for other in ["bash", "mycmd.exe", "node.exe"] {
            assert_eq!(read(&argv(&[other, "/c", "x"])), None, "{other}");
        }
    }

    #[test]
    fn powershell_runs_a_script_or_a_line() {
        let script =
            read(&argv(&["powershell.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", r".\s.ps1", "a"]));
        assert_eq!(script, Some(runs(Target::Script(r".\s.ps1".into()), &["a".to_owned()])));
        assert_eq!(read(&argv(&["pwsh", "start.ps1"])), Some(runs(Target::Script("start.ps1".into()), &[])));
        wraps(
            &["pwsh.exe", "-nop", "-c", "Set-Location -LiteralPath 'C:\\my bots'; & 'C:\\p\\python.exe' bot.py"],
            &[(&[r"C:\p\python.exe", "bot.py"], Some(r"C:\my bots"))],
        );
        wraps(
            &["powershell.exe", "while ($true) { python bot.py }"],
            &[(&["while"], None), (&["python", "bot.py"], None)],
        );
        wraps(&["powershell.exe", "-EncodedCommand", "eAA="], &[]);
    }

    #[test]
    fn a_script_that_starts_its_bot_again() {
        for (text, is_loop) in [
            (":again\r\npython bot.py\r\ngoto again\r\n", true),
            ("@ECHO OFF\n:A\npython bot.py\nif errorlevel 1 goto :a\n", true),
            ("for /l %%i in (1,0,2) do python bot.py", true),
            // Forward, and to the end.
            ("goto run\n:run\npython bot.py\n", false),
            (":run\npython bot.py\ngoto :eof\n", false),
            ("for %%f in (*.txt) do type %%f\npython bot.py\n", false),
            // It only waits.
            (":wait\nif exist ready exit\ntimeout /t 1\ngoto wait\n", false),
            ("while ($true) { python bot.py }", false),
        ] {
            assert_eq!(has_loop(text, false), is_loop, "{text}");
        }
        for (text, is_loop) in [
            ("while ($true) { python bot.py; Start-Sleep 5 }", true),
            ("do {\n  & 'C:\\p\\python.exe' bot.py\n} while (1)", true),
            ("while (!(Test-Path ready)) { Start-Sleep 1 }", false),
            ("python bot.py", false),
        ] {
            assert_eq!(has_loop(text, true), is_loop, "{text}");
        }
    }

    #[test]
    fn scripts_start_what_their_lines_say() {
        let batch =
            "@echo off\r\ncd /d %~dp0\r\n:again\r\nif exist x del x\r\npython main.py >> bot.log\r\ngoto again\r\n";
        let found = commands_of_script(batch, OsStr::new("BAT"), r"C:\b");
        assert_eq!(found, [Inner { argv: argv(&["python", "main.py"]), dir: Some(r"C:\b\".into()) }]);
        let found = commands_of_script("& \"$PSScriptRoot\\bot.exe\" 'a b'\n", OsStr::new("ps1"), r"C:\b");
        assert_eq!(found, [Inner::here(argv(&[r"C:\b\bot.exe", "a b"]))]);
    }
}
