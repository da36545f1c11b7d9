//! Lines of crontabs that start a bot: cron looks for no instance that runs already, and what a line puts into the
//! background belongs to nobody a moment later.
//!
//! Not promised: anacron, at, and systemd's timers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::facts::{BotFacts, CronLine, Cronjobs, SeenInstance};
use crate::base::error::plain;
use crate::base::secret::mask;
use crate::base::shell;
use crate::base::text::plural;
use crate::platform::filesystem::{open_regular, read_bounded};
use crate::platform::user;
use crate::process::origin::{Manager, answer_of};
use crate::process::program::Program;

/// The tables of users: Debian's folder, and that of the others.
const SPOOLS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];
const SYSTEM: &str = "/etc/crontab";
const SYSTEM_FOLDER: &str = "/etc/cron.d";
/// No table is longer.
const LARGEST: u64 = 1024 * 1024;
/// How long `crontab -l` may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// A crontab.
struct Crontab {
    path: PathBuf,
    text: String,
    /// Whose; `None`: each line names its user.
    owner: Option<String>,
}

/// What cron has to do with this bot. That tables cannot be read matters where its instances look as if cron started them.
pub fn look(program: &Program, name: Option<&str>, bot: &BotFacts) -> Cronjobs {
    let (tables, unreadable) = tables();
    let lines = tables.iter().flat_map(|table| table.lines_of(program, name)).collect();
    let is_detached =
        |seen: &&SeenInstance| matches!(seen.instance.origin.manager, Manager::Detached | Manager::Cron(_));
    let is_suspect = bot.all().filter(is_detached).count() > 1;
    Cronjobs { lines, unreadable: if is_suspect { unreadable } else { Vec::new() } }
}

/// Every crontab that can be read, and why others cannot.
fn tables() -> (Vec<Crontab>, Vec<String>) {
    let mut tables = Vec::new();
    let mut unreadable = Vec::new();
    let mut refuse = |path: &Path, error: &io::Error| {
        if error.kind() != io::ErrorKind::NotFound {
            unreadable.push(format!("cannot read {}: {}; use sudo to see it", path.display(), plain(error)));
        }
    };
    let system = fs::read_dir(SYSTEM_FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in system.filter(|path| is_run(path)).chain([PathBuf::from(SYSTEM)]) {
        match text_of(&path) {
            Ok(text) => tables.push(Crontab { path, text, owner: None }),
            Err(error) => refuse(&path, &error),
        }
    }
    let own = user::name(user::effective_uid());
    for spool in SPOOLS.map(Path::new) {
        let entries = match fs::read_dir(spool) {
            Ok(entries) => entries,
            Err(error) => {
                refuse(spool, &error);
                continue;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            let owner = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match text_of(&path) {
                Ok(text) => tables.push(Crontab { path, text, owner: Some(owner) }),
                // One's own is shown by `crontab -l`.
                Err(_) if owner == own => {}
                Err(error) => refuse(&path, &error),
            }
        }
    }
    let is_known = tables.iter().any(|table| table.owner.as_ref() == Some(&own));
    if !is_known && user::effective_uid() != 0 {
        let mut command = Command::new("crontab");
        command.arg("-l");
        let path = Path::new(SPOOLS[0]).join(&own);
        tables.extend(answer_of(command, PATIENCE).map(|text| Crontab { path, text, owner: Some(own) }));
    }
    (tables, unreadable)
}

/// cron leaves out names with a dot, as editors' copies have them.
fn is_run(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn text_of(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bounded(open_regular(path)?, LARGEST)?).into_owned())
}

impl Crontab {
    /// The lines that start the program whether or not it is running.
    fn lines_of(&self, program: &Program, name: Option<&str>) -> Vec<CronLine> {
        let mut homes: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut set_home: Option<PathBuf> = None;
        let mut found = Vec::new();
        for (number, text) in (1..).zip(self.text.lines()) {
            if let Some(home) = text.trim().strip_prefix("HOME=") {
                set_home = Some(PathBuf::from(home.trim_matches(['"', '\''])));
            }
            let Some(job) = CronJob::read(text, self.owner.is_none()) else { continue };
            let Some(when) = job.when() else { continue };
            let user = job.user.or(self.owner.as_deref()).unwrap_or("root");
            let home = set_home
                .clone()
                .unwrap_or_else(|| homes.entry(user.to_owned()).or_insert_with(|| home_of(user)).clone());
            // What follows a `%` is the command's input.
            let command = job.command.split('%').next().unwrap_or_default();
            let words = ["sh".into(), "-c".into(), OsString::from(command)];
            let start = program.start_by(&words, &home, name);
            if start.is_some_and(|start| !start.is_locked && !start.looks_first) {
                let (file, text) = (self.path.clone(), mask(text.trim()).into_owned());
                found.push(CronLine { file, number, text, when, edit: self.edit() });
            }
        }
        found
    }

    fn edit(&self) -> String {
        match &self.owner {
            None => format!("sudoedit {}", shell::quote(&self.path.to_string_lossy())),
            Some(owner) if *owner == user::name(user::effective_uid()) => "crontab -e".to_owned(),
            Some(owner) => format!("sudo crontab -u {} -e", shell::quote(owner)),
        }
    }
}

fn home_of(user: &str) -> PathBuf {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_its = |line: &&str| line.split(':').next() == Some(user);
    let home = users.lines().find(is_its).and_then(|line| line.split(':').nth(5)).unwrap_or("/");
    PathBuf::from(home)
}

/// A job of a crontab (crontab(5)).
struct CronJob<'a> {
    schedule: Vec<&'a str>,
    user: Option<&'a str>,
    command: &'a str,
}

