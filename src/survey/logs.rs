//! A bot's logs: those that solobot.toml names, otherwise those that its instances or their managers write to.
//!
//! Invariant: of logs that are not named, only two kinds are read: regular files that are open for writing, and the
//! places where known managers put their logs. Not promised: the log of a bot whose output goes through a pipe to a
//! logger that is not a manager.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::bots::FoundBot;
use super::find::is_strangers;
use crate::logs::input::{self, Input};
use crate::logs::tally::{Limits, Period, Summary};
use crate::logs::{LogSource, Query, read};
use crate::platform::filesystem::{FileId, FileStatus};
use crate::platform::identity::Identity;
use crate::platform::proc::{self, OpenFile};
use crate::process::instance::Instance;
use crate::process::origin::{Manager, Place, Scope};
use crate::settings::{Bot, Log};

/// A bot's logs, and whether solobot.toml names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// Where they are, each once.
    pub inputs: Vec<Input>,
    /// The file names them.
    pub are_named: bool,
}

/// The logs of a bot, with what was rotated away beside each file; the oldest first.
pub fn of_bot(bot: &FoundBot) -> Logs {
    if bot.bot.logs.is_empty() {
        // A stranger can write what they like into their own.
        let all = bot.found.mine().filter(|one| !is_strangers(one));
        return Logs { inputs: once(written(all).into_iter().flat_map(rotated)), are_named: false };
    }
    Logs { inputs: named(&bot.bot), are_named: true }
}

/// Those that the file names.
pub fn named(bot: &Bot) -> Vec<Input> {
    let of_log = |log: &Log| match log {
        Log::Unit(unit) => vec![Input::Unit(unit.clone())],
        Log::Files(path) => files(path).into_iter().map(Input::File).flat_map(rotated).collect(),
    };
    once(bot.logs.iter().flat_map(of_log))
}

/// Where these instances write to now.
pub fn written<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<Input> {
    once(instances.into_iter().flat_map(of_instance))
}

/// Where a process writes to now.
pub fn of_process(process: Identity) -> Vec<Input> {
    written_by(process).into_iter().map(Input::File).collect()
}

/// What logs say since then, and what was read. Nothing that never ends is read: a FIFO, a device.
pub fn summary(inputs: Vec<Input>, since: Timestamp) -> (Summary, Vec<LogSource>) {
    let (mut inputs, endless): (Vec<Input>, Vec<Input>) = inputs.into_iter().partition(has_an_end);
    inputs.retain(|input| may_be_younger(input, since));
    let (summary, mut sources) = read_since(&inputs, since, Timestamp::now());
    sources.extend(endless.iter().map(|input| LogSource {
        name: input.name(),
        bytes: 0,
        error: Some(io::Error::other(NO_FILE)),
    }));
    (summary, sources)
}

/// Why a FIFO or a device is not read.
pub const NO_FILE: &str = "it is not a regular file";

/// A FIFO or a device would keep the reader waiting. What is not there says so when it is opened.
pub fn has_an_end(input: &Input) -> bool {
    let Input::File(path) = input else { return true };
    path.metadata().map_or(true, |meta| meta.is_file())
}

/// A file that was last written to before has nothing to say: so what was rotated away, and packed, is not unpacked for a
/// minute's look.
pub fn may_be_younger(input: &Input, since: Timestamp) -> bool {
    let Input::File(path) = input else { return true };
    let written = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| Timestamp::try_from(time).ok());
    written.is_none_or(|written| written >= since)
}

/// Reads them from that moment on.
pub fn read_since(inputs: &[Input], since: Timestamp, now: Timestamp) -> (Summary, Vec<LogSource>) {
    let limits = Limits { by: Period::Day, zone: TimeZone::system(), since: Some(since.as_millisecond()), until: None };
    let findings = read(inputs, &Query { limits, last_lines: None, now }, &mut |_| {});
    (findings.summary, findings.sources)
}

