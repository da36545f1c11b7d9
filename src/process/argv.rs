//! What a command line runs, read as its interpreter would read it.
//!
//! Pure: nothing here touches the disk or `/proc`. Invariant: any bytes give an answer, never a panic, and an argument
//! is never searched for a substring. Not promised: that the script exists, or which file a name means; a name is
//! resolved by [`super::program`], which knows the working folder.

mod python;
mod runtime;
pub mod shell;
pub mod wrapper;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::platform::proc::undeleted;
use crate::platform::words::{os_str, os_string};

/// What executes the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runner {
    /// `CPython` or `PyPy`.
    Python,
    /// Node.js.
    Node,
    /// Bun.
    Bun,
    /// Deno.
    Deno,
    /// Ruby.
    Ruby,
    /// PHP's command line.
    Php,
    /// The Java launcher.
    Java,
    /// An interpreter whose first operand is the script: Perl, Lua, Tcl, .NET …
    Generic,
    /// A shell with a script, or interactive.
    Shell,
    /// Nothing: the kernel runs the file itself.
    Native,
}

impl Runner {
    /// The interpreter that has this file name; `None` if it is none.
    pub fn of_name(name: &OsStr) -> Option<Self> {
        // npm installs bun as `bun.exe`, on Linux too.
        let name = name.to_str()?.trim_start_matches('-').trim_end_matches(".exe");
        // python3.11, python3.13t, ruby3.2, php8.2, lua5.4, python3-dbg
        let stem = name.strip_suffix("-dbg").unwrap_or(name);
        let stem =
            stem.trim_end_matches(['t', 'd', 'm', 'w']).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let stem = if stem.is_empty() { name } else { stem };
        let whole = |stem: &str| {
            Some(match stem {
                "python" | "pypy" | "Python" | "pythonw" => Self::Python,
                "node" | "nodejs" => Self::Node,
                "bun" => Self::Bun,
                "deno" => Self::Deno,
                "ruby" | "jruby" | "truffleruby" => Self::Ruby,
                "php" | "php-cli" => Self::Php,
                "java" => Self::Java,
                "perl" | "lua" | "luajit" | "tclsh" | "dotnet" | "mono" | "Rscript" | "julia" | "guile" | "escript" => {
                    Self::Generic
                }
                "sh" | "bash" | "dash" | "zsh" | "ksh" | "mksh" | "ash" | "fish" | "rbash" => Self::Shell,
                _ => return None,
            })
        };
        whole(name).or_else(|| whole(stem))
    }
}

/// What a command line runs, and with which arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Who runs it.
    pub runner: Runner,
    /// What is run.
    pub target: Target,
    /// The arguments behind the program, the interpreter's own options left out.
    pub args: Vec<OsString>,
}

/// The program part of a command line, as written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A script, or a folder or archive with a `__main__.py`; relative to the process's working folder.
    Script(PathBuf),
    /// `python -m NAME`, or the module an application server loads.
    Module(String),
    /// `python -c CODE`, `node -e CODE`: what it runs cannot be decided.
    Inline(String),
    /// A helper process of `multiprocessing` (spawn, forkserver, resource tracker): never a program by itself.
    Worker,
    /// The script comes from standard input; also an interactive interpreter.
    Stdin,
    /// `argv[0]` of a native executable; behind an interpreter, the name in a title of the program's own.
    Executable(OsString),
}

/// The meaning of one command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It runs a program itself.
    Runs(Invocation),
    /// It is a wrapper: it starts other commands, these.
    Wraps(Wrapped),
}

/// A wrapper's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The wrapper's name: `timeout`, `sh`, `npm` …
    pub name: String,
    /// The commands it starts, in their order; empty if they cannot be seen (`npm start`).
    pub inner: Vec<Inner>,
}

/// A command inside a wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inner {
    /// Its arguments.
    pub argv: Vec<OsString>,
    /// The folder that it is started in, relative to the wrapper's own (`cd app && …`); `None`: the same.
    pub dir: Option<PathBuf>,
}

impl Inner {
    /// A command in the wrapper's own folder.
    pub fn here(argv: Vec<OsString>) -> Self {
        Self { argv, dir: None }
    }
}

/// Reads a command line. `exe` is what the kernel says is executed, where that is known.
///
/// An argv that was rewritten as one title string is split on white space first.
pub fn read(argv: &[OsString], exe: Option<&Path>) -> Reading {
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

/// A title that begins with no command (`mybot: polling`) tells a name at most.
fn read_title(words: &[OsString], exe: Option<&Path>) -> Reading {
    if let Some(first) = words.first()
        && let Some(runner) = exe.and_then(Path::file_name).and_then(Runner::of_name)
        && Runner::of_name(base(first)).is_none()
        && !base(first).to_str().is_some_and(wrapper::is_name)
    {
        let name = first.as_encoded_bytes().strip_suffix(b":").unwrap_or(first.as_encoded_bytes());
        return Reading::Runs(Invocation { runner, target: Target::Executable(os(name)), args: words[1..].to_vec() });
    }
    read_words(words, exe)
}

fn read_words(argv: &[OsString], exe: Option<&Path>) -> Reading {
    let Some(first) = argv.first() else {
        return Reading::Runs(Invocation {
            runner: Runner::Native,
            target: Target::Executable(OsString::new()),
            args: vec![],
        });
    };
    if let Some(wrapped) = wrapper::read(argv) {
        return Reading::Wraps(wrapped);
    }
    let rest = &argv[1..];
    match runner(first, exe) {
        Runner::Python => python::read(rest),
        Runner::Shell => shell::read(argv),
        Runner::Native => Reading::Runs(Invocation {
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

/// The last component of a word that may be a path, a login shell's dash left out.
pub fn base(word: &OsStr) -> &OsStr {
    let bytes = word.as_encoded_bytes();
    let name = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or(bytes);
    os_str(name.strip_prefix(b"-").unwrap_or(name))
}

/// Extensions that make a word a script.
const EXTENSIONS: [&str; 22] = [
    "py", "pyc", "pyw", "pyz", "js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx", "rb", "php", "phar", "pl", "lua",
    "sh", "bash", "tcl", "jar", "dll",
];

/// Whether a word is a script by its extension.
pub fn has_script_extension(word: &OsStr) -> bool {
    Path::new(word).extension().and_then(OsStr::to_str).is_some_and(|ext| EXTENSIONS.contains(&ext))
}

fn os(bytes: &[u8]) -> OsString {
    os_string(bytes.to_vec())
}
