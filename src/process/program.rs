//! What makes a process a certain bot: a script, a module with its folder, or an executable.
//!
//! A stand-in with the final constructors; the real one replaces it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::Expected;
use crate::exit::Exit;

/// A program to recognise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    kind: Kind,
    args: Vec<OsString>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Script(PathBuf),
    Name(OsString),
    Glob(String),
    Module { name: String, dir: PathBuf },
    Executable(PathBuf),
}

/// Why a text names no program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An interpreter alone is no bot.
    #[error("`{0}` is an interpreter, not a bot")]
    Interpreter(String),
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Interpreter(_) => Exit::Usage,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Interpreter(_) => "program-interpreter",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Interpreter(_) => vec!["name the script: -m main.py".into()],
        }
    }
}

impl Program {
    /// `-m`: a path, a bare script name or a dotted module.
    ///
    /// # Errors
    /// For an interpreter alone.
    pub fn from_option(text: &OsStr, cwd: &Path) -> Result<Self, Error> {
        let path = cwd.join(text);
        let shown = text.to_string_lossy();
        if shown.starts_with("python") {
            Err(Error::Interpreter(shown.into_owned()))
        } else if shown.contains('/') || path.is_file() {
            Ok(Self::script(&path))
        } else if Path::new(text).extension().is_some_and(|extension| extension != "py") {
            Ok(Self::module(&shown, cwd))
        } else {
            Ok(Self::of(Kind::Name(text.to_owned())))
        }
    }

    /// This very script.
    pub fn script(path: &Path) -> Self {
        Self::of(Kind::Script(path.to_owned()))
    }

    /// Every script whose path matches the pattern.
    pub fn script_glob(pattern: &str) -> Self {
        Self::of(Kind::Glob(pattern.to_owned()))
    }

    /// A module run from a folder.
    pub fn module(name: &str, dir: &Path) -> Self {
        Self::of(Kind::Module { name: name.to_owned(), dir: dir.to_owned() })
    }

    /// A native executable.
    pub fn executable(path: &Path) -> Self {
        Self::of(Kind::Executable(path.to_owned()))
    }

    /// The program that a command line would run.
    pub fn of_command(argv: &[OsString], cwd: &Path) -> Option<Self> {
        let (first, rest) = argv.split_first()?;
        if !first.to_string_lossy().contains("python") {
            return Some(Self::executable(&cwd.join(first)));
        }
        match rest {
            [flag, name, ..] if flag == "-m" => Some(Self::module(&name.to_string_lossy(), cwd)),
            [script, ..] => Some(Self::script(&cwd.join(script))),
            [] => None,
        }
    }

    /// The same program with these arguments.
    #[must_use]
    pub fn with_args(mut self, args: Vec<OsString>) -> Self {
        self.args = args;
        self
    }

    /// Whether an interpreter runs it.
    pub fn is_script_or_module(&self) -> bool {
        !matches!(self.kind, Kind::Executable(_))
    }

    /// The folder of the default lock.
    pub fn default_lock_dir(&self, cwd: &Path) -> PathBuf {
        match &self.kind {
            Kind::Script(path) => path.parent().unwrap_or(cwd).to_owned(),
            Kind::Module { dir, .. } => dir.clone(),
            Kind::Name(_) | Kind::Glob(_) | Kind::Executable(_) => cwd.to_owned(),
        }
    }

    /// The name for people.
    pub fn file_name(&self) -> String {
        let path = match &self.kind {
            Kind::Script(path) | Kind::Executable(path) => path.as_path(),
            Kind::Name(name) => Path::new(name),
            Kind::Glob(pattern) => Path::new(pattern),
            Kind::Module { name, .. } => return name.clone(),
        };
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn of(kind: Kind) -> Self {
        Self { kind, args: Vec::new() }
    }
}
