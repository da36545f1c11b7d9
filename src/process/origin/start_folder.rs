//! Where systemd started a process whose working folder cannot be read, since it is another user's.
//!
//! Root has written the system's units, so their `WorkingDirectory=` is believed, though only if nothing else is likely: the
//! process is the unit's main process, or what that starts by way of wrappers that keep its folder; the unit's files are older
//! than the process, and its program is seen in that folder. Otherwise it stays in doubt. Not noticed: a drop-in that has been
//! removed since, and a program that starts another one of the same command line in another folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::forecast::{answer_of, properties};
use super::system_service;
use super::units::ExecStart;
use crate::platform::filesystem::{FileKind, FileStatus};
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::process::argv::{self, ParsedArgv, Target};
use crate::process::details::Details;
use crate::process::program::module_files;

/// How long systemd may take: a start depends on its answer, and while a machine boots it has much to do.
const PATIENCE: Duration = Duration::from_secs(3);
const WANTED: &str = "Id,MainPID,ExecStart,WorkingDirectory,FragmentPath,DropInPaths,\
    RootDirectory,RootImage,BindPaths,BindReadOnlyPaths,MountImages,ExtensionImages,ExtensionDirectories";
/// Each of these shows a service other files than ours under some path.
const OWN_MOUNTS: [&str; 7] = [
    "RootDirectory",
    "RootImage",
    "BindPaths",
    "BindReadOnlyPaths",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
];
/// Wrappers that start their command in their own folder and root folder, whatever their options.
const KEEP_FOLDER: [&str; 11] =
    ["solobot", "flock", "env", "nice", "ionice", "timeout", "stdbuf", "chrt", "taskset", "setpriv", "nohup"];
/// How much earlier than it was a start may seem to have been: it is counted in clock ticks.
const TICKS: Duration = Duration::from_millis(100);

/// Where systemd started processes: asked once for each.
#[derive(Debug, Default)]
pub struct StartFolders(HashMap<Identity, Option<PathBuf>>);

impl StartFolders {
    /// The folder in which that process was started; `None` if it stays unknown.
    pub fn of(&self, process: Identity) -> Option<&Path> {
        self.0.get(&process)?.as_deref()
    }

    /// Asks about these processes, with one question.
    pub fn ask<'a>(&mut self, processes: impl Iterator<Item = &'a Details>) {
        let service = |one: &Details| system_service(&Handle::open(one.identity.pid)?.cgroup());
        let is_new = |one: &&Details| !self.0.contains_key(&one.identity);
        let asked: Vec<(&Details, String)> =
            processes.filter(is_new).filter_map(|one| Some((one, service(one)?))).collect();
        let mut names: Vec<&String> = asked.iter().map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        let services = if names.is_empty() { Vec::new() } else { show(&names) };
        for (process, name) in &asked {
            // What systemd does not answer now, it may answer later.
            if let Some(service) = services.iter().find(|one| one.name == *name) {
                self.0.insert(process.identity, service.folder_of(process));
            }
        }
    }
}

fn show(names: &[&String]) -> Vec<Service> {
    let mut command = Command::new("systemctl");
    command.args(["show", "-p", WANTED, "--"]).args(names);
    let text = answer_of(command, PATIENCE).unwrap_or_default();
    text.split("\n\n").filter_map(|block| Service::of(&properties(block))).collect()
}

/// How root's unit starts a service.
#[derive(Debug, PartialEq, Eq)]
struct Service {
    name: String,
    main: i32,
    command: Vec<OsString>,
    folder: PathBuf,
    /// The unit's files.
    files: Vec<PathBuf>,
}

impl Service {
    /// `None` if what it runs may see other files than we do, or nothing says how it is started.
    fn of(answer: &HashMap<String, String>) -> Option<Self> {
        let get = |key: &str| answer.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let files = [get("FragmentPath")?, get("DropInPaths").unwrap_or_default()];
        let has_own_mounts = OWN_MOUNTS.iter().any(|key| get(key).is_some());
        // Of a folder that need not be there, `!` comes first.
        let folder = get("WorkingDirectory").unwrap_or("/").trim_start_matches('!');
        let service = Self {
            name: get("Id")?.to_owned(),
            main: get("MainPID")?.parse().ok()?,
            command: ExecStart::of(answer)?.words()?,
            folder: folder.into(),
            files: files.iter().flat_map(|text| text.split_whitespace()).map(PathBuf::from).collect(),
        };
        // `~` is the home of whoever runs it.
        (service.folder.is_absolute() && !has_own_mounts).then_some(service)
    }

