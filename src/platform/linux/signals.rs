//! Signals: what was ignored at start stays ignored, the rest is read from a descriptor, and at the end solobot dies of
//! the signal that ended COMMAND.

use std::cell::Cell;
use std::fmt;
use std::io;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal as Known, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::descriptor::Descriptor;

/// A signal that has a name; numbers differ between platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(Known);

impl Signal {
    pub const SIGHUP: Self = Self(Known::SIGHUP);
    pub const SIGINT: Self = Self(Known::SIGINT);
    pub const SIGQUIT: Self = Self(Known::SIGQUIT);
    pub const SIGKILL: Self = Self(Known::SIGKILL);
    pub const SIGTERM: Self = Self(Known::SIGTERM);
    pub const SIGCHLD: Self = Self(Known::SIGCHLD);
    pub const SIGCONT: Self = Self(Known::SIGCONT);
    pub const SIGSTOP: Self = Self(Known::SIGSTOP);
    pub const SIGTSTP: Self = Self(Known::SIGTSTP);
    pub const SIGWINCH: Self = Self(Known::SIGWINCH);
}

impl Signal {
    /// As `kill -l` numbers them.
    pub fn number(self) -> i32 {
        self.0 as i32
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The signals that a program finds blocked when it starts.
#[derive(Debug, Clone, Copy)]
pub struct Mask(SigSet);

impl Mask {
    /// That of this thread.
    pub fn present() -> Self {
        Self(SigSet::thread_get_mask().unwrap_or(SigSet::empty()))
    }

    pub(super) fn signals(&self) -> &SigSet {
        &self.0
    }
}

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

/// A thread can be interrupted in a blocking system call while this exists: SIGURG has a handler that does nothing, and no
/// `SA_RESTART`. SIGURG, because nobody sends it and its default is to be ignored.
#[derive(Debug)]
pub struct Interruptible(SigAction);

extern "C" fn interrupt(_: i32) {}

impl Interruptible {
    /// Installs the handler.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub fn install() -> io::Result<Self> {
        set_handler(Known::SIGURG, SigHandler::Handler(interrupt)).map(Self)
    }

    /// Interrupts `thread` once; it may not be in its system call yet, so call it until the thread has ended.
    pub fn interrupt<T>(&self, thread: &std::thread::JoinHandle<T>) {
        use std::os::unix::thread::JoinHandleExt;
        // A number with glibc, a pointer with musl, where the types of the two crates differ.
        let id = thread.as_pthread_t() as nix::libc::pthread_t;
        let _ = nix::sys::pthread::pthread_kill(id, Known::SIGURG);
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        // SAFETY: restores the action that was there before.
        let _ = unsafe { sigaction(Known::SIGURG, &self.0) };
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

/// Parses a signal's name or number: `TERM`, `SIGTERM`, `15`.
///
/// # Errors
/// If it is not a signal; the message says how to write one.
pub fn parse_signal(text: &str) -> Result<Signal, String> {
    let name = text.trim().to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    let by_number = || Known::try_from(text.trim().parse::<i32>().ok()?).ok();
    name.parse::<Known>()
        .ok()
        .or_else(by_number)
        .map(Signal)
        .ok_or_else(|| format!("`{text}` is not a signal: use TERM, INT, HUP, or a number from 1 to 31"))
}

/// Ends this process by the signal, without a core: the default action, unblocked. Returns if that has no effect, as for
/// PID 1 of a namespace, or a signal whose default is to be ignored.
pub fn die_of(signal: i32) {
    let Ok(signal) = Known::try_from(signal) else { return };
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // Where `core_pattern` names a program, as systemd-coredump and apport make it, the limit is not asked (`core(5)`).
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = set_handler(signal, SigHandler::SigDfl);
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
    let _ = raise(signal);
}

/// Ignores SIGHUP and the terminal's signals, for a keeper, which outlives its terminal.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn ignore_terminal() -> io::Result<()> {
    for signal in [Known::SIGHUP, Known::SIGTTIN, Known::SIGTTOU] {
        set_handler(signal, SigHandler::SigIgn)?;
    }
    Ok(())
}

pub(super) fn set_handler(signal: Known, handler: SigHandler) -> io::Result<SigAction> {
    // SAFETY: the handlers that are passed are SIG_DFL, SIG_IGN and a function that does nothing.
    Ok(unsafe { sigaction(signal, &SigAction::new(handler, SaFlags::empty(), SigSet::empty())) }?)
}

pub(super) fn is_ignored(signal: Known) -> bool {
    let mut action = std::mem::MaybeUninit::<nix::libc::sigaction>::zeroed();
    // SAFETY: with a null new action the call only writes the present one into `action`, which has its size; zeroed
    // memory is a valid `sigaction`. nix can only exchange actions, which would leave a gap.
    unsafe {
        nix::libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == nix::libc::SIG_IGN
    }
}
