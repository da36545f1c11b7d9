//! What runs on this machine and starts programs: shell loops, managers, supervisors of one's own. Read once for all bots.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::supervisord::SupervisedProgram;
use super::tail::end_of;
use super::{pm2, supervisord};
use crate::platform::identity::{Identity, Stat};
use crate::platform::proc::{self, Handle};
use crate::platform::table::{self, Listed};
use crate::platform::user;
use crate::process::argv::{self, Invocation, ParsedArgv, Runner, Target};
use crate::process::details::{Details, command_line};
use crate::process::origin::{self, LoadedUnit, Scope, Starter};
use crate::process::program::{Program, Start};

/// So much of a script's beginning is looked at.
const SCRIPT: usize = 64 * 1024;

/// A process that may start programs.
pub struct StartingProcess {
    pub process: Identity,
    pub command: String,
    pub what: StarterKind,
    parent: i32,
    argv: Vec<OsString>,
    cwd: PathBuf,
    /// The page faults of its children so far.
    faults: Option<u64>,
}

pub enum StarterKind {
    /// A shell loop, watch(1).
    Loop,
    /// runit's or s6's supervisor of one service.
    Service,
    Supervisord(Vec<SupervisedProgram>),
    /// pm2's daemon, with the most ends of one app in the last minute.
    Pm2(u64),
    /// A program under an interpreter, with its script.
    Script(Option<PathBuf>),
}

/// Everything that may start programs here.
#[derive(Default)]
pub struct Machine {
    pub processes: Vec<StartingProcess>,
    pub units: Vec<LoadedUnit>,
}

impl Machine {
    pub fn look(now: Timestamp) -> Self {
        let listing = table::list(&|cmdline| may_start(cmdline)).unwrap_or_default();
        let all: Vec<StartingProcess> = listing.kept.iter().filter_map(|hit| starting(hit, now)).collect();
        // A loop forks for what it starts: that one shows the same command line for a moment, or as long as it waits.
        let parents: Vec<(i32, String)> = all.iter().map(|one| (one.process.pid, one.command.clone())).collect();
        let is_fork = |one: &StartingProcess| {
            matches!(one.what, StarterKind::Loop) && parents.contains(&(one.parent, one.command.clone()))
        };
        Self { processes: all.into_iter().filter(|one| !is_fork(one)).collect(), units: units() }
    }
}

/// The services of the system, and of the caller.
pub fn units() -> Vec<LoadedUnit> {
    let mut all = origin::units(Scope::System);
    if user::effective_uid() != 0 {
        all.extend(origin::units(Scope::OwnUser));
    }
    all
}

fn may_start(cmdline: &[u8]) -> bool {
    let first = cmdline.split(|&byte| byte == 0 || byte == b' ').next().unwrap_or_default();
    let name = argv::base(crate::platform::words::os_str(first)).to_owned();
    matches!(name.to_str(), Some("watch" | "runsv" | "s6-supervise" | "supervisord" | "PM2"))
        || Runner::of_name(&name).is_some_and(|runner| runner != Runner::Native)
}

fn starting(hit: &Listed, now: Timestamp) -> Option<StartingProcess> {
    let handle = Handle::open(hit.pid)?;
    let details = Details::with_argv(&handle, proc::words(&hit.cmdline))?;
    let cwd = handle.cwd()?;
    let what = match origin::starter_of(&details) {
        Starter::Loop => StarterKind::Loop,
        Starter::Runsv | Starter::S6 => StarterKind::Service,
        Starter::Supervisord => StarterKind::Supervisord(supervisord::programs(&details.argv, &cwd, now)),
        Starter::Pm2 { home } => StarterKind::Pm2(pm2::restarts(Path::new(&home), now)),
        Starter::Other => StarterKind::Script(script_of(&details, &cwd)),
        _ => return None,
    };
    Some(StartingProcess {
        process: details.identity,
        command: command_line(&details.argv),
        what,
        cwd,
        parent: details.stat.parent,
        faults: details.stat.children_faults,
        argv: details.argv,
    })
}

