//! Wrappers: commands that start another command and stay, or replace themselves by it.
//!
//! One table says how each reads its own options; what follows them is the inner command. Invariant: a command that is
//! not in the table is never taken for a wrapper.

mod rules;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use self::rules::{Form, LAUNCHERS, RULES, Rule};
use super::reading::{Inner, Wrapped};
use super::shell;
use super::words::{base, has_script_extension, is_identifier, os};

/// Scripts of Node that are wrappers (`node /usr/bin/npm start`).
pub const NODE_TOOLS: &[&str] = &[
    "npm",
    "npx",
    "pnpm",
    "pnpx",
    "yarn",
    "yarnpkg",
    "corepack",
    "tsx",
    "ts-node",
    "ts-node-dev",
    "ts-node-esm",
    "nodemon",
    "node-dev",
    "bunx",
    "vite-node",
    "babel-node",
];

/// Reads a wrapper's command line; `None` if `argv[0]` is not a wrapper, or is one that starts nothing.
pub fn read(argv: &[OsString]) -> Option<Wrapped> {
    let (first, rest) = argv.split_first()?;
    // sudo's monitor and systemd's helpers show `sudo:` or `(sd-pam)` as titles: no wrapper of anything.
    read_named(base(first).to_str()?, rest)
}

/// As [`read`], for a wrapper that an interpreter runs.
pub fn read_named(name: &str, args: &[OsString]) -> Option<Wrapped> {
    let rule = RULES.iter().find(|rule| rule.names.contains(&name))?;
    let inner = inner(rule, args)?;
    Some(Wrapped { name: name.to_owned(), inner })
}

/// The commands that one hands on to a server or a daemon, where they run on after its own end: `tmux new -d`, `pm2 start`.
pub fn launched(name: &str, args: &[OsString]) -> Option<Vec<Inner>> {
    let rule = LAUNCHERS.iter().find(|rule| rule.names.contains(&name))?;
    match name {
        "pm2" => pm2_start(rule, args),
        "start-stop-daemon" => {
            let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
            let file = ["-a", "--startas", "-x", "--exec"].into_iter().find_map(value)?;
            let behind = args.iter().skip_while(|arg| *arg != "--").skip(1);
            Some(vec![Inner::here(std::iter::once(file).chain(behind).cloned().collect())])
        }
        _ => match inner(rule, args)?.as_slice() {
            [Inner { argv, dir }] if matches!(argv.as_slice(), [line] if line.as_encoded_bytes().contains(&b' ')) => {
                Some(of_line(&argv[0], dir.as_ref()))
            }
            commands => Some(commands.to_vec()),
        },
    }
}

/// `pm2 start bot.js --name x -- --arg`: its options may follow the script, whose arguments follow `--`. What runs a script
/// it tells by the extension.
fn pm2_start(rule: &Rule, args: &[OsString]) -> Option<Vec<Inner>> {
    let Form::Sub(words) = rule.shape else { return None };
    let options = OwnOptions::read(rule, behind_subcommand(rule, words, args)?);
    let (script, behind) = options.rest.split_first()?;
    if script.as_encoded_bytes().contains(&b' ') {
        return Some(of_line(script, options.folder.as_ref()));
    }
    let extension = std::path::Path::new(script).extension().and_then(OsStr::to_str);
    let interpreter = match extension {
        Some("js" | "cjs" | "mjs" | "ts" | "tsx") => Some("node"),
        Some("py") => Some("python3"),
        Some("sh") => Some("bash"),
        Some("rb") => Some("ruby"),
        Some("php") => Some("php"),
        Some("pl") => Some("perl"),
        _ => None,
    };
    let own = behind.iter().skip_while(|arg| *arg != "--").skip(1);
    let words = interpreter.map(OsString::from).into_iter().chain([script.clone()]).chain(own.cloned());
    Some(vec![Inner { argv: words.collect(), dir: options.folder }])
}

/// Whether a wrapper has this name.
pub fn is_name(name: &str) -> bool {
    RULES.iter().any(|rule| rule.names.contains(&name))
}

