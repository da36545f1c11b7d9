//! Waiting for the lock: in the kernel, with a deadline, and never on a file that the path no longer names.
//!
//! A helper thread blocks in `flock(2)`. The main thread waits for it, for the deadline and for signals, and checks once a
//! second whether the path still names the same inode. To end a wait, the thread is interrupted until it answers, and a lock
//! that it got meanwhile is released: with `--fd` the description is shared with the shell, and a late grant would stay.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::file::{self, LockFile, LockReply};
use super::{Error, holders};
use crate::platform::poll::{self, Wakeup};
use crate::platform::signals::{Interruptible, ReceivedSignal, Signal, Signals};

/// How often the path is compared with the inode that is waited on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon an interruption is repeated, because the thread may not have been in the system call yet.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(1);
/// How often a file with a lease on it is tried again, if the lease does not end at once.
const LEASED_AGAIN: Duration = Duration::from_millis(50);
/// Without time to wait: how often a lock is tried again that was refused but is free at the next look.
const MOST_LOOKS: u32 = 10;
/// The helper thread only makes system calls.
const STACK: usize = 64 * 1024;

/// Where the lock is taken.
#[derive(Debug, Clone, Copy)]
pub enum LockPlace<'a> {
    /// On a path, which is opened, and opened again when it comes to name another file.
    Path(&'a Path),
    /// On a descriptor of the calling shell.
    Descriptor(i32),
}

/// How a wait ended.
#[derive(Debug)]
pub enum WaitResult {
    /// The lock is held, and the path names the file that is locked.
    Granted(LockFile),
    /// Another process still holds it.
    TimedOut,
    /// A signal asked solobot to end.
    Signal(ReceivedSignal),
}

/// What a wait needs besides the place.
pub struct Waiting<'a> {
    /// When to give up; `None` for never.
    pub deadline: Option<Instant>,
    /// Locks on network file systems are taken too.
    pub allow_network_fs: bool,
    /// Signals that end the wait.
    pub signals: &'a Signals,
    /// Called when the lock is refused, and then once a second, with the lock's path: to say who holds it.
    pub on_wait: &'a mut dyn FnMut(&Path),
    /// Called once solobot is among those that wait, and then once a second: to prepare for what comes after the grant.
    pub prepare: &'a mut dyn FnMut(),
}

/// How one stretch of waiting, on one inode, ended.
enum WaitRound {
    Granted,
    TimedOut,
    Signal(ReceivedSignal),
    /// The path names another file now.
    Moved,
}

/// Takes the lock, waiting for it as long as `waiting` says.
///
/// # Errors
/// Those of opening and locking the file.
pub fn take(place: LockPlace<'_>, waiting: &mut Waiting<'_>) -> Result<WaitResult, Error> {
    let mut looks = 0;
    loop {
        let lock = match open(place, waiting)? {
            FileOrEnd::File(lock) => lock,
            FileOrEnd::Not(outcome) => return Ok(outcome),
        };
        if lock.try_lock()? == LockReply::Granted {
            if lock.is_current() {
                return Ok(WaitResult::Granted(lock));
            }
            lock.unlock();
            continue;
        }
        if waiting.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            // A look at the lock (`solobot check`, see `is_held_by_another`) refuses us for an instant too.
            if looks < MOST_LOOKS && !holders::look(&lock, &[])?.held {
                looks += 1;
                continue;
            }
            return Ok(WaitResult::TimedOut);
        }
        (waiting.on_wait)(lock.path());
        let lock = Arc::new(lock);
        let stretch = wait_on(&lock, waiting)?;
        match stretch {
            WaitRound::TimedOut => return Ok(WaitResult::TimedOut),
            WaitRound::Signal(signal) => return Ok(WaitResult::Signal(signal)),
            WaitRound::Moved => {}
            WaitRound::Granted => {
                let lock = Arc::into_inner(lock).ok_or_else(|| {
                    Error::io("wait for", Path::new("the lock"), io::Error::other("its thread has not ended"))
                })?;
                if lock.is_current() {
                    return Ok(WaitResult::Granted(lock));
                }
                lock.unlock();
            }
        }
    }
}

/// The file, or how the wait ended before it could be opened.
enum FileOrEnd {
    File(LockFile),
    Not(WaitResult),
}

/// Opens the file. While a lease prevents that, this is a wait like any other, because nobody can block on a lease.
fn open(place: LockPlace<'_>, waiting: &mut Waiting<'_>) -> Result<FileOrEnd, Error> {
    let allow_network_fs = waiting.allow_network_fs;
    let path = match place {
        LockPlace::Path(path) => path,
        LockPlace::Descriptor(fd) => return LockFile::from_fd(fd, allow_network_fs).map(FileOrEnd::File),
    };
    let mut say_at = Instant::now() + file::PATIENCE;
    let patient = waiting.deadline.map(|deadline| deadline.max(say_at));
    let mut again = file::TRY_AGAIN;
    loop {
        match LockFile::try_open(path, allow_network_fs) {
            Err(Error::Leased { .. }) => {}
            opened => return opened.map(FileOrEnd::File),
        }
        let now = Instant::now();
        if patient.is_some_and(|patient| patient <= now) {
            return Ok(FileOrEnd::Not(WaitResult::TimedOut));
        }
        if say_at <= now {
            (waiting.on_wait)(path);
            (say_at, again) = (now + LOOK_EVERY, LEASED_AGAIN);
        }
        let signalled = poll::readable([Some(waiting.signals.descriptor())], Some(again));
        if signalled.map_err(|error| Error::io("wait for", path, error))? == [true]
            && let Some(signal) = ending_signal(waiting.signals)
        {
            return Ok(FileOrEnd::Not(WaitResult::Signal(signal)));
        }
    }
}

