//! A held lock: its text and owner record are kept correct while it is held, and cleared on release.
//!
//! Invariants: only a holder writes. The file is never unlinked. Dropping a [`Held`] unlocks explicitly, even if other
//! processes inherited the descriptor. If the file is removed or replaced, the new one is locked too, or the loss is
//! reported.

use std::fs::FileTimes;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Error;
use super::file::{LockFile, LockReply};
use super::holders;
use super::owner::{self, OwnerDetails, OwnerRecord, SCHEMA};
use super::text::LockText;
use crate::base::error::plain;
use crate::base::secret::mask;
use crate::platform::descriptor::Descriptor;
use crate::platform::filesystem::FileStatus;
use crate::platform::identity::{self, Identity};
use crate::platform::user;
use crate::platform::watch::Watch;

/// How often a holder looks at the path without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The same after the lock was lost.
const LOST_LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the owner record says about a holder, apart from times and numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HolderFacts {
    /// The bot's name, or the program's file name.
    pub app_name: String,
    /// COMMAND.
    pub argv: Vec<String>,
    /// The folder in which it is started.
    pub cwd: Option<PathBuf>,
    /// Where the token is known.
    pub token_fingerprint: Option<String>,
    /// Another holder was stopped to get it.
    pub took_over: bool,
}

/// Something that happened to a held lock, for the caller to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// The PID cannot be written into the file, but the lock is held.
    NotRecorded(String),
    /// The owner record cannot be written, but the lock is held and its file names the PID.
    NoOwnerRecord(String),
    /// The text was gone and has been written again.
    Restored,
    /// The file was removed or replaced, and the new one is held too.
    TakenAgain,
    /// The file was removed or replaced, and another process holds the new one: there are two holders.
    Lost(Vec<Identity>),
    /// File and folder are gone: another start will find the lock free.
    Gone,
}

/// A held lock.
#[derive(Debug)]
pub struct Held {
    lock: LockFile,
    /// Files that replaced the first one at the path while it was held; the last one is there now.
    later: Vec<LockFile>,
    record: OwnerRecord,
    watch: Option<Watch>,
    allow_network_fs: bool,
    /// How it was lost, while it is lost.
    lost: Option<Incident>,
    /// There was no file, or one with a PID in it, before it was taken.
    is_pid_file: bool,
    /// The time of the last reading that the file was marked with.
    unread: Option<SystemTime>,
    /// Already cleared or passed on, so dropping does nothing.
    over: bool,
}

/// What happened to a lock after the grant.
#[derive(Debug)]
pub enum SettleResult {
    /// It is held, text and record are written, and the path still names it.
    Held(Box<Held>, Vec<Incident>),
    /// The path names another file by now: start again.
    Moved,
}

impl Held {
    /// Writes text and owner record of a lock that was just granted, and checks again that the path names it. The PID of
    /// `process` goes into the text; `holder` is solobot or the keeper.
    ///
    /// # Errors
    /// The text cannot be written although the file is writable (ENOSPC, EIO), or the file is not a lock.
    pub fn settle(
        lock: LockFile,
        claim: HolderFacts,
        process: Identity,
        holder: Identity,
        allow_network_fs: bool,
    ) -> Result<SettleResult, Error> {
        let record = new_record(&lock, claim, process, holder);
        let is_pid_file = lock.is_new() || lock.read_text().is_ok_and(|text| matches!(text, LockText::Pid(_)));
        let (later, watch, lost, unread) = (Vec::new(), None, None, None);
        let held = Self { lock, later, record, watch, allow_network_fs, lost, is_pid_file, unread, over: false };
        let incidents = match held.write(process) {
            Ok(incidents) => incidents,
            Err(error) => {
                uncreate(&held.lock);
                return Err(error);
            }
        };
        if held.lock.is_current() {
            return Ok(SettleResult::Held(Box::new(held), incidents));
        }
        held.release();
        Ok(SettleResult::Moved)
    }

    pub fn path(&self) -> &Path {
        self.lock.path()
    }

