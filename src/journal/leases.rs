//! What an `acquire` with a lease says of itself while it runs: its own status file, for whoever looks on the same host.
//!
//! One file for each lock path in the user's state folder, replaced in one step. Only the main thread of the `acquire` that
//! holds the lock writes it. Rules: a file that cannot be read, that another user wrote, whose content is not ours, or whose
//! process no longer exists, counts as none. It decides nothing: only the engine says who holds a lease.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::refuse_foreign;
use crate::base::folders::Folders;
use crate::base::secret::mask;
use crate::platform::clock::uptime;
use crate::platform::filesystem::{FileStatus, create_new, open_regular, read_bounded};
use crate::platform::identity::{Identity, boot_id};
use crate::platform::user;

/// The layout of a file.
const SCHEMA: u32 = 1;
/// A longer file is not ours.
const LONGEST: u64 = 64 * 1024;

/// What a running `acquire` says of its lease. Times of day are for people; the others are of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    schema: u32,
    /// The lease's name.
    pub name: String,
    /// The engine's URL, as a person may see it.
    pub engine: String,
    /// The lock's absolute path.
    pub lock: PathBuf,
    holder: StatusWriter,
    pub state: LeaseStage,
    /// The number of the grant; 0 while there is none.
    pub generation: u64,
    #[serde(with = "seconds")]
    pub ttl: Duration,
    /// Since when the lease has been held, or waited for.
    pub since: Timestamp,
    /// When the grant ends unless it is renewed.
    #[serde(default, with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// When the last renewal that was acknowledged was sent.
    #[serde(default, with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Duration>,
    /// How many renewals were acknowledged, and how many calls failed.
    pub renewals: u64,
    pub failures: u64,
    /// The longest time between two acknowledged renewals.
    #[serde(with = "seconds")]
    pub longest_gap: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    written_at: Timestamp,
}

/// The process that wrote a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StatusWriter {
    pid: i32,
    start_ticks: u64,
    boot_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseStage {
    Waiting,
    Held,
    /// The bot is being stopped, because the lease is lost or cannot be renewed, or because somebody asked for it.
    Stopping,
}

/// What a waiting `acquire` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum WaitsFor {
    /// Another host holds it, or held it when it was heard of last.
    Holder {
        host: String,
        pid: i32,
        /// Its COMMAND; tokens masked.
        command: String,
        /// RFC 3339, as its record has it.
        since: String,
        /// For how long its record has been watched without a change.
        #[serde(with = "seconds")]
        unchanged: Duration,
    },
    /// There is no record: the engine is used for the first time, or has lost it.
    FirstUse,
    /// Something that is no record stands in its place.
    Foreign,
    /// The engine gives no answer.
    Engine { why: String },
}

impl LeaseStatus {
    /// Of a lease that this process begins to wait for, now.
    ///
    /// # Errors
    /// This process cannot be identified.
    pub fn waiting(name: &str, engine: &str, lock: &Path, ttl: Duration) -> io::Result<Self> {
        let own = Identity::own()?;
        let now = Timestamp::now();
        Ok(Self {
            schema: SCHEMA,
            name: name.to_owned(),
            engine: engine.to_owned(),
            // JSON is UTF-8.
            lock: lock.to_string_lossy().into_owned().into(),
            holder: StatusWriter {
                pid: own.pid,
                start_ticks: own.start_ticks,
                boot_id: boot_id().unwrap_or_default().to_owned(),
            },
            state: LeaseStage::Waiting,
            generation: 0,
            ttl,
            since: now,
            deadline: None,
            renewed: None,
            renewals: 0,
            failures: 0,
            longest_gap: Duration::ZERO,
            waits_for: None,
            written_at: now,
        })
    }

    /// The solobot that wrote it.
    pub fn pid(&self) -> i32 {
        self.holder.pid
    }

    /// How much of the grant is left; `None` if there is none, or nothing of it is left.
    pub fn left(&self) -> Option<Duration> {
        self.deadline?.checked_sub(uptime().whole)
    }

    /// How long ago the last acknowledged renewal was sent.
    pub fn renewed_ago(&self) -> Option<Duration> {
        Some(uptime().whole.saturating_sub(self.renewed?))
    }

    /// Writes it down, in one step.
    ///
    /// # Errors
    /// It cannot be written; the lease does not need it.
    pub fn save(&self) -> io::Result<()> {
        self.save_in(&folder().ok_or_else(|| io::Error::other("there is no state folder"))?)
    }

