//! Which processes carry which lock, and which process called for it: for `doctor`, which must tell a holder from a process
//! that only inherited a descriptor, and `flock(2)` from `fcntl(2)`.
//!
//! Not promised: processes whose descriptors cannot be read. Of those, only the caller of a POSIX lock is known.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::file::LockFile;
use super::holders::{self, as_far_as_listed};
use crate::platform::identity::{self, Identity};
use crate::platform::locks::{self, KernelKey, KernelLock, LockKind, kernel_key};
use crate::platform::proc::{self, OpenFile};

/// A process with a descriptor that carries a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    pub process: Identity,
    pub kind: LockKind,
    /// The PID that called for it: another one than the process's own if the descriptor was inherited; 0 or -1 where it is
    /// outside this PID namespace, `None` where the platform does not say.
    pub caller: Option<i32>,
}

/// A file that a process has locked with `flock(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFile {
    /// Its path, as the kernel shows it (`… (deleted)` after an unlink).
    pub path: PathBuf,
    /// The PID that called for the lock, as in [`Carrier`].
    pub caller: Option<i32>,
}

/// Whether a path is named like a lock, and still there under that name. Programs lock other files too: databases, logs.
pub fn is_named_like_a_lock(path: &Path) -> bool {
    has_name_of_a_lock(path) && !proc::is_deleted(path)
}

fn has_name_of_a_lock(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_pid_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pid"));
    is_pid_file || name.contains("lock")
}

/// Every process that carries any lock on the file, by PID. All of `/proc` is asked.
///
/// # Errors
/// The file or `/proc/locks` cannot be looked at.
pub fn of(lock: &LockFile) -> io::Result<Vec<Carrier>> {
    if !locks::are_listed() {
        let sharers = holders::all_sharers(lock)?;
        return Ok(sharers
            .into_iter()
            .map(|process| Carrier { process, kind: LockKind::Flock, caller: None })
            .collect());
    }
    let key = kernel_key(lock.file())?;
    let mut found: Vec<Carrier> = proc::all_pids()?.into_iter().flat_map(|pid| carried_by(pid, key)).collect();
    let mut seen: HashSet<i32> = found.iter().map(|carrier| carrier.process.pid).collect();
    let listed = as_far_as_listed(locks::listed())?.unwrap_or_default();
    // A process may have locked several parts of the file.
    let unseen = listed.into_iter().filter(|line| {
        let is_its = line.kind == LockKind::Posix && line.key == key && !line.waits;
        is_its && line.pid.is_some_and(|pid| pid > 0 && seen.insert(pid))
    });
    found.extend(
        unseen
            .filter_map(|line| Some(Carrier { process: Identity::of(line.pid?)?, kind: line.kind, caller: line.pid })),
    );
    found.sort_unstable_by_key(|carrier| carrier.process);
    Ok(found)
}

/// The flock on the file that a process carries: its caller is 0 too if that one is dead and we are in a PID namespace. `None`
/// if the process has no such lock, or may not be asked.
pub fn flock_of(lock: &LockFile, process: Identity) -> Option<Carrier> {
    if !locks::are_listed() {
        let carrier = Carrier { process, kind: LockKind::Flock, caller: None };
        return holders::shares(lock, process.pid).then_some(carrier);
    }
    let carried = carried_by(process.pid, kernel_key(lock.file()).ok()?);
    carried.into_iter().find(|one| one.process == process && one.kind == LockKind::Flock)
}

fn carried_by(pid: i32, key: KernelKey) -> Vec<Carrier> {
    let Some(process) = Identity::of(pid) else { return Vec::new() };
    let mut found: Vec<Carrier> = Vec::new();
    for (_, line) in locks_among(pid, &|_| true).into_iter().filter(|(_, line)| line.key == key) {
        if !found.iter().any(|carrier| carrier.kind == line.kind) {
            found.push(Carrier { process, kind: line.kind, caller: line.pid });
        }
    }
    // Read again: what was read must have been this process's.
    if process.is_alive() { found } else { Vec::new() }
}

