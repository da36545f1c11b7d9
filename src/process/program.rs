//! Programs: what makes a process this bot.
//!
//! A [`Program`] is what an operator or a command line names; [`super::matching`] decides whether a process runs it.
//! Invariant: a program never means every process of an interpreter, a shell or a wrapper; [`Program::from_option`]
//! refuses such patterns with the reason. Not promised: that the script exists ([`Program::missing`] tells).

mod command;
mod pattern;
mod same;
mod shebang;
mod started;

pub use self::pattern::PathPattern;
pub use self::started::Start;

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::base::error::{Expected, quoted};
use crate::base::exit::Exit;
use crate::base::secret::mask;
use crate::platform::words::names_folder;

use super::argv::{Runner, base, has_script_extension, wrapper};

/// What makes a process this bot: a script, a module and its folder, or an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    kind: NamedBy,
    args: Option<Args>,
    folder: Option<PathBuf>,
}

/// The forms of a program. Paths are absolute, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// That very script, by path or file identity.
    Script(PathBuf),
    /// Every script whose path matches the glob pattern.
    Glob(String),
    /// A Python module run from a folder; without one, from any.
    Module {
        /// Dotted.
        name: String,
        /// The folder it runs from.
        dir: Option<PathBuf>,
    },
    /// That very executable.
    Executable(PathBuf),
    /// Every script, module, executable or title of that name.
    Named(OsString),
}

/// Arguments after a program that tell one bot from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args {
    words: Vec<OsString>,
    /// More may follow.
    is_beginning: bool,
}

impl Args {
    /// All the arguments, as a command line has them.
    pub fn exactly(words: Vec<OsString>) -> Self {
        Self { words, is_beginning: false }
    }

    /// What the arguments begin with, as solobot.toml says it.
    pub fn beginning(words: Vec<OsString>) -> Self {
        Self { words, is_beginning: true }
    }

    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// Whether solobot.toml says them.
    pub fn are_configured(&self) -> bool {
        self.is_beginning
    }

    /// Whether these arguments match.
    pub fn fit(&self, args: &[OsString]) -> bool {
        if self.is_beginning { args.starts_with(&self.words) } else { args == self.words }
    }

    /// Whether both can mean one process.
    fn is_same(&self, other: &Self) -> bool {
        if other.is_beginning && !self.is_beginning { other.fit(&self.words) } else { self.fit(&other.words) }
    }
}

/// Why a pattern is not a program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was given.
    #[error("PROGRAM is empty")]
    Empty,
    /// It would match every process of an interpreter, a shell or a wrapper.
    #[error("`{name}` would match every {what} on this machine")]
    Everything {
        /// What was given.
        name: String,
        /// What it would match.
        what: &'static str,
    },
    /// A folder that cannot be run.
    #[error("{} is a folder without a __main__.py", quoted(.0))]
    Folder(PathBuf),
    /// A word that can be the name of neither a script nor a module.
    #[error("`{0}` is not a path, a script name or a dotted module, so it would match nothing")]
    Nothing(String),
    /// No such file, and no process runs it.
    #[error("{} does not exist, and no process is running it", quoted(.0))]
    Missing(PathBuf),
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "program-empty",
            Self::Everything { .. } => "program-too-wide",
            Self::Folder(_) => "program-folder",
            Self::Nothing(_) => "program-nothing",
            Self::Missing(_) => "program-missing",
        }
    }

    fn hints(&self) -> Vec<String> {
        let forms = "name the script or the module: -m /srv/bot/main.py or -m tg_bot.bot";
        match self {
            // A pattern of names without a path would match the scripts of every user.
            Self::Missing(path) if path.to_string_lossy().contains(['*', '?', '[']) => vec![forms.into()],
            Self::Missing(path) => vec![format!(
                "to match every script of that name: -m {}",
                path.file_name().unwrap_or_default().to_string_lossy()
            )],
            Self::Folder(path) => vec![format!("name the script in it: -m {}", path.join("main.py").display())],
            Self::Empty | Self::Everything { .. } | Self::Nothing(_) => vec![forms.to_owned()],
        }
    }
}

impl Program {
    /// What `-m PROGRAM` means: a path, a bare script name, or a dotted module.
    ///
    /// With a slash, or naming a file that exists in `cwd`: that very file. A module that exists in `cwd`: that one.
    /// Any other bare name: every script, module or executable so named.
    ///
    /// # Errors
    /// Where it would match nothing, or every process of an interpreter, a shell or a wrapper.
    pub fn from_option(text: &OsStr, cwd: &Path) -> Result<Self, Error> {
        let bytes = text.as_encoded_bytes();
        if bytes.trim_ascii().is_empty() {
            return Err(Error::Empty);
        }
        refuse_everything(text)?;
        let path = absolute(cwd, Path::new(text));
        if path.parent().is_none() {
            return Err(Error::Everything { name: text.to_string_lossy().into_owned(), what: "process" });
        }
        if path.is_dir() {
            let main = path.join("__main__.py");
            return if main.is_file() { Ok(Self::script(&main)) } else { Err(Error::Folder(path)) };
        }
        if names_folder(bytes) || path.is_file() {
            return Ok(Self::at(&path));
        }
        if bytes.iter().any(|byte| byte.is_ascii_control() || b"*?[]".contains(byte)) {
            return Err(Error::Nothing(text.to_string_lossy().into_owned()));
        }
        let Some(name) = text.to_str().filter(|name| is_dotted(name) && !has_script_extension(text)) else {
            return Ok(Self::called(text));
        };
        Ok(Self::module_option(name, cwd))
    }

