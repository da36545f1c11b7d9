//! Whether a process runs a program, and how sure that is.
//!
//! Pure except for the file identities that the caller looks up. Invariant: a name in an argument proves nothing. Only what
//! the interpreter would run counts, as a path, a file or a module. What cannot be decided is [`Confidence::Probable`],
//! with the [`Doubt`] as the reason.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use memchr::memmem::Finder;

use crate::platform::filesystem::FileId;
use crate::platform::proc;
use crate::platform::table::Listed;
use crate::platform::words::{file_name, is_same_name, names_folder, program_name};

use super::argv::{self, Invocation, Runner, Target};
use super::program::{NamedBy, PathPattern, Program, absolute, module_files};

/// How sure it is that a process is this bot; the later, the surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// It cannot be decided: reported, never killed by default.
    Probable,
    /// The same module and folder.
    Module,
    /// The same file, by path or by device and inode.
    File,
    /// The same program and the same token.
    Token,
}

impl Confidence {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probable => "probable",
            Self::Module => "module",
            Self::File => "file",
            Self::Token => "token",
        }
    }
}

/// Why it is in doubt whether a process is the bot. In doubt nothing is stopped; whether something may be started beside
/// it says [`Doubt::starting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// `python -c 'import main'`: what the code does is unknown.
    Inline,
    /// The process's working folder cannot be read, and its script's path is relative.
    UnknownFolder,
    /// The same path inside another root folder (a container), where it is another file.
    OtherRoot,
    /// The process has given itself a title that only resembles the program's name.
    Title,
    /// The same program with other arguments, the token unseen.
    OtherArguments,
    /// The same program with another sub-command, proved not to be connected: `queue:work` beside the bot's `nutgram:run`.
    OtherWork,
    /// The same program in another working folder, the token unseen.
    OtherFolder,
    /// A token is known of other instances of the program but not of this one.
    TokenUnseen,
    /// Other arguments, but the token of the file that it reads is the bot's, and it is connected.
    OtherArgumentsConnected,
    /// It seems to have been started in the program's folder, which has been moved away since.
    FolderMoved,
    /// The bot's program is a shell script, whose text starts what this process runs.
    StartedByScript,
    /// It is the process of a user who has nothing to do with the bot.
    AnotherUser(OtherUserProcess),
}

/// What is known of a process of a user who is neither the caller, nor root, nor the owner of the program or its folder,
/// nor named in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OtherUserProcess {
    /// Root put it there (a system's service, a container), or it has the token or a connection to the API server.
    Likely,
    /// It could be looked at, and has neither token nor connection; or it was started otherwise.
    Unlikely,
    /// Neither its environment nor its connections can be looked at.
    Hidden,
}

/// What a doubtful process means for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartVerdict {
    /// It is taken for the bot: nothing is started beside it.
    Counts,
    /// It is taken for something else.
    DoesNotCount,
    /// Nobody can say, from here.
    CannotTell,
}

