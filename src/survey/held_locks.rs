//! Locks whose holder counts as a bot although nothing is configured: those of the known layouts, and any file with
//! solobot's own record beside it. For a process that shows a title instead of its command line, that record also says
//! which program it is.
//!
//! Not promised: holders whose descriptors cannot be read, and what another program locks under another name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::lock::file::open_to_look;
use crate::lock::orphan::is_here;
use crate::lock::owner::{self, OwnerDetails, OwnerRecord};
use crate::lock::{carriers, holders, keeper, layouts};
use crate::platform::filesystem::FileStatus;
use crate::platform::identity::{self, Identity};
use crate::process::program::Program;

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    pub path: PathBuf,
    /// Who called for it, and for whom by the record; whoever inherited it, where the caller has ended.
    pub holders: Vec<Identity>,
}

/// Every such lock that is held now, by path.
///
/// # Errors
/// `/proc` cannot be read.
pub fn all() -> io::Result<Vec<HeldLock>> {
    carriers::suspects().map(of)
}

/// Those that these processes hold.
pub fn of(processes: impl IntoIterator<Item = Identity>) -> Vec<HeldLock> {
    let mut found: BTreeMap<PathBuf, Vec<Identity>> = BTreeMap::new();
    for process in processes {
        for file in carriers::flocks_of(process.pid) {
            let record = record_of(&file.path);
            if record.is_some() || layouts::of_path(&file.path).is_some() {
                let holders = found.entry(file.path).or_default();
                let kept_for = keeper::among(&[process]).map(|(_, target)| target);
                holders.extend(record.as_ref().and_then(taken_for).into_iter().chain(kept_for).chain([process]));
            }
        }
    }
    let mark = |(path, mut holders): (PathBuf, Vec<Identity>)| {
        holders.sort_unstable();
        holders.dedup();
        HeldLock { path, holders }
    };
    found.into_iter().map(mark).collect()
}

/// solobot's own record beside a lock.
fn record_of(lock: &Path) -> Option<OwnerRecord> {
    let found = owner::read(lock, Some(FileStatus::of(lock).ok()?.owner()));
    found.record().filter(|record| record.details.is_some()).cloned()
}

/// For whom the lock was taken, as long as that one lives.
fn taken_for(record: &OwnerRecord) -> Option<Identity> {
    let is_here = record.details.as_ref().is_some_and(is_here);
    record.process().filter(|process| is_here && process.is_alive())
}

/// The program that a lock was taken for, as its record says.
pub fn program_of(details: &OwnerDetails, lock: &Path) -> Option<Program> {
    let argv: Vec<OsString> = details.argv.iter().map(OsString::from).collect();
    Program::of_command(&argv, details.cwd.as_deref().or(lock.parent())?)
}

/// The COMMAND that solobot holds this lock for, and its command line as it was: it may have put a title in that one's
/// place. The record is a hint; that the process or one above it has the lock is the proof.
pub fn started_under(lock: &Path) -> Option<(Identity, Vec<String>)> {
    let record = record_of(lock)?;
    let process = taken_for(&record)?;
    let file = open_to_look(lock).ok()?;
    let has_it = identity::lineage(process.pid).any(|pid| holders::shares(&file, pid));
    (has_it && process.is_alive()).then(|| record.details.map(|details| (process, details.argv))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::file::LockFile;
    use crate::platform::user;

    #[test]
    fn a_lock_by_its_name_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let locks = ["backup.lock", layouts::SOLOBOT].map(|name| LockFile::open(&root.join(name), false).unwrap());
        let ours = || all().unwrap().into_iter().filter(|mark| mark.path.starts_with(&root)).collect::<Vec<_>>();
        assert_eq!(ours(), []);
        for lock in &locks {
            lock.try_lock().unwrap();
        }
        let mark = HeldLock { path: root.join(layouts::SOLOBOT), holders: vec![Identity::own().unwrap()] };
        assert_eq!(ours(), [mark]);
    }

    /// A record of this boot, host and PID namespace.
    fn record_for(process: Identity, boot_id: &str) -> OwnerRecord {
        let details = owner::OwnerDetails {
            schema: owner::SCHEMA,
            generation: "g".into(),
            acquired_at: "2026-01-01T00:00:00Z".into(),
            host: user::host_name(),
            boot_id: boot_id.into(),
            pid_namespace: identity::pid_namespace().unwrap_or_default(),
            uid: 0,
            inode: 0,
            start_ticks: process.start_ticks,
            holder_pid: process.pid,
            holder_start_ticks: process.start_ticks,
            argv: vec![],
            token_fingerprint: None,
            took_over: false,
            lock: None,
            cwd: None,
        };
        OwnerRecord { pid: process.pid.into(), timestamp: 0.0, app_name: "bot".into(), details: Some(details) }
    }

    #[test]
    fn whom_the_record_names_holds_it_too_unless_it_is_of_another_boot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("backup.lock");
        let lock = LockFile::open(&path, false).unwrap();
        lock.try_lock().unwrap();
        let own = Identity::own().unwrap();
        let parent = Identity::of(std::os::unix::process::parent_id().cast_signed()).unwrap();
        let holders = |boot_id: &str| {
            owner::write(lock.location(), &record_for(parent, boot_id)).unwrap();
            all().unwrap().into_iter().find(|mark| mark.path == path).unwrap().holders
        };
        let mut both = vec![own, parent];
        both.sort_unstable();
        assert_eq!(holders(identity::boot_id().unwrap()), both);
        assert_eq!(holders("another"), [own]);
    }
}
