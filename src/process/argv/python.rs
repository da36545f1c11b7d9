//! Python's command line: `python(1)`, `Modules/main.c` and `Python/getopt.c` of `CPython`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::reading::{Invocation, ParsedArgv, Runner, Target};
use super::words::{base, has_script_extension, is_identifier, os};
use super::wrapper;

/// Reads what follows the interpreter.
pub fn read(args: &[OsString]) -> ParsedArgv {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let bytes = arg.as_encoded_bytes();
        match bytes {
            b"--" => return operand(&args[at + 1..]),
            b"-" | b"" => return operand(&args[at..]),
            b"--check-hash-based-pycs" => at += 2,
            _ if bytes.starts_with(b"--") => at += 1,
            _ if bytes[0] == b'-' => match cluster(&bytes[1..]) {
                Cluster::Flags => at += 1,
                Cluster::TakesNext => at += 2,
                Cluster::Ends(option, attached) => {
                    let rest = &args[at + 1..];
                    let (value, rest) = match (attached.is_empty(), rest.split_first()) {
                        (false, _) => (os(attached), rest),
                        (true, Some((value, rest))) => (value.clone(), rest),
                        (true, None) => return stdin(),
                    };
                    return if option == b'm' { module(&value, rest) } else { inline(&value, rest) };
                }
            },
            _ => return operand(&args[at..]),
        }
    }
    stdin()
}

enum Cluster<'a> {
    Flags,
    /// `-W`, `-X`: the value is the next argument.
    TakesNext,
    /// `-m` or `-c`, with what is attached to it.
    Ends(u8, &'a [u8]),
}

/// Reads a cluster of short options such as `um`.
fn cluster(letters: &[u8]) -> Cluster<'_> {
    for (at, &letter) in letters.iter().enumerate() {
        match letter {
            b'm' | b'c' => return Cluster::Ends(letter, &letters[at + 1..]),
            b'W' | b'X' if at + 1 == letters.len() => return Cluster::TakesNext,
            b'W' | b'X' => return Cluster::Flags,
            _ => {}
        }
    }
    Cluster::Flags
}

fn runs(target: Target, args: &[OsString]) -> ParsedArgv {
    ParsedArgv::Runs(Invocation { runner: Runner::Python, target, args: args.to_vec() })
}

fn stdin() -> ParsedArgv {
    runs(Target::Stdin, &[])
}

fn operand(words: &[OsString]) -> ParsedArgv {
    let Some((script, rest)) = words.split_first() else { return stdin() };
    if script.is_empty() || script == "-" {
        return runs(Target::Stdin, rest);
    }
    // A console script of the environment's `bin`: `/venv/bin/uvicorn main:app`.
    if let Some(reading) = tool(base(script), rest) {
        return reading;
    }
    runs(Target::Script(PathBuf::from(script)), rest)
}

fn inline(code: &OsStr, rest: &[OsString]) -> ParsedArgv {
    let code = code.to_string_lossy().into_owned();
    if is_multiprocessing(&code) {
        return runs(Target::Worker, rest);
    }
    runs(Target::Inline(code), rest)
}

/// The command lines that `multiprocessing` and `concurrent.futures` start (`multiprocessing/spawn.py`,
/// `forkserver.py`, `resource_tracker.py`); loky's are alike.
fn is_multiprocessing(code: &str) -> bool {
    let code = code.trim_start();
    [
        "from multiprocessing.",
        "import multiprocessing.",
        "from billiard.",
        "from joblib.externals.loky",
        "from multiprocess.",
    ]
    .iter()
    .any(|start| code.starts_with(start))
        && ["spawn", "forkserver", "resource_tracker", "semaphore_tracker", "popen"]
            .iter()
            .any(|word| code.contains(word))
}

fn module(name: &OsStr, rest: &[OsString]) -> ParsedArgv {
    let name = name.to_string_lossy().into_owned();
    if name.starts_with("joblib.externals.loky.backend") {
        return runs(Target::Worker, rest);
    }
    tool(OsStr::new(&name), rest).unwrap_or_else(|| runs(Target::Module(name), rest))
}

/// Tools that run another program: in this very process (profilers, debuggers, application servers), or as a child
/// (reloaders, which are wrappers).
fn tool(name: &OsStr, rest: &[OsString]) -> Option<ParsedArgv> {
    let name = name.to_str()?;
    match name {
        "pdb" | "cProfile" | "profile" | "trace" | "debugpy" | "coverage" | "memray" | "viztracer" | "scalene"
        | "kernprof" | "pydevd" | "pydevd.py" | "ipython" | "ipython3" | "IPython" | "jurigged" | "pyinstrument"
        | "runpy" => script_inside(rest),
        "uvicorn" | "gunicorn" | "hypercorn" | "daphne" | "granian" => application(rest),
        "watchfiles" | "watchmedo" | "hupper" => wrapper::read_named(name, rest).map(ParsedArgv::Wraps),
        "poetry" | "pipenv" | "pdm" | "hatch" | "honcho" | "dotenv" | "supervisord" => {
            wrapper::read_named(name, rest).map(ParsedArgv::Wraps)
        }
        _ => None,
    }
}

/// `cProfile -o out main.py`, `debugpy --listen 5678 -m tg_bot`, `coverage run main.py`.
fn script_inside(args: &[OsString]) -> Option<ParsedArgv> {
    let at = args.iter().position(|arg| arg == "-m" || has_script_extension(arg))?;
    if args[at] == "-m" {
        let name = args.get(at + 1)?.to_string_lossy().into_owned();
        return Some(runs(Target::Module(name), &args[at + 2..]));
    }
    Some(runs(Target::Script(PathBuf::from(&args[at])), &args[at + 1..]))
}

/// `uvicorn --reload tg_bot.web:app`: the module before the colon is what runs.
fn application(args: &[OsString]) -> Option<ParsedArgv> {
    let (at, module) =
        args.iter().enumerate().find_map(|(at, arg)| Some((at, module_of_application(arg.to_str()?)?)))?;
    let others: Vec<OsString> =
        args.iter().enumerate().filter(|&(index, _)| index != at).map(|(_, arg)| arg.clone()).collect();
    Some(runs(Target::Module(module), &others))
}

/// `tg_bot.web` of `tg_bot.web:app` and of `tg_bot.web:make_app()`.
pub fn module_of_application(text: &str) -> Option<String> {
    let (module, object) = text.split_once(':')?;
    let dotted = |text: &str| !text.is_empty() && text.split('.').all(is_identifier);
    let object = object.split('(').next().unwrap_or(object);
    (dotted(module) && dotted(object)).then(|| module.to_owned())
}
