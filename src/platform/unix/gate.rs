//! A program that is forked and waits at a gate: whoever has the gate's other end, perhaps another process, lets it start.
//!
//! Invariant: it starts only if one byte is written to the gate. If that end is closed instead, wherever it is by then, the
//! child ends; so it ends too if whoever was to open the gate is killed. On Linux it gets SIGTERM when the thread that forked it
//! ends (`PR_SET_PDEATHSIG`, which the kernel forgets when a program with more rights than its caller starts, such as `sudo`).
//! On macOS it does not: once it has started, only the guardian ends it there.
//!
//! There may be other threads when it is forked, so the child calls nothing but what `signal-safety(7)` lists, and allocates
//! nothing: everything that it needs is prepared before.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, fork};

use super::descriptor::Descriptor;
use crate::platform::host::filesystem::OWN_DESCRIPTORS;

/// Whether a program can wait at a gate, without which there is no lease.
pub const HAS_GATES: bool = true;

/// The name that the child has while it waits.
#[cfg(target_os = "linux")]
const NAME: &CStr = c"lease-gate";

/// The end of a gate that opens it. Dropped, it stays shut for ever.
#[derive(Debug)]
pub struct Gate(pub(in crate::platform) OwnedFd);

impl Gate {
    /// Lets the program start.
    ///
    /// # Errors
    /// EPIPE if the child has ended.
    pub fn open(self) -> io::Result<()> {
        rustix::io::retry_on_intr(|| rustix::io::write(&self.0, b"1"))?;
        Ok(())
    }
}

/// Whether the program has started, once the gate is open.
#[derive(Debug)]
pub struct ExecutionReport(File);

impl ExecutionReport {
    /// Waits until the program has started, or the child has ended without.
    ///
    /// # Errors
    /// Those of `execve(2)`: ENOENT, EACCES, ENOEXEC …; ECANCELED if the gate was shut for ever.
    pub fn wait(mut self) -> io::Result<()> {
        let mut number = [0; size_of::<c_int>()];
        match self.0.read_exact(&mut number) {
            Ok(()) => Err(io::Error::from_raw_os_error(c_int::from_ne_bytes(number))),
            // It was closed on execution; or the child was killed, and how it ended tells.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Readable once [`ExecutionReport::wait`] does not wait.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }
}

/// Whether the program did not start because its gate was shut for ever.
pub fn is_gate_shut(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECANCELED)
}

/// A child that waits at its gate.
#[derive(Debug)]
pub struct GatedChild {
    pub pid: i32,
    /// For whoever is to open it. As long as another copy of it exists, dropping this one does not end the child.
    pub gate: Gate,
    pub execution: ExecutionReport,
}

/// What the child is to become.
pub(super) struct Prepared<'a> {
    /// Where the program may be, in this order.
    pub paths: &'a [CString],
    pub argv: &'a [CString],
    pub envp: &'a [&'a CStr],
    pub mask: &'a SigSet,
    /// Signals to set to their default.
    pub to_default: &'a SigSet,
    /// Descriptors to keep open.
    pub inherit: &'a [i32],
}

/// What the child looks at, in memory that nobody changes between the fork and its end.
struct ChildView<'a> {
    prepared: &'a Prepared<'a>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    close: Vec<i32>,
    parent: i32,
    gate: i32,
    report: i32,
}

/// Forks it. The thread that calls this must live as long as the child may.
///
/// # Errors
/// Those of `pipe(2)` and `fork(2)`; the list of our own descriptors cannot be read.
pub(super) fn fork_gated(prepared: &Prepared<'_>) -> io::Result<GatedChild> {
    let (waits, gate) = io::pipe()?;
    let (told, tells) = io::pipe()?;
    let view = ChildView {
        prepared,
        argv: pointers(prepared.argv.iter().map(CString::as_c_str)),
        envp: pointers(prepared.envp.iter().copied()),
        close: open_but(&[prepared.inherit, &[waits.as_raw_fd(), tells.as_raw_fd()]].concat())?,
        parent: super::identity::own_pid(),
        gate: waits.as_raw_fd(),
        report: tells.as_raw_fd(),
    };
    // Where signals have handlers of ours, none may run in the child.
    #[cfg(not(target_os = "linux"))]
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child calls only functions that are async-signal-safe, on memory that is prepared, and never returns.
    let forked = unsafe { fork() };
    #[cfg(not(target_os = "linux"))]
    if !matches!(forked, Ok(ForkResult::Child)) {
        before.thread_set_mask()?;
    }
    match forked? {
        ForkResult::Child => {
            // SAFETY: this is the child, whose descriptors are its own copies.
            unsafe { view.become_program() }
        }
        ForkResult::Parent { child } => Ok(GatedChild {
            pid: child.as_raw(),
            gate: Gate(gate.into()),
            execution: ExecutionReport(File::from(OwnedFd::from(told))),
        }),
    }
}