impl Doubt {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Inline => "it runs code from its command line",
            Self::UnknownFolder => "its working folder cannot be read",
            Self::OtherRoot => "it runs that path in another root folder, as in a container",
            Self::Title => "it has replaced its command line with a title",
            Self::OtherArguments => "other arguments, token unknown",
            Self::OtherWork => "another sub-command, and it is not connected to Telegram",
            Self::OtherFolder => "another working folder, token unknown",
            Self::TokenUnseen => "token unknown",
            Self::OtherArgumentsConnected => "other arguments, but it is connected and reads the bot's token",
            Self::FolderMoved => "it seems to have been started in this folder before the folder was replaced",
            Self::StartedByScript => "it runs what the bot's script starts",
            Self::AnotherUser(OtherUserProcess::Likely) => "its user owns neither the program nor its folder",
            Self::AnotherUser(OtherUserProcess::Unlikely) => {
                "its user owns neither the program nor its folder, and nothing else suggests that it is the bot"
            }
            Self::AnotherUser(OtherUserProcess::Hidden) => {
                "its user owns neither the program nor its folder, and it cannot be inspected"
            }
        }
    }

    /// The rule of doubt: the same file with the same arguments and a token that cannot be seen is the bot.
    pub fn starting(self) -> StartVerdict {
        match self {
            Self::OtherFolder
            | Self::TokenUnseen
            | Self::OtherArgumentsConnected
            | Self::FolderMoved
            | Self::StartedByScript
            | Self::AnotherUser(OtherUserProcess::Likely) => StartVerdict::Counts,
            Self::UnknownFolder | Self::AnotherUser(OtherUserProcess::Hidden) => StartVerdict::CannotTell,
            Self::Inline
            | Self::OtherRoot
            | Self::Title
            | Self::OtherArguments
            | Self::OtherWork
            | Self::AnotherUser(OtherUserProcess::Unlikely) => StartVerdict::DoesNotCount,
        }
    }

    /// Whether nothing at all speaks for it: it is shown, and has no say in anything.
    pub fn is_void(self) -> bool {
        matches!(self, Self::OtherWork | Self::AnotherUser(OtherUserProcess::Unlikely))
    }

    /// Whether it may be stopped if the operator says that what is only probable is to go too. Another user's process is
    /// nobody's to stop here, and what does other work is in nobody's way.
    pub fn may_be_overruled(self) -> bool {
        !matches!(self, Self::OtherWork | Self::AnotherUser(_))
    }
}

/// What the decision needs to know of one process.
pub struct ProcessFacts<'a> {
    /// Its command line, read.
    pub invocation: &'a Invocation,
    /// What the kernel executes.
    pub exe: Option<&'a Path>,
    /// Its working folder.
    pub cwd: Option<&'a Path>,
    /// What its descriptor 0 is.
    pub stdin: Option<&'a Path>,
    /// The folders of its `PYTHONPATH`.
    pub python_path: &'a [PathBuf],
    /// Its root folder is another one than ours.
    pub other_root: bool,
    /// The identity of a file as the process sees it.
    pub identify: &'a dyn Fn(&Path) -> Option<FileId>,
    /// Where the symlinks of a path lead; `None` where the process may see others than we do.
    pub resolve: &'a dyn Fn(&Path) -> Option<PathBuf>,
}

/// A process that runs the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// How sure that is; never [`Confidence::Token`] here.
    pub confidence: Confidence,
    /// Why this is not certain.
    pub doubt: Option<Doubt>,
    /// The folder that it was started in, where that has been moved since or cannot be read.
    pub started_in: Option<PathBuf>,
}

impl Match {
    fn sure(confidence: Confidence) -> Self {
        Self { confidence, doubt: None, started_in: None }
    }

    fn probable(doubt: Doubt) -> Self {
        Self { confidence: Confidence::Probable, doubt: Some(doubt), started_in: None }
    }
}

/// A program made ready to be compared with many processes.
pub struct Matcher<'a> {
    program: &'a Program,
    files: Vec<PathBuf>,
    ids: Vec<FileId>,
    pattern: Option<PathPattern>,
    /// What an executable that is the program may be called, symlinks followed.
    names: Vec<OsString>,
    /// What occurs in every command line that runs the program under no known interpreter.
    needle: Finder<'static>,
}

impl<'a> Matcher<'a> {
    /// Looks up the program's files once.
    pub fn new(program: &'a Program) -> Self {
        let files = match program.kind() {
            NamedBy::Script(path) | NamedBy::Executable(path) => vec![path.clone()],
            NamedBy::Module { name, dir: Some(dir) } => module_files(name, dir).to_vec(),
            NamedBy::Glob(_) | NamedBy::Named(_) | NamedBy::Module { dir: None, .. } => vec![],
        };
        let ids = files.iter().filter_map(|file| FileId::of(file)).collect();
        let pattern = match program.kind() {
            NamedBy::Glob(pattern) => Some(PathPattern::new(pattern)),
            _ => None,
        };
        let real = files.iter().filter_map(|file| file.canonicalize().ok());
        let mut names: Vec<OsString> =
            files.iter().cloned().chain(real).filter_map(|file| Some(file.file_name()?.to_owned())).collect();
        if let NamedBy::Named(name) = program.kind() {
            names.push(name.clone());
        }
        let needle = Finder::new(&needle(program)).into_owned();
        Self { program, files, ids, pattern, names, needle }
    }

