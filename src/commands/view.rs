//! Processes and locks as they are shown: in tables, in messages and in JSON.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Serialize;

use crate::base::secret::mask;
use crate::lock::owner::Details;
use crate::lock::state::{self, Facts, State};
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Handle};
use crate::platform::user;

/// A process as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessView {
    /// Its PID.
    pub pid: i32,
    /// When it started.
    pub start: Option<Timestamp>,
    /// Whose it is.
    pub user: String,
    /// Its command line, token-shaped strings masked.
    pub command: String,
    /// How long it has run, in seconds.
    #[serde(skip)]
    pub age: Option<Duration>,
}

impl ProcessView {
    /// Looks at a process; what cannot be seen is empty.
    pub fn of(process: Identity) -> Self {
        let started = process.started_at();
        Self {
            pid: process.pid,
            start: started.and_then(|time| Timestamp::try_from(time).ok()).map(to_seconds),
            user: proc::owner(process.pid).map_or_else(String::new, user::name),
            command: command_line(process.pid),
            age: started.and_then(|time| SystemTime::now().duration_since(time).ok()),
        }
    }
}

/// A process that is in the way although nobody holds the lock.
#[derive(Debug, Clone)]
pub struct Beside {
    /// It.
    pub process: ProcessView,
    /// It holds a file that was at the lock's path; else it runs without the lock.
    pub holds_removed: bool,
    /// Its own solobot is dead.
    pub orphaned: bool,
    /// Why it may be another bot.
    pub doubt: Option<&'static str>,
    /// It is proved to be the bot's, and may be stopped for it.
    pub is_proved: bool,
}

fn to_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The command line of a process in one line, quoted where a shell would need it, tokens masked; the command's name in
/// brackets where the line is hidden or empty.
pub fn command_line(pid: i32) -> String {
    let words = Handle::open(pid).map(|handle| handle.argv()).unwrap_or_default();
    if words.is_empty() {
        return format!("[{}]", proc::name(pid).unwrap_or_default());
    }
    in_one_line(words.iter().map(|word| word.to_string_lossy()))
}

/// Words as a shell would take them, tokens masked.
pub fn in_one_line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    mask(&shell_words::join(words)).into_owned()
}

/// A path for JSON, which is UTF-8: what is none is replaced.
///
/// # Errors
/// Those of the serializer.
pub fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// A lock as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct LockView {
    /// Its absolute path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Its state, in one word.
    pub state: &'static str,
    /// Why it is stale or unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The solobot that took it is dead, its COMMAND holds it still.
    pub orphaned: bool,
    /// Who holds it where nobody in sight does.
    #[serde(skip)]
    pub unseen: Option<&'static str>,
    /// Who holds it (for `replaced`: who holds the file that is no more; for `owner-alive-unlocked`: who claims it).
    pub holders: Vec<ProcessView>,
    /// Who waits for it.
    pub waiters: Vec<ProcessView>,
    /// When it was taken, by its owner record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is odd about the owner record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_problem: Option<String>,
}

impl LockView {
    /// Looks at the processes behind the facts.
    pub fn of(facts: &Facts) -> Self {
        let (why, holders, orphaned) = match &facts.state {
            State::Absent | State::Free => (None, &[][..], false),
            State::Held { holders, orphaned } => (None, &holders[..], *orphaned),
            State::Stale(stale) => (Some(stale.to_string()), &[][..], false),
            State::OwnerAliveUnlocked(process) => (None, std::slice::from_ref(process), false),
            State::Replaced { holders } => (None, &holders[..], false),
            State::Unreadable { why, .. } => (Some(why.clone()), &[][..], false),
        };
        let held = matches!(facts.state, State::Held { .. });
        Self {
            path: facts.path.clone(),
            state: word(&facts.state),
            why,
            orphaned,
            unseen: facts.is_held_unseen().then(state::unseen_holder),
            holders: holders.iter().copied().map(ProcessView::of).collect(),
            waiters: facts.waiters.iter().copied().map(ProcessView::of).collect(),
            since: facts.record.details().filter(|_| held).and_then(taken_at),
            record_problem: match &facts.record {
                crate::lock::owner::Found::Untrusted(why) => Some(why.clone()),
                crate::lock::owner::Found::Absent | crate::lock::owner::Found::Record(..) => None,
            },
        }
    }
}

