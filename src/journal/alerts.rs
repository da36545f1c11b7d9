//! Which alerts were run, and when: so that several solobots, one after the other or side by side, say the same thing once.
//!
//! One small file beside the journal, changed under a flock of its own. Where it cannot be written, each solobot remembers for
//! itself. Times are of the wall clock: one that was set back makes an alert come once more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Journal;
use crate::platform::filesystem::{Flock, careful_open, flock};

/// A longer file is not ours.
const LONGEST: u64 = 256 * 1024;
/// What is older tells nobody anything.
const KEPT: i64 = 30 * 24 * 3600;
/// How often the file is tried that another solobot is just changing.
const TRIES: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// When what was run last: of each bot, by the name of the event, in seconds since 1970.
pub type AlertTimes = BTreeMap<String, BTreeMap<String, i64>>;

/// The file.
#[derive(Debug, Default)]
pub struct AlertMemory {
    path: Option<PathBuf>,
    /// Where there is no file.
    own: AlertTimes,
}

impl AlertMemory {
    pub fn beside(journal: &Journal) -> Self {
        let beside = |path: &Path| Some(path.parent()?.join("alerts.json"));
        let path = journal.path().filter(|path| journal.refuse_foreign(path).is_ok()).and_then(beside);
        Self { path, own: AlertTimes::new() }
    }

    /// Lets `decide` look at what was run of a bot, and change it: nobody else does meanwhile.
    pub fn with<T>(&mut self, bot: &str, decide: impl FnOnce(&mut BTreeMap<String, i64>, i64) -> T) -> T {
        let now = Timestamp::now().as_second();
        let opened = self.open().ok();
        let mut times = opened.as_ref().map_or_else(|| self.own.clone(), |(_, times)| times.clone());
        let answer = decide(times.entry(bot.to_owned()).or_default(), now);
        for of_bot in times.values_mut() {
            of_bot.retain(|_, at| (now - *at).abs() < KEPT);
        }
        times.retain(|_, of_bot| !of_bot.is_empty());
        if let Some((mut file, before)) = opened
            && before != times
            && let Err(error) = write(&mut file, &times)
        {
            tracing::debug!(%error, "what was told is not remembered");
        }
        self.own = times;
        answer
    }

    /// Open, and locked until it is closed.
    fn open(&self) -> io::Result<(File, AlertTimes)> {
        let path = self.path.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let mut options = careful_open();
        options.read(true).write(true).create(true);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path.parent().unwrap_or(path))?;
                options.open(path)?
            }
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut tries = 0;
        while !flock(&file, Flock::TryExclusive)? {
            tries += 1;
            if tries == TRIES {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(TRY_AGAIN);
        }
        let mut text = String::new();
        (&mut file).take(LONGEST).read_to_string(&mut text)?;
        Ok((file, serde_json::from_str(&text).unwrap_or_default()))
    }
}

fn write(file: &mut File, times: &AlertTimes) -> io::Result<()> {
    let text = serde_json::to_string(times)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_noted_another_knows() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::at(Some(folder.path().join("state/journal.jsonl")));
        let note =
            |memory: &mut AlertMemory| memory.with("main", |times, now| times.insert("up".into(), now).is_none());
        assert!(note(&mut AlertMemory::beside(&journal)));
        assert!(!note(&mut AlertMemory::beside(&journal)));
        std::fs::write(folder.path().join("state/alerts.json"), "nonsense").unwrap();
        assert!(note(&mut AlertMemory::beside(&journal)), "what is not ours counts as nothing");
        // Without a place each remembers for itself.
        std::fs::write(folder.path().join("file"), "").unwrap();
        let mut memory = AlertMemory::beside(&Journal::at(Some(folder.path().join("file/journal.jsonl"))));
        assert!(note(&mut memory) && !note(&mut memory));
    }
}
