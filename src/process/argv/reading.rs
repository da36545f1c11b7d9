//! What a command line means: which interpreter runs what, or which commands are wrapped.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What executes the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runner {
    /// `CPython` or `PyPy`.
    Python,
    /// Node.js.
    Node,
    Bun,
    Deno,
    Ruby,
    /// PHP's command line.
    Php,
    /// The Java launcher.
    Java,
    /// An interpreter whose first operand is the script: Perl, Lua, Tcl, .NET …
    Generic,
    /// A shell with a script, or interactive.
    Shell,
    /// None: the kernel runs the file itself.
    Native,
}

impl Runner {
    /// The interpreter with this file name, if it is one.
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
    /// The arguments after the program, the interpreter's own options left out.
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
pub enum ParsedArgv {
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
