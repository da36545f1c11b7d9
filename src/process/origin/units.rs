//! systemd's services as systemd describes them: what each runs, where, and how often it was started again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::forecast::{answer_of, properties};
use super::manager::{Manager, Respawns, Scope};
use crate::platform::filesystem::FileStatus;
use crate::process::argv::{self, ParsedArgv};

/// How long all services may take to be listed.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long those may take on which a start depends: while a machine boots, systemd has much to do.
const LONG_PATIENCE: Duration = Duration::from_secs(3);
const WANTED: &str = "Id,ExecStart,WorkingDirectory,ActiveState,SubState,NRestarts,FragmentPath,DropInPaths,\
    RootDirectory,RootImage,BindPaths,BindReadOnlyPaths,MountImages";
/// Each of these shows a service other files than ours under some path.
const OWN_MOUNTS: [&str; 5] = ["RootDirectory", "RootImage", "BindPaths", "BindReadOnlyPaths", "MountImages"];
/// How far apart the clocks of processes and files may be.
const ROUNDING: Duration = Duration::from_secs(2);

/// A service that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedUnit {
    /// `bot.service`.
    pub name: String,
    pub scope: Scope,
    /// What it runs.
    pub command: Vec<OsString>,
    /// Its working folder; `None`: the root folder.
    pub folder: Option<PathBuf>,
    /// It has a root folder or mounts of its own: then equal paths may be different files.
    pub has_own_mounts: bool,
    /// The files that say all this.
    pub files: Vec<PathBuf>,
    pub state: UnitState,
    /// How often systemd has started it again by itself.
    pub restarts: u64,
    /// How it ended last: `status=75`.
    pub last_end: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// It has ended, and systemd is about to start it again: `activating (auto-restart)`.
    BetweenStarts,
    Active,
    /// It is down.
    Inactive,
}

/// The services of this manager that are loaded; none where there is no systemd.
pub fn units(scope: Scope) -> Vec<LoadedUnit> {
    shown(scope, &["*.service".to_owned()], PATIENCE)
}

/// These of the system's services, which must have been started.
pub fn services(names: &[String]) -> Vec<LoadedUnit> {
    if names.is_empty() { Vec::new() } else { shown(Scope::System, names, LONG_PATIENCE) }
}

fn shown(scope: Scope, which: &[String], patience: Duration) -> Vec<LoadedUnit> {
    let mut command = Command::new("systemctl");
    command.args(scope.flags()).args(["show", "-p", WANTED, "--"]).args(which);
    let text = answer_of(command, patience).unwrap_or_default();
    text.split("\n\n").filter_map(|block| unit(&properties(block), scope)).collect()
}

fn unit(answer: &HashMap<String, String>, scope: Scope) -> Option<LoadedUnit> {
    let get = |key: &str| answer.get(key).map(String::as_str).filter(|value| !value.is_empty());
    // `{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 bot.py ; … ; status=75 }`: the words are not quoted.
    let parts: Vec<&str> = get("ExecStart")?.trim_matches(['{', '}', ' ']).split(" ; ").collect();
    let part = |name: &str| parts.iter().find_map(|part| part.trim().strip_prefix(name));
    let state = match (get("ActiveState")?, get("SubState")) {
        ("activating", Some("auto-restart" | "auto-restart-queued")) => UnitState::BetweenStarts,
        ("inactive" | "failed" | "deactivating", _) => UnitState::Inactive,
        _ => UnitState::Active,
    };
    Some(LoadedUnit {
        name: get("Id")?.to_owned(),
        scope,
        command: part("argv[]=")?.split_ascii_whitespace().map(OsString::from).collect(),
        folder: get("WorkingDirectory").map(|folder| PathBuf::from(folder.trim_start_matches('!'))),
        has_own_mounts: OWN_MOUNTS.iter().any(|key| get(key).is_some()),
        files: ["FragmentPath", "DropInPaths"]
            .into_iter()
            .filter_map(get)
            .flat_map(str::split_whitespace)
            .map(PathBuf::from)
            .collect(),
        state,
        restarts: get("NRestarts").and_then(|count| count.parse().ok()).unwrap_or_default(),
        last_end: part("status=").filter(|status| *status != "0/0" && *status != "0").map(str::to_owned),
    })
}

impl LoadedUnit {
    pub fn manager(&self) -> Manager {
        let (unit, scope, restarts) = (self.name.clone(), self.scope, Some(self.restarts));
        Manager::Systemd { unit, scope, respawns: Respawns::Yes, is_left_over: false, restarts }
    }

    /// The folder in which systemd started one of its processes, of which only this command line and the start are known.
    /// Root has written the unit, so what it says is as good as the folder itself, if the unit starts that very command line.
    /// `None` where it starts it by way of a script, or has been changed since.
    pub fn folder_of_process(&self, argv: &[OsString], started: SystemTime) -> Option<PathBuf> {
        self.folder_of(argv).filter(|_| !self.has_changed_since(started))
    }

    /// Whether what it says may be newer than what it started then.
    fn has_changed_since(&self, started: SystemTime) -> bool {
        let changed = |file: &PathBuf| FileStatus::of(file).ok()?.changed();
        self.files.iter().any(|file| changed(file).is_none_or(|changed| changed > started + ROUNDING))
    }

