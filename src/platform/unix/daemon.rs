//! What a background process does first, and the pipe on which it says that it is ready.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use super::descriptor::{self, Descriptor};
use crate::platform::host::filesystem::OWN_DESCRIPTORS;

/// Leaves the session, terminal, folder and standard streams of the process that started solobot, so that nothing waits for
/// the end of a pipe (`$(solobot acquire --pid $$)`), and no file system is kept busy.
///
/// # Errors
/// Those of `chdir(2)`, and of [`go_into_background`].
pub fn detach() -> io::Result<()> {
    std::env::set_current_dir("/")?;
    go_into_background(&OpenOptions::new().write(true).open("/dev/null")?)
}

/// Whether a program can go on in the background, with the programs that it starts.
pub const HAS_BACKGROUND: bool = true;

/// Leaves the session and the terminal of the process that started solobot. From now on solobot, and what it starts, write to
/// `output` and read nothing. The current folder stays.
///
/// # Errors
/// Those of opening `/dev/null`, and of `dup2(2)`.
pub fn go_into_background(output: &File) -> io::Result<()> {
    // A group leader cannot; it has no terminal to lose then but its parent's, and the streams go anyway.
    let _ = nix::unistd::setsid();
    rustix::stdio::dup2_stdin(&File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(output)?;
    Ok(())
}

/// Closes every descriptor except the standard streams and those in `keep`: a background process must not keep open what a
/// script had open (a pipe that is read to its end, another lock).
///
/// # Errors
/// The list of our own descriptors cannot be read.
///
/// # Safety
/// Nothing in this process may own another descriptor.
pub unsafe fn close_others(keep: &[i32]) -> io::Result<()> {
    // Collected first, so that the folder's own descriptor is closed before its number is met.
    let open: Vec<i32> = std::fs::read_dir(OWN_DESCRIPTORS)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2 && !keep.contains(fd))
        .collect();
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// Gives this process another short name, which `ps`, `pkill` and `killall` go by: at most 15 bytes.
///
/// # Errors
/// Those of `prctl(2)`; `Unsupported` on macOS, where a process is called as the file that it runs.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "there is no call that takes it"))]
pub fn be_called(name: &CStr) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(nix::sys::prctl::set_name(name)?);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the kernel not to choose this process when memory is short. Only root is granted that; nothing else changes then, nor
/// on macOS.
pub fn be_spared() {
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
}

/// The end of a pipe on which the starter waits for a background process.
#[derive(Debug)]
pub struct ReadinessWaiter(File);

/// The end on which that process says that it is ready.
#[derive(Debug)]
pub struct ReadinessSignal(File);

/// Both ends of a new pipe; a child inherits neither unless it is passed on.
///
/// # Errors
/// EMFILE.
pub fn pipe() -> io::Result<(ReadinessWaiter, ReadinessSignal)> {
    let (read, write) = io::pipe()?;
    Ok((ReadinessWaiter(File::from(OwnedFd::from(read))), ReadinessSignal(File::from(OwnedFd::from(write)))))
}

impl ReadinessWaiter {
    /// Waits until the process says the next time that it is ready; `false` if it closed its end before that.
    pub fn comes(&mut self) -> bool {
        self.0.read_exact(&mut [0]).is_ok()
    }

    /// Readable once it has said so, or closed its end.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }
}

impl ReadinessSignal {
    /// Takes over the end that was inherited under this number.
    ///
    /// # Errors
    /// EBADF if it is not open.
    ///
    /// # Safety
    /// Nothing else in this process may own `number`.
    pub unsafe fn inherited(number: i32) -> io::Result<Self> {
        // SAFETY: the caller promises the same.
        unsafe { descriptor::inherited(number) }.map(Self)
    }

    /// For the process that is to inherit it.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of(&self.0)
    }

    /// Reports that the process is ready.
    ///
    /// # Errors
    /// EPIPE if the starter no longer waits.
    pub fn say(&mut self) -> io::Result<()> {
        self.0.write_all(b"1")
    }
}
