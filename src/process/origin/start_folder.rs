//! Where systemd started a process whose working folder cannot be read, since it is another user's.
//!
//! Root has written the system's units, so their `WorkingDirectory=` is believed, though only if nothing else is likely: the
//! process runs a script; it is the unit's main process, a fork of that, or what that has started by way of wrappers that keep
//! their folder; the unit's files, the folder and the links that lead there are older than the main process; and the script is
//! seen in the folder. Otherwise it stays in doubt. Not noticed: a part of the unit that has been removed since, two folders
//! that have changed places, and a program that starts another one of the very same command line in another folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::forecast::answer_of;
use super::system_service;
use super::units::{ExecStart, blocks, working_folder};
use crate::platform::filesystem::{FileKind, FileStatus};
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::process::argv::{self, ParsedArgv, Target};
use crate::process::details::Details;

/// How long systemd may take: a start depends on its answer, and while a machine boots it has much to do.
const PATIENCE: Duration = Duration::from_secs(3);
const WANTED: &str = "Id,MainPID,ExecStart,WorkingDirectory,FragmentPath,DropInPaths,\
    RootDirectory,RootImage,BindPaths,BindReadOnlyPaths,MountImages,ExtensionImages,ExtensionDirectories";
/// Each of these may show a service our files under other paths. Those that only hide files from it (`PrivateTmp=`) do not.
const OWN_MOUNTS: [&str; 7] = [
    "RootDirectory",
    "RootImage",
    "BindPaths",
    "BindReadOnlyPaths",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
];
/// Wrappers that start their command in their own folder and root folder; `env` unless it has options.
const KEEP_FOLDER: [&str; 11] =
    ["solobot", "flock", "env", "nice", "ionice", "timeout", "stdbuf", "chrt", "taskset", "setpriv", "nohup"];
/// Options of an interpreter that do not change which file it runs.
const PLAIN_OPTIONS: [&str; 4] = ["-u", "-B", "-O", "-OO"];
/// How much earlier than it was a start may seem to have been: it is counted in clock ticks.
const TICKS: Duration = Duration::from_millis(100);

/// Where systemd started processes: asked once for each.
#[derive(Debug, Default)]
pub struct StartFolders {
    known: HashMap<Identity, Option<PathBuf>>,
    /// It did not answer in time, or there is none: it is not asked again.
    is_silent: bool,
}

impl StartFolders {
    /// The folder in which that process was started; `None` if it stays unknown.
    pub fn of(&self, process: Identity) -> Option<&Path> {
        self.known.get(&process)?.as_deref()
    }

    /// Asks about these processes, with one question.
    pub fn ask<'a>(&mut self, processes: impl Iterator<Item = &'a Details>) {
        if self.is_silent {
            return;
        }
        let service = |one: &Details| system_service(&Handle::open(one.identity.pid)?.cgroup());
        let is_new = |one: &&Details| !self.known.contains_key(&one.identity);
        let asked: Vec<(&Details, String)> =
            processes.filter(is_new).filter_map(|one| Some((one, service(one)?))).collect();
        if asked.is_empty() {
            return;
        }
        let mut names: Vec<&String> = asked.iter().map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        let Some(services) = show(&names) else {
            self.is_silent = true;
            return;
        };
        for (process, name) in &asked {
            let service = services.iter().find(|one| one.name == *name);
            let started = service.and_then(|service| Identity::of(service.main)?.earliest_start());
            let folder = service.zip(started).and_then(|(service, at)| service.folder_of(process, at));
            self.known.insert(process.identity, folder);
        }
    }
}

fn show(names: &[&String]) -> Option<Vec<ServiceStart>> {
    let mut command = Command::new("systemctl");
    command.args(["show", "-p", WANTED, "--"]).args(names);
    Some(blocks(&answer_of(command, PATIENCE)?).filter_map(|block| ServiceStart::of(&block)).collect())
}

/// How root's unit starts a service.
#[derive(Debug)]
struct ServiceStart {
    name: String,
    main: i32,
    command: Vec<OsString>,
    folder: PathBuf,
    /// The unit's files.
    files: Vec<PathBuf>,
}

impl ServiceStart {
    /// `None` if what it runs may see other files than we do, or nothing says how it is started.
    fn of(answer: &HashMap<String, String>) -> Option<Self> {
        let get = |key: &str| answer.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let files = [get("FragmentPath")?, get("DropInPaths").unwrap_or_default()];
        let has_own_mounts = OWN_MOUNTS.iter().any(|key| get(key).is_some());
        let service = Self {
            name: get("Id")?.to_owned(),
            main: get("MainPID")?.parse().ok()?,
            command: ExecStart::of(answer)?.words()?,
            folder: working_folder(answer).unwrap_or_else(|| "/".into()),
            files: files.iter().flat_map(|text| text.split_whitespace()).map(PathBuf::from).collect(),
        };
        // `~` is the home of whoever runs it.
        (service.folder.is_absolute() && !has_own_mounts).then_some(service)
    }