/// The files that a process has locked with `flock(2)`, its own calls and inherited descriptors alike; empty where its
/// descriptors cannot be read.
pub fn flocks_of(pid: i32) -> Vec<LockedFile> {
    flocks_among(pid, &|_| true)
}

/// What processes have locked that is named like a lock, removed files included: the others are not even asked.
#[derive(Debug, Default)]
pub struct LocksByName {
    asked: HashSet<i32>,
    pub files: Vec<LockedFile>,
}

impl LocksByName {
    /// Asks each process once.
    pub fn of(processes: impl IntoIterator<Item = i32>) -> Self {
        let mut found = Self::default();
        for pid in processes {
            if found.asked.insert(pid) {
                found.files.extend(flocks_among(pid, &has_name_of_a_lock));
            }
        }
        found
    }

    /// Whether a process has been asked for a lock of this path.
    pub fn has_asked(&self, pid: i32, path: &Path) -> bool {
        has_name_of_a_lock(path) && self.asked.contains(&pid)
    }
}

fn flocks_among(pid: i32, is_asked: &dyn Fn(&Path) -> bool) -> Vec<LockedFile> {
    let flocks = locks_among(pid, is_asked).into_iter().filter(|(_, line)| line.kind == LockKind::Flock);
    flocks.filter_map(|(descriptor, line)| Some(LockedFile { path: descriptor.target()?, caller: line.pid })).collect()
}

/// Who may carry a flock that is held now: the callers; or everybody, where the platform lists none, or one of them has ended
/// and others may have inherited what it called for. In a PID namespace the kernel does not list a caller that has ended.
///
/// # Errors
/// `/proc` or `/proc/locks` cannot be read.
pub fn suspects() -> io::Result<Vec<Identity>> {
    let callers = as_far_as_listed(locks::listed())?.and_then(|lines| {
        let flocks = lines.into_iter().filter(|line| line.kind == LockKind::Flock && !line.waits);
        flocks.map(|line| Identity::of(line.pid?)).collect::<Option<Vec<Identity>>>()
    });
    let mut found = match callers.filter(|_| identity::is_initial_pid_namespace()) {
        Some(callers) => callers,
        None => proc::all_pids()?.into_iter().filter_map(Identity::of).collect(),
    };
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Every lock that a process's descriptors on such files carry, with the descriptor's number.
fn locks_among(pid: i32, is_asked: &dyn Fn(&Path) -> bool) -> Vec<(OpenFile, KernelLock)> {
    let of_descriptor = |descriptor: OpenFile| {
        // Sockets and pipes have none.
        let is_asked = descriptor.target().is_some_and(|target| target.is_absolute() && is_asked(&target));
        let lines = if is_asked { descriptor.locks() } else { Vec::new() };
        lines.into_iter().map(move |line| (descriptor, line))
    };
    proc::descriptors(pid).unwrap_or_default().into_iter().flat_map(of_descriptor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flock_of_ours_has_us_as_its_caller() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("l");
        let lock = LockFile::open(&path, false).unwrap();
        assert_eq!(of(&lock).unwrap(), []);
        lock.try_lock().unwrap();
        let own = Identity::own().unwrap();
        assert_eq!(of(&lock).unwrap(), [Carrier { process: own, kind: LockKind::Flock, caller: Some(own.pid) }]);
        assert!(flocks_of(own.pid).contains(&LockedFile { path, caller: Some(own.pid) }));
    }
    #[test]
    fn a_lock_of_fcntl_counts_for_its_own_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let lock = LockFile::open(&path, false).unwrap();
        let code =
            "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()";
        let mut command = std::process::Command::new("python3");
        command.args(["-c", code]).arg(&path).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Identity::of(pid).unwrap();
        assert!(of(&lock).unwrap().contains(&Carrier { process, kind: LockKind::Posix, caller: Some(pid) }));
        let other = LockFile::open(&folder.path().join("other"), false).unwrap();
        assert_eq!(of(&other).unwrap(), [], "its lock is on another file");
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
