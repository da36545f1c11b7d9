//! The facts that decide an origin, gathered from `/proc`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::platform::filesystem::open_named;
use crate::platform::services::{self, RunningService, ServiceSettings};
use crate::platform::user;

use super::super::argv::{self, windows_shell};
use super::super::details::{Details, DetailsByPid, background_log};
use super::cgroup;
use super::forecast::answer_of;
use super::launchd::{self, LaunchdJob};
use super::starter::Starter;
use crate::platform::identity::{ancestry, own_pid};
use crate::platform::proc::{self, Handle};
use crate::platform::words::os_str;

/// How long launchd may take to list its jobs.
const LAUNCHD_PATIENCE: Duration = Duration::from_millis(200);

/// The name of the service that is Windows' Task Scheduler.
const TASK_SCHEDULER: &str = "Schedule";

/// One ancestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AncestorFacts {
    pub pid: i32,
    pub parent: i32,
    pub session: Option<i32>,
    /// What it is.
    pub starter: Starter,
    /// Its arguments.
    pub argv: Vec<OsString>,
    /// Its working folder, where it can be read.
    pub cwd: Option<PathBuf>,
    /// Its real uid, where it can be read.
    pub uid: Option<u32>,
    /// Its user's name, if solobot runs as another user and may not signal it.
    pub owner: Option<String>,
    /// Whether solobot descends from it too.
    pub is_ours: bool,
    /// What it is to Windows' services.
    pub service: Option<ServiceRole>,
    /// Of a solobot that `acquire --detach` left in the background: its log.
    pub log: Option<PathBuf>,
}

/// What a process is to Windows' services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceRole {
    /// The process of a service.
    Service {
        /// As commands take it.
        name: String,
        /// As people see it.
        display: String,
        settings: ServiceSettings,
    },
    /// The host of the Task Scheduler.
    TaskScheduler,
}

/// Everything that [`judge()`](super::judge()) looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct OriginFacts {
    /// The instance's root.
    pub pid: i32,
    /// Its real uid, where it can be read.
    pub uid: Option<u32>,
    /// solobot's uid.
    pub own_uid: u32,
    /// The root's parent.
    pub parent: i32,
    /// The root's session.
    pub session: Option<i32>,
    /// Whether it leads its process group, as supervisord lets each of its children do.
    pub leads_group: bool,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Whether it ignores SIGHUP, as under nohup.
    pub ignores_hangup: bool,
    /// Whether it is PID 1 of its own PID namespace.
    pub is_namespace_init: bool,
    /// What it is itself to Windows' services.
    pub service: Option<ServiceRole>,
    /// Its environment block; `None` where it cannot be read.
    pub environ: Option<Vec<u8>>,
    /// Its `cgroup` file.
    pub cgroup: String,
    /// The id of solobot's own container.
    pub own_container: Option<String>,
    /// Whether solobot descends from what is above the last one of the chain too.
    pub is_top_ours: bool,
    /// Its ancestors, nearest first.
    pub chain: Vec<AncestorFacts>,
    /// The job of launchd that it is or descends from.
    pub launchd: Option<LaunchdJob>,
    /// pm2's dump of its processes (`HOME/dump.pm2`), where a pm2 is among the ancestors.
    pub pm2_dump: Option<String>,
}

