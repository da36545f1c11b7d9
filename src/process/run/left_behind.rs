//! What COMMAND leaves behind: which of its descendants are the bot, and which may become it.
//!
//! A start script ends as soon as it has put the bot into the background. What it started may then still be a fork of the
//! script that has not called `execve(2)` yet. So a descendant with COMMAND's own command line, or with that of a wrapper
//! around the bot (`nohup`, `setsid`, a version manager's shim), may become the bot.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::env;
use crate::platform::identity::{Identity, own_pid};
use crate::platform::proc::Handle;
use crate::platform::table::{self, Listed};
use crate::process::argv::{Inner, ParsedArgv, Runner};
use crate::process::candidate::{self, Candidate};
use crate::process::details::variable;
use crate::process::matching::Matcher;
use crate::process::program::Program;

/// How long a bot that COMMAND has handed on to a daemon may take to show.
pub const HANDED_ON: Duration = Duration::from_secs(2);
/// How many words of a shim's command line may come before the bot's.
const MOST_WORDS: usize = 8;

/// What counts as the bot among the descendants of COMMAND. Nothing is looked up before it is asked: a COMMAND like `true`
/// leaves nobody behind.
#[derive(Debug)]
pub struct DescendantCounter<'a> {
    /// COMMAND as it was typed, and where.
    pub command: &'a [OsString],
    /// The folder that it was started in.
    pub cwd: &'a Path,
    /// The bot's program, where something names it. Else a start script's bot is what it leaves behind, and any other COMMAND
    /// is the bot itself.
    pub named: Option<&'a Program>,
}

/// How a descendant counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descendant {
    /// It runs the bot.
    Bot,
    /// It may become it.
    Perhaps,
}

/// The descendants that count, and how.
pub type CountedDescendants = Vec<(Identity, Descendant)>;

impl DescendantCounter<'_> {
    /// The descendants of this process that count.
    pub fn descendants(&self, root: i32) -> CountedDescendants {
        self.with_rules(|known| candidate::descendants(&[root], &|one| Some((one.identity(), known.role(one)?))))
    }

    /// Those that count among the processes with the mark of this solobot in their environment, whoever their parent is.
    pub fn marked(&self, solobot: i32) -> CountedDescendants {
        let mark = solobot.to_string();
        let is_marked = |handle: &Handle| {
            let environ = handle.environ().unwrap_or_default();
            variable(&environ, env::HOLDER_PID) == Some(mark.as_bytes())
        };
        let listed = table::list(&|_| true).map(|listing| listing.kept).unwrap_or_default();
        let read = |hit: Listed| {
            let handle = Handle::open(hit.pid).filter(|handle| hit.pid != solobot && is_marked(handle))?;
            Candidate::read_now(&handle, hit.cmdline)
        };
        let candidates: Vec<Candidate> = listed.into_iter().filter_map(read).collect();
        self.with_rules(|known| candidates.iter().filter_map(|one| Some((one.identity(), known.role(one)?))).collect())
    }

    /// Whether COMMAND hands the bot on to a daemon, so that it may come only after COMMAND's end.
    pub fn is_handed_on(&self) -> bool {
        Program::is_handed_on(self.command, self.cwd)
    }

    /// How long after COMMAND's end its bot may still be started somewhere else: below a daemon that COMMAND only told to
    /// start it, or by a script. `None` where COMMAND is the bot itself.
    pub fn may_start_elsewhere(&self) -> Option<Duration> {
        if self.is_handed_on() {
            return Some(HANDED_ON);
        }
        let own = Program::of_command(self.command, self.cwd);
        own.is_some_and(|own| own.is_shell_script()).then_some(Duration::ZERO)
    }

    /// The bot that runs somewhere else since COMMAND was started, if it [may](Self::may_start_elsewhere).
    pub fn elsewhere(&self, command: Identity) -> Vec<Identity> {
        let is_later = |one: &Identity| one.start_ticks >= command.start_ticks && one.pid != own_pid();
        let listed = table::list(&|_| true).map(|listing| listing.kept).unwrap_or_default();
        let later = listed.into_iter().filter(|hit| Identity::of(hit.pid).as_ref().is_some_and(is_later));
        let candidates: Vec<Candidate> =
            later.filter_map(|hit| Candidate::read_now(&Handle::open(hit.pid)?, hit.cmdline)).collect();
        let is_bot = |known: &CountingRules<'_>, one: &&Candidate| known.role(one) == Some(Descendant::Bot);
        let found: Vec<&Candidate> =
            self.with_rules(|known| candidates.iter().filter(|one| is_bot(known, one)).collect());
        let is_below = |one: &&Candidate| found.iter().any(|other| other.identity().pid == one.details.stat.parent);
        found.iter().filter(|one| !is_below(one)).map(|one| one.identity()).collect()
    }

    fn with_rules<T>(&self, look: impl FnOnce(&CountingRules<'_>) -> T) -> T {
        let own = Program::of_command(self.command, self.cwd);
        let script = own.as_ref().filter(|own| own.is_shell_script());
        let folder = script.filter(|_| self.named.is_none()).and_then(Program::place);
        let program = self.named.or(own.as_ref());
        let known = CountingRules {
            command: self.command,
            program,
            matcher: program.map(Matcher::new),
            script: script.map(Matcher::new),
            folder: folder.as_deref().and_then(Path::parent).map(real),
        };
        look(&known)
    }
}