    /// The folder in which it starts that command line, itself or by way of wrappers.
    fn folder_of(&self, argv: &[OsString]) -> Option<PathBuf> {
        let mut folder = self.folder.clone().unwrap_or_else(|| "/".into());
        let mut command = self.command.clone();
        while command != argv {
            let ParsedArgv::Wraps(wrapped) = argv::read(&command, None) else { return None };
            let [inner] = wrapped.inner.as_slice() else { return None };
            folder.push(inner.dir.as_deref().unwrap_or(Path::new("")));
            command.clone_from(&inner.argv);
        }
        let folder = folder.canonicalize().unwrap_or(folder);
        // `WorkingDirectory=~` is the home of whoever runs it.
        (folder.is_absolute() && !self.has_own_mounts).then_some(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_systemctl_shows_it() {
        let text = "NRestarts=34\n\
            ExecStart={ path=/usr/bin/flock ; argv[]=/usr/bin/flock -n /run/bot.lock python3 main.py ; ignore_errors=no ; \
            start_time=[Fri 2026-11-27 06:41:02 UTC] ; stop_time=[Fri 2026-11-27 06:41:02 UTC] ; pid=4711 ; code=exited ; \
            status=1 }\nWorkingDirectory=!/srv/bot\nId=bot.service\nActiveState=activating\nSubState=auto-restart\n\n\
            NRestarts=0\nWorkingDirectory=\nId=dbus.service\nActiveState=active\nSubState=running\n";
        let found: Vec<LoadedUnit> =
            text.split("\n\n").filter_map(|block| unit(&properties(block), Scope::System)).collect();
        let [bot] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((bot.name.as_str(), bot.restarts, bot.state), ("bot.service", 34, UnitState::BetweenStarts));
        assert_eq!(bot.command.last(), Some(&OsString::from("main.py")));
        assert_eq!((bot.folder.as_deref(), bot.last_end.as_deref()), (Some("/srv/bot".as_ref()), Some("1")));
        assert_eq!(bot.manager().stop().as_deref(), Some("systemctl stop bot.service"));
    }

    #[test]
    fn the_folder_in_which_a_unit_starts_a_command_line() {
        let folder = |exec: &str, more: &str, argv: &str| {
            let text = format!(
                "Id=b.service\nExecStart={{ path=/b ; argv[]={exec} ; status=0/0 }}\nActiveState=active\n{more}\n"
            );
            let argv: Vec<OsString> = argv.split(' ').map(OsString::from).collect();
            unit(&properties(&text), Scope::System).unwrap().folder_of(&argv)
        };
        let (bot, dir) = ("venv/bin/python main.py", "WorkingDirectory=/nowhere/bot");
        let locked = format!("solobot acquire --wait forever -- {bot}");
        for exec in [bot, &locked, "env A=b nice -n 5 venv/bin/python main.py"] {
            assert_eq!(folder(exec, dir, bot), Some("/nowhere/bot".into()), "{exec}");
        }
        assert_eq!(folder("env -C sub venv/bin/python main.py", dir, bot), Some("/nowhere/bot/sub".into()));
        assert_eq!(folder(bot, "", bot), Some("/".into()));
        for exec in ["start.sh", "sh -c cd /srv/bot && venv/bin/python main.py", "venv/bin/python main.py --other", ""]
        {
            assert_eq!(folder(exec, dir, bot), None, "{exec}");
        }
        for more in
            ["WorkingDirectory=~", &format!("{dir}\nRootDirectory=/srv/root"), &format!("{dir}\nRootImage=/a.img")]
        {
            assert_eq!(folder(bot, more, bot), None, "{more}");
        }
    }

    #[test]
    fn a_unit_whose_file_is_newer_than_its_process_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("b.service");
        std::fs::write(&file, "").unwrap();
        let text = |files: &str| format!("Id=b.service\nExecStart={{ argv[]=/b ; }}\nActiveState=active\n{files}\n");
        let has_changed = |files: &str, ago: u64| {
            let started = SystemTime::now() - Duration::from_secs(ago);
            unit(&properties(&text(files)), Scope::System).unwrap().has_changed_since(started)
        };
        let fragment = format!("FragmentPath={}", file.display());
        assert!(!has_changed(&fragment, 0));
        assert!(has_changed(&fragment, 60));
        assert!(has_changed(&format!("DropInPaths=/usr {}", file.display()), 60));
        assert!(has_changed("FragmentPath=/nowhere/b.service", 0));
        assert!(!has_changed("", 60));
    }

    #[test]
    fn a_unit_that_is_up_or_down() {
        let state = |active: &str, sub: &str| {
            let text =
                format!("Id=b.service\nExecStart={{ path=/b ; argv[]=/b ; }}\nActiveState={active}\nSubState={sub}\n");
            unit(&properties(&text), Scope::System).unwrap().state
        };
        assert_eq!(state("active", "running"), UnitState::Active);
        assert_eq!(state("activating", "start"), UnitState::Active);
        assert_eq!(state("failed", "failed"), UnitState::Inactive);
    }
}
