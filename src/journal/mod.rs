//! The journal of what solobot did: one JSON object per line, appended.
//!
//! Each line is one `write(2)` to a descriptor with `O_APPEND`, so that many writers never mix their lines. A journal that
//! has become too long is renamed to `….1` and replaces the older one, so there are at most two files. A journal that cannot
//! be written is skipped: it never makes a command fail or wait.
//!
//! It contains no token and no environment. Command lines are not written to it, and every line is masked.

pub mod alerts;
pub mod lease_journal;
pub mod leases;
pub mod lock_journal;
pub mod looks;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::folders::Folders;
use crate::base::secret::mask;
use crate::platform::filesystem::{self, FileStatus, Flock};
use crate::platform::user;

/// The layout of a line.
const SCHEMA: u32 = 1;
/// A journal of this size is rotated. Until it has its other name everybody writes on to it.
const LONGEST: u64 = 1024 * 1024;
/// A longer line is none of ours.
const LONGEST_LINE: u64 = 64 * 1024;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    LockTaken,
    /// It was taken after a wait.
    LockWaited,
    /// It was not taken, because the wait was over.
    LockTimedOut,
    /// It was taken after its holder had been stopped.
    LockTakenOver,
    /// It was given back.
    LockReleased,
    /// It was removed or replaced, and another has it.
    LockLost,
    /// A lease was granted.
    LeaseTaken,
    /// It was granted after a wait.
    LeaseWaited,
    LeaseReleased,
    /// Another host took it, or it could not be renewed in time.
    LeaseLost,
    /// An instance too many was found.
    DuplicateFound,
    DuplicateStopped,
    /// It did not end.
    DuplicateSurvived,
    /// It was started again.
    DuplicateRespawned,
    /// A stale lock was cleaned.
    StaleCleaned,
    WebhookDeleted,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::LockTaken,
        Self::LockWaited,
        Self::LockTimedOut,
        Self::LockTakenOver,
        Self::LockReleased,
        Self::LockLost,
        Self::LeaseTaken,
        Self::LeaseWaited,
        Self::LeaseReleased,
        Self::LeaseLost,
        Self::DuplicateFound,
        Self::DuplicateStopped,
        Self::DuplicateSurvived,
        Self::DuplicateRespawned,
        Self::StaleCleaned,
        Self::WebhookDeleted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LockTaken => "lock-taken",
            Self::LockWaited => "lock-waited",
            Self::LockTimedOut => "lock-timed-out",
            Self::LockTakenOver => "lock-taken-over",
            Self::LockReleased => "lock-released",
            Self::LockLost => "lock-lost",
            Self::LeaseTaken => "lease-taken",
            Self::LeaseWaited => "lease-waited",
            Self::LeaseReleased => "lease-released",
            Self::LeaseLost => "lease-lost",
            Self::DuplicateFound => "duplicate-found",
            Self::DuplicateStopped => "duplicate-stopped",
            Self::DuplicateSurvived => "duplicate-survived",
            Self::DuplicateRespawned => "duplicate-respawned",
            Self::StaleCleaned => "stale-cleaned",
            Self::WebhookDeleted => "webhook-deleted",
        }
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    schema: u32,
    pub time: Timestamp,
    pub event: EventKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bot: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PathBuf>,
    /// Which process it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Anything else, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Event {
    /// Now, of this bot.
    pub fn new(event: EventKind, bot: &str) -> Self {
        let bot = bot.to_owned();
        Self { schema: SCHEMA, time: Timestamp::now(), event, bot, lock: None, pid: None, seconds: None, detail: None }
    }

    #[must_use]
    pub fn lock(self, lock: &Path) -> Self {
        // JSON is UTF-8.
        Self { lock: Some(lock.to_string_lossy().into_owned().into()), ..self }
    }

    /// Of this process.
    #[must_use]
    pub fn pid(self, pid: i32) -> Self {
        Self { pid: Some(pid), ..self }
    }

    /// It took so long.
    #[must_use]
    pub fn took(self, duration: std::time::Duration) -> Self {
        // Milliseconds are more than anybody wants to know.
        let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Self { seconds: Some(f64::from(millis) / 1000.0), ..self }
    }

    /// In a few words; they are cut, and masked before: half a token would be known by nobody but its reader.
    #[must_use]
    pub fn detail(self, detail: &str) -> Self {
        let short: String = mask(detail).chars().take(200).collect();
        Self { detail: Some(short), ..self }
    }
}

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalContents {
    /// Its events, the oldest first.
    pub events: Vec<Event>,
    /// So many lines were not understood, and skipped.
    pub broken: u64,
}