fn rotated(input: Input) -> Vec<Input> {
    match input {
        Input::File(path) => input::with_rotated(&path).into_iter().map(Input::File).collect(),
        other => vec![other],
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    if input::is_pattern(path) {
        input::expand(path)
    } else if path.exists() {
        vec![path.to_owned()]
    } else {
        Vec::new()
    }
}

fn once(inputs: impl Iterator<Item = Input>) -> Vec<Input> {
    inputs.fold(Vec::new(), |mut seen, input| {
        if !seen.contains(&input) {
            seen.push(input);
        }
        seen
    })
}

/// Everything that looks like a log of this instance.
fn of_instance(instance: &Instance) -> Vec<Input> {
    let files = instance.members.iter().flat_map(|member| written_by(*member));
    let mut places: Vec<Input> = files.map(Input::File).collect();
    let mut origin = Some(&instance.origin);
    while let Some(one) = origin {
        places.extend(of_manager(&one.manager));
        origin = one.above.as_deref();
    }
    places
}

/// The files that a process writes to and that look like logs: called so, or its stdout or stderr.
pub fn written_by(process: Identity) -> Vec<PathBuf> {
    let descriptors = proc::descriptors(process.pid).unwrap_or_default();
    let mut files: Vec<PathBuf> = descriptors.into_iter().filter_map(written_file).collect();
    files.sort();
    // What was read must have been this process's.
    if process.is_alive() { files } else { Vec::new() }
}

fn written_file(descriptor: OpenFile) -> Option<PathBuf> {
    let path = descriptor.target()?;
    let is_output = matches!(descriptor.number, 1 | 2);
    if !path.is_absolute() || !(is_output || is_called_log(&path)) {
        return None;
    }
    let itself = descriptor.path()?;
    let meta = FileStatus::of(&itself).ok().filter(|file| file.is_file())?;
    if !descriptor.is_for_writing() {
        return None;
    }
    // In another root, or removed, the path names another file or none; the descriptor is the file itself.
    let is_there = FileId::of(&path) == Some(meta.id());
    Some(if is_there { path } else { itself })
}

/// `bot.log`, `bot.log.1`, `error.log (deleted)`.
fn is_called_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let at = memchr::memmem::rfind(name, b".log");
    at.is_some_and(|at| name.get(at + 4).is_none_or(|next| matches!(next, b'.' | b'-' | b' ')))
}

fn of_manager(manager: &Manager) -> Vec<Input> {
    match manager {
        // A user's own units have another journal, which is asked for in another way.
        Manager::Systemd { unit, scope: Scope::System, .. } => vec![Input::Unit(unit.clone())],
        // In a container the same path is another folder.
        Manager::Pm2 { home, place: Place { container: None, .. }, .. } => {
            manager.name().map(|name| of_pm2(Path::new(home), &name)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// `NAME-out.log`, `NAME-error.log`, and with a number each in cluster mode.
fn of_pm2(home: &Path, name: &str) -> Vec<Input> {
    let Ok(entries) = fs::read_dir(home.join("logs")) else { return Vec::new() };
    let name = name.replace(' ', "-");
    let is_ours = |file: &str| {
        let Some(rest) = file.strip_prefix(&name).and_then(|rest| rest.strip_suffix(".log")) else { return false };
        let rest = rest.strip_prefix("-out").or(rest.strip_prefix("-error"));
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(is_ours))
        .collect();
    files.sort();
    files.into_iter().map(Input::File).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::origin::{Container, Engine, Respawns};
    use std::fs::File;

    #[test]
    fn names_of_logs() {
        for name in ["bot.log", "/var/log/bot.log.1", "a.log-20260110", "bot.log (deleted)"] {
            assert!(is_called_log(Path::new(name)), "{name}");
        }
        for name in ["bot.lock", "bot.logger", "log", "/x.log/data.db", "bot.login.json"] {
            assert!(!is_called_log(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn our_own_open_logs() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name);
        std::fs::write(path("read.log"), "").unwrap();
        let kept = [File::create(path("bot.log")), File::create(path("bot.db")), File::open(path("read.log"))];
        let gone = File::create(path("gone.log")).unwrap();
        std::fs::remove_file(path("gone.log")).unwrap();
        let found = written_by(Identity::own().unwrap());
        let ours: Vec<&PathBuf> = found.iter().filter(|found| found.starts_with(&root)).collect();
        assert_eq!(ours, [&path("bot.log")]);
        let number = std::os::fd::AsRawFd::as_raw_fd(&gone).to_string();
        assert!(found.iter().any(|found| found.ends_with(format!("fd/{number}"))), "{found:?}");
        drop((kept, gone));
    }

    #[test]
    fn a_units_journal() {
        let of = |scope| {
            let (unit, respawns) = ("bot.service".to_owned(), Respawns::Unknown);
            of_manager(&Manager::Systemd { unit, scope, respawns, is_left_over: false, restarts: None })
        };
        assert_eq!(of(Scope::System), [Input::Unit("bot.service".into())]);
        assert_eq!(of(Scope::OwnUser), []);
        assert_eq!(of(Scope::User(1000)), []);
    }

    #[test]
    fn pm2s_logs_by_name() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("logs")).unwrap();
        for name in ["my-bot-out.log", "my-bot-error.log", "my-bot-out-3.log", "my-bot-2-out.log", "my-bot-outer.log"] {
            std::fs::write(home.path().join("logs").join(name), "").unwrap();
        }
        let pm2 = |place| Manager::Pm2 {
            home: home.path().display().to_string(),
            id: Some("0".into()),
            name: Some("my bot".into()),
            autorestart: true,
            restarts: None,
            place,
        };
        let found = of_manager(&pm2(Place::default()));
        let file = |name: &str| Input::File(home.path().join("logs").join(name));
        assert_eq!(found, [file("my-bot-error.log"), file("my-bot-out-3.log"), file("my-bot-out.log")]);
        let container = Container { engine: Engine::Docker, id: "0123456789ab".into(), user: None, pod: None };
        assert_eq!(of_manager(&pm2(Place { container: Some(container), user: None })), []);
    }
}
