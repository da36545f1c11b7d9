//! Whether a manager would start an instance again. It is asked if it can answer within 200 ms.

use std::collections::HashMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::launchd;
use super::manager::{Manager, Respawns, Scope};
use super::verdict::Origin;

/// How long a manager may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the managers have said, by unit: one question each, however many instances it has.
#[derive(Debug, Default)]
pub struct ManagerAnswers {
    units: HashMap<(String, Scope), HashMap<String, String>>,
    jobs: HashMap<String, Respawns>,
}

impl ManagerAnswers {
    /// Asks the instance's manager, for at most 200 ms, whether it would start it again; a silent one leaves `Unknown`.
    pub fn forecast(&mut self, origin: &mut Origin) {
        if let Some(above) = origin.above.as_mut() {
            self.forecast(above);
        }
        if let Manager::Systemd { unit, scope, .. } = &origin.manager {
            let answer = self.units.entry((unit.clone(), *scope));
            let answer = answer.or_insert_with_key(|(unit, scope)| ask_systemd(unit, *scope).unwrap_or_default());
            apply_systemd(origin, answer);
        }
        if let Manager::Launchd { label, respawns, .. } = &mut origin.manager {
            let ask = |label: &String| launchd::respawns(&answer_of_launchd(label).unwrap_or_default());
            *respawns = *self.jobs.entry(label.clone()).or_insert_with_key(ask);
            if *respawns == Respawns::Yes {
                origin.evidence.push_str(", KeepAlive");
            }
        }
    }
}

fn answer_of_launchd(label: &str) -> Option<String> {
    let mut command = Command::new("launchctl");
    command.args(["list", label]);
    answer_of(command, PATIENCE)
}

/// Asks the very manager that the stop command names, about the very unit.
fn ask_systemd(unit: &str, scope: Scope) -> Option<HashMap<String, String>> {
    let mut command = Command::new("systemctl");
    command.args(scope.flags()).args(["show", "-p", "Restart,ActiveState,KillMode,TriggeredBy,NRestarts", "--", unit]);
    Some(properties(&answer_of(command, PATIENCE)?))
}

pub(super) fn properties(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What `systemctl show` says about respawning (systemd.service(5), `Restart=`): TERM is a clean end, KILL is not.
fn apply_systemd(origin: &mut Origin, answer: &HashMap<String, String>) {
    let Manager::Systemd { respawns, is_left_over, restarts, .. } = &mut origin.manager else { return };
    let get = |key: &str| answer.get(key).map(String::as_str);
    *restarts = get("NRestarts").and_then(|count| count.parse().ok());
    if matches!(get("ActiveState"), Some("inactive" | "failed" | "deactivating")) {
        origin.evidence.push_str(", which is not active (KillMode=process leaves children behind)");
        (*is_left_over, *respawns) = (true, Respawns::No);
        return;
    }
    let is_timed = get("TriggeredBy").is_some_and(|by| by.contains(".timer"));
    *respawns = match get("Restart") {
        Some("always" | "on-success") => Respawns::Yes,
        Some("on-failure" | "on-abnormal" | "on-abort") => Respawns::AfterKill,
        Some("no" | "on-watchdog") if is_timed => Respawns::Later,
        Some("no" | "on-watchdog") => Respawns::No,
        _ => Respawns::Unknown,
    };
    if let Some(restart) = get("Restart") {
        origin.evidence.push_str(", Restart=");
        origin.evidence.push_str(restart);
    }
}

/// The output of a command that succeeds in time; one that takes longer is ended.
pub fn answer_of(mut command: Command, patience: Duration) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + patience;
    // What is longer than a pipe holds is read while it is written.
    let mut stdout = child.stdout.take()?;
    let reader = std::thread::Builder::new().spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            _ => break None,
        }
    };
    if !status.is_some_and(|status| status.success()) {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    reader.ok()?.join().ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Origin {
        let mut origin = Origin {
            manager: Manager::Systemd {
                unit: "bot.service".into(),
                scope: Scope::System,
                respawns: Respawns::Unknown,
                is_left_over: false,
                restarts: None,
            },
            ..Origin::unknown()
        };
        apply_systemd(&mut origin, &properties(text));
        origin
    }

    #[test]
    fn restart_says_whether_it_comes_back() {
        for (restart, respawns) in [
            ("always", Respawns::Yes),
            ("on-success", Respawns::Yes),
            ("on-failure", Respawns::AfterKill),
            ("on-abnormal", Respawns::AfterKill),
            ("no", Respawns::No),
        ] {
            let text = format!("Restart={restart}\nActiveState=active\nKillMode=control-group\n");
            assert_eq!(asked(&text).respawns(), respawns, "{restart}");
        }
        assert_eq!(asked("").respawns(), Respawns::Unknown);
        assert!(asked("").would_respawn());
        assert_eq!(asked("Restart=always\nNRestarts=7\n").manager.restarts(), Some(7));
        assert_eq!(asked("Restart=always\n").manager.restarts(), None);
        assert_eq!(asked("Restart=no\nTriggeredBy=bot.timer\n").respawns(), Respawns::Later);
    }

    #[test]
    fn what_an_inactive_unit_left_behind_is_signalled() {
        let origin = asked("Restart=always\nActiveState=inactive\nKillMode=process\n");
        assert_eq!((origin.stop(), origin.would_respawn()), (None, false));
    }
}
