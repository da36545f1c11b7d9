//! The program that a command line would run: [`Program::of_command`].
//!
//! Wrappers are read through, `PATH` and shebangs are looked up, and `package.json` for `npm start`.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::platform::filesystem::{open_named, open_regular, read_bounded};
use crate::platform::proc;
use crate::platform::words::{names_folder, os_str, started_file};

use super::super::argv::{self, Invocation, ParsedArgv, Runner, Target, Wrapped};
use super::shebang::{first_line, is_shells, shebang};
use super::{Args, NamedBy, Program, absolute};

/// No shell script that starts a bot is longer.
const LARGEST_SCRIPT: u64 = 64 * 1024;
/// A longer `package.json` is not read.
const LARGEST_PACKAGE: u64 = 1024 * 1024;
/// How deep wrappers may be nested: more than anyone needs, and a package script may call itself.
const DEEPEST: usize = 12;
/// How many commands are looked at for one question: a script may name itself in every line.
const MOST_COMMANDS: usize = 4096;

/// What is left of both.
#[derive(Clone, Copy)]
pub(super) struct Room<'a> {
    depth: usize,
    commands: &'a Cell<usize>,
}

impl<'a> Room<'a> {
    /// For one question.
    pub fn of(commands: &'a Cell<usize>) -> Self {
        commands.set(MOST_COMMANDS);
        Self { depth: DEEPEST, commands }
    }

    /// For what is one command further, and deeper by one; `None` if that is too far.
    pub fn below(self) -> Option<Self> {
        // One that is too deep is counted too: a script may have thousands of them.
        self.commands.set(self.commands.get().checked_sub(1)?);
        Some(Self { depth: self.depth.checked_sub(1)?, ..self })
    }
}

impl Program {
    /// The program that COMMAND would run when started in `cwd`; `None` if that cannot be said (`npm run` of an
    /// unknown script, `python -c`, an interactive shell).
    pub fn of_command(argv: &[OsString], cwd: &Path) -> Option<Self> {
        of_command(argv, cwd, Room::of(&Cell::default()))
    }

    /// The scripts and modules that a shell script starts, as far as its text says so; none of any other program. Where it
    /// changes to a folder that only the shell could tell, nothing is said of what it starts there.
    pub fn started_by_script(&self) -> Vec<Self> {
        let NamedBy::Script(script) = &self.kind else { return Vec::new() };
        let (Some(text), Some(own)) = (shell_text(script), script.parent()) else { return Vec::new() };
        let cwd = self.folder().unwrap_or(own);
        let commands = Cell::default();
        let room = Room::of(&commands);
        let started = commands_of_script(script, &text).into_iter().filter_map(|inner| {
            let dir = match inner.dir {
                Some(dir) => folder_of(&dir, cwd, own)?,
                None => cwd.to_path_buf(),
            };
            let program = of_command(&inner.argv, &dir, room)?;
            // Variables for the script's own arguments may be anything.
            let is_open = program.args().is_some_and(|args| args.words().iter().any(is_expansion));
            Some(if is_open { program.anyhow() } else { program })
        });
        let mut found: Vec<Self> = Vec::new();
        for program in started.filter(|program| program.is_script_or_module() && !program.is_same_but_for_args(self)) {
            // `pip`, `alembic`: an errand of the script's, and no bot.
            if !found.contains(&program) && !program.is_installed() {
                found.push(program);
            }
        }
        found
    }

    /// Whether COMMAND hands the bot on to a server or a daemon, below which it runs on after COMMAND's end.
    pub fn is_handed_on(command: &[OsString], cwd: &Path) -> bool {
        is_handed_on(command, cwd, Room::of(&Cell::default()))
    }

    /// Whether it is a command of the machine's: a script without an extension in a folder of `PATH`.
    fn is_installed(&self) -> bool {
        let NamedBy::Script(path) = &self.kind else { return false };
        let commands = std::env::var_os(crate::base::env::PATH).unwrap_or_default();
        path.extension().is_none() && std::env::split_paths(&commands).any(|folder| path.parent() == Some(&folder))
    }