/// Gathers the facts about one process.
pub fn gather(root: &Details, ancestors: &[i32], known: &DetailsByPid) -> OriginFacts {
    let pid = root.identity.pid;
    let handle = Handle::open(pid);
    let upbringing = handle.as_ref().map(Handle::upbringing).unwrap_or_default();
    // A shell that has started a bot may have become this solobot (`exec`, or bash's last command): it starts no more.
    let others = ancestors.iter().filter(|&&pid| pid != own_pid());
    let running = services::running().unwrap_or_default();
    let link = |process: &Details| link(process, &running);
    let chain: Vec<AncestorFacts> = others.filter_map(|pid| Some(link(known.get(pid)?))).collect();
    let environ = handle.as_ref().and_then(|handle| handle.environ().ok());
    OriginFacts {
        pid,
        launchd: launchd_job(pid, root.stat.parent, &chain, known, environ.as_deref()),
        service: service_role(pid, &running),
        uid: upbringing.uid,
        own_uid: user::real_uid(),
        parent: root.stat.parent,
        session: root.stat.session,
        leads_group: root.stat.group == Some(pid),
        has_terminal: root.stat.has_terminal,
        ignores_hangup: upbringing.ignores_hangup,
        is_namespace_init: upbringing.is_namespace_init,
        environ,
        cgroup: handle.as_ref().map(Handle::cgroup).unwrap_or_default(),
        own_container: own().container.clone(),
        pm2_dump: pm2_dump(&chain),
        is_top_ours: own().ancestors.contains(&chain.last().map_or(root.stat.parent, |link| link.parent)),
        chain,
    }
}

/// The job of launchd that a process belongs to, where launchd is PID 1: it, or the last one of the chain below, is its child.
fn launchd_job(
    pid: i32,
    parent: i32,
    chain: &[AncestorFacts],
    known: &DetailsByPid,
    environ: Option<&[u8]>,
) -> Option<LaunchdJob> {
    static LIST: OnceLock<Option<String>> = OnceLock::new();
    let is_launchd =
        |init: &Details| init.exe.as_deref().and_then(Path::file_name).is_some_and(|name| name == "launchd");
    known.get(&1).filter(|init| is_launchd(init))?;
    let top = if parent == 1 { pid } else { chain.iter().find(|link| link.parent == 1)?.pid };
    let list = LIST.get_or_init(|| {
        let mut command = Command::new("launchctl");
        command.arg("list");
        answer_of(command, LAUNCHD_PATIENCE)
    });
    launchd::job(top, proc::owner(top), environ, list.as_deref())
}

/// pm2 writes it on `pm2 save`; a stale one says nothing about a process that is not in it.
fn pm2_dump(chain: &[AncestorFacts]) -> Option<String> {
    let home = chain.iter().find_map(|link| match &link.starter {
        Starter::Pm2 { home } => Some(home),
        _ => None,
    })?;
    String::from_utf8(read_head(&Path::new(home).join("dump.pm2"), 4 * 1024 * 1024)?).ok()
}

/// What a process is to these services.
fn service_role(pid: i32, running: &[RunningService]) -> Option<ServiceRole> {
    running.iter().filter(|service| service.pid == pid).find_map(
        |RunningService { name, display, is_alone, .. }| {
            if name.eq_ignore_ascii_case(TASK_SCHEDULER) {
                return Some(ServiceRole::TaskScheduler);
            }
            let (name, display) = (name.clone(), display.clone());
            is_alone.then(|| ServiceRole::Service { settings: services::settings(&name), name, display })
        },
    )
}

fn link(process: &Details, running: &[RunningService]) -> AncestorFacts {
    let pid = process.identity.pid;
    let starter = starter_of(process);
    let cwd = || cwd_of(process);
    AncestorFacts {
        pid,
        parent: process.stat.parent,
        session: process.stat.session,
        cwd: if matches!(starter, Starter::Runsv | Starter::S6 | Starter::Tmux) { cwd() } else { None },
        log: if starter == Starter::Solobot { background_log(pid) } else { None },
        starter,
        argv: process.argv.clone(),
        uid: proc::owner(pid),
        owner: foreign_owner(pid),
        is_ours: own().ancestors.contains(&pid),
        service: service_role(pid, running),
    }
}

fn cwd_of(process: &Details) -> Option<PathBuf> {
    Handle::open(process.identity.pid).and_then(|handle| handle.cwd())
}

/// What a process is; a shell whose script has a loop is one.
pub fn starter_of(process: &Details) -> Starter {
    match Starter::of(process) {
        Starter::Shell if script_loops(process, cwd_of(process).as_deref()) => Starter::Loop,
        starter => starter,
    }
}

