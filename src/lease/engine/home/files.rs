//! The files beside PATH: `PATH.lease`, which has the record, and `PATH.lease.flock`, whose flock its writers hold.
//!
//! Invariant: a reader finds one whole record or another, after a crash too: a new one is written out under another name, then
//! renamed, then the folder is written out. The flock is on a file of its own, because a rename would take it away.
//!
//! Readers take no flock. A writer that is stopped in the middle keeps every other writer out until it goes on: nobody can
//! then renew or claim, and nothing is lost.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::stored::{LONGEST_FILE, StoredRecord};
use crate::base::error::{Expected, plain, typed};
use crate::base::exit::Exit;
use crate::lease::engine::{EngineError, EngineErrorKind};
use crate::lock::error::Error as LockError;
use crate::lock::file::{LockFile, LockReply};
use crate::lock::location::Location;
use crate::platform::advice;
use crate::platform::filesystem::{self, FileStatus, is_link_refusal};
use crate::platform::{clock, identity, user};

/// What the record's file is called behind PATH.
pub const ENDING: &str = ".lease";
/// What a record is written under before it counts.
const UNFINISHED: &str = ".lease.new";
/// Whose flock a writer holds. It does not end in `.lock`: nobody shall take it for a bot's lock.
const WRITERS: &str = ".lease.flock";
/// How long another writer is waited for: one writes for as long as the disk needs.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon it is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// The place of a lease on this host.
#[derive(Debug)]
pub struct LeaseFiles {
    lock: Location,
    /// Which boot this is, and which folder: another disk there, or a restart, may have brought an older record back.
    server: String,
}

/// The flock of the writers, until dropped.
#[derive(Debug)]
pub struct WritersLock {
    _file: LockFile,
}

impl LeaseFiles {
    /// # Errors
    /// The folder cannot keep a lease: it does not exist, does not survive a reboot, is the kernel's.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let lock = Location::open(path).map_err(|error| {
            let error = if error.is_absence() { LockError::NoFolder { path: path.to_owned() } } else { error };
            of_lock(&error)
        })?;
        if let Ok(Some(kind)) = filesystem::volatile_fs(lock.folder().descriptor()) {
            let message = format!("{} is on {kind}, which a reboot empties: a lease must be on a disk", path.display());
            return Err(configuration(message, "use a path on a disk, such as ssh://USER@HOST/home/USER/bot.lock"));
        }
        let folder = lock.folder().status().map_err(|error| of_io("look at the folder of", path, &error))?.id();
        let boot = identity::boot_id().unwrap_or("unknown");
        Ok(Self { lock, server: format!("{boot}/{:x}:{:x}", folder.device, folder.inode) })
    }

    /// PATH.
    pub fn path(&self) -> &Path {
        self.lock.path()
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path: OsString = self.path().into();
        path.push(ending);
        path.into()
    }

    /// # Errors
    /// It is no file of ours, cannot be read, or is too long for a record.
    pub fn read(&self) -> Result<Option<StoredRecord>, EngineError> {
        read(&self.lock)
    }

    /// Waits until no other process writes.
    ///
    /// # Errors
    /// One still does; the file that has the flock cannot be created.
    pub fn exclude_writers(&self) -> Result<WritersLock, EngineError> {
        let end = clock::uptime().whole + PATIENCE;
        let path = self.beside(WRITERS);
        loop {
            let file = LockFile::open(&path, false).map_err(|error| of_lock(&error))?;
            if file.try_lock().map_err(|error| of_lock(&error))? == LockReply::Granted && file.is_current() {
                return Ok(WritersLock { _file: file });
            }
            if clock::uptime().whole >= end {
                let message =
                    format!("another solobot has been writing {} for {PATIENCE:?}", self.beside(ENDING).display());
                let hint = format!("to see which one, and whether it is stopped: fuser -v {}", typed(&path));
                return Err(EngineError { kind: EngineErrorKind::Unreachable, message, hints: vec![hint] });
            }
            thread::sleep(TRY_AGAIN);
        }
    }

    /// Writes the record out to the disk. After an error nobody knows which one stands.
    ///
    /// # Errors
    /// Those of creating, writing and renaming a file there.
    pub fn write(&self, content: &[u8], _excluded: &WritersLock) -> Result<(), EngineError> {
        let (folder, unfinished) = (self.lock.folder(), self.lock.beside(UNFINISHED));
        let create = || match folder.create(&unfinished) {
            // Left by a killed writer, or a planted link: removed, never followed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                folder.remove(&unfinished)?;
                folder.create(&unfinished)
            }
            created => created,
        };
        let written = create().and_then(|mut file| {
            file.write_all(&StoredRecord::encode(content))?;
            file.sync_all()?;
            folder.replace_for_good(&unfinished, &self.lock.beside(ENDING))
        });
        written.map_err(|error| {
            let _ = folder.remove(&unfinished);
            of_io("write", &self.beside(ENDING), &error)
        })
    }
}

/// The record beside a lock; `None` if there is none.
///
/// # Errors
/// It is no file of ours, cannot be read, or is too long for a record.
pub fn read(lock: &Location) -> Result<Option<StoredRecord>, EngineError> {
    let path = || {
        let mut path: OsString = lock.path().into();
        path.push(ENDING);
        PathBuf::from(path)
    };
    let wrong = |what: &str| {
        let path = path();
        let message = format!("{} {what}", path.display());
        configuration(message, format!("if no other host runs the bot by it, remove it: {}", advice::remove(&path)))
    };
    let file = match lock.folder().read(&lock.beside(ENDING)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_link_refusal(&error) => return Err(wrong("is a symlink")),
        Err(error) => return Err(of_io("read", &path(), &error)),
    };
    let status = FileStatus::of_open(&file).map_err(|error| of_io("read", &path(), &error))?;
    if !status.is_file() || status.links() > 1 {
        return Err(wrong("is no regular file of its own"));
    }
    let own = user::effective_uid();
    let is_believed = own == 0
        || [0, own].contains(&status.owner())
        || lock.folder().status().is_ok_and(|folder| !folder.is_writable_by_all());
    if !is_believed {
        return Err(wrong(&format!(
            "was written by {}, and every user can write to its folder",
            user::name(status.owner())
        )));
    }
    match filesystem::read_bounded(file, LONGEST_FILE as u64) {
        Ok(bytes) => Ok(Some(StoredRecord::parse(bytes))),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(wrong("is too long for the record of a lease"))
        }
        Err(error) => Err(of_io("read", &path(), &error)),
    }
}

pub fn configuration(message: String, hint: impl Into<String>) -> EngineError {
    EngineError { kind: EngineErrorKind::Configuration, message, hints: vec![hint.into()] }
}

/// A full disk may have room again; a folder that is missing or read-only stays so.
fn of_io(action: &str, path: &Path, error: &io::Error) -> EngineError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => EngineErrorKind::NotPermitted,
        io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem => EngineErrorKind::Configuration,
        _ => EngineErrorKind::Unreachable,
    };
    EngineError { kind, message: format!("cannot {action} {}: {}", path.display(), plain(error)), hints: Vec::new() }
}

pub fn of_lock(error: &LockError) -> EngineError {
    let kind = match (error, error.exit()) {
        (LockError::NoFolder { .. }, _) | (_, Exit::Config) => EngineErrorKind::Configuration,
        (_, Exit::NotPermitted) => EngineErrorKind::NotPermitted,
        _ => EngineErrorKind::Unreachable,
    };
    EngineError { kind, message: error.to_string(), hints: error.hints() }
}