    /// Removes it, if it is this process's.
    pub fn remove(&self) {
        if let Some(folder) = folder() {
            self.remove_from(&folder);
        }
    }

    /// What a living process says of the lease behind this lock.
    pub fn of_lock(lock: &Path) -> Option<Self> {
        Self::of_lock_in(&folder()?, lock)
    }

    /// What all living processes say of theirs, by their locks.
    pub fn all() -> Vec<Self> {
        folder().map(|folder| Self::all_in(&folder)).unwrap_or_default()
    }

    /// The same in this folder, as another user's solobot would.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_in(&self, folder: &Path) -> io::Result<()> {
        refuse_foreign(folder)?;
        fs::create_dir_all(folder)?;
        let path = folder.join(file_name(&self.lock));
        let temporary = path.with_extension(format!("{}.tmp", self.holder.pid));
        let status = Self { written_at: Timestamp::now(), ..self.clone() };
        let text = mask(&serde_json::to_string(&status)?).into_owned();
        // One of our own PID that a killed process has left.
        let _ = fs::remove_file(&temporary);
        let written = create_new(&temporary)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn remove_from(&self, folder: &Path) {
        let path = folder.join(file_name(&self.lock));
        if read(&path).is_some_and(|found| found.holder == self.holder && found.lock == masked(&self.lock)) {
            let _ = fs::remove_file(path);
        }
    }

    fn of_lock_in(folder: &Path, lock: &Path) -> Option<Self> {
        let status = read(&folder.join(file_name(lock)))?;
        (status.lock == masked(lock) && status.is_alive()).then_some(status)
    }

    fn all_in(folder: &Path) -> Vec<Self> {
        let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
        let mut all: Vec<Self> = files.filter_map(|path| read(&path)).filter(Self::is_alive).collect();
        all.sort_by(|one, other| one.lock.cmp(&other.lock));
        all
    }

    /// Whether the process that wrote it still exists.
    fn is_alive(&self) -> bool {
        let StatusWriter { pid, start_ticks, boot_id: boot } = &self.holder;
        boot_id() == Some(boot.as_str()) && Identity { pid: *pid, start_ticks: *start_ticks }.is_alive()
    }
}

fn folder() -> Option<PathBuf> {
    Some(Folders::of_process().state?.join("solobot").join("leases"))
}

/// A lock's path as the file has it.
fn masked(lock: &Path) -> PathBuf {
    mask(&lock.to_string_lossy()).into_owned().into()
}

/// The end of the lock's path, and a number that tells it from others with the same end (FNV-1a, 64 bits).
fn file_name(lock: &Path) -> String {
    let text = masked(lock).to_string_lossy().into_owned();
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let end: String = text.rsplit('/').next().unwrap_or_default().chars().map(safe).take(60).collect();
    format!("{}-{hash:016x}.json", end.trim_start_matches('.'))
}

fn read(path: &Path) -> Option<LeaseStatus> {
    let file = open_regular(path).ok()?;
    if FileStatus::of_open(&file).ok()?.owner() != user::effective_uid() {
        return None;
    }
    let status: LeaseStatus = serde_json::from_slice(&read_bounded(file, LONGEST).ok()?).ok()?;
    (status.schema == SCHEMA).then_some(status)
}

/// A duration as a number of seconds, to a millisecond.
mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        serializer.serialize_f64(Duration::from_millis(millis).as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let time = Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)?;
        // 0.3 is not a sum of powers of two.
        Ok(Duration::from_millis(u64::try_from((time + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)))
    }
}

