//! Whether a manager would start an instance again: asked where it can be asked within 200 ms.

use std::collections::HashMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Origin, OriginKind, Respawns};

/// How long a manager may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the managers have said, by stop command: one question a unit, however many instances it has.
#[derive(Debug, Default)]
pub struct Answers(HashMap<String, HashMap<String, String>>);

/// Fills in what the manager says; a silent one leaves `Unknown`.
pub fn fill(origin: &mut Origin, answers: &mut Answers) {
    if let Some(above) = origin.above.as_mut() {
        fill(above, answers);
        if origin.kind == OriginKind::Solobot {
            origin.respawns = above.respawns;
        }
    }
    if origin.kind == OriginKind::Systemd
        && let Some(stop) = origin.stop.clone()
    {
        let answer = answers.0.entry(stop).or_insert_with_key(|stop| ask_systemd(stop).unwrap_or_default());
        apply_systemd(origin, answer);
    }
}

/// Asks the very manager, about the very unit, that the stop command names: `systemctl [--user] show … UNIT`.
fn ask_systemd(stop: &str) -> Option<HashMap<String, String>> {
    let words = shell_words::split(stop).ok()?;
    let at = words.iter().position(|word| word == "stop")?;
    let (manager, unit) = (words.get(1..at)?, words.get(at + 1)?);
    let mut command = Command::new(words.first()?);
    command.args(manager).args(["show", "-p", "Restart,ActiveState,KillMode,TriggeredBy", "--", unit]);
    Some(properties(&output(command)?))
}

fn properties(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What `systemctl show` says about respawning (systemd.service(5), `Restart=`): TERM is a clean end, KILL is not.
fn apply_systemd(origin: &mut Origin, answer: &HashMap<String, String>) {
    let get = |key: &str| answer.get(key).map(String::as_str);
    let is_left_over = matches!(get("ActiveState"), Some("inactive" | "failed" | "deactivating"));
    if is_left_over {
        // KillMode=process: the unit is down and has left this one behind; stopping the unit does nothing.
        origin.evidence.push_str(", which is not active (KillMode=process leaves children behind)");
        (origin.stop, origin.respawns) = (None, Respawns::No);
        return;
    }
    let is_timed = get("TriggeredBy").is_some_and(|by| by.contains(".timer"));
    origin.respawns = match get("Restart") {
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

/// The output of a command that ends in time; one that does not is ended.
fn output(mut command: Command) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + PATIENCE;
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
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Origin {
        let mut origin = Origin {
            kind: OriginKind::Systemd,
            name: Some("bot.service".into()),
            evidence: String::new(),
            stop: Some("systemctl stop bot.service".into()),
            respawns: Respawns::Unknown,
            pid: None,
            above: None,
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
            assert_eq!(asked(&text).respawns, respawns, "{restart}");
        }
        assert_eq!(asked("").respawns, Respawns::Unknown);
        assert!(asked("").would_respawn());
        assert_eq!(asked("Restart=no\nTriggeredBy=bot.timer\n").respawns, Respawns::Later);
    }

    #[test]
    fn what_an_inactive_unit_left_behind_is_signalled() {
        let origin = asked("Restart=always\nActiveState=inactive\nKillMode=process\n");
        assert_eq!((origin.stop.as_deref(), origin.would_respawn()), (None, false));
    }
}
