//! The kernel's view of a lock: who holds it and who waits for it.
//!
//! `/proc/locks` names the PID that *called* flock, which may have exited since; the `lock:` lines in
//! `/proc/PID/fdinfo` show every process that shares the locked open file description. In a PID namespace the
//! lock of a dead caller is not listed and fdinfo shows PID 0, so if `/proc/locks` lists nothing, a probe decides.
//!
//! Where the kernel lists no locks, a probe tells whether it is held, and who has the file open holds it. Where not even
//! that is shown, those hold it whom the owner record names. Nobody knows there who waits.

use std::io;
use std::thread;
use std::time::Duration;

use super::file::LockFile;
use super::owner::{OwnerDetails, OwnerRecord};
use crate::platform::identity::Identity;
use crate::platform::locks::{self, KernelKey, KernelLock, LockKind, kernel_key};
use crate::platform::proc::{self, OpenFile};

/// The first and the last pause before a look that saw nobody is repeated: 62 ms in all.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Who holds a lock, as far as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelHolders {
    pub held: bool,
    /// The processes that share the locked description, lowest PID first. Empty while held: a process outside this PID
    /// namespace holds it, or one that cannot be inspected.
    pub holders: Vec<Identity>,
    /// The processes that wait for it; `None` on a platform that does not show them.
    pub waiters: Option<Vec<Identity>>,
}

/// Finds who holds the lock that is open in `lock`. `hints` are PIDs that probably share it (from the owner record): they
/// are asked first.
///
/// For an instant, a process that has just taken the lock, or is ending, is in no list. So if nobody is seen, the look is
/// repeated before the holder is called hidden.
///
/// # Errors
/// `/proc/locks` cannot be read, or a probe failed.
pub fn look(lock: &LockFile, hints: &[i32]) -> Result<KernelHolders, super::Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        let seen = look_once(lock, hints)?;
        if !seen.held || !seen.holders.is_empty() || pause > LONGEST_PAUSE {
            return Ok(seen);
        }
        thread::sleep(pause);
        pause *= 2;
    }
}

fn look_once(lock: &LockFile, hints: &[i32]) -> Result<KernelHolders, super::Error> {
    if !locks::are_listed() {
        return look_at_openers(lock);
    }
    let io = |action, error| super::Error::io(action, lock.path(), error);
    let key = kernel_key(lock.file()).map_err(|error| io("look at lock", error))?;
    let lines = as_far_as_listed(flocks()).map_err(|error| io("find the holder of", error))?;
    let of_ours = |lines: &[KernelLock], waits: bool| {
        let lines = lines.iter().filter(|line| line.key == key && line.waits == waits);
        lines.filter_map(|line| line.pid).collect::<Vec<_>>()
    };
    let callers = lines.as_ref().map(|lines| of_ours(lines, false)).unwrap_or_default();
    let waiters = lines.map(|lines| {
        // A waiter's PID is that of the thread's process, as for any POSIX call.
        let mut waiters: Vec<Identity> = of_ours(&lines, true).into_iter().filter_map(Identity::of).collect();
        waiters.sort_unstable();
        waiters.dedup();
        waiters
    });
    if callers.is_empty() && !lock.is_held_by_another()? {
        return Ok(KernelHolders { held: false, holders: Vec::new(), waiters });
    }
    Ok(KernelHolders { held: true, holders: sharers(key, &callers, hints), waiters })
}

/// The look where the kernel lists no locks.
fn look_at_openers(lock: &LockFile) -> Result<KernelHolders, super::Error> {
    let is_held = lock.is_held_by_another()?;
    let holders = if is_held { sharers_by_openers(lock) } else { Vec::new() };
    Ok(KernelHolders { held: is_held, holders, waiters: None })
}

/// Whoever has the file of a held lock open; where that is not shown, the living that its record names.
fn sharers_by_openers(lock: &LockFile) -> Vec<Identity> {
    if let Ok(openers) = proc::openers(lock.file()) {
        return openers.seen;
    }
    let record = lock.record();
    let named = [record.details().map(OwnerDetails::holder), record.record().and_then(OwnerRecord::process)];
    let mut named: Vec<Identity> = named.into_iter().flatten().filter(|one| one.is_alive()).collect();
    named.retain(|one| record.may_speak_of(one.pid));
    named.sort_unstable();
    named.dedup();
    named
}

/// The processes whose descriptors carry the lock. The likely ones are asked first; only if none of them has it, all.
fn sharers(key: KernelKey, callers: &[i32], hints: &[i32]) -> Vec<Identity> {
    let mut likely: Vec<i32> = callers.iter().chain(hints).copied().filter(|&pid| pid > 0).collect();
    likely.sort_unstable();
    likely.dedup();
    let mut holders: Vec<Identity> = likely.iter().filter_map(|&pid| carries(pid, key)).collect();
    if holders.is_empty() {
        holders = proc::all_pids().unwrap_or_default().into_iter().filter_map(|pid| carries(pid, key)).collect();
        holders.sort_unstable();
    }
    if holders.is_empty() {
        // Its descriptors are hidden from us, but the caller is running: the best answer there is.
        holders = callers.iter().filter_map(|&pid| Identity::of(pid)).collect();
    }
    holders
}

