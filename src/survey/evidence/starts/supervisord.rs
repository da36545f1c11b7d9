//! supervisord's programs, by its configuration, and how often it has started each, by its log.
//!
//! Not promised: a supervisord whose configuration cannot be read, and processes that were added by its API.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::tail::{end_of, steady_pause};
use crate::base::text::plural;
use crate::logs::input::expand;
use crate::logs::lines;
use crate::logs::time::Clock;
use crate::platform::filesystem::{open_regular, read_bounded};
use crate::process::argv::shell;
use crate::process::origin::{Manager, Place, SupervisorProcess};

/// No configuration is longer.
const LARGEST: u64 = 1024 * 1024;
/// So much of the log's end is looked at.
const END: usize = 64 * 1024;
/// What it did before is over.
const LATELY: Duration = Duration::from_mins(1);

/// One program of a supervisord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisedProgram {
    pub command: Vec<OsString>,
    pub folder: PathBuf,
    /// What its processes write to; supervisord has these open only while one runs.
    pub logs: Vec<PathBuf>,
    pub manager: Manager,
    /// How often it was started in the last minute.
    pub starts: u64,
    /// How it ended last: `exit status 75`.
    pub last_end: Option<String>,
    /// It is no longer started again: supervisord was told so, or has given up.
    pub is_over: bool,
}

impl SupervisedProgram {
    /// In words; `None` where once is all.
    pub fn count(&self) -> Option<String> {
        (self.starts > 1).then(|| format!("{} in the last minute, by its log", plural(self.starts, "start")))
    }
}

/// The sections of a configuration.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// The programs of the supervisord with this command line and working folder.
pub fn programs(argv: &[OsString], cwd: &Path, now: Timestamp) -> Vec<SupervisedProgram> {
    let Some(path) = configuration(argv, cwd) else { return Vec::new() };
    let mut sections = Sections::new();
    read(&path, &mut sections);
    let files = sections.get("include").and_then(|include| include.get("files")).cloned().unwrap_or_default();
    let here = path.parent().unwrap_or(cwd);
    for pattern in files.split_ascii_whitespace() {
        let pattern = here.join(pattern.replace("%(here)s", &here.to_string_lossy()));
        let found = if pattern.is_file() { vec![pattern] } else { expand(&pattern) };
        for file in found {
            read(&file, &mut sections);
        }
    }
    let get = |section: &str, key: &str| sections.get(section).and_then(|section| section.get(key)).map(String::as_str);
    let server = get("supervisorctl", "serverurl")
        .map(str::to_owned)
        .or_else(|| get("unix_http_server", "file").map(|file| format!("unix://{file}")));
    let log = get("supervisord", "logfile").unwrap_or("supervisord.log");
    let log = end_of(&cwd.join(log), END).unwrap_or_default();
    let children = get("supervisord", "childlogdir").map_or_else(std::env::temp_dir, |folder| cwd.join(folder));
    let of_program = |(section, keys): (&String, &BTreeMap<String, String>)| {
        let name = section.strip_prefix("program:")?;
        let has = |keys: &BTreeMap<String, String>| {
            keys.get("programs").is_some_and(|all| all.split(',').any(|one| one.trim() == name))
        };
        let groups = sections.iter().filter_map(|(section, keys)| Some((section.strip_prefix("group:")?, keys)));
        let group = groups.into_iter().find(|(_, keys)| has(keys)).map_or(name, |(group, _)| group);
        let history = History::of(&log, name, now);
        let stream = |stream: &str| match keys.get(&format!("{stream}_logfile")).map(String::as_str) {
            Some("NONE" | "syslog") => Vec::new(),
            None | Some("AUTO") => expand(&children.join(format!("{name}-{stream}---*.log"))),
            Some(file) => vec![cwd.join(file)],
        };
        let process = Some(SupervisorProcess { group: Some(group.to_owned()), process: name.to_owned() });
        Some(SupervisedProgram {
            command: shell::words(keys.get("command")?.as_ref()),
            folder: keys.get("directory").map_or_else(|| cwd.to_owned(), |folder| cwd.join(folder)),
            logs: ["stdout", "stderr"].into_iter().flat_map(stream).collect(),
            manager: Manager::Supervisord { process, server: server.clone(), place: Place::default() },
            starts: history.starts.len() as u64,
            last_end: history.last_end,
            is_over: history.is_over || steady_pause(&history.starts, now).is_none(),
        })
    };
    sections.iter().filter_map(of_program).collect()
}