    /// The program that a process runs in that folder; `None` for a worker, inline code or standard input.
    pub fn of_invocation(invocation: &Invocation, exe: Option<&Path>, cwd: &Path) -> Option<Self> {
        let program = match &invocation.target {
            Target::Script(path) => Self::of_kind(NamedBy::Script(runnable(&absolute(cwd, path), invocation.runner))),
            Target::Module(name) => Self::of_kind(NamedBy::Module { name: name.clone(), dir: Some(cwd.to_path_buf()) }),
            Target::Executable(name) => match exe {
                Some(exe) => Self::of_kind(NamedBy::Executable(proc::undeleted(exe))),
                None => Self::at(&which(name, cwd)?),
            },
            Target::Inline(_) | Target::Worker | Target::Stdin => return None,
        };
        Some(program.run_as(invocation, cwd))
    }

    /// With the arguments and in the folder that it is started with.
    fn run_as(self, invocation: &Invocation, cwd: &Path) -> Self {
        self.with_args(Args::exactly(invocation.args.clone())).with_folder(cwd)
    }
}

pub(super) fn of_command(command: &[OsString], cwd: &Path, room: Room<'_>) -> Option<Program> {
    let room = room.below().filter(|_| !command.is_empty())?;
    match argv::read(command, None) {
        ParsedArgv::Wraps(wrapped) => inside(&wrapped, command, cwd, room),
        ParsedArgv::Runs(invocation) => {
            if let Some(inner) = launched(&invocation) {
                return first_of(&inner, cwd, room);
            }
            let file = match &invocation.target {
                Target::Executable(name) => which(name, cwd),
                _ => None,
            };
            let first = file.as_deref().and_then(first_line).unwrap_or_default();
            if let (Some(file), Some(line)) = (&file, shebang(&first)) {
                return of_command(&with_interpreter(line, file, &invocation), cwd, room);
            }
            let line = (invocation.runner == Runner::Bun).then(|| package_script(command, cwd)).flatten();
            match line {
                Some(line) => first_of(&argv::shell::commands(OsStr::new(&line)), cwd, room),
                None => match file {
                    Some(file) => Some(Program::beginning_with(&file, &first).run_as(&invocation, cwd)),
                    None => Program::of_invocation(&invocation, None, cwd),
                },
            }
        }
    }
}

/// The command line that the kernel makes of a script that is executed as a file: a tool's console script (`uvicorn main:app`)
/// is not what it runs.
fn with_interpreter(line: &[u8], file: &Path, invocation: &Invocation) -> Vec<OsString> {
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(|word| os_str(word).to_owned());
    words.chain([file.into()]).chain(invocation.args.iter().cloned()).collect()
}

fn launched(invocation: &Invocation) -> Option<Vec<argv::Inner>> {
    let name = match &invocation.target {
        Target::Executable(name) => argv::base(name),
        Target::Script(path) => path.file_name()?,
        _ => return None,
    };
    argv::wrapper::launched(name.to_str()?, &invocation.args)
}

fn is_handed_on(command: &[OsString], cwd: &Path, room: Room<'_>) -> bool {
    let Some(room) = room.below().filter(|_| !command.is_empty()) else { return false };
    let any = |commands: &[argv::Inner]| commands.iter().any(|inner| is_handed_on(&inner.argv, cwd, room));
    match argv::read(command, None) {
        ParsedArgv::Wraps(wrapped) => wrapped.name == "systemd-run" || any(&wrapped.inner),
        ParsedArgv::Runs(invocation) if launched(&invocation).is_some() => true,
        ParsedArgv::Runs(invocation) => {
            let program = Program::of_invocation(&invocation, None, cwd);
            let script = program.filter(Program::is_script_or_module).and_then(|program| program.place());
            let text = script.as_deref().and_then(shell_text).unwrap_or_default();
            any(&commands_of_script(script.as_deref().unwrap_or(Path::new("")), &text))
        }
    }
}

/// The text of a script that a shell runs.
pub(super) fn shell_text(script: &Path) -> Option<Vec<u8>> {
    if !is_shells(script) {
        return None;
    }
    let mut text = Vec::new();
    let file = open_regular(script).ok()?;
    file.take(LARGEST_SCRIPT).read_to_end(&mut text).ok()?;
    Some(text)
}