impl<'a> CronJob<'a> {
    fn read(line: &'a str, names_user: bool) -> Option<Self> {
        let mut rest = line.trim();
        let first = rest.chars().next()?;
        if !(first.is_ascii_digit() || matches!(first, '*' | '@')) {
            return None;
        }
        let mut word = || {
            let (word, behind) = rest.split_once([' ', '\t'])?;
            rest = behind.trim_start();
            Some(word)
        };
        let schedule = (0..if first == '@' { 1 } else { 5 }).map(|_| word()).collect::<Option<Vec<_>>>()?;
        let user = if names_user { Some(word()?) } else { None };
        Some(Self { schedule, user, command: rest })
    }

    /// How often it runs, in words; `None` for once at boot.
    fn when(&self) -> Option<String> {
        let every = |field: &str| match field.strip_prefix("*/").map(str::parse::<u64>) {
            Some(Ok(step)) if step > 1 => Some(step),
            _ => (field == "*" || field == "*/1").then_some(1),
        };
        let in_words = |step: u64, unit: &str| {
            if step == 1 { format!("every {unit}") } else { format!("every {}", plural(step, unit)) }
        };
        Some(match self.schedule.as_slice() {
            ["@reboot"] => return None,
            [name] => match *name {
                "@hourly" => "every hour".to_owned(),
                "@daily" | "@midnight" => "every day".to_owned(),
                name => name.trim_start_matches('@').to_owned(),
            },
            [minute, "*", "*", "*", "*"] => match every(minute) {
                Some(step) => in_words(step, "minute"),
                None => "every hour".to_owned(),
            },
            [_, hour, "*", "*", "*"] => match every(hour) {
                Some(step) => in_words(step, "hour"),
                None => "every day".to_owned(),
            },
            _ => "at set times".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, owner: Option<&str>) -> Vec<(usize, String)> {
        let program = Program::script("/srv/bot/bot.py".as_ref());
        let table = Crontab { path: "/etc/cron.d/bot".into(), text: text.into(), owner: owner.map(str::to_owned) };
        table.lines_of(&program, Some("main")).into_iter().map(|line| (line.number, line.when)).collect()
    }

    #[test]
    fn a_line_that_starts_it_is_found_with_how_often() {
        for (line, when) in [
            ("* * * * * cd /srv/bot && nohup python3 bot.py &", Some("every minute")),
            ("*/5 * * * * /usr/bin/env X=y python3 /srv/bot/bot.py >> /tmp/log 2>&1", Some("every 5 minutes")),
            ("7 * * * * cd /srv/bot; python3 -u bot.py%input", Some("every hour")),
            ("0 4 * * * python3 /srv/bot/bot.py", Some("every day")),
            ("@hourly\tpython3 /srv/bot/bot.py", Some("every hour")),
            ("@reboot python3 /srv/bot/bot.py", None),
            ("* * * * * flock -n /tmp/l python3 /srv/bot/bot.py", None),
            ("* * * * * solobot acquire -n main", None),
            ("* * * * * pgrep -f bot.py || python3 /srv/bot/bot.py", None),
            ("* * * * * python3 /srv/bot/other.py", None),
            ("# * * * * * python3 /srv/bot/bot.py", None),
            ("PATH=/bin", None),
            ("", None),
        ] {
            let found = lines(&format!("# m h dom mon dow command\n{line}\n"), Some("bot"));
            let expected: Vec<(usize, String)> = when.iter().map(|when| (2, (*when).to_owned())).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_table_of_the_system_names_users_and_a_home() {
        assert_eq!(lines("HOME=/srv/bot\n* * * * * bot python3 bot.py\n", None).len(), 1);
        assert_eq!(lines("* * * * * bot python3 bot.py\n", None).len(), 0);
    }

    #[test]
    fn names_that_cron_leaves_out() {
        assert!(is_run(Path::new("/etc/cron.d/bot")) && !is_run(Path::new("/etc/cron.d/bot.bak")));
    }
}