/// A lock in two words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockBrief {
    /// Its absolute path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Its state.
    pub state: &'static str,
}

impl LockBrief {
    /// By its facts.
    pub fn of(facts: &Facts) -> Self {
        Self { path: facts.path.clone(), state: word(&facts.state) }
    }
}

/// A state in one word, as in JSON.
fn word(state: &State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Free => "free",
        State::Held { .. } => "held",
        State::Stale(_) => "stale",
        State::OwnerAliveUnlocked(_) => "owner-alive-unlocked",
        State::Replaced { .. } => "replaced",
        State::Unreadable { .. } => "unreadable",
    }
}

fn taken_at(details: &Details) -> Option<Timestamp> {
    details.acquired_at.parse().ok().map(to_seconds)
}

/// Who holds a lock and what would resolve it: what a refusal says.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    /// The lock.
    pub lock: LockView,
    /// For whom it was taken, where that is another program than the one that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
    /// The process that an operator would call the holder: COMMAND rather than the solobot around it.
    #[serde(skip)]
    pub main: Option<ProcessView>,
    /// The process that a keeper holds the lock for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<ProcessView>,
    /// Who started the holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<super::status::OriginView>,
    /// What to type, most likely first.
    #[serde(skip)]
    pub remedies: Vec<String>,
}

impl Holding {
    /// Who holds it, in a sentence: one process, or why none can be named.
    pub fn by(&self) -> String {
        self.main
            .as_ref()
            .map_or_else(|| self.by_unseen().to_owned(), |main| format!("PID {}: {}", main.pid, main.command))
    }

    /// The same in a line that a person can read.
    pub fn by_briefly(&self) -> String {
        let main = self.main.as_ref();
        main.map_or_else(
            || self.by_unseen().to_owned(),
            |main| format!("PID {}: {}", main.pid, shortened(&main.command)),
        )
    }

    /// Who holds it where no process can be named.
    pub fn by_unseen(&self) -> &'static str {
        self.lock.unseen.unwrap_or(ENDED)
    }
}

/// Who held a lock and is gone by now.
pub const ENDED: &str = "a process that has ended since";

/// A command line short enough for a sentence, and long enough for an interpreter and a script with their folders: a
/// table's is cut to the terminal's width, a program's is whole.
pub fn shortened(command: &str) -> String {
    const LONGEST: usize = 160;
    // First: half a token would be known by nobody but its reader.
    let command = mask(command);
    if command.chars().count() <= LONGEST {
        return command.into_owned();
    }
    command.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// A sentence that names command lines: a program reads all of them, a person no more than [`shortened`] leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// With every command line whole.
    pub whole: String,
    /// With long ones cut.
    pub brief: String,
}

impl Sentence {
    /// What `say` makes of the command lines as its argument shows them.
    pub fn of(say: impl Fn(fn(&str) -> String) -> String) -> Self {
        Self { whole: say(str::to_owned), brief: say(shortened) }
    }

    /// The same with something behind it.
    #[must_use]
    pub fn followed_by(self, end: &str) -> Self {
        Self { whole: self.whole + end, brief: self.brief + end }
    }

    /// The same with something before it.
    #[must_use]
    pub fn after(&self, start: &str) -> Self {
        Self { whole: format!("{start}{}", self.whole), brief: format!("{start}{}", self.brief) }
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self { whole: text.clone(), brief: text }
    }
}

impl Serialize for Sentence {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.whole)
    }
}

/// A path made absolute without touching the disk.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