    /// What `--module NAME` means: that module of `cwd`; where it does not exist there, of any folder.
    pub fn module_option(name: &str, cwd: &Path) -> Self {
        if module_files(name, cwd).iter().any(|file| file.is_file()) {
            return Self::module(name, cwd);
        }
        if name.contains('.') {
            return Self::of_kind(NamedBy::Module { name: name.to_owned(), dir: None });
        }
        Self::called(OsStr::new(name))
    }

    /// That very script. A relative path is relative to the current folder.
    pub fn script(path: &Path) -> Self {
        Self::of_kind(NamedBy::Script(from_here(path)))
    }

    /// Every script whose absolute path matches the pattern: `/srv/releases/*/main.py`.
    pub fn script_glob(pattern: &str) -> Self {
        Self::of_kind(NamedBy::Glob(pattern.to_owned()))
    }

    /// Every script, module or executable so called, and what has given itself that name as a title.
    pub fn called(name: &OsStr) -> Self {
        Self::of_kind(NamedBy::Named(name.to_owned()))
    }

    /// A Python module and the folder it runs from.
    pub fn module(name: &str, dir: &Path) -> Self {
        Self::of_kind(NamedBy::Module { name: name.to_owned(), dir: Some(from_here(dir)) })
    }

    /// That very executable. A relative path is relative to the current folder.
    pub fn executable(path: &Path) -> Self {
        Self::of_kind(NamedBy::Executable(from_here(path)))
    }

    /// The same program, run with these arguments after it: with others it is another bot.
    #[must_use]
    pub fn with_args(mut self, args: Args) -> Self {
        self.args = Some(args);
        self
    }

    /// The same program with any arguments, from any folder.
    #[must_use]
    pub fn anyhow(mut self) -> Self {
        (self.args, self.folder) = (None, None);
        self
    }

    /// The arguments that tell this bot from others of the same program, if they are known.
    pub fn args(&self) -> Option<&Args> {
        self.args.as_ref()
    }