    /// The descriptor for COMMAND to inherit.
    pub fn descriptor(&self) -> Descriptor<'_> {
        self.lock.locked().descriptor()
    }

    /// The file that was locked first.
    pub fn file(&self) -> &LockFile {
        &self.lock
    }

    /// Puts the PID of another process into the text: the lock is held for it from now on. Write the owner record with
    /// [`Held::write_record`].
    pub fn set_process(&mut self, process: Identity) -> Vec<Incident> {
        self.record.pid = process.pid.into();
        if let Some(details) = &mut self.record.details {
            details.start_ticks = process.start_ticks;
        }
        let lock = self.present();
        if !lock.is_writable() {
            return Vec::new();
        }
        lock.write_text(process.pid).err().map(not_recorded).into_iter().collect()
    }

    /// Writes the owner record, unless the path names another file: the holder of that one has its own record.
    pub fn write_record(&self) -> Vec<Incident> {
        let lock = self.present();
        if !(lock.is_current() && lock.is_in_its_folder()) {
            return Vec::new();
        }
        let failed = |error: io::Error| {
            Incident::NoOwnerRecord(format!("{}: {}", owner::path_of(lock.path()).display(), plain(&error)))
        };
        owner::write(lock.location(), &self.record).err().map(failed).into_iter().collect()
    }

    fn present(&self) -> &LockFile {
        self.later.last().unwrap_or(&self.lock)
    }

    fn write(&self, process: Identity) -> Result<Vec<Incident>, Error> {
        let mut incidents = Vec::new();
        let lock = self.present();
        if lock.is_writable() {
            match lock.read_text() {
                Ok(LockText::Foreign) => return Err(Error::ForeignContent { path: lock.path().to_owned() }),
                Ok(LockText::Empty | LockText::Pid(_)) => {
                    lock.write_text(process.pid)
                        .map_err(|error| Error::io("write the PID into", lock.path(), error))?;
                }
                Err(error) => return Err(Error::io("read lock", lock.path(), error)),
            }
        } else {
            incidents.push(Incident::NotRecorded(format!("{} is read-only", lock.path().display())));
        }
        incidents.extend(self.write_record());
        Ok(incidents)
    }

    /// Starts to watch the file, so that [`Held::watch`] wakes a poll when it changes; with `opens`, also when it is opened.
    pub fn start_watching(&mut self, opens: bool) -> Vec<Incident> {
        match Watch::new().and_then(|watch| Self::add(&watch, &self.lock, opens).map(|()| watch)) {
            Ok(watch) => self.watch = Some(watch),
            // Without inotify the caller's timer notices changes, only later.
            Err(error) => tracing::warn!(%error, "cannot watch the lock file"),
        }
        // Changes from before the watch existed.
        self.tend()
    }

    /// Watches by descriptor, so that the inode is watched and not the path. The folders above are watched too, because
    /// moving one of them also takes the lock away from its path.
    fn add(watch: &Watch, lock: &LockFile, opens: bool) -> io::Result<()> {
        watch.add_open(lock.locked().file(), opens)?;
        for folder in lock.path().ancestors().skip(1) {
            if let Err(error) = watch.add_moves(folder) {
                tracing::warn!(folder = %folder.display(), %error, "cannot watch a folder of the lock");
            }
        }
        Ok(())
    }

    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Whether the path still names what we hold.
    pub fn is_at_its_path(&self) -> bool {
        self.lost.is_none() && self.present().is_current()
    }

    /// Repairs what happened to the file: truncation by another process, an unlink, a replacement.
    pub fn tend(&mut self) -> Vec<Incident> {
        if !self.present().is_current() {
            return self.take_present();
        }
        let lock = self.present();
        if lock.is_writable() && lock.read_text().is_ok_and(|text| self.is_wrong(text)) {
            let Ok(pid) = i32::try_from(self.record.pid) else { return Vec::new() };
            return match lock.write_text(pid) {
                Ok(()) => vec![Incident::Restored],
                Err(error) => vec![not_recorded(error)],
            };
        }
        Vec::new()
    }

    fn is_wrong(&self, text: LockText) -> bool {
        match text {
            LockText::Empty => true,
            LockText::Pid(pid) => i64::try_from(pid) != Ok(self.record.pid),
            LockText::Foreign => false,
        }
    }

    /// Takes the file that the path names now, creating it if there is none.
    fn take_present(&mut self) -> Vec<Incident> {
        let taken = LockFile::open(self.lock.path(), self.allow_network_fs)
            .and_then(|lock| Ok((lock.try_lock()? == LockReply::Granted && lock.is_current(), lock)));
        match taken {
            Ok((true, lock)) => {
                if let Some(watch) = &self.watch {
                    let _ = Self::add(watch, &lock, false);
                }
                self.later.push(lock);
                self.lost = None;
                let process = Identity {
                    pid: i32::try_from(self.record.pid).unwrap_or(0),
                    start_ticks: self.record.details.as_ref().map_or(0, |details| details.start_ticks),
                };
                let mut incidents = vec![Incident::TakenAgain];
                incidents.extend(self.write(process).unwrap_or_default());
                incidents
            }
            Ok((false, lock)) => {
                self.lose(Incident::Lost(holders::look(&lock, &[]).map(|kernel| kernel.holders).unwrap_or_default()))
            }
            Err(Error::NoFolder { .. }) => self.lose(Incident::Gone),
            Err(error) => {
                tracing::warn!(%error, "cannot take the lock file that replaced ours");
                self.lose(Incident::Lost(Vec::new()))
            }
        }
    }

    /// When to look at the path again even without an event: there is none for a new file in a new folder.
    pub fn look_in(&self) -> Duration {
        if self.lost.is_some() { LOST_LOOK_EVERY } else { LOOK_EVERY }
    }

    /// Reports a loss once. Every later look tries to take the file again.
    fn lose(&mut self, how: Incident) -> Vec<Incident> {
        if self.lost.replace(how.clone()).as_ref() == Some(&how) { Vec::new() } else { vec![how] }
    }

    /// Sets the time of the file's last reading back, so that [`Held::was_read`] knows of the next one.
    pub fn mark_unread(&mut self) {
        let file = self.present().file();
        let marked = FileStatus::of_open(file).and_then(|status| {
            // With `relatime` a reading is noted only if the last one was before the last writing.
            let before = status.modified()? - Duration::from_secs(1);
            file.set_times(FileTimes::new().set_accessed(before)).map(|()| before)
        });
        self.unread = marked.ok();
    }

    /// Whether somebody has read the file since it was marked, as far as the file system notes that (not with `noatime`).
    pub fn was_read(&self) -> bool {
        let accessed = || FileStatus::of_open(self.present().file())?.accessed();
        self.unread.is_some_and(|marked| accessed().is_ok_and(|accessed| accessed > marked))
    }

    /// Releases the lock for a COMMAND that takes it itself, which must find no PID of another process. A bot with a PID file
    /// may trip over an empty one, so a file that was not there, or had a dead process's PID in it, goes, as with `clean-stale
    /// --remove`: unless anybody else has it open.
    pub fn hand_over(self) {
        let lock = self.present();
        if self.is_pid_file && lock.is_current() && lock.locked().is_open_elsewhere().is_ok_and(|is_open| !is_open) {
            let _ = lock.remove();
        }
        self.release();
    }

    /// Releases the lock: clears the text, removes the owner record if it is still ours, unlocks.
    pub fn release(mut self) {
        self.clear_and_unlock();
    }

    /// Leaves everything as it is: the lock stays held as long as a process that shares the descriptor.
    pub fn leave(mut self) {
        self.over = true;
    }

    fn clear_and_unlock(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for lock in self.later.iter().chain([&self.lock]) {
            if lock.is_writable() && lock.read_text().is_ok_and(|text| matches!(text, LockText::Pid(_))) {
                let _ = lock.clear_text();
            }
        }
        if self.lost.is_none()
            && let Some(details) = &self.record.details
        {
            for lock in self.later.iter().chain([&self.lock]) {
                owner::remove_if_ours(lock.location(), lock.owner(), &details.generation);
            }
        }
        for lock in self.later.iter().chain([&self.lock]) {
            lock.unlock();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear_and_unlock();
    }
}

