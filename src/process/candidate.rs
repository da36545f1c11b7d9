//! Candidates: processes that may run a program, with everything that decides whether they do.
//!
//! Invariant: what was read belongs to one process ([`Details::identity`]). Not promised: that it is still running.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::argv::{self, Invocation, ParsedArgv, Runner, Target};
use super::details::{self, Details};
use super::instance::Role;
use super::matching::{Match, Matcher, ProcessFacts};
use super::program::Program;
use crate::base::secret::{self, ProcessToken};
use crate::platform::filesystem::FileId;
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Handle};
use crate::platform::table;
use crate::platform::words::os_str;

/// How often descendants that come and go are looked at before none of them counts as the program.
const MOST_LOOKS: u32 = 1000;
/// How often a process that changes its command line while it is read is read again.
const MOST_READINGS: u32 = 100;

/// A process that may run a program.
#[derive(Debug)]
pub struct Candidate {
    /// Identity, arguments, executable.
    pub details: Details,
    /// Its command line, read.
    pub reading: ParsedArgv,
    /// Its working folder; of one that has been removed, as by a deploy, where it was.
    pub cwd: Option<PathBuf>,
    /// The tokens in its environment and in its arguments.
    pub carried: Vec<ProcessToken>,
    /// Its environment cannot be read, so there may be other tokens in it.
    pub is_hidden: bool,
    /// What its environment says that its working folder was when it was started.
    pub pwd: Option<PathBuf>,
    /// Where systemd says that it was started, if its working folder cannot be read.
    pub told_folder: Option<PathBuf>,
    /// The folders of its `PYTHONPATH`.
    python_path: Vec<PathBuf>,
    /// Whether its root folder is another one than ours: then equal paths are different files.
    other_root: bool,
    /// What it reads its program from, where that is its standard input.
    stdin: Option<PathBuf>,
}

impl Candidate {
    /// Reads a process; `None` if it is gone, a zombie or a kernel thread.
    pub fn read(handle: &Handle, cmdline: &[u8]) -> Option<Self> {
        let details = Details::with_argv(handle, proc::words(cmdline))?;
        let reading = argv::read(&details.argv, details.exe.as_deref());
        let cwd = handle.cwd().map(|cwd| proc::undeleted(&cwd));
        let mut candidate = Self {
            details,
            reading,
            cwd,
            carried: Vec::new(),
            is_hidden: false,
            pwd: None,
            told_folder: None,
            python_path: Vec::new(),
            other_root: false,
            stdin: None,
        };
        let ParsedArgv::Runs(invocation) = &candidate.reading else { return Some(candidate) };
        let environ = handle.environ();
        candidate.is_hidden = environ.is_err();
        let environ = environ.unwrap_or_default();
        candidate.python_path = details::python_path(&environ, candidate.cwd.as_deref());
        candidate.pwd = details::variable(&environ, "PWD").map(|pwd| PathBuf::from(os_str(pwd)));
        candidate.carried = secret::carried(&environ, &candidate.details.argv);
        candidate.other_root = has_other_root(handle);
        candidate.stdin = matches!(invocation.target, Target::Stdin).then(|| handle.stdin()).flatten();
        Some(candidate)
    }

    /// Reads a process that showed this command line a moment ago, with the one that it has now: all that is read is of one
    /// program.
    pub fn read_now(handle: &Handle, mut cmdline: Vec<u8>) -> Option<Self> {
        for _ in 0..MOST_READINGS {
            let candidate = Self::read(handle, &cmdline)?;
            if candidate.is_of_one_program(handle, &cmdline) {
                return Some(candidate);
            }
            cmdline = handle.cmdline().ok()?;
        }
        Self::read(handle, &cmdline)
    }

    /// Whether what was read with that command line is of one program. In the middle of an exec, a process may show the
    /// command line of one program and the executable of the next, which tells of neither. One that has ended since executes
    /// nothing any more.
    fn is_of_one_program(&self, handle: &Handle, cmdline: &[u8]) -> bool {
        handle.cmdline().is_ok_and(|now| now == cmdline) || !self.identity().is_alive()
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        self.details.identity
    }

    /// Whether it runs the program.
    pub fn judge(&self, matcher: &Matcher<'_>) -> Option<Match> {
        let found = self.judge_in(self.told_folder.as_deref().or(self.cwd.as_deref()), matcher)?;
        Some(Match { started_in: self.told_folder.clone(), ..found })
    }

    /// The same if it had been started in that folder, and only there.
    pub fn judge_in(&self, cwd: Option<&Path>, matcher: &Matcher<'_>) -> Option<Match> {
        let ParsedArgv::Runs(invocation) = &self.reading else { return None };
        // systemd tells the folder only of what has our root folder, and the process's own cannot be looked at.
        let identify = |path: &Path| match self.told_folder {
            Some(_) => FileId::of(path),
            None => Handle::open(self.identity().pid)?.id_inside(path),
        };
        let resolve = |path: &Path| path.canonicalize().ok().filter(|_| !self.other_root);
        let found = matcher.judge(&ProcessFacts {
            invocation,
            exe: self.details.exe.as_deref(),
            cwd,
            stdin: self.stdin.as_deref(),
            python_path: &self.python_path,
            other_root: self.other_root,
            identify: &identify,
            resolve: &resolve,
        });
        // Files were looked up by its PID.
        found.filter(|_| self.identity().is_alive())
    }