/// What is looked up for it.
struct CountingRules<'a> {
    command: &'a [OsString],
    /// The bot's program.
    program: Option<&'a Program>,
    matcher: Option<Matcher<'a>>,
    /// COMMAND's own, if a shell runs it.
    script: Option<Matcher<'a>>,
    /// Whatever runs under an interpreter from this folder or below: of a start script for which nothing names the bot.
    folder: Option<PathBuf>,
}

impl CountingRules<'_> {
    fn role(&self, one: &Candidate) -> Option<Descendant> {
        // A start script is not a bot while it waits for what it starts.
        if self.script.as_ref().is_some_and(|script| is_shells(one) && one.judge(script).is_some()) {
            return Some(Descendant::Perhaps);
        }
        if self.matcher.as_ref().is_some_and(|matcher| one.judge(matcher).is_some()) {
            return Some(Descendant::Bot);
        }
        // On its way into `execve(2)` it shows no command line for an instant.
        if one.details.argv.is_empty() || self.is_fork(one) {
            return Some(Descendant::Perhaps);
        }
        match &one.reading {
            ParsedArgv::Runs(invocation) if !matches!(invocation.runner, Runner::Shell | Runner::Native) => {
                one.program().is_some_and(|program| self.is_in_folder(&program)).then_some(Descendant::Bot)
            }
            ParsedArgv::Runs(invocation) if invocation.runner == Runner::Shell => {
                self.is_shim(one).then_some(Descendant::Perhaps)
            }
            ParsedArgv::Runs(_) => None,
            ParsedArgv::Wraps(wrapped) => {
                let cwd = one.cwd.as_deref()?;
                let would_run = |inner: &Inner| {
                    let dir = inner.dir.as_ref().map_or_else(|| cwd.to_path_buf(), |dir| cwd.join(dir));
                    self.is_its(&inner.argv, &dir)
                };
                (wrapped.inner.iter().any(would_run) || self.is_shim(one)).then_some(Descendant::Perhaps)
            }
        }
    }

    /// Whether a command line would run the bot.
    fn is_its(&self, argv: &[OsString], cwd: &Path) -> bool {
        Program::of_command(argv, cwd).is_some_and(|program| {
            let is_named = self.program.is_some_and(|named| program.is_same_but_for_args(named));
            is_named || self.is_in_folder(&program)
        })
    }

    /// Whether a script stands for an interpreter until it has found the one that is meant (`pyenv`, `rbenv`, `asdf`): some of
    /// its words are the command line of the bot.
    fn is_shim(&self, one: &Candidate) -> bool {
        let (argv, Some(cwd)) = (&one.details.argv, one.cwd.as_deref()) else { return false };
        (1..argv.len().min(MOST_WORDS)).any(|at| self.is_its(&argv[at..], cwd))
    }

    /// Whether it shows COMMAND's own command line; a script's has its interpreter before it, and perhaps that one's option.
    fn is_fork(&self, one: &Candidate) -> bool {
        let argv = one.details.argv.as_slice();
        !self.command.is_empty() && argv.ends_with(self.command) && argv.len() <= self.command.len() + 2
    }

    fn is_in_folder(&self, program: &Program) -> bool {
        let place = program.place().filter(|_| program.is_script_or_module() && !program.is_shell_script());
        self.folder.as_ref().zip(place).is_some_and(|(folder, place)| real(&place).starts_with(folder))
    }
}

fn is_shells(one: &Candidate) -> bool {
    matches!(&one.reading, ParsedArgv::Runs(invocation) if invocation.runner == Runner::Shell)
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
