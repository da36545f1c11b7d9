//! systemd's services as systemd describes them: what each runs, and how often it was started again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::forecast::{answer_of, properties};
use super::manager::{Manager, Respawns, Scope};

/// How long all services may take to be listed.
const PATIENCE: Duration = Duration::from_millis(500);
const WANTED: &str = "Id,ExecStart,WorkingDirectory,ActiveState,SubState,NRestarts";

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
    let mut command = Command::new("systemctl");
    command.args(scope.flags()).args(["show", "-p", WANTED, "--", "*.service"]);
    let text = answer_of(command, PATIENCE).unwrap_or_default();
    blocks(&text).filter_map(|block| unit(&block, scope)).collect()
}

/// What `systemctl show` says of several units.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = HashMap<String, String>> {
    text.split("\n\n").map(properties)
}

/// The folder that a unit names for what it starts. Of one that need not be there, `!` comes first.
pub(super) fn working_folder(answer: &HashMap<String, String>) -> Option<PathBuf> {
    let folder = answer.get("WorkingDirectory").filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(folder.trim_start_matches('!')))
}

fn unit(answer: &HashMap<String, String>, scope: Scope) -> Option<LoadedUnit> {
    let get = |key: &str| answer.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let start = ExecStart::of(answer)?;
    let state = match (get("ActiveState")?, get("SubState")) {
        ("activating", Some("auto-restart" | "auto-restart-queued")) => UnitState::BetweenStarts,
        ("inactive" | "failed" | "deactivating", _) => UnitState::Inactive,
        _ => UnitState::Active,
    };
    Some(LoadedUnit {
        name: get("Id")?.to_owned(),
        scope,
        command: start.words()?,
        folder: working_folder(answer),
        state,
        restarts: get("NRestarts").and_then(|count| count.parse().ok()).unwrap_or_default(),
        last_end: start.part("status=").filter(|status| *status != "0/0" && *status != "0").map(str::to_owned),
    })
}

/// What systemd says of the command: `{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 bot.py ; … ; status=75 }`.
pub(super) struct ExecStart<'a>(&'a str);

impl<'a> ExecStart<'a> {
    pub(super) fn of(answer: &'a HashMap<String, String>) -> Option<Self> {
        Some(Self(answer.get("ExecStart").filter(|text| !text.is_empty())?.trim_matches(['{', '}', ' '])))
    }

    fn part(&self, name: &str) -> Option<&'a str> {
        self.0.split(" ; ").find_map(|part| part.trim().strip_prefix(name))
    }

    /// The command's words, which are not quoted there.
    pub(super) fn words(&self) -> Option<Vec<OsString>> {
        Some(self.part("argv[]=")?.split_ascii_whitespace().map(OsString::from).collect())
    }
}

impl LoadedUnit {
    pub fn manager(&self) -> Manager {
        let (unit, scope, restarts) = (self.name.clone(), self.scope, Some(self.restarts));
        Manager::Systemd { unit, scope, respawns: Respawns::Yes, is_left_over: false, restarts }
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