    /// The folder in which it started that process; `started` is when its main process was.
    fn folder_of(&self, process: &Details, started: SystemTime) -> Option<PathBuf> {
        if !self.has_started(process) {
            return None;
        }
        let script = self.folder.join(script_of(&process.argv)?);
        let is_moved = script.ancestors().any(|path| is_link(path) && has_changed(path, started));
        if is_moved || is_younger(&self.folder, started) || self.files.iter().any(|file| has_changed(file, started)) {
            return None;
        }
        FileStatus::of(&script).ok()?;
        self.folder.canonicalize().ok()
    }

    /// Whether that process is the main process, a fork of it, or what that has started by way of wrappers.
    fn has_started(&self, process: &Details) -> bool {
        let mut command = self.command.clone();
        while command != process.argv {
            let ParsedArgv::Wraps(wrapped) = argv::read(&command, None) else { return false };
            let [inner] = wrapped.inner.as_slice() else { return false };
            let options = command.iter().skip(1).take(command.len().saturating_sub(inner.argv.len() + 1));
            let has_options = || options.clone().any(|word| word.as_encoded_bytes().starts_with(b"-"));
            let keeps_folder = KEEP_FOLDER.contains(&wrapped.name.as_str()) && inner.dir.is_none();
            if !keeps_folder || (wrapped.name == "env" && has_options()) {
                return false;
            }
            command.clone_from(&inner.argv);
        }
        let is_wrapped = command != self.command;
        let (mut pid, mut parent) = (process.identity.pid, process.stat.parent);
        while pid != self.main {
            let Some(above) = Handle::open(parent).and_then(|handle| Details::read(&handle)) else { return false };
            if above.argv != process.argv {
                return is_wrapped && parent == self.main;
            }
            (pid, parent) = (parent, above.stat.parent);
        }
        true
    }
}

/// The script that a command line runs, if nothing else on it may say which file that is.
fn script_of(argv: &[OsString]) -> Option<PathBuf> {
    let ParsedArgv::Runs(invocation) = argv::read(argv, None) else { return None };
    let Target::Script(script) = invocation.target else { return None };
    let is_plain = |word: &&OsString| PLAIN_OPTIONS.iter().any(|plain| **word == *plain);
    let operand = argv.iter().skip(1).find(|word| !is_plain(word))?;
    (script == **operand).then_some(script)
}

fn is_link(path: &Path) -> bool {
    FileStatus::of_entry(path).is_ok_and(|status| status.kind() == FileKind::Link)
}

/// Whether a file or a link to it has been changed after that, or cannot be looked at.
fn has_changed(path: &Path, since: SystemTime) -> bool {
    let is_newer = |status: io::Result<FileStatus>| {
        status.ok().and_then(|status| status.changed()).is_none_or(|changed| changed > since + TICKS)
    };
    is_newer(FileStatus::of_entry(path)) || is_newer(FileStatus::of(path))
}