    fn folder_of(&self, process: &Details) -> Option<PathBuf> {
        let started = process.identity.earliest_start()?;
        let is_older = |path: &PathBuf| !has_changed(path, started);
        let is_its = self.starts(process) && self.files.iter().all(is_older);
        let path = self.folder.join(program_in(&self.folder, &process.argv)?);
        let is_same = path.ancestors().all(|path| !is_link(path) || is_older(&path.to_path_buf()));
        if is_its && is_same { self.folder.canonicalize().ok() } else { None }
    }

    /// Whether that process is what the service runs, or a fork of it.
    fn starts(&self, process: &Details) -> bool {
        let mut command = self.command.clone();
        while command != process.argv {
            let ParsedArgv::Wraps(wrapped) = argv::read(&command, None) else { return false };
            let [inner] = wrapped.inner.as_slice() else { return false };
            if !KEEP_FOLDER.contains(&wrapped.name.as_str()) || inner.dir.is_some() {
                return false;
            }
            command.clone_from(&inner.argv);
        }
        let is_wrapped = command != self.command;
        let mut top = (process.identity.pid, process.stat.parent);
        while top.0 != self.main {
            let Some(above) = Handle::open(top.1).and_then(|handle| Details::read(&handle)) else { return false };
            if above.argv != process.argv {
                return is_wrapped && top.1 == self.main;
            }
            top = (top.1, above.stat.parent);
        }
        true
    }
}

/// The file that a command line runs, if it is in that folder.
fn program_in(folder: &Path, argv: &[OsString]) -> Option<PathBuf> {
    let ParsedArgv::Runs(invocation) = argv::read(argv, None) else { return None };
    let files = match invocation.target {
        Target::Script(script) => vec![script],
        Target::Module(name) => module_files(&name, Path::new("")).to_vec(),
        _ => return None,
    };
    files.into_iter().find(|file| FileStatus::of(&folder.join(file)).is_ok())
}

fn is_link(path: &Path) -> bool {
    FileStatus::of_entry(path).is_ok_and(|status| status.kind() == FileKind::Link)
}

/// Whether a file or a link to it is newer than that, or cannot be looked at.
fn has_changed(path: &Path, since: SystemTime) -> bool {
    let is_newer = |status: std::io::Result<FileStatus>| {
        status.ok().and_then(|status| status.changed()).is_none_or(|changed| changed > since + TICKS)
    };
    is_newer(FileStatus::of_entry(path)) || is_newer(FileStatus::of(path))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Stdio};

    use super::*;
    use crate::platform::identity::own_pid;
    use crate::platform::table;

    /// It and its fork end with their standard input.
    const SCRIPT: &str = "exec 3<&0\n(read line) <&3 &\nread line\n";

    fn service(exec: &str, more: &str) -> Option<Service> {
        let start = format!("ExecStart={{ path=/b ; argv[]={exec} ; status=0/0 }}");
        Service::of(&properties(&format!("Id=b.service\nMainPID=7\n{start}\n{more}\n")))
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
            loop {
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
            let more = format!("FragmentPath=/proc/version\nWorkingDirectory={}", folder.display());
            let service = Service { main, files: Vec::new(), ..service(exec, &more).unwrap() };
            let told = service.folder_of(&details(pid).unwrap());
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
            ("env -C /srv sh bot.sh", pid),
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
        std::fs::remove_file(bot.folder.path().join("bot.sh")).unwrap();
        assert!(!bot.is_told(pid, "sh bot.sh", pid), "its program is not there");
    }

    #[test]
    fn what_has_changed_since() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/proc/version", &link).unwrap();
        let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
        assert!(!has_changed(&file, ago(0)));
        assert!(has_changed(&file, ago(60)));
        assert!(has_changed(&link, ago(60)));
        assert!(has_changed(&folder.path().join("nothing"), ago(0)));
    }
}