fn inner(rule: &Rule, args: &[OsString]) -> Option<Vec<Inner>> {
    let args = match rule.shape {
        Form::Sub(words) => behind_subcommand(rule, words, args)?,
        Form::Hidden => return Some(vec![]),
        Form::Behind => {
            if let Some(at) = args.iter().position(|arg| arg == "--") {
                return (at + 1 < args.len()).then(|| vec![Inner::here(args[at + 1..].to_vec())]);
            }
            // `su - bot -c 'command'`: options follow operands too.
            let first = args.iter().position(|arg| {
                arg.as_encoded_bytes().starts_with(b"-")
                    && valued(rule, arg.as_encoded_bytes()).is_some_and(|(name, _)| rule.line.contains(&name))
            });
            args.get(first?..)?
        }
        _ => args,
    };
    let options = OwnOptions::read(rule, args);
    let dir = options.folder;
    let place = |argv: Vec<OsString>| Inner { argv, dir: dir.clone() };
    if let Some(line) = options.line {
        // `env -S 'a b' c`, `nodemon --exec 'python -u' main.py`: the rest are further arguments.
        if rule.names == ["env"] || rule.names.contains(&"nodemon") {
            let mut words = shell::words(&line);
            words.extend_from_slice(options.rest);
            return (!words.is_empty()).then(|| vec![place(words)]);
        }
        return Some(of_line(&line, dir.as_ref()));
    }
    let mut rest = options.rest;
    if let Some(module) = options.module {
        let mut command = vec![OsString::from("python"), OsString::from("-m"), module];
        command.extend_from_slice(rest);
        return Some(vec![place(command)]);
    }
    match rule.shape {
        Form::Command(operands) => rest = skip_operands(operands, rest)?,
        Form::Environment => {
            let is_assignment =
                |arg: &OsString| arg.as_encoded_bytes().contains(&b'=') && !arg.as_encoded_bytes().starts_with(b"/");
            let skip = rest.iter().take_while(|arg| is_assignment(arg)).count();
            rest = &rest[skip..];
        }
        Form::Script(runtime) => return Some(script(runtime, rest).map(place).into_iter().collect()),
        Form::Line => return watchfiles(rest, dir),
        Form::Words => return Some(of_line(&rest.join(OsStr::new(" ")), dir.as_ref())),
        Form::Behind => return None,
        Form::Sub(_) | Form::Hidden => {}
    }
    let first = rest.first()?;
    if let Some(line) = one_line(rule, rest) {
        return Some(of_line(&line, dir.as_ref()));
    }
    // `uv run main.py`: what it runs has Python's name by its extension alone.
    if rule.names == ["uv"] && is_python_script(first) {
        let python = std::iter::once(OsString::from("python"));
        return Some(vec![place(python.chain(rest.iter().cloned()).collect())]);
    }
    Some(vec![place(rest.to_vec())])
}

/// The commands of a shell line that is started in that folder.
fn of_line(line: &OsStr, dir: Option<&PathBuf>) -> Vec<Inner> {
    shell::commands(line).into_iter().map(|inner| Inner { dir: join(dir, inner.dir), ..inner }).collect()
}

/// `flock FILE -c 'command'`: flock reads `-c` behind its operand too.
fn one_line(rule: &Rule, rest: &[OsString]) -> Option<OsString> {
    match rest {
        [flag, line, ..] if rule.line.contains(&flag.to_str()?) => Some(line.clone()),
        _ => None,
    }
}

fn join(outer: Option<&PathBuf>, inner: Option<PathBuf>) -> Option<PathBuf> {
    match (outer, inner) {
        (Some(outer), Some(inner)) => Some(outer.join(inner)),
        (Some(outer), None) => Some(outer.clone()),
        (None, inner) => inner,
    }
}

/// The arguments after the subcommand that runs something; `None` for any other subcommand (`uv pip install`).
fn behind_subcommand<'a>(rule: &Rule, words: &[&str], args: &'a [OsString]) -> Option<&'a [OsString]> {
    let takes_next = |arg: &str| rule.takes_next.contains(&arg) || rule.folder.contains(&arg);
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match arg.to_str() {
            Some(word) if words.contains(&word) => {
                let behind = &args[at + 1..];
                // solobot's own options are not told apart here: its COMMAND always follows `--`.
                if rule.names == ["solobot"] {
                    let dashes = behind.iter().position(|arg| arg == "--")?;
                    return behind.get(dashes..);
                }
                return Some(behind);
            }
            Some(option) if takes_next(option) => at += 2,
            Some(option) if option.starts_with('-') => at += 1,
            _ => return None,
        }
    }
    None
}