    /// The same program, started in this working folder: from another one it is the same bot only if the token says so.
    #[must_use]
    pub fn with_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(from_here(folder));
        self
    }

    /// The working folder that this bot is started in, if it is known.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether it is a script or a module, rather than an executable that need not be a bot at all.
    pub fn is_script_or_module(&self) -> bool {
        match &self.kind {
            NamedBy::Script(_) | NamedBy::Glob(_) | NamedBy::Module { .. } => true,
            NamedBy::Named(name) => has_script_extension(name),
            NamedBy::Executable(_) => false,
        }
    }

    /// Whether a shell runs it.
    pub fn is_shell_script(&self) -> bool {
        matches!(&self.kind, NamedBy::Script(path) if shebang::is_shells(path))
    }

    /// Whether it may mean several bots: a bare name or a pattern.
    pub fn is_open(&self) -> bool {
        matches!(&self.kind, NamedBy::Glob(_) | NamedBy::Named(_) | NamedBy::Module { dir: None, .. })
    }

    /// Whether it is a pattern of paths.
    pub fn is_pattern(&self) -> bool {
        matches!(&self.kind, NamedBy::Glob(_))
    }

    /// The folder of the default lock: the script's; a module's the one it runs from; an executable's `cwd`.
    pub fn default_lock_dir(&self, cwd: &Path) -> PathBuf {
        match &self.kind {
            NamedBy::Script(path) => path.parent().unwrap_or(cwd).to_path_buf(),
            NamedBy::Module { dir: Some(dir), .. } => dir.clone(),
            NamedBy::Glob(_) | NamedBy::Module { dir: None, .. } | NamedBy::Executable(_) | NamedBy::Named(_) => {
                cwd.to_path_buf()
            }
        }
    }

    /// Where it is: the file, or an equivalent. `None` for a program that may be anywhere.
    pub fn place(&self) -> Option<PathBuf> {
        match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => Some(path.clone()),
            NamedBy::Module { name, dir: Some(dir) } => {
                let [file, main] = module_files(name, dir);
                Some(if main.is_file() { main } else { file })
            }
            NamedBy::Glob(pattern) => Some(pattern::plain_beginning(Path::new(pattern))),
            NamedBy::Module { dir: None, .. } | NamedBy::Named(_) => None,
        }
    }

    /// What its bot is called where nobody has named it: the file's name without its extension, a module's last part; of
    /// what every folder has (`__main__.py`, `index.js`) the folder's name. One program has one such name however it is
    /// started, and it can be a key of solobot.toml.
    pub fn short_name(&self) -> String {
        let path = match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => path.clone(),
            NamedBy::Glob(pattern) => PathBuf::from(pattern),
            NamedBy::Module { name, dir } => {
                name.split('.').fold(dir.clone().unwrap_or_default(), |path, part| path.join(part))
            }
            NamedBy::Named(name) => PathBuf::from(name),
        };
        let stem = |path: &Path| {
            let name = if has_script_extension(path.as_os_str()) { path.file_stem() } else { path.file_name() };
            name.unwrap_or_default().to_string_lossy().into_owned()
        };
        let own = stem(&path);
        let folder = || path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = if matches!(own.as_str(), "__main__" | "index") { folder().unwrap_or(own) } else { own };
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        // First: with a dash for its colon it would be no token any more.
        let name: String = mask(&name).chars().map(plain).collect();
        let name = name.trim_matches('-');
        if name.is_empty() { "bot".to_owned() } else { name.to_owned() }
    }

    /// The file name, or the dotted module.
    pub fn file_name(&self) -> String {
        match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => base(path.as_os_str()).to_string_lossy().into_owned(),
            NamedBy::Glob(pattern) => base(OsStr::new(pattern)).to_string_lossy().into_owned(),
            NamedBy::Module { name, .. } => name.clone(),
            NamedBy::Named(name) => name.to_string_lossy().into_owned(),
        }
    }

    /// The key and the value by which solobot.toml names it; `None` for what means several bots.
    pub fn setting(&self) -> Option<(&'static str, String)> {
        match &self.kind {
            NamedBy::Script(path) => Some(("script", path.to_str()?.to_owned())),
            NamedBy::Executable(path) => Some(("exe", path.to_str()?.to_owned())),
            NamedBy::Module { name, dir: Some(_) } => Some(("module", name.clone())),
            NamedBy::Glob(_) | NamedBy::Module { dir: None, .. } | NamedBy::Named(_) => None,
        }
    }

    /// The file that it names and that does not exist (any more). A process may still run it; if none does, refuse
    /// with [`Error::Missing`] rather than call it safe.
    pub fn missing(&self) -> Option<&Path> {
        match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => (!path.exists()).then_some(path),
            NamedBy::Glob(_) | NamedBy::Module { .. } | NamedBy::Named(_) => None,
        }
    }

    pub(super) fn kind(&self) -> &NamedBy {
        &self.kind
    }

    pub(super) fn of_kind(kind: NamedBy) -> Self {
        Self { kind, args: None, folder: None }
    }

    /// The program that is this file: a script by its extension or its shebang, else an executable.
    pub(super) fn at(path: &Path) -> Self {
        // Opened only where its name does not tell.
        let first = if has_script_extension(path.as_os_str()) { None } else { shebang::first_line(path) };
        Self::beginning_with(path, &first.unwrap_or_default())
    }

    /// The same of a file with that first line.
    fn beginning_with(path: &Path, first: &[u8]) -> Self {
        let is_script = has_script_extension(path.as_os_str()) || shebang::is_script(first);
        if is_script { Self::script(path) } else { Self::executable(path) }
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            NamedBy::Script(path) | NamedBy::Executable(path) => write!(f, "{}", path.display()),
            NamedBy::Glob(pattern) => f.write_str(pattern),
            NamedBy::Module { name, dir: Some(dir) } => write!(f, "{name} in {}", dir.display()),
            NamedBy::Module { name, dir: None } => f.write_str(name),
            NamedBy::Named(name) => write!(f, "{}", name.display()),
        }
    }
}

fn refuse_everything(text: &OsStr) -> Result<(), Error> {
    let name = base(text);
    let what = match Runner::of_name(name) {
        Some(Runner::Shell) => "shell",
        Some(_) => "process of that interpreter",
        None if name.to_str().is_some_and(wrapper::is_name) => "process that it starts",
        None if text.as_encoded_bytes().iter().all(|byte| b"*?./".contains(byte))
            && text.as_encoded_bytes().contains(&b'*') =>
        {
            "process"
        }
        None => return Ok(()),
    };
    Err(Error::Everything { name: text.to_string_lossy().into_owned(), what })
}

fn is_dotted(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    })
}

/// The files that `python -m NAME` may run from that folder.
pub(super) fn module_files(name: &str, dir: &Path) -> [PathBuf; 2] {
    let path = name.split('.').fold(dir.to_path_buf(), |path, part| path.join(part));
    let mut file = path.clone().into_os_string();
    file.push(".py");
    [PathBuf::from(file), path.join("__main__.py")]
}

fn from_here(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return absolute(Path::new("/"), path);
    }
    absolute(&std::env::current_dir().unwrap_or_default(), path)
}

/// `path` seen from `cwd`, without `.` and `..`. Symlinks stay: file identity tells whether two paths are one file.
pub(super) fn absolute(cwd: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests;
