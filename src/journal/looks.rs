//! What was seen of a bot's queue at Telegram: a few numbers a look, kept in the state folder for an hour, so that a look now
//! can be judged together with those before it.
//!
//! One file for each bot id at each server, replaced in one step; at most one look per [`APART`] is added, whoever looks.
//! Rules: times are of clocks that nobody can set ([`Moment`]); a file that cannot be read, that another user wrote, or
//! whose content is not ours, counts as none and is said once, never as evidence. No token gets in: a file is named after
//! the bot id, its public half.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::refuse_foreign;
use crate::base::error::plain;
use crate::base::folders::Folders;
use crate::base::folders::STATE_FOLDER;
use crate::base::secret::mask;
use crate::platform::clock::{name_of_clock, uptime};
use crate::platform::filesystem::{FileStatus, create_new, open_regular, read_bounded};
use crate::platform::user;

/// The layout of a file.
const SCHEMA: u32 = 1;
/// Looks are added so far apart.
pub const APART: Duration = Duration::from_secs(15);
/// For so long they are kept.
pub const KEPT: Duration = Duration::from_mins(75);
/// No more than [`KEPT`] has room for: a longer file is not ours.
const MOST: usize = 400;
const LONGEST: u64 = 1024 * 1024;
/// Two clocks that are further apart than this at two moments tell of a suspend between them.
const SUSPENDED: u64 = 2000;

/// A moment, by clocks that nobody sets: a step of the wall clock moves none of them, and a suspend shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// For people.
    pub wall: Timestamp,
    /// Which boot's clocks they are.
    clock: String,
    /// Milliseconds since the boot.
    whole: u64,
    /// The same, suspend left out.
    awake: u64,
}

impl Moment {
    /// `None` where the boot has no name.
    pub fn now() -> Option<Self> {
        let up = uptime();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (whole, awake) = (millis(up.whole), millis(up.awake));
        Some(Self { wall: Timestamp::now(), clock: name_of_clock()?, whole, awake })
    }

    /// How much later another moment is; `None` if they cannot be compared: of different boots, in the wrong order, or with
    /// a suspend between them, in which nobody can tell what Telegram did.
    pub fn until(&self, later: &Self) -> Option<Duration> {
        let whole = later.whole.checked_sub(self.whole)?;
        let awake = later.awake.checked_sub(self.awake)?;
        let is_one_time = self.clock == later.clock && whole.abs_diff(awake) <= SUSPENDED;
        is_one_time.then(|| Duration::from_millis(awake))
    }

    /// A moment by numbers, for tests.
    #[cfg(test)]
    pub fn at(seconds: u64) -> Self {
        let wall = Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Self { wall, clock: "boot".into(), whole: seconds * 1000, awake: seconds * 1000 }
    }

    /// The same after a suspend of so many seconds, for tests.
    #[cfg(test)]
    #[must_use]
    pub fn after_suspend(self, seconds: u64) -> Self {
        Self { whole: self.whole + seconds * 1000, ..self }
    }
}

/// One look at a bot's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub at: Moment,
    /// How many updates waited.
    pub pending: u64,
    /// A webhook was set: the queue then says nothing about polling.
    #[serde(default)]
    pub webhook: bool,
    /// The kinds of updates that may enter the queue; `None`: the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_updates: Option<Vec<String>>,
    /// When a delivery to a webhook failed last, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<i64>,
    /// What ran of the bot here then.
    pub here: Here,
}

/// What runs of a bot on this machine, and what its connections to the server have brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// PID and start of each instance, in one PID namespace.
    pub instances: Vec<(i32, u64)>,
    pub namespace: Option<u64>,
    /// More may run than was seen.
    #[serde(default)]
    pub in_doubt: bool,
    pub traffic: Traffic,
}

/// What is known of the connections of all instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Each that is open: the kernel's number for it, and for how many milliseconds nothing has come.
    Seen(Vec<(u64, u64)>),
    /// It cannot be seen, for this reason.
    Unseen(String),
}

impl Default for Traffic {
    fn default() -> Self {
        Self::Seen(Vec::new())
    }
}

#[derive(Serialize, Deserialize)]
struct LooksFile {
    schema: u32,
    bot_id: String,
    server: String,
    looks: Vec<Look>,
}