impl JournalContents {
    /// How often something happened to this bot.
    pub fn count(&self, what: EventKind, bot: &str) -> u64 {
        self.events.iter().filter(|event| event.event == what && event.bot == bot).count() as u64
    }
}

/// Where solobot writes down what it did.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    path: Option<PathBuf>,
    /// It is the one that the caller's folders have, not one that was named.
    is_default: bool,
}

impl Journal {
    /// At this place; or else in the user's state folder.
    pub fn at(configured: Option<PathBuf>) -> Self {
        let is_default = configured.is_none();
        let default = || Some(Folders::of_process().state?.join("solobot").join("journal.jsonl"));
        Self { path: configured.or_else(default), is_default }
    }

    /// Refuses to write into a home that `sudo` has passed on.
    fn refuse_foreign(&self, path: &Path) -> io::Result<()> {
        let is_roots = self.is_default && user::effective_uid() == 0;
        if is_roots { refuse_foreign(path.parent().unwrap_or(path)) } else { Ok(()) }
    }

    /// Its path, if there is any place for one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes one event. A failure is only logged (`-vv`).
    pub fn append(&self, event: &Event) {
        self.append_all(std::slice::from_ref(event));
    }

    /// Writes several events that belong together.
    pub fn append_all(&self, events: &[Event]) {
        let Some(path) = &self.path else { return };
        if let Err(error) = self.refuse_foreign(path).and_then(|()| append(path, events)) {
            tracing::debug!("cannot write the journal {}: {error}", path.display());
        }
    }

    /// Everything that is still there, the older file first. A file that cannot be read counts as empty.
    pub fn read(&self) -> JournalContents {
        let mut contents = JournalContents::default();
        let Some(path) = &self.path else { return contents };
        for path in [older(path), path.clone()] {
            if let Ok((file, _)) = open(&path, filesystem::careful_open().read(true)) {
                read_into(&mut contents, file);
            }
        }
        contents
    }
}

/// Root must not write to another user's state folder, in a home that `sudo` has passed on: the owner could not replace what
/// root leaves there, and could put a link to any other folder in its place. So for root no part of the way may be another
/// user's, neither a folder nor a link; for anybody else the folder itself.
pub(super) fn refuse_foreign(folder: &Path) -> io::Result<()> {
    let own = user::effective_uid();
    let is_foreign = if own == 0 {
        // In a user namespace `/` may be nobody's.
        let top = FileStatus::of(Path::new("/"))?.owner();
        let mut way = folder.ancestors().filter_map(|part| FileStatus::of_entry(part).ok());
        way.any(|part| ![own, top].contains(&part.owner()))
    } else {
        folder.ancestors().find_map(|part| FileStatus::of(part).ok()).is_some_and(|status| status.owner() != own)
    };
    if is_foreign { Err(io::Error::other("the folder belongs to another user")) } else { Ok(()) }
}

fn append(path: &Path, events: &[Event]) -> io::Result<()> {
    let mut lines = String::new();
    for event in events {
        lines.push_str(&mask(&serde_json::to_string(event)?));
        lines.push('\n');
    }
    let options = filesystem::careful_append();
    let (mut file, length) = match open(path, &options) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            open(path, &options)?
        }
        other => other?,
    };
    if length >= LONGEST {
        rotate(path, &file)?;
        file = open(path, &options)?.0;
    }
    // One write: a shorter one than asked for (a full disk) leaves a broken line, which readers skip.
    file.write(lines.as_bytes()).map(drop)
}