/// The name of a process's user, if only that user and root may signal it.
pub fn foreign_owner(pid: i32) -> Option<String> {
    let own = user::effective_uid();
    let uid = proc::owner(pid)?;
    (own != 0 && own != uid).then(|| user::name(uid))
}

/// Whether the shell script that this process runs starts something again and again, or the line of one of Windows' shells.
fn script_loops(process: &Details, cwd: Option<&Path>) -> bool {
    let is_looping = |script: &Path| {
        let text = read_head(&cwd.unwrap_or(Path::new("/")).join(script), 64 * 1024).unwrap_or_default();
        match script.extension().filter(|extension| windows_shell::is_script(extension)) {
            Some(extension) => {
                windows_shell::has_loop(&String::from_utf8_lossy(&text), extension.eq_ignore_ascii_case("ps1"))
            }
            None => argv::shell::has_loop(os_str(&text)),
        }
    };
    match argv::read(&process.argv, process.exe.as_deref()) {
        argv::ParsedArgv::Runs(argv::Invocation { target: argv::Target::Script(script), .. }) => is_looping(&script),
        argv::ParsedArgv::Runs(_) => false,
        argv::ParsedArgv::Wraps(wrapped) => {
            let words: Vec<_> = process.argv.iter().skip(1).map(|word| word.to_string_lossy()).collect();
            let is_loop = match wrapped.name.as_str() {
                name @ ("cmd" | "powershell") => windows_shell::has_loop(&words.join(" "), name == "powershell"),
                _ => process.argv.iter().skip(1).any(|word| argv::shell::has_loop(word)),
            };
            // `< file` alone has no first word.
            let scripts = wrapped.inner.iter().filter_map(|inner| inner.argv.first()).map(Path::new);
            is_loop || scripts.filter(|script| script.extension().is_some_and(windows_shell::is_script)).any(is_looping)
        }
    }
}

/// The beginning of a file that another user has named. It does not block on a FIFO.
fn read_head(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let file = open_named(path).ok()?;
    let mut text = Vec::new();
    file.take(limit).read_to_end(&mut text).ok()?;
    Some(text)
}

/// solobot's own ancestors and container.
struct OwnAncestry {
    ancestors: HashSet<i32>,
    container: Option<String>,
}

fn own() -> &'static OwnAncestry {
    static OWN: OnceLock<OwnAncestry> = OnceLock::new();
    OWN.get_or_init(|| {
        let text = Handle::open(own_pid()).map(|own| own.cgroup()).unwrap_or_default();
        let ancestors = ancestry().skip(1).collect();
        OwnAncestry { ancestors, container: cgroup::container(&text).map(|group| group.id.to_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::identity::{Identity, Stat};

    fn starter(words: &[&str]) -> Starter {
        let identity = Identity { pid: 4711, start_ticks: 1 };
        let argv = words.iter().map(OsString::from).collect();
        starter_of(&Details { identity, stat: Stat::default(), argv, exe: None })
    }

    #[test]
    fn a_line_of_a_shell_of_windows_that_loops() {
        assert_eq!(
            starter(&["cmd.exe", "/c", "for", "/l", "%i", "in", "(1,0,2)", "do", "python", "bot.py"]),
            Starter::Loop
        );
        assert_eq!(starter(&["powershell.exe", "-c", "while ($true) { python bot.py }"]), Starter::Loop);
        assert_eq!(starter(&["bash.exe", "-c", "while :; do python bot.py; done"]), Starter::Loop);
        assert_eq!(starter(&["cmd.exe", "/c", "python", "bot.py"]), Starter::Shell);
        // A line without a command, which anybody may put there.
        for line in ["< x", "<", ""] {
            assert_eq!(starter(&["bash.exe", "-c", line]), Starter::Shell, "{line}");
        }
    }
}