fn pointers<'a>(strings: impl Iterator<Item = &'a CStr>) -> Vec<*const c_char> {
    strings.map(CStr::as_ptr).chain([ptr::null()]).collect()
}

/// What is open here, the standard streams and those in `keep` excepted. A child that waits for long must not keep others'
/// pipes and sockets open.
fn open_but(keep: &[i32]) -> io::Result<Vec<i32>> {
    let entries = std::fs::read_dir(OWN_DESCRIPTORS)?;
    let open = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    Ok(open.filter(|fd| *fd > 2 && !keep.contains(fd)).collect())
}

impl ChildView<'_> {
    /// # Safety
    /// In a forked child only: it closes what others own there.
    unsafe fn become_program(&self) -> ! {
        // SAFETY: all of these are async-signal-safe system calls; the pointers are to memory that was prepared, in lists that
        // end with NULL; the descriptors that are closed are this child's copies, which nothing in it uses.
        unsafe {
            #[cfg(target_os = "linux")]
            {
                libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            }
            // 0 is a parent outside of the child's PID namespace, which cannot be told from another one.
            let parent = libc::getppid();
            if parent != self.parent && parent != 0 {
                self.fail(libc::ECANCELED);
            }
            for &fd in &self.close {
                libc::close(fd);
            }
            for &fd in self.prepared.inherit {
                libc::fcntl(fd, libc::F_SETFD, 0);
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            for signal in self.prepared.to_default {
                libc::sigaction(signal as c_int, &raw const action, ptr::null_mut());
            }
            // Handlers of ours write into our pipe until a program is executed.
            #[cfg(not(target_os = "linux"))]
            for signal in 1..libc::SIGUSR2 + 1 {
                let mut present: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, ptr::null(), &raw mut present);
                if present.sa_sigaction != libc::SIG_IGN {
                    libc::sigaction(signal, &raw const action, ptr::null_mut());
                }
            }
            libc::sigprocmask(libc::SIG_SETMASK, self.prepared.mask.as_ref(), ptr::null_mut());
            self.wait_at_gate();
            let mut refused = libc::ENOENT;
            for path in self.prepared.paths {
                libc::execve(path.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
                match Errno::last_raw() {
                    libc::EACCES => refused = libc::EACCES,
                    // It is not in this folder of PATH: as `execvp(3)`.
                    libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                    other => self.fail(other),
                }
            }
            self.fail(refused)
        }
    }

    /// # Safety
    /// As [`ChildView::become_program`].
    unsafe fn wait_at_gate(&self) {
        let mut byte = 0_u8;
        loop {
            // SAFETY: the gate is open for reading, and there is room for one byte.
            match unsafe { libc::read(self.gate, (&raw mut byte).cast(), 1) } {
                1 => return,
                -1 if Errno::last_raw() == libc::EINTR => {}
                // SAFETY: as here.
                _ => unsafe { self.fail(libc::ECANCELED) },
            }
        }
    }

    /// # Safety
    /// As [`ChildView::become_program`].
    unsafe fn fail(&self, errno: c_int) -> ! {
        let number = errno.to_ne_bytes();
        // SAFETY: the report is open for writing; `_exit` runs nothing of the parent's.
        unsafe {
            libc::write(self.report, number.as_ptr().cast(), number.len());
            libc::_exit(127)
        }
    }
}