fn script_of(details: &Details, cwd: &Path) -> Option<PathBuf> {
    match argv::read(&details.argv, details.exe.as_deref()) {
        ParsedArgv::Runs(Invocation { target: Target::Script(script), .. }) => Some(cwd.join(script)),
        _ => None,
    }
}

impl StartingProcess {
    /// How it would start the program, as its command line or its service's script says.
    pub fn start(&self, program: &Program, name: Option<&str>) -> Option<Start> {
        match self.what {
            StarterKind::Loop => program.start_by(&self.argv, &self.cwd, name),
            StarterKind::Service => program.start_by_script(&self.cwd.join("run"), &self.cwd, name),
            _ => None,
        }
    }

    /// Whether an argument or its script's text names the program's file, and the folders fit. That may mean anything, and is
    /// worth a look.
    pub fn mentions(&self, program: &Program) -> bool {
        let (StarterKind::Script(script), Some(place)) = (&self.what, program.place()) else { return false };
        let is_place = |word: &OsString| self.cwd.join(word) == place;
        if self.argv.iter().skip(1).any(is_place) {
            return true;
        }
        let Some(script) = script.as_ref().filter(|script| **script != place) else { return false };
        let is_near = |folder: &Path| place.starts_with(folder) && folder.parent().is_some();
        let text = end_of(script, SCRIPT).unwrap_or_default();
        let names = |name: &str| memchr::memmem::find(&text, name.as_bytes()).is_some();
        names(&place.to_string_lossy())
            || (names(&program.file_name()) && (is_near(&self.cwd) || script.parent().is_some_and(is_near)))
    }

    /// Whether children of it have ended by then, or since.
    pub fn has_had_children(&self) -> bool {
        self.faults.is_some_and(|faults| faults > 0)
    }

    /// Whether the child of a service's supervisor has ended since it was looked at. Others have children of many kinds.
    pub fn has_lost_child(&self) -> bool {
        if !matches!(self.what, StarterKind::Service) {
            return false;
        }
        let now = Stat::read(self.process.pid).filter(|stat| stat.start_ticks == self.process.start_ticks);
        now.is_some_and(|stat| stat.children_faults > self.faults)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One with that PID, without arguments, in `/srv`.
    pub fn starting(pid: i32, what: StarterKind) -> StartingProcess {
        let process = Identity { pid, start_ticks: 1 };
        StartingProcess {
            process,
            command: "starter".into(),
            what,
            parent: 1,
            argv: vec!["starter".into()],
            cwd: "/srv".into(),
            faults: None,
        }
    }

    #[test]
    fn a_script_mentions_a_bot_by_an_argument_or_in_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("bot.py");
        let bot = Program::script(&place);
        let script = folder.path().join("start.py");
        let with = |text: &str, arguments: &[&str], cwd: &Path| {
            std::fs::write(&script, text).unwrap();
            let argv = arguments.iter().map(Into::into).collect();
            StartingProcess { argv, cwd: cwd.into(), ..starting(9, StarterKind::Script(Some(script.clone()))) }
        };
        let (here, elsewhere) = (folder.path(), Path::new("/srv"));
        let text = "subprocess.run(['python3', 'bot.py'])";
        assert!(with("", &["python3", "start.py", "bot.py"], here).mentions(&bot));
        assert!(!with("", &["python3", "start.py", "bot.py"], elsewhere).mentions(&bot));
        assert!(with(text, &["python3", "start.py"], elsewhere).mentions(&bot));
        assert!(!with("subprocess.run(['python3', 'other.py'])", &["python3", "start.py"], here).mentions(&bot));
        // The bot's own file is no starter of it.
        let own = StartingProcess { cwd: here.into(), ..starting(9, StarterKind::Script(Some(place.clone()))) };
        std::fs::write(&place, text).unwrap();
        assert!(!own.mentions(&bot));
        assert!(!StartingProcess { what: StarterKind::Loop, ..with(text, &["sh"], here) }.mentions(&bot));
    }
}