/// The same where there may be none.
mod optional_seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer, seconds};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => seconds::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Seconds(#[serde(with = "seconds")] Duration);
        Ok(Option::<Seconds>::deserialize(deserializer)?.map(|Seconds(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lock: &str) -> LeaseStatus {
        LeaseStatus::waiting("123456", "redis://h/0", Path::new(lock), Duration::from_mins(1)).unwrap()
    }

    fn held(lock: &str) -> LeaseStatus {
        let now = uptime().whole;
        LeaseStatus {
            state: LeaseStage::Held,
            generation: 7,
            deadline: Some(now + Duration::from_mins(1)),
            renewed: Some(Duration::from_millis(300)),
            longest_gap: Duration::from_millis(10_300),
            ..status(lock)
        }
    }

    #[test]
    fn what_was_saved_is_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (held("/a/.solobot.lock"), status("/b/.solobot.lock"));
        one.save_in(dir.path()).unwrap();
        other.save_in(dir.path()).unwrap();
        let seen = LeaseStatus::of_lock_in(dir.path(), Path::new("/a/.solobot.lock")).unwrap();
        assert_eq!((seen.state, seen.generation, seen.renewed), (LeaseStage::Held, 7, one.renewed));
        assert_eq!(seen.longest_gap, one.longest_gap);
        assert!(seen.left().unwrap() > Duration::from_secs(50), "{:?}", seen.left());
        assert_eq!(seen.pid(), std::process::id().cast_signed());
        assert_eq!(LeaseStatus::of_lock_in(dir.path(), Path::new("/c/.solobot.lock")), None);
        assert_eq!(LeaseStatus::all_in(dir.path()).len(), 2);
        let again = LeaseStatus { generation: 8, ..one.clone() };
        again.save_in(dir.path()).unwrap();
        assert_eq!(LeaseStatus::of_lock_in(dir.path(), &one.lock).unwrap().generation, 8);
        one.remove_from(dir.path());
        assert_eq!(LeaseStatus::all_in(dir.path()).len(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let holder = WaitsFor::Holder {
            host: "vps".into(),
            pid: 7,
            command: "python3 bot.py".into(),
            since: "2026-01-10T15:27:14Z".into(),
            unchanged: Duration::from_millis(1500),
        };
        for waits_for in [holder, WaitsFor::FirstUse, WaitsFor::Foreign, WaitsFor::Engine { why: "timed out".into() }] {
            let one = LeaseStatus { waits_for: Some(waits_for), ..status("/l") };
            one.save_in(dir.path()).unwrap();
            assert_eq!(LeaseStatus::of_lock_in(dir.path(), Path::new("/l")).unwrap().waits_for, one.waits_for);
        }
    }

    #[test]
    fn a_status_whose_process_is_gone_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        for change in [
            |writer: &mut StatusWriter| writer.start_ticks += 1,
            |writer: &mut StatusWriter| writer.pid = 0,
            |writer: &mut StatusWriter| writer.boot_id = "another".into(),
        ] {
            let mut one = held("/l");
            change(&mut one.holder);
            one.save_in(dir.path()).unwrap();
            assert_eq!(LeaseStatus::of_lock_in(dir.path(), Path::new("/l")), None);
            assert_eq!(LeaseStatus::all_in(dir.path()), []);
            held("/l").remove_from(dir.path());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "another process's stays");
        }
    }

    #[test]
    fn nothing_foreign_counts() {
        let dir = tempfile::tempdir().unwrap();
        held("/l").save_in(dir.path()).unwrap();
        let path = dir.path().join(file_name(Path::new("/l")));
        let good = fs::read_to_string(&path).unwrap();
        let wrong = [
            String::new(),
            "{".into(),
            good.replace("\"schema\":1", "\"schema\":2"),
            good.replace("\"lock\":\"/l\"", "\"lock\":\"/m\""),
            good.replace("\"ttl\":60.0", "\"ttl\":-1"),
            good.replace("\"held\"", "\"lost\""),
            format!("{good}{}", " ".repeat(70_000)),
        ];
        for text in wrong {
            assert_ne!(text, good);
            fs::write(&path, &text).unwrap();
            assert_eq!(LeaseStatus::of_lock_in(dir.path(), Path::new("/l")), None, "{text}");
        }
        fs::write(dir.path().join("elsewhere"), &good).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert_eq!(LeaseStatus::of_lock_in(dir.path(), Path::new("/l")), None, "a planted link");
        held("/l").save_in(dir.path()).unwrap();
        assert!(LeaseStatus::of_lock_in(dir.path(), Path::new("/l")).is_some(), "the link is replaced");
    }

    #[test]
    fn no_token_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let token = format!("{}:{}", 123_456_789, "A".repeat(35));
        let one = LeaseStatus {
            waits_for: Some(WaitsFor::Engine { why: token.clone() }),
            ..LeaseStatus::waiting("n", &token, &PathBuf::from(format!("/{token}")), Duration::from_mins(1)).unwrap()
        };
        one.save_in(dir.path()).unwrap();
        let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
        assert!(!file.file_name().to_string_lossy().contains("AAAA"));
        assert!(!fs::read_to_string(file.path()).unwrap().contains("AAAA"));
        assert!(LeaseStatus::of_lock_in(dir.path(), &one.lock).is_some());
        one.remove_from(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