/// The looks at one bot at one server: those that are kept, and those of this run.
#[derive(Debug, Default)]
pub struct Looks {
    path: Option<PathBuf>,
    bot_id: String,
    server: String,
    all: Vec<Look>,
    /// Why looks cannot be kept, or those that were kept do not count.
    pub trouble: Option<String>,
}

impl Looks {
    /// Those of the user's state folder.
    pub fn of(bot_id: &str, server: &str) -> Self {
        let folder = Folders::of_process().state.map(|state| state.join("solobot").join("looks"));
        let mut looks = Self::in_folder(folder.as_deref(), bot_id, server);
        if folder.is_none() {
            looks.trouble = Some(format!("there is no state folder to keep looks in: set {STATE_FOLDER}"));
        }
        looks
    }

    fn in_folder(folder: Option<&Path>, bot_id: &str, server: &str) -> Self {
        let server = mask(server).into_owned();
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name = format!("{bot_id}@{}.json", server.chars().map(safe).take(100).collect::<String>());
        let path = folder.map(|folder| folder.join(name));
        let mut looks = Self { path, bot_id: bot_id.to_owned(), server, ..Self::default() };
        match looks.path.as_deref().map(read) {
            Some(Ok(content)) if content.bot_id == looks.bot_id && content.server == looks.server => {
                looks.all = content.looks;
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            None => {}
            Some(outcome) => {
                let why = outcome.err().map_or_else(|| "it is another bot's".to_owned(), |error| plain(&error));
                let path = looks.path.as_deref().unwrap_or(Path::new("")).display();
                looks.trouble = Some(format!("ignored what {path} says of earlier looks: {why}"));
            }
        }
        looks
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> &[Look] {
        &self.all
    }

    /// The last one, if it is so young that another one would not be kept.
    pub fn recent(&self, now: &Moment) -> Option<&Look> {
        self.all.last().filter(|last| last.at.until(now).is_some_and(|age| age < APART))
    }

    /// Adds a look, and keeps it unless the last one that is kept is too young. What another solobot has kept meanwhile is
    /// taken in.
    pub fn add(&mut self, look: Look) {
        if let Some(path) = self.path.clone()
            && let Err(error) = self.keep(&path, &look)
        {
            self.trouble.get_or_insert_with(|| {
                format!("cannot keep what was seen of the queue in {}: {}", path.display(), plain(&error))
            });
        }
        self.all.push(look);
    }

    fn keep(&mut self, path: &Path, look: &Look) -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        refuse_foreign(folder)?;
        fs::create_dir_all(folder)?;
        let is_ours = |content: &LooksFile| content.bot_id == self.bot_id && content.server == self.server;
        let mut looks = read(path).ok().filter(is_ours).map(|content| content.looks).unwrap_or_default();
        let news: Vec<Look> = looks.iter().filter(|one| !self.all.contains(one)).cloned().collect();
        self.all.extend(news);
        self.all.sort_by(|one, other| (&one.at.clock, one.at.whole).cmp(&(&other.at.clock, other.at.whole)));
        let age = |one: &Look| one.at.until(&look.at);
        if looks.iter().filter_map(age).any(|age| age < APART) {
            return Ok(());
        }
        looks.retain(|one| age(one).is_some_and(|age| age <= KEPT));
        looks.push(look.clone());
        looks.drain(..looks.len().saturating_sub(MOST));
        let content = LooksFile { schema: SCHEMA, bot_id: self.bot_id.clone(), server: self.server.clone(), looks };
        // Whoever writes at the same moment has looked at the same moment: either file is good.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let text = mask(&serde_json::to_string(&content)?).into_owned();
        let written = create_new(&temporary)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&temporary, path));
        if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

fn read(path: &Path) -> io::Result<LooksFile> {
    let broken = |why: &str| io::Error::other(why.to_owned());
    let file = open_regular(path)?;
    if FileStatus::of_open(&file)?.owner() != user::effective_uid() {
        return Err(broken("another user wrote it"));
    }
    let bytes = read_bounded(file, LONGEST)?;
    let content: LooksFile = serde_json::from_slice(&bytes).map_err(|_| broken("it cannot be understood"))?;
    if content.schema != SCHEMA || content.looks.len() > MOST {
        return Err(broken("another version of solobot wrote it"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: Moment, pending: u64) -> Look {
        Look { at, pending, webhook: false, allowed_updates: None, last_error: None, here: Here::default() }
    }

    fn looks(folder: &Path) -> Looks {
        Looks::in_folder(Some(folder), "123456", "http://127.0.0.1:8081")
    }

    fn counts(looks: &Looks) -> Vec<u64> {
        looks.all().iter().map(|look| look.pending).collect()
    }

    #[test]
    fn one_look_in_fifteen_seconds_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = looks(folder.path());
        for (second, pending) in [(100, 1), (110, 2), (115, 3), (131, 4)] {
            own.add(look(Moment::at(second), pending));
        }
        assert_eq!(counts(&own), [1, 2, 3, 4], "those of this run all count");
        assert_eq!(counts(&looks(folder.path())), [1, 3, 4], "110 s is too early");
        assert!(own.recent(&Moment::at(140)).is_some() && own.recent(&Moment::at(146)).is_none());
        let mut later = looks(folder.path());
        later.add(look(Moment::at(131 + KEPT.as_secs()), 5));
        assert_eq!(counts(&looks(folder.path())), [4, 5], "the older ones are dropped");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert!(later.trouble.is_none());
    }

    #[test]
    fn what_another_solobot_kept_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (looks(folder.path()), looks(folder.path()));
        one.add(look(Moment::at(100), 1));
        other.add(look(Moment::at(105), 2));
        assert_eq!(counts(&looks(folder.path())), [1], "it came first, and is 5 s old");
        other.add(look(Moment::at(130), 3));
        assert_eq!(counts(&looks(folder.path())), [1, 3]);
        assert_eq!(counts(&other), [1, 2, 3], "this run has seen more");
    }

    #[test]
    fn nothing_foreign_counts() {
        let folder = tempfile::tempdir().unwrap();
        looks(folder.path()).add(look(Moment::at(100), 1));
        let path = looks(folder.path()).path.unwrap();
        assert_eq!(path.file_name().unwrap(), "123456@http---127.0.0.1-8081.json");
        let good = fs::read_to_string(&path).unwrap();
        let wrong = [
            "",
            "{",
            "[]",
            "\u{0}",
            &good[..good.len() / 2],
            &good.replace("\"schema\":1", "\"schema\":2"),
            &good.replace("\"123456\"", "\"654321\""),
            &good.replace("8081", "8082"),
            &good.replace("\"pending\":1", "\"pending\":-1"),
        ];
        for text in wrong {
            fs::write(&path, text).unwrap();
            let seen = looks(folder.path());
            assert!(seen.all().is_empty() && seen.trouble.is_some(), "{text}");
        }
        fs::write(folder.path().join("elsewhere"), &good).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(looks(folder.path()).all().is_empty(), "a planted link");
        let mut seen = looks(folder.path());
        seen.add(look(Moment::at(200), 2));
        assert_eq!(fs::read_to_string(folder.path().join("elsewhere")).unwrap(), good, "the link is replaced");
    }

    #[test]
    fn no_token_gets_in() {
        let token = format!("{}:{}", 123_456_789, "A".repeat(35));
        let folder = tempfile::tempdir().unwrap();
        let mut own = Looks::in_folder(Some(folder.path()), "123456789", &format!("http://h/{token}"));
        let here = Here { traffic: Traffic::Unseen(token.clone()), ..Here::default() };
        own.add(Look { allowed_updates: Some(vec![token]), here, ..look(Moment::at(1), 1) });
        let path = own.path.unwrap();
        assert!(!path.display().to_string().contains("AAAA") && !fs::read_to_string(&path).unwrap().contains("AAAA"));
    }

    #[test]
    fn a_step_of_the_clock_a_boot_and_a_suspend_prove_nothing() {
        let (one, other) = (Moment::at(100), Moment::at(160));
        assert_eq!(one.until(&other), Some(Duration::from_mins(1)));
        let stepped = Moment { wall: Timestamp::UNIX_EPOCH, ..other.clone() };
        assert_eq!(one.until(&stepped), Some(Duration::from_mins(1)), "the wall clock is for people");
        assert_eq!(one.until(&Moment { clock: "another".into(), ..other.clone() }), None);
        assert_eq!(one.until(&other.clone().after_suspend(30)), None);
        assert_eq!(other.until(&one), None);
        assert!(Moment::now().unwrap().until(&Moment::now().unwrap()).unwrap() < Duration::from_secs(5));
    }
}
