//! The first moments of the program: what must be set up, what must be seen before it is changed, and what is done to have
//! the lock sooner.
//!
//! The C runtime calls `main` itself, not Rust's runtime: that one reads `/proc/self/maps` and sets up a stack for SIGSEGV,
//! which takes 0.07 of the time that `flock(1)` needs for its whole run, and it ignores SIGPIPE before anybody can see
//! whether it was ignored already. So what it does besides is done here: closed streams are filled, arguments are taken.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SigHandler, SigSet, Signal};

use super::nss;
use super::signals::{Mask, is_ignored, set_handler};

/// Must be called before anything else.
pub fn prepare() {
    fill_closed();
    ignore_broken_pipes();
    // Without it the home folder is looked up by the user's number, in libraries that know nothing of nss.rs.
    if std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
        nss::use_what_is_linked_in();
    }
}

/// The command line. `std::env::args_os` has it only where the C library is glibc.
///
/// # Safety
/// They are `argc` and `argv`, as the C runtime passed them to `main`.
pub unsafe fn arguments(count: c_int, first: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: there are `count` pointers to strings that end with NUL, unchanged for as long as the process runs.
    (0..count).map(|at| OsString::from_vec(unsafe { CStr::from_ptr(*first.add(at)) }.to_bytes().to_vec())).collect()
}

/// Opens `/dev/null` for every closed standard stream, as Rust's runtime would. Otherwise the first file to be opened would
/// become stdin, stdout or stderr.
fn fill_closed() {
    let is_closed = |result: nix::Result<_>| result == Err(Errno::EBADF);
    let closed = [
        is_closed(fcntl(std::io::stdin(), FcntlArg::F_GETFD)),
        is_closed(fcntl(std::io::stdout(), FcntlArg::F_GETFD)),
        is_closed(fcntl(std::io::stderr(), FcntlArg::F_GETFD)),
    ];
    for _ in closed.into_iter().filter(|&closed| closed) {
        // A new descriptor gets the lowest free number, which is one of the three.
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _stays_open = null.into_raw_fd();
        }
    }
}

/// Whether SIGPIPE was ignored when the process started.
static SIGPIPE_WAS_IGNORED: OnceLock<bool> = OnceLock::new();

/// A write to a pipe without a reader becomes an error instead of ending solobot. COMMAND gets SIGPIPE as it was.
fn ignore_broken_pipes() {
    let _ = SIGPIPE_WAS_IGNORED.set(is_ignored(Signal::SIGPIPE));
    let _ = set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
}

/// Signals that a new program must have at their default although solobot ignores them.
pub(super) fn to_default() -> SigSet {
    let mut set = SigSet::empty();
    if SIGPIPE_WAS_IGNORED.get() == Some(&false) {
        set.add(Signal::SIGPIPE);
    }
    set
}

/// Restores for ourselves what a program that replaces us must find: the mask, and SIGPIPE's disposition.
pub(super) fn restore(mask: Mask) -> io::Result<()> {
    for signal in &to_default() {
        set_handler(signal, SigHandler::SigDfl)?;
    }
    Ok(mask.signals().thread_set_mask()?)
}

/// C's `pow`, for the program to define.
#[cfg(target_os = "linux")]
pub fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Defines what the program alone may define, and no library: names of the C library.
///
/// - Linked in, rather than have the loader map two libraries at every start, for 0.08 and 0.05 of `flock(1)`'s run: the
///   unwinder, which comes with every gcc and which only a panic needs, and `pow`, the only function of libm that anything
///   here calls (indicatif's estimate of a speed). A static build has both inside anyway.
/// - Where the program lies, for `$ORIGIN` in what a static binary would load at run time: it loads nothing, and to find out
///   costs every start a look into `/proc`, 0.03 of `flock(1)`'s run. -1 stands for "unknown" (`elf/dl-support.c` in glibc).
#[macro_export]
macro_rules! linked_in {
    () => {
        #[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
        #[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
        unsafe extern "C" {}

        #[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
        #[unsafe(no_mangle)]
        extern "C" fn pow(base: f64, exponent: f64) -> f64 {
            $crate::platform::startup::pow(base, exponent)
        }

        #[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
        #[unsafe(no_mangle)]
        extern "C" fn _dl_get_origin() -> *const ::std::ffi::c_char {
            ::std::ptr::without_provenance(usize::MAX)
        }
    };
}
