//! What a bot in the background writes to: a file that is kept short.
//!
//! The bot has the file itself open, to append, and not a pipe to solobot: it goes on writing if solobot is killed. So the file
//! keeps its name and its inode. When it has become too long, it is copied to `FILE.1`, then emptied. A line that the bot writes
//! in the few microseconds between the two is lost.
//!
//! Invariant: only one solobot shortens a file, the one that has its `flock(2)`; no file that another user may have planted is
//! written to; and nothing is written outside of the folder that the log was in at first, whatever its path names by now: root may
//! log into a user's folder, and the user may put a link in that folder's place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error as AcquireError;
use crate::base::error::Error;
use crate::base::secret::mask;
use crate::platform::filesystem::{self, FileKind, FileStatus, Flock, Folder};
use crate::platform::user;

/// A log of this size is copied and emptied, in bytes.
const LONGEST: u64 = 10 * 1024 * 1024;
/// How often its size is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon to try again after an error: a full disk stays full for a while.
const AFTER_ERROR: Duration = Duration::from_mins(5);
/// Whoever only looks whether it is in use has it for a moment.
const LOOKED_AT: Duration = Duration::from_millis(200);
/// How much of its end is shown, in bytes and lines.
const SHOWN: u64 = 8 * 1024;
const SHOWN_LINES: usize = 10;

/// The log of the bot that this solobot runs.
pub struct LogFile {
    path: PathBuf,
    folder: Folder,
    name: OsString,
    /// With the flock: COMMAND gets another description of the file, and does not keep the flock of a solobot that has ended.
    file: File,
    next: Instant,
    is_said: bool,
}

impl LogFile {
    /// Opens it, creates it if need be, and takes it from all other solobots.
    ///
    /// # Errors
    /// It cannot be opened or written; it is no file of ours; another solobot has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let not_opened = |source| AcquireError::LogNotOpened { path: path.to_owned(), source };
        let (folder, name) = Folder::of(path).map_err(not_opened)?;
        let file = open(&folder, &name, path)?;
        let until = Instant::now() + LOOKED_AT;
        while !filesystem::flock(&file, Flock::TryExclusive).map_err(not_opened)? {
            if Instant::now() >= until {
                return Err(AcquireError::LogInUse { path: path.to_owned() }.into());
            }
            thread::sleep(LOOKED_AT / 10);
        }
        Ok(Self { path: path.to_owned(), folder, name, file, next: Instant::now(), is_said: false })
    }

    /// The same file once more, for COMMAND to write to.
    ///
    /// # Errors
    /// As [`LogFile::take`].
    pub fn for_command(&self) -> Result<File, Error> {
        open(&self.folder, &self.name, &self.path)
    }

    /// When to look at its size.
    pub fn again_in(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Looks at its size, if it is time, and shortens it if it is too long. What to say if that failed, once.
    pub fn tend(&mut self) -> Option<String> {
        if !self.again_in().is_zero() {
            return None;
        }
        let result = self.shorten();
        self.next = Instant::now() + if result.is_ok() { LOOK_EVERY } else { AFTER_ERROR };
        let error = result.err().filter(|_| !std::mem::replace(&mut self.is_said, true))?;
        Some(format!("cannot shorten the log {}, which grows on: {error}", self.path.display()))
    }

    fn shorten(&self) -> io::Result<()> {
        let status = FileStatus::of_open(&self.file)?;
        if status.len() < LONGEST {
            return Ok(());
        }
        let Self { folder, name, .. } = self;
        let new = with_end(name, ".new");
        let _ = folder.remove(&new);
        let mut copy = folder.create(&new)?;
        let copied = copy.set_permissions(status.permissions()).and_then(|()| append(&self.file, 0, &mut copy));
        let copied = copied.and_then(|copied| folder.replace(&new, &with_end(name, ".1")).map(|()| copied));
        let copied = copied.inspect_err(|_| {
            let _ = folder.remove(&new);
        })?;
        // What came meanwhile.
        append(&self.file, copied, &mut copy)?;
        self.file.set_len(0)
    }
}

/// Copies what follows the first `from` bytes; how long the original was at its end.
fn append(original: &File, from: u64, copy: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = from;
    // A bot that writes faster than it is copied would keep us here.
    while at < from + 4 * LONGEST {
        let count = filesystem::read_at(original, &mut buffer, at)?;
        if count == 0 {
            break;
        }
        copy.write_all(&buffer[..count])?;
        at += count as u64;
    }
    Ok(at)
}

fn with_end(name: &OsStr, end: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(end);
    name
}

/// Opens a log to append to and to read, and creates it if need be; how long it is already.
///
/// # Errors
/// As [`LogFile::take`].
pub fn prepare(path: &Path) -> Result<u64, Error> {
    let not_opened = |source| AcquireError::LogNotOpened { path: path.to_owned(), source };
    let (folder, name) = Folder::of(path).map_err(not_opened)?;
    let file = open(&folder, &name, path)?;
    Ok(FileStatus::of_open(&file).map_err(not_opened)?.len())
}

fn open(folder: &Folder, name: &OsStr, path: &Path) -> Result<File, Error> {
    let refuse = |why: &'static str| Err(AcquireError::NotALog { path: path.to_owned(), why }.into());
    let not_opened = |source| AcquireError::LogNotOpened { path: path.to_owned(), source };
    let file = match open_or_create(folder, name) {
        Err(error) if filesystem::is_link_refusal(&error) => return refuse("it is a symbolic link"),
        opened => opened.map_err(not_opened)?,
    };
    let status = FileStatus::of_open(&file).map_err(not_opened)?;
    if status.kind() != FileKind::Plain {
        return refuse("it is not a regular file");
    }
    if status.links() > 1 {
        return refuse("it has more than one name (a hard link)");
    }
    let (own, owner) = (user::effective_uid(), status.owner());
    let is_planted = || folder.status().map_or(true, |it| it.is_writable_by_all());
    if owner != own && owner != 0 && (own != 0 || is_planted()) {
        return refuse("it belongs to another user");
    }
    Ok(file)
}

fn open_or_create(folder: &Folder, name: &OsStr) -> io::Result<File> {
    match folder.append(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.create(name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            // To append, it has to be opened again.
            _ => folder.append(name),
        },
        opened => opened,
    }
}

/// The last lines of what was written behind the first `from` bytes, tokens masked.
pub fn last_lines(path: &Path, from: u64) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let file = filesystem::open_regular(path)?;
        let length = file.metadata()?.len();
        // It may have been emptied meanwhile.
        let from = if length < from { 0 } else { from }.max(length.saturating_sub(SHOWN));
        let mut bytes = vec![0; usize::try_from(length - from).unwrap_or_default()];
        let count = filesystem::read_at(&file, &mut bytes, from)?;
        bytes.truncate(count);
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = mask(&String::from_utf8_lossy(&text)).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().map(|&line| line.to_owned()).collect()
}

/// Whether a solobot writes to it.
pub fn is_in_use(path: &Path) -> bool {
    let open = filesystem::careful_open().read(true).open(path);
    open.is_ok_and(|file| filesystem::flock(&file, Flock::TryShared).is_ok_and(|is_free| !is_free))
}

/// Creates the folder of a log that nobody named.
///
/// # Errors
/// Those of `mkdir(2)`.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    let failed = |source| Error::Io { action: format!("create the folder `{}`", folder.display()), source };
    fs::create_dir_all(folder).map_err(failed)
}
