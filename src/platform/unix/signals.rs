//! Signals by name, what a program finds blocked or ignored, and how solobot at the end dies of the signal that ended COMMAND.

use std::fmt;
use std::io;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as Known, raise, sigaction};

/// A signal that has a name; numbers differ between platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub(in crate::platform) Known);

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
pub struct Mask(pub(in crate::platform) SigSet);

impl Mask {
    /// That of this thread.
    pub fn present() -> Self {
        Self(SigSet::thread_get_mask().unwrap_or(SigSet::empty()))
    }

    pub(in crate::platform) fn signals(&self) -> &SigSet {
        &self.0
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
    #[cfg(target_os = "linux")]
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

pub(in crate::platform) fn set_handler(signal: Known, handler: SigHandler) -> io::Result<SigAction> {
    // SAFETY: the handlers that are passed are SIG_DFL, SIG_IGN and a function that does nothing.
    Ok(unsafe { sigaction(signal, &SigAction::new(handler, SaFlags::empty(), SigSet::empty())) }?)
}

pub(in crate::platform) fn is_ignored(signal: Known) -> bool {
    let mut action = std::mem::MaybeUninit::<nix::libc::sigaction>::zeroed();
    // SAFETY: with a null new action the call only writes the present one into `action`, which has its size; zeroed
    // memory is a valid `sigaction`. nix can only exchange actions, which would leave a gap.
    unsafe {
        nix::libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == nix::libc::SIG_IGN
    }
}
