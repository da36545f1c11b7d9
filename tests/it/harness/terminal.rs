//! A real terminal: a pty whose other end is a process's controlling terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Signal, Test, descendants, send_to, wait_until};

/// A process that leads a session on a terminal of its own.
pub struct Terminal {
    child: Child,
    keys: Option<File>,
    screen: Arc<Mutex<Vec<u8>>>,
    hung_up: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Terminal {
    /// Starts a command line as the session leader on a fresh terminal, 100 columns wide.
    #[track_caller]
    pub fn start(test: &Test, line: &str) -> Self {
        Self::start_on(test, line, "xterm", [100, 30])
    }

    /// The same on a terminal of this kind, with so many columns and rows.
    #[track_caller]
    pub fn start_on(test: &Test, line: &str, kind: &str, size: [u16; 2]) -> Self {
        let pty = nix::pty::openpty(None, None).expect("a pty");
        // openpty(3) sets no such flag, and a program that inherited the other end would keep the terminal alive.
        for end in [&pty.master, &pty.slave] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).expect("close on exec");
        }
        tcsetwinsize(&pty.slave, winsize(size)).expect("set the window size");
        let inner = test.command(line);
        let mut command = Command::new("setsid");
        // Not a group leader, so setsid(1) execs without a fork: the PID is the program's own.
        command.arg("--ctty").arg(inner.get_program()).args(inner.get_args());
        test.settle(&mut command);
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("another descriptor"));
        let child = command
            .env("TERM", kind)
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .spawn()
            .expect("setsid(1) of util-linux");
        drop(command);
        drop(pty.slave);
        let (screen, hung_up) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let keys = File::from(pty.master);
        let reader = watch(keys.try_clone().expect("another descriptor"), &screen, &hung_up);
        Self { child, keys: Some(keys), screen, hung_up, reader: Some(reader), status: None }
    }

    /// The session leader's PID.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a PID")
    }

    /// Types.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.keys.as_mut().expect("not hung up").write_all(keys.as_bytes()).expect("type");
    }

    /// Gives the terminal another size: the kernel sends SIGWINCH.
    pub fn resize(&self, size: [u16; 2]) {
        tcsetwinsize(self.keys.as_ref().expect("not hung up"), winsize(size)).expect("set the window size");
    }

    /// Everything that was shown so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("the screen")).into_owned()
    }

    /// Waits until the text was shown.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let seen = std::cell::RefCell::new(String::new());
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("shown", || {
                *seen.borrow_mut() = self.screen();
                seen.borrow().contains(text)
            });
        }));
        assert!(outcome.is_ok(), "the terminal never showed `{text}`:\n{}", seen.borrow());
    }

    /// Closes the other end: the kernel sends SIGHUP, as when an ssh connection is lost.
    pub fn hang_up(&mut self) {
        self.hung_up.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the terminal's reader");
        }
        self.keys = None;
    }

    /// Waits for the session leader's end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        wait_until("the program on the terminal ends", || {
            if self.status.is_none() {
                self.status = self.child.try_wait().expect("wait for the child");
            }
            self.status.is_some()
        });
        self.status.expect("just seen")
    }
}

fn winsize([columns, rows]: [u16; 2]) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let below = descendants(self.pid());
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for pid in below {
            send_to(pid, Signal::KILL);
        }
        self.hang_up();
        if !thread::panicking() {
            assert!(!self.screen().contains(&super::token()[10..40]), "a token on the terminal: {}", self.screen());
        }
    }
}

/// Reads what is shown until nobody has the terminal open any more or we hang up.
fn watch(mut master: File, screen: &Arc<Mutex<Vec<u8>>>, hung_up: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (screen, hung_up) = (Arc::clone(screen), Arc::clone(hung_up));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !hung_up.load(Ordering::Acquire) {
            let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(&master), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::from(20u8)) {
                Ok(0) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            match master.read(&mut buffer) {
                Ok(length @ 1..) => screen.lock().expect("the screen").extend_from_slice(&buffer[..length]),
                // EIO: nobody has the other end open (yet, or any more).
                Ok(0) | Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    })
}
