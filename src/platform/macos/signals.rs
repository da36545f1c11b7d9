//! Signals: what was ignored at start stays ignored, the rest is read from a pipe into which a handler writes it.
//!
//! COMMAND finds each at its default, because a new program has no handlers. What a handler does between its first and its last
//! line is async-signal-safe: a load, a write to a pipe that never blocks, and `errno` put back.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as Known, raise, sigaction};

use super::descriptor::Descriptor;
pub use crate::platform::unix::signals::{Interruptible, Mask, Signal, die_of, ignore_terminal, parse_signal};
use crate::platform::unix::signals::{is_ignored, set_handler};

/// Signals that ask something of COMMAND; TTIN and TTOU keep their default and stop solobot beside it.
const ASKING: [Known; 14] = [
    Known::SIGHUP,
    Known::SIGINT,
    Known::SIGQUIT,
    Known::SIGTERM,
    Known::SIGUSR1,
    Known::SIGUSR2,
    Known::SIGALRM,
    Known::SIGVTALRM,
    Known::SIGPROF,
    Known::SIGWINCH,
    Known::SIGIO,
    Known::SIGINFO,
    Known::SIGCONT,
    Known::SIGTSTP,
];

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedSignal {
    /// Which one.
    pub signal: Signal,
    /// The terminal sent it, so the whole foreground group already has it.
    pub from_terminal: bool,
    /// The PID of who sent it; 0 for the kernel.
    pub sender: i32,
}

/// Signals that are read from a descriptor, until dropped. The one that was made last has them.
#[derive(Debug)]
pub struct Signals {
    reads: File,
    _writes: OwnedFd,
    before: Vec<(Known, SigAction)>,
    /// The pipe of the one that had them before.
    outer: i32,
    mask: SigSet,
    stay_blocked: Cell<bool>,
}

/// The number of the pipe's end into which the handler writes; -1 for none.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The signal's number and the sender's, 4 bytes each: a pipe takes so few whole or not at all.
const RECORD: usize = 8;

extern "C" fn note(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let pipe = PIPE.load(Ordering::Relaxed);
    if pipe < 0 {
        return;
    }
    let errno = Errno::last_raw();
    // SAFETY: the kernel passes a `siginfo_t`, or NULL.
    let sender = unsafe { info.as_ref() }.map_or(0, |info| info.si_pid);
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&signal.to_ne_bytes());
    record[4..].copy_from_slice(&sender.to_ne_bytes());
    // SAFETY: `write(2)` is async-signal-safe; the record is as long as said, and the pipe is open as long as it is named.
    unsafe { libc::write(pipe, record.as_ptr().cast(), RECORD) };
    Errno::set_raw(errno);
}

impl Signals {
    /// Takes what asks something of COMMAND, and SIGCHLD. Signals that are ignored now stay ignored (`nohup`), SIGCHLD excepted:
    /// with SIGCHLD ignored nobody could learn how COMMAND ended.
    ///
    /// # Errors
    /// EMFILE; those of `sigaction(2)`.
    pub fn block() -> io::Result<Self> {
        let asking = ASKING.into_iter().filter(|signal| !is_ignored(*signal));
        Self::of(asking.chain([Known::SIGCHLD]))
    }

    /// Takes no signal: for a wait in another program, which handles its own signals.
    ///
    /// # Errors
    /// EMFILE.
    pub fn none() -> io::Result<Self> {
        Self::of([].into_iter())
    }

    fn of(signals: impl Iterator<Item = Known>) -> io::Result<Self> {
        let (reads, writes) = io::pipe()?;
        let (reads, writes) = (OwnedFd::from(reads), OwnedFd::from(writes));
        for end in [&reads, &writes] {
            let flags = OFlag::from_bits_truncate(fcntl(end, FcntlArg::F_GETFL)?);
            fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        let mask = SigSet::thread_get_mask()?;
        let outer = PIPE.swap(writes.as_raw_fd(), Ordering::Relaxed);
        let mut taken = Self {
            reads: File::from(reads),
            _writes: writes,
            before: Vec::new(),
            outer,
            mask,
            stay_blocked: Cell::new(false),
        };
        let ours = SigAction::new(SigHandler::SigAction(note), SaFlags::SA_RESTART, SigSet::empty());
        for signal in signals {
            // SAFETY: the handler is async-signal-safe, as it says.
            let before = unsafe { sigaction(signal, &ours) }?;
            taken.before.push((signal, before));
        }
        Ok(taken)
    }

    /// The next signal that arrived, if any.
    pub fn take(&self) -> Option<ReceivedSignal> {
        let mut record = [0; RECORD];
        (&self.reads).read_exact(&mut record).ok()?;
        let [a, b, c, d, sender @ ..] = record;
        let signal = Signal(Known::try_from(i32::from_ne_bytes([a, b, c, d])).ok()?);
        let sender = i32::from_ne_bytes(sender);
        // The kernel names nobody for the terminal's own.
        let by_terminal =
            [Known::SIGINT, Known::SIGQUIT, Known::SIGTSTP, Known::SIGWINCH, Known::SIGINFO, Known::SIGHUP];
        let from_terminal = sender == 0 && by_terminal.contains(&signal.0);
        Some(ReceivedSignal { signal, from_terminal, sender })
    }

    /// The mask from before, for COMMAND.
    pub fn original_mask(&self) -> Mask {
        Mask(self.mask)
    }

    /// Readable when one has arrived.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.reads)
    }

    /// Takes no notice of them any more when this is dropped: the process ends now, and how has been decided.
    pub fn keep_blocked(&self) {
        self.stay_blocked.set(true);
    }

    /// Gives the terminal's stop its default effect on solobot: it stops here until SIGCONT (or goes on, in an orphaned
    /// process group, as the kernel decides).
    pub fn stop_ourselves(&self) {
        let Ok(ours) = set_handler(Known::SIGTSTP, SigHandler::SigDfl) else { return };
        let _ = raise(Known::SIGTSTP);
        // SAFETY: restores the action that was there before.
        let _ = unsafe { sigaction(Known::SIGTSTP, &ours) };
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Before the pipe is closed, and its number is another's.
        PIPE.store(self.outer, Ordering::Relaxed);
        if self.stay_blocked.get() {
            return;
        }
        for (signal, before) in &self.before {
            // SAFETY: restores the action that was there before.
            let _ = unsafe { sigaction(*signal, before) };
        }
    }
}