/// Every process that carries the lock, even if it takes long to ask them all: for stopping them.
///
/// # Errors
/// The lock's file cannot be looked at.
pub fn all_sharers(lock: &LockFile) -> io::Result<Vec<Identity>> {
    if !locks::are_listed() {
        return Ok(sharers_by_openers(lock));
    }
    let key = kernel_key(lock.file())?;
    let mut holders: Vec<Identity> = proc::all_pids()?.into_iter().filter_map(|pid| carries(pid, key)).collect();
    holders.sort_unstable();
    Ok(holders)
}

/// Whether the process has a descriptor that carries the lock on the file open in `lock`.
pub fn shares(lock: &LockFile, pid: i32) -> bool {
    if !locks::are_listed() {
        return sharers_by_openers(lock).iter().any(|one| one.pid == pid);
    }
    kernel_key(lock.file()).is_ok_and(|key| carries(pid, key).is_some())
}

fn carries(pid: i32, key: KernelKey) -> Option<Identity> {
    let identity = Identity::of(pid)?;
    let found = proc::descriptors(pid)
        .ok()?
        .into_iter()
        .any(|descriptor| descriptor.locks().iter().any(|lock| is_flock(lock) && lock.key == key));
    // Checked again, so that it was this process's descriptor that was read.
    (found && identity.is_alive()).then_some(identity)
}

/// Who called for the flocks on this file that descriptors of the process carry: a PID, 0 for one that cannot be named; none
/// where the platform does not say.
pub fn callers_of(pid: i32, key: KernelKey) -> Vec<i32> {
    let carried = proc::descriptors(pid).unwrap_or_default().into_iter().flat_map(OpenFile::locks);
    carried.filter(|lock| is_flock(lock) && lock.key == key).filter_map(|lock| lock.pid).collect()
}

fn is_flock(lock: &KernelLock) -> bool {
    lock.kind == LockKind::Flock
}

/// Every flock that the kernel lists.
pub(super) fn flocks() -> io::Result<Vec<KernelLock>> {
    Ok(locks::listed()?.into_iter().filter(is_flock).collect())
}

/// What the kernel lists; `None` on a platform without such a list, where descriptors and the record must do.
///
/// # Errors
/// There is one, and it cannot be read.
pub(super) fn as_far_as_listed(listed: io::Result<Vec<KernelLock>>) -> io::Result<Option<Vec<KernelLock>>> {
    match listed {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        listed => listed.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Instant;

    use super::*;

    /// A child that is ended, by its handle, when the test ends.
    struct Flock(Child);

    impl Drop for Flock {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_holder_is_the_same_where_the_kernel_lists_no_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let lock = LockFile::open(&path, false).unwrap();
        let both =
            || [look(&lock, &[]).unwrap(), look_at_openers(&lock).unwrap()].map(|seen| (seen.held, seen.holders));
        assert_eq!(both(), [(false, vec![]), (false, vec![])]);
        let holder =
            Flock(Command::new("flock").args(["-F", "-n"]).arg(&path).args(["sleep", "47.13"]).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while !look(&lock, &[]).unwrap().held {
            assert!(Instant::now() < deadline, "the deadline passed");
            thread::yield_now();
        }
        let listed = look(&lock, &[]).unwrap();
        assert_eq!(listed.holders, [Identity::of(i32::try_from(holder.0.id()).unwrap()).unwrap()]);
        let [one, other] = both();
        assert_eq!(one, other);
    }

    #[test]
    fn a_lock_of_ours_is_seen_and_its_release_too() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::open(&folder.path().join("l"), false).unwrap();
        let other = LockFile::open(&folder.path().join("l"), false).unwrap();
        assert!(!look(&other, &[]).unwrap().held);
        lock.try_lock().unwrap();
        let kernel = look(&other, &[]).unwrap();
        assert_eq!((kernel.held, kernel.holders), (true, vec![Identity::own().unwrap()]));
        assert!(shares(&other, Identity::own().unwrap().pid));
        lock.unlock();
        assert!(!look(&other, &[]).unwrap().held);
    }

    #[test]
    fn a_list_that_is_not_there_is_no_list_and_one_that_cannot_be_read_is_an_error() {
        assert_eq!(as_far_as_listed(Err(io::ErrorKind::Unsupported.into())).unwrap(), None);
        assert_eq!(as_far_as_listed(Ok(Vec::new())).unwrap(), Some(Vec::new()));
        let refused = as_far_as_listed(Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
