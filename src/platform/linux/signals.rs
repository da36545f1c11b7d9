//! Signals: what was ignored at start stays ignored, the rest is read from a descriptor.

use std::cell::Cell;
use std::io;

use nix::sys::signal::{SigAction, SigHandler, SigSet, SigmaskHow, Signal as Known, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::descriptor::Descriptor;
pub use crate::platform::unix::signals::{Interruptible, Mask, Signal, die_of, ignore_terminal, parse_signal};
use crate::platform::unix::signals::{is_ignored, set_handler};

/// `SI_KERNEL`: the kernel sent the signal, as the terminal does on Ctrl-C (`sigaction(2)`).
const SI_KERNEL: i32 = 0x80;

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
    Known::SIGPWR,
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
    /// The PID of who sent it, as this PID namespace numbers it; 0 for the kernel and for whoever is outside.
    pub sender: i32,
}

/// Signals blocked and read from a descriptor, until dropped.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
    stay_blocked: Cell<bool>,
}

impl Signals {
    /// Blocks what asks something of COMMAND, and SIGCHLD. Signals that are ignored now stay ignored (`nohup`), SIGCHLD
    /// excepted: it becomes default first, because with SIGCHLD ignored nobody could learn how COMMAND ended.
    ///
    /// # Errors
    /// Those of `sigprocmask(2)` and `signalfd(2)`.
    pub fn block() -> io::Result<Self> {
        set_handler(Known::SIGCHLD, SigHandler::SigDfl)?;
        let mut set = SigSet::empty();
        set.add(Known::SIGCHLD);
        for signal in ASKING {
            if !is_ignored(signal) {
                set.add(signal);
            }
        }
        Self::of(set)
    }

    /// Blocks and reads no signal: for a wait in another program, which handles its own signals.
    ///
    /// # Errors
    /// Those of `signalfd(2)`.
    pub fn none() -> io::Result<Self> {
        Self::of(SigSet::empty())
    }

    fn of(set: SigSet) -> io::Result<Self> {
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, before, stay_blocked: Cell::new(false) })
    }

    /// The next signal that arrived, if any.
    pub fn take(&self) -> Option<ReceivedSignal> {
        let info = self.fd.read_signal().ok()??;
        let signal = Signal(Known::try_from(i32::try_from(info.ssi_signo).ok()?).ok()?);
        // Numbers of PIDs are no larger than `i32::MAX`.
        let sender = i32::try_from(info.ssi_pid).unwrap_or_default();
        Some(ReceivedSignal { signal, from_terminal: info.ssi_code == SI_KERNEL, sender })
    }

    /// The mask from before, for COMMAND.
    pub fn original_mask(&self) -> Mask {
        Mask(self.before)
    }

    /// Readable when one has arrived.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.fd)
    }

    /// Leaves them blocked when this is dropped: the process ends now, and how has been decided.
    pub fn keep_blocked(&self) {
        self.stay_blocked.set(true);
    }

    /// Gives the terminal's stop its default effect on solobot: it stops here until SIGCONT (or goes on, in an orphaned
    /// process group, as the kernel decides).
    pub fn stop_ourselves(&self) {
        let mut stop = SigSet::empty();
        stop.add(Known::SIGTSTP);
        // Raised while blocked it is pending; unblocked it takes effect at once.
        let _ = raise(Known::SIGTSTP);
        let _ = stop.thread_unblock();
        let _ = stop.thread_block();
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if !self.stay_blocked.get() {
            let _ = self.before.thread_set_mask();
        }
    }
}

/// A signal that is ignored while this exists.
#[derive(Debug)]
pub(super) struct Ignored(Known, SigAction);

impl Ignored {
    /// Starts to ignore it.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub(super) fn signal(signal: Known) -> io::Result<Self> {
        Ok(Self(signal, set_handler(signal, SigHandler::SigIgn)?))
    }
}

impl Drop for Ignored {
    fn drop(&mut self) {
        // One that came while it was blocked as well is pending; to ignore it once more discards it (`signal(7)`).
        let _ = set_handler(self.0, SigHandler::SigIgn);
        // SAFETY: restores the action that was there before.
        let _ = unsafe { sigaction(self.0, &self.1) };
    }
}