    /// The filter on a process of a listing.
    pub fn may_be(&self, hit: &Listed) -> bool {
        match &hit.exe {
            Some(exe) => self.may_be_run_by(exe),
            None => self.may_run(&hit.cmdline),
        }
    }

    /// The filter on an executable's path: an interpreter, or a file called as the program's. One system call for each
    /// process is all that most cost.
    pub fn may_be_run_by(&self, exe: &[u8]) -> bool {
        let name = program_name(file_name(proc::unmarked(exe)));
        let is_interpreter = || match self.program.kind() {
            NamedBy::Executable(_) => false,
            _ => is_interpreter(name) || is_shell(name),
        };
        is_interpreter() || self.names.iter().any(|ours| is_same_name(ours.as_encoded_bytes(), name))
    }

    /// The filter on the raw bytes of a command line, where the executable cannot be read: it runs under an
    /// interpreter, or the program's name occurs in it.
    pub fn may_run(&self, cmdline: &[u8]) -> bool {
        let end = cmdline.iter().position(|&byte| byte == 0 || byte == b' ').unwrap_or(cmdline.len());
        let name = program_name(file_name(&cmdline[..end]));
        is_interpreter(name.strip_prefix(b"-").unwrap_or(name)) || self.needle.find(cmdline).is_some()
    }

    /// Whether that process runs the program.
    pub fn judge(&self, seen: &ProcessFacts<'_>) -> Option<Match> {
        match &seen.invocation.target {
            Target::Worker => None,
            Target::Inline(code) => self.inline(code, seen),
            Target::Executable(name) if seen.invocation.runner != Runner::Native => self.title(name, seen),
            Target::Script(script) => self.script(script, seen),
            Target::Module(name) => self.module(name, seen),
            Target::Stdin => self.file(seen.stdin?, Confidence::File, seen),
            Target::Executable(name) => self.executable(name, seen),
        }
    }

    /// Whether a command line could mean the program if it had been started in another folder.
    pub fn depends_on_folder(&self, invocation: &Invocation) -> bool {
        let is_called = |name: &OsStr| self.names.iter().any(|ours| ours == name);
        match (&invocation.target, self.program.kind()) {
            (Target::Script(script), NamedBy::Script(_)) => {
                script.is_relative() && script.file_name().is_some_and(is_called)
            }
            (Target::Module(name), NamedBy::Module { name: ours, dir: Some(_) }) => name == ours,
            _ => false,
        }
    }

    fn script(&self, script: &Path, seen: &ProcessFacts<'_>) -> Option<Match> {
        let Some(path) = resolve(script, seen.cwd) else { return self.suffix(script) };
        variants(&path, seen.invocation.runner).iter().find_map(|file| self.file(file, Confidence::File, seen))
    }

    fn executable(&self, name: &OsStr, seen: &ProcessFacts<'_>) -> Option<Match> {
        if let Some(exe) = seen.exe {
            return self.file(&proc::undeleted(exe), Confidence::File, seen);
        }
        // Another user's process: its `exe` cannot be read, so argv[0] must do.
        if !names_folder(name.as_encoded_bytes()) {
            return self.suffix(Path::new(name));
        }
        match resolve(Path::new(name), seen.cwd) {
            Some(path) => self.file(&path, Confidence::File, seen),
            None => self.suffix(Path::new(name)),
        }
    }

