//! What a command line runs, read as its interpreter would read it.
//!
//! Pure: nothing here touches the disk or `/proc`. Invariant: any bytes give an answer, never a panic, and an argument
//! is never searched for a substring. Not promised: that the script exists, or which file a name means; a name is
//! resolved by [`super::program`], which knows the working folder.

mod python;
mod reading;
mod runtime;
pub mod shell;
mod words;
pub mod wrapper;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use self::words::os;
use crate::platform::proc::undeleted;

pub use self::reading::{Inner, Invocation, ParsedArgv, Runner, Target, Wrapped};
pub use self::words::{base, has_script_extension};

/// Reads a command line. `exe` is what the kernel says is executed, where that is known.
///
/// An argv that was rewritten as one title string is split on white space first.
pub fn read(argv: &[OsString], exe: Option<&Path>) -> ParsedArgv {
    let exe = exe.map(undeleted);
    let exe = exe.as_deref();
    if let [title] = argv
        && exe.is_none_or(|exe| exe.as_os_str() != title)
        && title.as_encoded_bytes().contains(&b' ')
    {
        let words: Vec<OsString> =
            title.as_encoded_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(os).collect();
        return read_title(&words, exe);
    }
    read_words(argv, exe)
}

/// A title that does not start with a command (`mybot: polling`) gives a name at most.
fn read_title(words: &[OsString], exe: Option<&Path>) -> ParsedArgv {
    if let Some(first) = words.first()
        && let Some(runner) = exe.and_then(Path::file_name).and_then(Runner::of_name)
        && Runner::of_name(base(first)).is_none()
        && !base(first).to_str().is_some_and(wrapper::is_name)
    {
        let name = first.as_encoded_bytes().strip_suffix(b":").unwrap_or(first.as_encoded_bytes());
        return ParsedArgv::Runs(Invocation {
            runner,
            target: Target::Executable(os(name)),
            args: words[1..].to_vec(),
        });
    }
    read_words(words, exe)
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
