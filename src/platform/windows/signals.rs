//! Signals, as far as Windows has anything like them: what the console says to whoever is attached to it, and the end of a
//! child.
//!
//! The console tells everybody who is attached to it, COMMAND included, so nothing of it is to be passed on.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::IO::CancelSynchronousIo;
use windows_sys::Win32::System::Threading::ExitProcess;
use windows_sys::core::BOOL;

use super::descriptor::Descriptor;
use super::native::{KernelEvent, is_signalled, succeeded};
#[cfg(feature = "cli")]
use super::stop_event::StopEvent;

/// A signal that has a name. The numbers are those of Linux, so that one means the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    pub const SIGHUP: Self = Self(1);
    pub const SIGINT: Self = Self(2);
    pub const SIGQUIT: Self = Self(3);
    pub const SIGKILL: Self = Self(9);
    pub const SIGTERM: Self = Self(15);
    pub const SIGCHLD: Self = Self(17);
    pub const SIGCONT: Self = Self(18);
    pub const SIGSTOP: Self = Self(19);
    pub const SIGTSTP: Self = Self(20);
    pub const SIGWINCH: Self = Self(28);
}

impl Signal {
    /// As Linux numbers them.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::SIGHUP => "SIGHUP",
            Self::SIGINT => "SIGINT",
            Self::SIGQUIT => "SIGQUIT",
            Self::SIGKILL => "SIGKILL",
            Self::SIGTERM => "SIGTERM",
            Self::SIGCHLD => "SIGCHLD",
            Self::SIGCONT => "SIGCONT",
            Self::SIGSTOP => "SIGSTOP",
            Self::SIGTSTP => "SIGTSTP",
            _ => "SIGWINCH",
        })
    }
}

/// The signals that a program finds blocked when it starts: Windows blocks none.
#[derive(Debug, Clone, Copy)]
pub struct Mask;

impl Mask {
    /// Nothing.
    pub fn present() -> Self {
        Self
    }
}

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedSignal {
    /// Which one.
    pub signal: Signal,
    /// The console sent it, so everybody who is attached to it already has it.
    pub from_terminal: bool,
    /// 0: the console does not say who asked it to.
    pub sender: i32,
}

/// What has arrived and was not taken yet.
struct Arrivals {
    /// Set while there is something.
    event: KernelEvent,
    queue: Mutex<VecDeque<ReceivedSignal>>,
}

/// Of the whole process: the console tells it once.
fn arrivals() -> io::Result<&'static Arrivals> {
    static ARRIVALS: OnceLock<Arrivals> = OnceLock::new();
    if let Some(arrivals) = ARRIVALS.get() {
        return Ok(arrivals);
    }
    let new = Arrivals { event: KernelEvent::new()?, queue: Mutex::new(VecDeque::new()) };
    Ok(ARRIVALS.get_or_init(|| new))
}

impl Arrivals {
    fn add(&self, signal: Signal, from_terminal: bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(ReceivedSignal { signal, from_terminal, sender: 0 });
        self.event.set();
    }

    fn take(&self) -> Option<ReceivedSignal> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queue.pop_front();
        if queue.is_empty() {
            self.event.reset();
        }
        first
    }
}

/// Called on a thread of the system when a child has ended.
#[cfg(feature = "cli")]
pub(super) fn child_has_ended() {
    if let Ok(arrivals) = arrivals() {
        arrivals.add(Signal::SIGCHLD, false);
    }
}

/// How long Windows lets a process run whose console is closed.
const AFTER_CLOSE: Duration = Duration::from_secs(5);

/// Called on a thread of the system. That the console closes, the user leaves or the machine stops is the end as soon as this
/// returns: so it does not, and solobot ends in order meanwhile.
unsafe extern "system" fn console_says(event: u32) -> BOOL {
    let Ok(arrivals) = arrivals() else { return 0 };
    match event {
        CTRL_C_EVENT => arrivals.add(Signal::SIGINT, true),
        CTRL_BREAK_EVENT => arrivals.add(Signal::SIGTERM, true),
        _ => {
            arrivals.add(Signal::SIGTERM, true);
            thread::sleep(AFTER_CLOSE);
        }
    }
    1
}

/// Called on a thread of the system when another solobot asks us to end.
#[cfg(feature = "cli")]
unsafe extern "system" fn is_asked(_context: *mut std::ffi::c_void, _timed_out: bool) {
    if let Ok(arrivals) = arrivals() {
        arrivals.add(Signal::SIGTERM, false);
    }
}

/// What the console says is read from here, and has no other effect, until this is dropped.
#[derive(Debug)]
pub struct Signals {
    /// How another solobot asks us to end.
    #[cfg(feature = "cli")]
    _stop: Option<StopEvent>,
    /// `None` if the console's words keep their effect: then an event that is never set.
    silent: Option<KernelEvent>,
    stay_blocked: Cell<bool>,
}