    fn module(&self, name: &str, seen: &ProcessFacts<'_>) -> Option<Match> {
        let folders = || seen.cwd.into_iter().chain(seen.python_path.iter().map(PathBuf::as_path));
        if let Some(found) = folders()
            .flat_map(|dir| module_files(name, dir))
            .find_map(|file| self.file(&file, Confidence::Module, seen))
        {
            return Some(found);
        }
        match self.program.kind() {
            NamedBy::Module { name: ours, dir } if ours == name => {
                let exists = |dir: &Path| module_files(name, dir).iter().any(|file| (seen.identify)(file).is_some());
                let Some(dir) = dir else { return Some(Match::sure(Confidence::Module)) };
                match seen.cwd {
                    None => Some(Match::probable(Doubt::UnknownFolder)),
                    // The module lies elsewhere (installed): the folders tell nothing.
                    Some(cwd) if !exists(cwd) && !exists(dir) => Some(Match::probable(Doubt::OtherFolder)),
                    Some(_) => None,
                }
            }
            NamedBy::Named(ours) if *ours == *name && seen.other_root => Some(Match::probable(Doubt::OtherRoot)),
            NamedBy::Named(ours) if *ours == *name => Some(Match::sure(Confidence::Module)),
            NamedBy::Script(_) if seen.cwd.is_none() => {
                let path = module_files(name, Path::new(""))[0].clone();
                self.suffix(&path)
            }
            _ => None,
        }
    }

    /// Compares one file that the process runs.
    fn file(&self, file: &Path, confidence: Confidence, seen: &ProcessFacts<'_>) -> Option<Match> {
        let named = || match self.program.kind() {
            NamedBy::Named(name) => file.file_name() == Some(name),
            NamedBy::Glob(_) => self.pattern.as_ref().is_some_and(|pattern| pattern.fits(file, seen.resolve)),
            NamedBy::Module { name, dir: None } => {
                module_files(name, Path::new("")).iter().any(|suffix| file.ends_with(suffix))
            }
            _ => false,
        };
        let confidence = match self.program.kind() {
            NamedBy::Module { .. } => Confidence::Module,
            _ => confidence,
        };
        let same_path = self.files.iter().any(|ours| ours == file);
        let same_path = same_path || named();
        if same_path && !seen.other_root {
            return Some(Match::sure(confidence));
        }
        if (same_path || !self.ids.is_empty()) && (seen.identify)(file).is_some_and(|id| self.ids.contains(&id)) {
            return Some(Match::sure(confidence));
        }
        same_path.then(|| Match::probable(Doubt::OtherRoot))
    }

    /// The working folder is unknown: the end of the path must do.
    fn suffix(&self, script: &Path) -> Option<Match> {
        let suffix: PathBuf = script.components().filter(|part| *part != Component::CurDir).collect();
        if suffix.as_os_str().is_empty() || suffix.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        let is_named = match self.program.kind() {
            NamedBy::Named(name) => suffix.file_name() == Some(name),
            _ => false,
        };
        (is_named || self.files.iter().any(|file| file.ends_with(&suffix)))
            .then(|| Match::probable(Doubt::UnknownFolder))
    }

    /// A bare name means a title of that very name. Of what was named otherwise, a title may remind.
    fn title(&self, name: &OsStr, seen: &ProcessFacts<'_>) -> Option<Match> {
        let title = argv::base(name);
        if matches!(self.program.kind(), NamedBy::Named(name) if name == title) {
            let is_here = !seen.other_root;
            return Some(if is_here { Match::sure(Confidence::Module) } else { Match::probable(Doubt::OtherRoot) });
        }
        let same = |file: &Path| file.file_name() == Some(title) || file.file_stem() == Some(title);
        let is_ours = match self.program.kind() {
            NamedBy::Named(name) => same(Path::new(name)),
            NamedBy::Module { name, .. } => title == OsStr::new(name),
            _ => self.files.iter().any(|file| same(file)),
        };
        is_ours.then(|| Match::probable(Doubt::Title))
    }