/// Whether that folder was made after that, as far as its file system says so.
fn is_younger(folder: &Path, since: SystemTime) -> bool {
    folder.metadata().and_then(|status| status.created()).is_ok_and(|made| made > since + TICKS)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Stdio};
    use std::time::Instant;

    use super::*;
    use crate::platform::identity::own_pid;
    use crate::platform::table;
    use crate::process::origin::forecast::properties;

    /// It and its fork end with their standard input.
    const SCRIPT: &str = "exec 3<&0\n(read line) <&3 &\nread line\n";

    fn service(exec: &str, more: &str) -> Option<ServiceStart> {
        let start = format!("ExecStart={{ path=/b ; argv[]={exec} ; status=0/0 }}");
        ServiceStart::of(&properties(&format!("Id=b.service\nMainPID=7\n{start}\n{more}\n")))
    }

    #[test]
    fn what_a_unit_says_of_its_folder() {
        let folder = |more: &str| Some(service("python3 main.py", more)?.folder);
        let file = "FragmentPath=/etc/b.service\n";
        assert_eq!(folder(file), Some("/".into()));
        for said in ["/srv/bot", "!/srv/bot"] {
            assert_eq!(folder(&format!("{file}WorkingDirectory={said}")), Some("/srv/bot".into()));
        }
        assert_eq!(folder("WorkingDirectory=/srv/bot"), None, "no file says so");
        assert_eq!(folder(&format!("{file}WorkingDirectory=~")), None);
        for key in OWN_MOUNTS {
            assert_eq!(folder(&format!("{file}{key}=/srv/b\nWorkingDirectory=/srv/bot")), None, "{key}");
        }
        assert_eq!(service("b", &format!("{file}DropInPaths=/a.conf /b.conf")).unwrap().files.len(), 3);
    }

    fn details(pid: i32) -> Option<Details> {
        Details::read(&Handle::open(pid)?)
    }

    /// A bot in a folder of its own.
    struct Bot {
        folder: tempfile::TempDir,
        child: Child,
    }

    impl Drop for Bot {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    impl Bot {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("bot.sh"), SCRIPT).unwrap();
            let mut command = Command::new("sh");
            let child = command.arg("bot.sh").current_dir(folder.path()).stdin(Stdio::piped()).spawn().unwrap();
            Self { folder, child }
        }

        /// The PID of its fork, once it runs: then the bot itself runs too.
        fn fork(&self) -> i32 {
            let runs = |pid: &i32| details(*pid).is_some_and(|details| details.argv == ["sh", "bot.sh"]);
            let start = Instant::now();
            loop {
                assert!(start.elapsed() < Duration::from_secs(60), "it does not run");
                if let Some(fork) = table::descendants(&[self.pid()]).unwrap().into_iter().find(runs) {
                    return fork;
                }
                std::thread::yield_now();
            }
        }

        fn pid(&self) -> i32 {
            i32::try_from(self.child.id()).unwrap()
        }

        /// Whether a unit in its folder says where that process was started.
        fn is_told(&self, pid: i32, exec: &str, main: i32) -> bool {
            let folder = self.folder.path().canonicalize().unwrap();
            let more = format!("FragmentPath=/usr\nWorkingDirectory={}", folder.display());
            let service = ServiceStart { main, ..service(exec, &more).unwrap() };
            let told = service.folder_of(&details(pid).unwrap(), SystemTime::now());
            assert!(told.is_none() || told == Some(folder));
            told.is_some()
        }
    }

    #[test]
    fn a_process_that_the_unit_has_started() {
        let bot = Bot::start();
        let (pid, parent, fork) = (bot.pid(), own_pid(), bot.fork());
        assert!(bot.is_told(pid, "sh bot.sh", pid));
        assert!(bot.is_told(pid, "nice -n 5 sh bot.sh", pid));
        assert!(bot.is_told(pid, "solobot acquire --wait forever -- env A=b sh bot.sh", parent));
        // By way of what may change the folder, or is not known; with other words; not by this unit.
        for (exec, main) in [
            ("sh bot.sh", parent),
            ("sh bot.sh", 1),
            ("solobot acquire -- sh bot.sh", 1),
            ("env -C /srv sh bot.sh", pid),
            ("env --chd=/srv sh bot.sh", pid),
            ("uv --directory /srv run sh bot.sh", parent),
            ("sudo -i -u quiz sh bot.sh", parent),
            ("start.sh", parent),
            ("sh -c cd /srv/bot && sh bot.sh", parent),
            ("sh bot.sh --other", pid),
            ("", pid),
        ] {
            assert!(!bot.is_told(pid, exec, main), "{exec}");
        }
        // A fork is in the same folder.
        assert!(bot.is_told(fork, "sh bot.sh", pid));
        assert!(bot.is_told(fork, "solobot acquire -- sh bot.sh", parent));
        let (process, ago) = (details(pid).unwrap(), SystemTime::now() - Duration::from_secs(60));
        let more = format!("FragmentPath=/usr\nWorkingDirectory={}", bot.folder.path().display());
        let service = ServiceStart { main: pid, ..service("sh bot.sh", &more).unwrap() };
        assert!(service.folder_of(&process, SystemTime::now()).is_some());
        assert_eq!(service.folder_of(&process, ago), None, "its folder is younger");
        std::fs::remove_file(bot.folder.path().join("bot.sh")).unwrap();
        assert!(!bot.is_told(pid, "sh bot.sh", pid), "its program is not there");
    }

    #[test]
    fn what_has_changed_since() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/usr", &link).unwrap();
        let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
        assert!(!has_changed(&file, ago(0)));
        assert!(has_changed(&file, ago(60)));
        assert!(has_changed(&link, ago(60)));
        assert!(has_changed(&folder.path().join("nothing"), ago(0)));
        assert!(!has_changed(Path::new("/usr"), ago(0)));
    }

    #[test]
    fn which_script_a_command_line_runs() {
        let script = |line: &str| {
            let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            script_of(&argv).map(|script| script.to_str().unwrap().to_owned())
        };
        assert_eq!(script("python3 -u main.py --debug").as_deref(), Some("main.py"));
        assert_eq!(script("/srv/quiz/venv/bin/python bot/main.py").as_deref(), Some("bot/main.py"));
        // These look elsewhere, or may.
        for line in [
            "ruby -C /srv bot.rb",
            "bun --cwd /srv bot.ts",
            "python3 -I -m bot",
            "python3 -m bot",
            "gunicorn --chdir /srv main:app",
        ] {
            assert_eq!(script(line), None, "{line}");
        }
    }
}