/// The commands of a script that a shell runs.
pub(super) fn commands_of_script(script: &Path, text: &[u8]) -> Vec<argv::Inner> {
    match (script.extension(), script.parent()) {
        (Some(extension), Some(own)) if argv::windows_shell::is_script(extension) => {
            argv::windows_shell::commands_of_script(&String::from_utf8_lossy(text), extension, &own.to_string_lossy())
        }
        _ => argv::shell::commands(os_str(text)),
    }
}

/// The folder that a script changes to: its own by `$0`, the home folder, or one that is written out.
pub(super) fn folder_of(dir: &Path, cwd: &Path, own: &Path) -> Option<PathBuf> {
    let text = dir.to_str()?;
    if text.contains("$0") || text.contains("BASH_SOURCE") {
        return Some(own.to_path_buf());
    }
    let at_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|home| text.strip_prefix(home));
    if let Some(rest) = at_home {
        return Some(std::env::home_dir()?.join(rest));
    }
    (!text.contains(['$', '`', '~'])).then(|| absolute(cwd, dir))
}

pub(super) fn is_expansion(word: &OsString) -> bool {
    word.as_encoded_bytes().contains(&b'$')
}

/// The first inner command that is a script or a module, else the first that is a program at all.
fn inside(wrapped: &Wrapped, command: &[OsString], cwd: &Path, room: Room<'_>) -> Option<Program> {
    if wrapped.inner.is_empty() {
        let line = package_script(command, cwd)?;
        return first_of(&argv::shell::commands(OsStr::new(&line)), cwd, room);
    }
    first_of(&wrapped.inner, cwd, room)
}

fn first_of(commands: &[argv::Inner], cwd: &Path, room: Room<'_>) -> Option<Program> {
    let programs: Vec<Program> = commands
        .iter()
        .filter_map(|inner| {
            let dir = inner.dir.as_ref().map_or_else(|| cwd.to_path_buf(), |dir| absolute(cwd, dir));
            of_command(&inner.argv, &dir, room)
        })
        .collect();
    programs.iter().find(|program| program.is_script_or_module()).or(programs.first()).cloned()
}

/// What `npm start`, `npm run NAME`, `yarn NAME` or `bun run NAME` runs, by `package.json` in the current folder.
fn package_script(command: &[OsString], cwd: &Path) -> Option<String> {
    let words: Vec<&str> =
        command.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-')).collect();
    let at = words
        .iter()
        .position(|word| matches!(argv::base(OsStr::new(word)).to_str(), Some("npm" | "pnpm" | "yarn" | "bun")))?;
    let name = match *words.get(at + 1)? {
        "run" | "run-script" => words.get(at + 2)?,
        name => name,
    };
    // The folder may be another user's, who can put a FIFO there.
    let text = read_bounded(open_named(&cwd.join("package.json")).ok()?, LARGEST_PACKAGE).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
    Some(package.get("scripts")?.get(name)?.as_str()?.to_owned())
}

/// What is run where a script is named: of a folder its main file; Node adds the extension.
fn runnable(path: &Path, runner: Runner) -> PathBuf {
    let candidates: Vec<PathBuf> = match runner {
        Runner::Python if path.is_dir() => vec![path.join("__main__.py")],
        Runner::Node | Runner::Bun if path.is_dir() => {
            ["index.js", "index.mjs", "index.ts"].iter().map(|name| path.join(name)).collect()
        }
        Runner::Node if path.extension().is_none() && !path.exists() => {
            ["js", "cjs", "mjs"].iter().map(|ext| path.with_extension(ext)).collect()
        }
        _ => return path.to_path_buf(),
    };
    candidates.into_iter().find(|file| file.is_file()).unwrap_or_else(|| path.to_path_buf())
}

/// The file that a command name means: by path, else by `PATH`, else as `npx` finds it.
fn which(name: &OsStr, cwd: &Path) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    if names_folder(name.as_encoded_bytes()) {
        return Some(started_file(absolute(cwd, Path::new(name))));
    }
    let path = std::env::var_os(crate::base::env::PATH);
    let folders = path.iter().flat_map(std::env::split_paths);
    let in_path = folders.map(|dir| started_file(absolute(cwd, &dir.join(name))));
    let installed = cwd.ancestors().map(|dir| dir.join("node_modules/.bin").join(name));
    in_path.chain(installed).find(|file| file.is_file())
}
