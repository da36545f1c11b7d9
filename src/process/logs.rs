//! The logs of a process that nobody has configured: what it, or its manager, writes to.
//!
//! Invariant: only regular files that are open for writing, and the places where known managers put what they collect.
//! Not promised: to find the log of a bot whose output goes through a pipe to a logger that is no manager.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::instance::Instance;
use super::origin::{Origin, OriginKind};
use crate::platform::filesystem::FileId;
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Descriptor};

/// A place of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file that is written to.
    File(PathBuf),
    /// The journal of a system's unit.
    Unit(String),
}

/// Everything that looks like a log of this instance.
pub fn of(instance: &Instance) -> Vec<Place> {
    let files = instance.members.iter().flat_map(|member| written_by(*member));
    let mut places: Vec<Place> = files.map(Place::File).collect();
    let mut origin = Some(&instance.origin);
    while let Some(manager) = origin {
        places.extend(of_manager(manager));
        origin = manager.above.as_deref();
    }
    let mut seen = Vec::new();
    places.retain(|place| {
        !seen.contains(place) && {
            seen.push(place.clone());
            true
        }
    });
    places
}

/// The files that a process writes to and that look like logs: called so, or its stdout or stderr.
fn written_by(process: Identity) -> Vec<PathBuf> {
    let descriptors = proc::descriptors(process.pid).unwrap_or_default();
    let mut files: Vec<PathBuf> = descriptors.into_iter().filter_map(written_file).collect();
    files.sort();
    // What was read must have been this process's.
    if process.is_alive() { files } else { Vec::new() }
}

fn written_file(descriptor: Descriptor) -> Option<PathBuf> {
    let path = descriptor.target()?;
    let is_output = matches!(descriptor.number, 1 | 2);
    if !path.is_absolute() || !(is_output || is_called_log(&path)) {
        return None;
    }
    let meta = fs::metadata(descriptor.path()).ok().filter(fs::Metadata::is_file)?;
    if !is_open_for_writing(&descriptor.info()) {
        return None;
    }
    // In another root, or removed, the path names another file or none; the descriptor is the file itself.
    let is_there = FileId::of(&path) == Some(FileId::from(&meta));
    Some(if is_there { path } else { descriptor.path() })
}

/// `bot.log`, `bot.log.1`, `error.log (deleted)`.
fn is_called_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let at = memchr::memmem::rfind(name, b".log");
    at.is_some_and(|at| name.get(at + 4).is_none_or(|next| matches!(next, b'.' | b'-' | b' ')))
}

/// The access mode is the last octal digit of `flags:` in fdinfo (`proc(5)`): 0 reads only.
fn is_open_for_writing(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| i64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| matches!(flags & 3, 1 | 2))
}

fn of_manager(manager: &Origin) -> Vec<Place> {
    let (Some(name), stop) = (&manager.name, manager.stop.as_deref().unwrap_or_default()) else { return Vec::new() };
    match manager.kind {
        // A user's own units have another journal, which is asked for in another way.
        OriginKind::Systemd if !stop.contains("--user") => vec![Place::Unit(name.clone())],
        OriginKind::Pm2 => pm2_home(stop).map(|home| of_pm2(&home, name)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// `PM2_HOME=/home/bot/.pm2 pm2 stop 0`: where that pm2 lives.
fn pm2_home(stop: &str) -> Option<PathBuf> {
    let words = shell_words::split(stop).ok()?;
    words.iter().find_map(|word| word.strip_prefix("PM2_HOME=")).map(PathBuf::from)
}

/// `NAME-out.log`, `NAME-error.log`, and with a number each in cluster mode.
fn of_pm2(home: &Path, name: &str) -> Vec<Place> {
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
    files.into_iter().map(Place::File).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn what_is_open_for_writing() {
        assert!(is_open_for_writing("pos:\t0\nflags:\t0102001\nmnt_id:\t27\n"));
        assert!(is_open_for_writing("flags:\t02\n"));
        assert!(!is_open_for_writing("flags:\t0100000\n"));
        assert!(!is_open_for_writing(""));
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
        let of = |stop: &str| {
            let (name, stop) = (Some("bot.service".to_owned()), Some(stop.to_owned()));
            of_manager(&Origin { kind: OriginKind::Systemd, name, stop, ..Origin::unknown() })
        };
        assert_eq!(of("systemctl stop bot.service"), [Place::Unit("bot.service".into())]);
        assert_eq!(of("systemctl --user stop bot.service"), []);
    }

    #[test]
    fn pm2s_logs_by_name() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("logs")).unwrap();
        for name in ["my-bot-out.log", "my-bot-error.log", "my-bot-out-3.log", "my-bot-2-out.log", "my-bot-outer.log"] {
            std::fs::write(home.path().join("logs").join(name), "").unwrap();
        }
        let found = of_pm2(home.path(), "my bot");
        let file = |name: &str| Place::File(home.path().join("logs").join(name));
        assert_eq!(found, [file("my-bot-error.log"), file("my-bot-out-3.log"), file("my-bot-out.log")]);
        assert_eq!(pm2_home("PM2_HOME='/home/a b/.pm2' pm2 stop 0"), Some("/home/a b/.pm2".into()));
        assert_eq!(pm2_home("kill 7"), None);
    }
}