/// The file that it was told, else the first of those that it looks for.
fn configuration(argv: &[OsString], cwd: &Path) -> Option<PathBuf> {
    let words: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
    let told = words.iter().zip(0..).find_map(|(word, at)| match *word {
        "-c" | "--configuration" => words.get(at + 1).copied(),
        word => word.strip_prefix("--configuration=").or_else(|| word.strip_prefix("-c").filter(|it| !it.is_empty())),
    });
    if let Some(told) = told {
        return Some(cwd.join(told));
    }
    let usual =
        ["supervisord.conf", "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
    usual.iter().map(|name| cwd.join(name)).find(|path| path.is_file())
}

fn read(path: &Path, sections: &mut Sections) {
    let text = open_regular(path).ok().and_then(|file| read_bounded(file, LARGEST).ok()).unwrap_or_default();
    let here = path.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let mut section = String::new();
    let mut key = String::new();
    for line in String::from_utf8_lossy(&text).lines() {
        // A comment begins a line, or follows white space.
        let plain = if line.starts_with([';', '#']) { "" } else { line.split(" ;").next().unwrap_or_default() };
        let plain = plain.trim_end();
        if plain.is_empty() {
            continue;
        }
        if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, key) = (name.trim().to_owned(), String::new());
            sections.entry(section.clone()).or_default();
            continue;
        }
        let keys = sections.entry(section.clone()).or_default();
        if plain.starts_with([' ', '\t']) && !key.is_empty() {
            let value = keys.entry(key.clone()).or_default();
            value.push(' ');
            value.push_str(plain.trim());
        } else if let Some((name, value)) = plain.split_once(['=', ':']) {
            let own = section.strip_prefix("program:").unwrap_or_default();
            name.trim().clone_into(&mut key);
            let value = value.trim().replace("%(here)s", &here).replace("%(program_name)s", own);
            keys.insert(key.clone(), value);
        }
    }
}

/// What the log says of one program.
#[derive(Debug, Default, PartialEq, Eq)]
struct History {
    /// Those of the last minute.
    starts: Vec<i64>,
    last_end: Option<String>,
    is_over: bool,
}

impl History {
    fn of(log: &[u8], name: &str, now: Timestamp) -> Self {
        let mut clock = Clock::new(TimeZone::system(), now);
        let since = now.checked_sub(LATELY).map_or(i64::MIN, Timestamp::as_millisecond);
        let mut found = Self::default();
        for line in log.split(|&byte| byte == b'\n') {
            let words = String::from_utf8_lossy(line);
            let mut time = || lines::dissect(line, &mut clock).time().millis().filter(|&time| time >= since);
            let behind = |mark: &str| words.find(mark).map(|at| &words[at + mark.len()..]);
            // Copies of a program are called `NAME_00`.
            let is_its = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(['\'', '_', ' ']));
            if behind("spawned: '").is_some_and(is_its) {
                found.is_over = false;
                found.starts.extend(time());
            } else if let Some(rest) = behind("exited: ").filter(|rest| is_its(rest)) {
                let how = rest.split(['(', ';', ')']).nth(1).map(str::trim);
                found.last_end = how.map(str::to_owned);
            } else if behind("gave up: ").or_else(|| behind("stopped: ")).is_some_and(is_its) {
                found.is_over = true;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_all_its_habits() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        std::fs::create_dir(dir.join("conf.d")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write(
            "s.conf",
            "; comment\n[unix_http_server]\nfile=%(here)s/s.sock ; socket\n[supervisord]\nlogfile = %(here)s/s.log\n\
             [include]\nfiles = conf.d/*.conf\n[group:all]\nprograms=tgbot, other\n",
        );
        write("conf.d/b.conf", "[program:tgbot]\ncommand = flock -n bot.lock\n  python3 bot.py\ndirectory=/srv/b\n");
        let now: Timestamp = "2026-11-27T06:43:32Z".parse().unwrap();
        let at = |second: i64| {
            let time = now
                .checked_sub(Duration::from_mins(1))
                .unwrap()
                .checked_add(Duration::from_secs(second.unsigned_abs()));
            time.unwrap().to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S,123").to_string()
        };
        let lines = |number: i64| {
            let at = at(number * 10);
            format!(
                "{at} INFO spawned: 'tgbot' with pid {number}\n{at} INFO exited: tgbot (exit status 75; not expected)\n"
            )
        };
        let log = (0..5).map(lines).collect::<Vec<_>>().concat();
        write("s.log", &log);
        let argv = ["supervisord", "-c", "s.conf"].map(OsString::from);
        let found = programs(&argv, dir, now);
        let [tgbot] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(tgbot.command, ["flock", "-n", "bot.lock", "python3", "bot.py"].map(OsString::from));
        assert_eq!((tgbot.folder.as_path(), tgbot.starts), (Path::new("/srv/b"), 5));
        assert_eq!(tgbot.last_end.as_deref(), Some("exit status 75"));
        let stop = format!("supervisorctl -s unix://{}/s.sock stop all:tgbot", dir.display());
        assert_eq!(tgbot.manager.stop(), Some(stop));
    }

    #[test]
    fn one_that_was_given_up_is_over() {
        let now: Timestamp = "2026-11-27T06:43:32Z".parse().unwrap();
        let log = b"2026-11-27 06:43:31,1 INFO spawned: 'tgbot' with pid 7\n\
            2026-11-27 06:43:31,2 INFO gave up: tgbot entered FATAL state, too many start retries too quickly\n";
        assert!(History::of(log, "tgbot", now).is_over);
        assert!(!History::of(log, "tg", now).is_over);
    }
}
