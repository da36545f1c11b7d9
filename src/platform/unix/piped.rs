//! A program of ours that we talk to through pipes, in a session of its own: Ctrl-C in the terminal does not reach it.
//!
//! Invariant: no other child inherits the pipes, it is only ever signalled through a pidfd, and it does not outlive its value.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::SigSet;

use super::children::{self, Ended};
use super::descriptor::Descriptor;
use super::identity::own_pid;
use super::signals::Signal;
use super::startup;
use crate::platform::host::pidfd::Pidfd;
use crate::platform::stat::Stat;

/// `POSIX_SPAWN_SETSID`; on macOS since 10.15, `<spawn.h>` there.
#[cfg(target_os = "linux")]
const SETSID: i32 = nix::libc::POSIX_SPAWN_SETSID as i32;
#[cfg(not(target_os = "linux"))]
const SETSID: i32 = 0x0400;

/// How long a killed one is waited for: only the kernel can delay its end.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// The running program and our ends of its standard streams, of which none ever blocks.
#[derive(Debug)]
pub struct PipedChild {
    pidfd: Pidfd,
    input: File,
    output: File,
    errors: File,
}

impl PipedChild {
    /// Starts it; the program is looked up in PATH. This may wait for a disk.
    ///
    /// # Errors
    /// Those of `pipe(2)` and `execve(2)`.
    pub fn start(argv: &[OsString]) -> io::Result<Self> {
        let words: Result<Vec<CString>, _> = argv.iter().map(|word| CString::new(word.clone().into_vec())).collect();
        let words = words.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it contains a NUL byte"))?;
        let program = words.first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let ((its_input, input), (output, its_output), (errors, its_errors)) = (pipe()?, pipe()?, pipe()?);
        let (input, output, errors) = (unblocked(input)?, unblocked(output)?, unblocked(errors)?);
        let mut attr = PosixSpawnAttr::init()?;
        let own_session = PosixSpawnFlags::from_bits_retain(SETSID);
        attr.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | own_session)?;
        attr.set_sigmask(&SigSet::empty())?;
        attr.set_sigdefault(&startup::to_default())?;
        let mut actions = PosixSpawnFileActions::init()?;
        for (end, number) in [(&its_input, 0), (&its_output, 1), (&its_errors, 2)] {
            // A pipe is numbered above them: startup has filled closed streams.
            actions.add_dup2(end.as_raw_fd(), number)?;
        }
        let kept = std::env::vars_os()
            .filter_map(|(name, value)| CString::new([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()).ok());
        let environment: Vec<CString> = kept.collect();
        let pid = posix_spawnp(program, &actions, &attr, &words, &environment)?.as_raw();
        let pidfd = Self::handle(pid)?;
        Ok(Self { pidfd, input, output, errors })
    }

    /// Somebody in this process may reap every child, so what the PID means is asked again once the handle is there.
    /// One that is no child of ours any more is a stranger, and left alone.
    fn handle(pid: i32) -> io::Result<Pidfd> {
        let opened = Pidfd::of_child(pid);
        let is_ours = Stat::read(pid).is_some_and(|stat| stat.parent == own_pid());
        match opened {
            Ok(pidfd) if is_ours => Ok(pidfd),
            Ok(_) => Err(io::Error::other("it ended at once")),
            Err(error) => {
                if is_ours {
                    children::put_down(pid);
                }
                Err(error)
            }
        }
    }

    /// What it prints, and what it prints on stderr: readable also at their ends.
    pub fn output(&self) -> [Descriptor<'_>; 2] {
        [Descriptor::of(&self.output), Descriptor::of(&self.errors)]
    }

    pub fn input(&self) -> Descriptor<'_> {
        Descriptor::of(&self.input)
    }

    /// Some of what it has printed, 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing yet.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.output.read(into)
    }

    /// The same of stderr.
    ///
    /// # Errors
    /// As [`PipedChild::read`].
    pub fn read_errors(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.errors.read(into)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, EPIPE.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    /// How it ended, if it has, or does within that time. Somebody else may have reaped it: then nobody knows how.
    pub fn ending(&self, patience: Duration) -> Option<Option<Ended>> {
        self.pidfd.has_ended(patience).then(|| self.pidfd.reap())
    }
}

impl Drop for PipedChild {
    fn drop(&mut self) {
        let _ = self.pidfd.send(Signal::SIGKILL);
        if self.pidfd.has_ended(LAST_WAIT) {
            let _ = self.pidfd.reap();
        }
    }
}

/// A pipe that no other child inherits: the end for reading, the end for writing.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((read.into(), write.into()))
}

/// An end of ours, which does not block; the program's own end does, as it will expect.
fn unblocked(end: OwnedFd) -> io::Result<File> {
    let flags = OFlag::from_bits_truncate(fcntl(end.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(end.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(File::from(end))
}