    /// Whether it may run a program for all that can be seen, although no rule says so: a script whose name does not tell
    /// what it is, in a folder that cannot be read. One that has ended meanwhile shows no folder either, and nothing was
    /// missed in it.
    pub fn is_blind(&self) -> bool {
        let ParsedArgv::Runs(invocation) = &self.reading else { return false };
        let tells_nothing = match &invocation.target {
            Target::Stdin | Target::Inline(_) => true,
            Target::Script(script) => script.is_relative() && !argv::has_script_extension(script.as_os_str()),
            Target::Module(_) | Target::Worker | Target::Executable(_) => false,
        };
        let lives = || Handle::open(self.identity().pid).and_then(|handle| handle.stat());
        tells_nothing && self.cwd.is_none() && lives().is_some_and(|stat| !stat.is_exiting)
    }

    /// The arguments after the program.
    pub fn args(&self) -> &[std::ffi::OsString] {
        match &self.reading {
            ParsedArgv::Runs(invocation) => &invocation.args,
            ParsedArgv::Wraps(_) => &[],
        }
    }

    /// What it runs, as its own command line says; `None` where that is unknown (`-c`, standard input, a title that gives only
    /// a name).
    pub fn program(&self) -> Option<Program> {
        self.program_in(self.cwd.as_deref()?)
    }

    /// The same of one that was started in that folder.
    pub fn program_in(&self, cwd: &Path) -> Option<Program> {
        match &self.reading {
            ParsedArgv::Runs(_) if self.title().is_some() => None,
            ParsedArgv::Runs(invocation) => Program::of_invocation(invocation, self.details.exe.as_deref(), cwd),
            ParsedArgv::Wraps(_) => None,
        }
    }

    /// Whether it shows a title in the place of its command line.
    pub fn has_title(&self) -> bool {
        argv::is_title(&self.details.argv, self.details.exe.as_deref())
    }

    /// Of what runs under an interpreter and shows a name of its own in the place of its command line, that name: what `-m` may
    /// mean. The interpreter is no program.
    pub fn title(&self) -> Option<Program> {
        match &self.reading {
            ParsedArgv::Runs(Invocation { runner, target: Target::Executable(name), .. })
                if *runner != Runner::Native && self.has_title() =>
            {
                Some(Program::called(argv::base(name)))
            }
            _ => None,
        }
    }

    /// Whether it is a part of what runs in a process above it: a runtime's worker, or a fork, which has its command line or
    /// a title that begins with the same name.
    pub fn is_part_of(&self, above: &Self) -> bool {
        let (ParsedArgv::Runs(own), ParsedArgv::Runs(theirs)) = (&self.reading, &above.reading) else { return false };
        match &own.target {
            Target::Worker => theirs.runner == own.runner,
            target => *target == theirs.target && self.details.exe == above.details.exe,
        }
    }

    /// Its role where it does not run the program.
    pub fn role(&self) -> Role {
        match &self.reading {
            ParsedArgv::Wraps(_) => Role::Wrapper,
            ParsedArgv::Runs(Invocation { target: Target::Worker, .. }) => Role::Worker,
            ParsedArgv::Runs(_) => Role::Other,
        }
    }
}

fn has_other_root(handle: &Handle) -> bool {
    static OURS: OnceLock<Option<FileId>> = OnceLock::new();
    let ours = *OURS.get_or_init(|| FileId::of(Path::new("/")));
    match (handle.root_id(), ours) {
        (Some(root), Some(ours)) => root != ours,
        _ => false,
    }
}

/// The living descendants of these processes of which `judge` says something. Cheap: only the descendants are looked at.
///
/// "None" is the answer of a moment in which the descendants stood still: one that forks and ends while they are looked at
/// (a daemon on its way into the background) would hide its child from a single look.
pub fn descendants<T>(roots: &[i32], judge: &dyn Fn(&Candidate) -> Option<T>) -> Vec<T> {
    let list = || table::descendants(roots).unwrap_or_default();
    let read = |pid: i32| {
        let handle = Handle::open(pid)?;
        let cmdline = handle.cmdline().ok()?;
        judge(&Candidate::read_now(&handle, cmdline)?)
    };
    let mut below = list();
    for _ in 0..MOST_LOOKS {
        let found: Vec<T> = below.iter().filter_map(|&pid| read(pid)).collect();
        // Twice: a process can pass from one parent to the next between the reading of the one and of the other.
        let seen = std::mem::replace(&mut below, list());
        if !found.is_empty() || (seen == below && seen == list()) {
            return found;
        }
    }
    Vec::new()
}

/// Those that run the program, with any token and arguments.
pub fn descendants_running(roots: &[i32], program: &Program) -> Vec<Identity> {
    let matcher = Matcher::new(program);
    descendants(roots, &|one| one.judge(&matcher).map(|_| one.identity()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_while_another_program_is_executed_is_read_again() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let now = b"sleep\x0060\0";
        let is_executed = || Handle::open(pid).and_then(|one| one.cmdline().ok()).is_some_and(|text| text == *now);
        while !is_executed() {
            std::thread::yield_now();
        }
        let handle = Handle::open(pid).unwrap();
        let before = b"sh\0-c\0while :; do python3 bot.py; done\0";
        let mixed = Candidate::read(&handle, before).unwrap();
        assert!(!mixed.is_of_one_program(&handle, before));
        assert!(mixed.is_of_one_program(&handle, now));
        let whole = Candidate::read_now(&handle, before.to_vec()).unwrap();
        assert_eq!(whole.details.argv, ["sleep", "60"]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(mixed.is_of_one_program(&handle, before));
    }
}