/// Operands such as timeout's duration; with too few, it starts nothing (`taskset -p 42`).
fn skip_operands(count: usize, rest: &[OsString]) -> Option<&[OsString]> {
    let rest = rest.get(count..)?;
    let dashes = usize::from(rest.first().is_some_and(|arg| arg == "--"));
    rest.get(dashes..)
}

fn script(runtime: &str, rest: &[OsString]) -> Option<Vec<OsString>> {
    let rest = match rest.split_first()? {
        (word, behind) if matches!(word.to_str(), Some("watch" | "run")) && !behind.is_empty() => behind,
        _ => rest,
    };
    let first = rest.first()?;
    let mut argv = Vec::with_capacity(rest.len() + 2);
    match runtime {
        "node" => argv.push(OsString::from("node")),
        "python" if first == "-m" => argv.push(OsString::from("python")),
        "python" => argv.extend(["python".into(), "-m".into()]),
        _ => {}
    }
    argv.extend_from_slice(rest);
    Some(argv)
}

/// `watchfiles 'python main.py' src` runs a command line; `watchfiles main.run` a function.
fn watchfiles(rest: &[OsString], dir: Option<PathBuf>) -> Option<Vec<Inner>> {
    let target = rest.first()?;
    if let Some((module, function)) = target.to_str().and_then(|text| text.rsplit_once('.'))
        && is_identifier(function)
        && module.split('.').all(is_identifier)
        && !has_script_extension(target)
    {
        return Some(vec![Inner { argv: vec!["python".into(), "-m".into(), module.into()], dir }]);
    }
    Some(of_line(target, dir.as_ref()))
}

fn is_python_script(word: &OsStr) -> bool {
    matches!(std::path::Path::new(word).extension().and_then(OsStr::to_str), Some("py" | "pyw" | "pyz"))
}

/// A wrapper's own options, read up to its first operand.
struct OwnOptions<'a> {
    line: Option<OsString>,
    folder: Option<PathBuf>,
    module: Option<OsString>,
    rest: &'a [OsString],
}

impl<'a> OwnOptions<'a> {
    fn read(rule: &Rule, args: &'a [OsString]) -> Self {
        let mut options = Self { line: None, folder: None, module: None, rest: &[] };
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            let bytes = arg.as_encoded_bytes();
            if bytes == b"--" {
                at += 1;
                break;
            }
            if bytes.len() < 2 || bytes[0] != b'-' {
                break;
            }
            at += 1;
            let Some((option, attached)) = valued(rule, bytes) else { continue };
            let value = attached.map(os).or_else(|| args.get(at).cloned());
            at += usize::from(attached.is_none());
            if rule.line.contains(&option) {
                options.line = value;
            } else if rule.folder.contains(&option) {
                options.folder = value.map(PathBuf::from);
            } else if rule.module.contains(&option) {
                options.module = value;
            }
        }
        options.rest = args.get(at..).unwrap_or_default();
        options
    }
}

/// The option of this word that takes a value, and the value if it is attached: `--name=value`, `-nVALUE`. In a
/// cluster such as `-fo FILE` it is the first letter that takes one.
fn valued<'a>(rule: &Rule, word: &'a [u8]) -> Option<(&'static str, Option<&'a [u8]>)> {
    let lists = [rule.line, rule.folder, rule.module, rule.takes_next];
    let known = |name: &[u8]| lists.iter().copied().flatten().copied().find(|option| option.as_bytes() == name);
    if word.starts_with(b"--") {
        return match word.iter().position(|&byte| byte == b'=') {
            Some(at) => known(&word[..at]).map(|option| (option, Some(&word[at + 1..]))),
            None => known(word).map(|option| (option, None)),
        };
    }
    // `-/` of chpst and the like are ASCII; other bytes are not option letters.
    (1..word.len()).find_map(|at| {
        let option = known(&[b'-', word[at]])?;
        Some((option, word.get(at + 1..).filter(|rest| !rest.is_empty())))
    })
}