/// Removes a file that [`LockFile::open`] created and that no other process can be waiting for, so that a full disk leaves
/// nothing behind.
fn uncreate(lock: &LockFile) {
    let is_waited_for = || match holders::look(lock, &[]).map(|kernel| kernel.waiters) {
        Ok(Some(waiters)) => !waiters.is_empty(),
        // Who waits has it open.
        Ok(None) => lock.locked().is_open_elsewhere().unwrap_or(true),
        Err(_) => true,
    };
    if lock.is_new() && lock.is_current() && !is_waited_for() {
        let _ = lock.remove();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map calls")]
fn not_recorded(error: io::Error) -> Incident {
    Incident::NotRecorded(plain(&error))
}

fn new_record(lock: &LockFile, claim: HolderFacts, process: Identity, holder: Identity) -> OwnerRecord {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    OwnerRecord {
        pid: process.pid.into(),
        timestamp: now.as_secs_f64(),
        app_name: claim.app_name,
        details: Some(OwnerDetails {
            schema: SCHEMA,
            generation: format!("{:x}-{}", now.as_nanos(), std::process::id()),
            acquired_at: jiff::Timestamp::now().to_string(),
            host: user::host_name(),
            boot_id: identity::boot_id().unwrap_or_default().to_owned(),
            pid_namespace: identity::pid_namespace().unwrap_or_default(),
            uid: user::effective_uid(),
            inode: lock.inode().inode,
            start_ticks: process.start_ticks,
            holder_pid: holder.pid,
            holder_start_ticks: holder.start_ticks,
            argv: claim.argv.iter().map(|arg| mask(arg).into_owned()).collect(),
            token_fingerprint: claim.token_fingerprint,
            took_over: claim.took_over,
            lock: Some(masked(lock.path())),
            cwd: claim.cwd.as_deref().map(masked),
        }),
    }
}

fn masked(path: &Path) -> PathBuf {
    mask(&path.to_string_lossy()).into_owned().into()
}

/// Clears what a dead holder left. The caller holds the lock on `lock`.
///
/// # Errors
/// The text cannot be cleared or the record cannot be removed.
pub fn clear_stale(lock: &LockFile) -> Result<(), Error> {
    if !lock.is_writable() {
        return Err(Error::io("clear lock", lock.path(), io::ErrorKind::PermissionDenied.into()));
    }
    lock.clear_text().map_err(|error| Error::io("clear lock", lock.path(), error))?;
    owner::remove(lock.location())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_removed_between_grant_and_record_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let own = Identity::own().unwrap();
        let settle = |remove: bool| {
            let lock = LockFile::open(&path, false).unwrap();
            assert_eq!(lock.try_lock().unwrap(), LockReply::Granted);
            if remove {
                std::fs::remove_file(&path).unwrap();
            }
            Held::settle(lock, HolderFacts::default(), own, own, false).unwrap()
        };
        assert!(matches!(settle(true), SettleResult::Moved));
        assert!(!owner::path_of(&path).exists(), "its record went with it");
        assert!(matches!(settle(false), SettleResult::Held(..)));
    }

    #[test]
    fn who_lost_the_path_writes_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let own = Identity::own().unwrap();
        let lock = LockFile::open(&path, false).unwrap();
        assert_eq!(lock.try_lock().unwrap(), LockReply::Granted);
        let SettleResult::Held(held, _) = Held::settle(lock, HolderFacts::default(), own, own, false).unwrap() else {
            panic!()
        };
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::write(owner::path_of(&path), "another's").unwrap();
        assert_eq!(held.write_record(), []);
        held.release();
        assert_eq!(std::fs::read_to_string(owner::path_of(&path)).unwrap(), "another's");
    }
    fn held(path: &Path) -> Held {
        let own = Identity::own().unwrap();
        let lock = LockFile::open(path, false).unwrap();
        assert_eq!(lock.try_lock().unwrap(), LockReply::Granted);
        match Held::settle(lock, HolderFacts::default(), own, own, false).unwrap() {
            SettleResult::Held(held, _) => *held,
            SettleResult::Moved => panic!(),
        }
    }

    #[test]
    fn a_moved_file_is_noticed_by_the_watch_and_not_only_by_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let mut held = held(&path);
        assert_eq!(held.start_watching(false), []);
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        let watch = held.watch().map(Watch::descriptor);
        assert_eq!(crate::platform::poll::readable([watch], Some(Duration::from_secs(30))).unwrap(), [true]);
    }

    #[test]
    fn a_reading_is_told_from_the_last_writing() {
        let folder = tempfile::tempdir().unwrap();
        let mut held = held(&folder.path().join("l"));
        assert!(!held.was_read(), "nothing was marked");
        held.mark_unread();
        assert!(!held.was_read());
        // As a reading does, unless the file system notes none.
        let now = FileTimes::new().set_accessed(SystemTime::now());
        held.present().file().set_times(now).unwrap();
        assert!(held.was_read());
    }
}
