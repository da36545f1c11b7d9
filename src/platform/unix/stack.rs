//! A stack that is large enough, whatever `ulimit -s` says.
//!
//! The kernel lets the first thread's stack grow up to `RLIMIT_STACK`, and ends a process that needs more with SIGSEGV. A
//! cron job, a container or a hardened unit may allow 64 KiB, of which a command line of clap's alone takes more. Raising
//! the limit is not always allowed, and COMMAND must find it as it was. So there the first thread goes on upon memory of
//! its own: it stays the first thread, with its signal mask, its children and their parent-death signal. Where the limit
//! is as usual that costs one system call.

use std::io;

use rustix::process::{Resource, getrlimit};

/// More than any subcommand needs, with or without optimisation; Rust gives its threads as much.
const ENOUGH: u64 = 2 * 1024 * 1024;

/// The limit in bytes where it is too low.
pub fn low_limit() -> Option<u64> {
    getrlimit(Resource::Stack).current.filter(|limit| *limit < ENOUGH)
}

/// Runs this where there is room for it; it must not panic.
///
/// # Errors
/// Those of `mmap(2)`, where the limit is low: it was not run.
pub fn with_room<T>(run: impl FnOnce() -> T) -> io::Result<T> {
    if low_limit().is_none() { Ok(here(run)) } else { elsewhere::call(run) }
}

/// Never part of its caller, whose frame must not have what this needs before anybody knows that there is room for it.
#[inline(never)]
fn here<T>(run: impl FnOnce() -> T) -> T {
    run()
}

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod elsewhere {
    use std::ffi::c_void;
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr::{self, null_mut};
    use std::sync::atomic::{AtomicPtr, Ordering};

    use nix::libc;

    /// What is mapped; what is not touched is no memory.
    const SIZE: usize = 8 * 1024 * 1024;
    /// Below it, so that whoever needs still more is ended instead of writing into what is not his. A power of two that no
    /// page is larger than.
    const GUARD: usize = 64 * 1024;

    /// Memory for a stack.
    struct Stack(*mut c_void);

    impl Stack {
        fn new() -> io::Result<Self> {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
            // SAFETY: new memory, at a place that the kernel chooses.
            let start = unsafe { libc::mmap(null_mut(), SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let stack = Self(start);
            // SAFETY: the beginning of what was just mapped, which is not used yet.
            match unsafe { libc::mprotect(start, GUARD, libc::PROT_NONE) } {
                0 => Ok(stack),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    impl Drop for Stack {
        fn drop(&mut self) {
            // SAFETY: ours, and whoever ran on it has returned.
            unsafe { libc::munmap(self.0, SIZE) };
        }
    }

    /// What is to be run, and what came of it.
    struct Job<F, T> {
        run: Option<F>,
        result: Option<T>,
    }

    /// `makecontext(3)` passes no pointer. Set by a call and taken by the function that it switches to, on the same thread,
    /// and nobody else calls: there is one first thread.
    static JOB: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

    extern "C" fn work<F: FnOnce() -> T, T>() {
        let job = JOB.swap(null_mut(), Ordering::Relaxed).cast::<Job<F, T>>();
        // SAFETY: `call` has put it there, with these types, and looks at it only after this has returned.
        let job = unsafe { &mut *job };
        job.result = job.run.take().map(|run| run());
    }

    pub fn call<F: FnOnce() -> T, T>(run: F) -> io::Result<T> {
        let stack = Stack::new()?;
        let mut job = Job { run: Some(run), result: None };
        let (mut here, mut there) = (MaybeUninit::uninit(), MaybeUninit::<libc::ucontext_t>::uninit());
        JOB.store(ptr::from_mut(&mut job).cast(), Ordering::Relaxed);
        // SAFETY: getcontext(3) fills `there`, whose stack and successor are set before makecontext(3) as it demands; `work`
        // takes no arguments. Neither context is moved, and both, the stack and the job live until swapcontext(3) returns,
        // which it does once `work` has ended.
        unsafe {
            if libc::getcontext(there.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let context = there.as_mut_ptr();
            (*context).uc_stack.ss_sp = stack.0.byte_add(GUARD);
            (*context).uc_stack.ss_size = SIZE - GUARD;
            (*context).uc_link = here.as_mut_ptr();
            libc::makecontext(context, work::<F, T>, 0);
            if libc::swapcontext(here.as_mut_ptr(), context) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        job.result.ok_or_else(|| io::Error::other("it was not run"))
    }
}

/// Where no way is known to another stack, the one that there is must do.
#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod elsewhere {
    use std::io;

    #[expect(clippy::unnecessary_wraps, reason = "the same signature as where it can fail")]
    pub fn call<T>(run: impl FnOnce() -> T) -> io::Result<T> {
        Ok(run())
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;

    use super::*;

    fn depth(levels: usize) -> usize {
        let frame = black_box([1_u8; 1024]);
        if levels == 0 { 0 } else { depth(levels - 1) + usize::from(frame[levels % frame.len()]) }
    }

    #[test]
    fn there_is_room_and_what_was_run_comes_back() {
        let mut seen = Vec::new();
        let result = elsewhere::call(|| {
            seen.push(depth(3000));
            catch_unwind(|| depth(1000) / black_box(0)).is_err()
        });
        assert!(result.unwrap(), "a panic is caught there as anywhere");
        assert_eq!(seen, [3000]);
        assert_eq!(with_room(|| 7).unwrap(), 7);
    }
}
