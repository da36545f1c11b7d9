//! The keeper: a small background process that holds a lock until another process ends.
//!
//! `acquire --pid` takes the lock, starts the keeper with the locked descriptor inherited, and returns once the keeper
//! says that it is ready. The keeper's command line names the process that it holds the lock for, so that anyone who finds
//! the keeper as the holder can see for whom. It releases the lock when that process ends, or on SIGTERM.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::held::{Held, Incident};
use super::holders;
use super::wait::ending_signal;
use crate::base::env;
use crate::platform::descriptor::Descriptor;
use crate::platform::identity::Identity;
use crate::platform::memory;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::proc::{self, Handle};
use crate::platform::signals::Signals;
use crate::platform::watch::Watch;

/// The hidden subcommand that a keeper runs.
pub const SUBCOMMAND: &str = "keeper";

/// How long to pause after a wait that failed for lack of memory.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// The command line of a keeper, which [`target`] reads back. Every user can read it, so names, which may contain a token,
/// are passed in the environment ([`KeeperRequest`]).
pub fn command_line(program: &Path, target: Identity, held: Descriptor<'_>, ready: Descriptor<'_>) -> Vec<OsString> {
    let option = |name: &str, value: String| [OsString::from(name), OsString::from(value)];
    let mut words: Vec<OsString> = vec![program.into(), SUBCOMMAND.into()];
    words.extend(option("--pid", target.pid.to_string()));
    words.extend(option("--start-ticks", target.start_ticks.to_string()));
    words.extend(option("--fd", held.number().to_string()));
    words.extend(option("--ready", ready.number().to_string()));
    words
}

/// What a keeper is told in its environment: the lock's path, the bot's name, and where the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperRequest {
    pub lock: PathBuf,
    /// The bot's name, for the owner record.
    pub name: String,
    /// The journal, for what happens to the lock.
    pub journal: Option<PathBuf>,
}

impl KeeperRequest {
    /// As variables for the keeper.
    pub fn variables(self) -> [(&'static str, Option<OsString>); 3] {
        let journal = self.journal.map(PathBuf::into_os_string);
        [
            (env::KEEPER_LOCK, Some(self.lock.into())),
            (env::KEEPER_NAME, Some(self.name.into())),
            (env::KEEPER_JOURNAL, journal),
        ]
    }

    /// What this keeper was told, if anything.
    pub fn of_process() -> Option<Self> {
        let name = std::env::var_os(env::KEEPER_NAME)?.to_string_lossy().into_owned();
        let journal = std::env::var_os(env::KEEPER_JOURNAL).map(PathBuf::from);
        Some(Self { lock: std::env::var_os(env::KEEPER_LOCK)?.into(), name, journal })
    }
}

/// The process that a keeper holds its lock for; `None` if `pid` is not a keeper, or that process has ended.
///
/// A command line proves nothing: any user can make a program look like a keeper of another user's process, and stopping
/// the holder would stop that process. So a keeper must be a process of root or of its target's own user, who could end the
/// target anyway. It must run this solobot's file, or one that was replaced at its path. If its file cannot be looked at, it
/// must be root's.
pub fn target(pid: i32) -> Option<Identity> {
    let line = Handle::open(pid)?.cmdline().ok()?;
    if !is_keepers(&line) {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name.as_bytes())?;
        std::str::from_utf8(words.get(at + 1)?).ok()
    };
    let target = Identity { pid: value("--pid")?.parse().ok()?, start_ticks: value("--start-ticks")?.parse().ok()? };
    let owner = proc::owner(pid)?;
    let may_end_it = owner == 0 || proc::owner(target.pid) == Some(owner);
    let is_solobot = proc::runs_our_file(pid).unwrap_or(owner == 0);
    (may_end_it && is_solobot && target.is_alive()).then_some(target)
}

/// Holds the lock until `target` ends or a signal arrives, then releases it. `tell` gets what happens to it meanwhile.
/// Nothing else ends the keeper, because that would free the lock of a running process.
pub fn keep(mut held: Held, target: &Pidfd, signals: &Signals, tell: &mut dyn FnMut(&[Incident])) {
    tell(&held.start_watching(false));
    // A wait needs little of the code that came before it.
    memory::give_back_code();
    loop {
        let watch = held.watch().map(Watch::descriptor);
        let fds = [Some(target.descriptor()), Some(signals.descriptor()), watch];
        let Ok([ended, signalled, changed]) = poll::readable(fds, Some(held.look_in())) else {
            thread::sleep(AFTER_ERROR);
            continue;
        };
        if ended || (signalled && ending_signal(signals).is_some()) {
            held.release();
            return;
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

/// Whether `keeper` holds the lock open in `lock`.
pub fn is_proved(lock: &super::file::LockFile, keeper: Identity) -> bool {
    keeper.is_alive() && holders::shares(lock, keeper.pid)
}