/// Waits on one inode. When it returns, the thread has released the file, and the lock is held only with `Granted`. The
/// end of the thread is not waited for, which would delay the hand-off.
fn wait_on(lock: &Arc<LockFile>, waiting: &mut Waiting<'_>) -> Result<WaitRound, Error> {
    let io = |error| Error::io("wait for", lock.path(), error);
    let done = Arc::new(Wakeup::new().map_err(io)?);
    let cancelled = Arc::new(AtomicBool::new(false));
    let interruptible = Interruptible::install().map_err(io)?;
    let (answer, answered) = sync_channel(1);
    let thread = {
        let (lock, done, cancelled) = (Arc::clone(lock), Arc::clone(&done), Arc::clone(&cancelled));
        let blocked = move || {
            let granted = block(&lock, &cancelled);
            // Before the answer, so that whoever gets it is the only owner of the file.
            drop(lock);
            let _ = answer.send(granted);
            done.raise();
        };
        thread::Builder::new().stack_size(STACK).spawn(blocked).map_err(io)?
    };
    let stretch = watch(lock, &done, waiting);
    cancelled.store(true, Ordering::SeqCst);
    let granted = loop {
        match answered.try_recv() {
            Ok(granted) => break granted?,
            Err(TryRecvError::Disconnected) => return Err(io(io::Error::other("its thread panicked"))),
            Err(TryRecvError::Empty) => interruptible.interrupt(&thread),
        }
        let _ = poll::readable([Some(done.descriptor())], Some(INTERRUPT_AGAIN));
    };
    match stretch.map_err(io)? {
        WaitRound::Granted if granted => Ok(WaitRound::Granted),
        // The thread failed to be granted although it ended by itself: try again from the start.
        WaitRound::Granted => Ok(WaitRound::Moved),
        other => {
            if granted {
                lock.unlock();
            }
            Ok(other)
        }
    }
}

/// The helper thread: whether the lock was granted before the wait was cancelled.
fn block(lock: &LockFile, cancelled: &AtomicBool) -> Result<bool, Error> {
    loop {
        match lock.lock()? {
            LockReply::Granted => return Ok(true),
            LockReply::Interrupted | LockReply::Refused if cancelled.load(Ordering::SeqCst) => return Ok(false),
            LockReply::Interrupted | LockReply::Refused => {}
        }
    }
}

/// The main thread: waits for the helper, the deadline and signals, and looks at the path once a second.
fn watch(lock: &LockFile, done: &Wakeup, waiting: &mut Waiting<'_>) -> io::Result<WaitRound> {
    loop {
        (waiting.prepare)();
        let left = waiting.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY));
        let [granted, signalled] =
            poll::readable([Some(done.descriptor()), Some(waiting.signals.descriptor())], Some(timeout))?;
        if granted {
            return Ok(WaitRound::Granted);
        }
        if signalled && let Some(signal) = ending_signal(waiting.signals) {
            return Ok(WaitRound::Signal(signal));
        }
        if left.is_some_and(|left| left <= timeout) && waiting.deadline.is_some_and(|at| at <= Instant::now()) {
            return Ok(WaitRound::TimedOut);
        }
        if !lock.is_current() {
            return Ok(WaitRound::Moved);
        }
        if !signalled {
            (waiting.on_wait)(lock.path());
        }
    }
}

/// The first signal that ends a waiting program. A stop signal stops solobot here; the others have no effect yet.
pub fn ending_signal(signals: &Signals) -> Option<ReceivedSignal> {
    while let Some(arrived) = signals.take() {
        match arrived.signal {
            Signal::SIGTSTP => signals.stop_ourselves(),
            Signal::SIGCHLD | Signal::SIGCONT | Signal::SIGWINCH => {}
            _ => return Some(arrived),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A process waits once at a time: the end of one wait takes SIGURG's handler away from another.
    static WAITING: Mutex<()> = Mutex::new(());

    fn take_for(path: &Path, time: Duration) -> WaitResult {
        let _alone = WAITING.lock().unwrap();
        let signals = Signals::block().unwrap();
        let deadline = Some(Instant::now() + time);
        let mut waiting = Waiting {
            deadline,
            allow_network_fs: false,
            signals: &signals,
            on_wait: &mut |_: &Path| {},
            prepare: &mut || {},
        };
        take(LockPlace::Path(path), &mut waiting).unwrap()
    }

    #[test]
    fn a_held_lock_times_out_and_stays_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let holder = LockFile::open(&path, false).unwrap();
        holder.try_lock().unwrap();
        assert!(matches!(take_for(&path, Duration::from_millis(50)), WaitResult::TimedOut));
        holder.unlock();
        assert!(matches!(take_for(&path, Duration::ZERO), WaitResult::Granted(_)));
    }

    #[test]
    fn a_release_is_granted_and_a_replaced_file_is_waited_for_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let holder = LockFile::open(&path, false).unwrap();
        holder.try_lock().unwrap();
        // The waiter blocks on the old inode; the path then names nothing, so within a second it takes the new one.
        let waiter = {
            let path = path.clone();
            thread::spawn(move || take_for(&path, Duration::from_secs(30)))
        };
        while holders::look(&holder, &[]).unwrap().waiters.unwrap().is_empty() {
            thread::yield_now();
        }
        std::fs::remove_file(&path).unwrap();
        match waiter.join().unwrap() {
            WaitResult::Granted(lock) => assert!(lock.is_current() && lock.inode() != holder.inode()),
            other => panic!("{other:?}"),
        }
    }
}
