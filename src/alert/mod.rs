//! Alerts: commands of `[on]` that are run when something happens to a bot, each once a change, and the URL that is asked for
//! while all is well.
//!
//! Invariants: whoever runs them goes on at once; a command that hangs is killed after 10 s; none gets a token, a
//! descriptor of ours, or what belongs to COMMAND. Nothing that goes wrong here ends anything: it is said, once for each kind.
//!
//! An event of one kind is told at most once in 10 min, whoever tells it ([`AlertMemory`]). `down` follows what was told: it
//! comes once after each `up`, so that the last thing that was said is true.

mod command;
mod ping;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::command::{AlertEnd, RunningAlert};
use self::ping::Ping;
use crate::base::duration::show;
use crate::base::env::{PATH, Vars};
use crate::base::error::{Error, Expected, plain};
use crate::base::exit::Exit;
use crate::base::shell::quote;
use crate::http::client;
use crate::journal::Journal;
use crate::journal::alerts::AlertMemory;
use crate::outcome::events::{Events, Notice};
use crate::platform::children::Ended;
use crate::settings::Settings;
use crate::settings::alerts::{AlertKind, PingUrl};

/// A command that runs longer is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same event of a bot is not told again within this time.
const QUIET: Duration = Duration::from_mins(10);
/// How often a command that runs is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same at the end, where nothing else is to be done.
const LOOK_AT_LAST: Duration = Duration::from_millis(10);
/// Nothing runs, and nothing is to be asked for.
const NEVER: Duration = Duration::from_hours(1);

/// Why alerts cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("the command of `{kind}` in [on] was not found, or cannot be executed: `{program}`")]
    Missing { kind: AlertKind, program: String },
    #[error(transparent)]
    Ping(client::Error),
}

impl Expected for AlertError {
    fn exit(&self) -> Exit {
        Exit::Config
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "alert-missing",
            Self::Ping(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { program, .. } => vec![format!("to see what is there: ls -l {}", quote(program))],
            Self::Ping(error) => error.hints(),
        }
    }
}

/// What is run, and what runs.
pub struct Alerts {
    commands: Vec<(AlertKind, Vec<OsString>)>,
    folder: PathBuf,
    memory: AlertMemory,
    running: Vec<RunningAlert>,
    /// What this solobot knows to have been told of each bot, by its lock.
    told: HashSet<(String, AlertKind)>,
    /// Which kinds have failed, which is said once.
    failed: HashSet<AlertKind>,
    /// Of each bot, by its name.
    pings: Vec<(String, Ping)>,
    url: Option<PingUrl>,
    vars: Vars,
}

/// Whom an alert is about. Two files may have bots of one name, but not of one lock.
#[derive(Debug, Clone, Copy)]
pub struct AlertedBot<'a> {
    pub name: &'a str,
    pub lock: &'a Path,
}

impl AlertedBot<'_> {
    fn key(self) -> String {
        self.lock.to_string_lossy().into_owned()
    }

    fn of(self, kind: AlertKind) -> (String, AlertKind) {
        (self.key(), kind)
    }
}

impl Alerts {
    /// Those of the file; `None` if it has none. Nothing is run yet.
    ///
    /// # Errors
    /// 78: a command that is missing, a proxy variable that cannot be understood.
    pub fn prepare(settings: &Settings) -> Result<Option<Self>, Error> {
        let written = settings.alerts();
        if written.is_empty() {
            return Ok(None);
        }
        for (kind, words) in &written.commands {
            if !words.first().is_some_and(|program| is_there(program)) {
                let program = words.first().cloned().unwrap_or_default();
                return Err(AlertError::Missing { kind: *kind, program }.into());
            }
        }
        if let Some(url) = &written.ping {
            Ping::new(url, &settings.context().vars).map_err(AlertError::Ping)?;
        }
        let words = |words: &Vec<String>| words.iter().map(OsString::from).collect();
        Ok(Some(Self {
            commands: written.commands.iter().map(|(kind, all)| (*kind, words(all))).collect(),
            folder: written.folder.clone(),
            memory: AlertMemory::beside(&Journal::at(settings.journal())),
            running: Vec::new(),
            told: HashSet::new(),
            failed: HashSet::new(),
            pings: Vec::new(),
            url: written.ping.clone(),
            vars: settings.context().vars.clone(),
        }))
    }

    /// The bot is running. `is_news`: else nobody is told who was never told that it is not.
    pub fn up(&mut self, bot: AlertedBot<'_>, detail: &str, is_news: bool, events: &mut dyn Events) {
        let known = bot.of(AlertKind::Up);
        if self.told.contains(&known) {
            return;
        }
        let (is_told, is_due) = self.memory.with(&bot.key(), |times, now| {
            let at = |kind: AlertKind| times.get(kind.as_str()).copied();
            let is_told = match (at(AlertKind::Up), at(AlertKind::Down)) {
                (Some(up), Some(down)) => up >= down,
                (up, None) => up.is_some() || !is_news,
                (None, Some(_)) => false,
            };
            let is_due = !is_told && is_quiet_over(at(AlertKind::Up), now);
            if is_due {
                times.insert(AlertKind::Up.as_str().into(), now);
            }
            (is_told, is_due)
        });
        if is_told || is_due {
            self.told.insert(known);
            // Another end of it is news.
            self.told.remove(&bot.of(AlertKind::Down));
        }
        if is_due {
            self.run(bot, AlertKind::Up, detail, events);
        }
    }