impl Signals {
    /// Takes in what the console says, and the ends of children.
    ///
    /// # Errors
    /// Those of `SetConsoleCtrlHandler`.
    pub fn block() -> io::Result<Self> {
        arrivals()?;
        // SAFETY: the function is for this, and there for as long as the program.
        succeeded(unsafe { SetConsoleCtrlHandler(Some(console_says), 1) })?;
        Ok(Self {
            #[cfg(feature = "cli")]
            _stop: Some(StopEvent::listen(is_asked)?),
            silent: None,
            stay_blocked: Cell::new(false),
        })
    }

    /// Takes in nothing: for a wait in another program, which handles what the console says.
    ///
    /// # Errors
    /// There is no memory for the event.
    pub fn none() -> io::Result<Self> {
        Ok(Self {
            #[cfg(feature = "cli")]
            _stop: None,
            silent: Some(KernelEvent::new()?),
            stay_blocked: Cell::new(false),
        })
    }

    /// The next signal that arrived, if any.
    pub fn take(&self) -> Option<ReceivedSignal> {
        if self.silent.is_some() {
            return None;
        }
        arrivals().ok()?.take()
    }

    /// Nothing: Windows blocks no signals.
    pub fn original_mask(&self) -> Mask {
        Mask
    }

    /// Readable when one has arrived.
    pub fn descriptor(&self) -> Descriptor<'_> {
        let arrived = arrivals().ok().map(|arrivals| &arrivals.event);
        // `block` has made it.
        let event = self.silent.as_ref().or(arrived).expect("the event of the console's words exists");
        Descriptor::of_object(event.handle())
    }

    /// Leaves them without effect when this is dropped: the process ends now, and how has been decided.
    pub fn keep_blocked(&self) {
        self.stay_blocked.set(true);
    }

    /// No terminal stops a program here.
    pub fn stop_ourselves(&self) {}
}

impl Drop for Signals {
    fn drop(&mut self) {
        if self.silent.is_some() || self.stay_blocked.get() {
            return;
        }
        // SAFETY: it was set before.
        unsafe { SetConsoleCtrlHandler(Some(console_says), 0) };
        // What has come and was not taken has its own effect now, as a signal that is no longer blocked.
        while let Some(arrived) = self.take() {
            if arrived.signal != Signal::SIGCHLD {
                die_of(Signal::SIGINT.number());
            }
        }
    }
}

/// Set to interrupt whoever waits for a lock.
fn interruption() -> io::Result<&'static KernelEvent> {
    static INTERRUPTION: OnceLock<KernelEvent> = OnceLock::new();
    if let Some(event) = INTERRUPTION.get() {
        return Ok(event);
    }
    let new = KernelEvent::new()?;
    Ok(INTERRUPTION.get_or_init(|| new))
}

/// Whether the thread that waits for a lock is to end its wait; waits so long for that.
pub(super) fn is_interrupted_within(patience: Duration) -> bool {
    interruption().is_ok_and(|event| is_signalled(event.handle(), patience))
}

/// A thread can be interrupted in a wait for a lock while this exists.
#[derive(Debug)]
pub struct Interruptible(());

impl Interruptible {
    /// Makes it possible.
    ///
    /// # Errors
    /// There is no memory for the event.
    pub fn install() -> io::Result<Self> {
        interruption()?.reset();
        Ok(Self(()))
    }

    /// Interrupts `thread` once; it may not be in its system call yet, so call it until the thread has ended.
    pub fn interrupt<T>(&self, thread: &thread::JoinHandle<T>) {
        if let Ok(event) = interruption() {
            event.set();
        }
        // SAFETY: the thread's handle is open as long as `thread` is there. If the thread waits for nothing, this only fails.
        unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        if let Ok(event) = interruption() {
            event.reset();
        }
    }
}

/// There are none to choose: a process is asked to end, or it is killed.
///
/// # Errors
/// It is not what `stop` does anyway; the message says what to use instead.
pub fn parse_signal(text: &str) -> Result<Signal, String> {
    match text {
        "TERM" => Ok(Signal::SIGTERM),
        _ => Err("Windows has no signals: to wait longer, use --grace; to kill at once, --force".to_owned()),
    }
}

/// Ends this process as Windows does after Ctrl-C, with an exit code that cmd.exe and PowerShell know. Returns if the signal is
/// another one.
pub fn die_of(signal: i32) {
    if signal == Signal::SIGINT.number() {
        // SAFETY: it ends the process; everything that was printed has been handed to the system.
        unsafe { ExitProcess(STATUS_CONTROL_C_EXIT.cast_unsigned()) };
    }
}

/// A keeper outlives its terminal: it is attached to none any more.
///
/// # Errors
/// None.
pub fn ignore_terminal() -> io::Result<()> {
    Ok(())
}
