//! The keeper: a small background process that holds a lock until another process ends.
//!
//! `acquire --pid` takes the lock, starts the keeper with the locked descriptor inherited, and returns once the keeper
//! has said that it is ready. The keeper's command line names the process that it keeps the lock for, so that whoever
//! finds the keeper as the holder can tell for whom. SIGTERM ends it, as the end of that process does: it gives the lock
//! back both times.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::held::{Held, Incident};
use super::holders;
use super::wait::ending_signal;
use crate::platform::identity::Identity;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::proc::{self, Handle};
use crate::platform::signals::Signals;

/// The hidden subcommand that is a keeper.
pub const SUBCOMMAND: &str = "keeper";
/// How often the lock file is looked at, whatever did or did not wake the keeper.
const UPKEEP_EVERY: Duration = Duration::from_secs(10);

/// The command line of a keeper: what [`target`] reads back.
pub fn command_line(
    program: &Path,
    target: Identity,
    lock: &Path,
    name: &str,
    held: BorrowedFd<'_>,
    ready: BorrowedFd<'_>,
) -> Vec<OsString> {
    let option = |name: &str, value: String| [OsString::from(name), OsString::from(value)];
    let mut words: Vec<OsString> = vec![program.into(), SUBCOMMAND.into()];
    words.extend(option("--pid", target.pid.to_string()));
    words.extend(option("--start-ticks", target.start_ticks.to_string()));
    words.extend(option("--fd", held.as_raw_fd().to_string()));
    words.extend(option("--ready", ready.as_raw_fd().to_string()));
    // Joined by `=`: a value may begin with a dash.
    words.push(joined("--lock=", lock.as_os_str()));
    words.push(joined("--name=", name.as_ref()));
    words
}

fn joined(option: &str, value: &std::ffi::OsStr) -> OsString {
    let mut word = OsString::from(option);
    word.push(value);
    word
}

/// The process that a keeper keeps its lock for; `None` if `pid` is no keeper. The command line alone proves nothing:
/// the caller has seen that it carries the lock, and that process must live.
pub fn target(pid: i32) -> Option<Identity> {
    let line = Handle::open(pid)?.read("cmdline").ok()?;
    if !is_keepers(&line) {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name.as_bytes())?;
        std::str::from_utf8(words.get(at + 1)?).ok()
    };
    let target = Identity { pid: value("--pid")?.parse().ok()?, start_ticks: value("--start-ticks")?.parse().ok()? };
    target.is_alive().then_some(target)
}

/// Holds the lock until `target` ends or a signal asks for the end; then gives it back. `tell` gets what happens to it
/// meanwhile.
///
/// # Errors
/// Those of `poll(2)`.
pub fn keep(mut held: Held, target: &Pidfd, signals: &Signals, tell: &mut dyn FnMut(&[Incident])) -> io::Result<()> {
    tell(&held.start_watching(false));
    loop {
        let watch = held.watch().map(AsFd::as_fd);
        let fds = [Some(target.as_fd()), Some(signals.as_fd()), watch];
        let [ended, signalled, changed] = poll::readable(fds, Some(UPKEEP_EVERY))?;
        if ended || (signalled && ending_signal(signals).is_some()) {
            held.release();
            return Ok(());
        }
        if changed && let Some(watch) = held.watch() {
            watch.take();
        }
        tell(&held.tend());
    }
}

/// The keepers among the holders of a lock.
pub fn among(holders: &[Identity]) -> Option<(Identity, Identity)> {
    holders.iter().find_map(|&holder| Some((holder, target(holder.pid)?)))
}

/// Whether a command line, its words separated by NUL, is a keeper's.
pub fn is_keepers(cmdline: &[u8]) -> bool {
    cmdline.split(|&byte| byte == 0).nth(1) == Some(SUBCOMMAND.as_bytes())
}

/// The process that a keeper keeps its lock for, where it is one of root or of that process's own user: nobody else's command
/// line is believed.
pub fn trusted_target(keeper: i32) -> Option<Identity> {
    let (target, owner) = (target(keeper)?, proc::owner(keeper)?);
    (owner == 0 || proc::owner(target.pid) == Some(owner)).then_some(target)
}

/// Whether `keeper` holds the lock open in `lock`.
pub fn is_proved(lock: &super::file::LockFile, keeper: Identity) -> bool {
    keeper.is_alive() && holders::shares(lock, keeper.pid)
}