    /// No instance is running.
    pub fn down(&mut self, bot: AlertedBot<'_>, detail: &str, events: &mut dyn Events) {
        let known = bot.of(AlertKind::Down);
        self.told.remove(&bot.of(AlertKind::Up));
        if !self.told.insert(known) {
            return;
        }
        let is_news = self.memory.with(&bot.key(), |times, now| {
            let at = |kind: AlertKind| times.get(kind.as_str()).copied();
            let is_told = match (at(AlertKind::Up), at(AlertKind::Down)) {
                (Some(up), Some(down)) => down > up,
                (None, Some(down)) => !is_quiet_over(Some(down), now),
                (_, None) => false,
            };
            // Later than an `up` of the same second.
            let after = at(AlertKind::Up).map_or(now, |up| now.max(up + 1));
            if !is_told {
                times.insert(AlertKind::Down.as_str().into(), after);
            }
            !is_told
        });
        if is_news {
            self.run(bot, AlertKind::Down, detail, events);
        }
    }

    /// Whether something is so just now, and what of it is to be told.
    pub fn set(&mut self, bot: AlertedBot<'_>, kind: AlertKind, detail: Option<&str>, events: &mut dyn Events) {
        let known = bot.of(kind);
        let Some(detail) = detail else {
            self.told.remove(&known);
            return;
        };
        if self.told.contains(&known) {
            return;
        }
        let is_due = self.memory.with(&bot.key(), |times, now| {
            let is_due = is_quiet_over(times.get(kind.as_str()).copied(), now);
            if is_due {
                times.insert(kind.as_str().into(), now);
            }
            is_due
        });
        if is_due {
            self.told.insert(known);
            self.run(bot, kind, detail, events);
        }
    }

    fn run(&mut self, bot: AlertedBot<'_>, kind: AlertKind, detail: &str, events: &mut dyn Events) {
        let Some((_, words)) = self.commands.iter().find(|(known, _)| *known == kind) else { return };
        match RunningAlert::start(words, &self.folder, bot.name, kind, detail, PATIENCE) {
            Ok(alert) => self.running.push(alert),
            Err(error) => self.complain(bot.name, kind, &plain(&error), events),
        }
    }

    fn complain(&mut self, bot: &str, kind: AlertKind, why: &str, events: &mut dyn Events) {
        if self.failed.insert(kind) {
            events.notice(&Notice::Warning(format!("the alert `{kind}` of {bot} failed: {why}")));
        }
    }

    /// Looks after what runs, and asks for the URL where all is well: of this bot.
    pub fn tend(&mut self, bot: &str, is_well: impl FnOnce() -> bool, events: &mut dyn Events) {
        self.look_after(events);
        let Some(url) = &self.url else { return };
        if !self.pings.iter().any(|(known, _)| known == bot) {
            let Ok(ping) = Ping::new(&url.of_bot(bot), &self.vars) else { return };
            self.pings.push((bot.to_owned(), ping));
        }
        let Some((_, ping)) = self.pings.iter_mut().find(|(known, _)| known == bot) else { return };
        if let Some(why) = ping.tend(is_well) {
            events.notice(&Notice::Warning(why));
        }
    }

    fn look_after(&mut self, events: &mut dyn Events) {
        for mut alert in std::mem::take(&mut self.running) {
            match alert.end() {
                None => self.running.push(alert),
                Some(AlertEnd::Done) => {
                    self.failed.remove(&alert.kind);
                }
                Some(AlertEnd::Failed(why)) => self.complain(&alert.bot, alert.kind, &why, events),
                Some(AlertEnd::Killed) => {
                    let (kind, bot, patience) = (alert.kind, &alert.bot, show(PATIENCE));
                    let why = format!("the alert `{kind}` of {bot} took longer than {patience}, and was killed");
                    events.notice(&Notice::Warning(why));
                }
            }
        }
    }

    /// When to look again.
    pub fn again_in(&self) -> Duration {
        let alert = if self.running.is_empty() { NEVER } else { LOOK_EVERY };
        self.pings.iter().map(|(_, ping)| ping.again_in()).fold(alert, Duration::min)
    }

    /// The commands that run: whoever counts their own children leaves these and what is below them out.
    pub fn pids(&self) -> Vec<i32> {
        self.running.iter().map(RunningAlert::pid).collect()
    }

    /// Somebody who waits for every child has been told how one of these ended.
    pub fn reaped(&mut self, pid: i32, ended: Ended) {
        if let Some(alert) = self.running.iter_mut().find(|alert| alert.pid() == pid) {
            alert.reaped(ended);
        }
    }

    /// Waits for what runs still, for as long as it may run.
    pub fn finish(&mut self, events: &mut dyn Events) {
        let until = Instant::now() + PATIENCE + LOOK_EVERY;
        loop {
            self.look_after(events);
            if self.running.is_empty() || Instant::now() >= until {
                return;
            }
            std::thread::sleep(LOOK_AT_LAST);
        }
    }
}

fn is_quiet_over(last: Option<i64>, now: i64) -> bool {
    let quiet = i64::try_from(QUIET.as_secs()).unwrap_or(i64::MAX);
    // A clock that was set back says nothing.
    last.is_none_or(|last| !(0..quiet).contains(&(now - last)))
}

/// Whether a program can be found; whether it can be executed, shows when it is.
fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os(PATH).unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