    /// `python -c 'import main'` in the script's folder, `node -e "require('./bot.js')"`.
    fn inline(&self, code: &str, seen: &ProcessFacts<'_>) -> Option<Match> {
        let file_name = match self.program.kind() {
            NamedBy::Script(path) => PathBuf::from(path.file_name()?),
            NamedBy::Named(name) => PathBuf::from(name),
            NamedBy::Module { name, .. } => PathBuf::from(format!("{name}.py")),
            NamedBy::Glob(_) | NamedBy::Executable(_) => return None,
        };
        let here = |dir: &Path| match self.program.kind() {
            NamedBy::Script(path) => path.parent() == Some(dir),
            NamedBy::Module { dir: Some(ours), .. } => ours == dir,
            _ => true,
        };
        let reachable = seen.cwd.is_none_or(here) || seen.python_path.iter().any(|dir| here(dir));
        let mentions = imports(code, &file_name);
        (reachable && mentions).then(|| Match::probable(Doubt::Inline))
    }
}

/// Whether code imports the module of that file, or names the file.
fn imports(code: &str, file: &Path) -> bool {
    let (Some(name), Some(stem)) = (file.to_str(), file.file_stem().and_then(OsStr::to_str)) else { return false };
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let words: Vec<&str> = code.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()).collect();
    let is_module = |word: &str| word == stem || word.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'));
    words.iter().any(|word| word.trim_start_matches('.') == name)
        || (words
            .iter()
            .any(|word| matches!(*word, "import" | "from" | "require" | "run_module" | "import_module" | "__import__"))
            && words.iter().any(|word| is_module(word.trim_start_matches('.'))))
}

/// The files that a script operand may mean, itself first.
fn variants(path: &Path, runner: Runner) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    match runner {
        Runner::Python => files.push(path.join("__main__.py")),
        Runner::Node | Runner::Bun => {
            files.extend(["index.js", "index.mjs", "index.cjs", "index.ts"].iter().map(|name| path.join(name)));
            if path.extension().is_none() {
                files.extend(["js", "mjs", "cjs", "ts"].iter().map(|ext| path.with_extension(ext)));
            }
        }
        _ => {}
    }
    files
}

fn resolve(path: &Path, cwd: Option<&Path>) -> Option<PathBuf> {
    if path.is_absolute() {
        return Some(absolute(Path::new("/"), path));
    }
    Some(absolute(cwd?, path))
}

/// What must occur in a command line that runs the program under no known interpreter.
fn needle(program: &Program) -> Vec<u8> {
    let name: OsString = match program.kind() {
        NamedBy::Script(path) | NamedBy::Executable(path) => path.file_stem().unwrap_or_default().to_owned(),
        NamedBy::Named(name) => Path::new(name).file_stem().unwrap_or_default().to_owned(),
        NamedBy::Glob(pattern) => {
            // A stem with wildcards cannot be searched for: every command line is read.
            let stem = Path::new(pattern).file_stem().unwrap_or_default().to_owned();
            if stem.as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte)) { OsString::new() } else { stem }
        }
        NamedBy::Module { name, .. } => name.rsplit('.').next().unwrap_or(name).into(),
    };
    name.into_encoded_bytes()
}

/// Names of interpreters by their beginnings; a few processes too many cost little.
const INTERPRETERS: [&[u8]; 18] = [
    b"python", b"pypy", b"Python", b"node", b"bun", b"deno", b"ruby", b"php", b"perl", b"lua", b"java", b"dotnet",
    b"jruby", b"Rscript", b"mono", b"tclsh", b"guile", b"julia",
];

fn is_interpreter(name: &[u8]) -> bool {
    INTERPRETERS.iter().any(|start| name.starts_with(start)) || name == b"escript" || name == b"truffleruby"
}

/// Shells run scripts too, and so do binaries that are many commands in one.
fn is_shell(name: &[u8]) -> bool {
    name.ends_with(b"sh") || name == b"busybox" || name == b"toybox"
}

#[cfg(test)]
mod tests;
