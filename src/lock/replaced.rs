//! Who holds a lock file that was at a path and is no longer there: unlinked, renamed or replaced. That process holds a
//! real lock, and so does the one that locks the new file.
//!
//! An unlinked file shows its path in `/proc/PID/fd`. A renamed one shows another, and only the owner record, which stays
//! where it was, knows its inode: by that, the processes that the record names are recognised, and nobody else.

use std::path::{Path, PathBuf};

use super::carriers;
use super::holders::{as_far_as_listed, flocks};
use super::orphan::{is_here, resolved};
use super::owner::FoundRecord;
use crate::platform::filesystem::FileId;
use crate::platform::identity::Identity;
use crate::platform::locks::{KernelLock, LockKind};
use crate::platform::proc::{self, Handle};

/// A process that holds such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplacedHolder {
    pub process: Identity,
    /// The PID that called for the lock; 0 where that one has ended, `None` where the platform does not say.
    pub caller: Option<i32>,
    /// The kernel says that the file was at the path; else the owner record does.
    pub is_by_name: bool,
}

/// A lock's path, and what is there now.
#[derive(Debug)]
pub struct LockPathNow {
    path: PathBuf,
    /// As the kernel shows a descriptor of a file that was there and has been unlinked.
    removed: PathBuf,
    present: Option<FileId>,
    /// The inode that the owner record names, and the processes that it may speak of.
    recorded: Option<(u64, Vec<i32>)>,
}

impl LockPathNow {
    /// The path, the file at it now, and the record beside it.
    pub fn of(path: &Path, present: Option<FileId>, record: &FoundRecord) -> Self {
        let path = resolved(path);
        let details = record.details().filter(|details| is_here(details));
        let is_elsewhere = |inode: u64| present.is_none_or(|present| present.inode != inode);
        let named = || record.named().into_iter().filter(|&pid| record.may_speak_of(pid)).collect();
        let recorded = details.map(|details| details.inode).filter(|&inode| is_elsewhere(inode));
        Self { removed: proc::deleted(&path), path, present, recorded: recorded.map(|inode| (inode, named())) }
    }

    /// Whoever holds a file that was here. Only processes that `/proc/locks` names are asked, and those in `hints`, whose
    /// locks may be listed under a dead caller; where nothing is at the path any more, whoever may have inherited such a lock.
    pub fn holders(&self, hints: &[i32]) -> Vec<ReplacedHolder> {
        let named =
            |lines: Vec<KernelLock>| lines.iter().filter(|line| !line.waits).filter_map(|line| line.pid).collect();
        let heirs = || carriers::suspects().map(|all| all.iter().map(|one| one.pid).collect::<Vec<_>>());
        let listed = if self.present.is_none() { Ok(None) } else { as_far_as_listed(flocks()) };
        let Ok(asked) = listed.and_then(|listed| listed.map_or_else(heirs, |lines| Ok(named(lines)))) else {
            return Vec::new();
        };
        self.held_by(asked.into_iter().chain(hints.iter().copied()))
    }

    /// Those of these processes that hold one.
    pub fn held_by(&self, pids: impl IntoIterator<Item = i32>) -> Vec<ReplacedHolder> {
        let mut pids: Vec<i32> = pids.into_iter().collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().filter_map(|pid| self.replaced(pid)).collect()
    }

    /// Whether that process holds one.
    pub fn is_held_by(&self, process: Identity) -> bool {
        self.replaced(process.pid).is_some_and(|one| one.process == process)
    }

    fn replaced(&self, pid: i32) -> Option<ReplacedHolder> {
        let process = Identity::of(pid)?;
        let recorded = self.recorded.as_ref().filter(|(_, named)| named.contains(&pid)).map(|(inode, _)| *inode);
        let (caller, is_by_name) = proc::descriptors(pid).ok()?.into_iter().find_map(|descriptor| {
            let is_by_name = descriptor.target().is_some_and(|link| link == self.removed || link == self.path);
            if !is_by_name && recorded.is_none() {
                return None;
            }
            let file = descriptor.file().filter(|&file| Some(file) != self.present)?;
            if !is_by_name && recorded != Some(file.inode) {
                return None;
            }
            let flock = descriptor.locks().into_iter().find(|lock| lock.kind == LockKind::Flock)?;
            Some((flock.pid, is_by_name))
        })?;
        (sees_our_folder(pid, &self.path) && process.is_alive()).then_some(ReplacedHolder {
            process,
            caller,
            is_by_name,
        })
    }
}

/// Whether the lock's folder is the same one for that process: with `PrivateTmp=`, or in a container, the same path means
/// another file from the beginning, and nothing was replaced.
fn sees_our_folder(pid: i32, path: &Path) -> bool {
    let Some(folder) = path.parent() else { return true };
    let inside = Handle::open(pid).and_then(|handle| handle.id_inside(folder));
    match (inside, FileId::of(folder)) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::lock::file::LockFile;

    fn holders(path: &Path, present: Option<FileId>) -> Vec<Identity> {
        let found = LockPathNow::of(path, present, &FoundRecord::Absent).holders(&[]);
        found.into_iter().map(|one| one.process).collect()
    }

    #[test]
    fn a_lock_on_a_removed_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("l");
        let lock = LockFile::open(&path, false).unwrap();
        lock.try_lock().unwrap();
        assert_eq!(holders(&path, Some(lock.inode())), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(holders(&path, None), [Identity::own().unwrap()]);
        let _other = LockFile::open(&path, false).unwrap();
        let present = FileId::of(&path);
        assert_eq!(holders(&path, present), [Identity::own().unwrap()]);
    }
}