/// Opens a regular file and nothing else: no FIFO without a reader, and no planted symlink. Returns its length in bytes.
fn open(path: &Path, options: &OpenOptions) -> io::Result<(File, u64)> {
    let file = options.open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Renames the journal, if it still is this file. The process that renames holds a flock on the file, so that of two
/// processes only one renames, and a new journal never replaces the older one.
fn rotate(path: &Path, file: &File) -> io::Result<()> {
    if !filesystem::flock(file, Flock::TryExclusive)? {
        return Ok(());
    }
    if FileStatus::of_open(file)?.id() == FileStatus::of_entry(path)?.id() {
        std::fs::rename(path, older(path))?;
    }
    Ok(())
}

fn older(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}

fn read_into(contents: &mut JournalContents, file: File) {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(event) => contents.events.push(event),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => contents.broken += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn journal(folder: &tempfile::TempDir) -> Journal {
        Journal::at(Some(folder.path().join("deep/er/j.jsonl")))
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        let event = Event::new(EventKind::LockWaited, "main")
            .lock(Path::new("/tmp/x.lock"))
            .pid(42)
            .took(Duration::from_millis(1500))
            .detail("after a wait");
        journal.append(&event);
        journal.append(&Event::new(EventKind::LockReleased, "main"));
        let contents = journal.read();
        assert_eq!(contents.broken, 0);
        assert_eq!(contents.events[0], event);
        assert_eq!(
            (contents.count(EventKind::LockReleased, "main"), contents.count(EventKind::LockReleased, "aux")),
            (1, 0)
        );
        let text = std::fs::read_to_string(journal.path().unwrap()).unwrap();
        assert!(text.starts_with("{\"schema\":1,\"time\":\"20"), "{text}");
        assert!(
            text.contains(
                "\"event\":\"lock-waited\",\"bot\":\"main\",\"lock\":\"/tmp/x.lock\",\"pid\":42,\"seconds\":1.5"
            ),
            "{text}"
        );
    }

    #[test]
    fn words_are_the_serialised_ones() {
        for what in EventKind::ALL {
            assert_eq!(serde_json::json!(what), what.as_str());
        }
    }

    #[test]
    fn no_token_gets_in() {
        let token = format!("{}:{}", 123_456_789, "A".repeat(35));
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        let event = Event::new(EventKind::LockLost, &token).lock(Path::new(&format!("/tmp/{token}"))).detail(&token);
        journal.append(&event);
        // Where its end is cut off it is not a token any more.
        journal.append(&event.detail(&format!("{}{token}", "-".repeat(170))));
        let text = std::fs::read_to_string(journal.path().unwrap()).unwrap();
        assert!(text.contains("/tmp/123456789:…") && !text.contains("AAAA"), "{text}");
        assert_eq!(journal.read().events.len(), 2);
    }

    #[test]
    fn broken_lines_are_skipped_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        journal.append(&Event::new(EventKind::LockTaken, "a"));
        let path = journal.path().unwrap();
        let mut file = filesystem::careful_open().append(true).open(path).unwrap();
        file.write_all(b"{\"schema\":1,\"ti\nnot json\n\n{\"event\":\"unheard-of\"}\n\xff\xfe\n").unwrap();
        journal.append(&Event::new(EventKind::LockReleased, "a"));
        let contents = journal.read();
        assert_eq!((contents.events.len(), contents.broken), (2, 4));
    }

    /// So many events of this writer: 6,000 fill more than one journal and fewer than two, 9,000 more than two.
    fn fill(journal: &Journal, writer: i32, count: i32) {
        let detail = "x".repeat(200);
        for number in 0..count {
            journal.append(&Event::new(EventKind::LockTaken, "a").pid(writer * 10_000 + number).detail(&detail));
        }
    }

    #[test]
    fn its_size_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        fill(&journal, 0, 9000);
        let path = journal.path().unwrap();
        let (new, old) = (path.metadata().unwrap().len(), older(path).metadata().unwrap().len());
        assert!(new < LONGEST && (LONGEST..LONGEST + 4096).contains(&old), "{new} {old}");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }

    /// How long the older file gets is not asked here: the others write on to it for as long as its renaming takes.
    #[test]
    fn many_writers_lose_nothing_but_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let journal = &journal;
                scope.spawn(move || fill(journal, writer, 1500));
            }
        });
        assert!(older(journal.path().unwrap()).metadata().unwrap().len() >= LONGEST);
        let contents = journal.read();
        assert_eq!(contents.broken, 0);
        // Each writer's events are there without a gap up to its last one.
        for writer in 0..4 {
            let own: Vec<i32> =
                contents.events.iter().filter_map(|event| event.pid).filter(|pid| pid / 10_000 == writer).collect();
            assert_eq!(own.last(), Some(&(writer * 10_000 + 1499)));
            assert!(own.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }

    #[test]
    fn nothing_that_is_no_file_is_written_to_or_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let event = Event::new(EventKind::LockTaken, "a");
        std::fs::write(folder.path().join("target"), "").unwrap();
        std::os::unix::fs::symlink("target", folder.path().join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        for name in ["link", "fifo", ".", "target/below"] {
            let journal = Journal::at(Some(folder.path().join(name)));
            journal.append(&event);
            assert_eq!(journal.read(), JournalContents::default(), "{name}");
        }
        assert_eq!(std::fs::read(folder.path().join("target")).unwrap(), b"");
    }
}
