//! What a command line runs, read as its interpreter would read it.
//!
//! Pure: nothing here touches the disk or `/proc`. Invariant: any bytes give an answer, never a panic, and an argument
//! is never searched for a substring. Not promised: that the script exists, or which file a name means; a name is
//! resolved by [`super::program`], which knows the working folder.

mod python;
mod reading;
mod runtime;
pub mod shell;
pub mod windows_shell;
mod words;
pub mod wrapper;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use self::words::os;
use crate::platform::proc::undeleted;
use crate::platform::words::names_folder;

pub use self::reading::{Inner, Invocation, ParsedArgv, Runner, Target, Wrapped};
pub use self::words::{base, has_script_extension};

/// Reads a command line. `exe` is what the kernel says is executed, where that is known.
///
/// An argv that was rewritten as one string is split on white space first.
pub fn read(argv: &[OsString], exe: Option<&Path>) -> ParsedArgv {
    let exe = exe.map(undeleted);
    let exe = exe.as_deref();
    if is_title(argv, exe) {
        return read_title(&split(argv), exe);
    }
    match argv {
        [line] if line.as_encoded_bytes().contains(&b' ') && exe.is_none_or(|exe| exe.as_os_str() != line) => {
            read_words(&split(argv), exe)
        }
        _ => read_words(argv, exe),
    }
}

/// Whether a process shows a title that it has given itself (`mybot: polling`) in the place of its command line: one string
/// that does not begin with what is executed.
pub fn is_title(argv: &[OsString], exe: Option<&Path>) -> bool {
    let ([line], words) = (argv, split(argv)) else { return false };
    let Some(first) = words.first().map(|first| base(first)) else { return false };
    let called = Runner::of_name(first);
    if first.to_str().is_some_and(wrapper::is_name) {
        return false;
    }
    let exe = exe.map(undeleted);
    let Some(name) = exe.as_deref().and_then(Path::file_name) else { return words.len() > 1 && called.is_none() };
    let runner = Runner::of_name(name);
    let is_executed = first == name || base(line) == name || (called.is_some() && called == runner);
    !is_executed && !is_multi_call(name) && (words.len() > 1 || runner.is_some())
}

/// The command line of a process as one could type it: with its executable's path in the place of a name that the process
/// was given (`exec -a`). `None` where it shows a title.
pub fn as_typed(argv: &[OsString], exe: Option<&Path>) -> Option<Vec<OsString>> {
    let first = argv.first().filter(|first| !first.is_empty() && !is_title(argv, exe))?;
    let exe = exe.map(undeleted);
    let name = exe.as_deref().and_then(Path::file_name);
    let is_command = name.is_none_or(|name| {
        let runner = Runner::of_name(name);
        base(first) == name || is_multi_call(name) || (runner.is_some() && runner == Runner::of_name(base(first)))
    });
    if argv.len() < 2 || is_command || names_folder(first.as_encoded_bytes()) {
        return Some(argv.to_vec());
    }
    Some(exe.map(PathBuf::into_os_string).into_iter().chain(argv[1..].iter().cloned()).collect())
}

fn split(argv: &[OsString]) -> Vec<OsString> {
    let bytes = argv.iter().flat_map(|word| word.as_encoded_bytes().split(u8::is_ascii_whitespace));
    bytes.filter(|word| !word.is_empty()).map(os).collect()
}

/// A title gives a name at most. gunicorn's also has the application: `gunicorn: worker [main:app]`. What else stands in one
/// are no arguments.
fn read_title(words: &[OsString], exe: Option<&Path>) -> ParsedArgv {
    let runner = exe.and_then(Path::file_name).and_then(Runner::of_name).unwrap_or(Runner::Native);
    let application = words
        .iter()
        .skip(1)
        .filter(|_| runner == Runner::Python)
        .find_map(|word| python::module_of_application(word.to_str()?.strip_prefix('[')?.strip_suffix(']')?));
    let name = words[0].to_string_lossy();
    let name = name.trim_start_matches('[').trim_end_matches([':', ']', ',']);
    let target = application.map_or_else(|| Target::Executable(name.into()), Target::Module);
    ParsedArgv::Runs(Invocation { runner, target, args: Vec::new() })
}

fn read_words(argv: &[OsString], exe: Option<&Path>) -> ParsedArgv {
    let Some(first) = argv.first() else {
        return ParsedArgv::Runs(Invocation {
            runner: Runner::Native,
            target: Target::Executable(OsString::new()),
            args: vec![],
        });
    };
    if let Some(wrapped) = wrapper::read(argv) {
        return ParsedArgv::Wraps(wrapped);
    }
    if let Some(read) = windows_shell::read(argv) {
        return read;
    }
    let rest = &argv[1..];
    match runner(first, exe) {
        Runner::Python => python::read(rest),
        Runner::Shell => shell::read(argv),
        Runner::Native => ParsedArgv::Runs(Invocation {
            runner: Runner::Native,
            target: Target::Executable(first.clone()),
            args: rest.to_vec(),
        }),
        other => runtime::read(other, rest),
    }
}

/// The interpreter: what the kernel executes, else what `argv[0]` says. A multi-call binary is what it is called by.
fn runner(first: &OsStr, exe: Option<&Path>) -> Runner {
    let called = Runner::of_name(base(first));
    match exe.and_then(Path::file_name) {
        Some(name) if !is_multi_call(name) => Runner::of_name(name).unwrap_or(Runner::Native),
        _ => called.unwrap_or(Runner::Native),
    }
}

fn is_multi_call(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes(), b"busybox" | b"toybox" | b"coreutils")
}
