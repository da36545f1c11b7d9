//! The guardian: a small process beside solobot that stops the bot when its lease can no longer be proved.
//!
//! It is the same binary under another name, so that no `pkill solobot` ends both. It opens the gate at which COMMAND waits,
//! knows the deadline until which the lease is proved, and stops the bot at that deadline, when it is told to, or when
//! solobot's end of their socket closes. [`client`] is solobot's side, [`watch`] the guardian's; what is decided is decided in
//! [`step::Guardian`](super::step::Guardian). [`sweep`] finds and stops every process of the bot: it is for both watchers,
//! since solobot does the same when the guardian is dead or stopped.
//!
//! Not promised: that a process is found which has left COMMAND's tree between two looks, has no descriptor of the lock, and
//! has wiped its environment; that a process of another user can be stopped (it is named).

pub mod client;
mod family;
pub(super) mod message;
pub mod sweep;
pub mod watch;

use std::ffi::{CStr, OsString};

use crate::platform::descriptor::Descriptor;
use crate::platform::locks::KernelKey;
use crate::platform::proc::{self, Handle};

pub use self::family::GrantMarks;
pub use self::message::GuardianMessage;

/// The hidden subcommand that a guardian runs.
const SUBCOMMAND: &str = "guardian";

/// What a guardian is called in lists of processes: at most 15 bytes, and nothing of solobot's name.
pub const NAME: &CStr = c"lease-guardian";

/// Whether a process is a guardian, of any solobot.
pub fn is_guardian(pid: i32) -> bool {
    let is_name = |word: &[u8]| word == NAME.to_bytes();
    // Where a process cannot be called otherwise than its file, its first word tells.
    let has_word = || {
        let argv = Handle::open(pid).map(|handle| handle.argv()).unwrap_or_default();
        argv.first().is_some_and(|first| is_name(first.as_encoded_bytes()))
    };
    let name = proc::name(pid);
    let is_called = name.as_ref().is_some_and(|name| is_name(name.as_bytes()));
    (is_called || (name.as_deref() == Some("solobot") && has_word())) && proc::runs_our_file(pid) != Some(false)
}

/// What a guardian is told when it is started. Every user can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardianRequest {
    pub marks: GrantMarks,
    /// From TERM to KILL, in milliseconds.
    pub grace_ms: u64,
}

impl GuardianRequest {
    fn command_line(&self, socket: Descriptor<'_>) -> Vec<OsString> {
        let GrantMarks { supervisor, generation, lock } = self.marks;
        let mut words = vec![OsString::from(NAME.to_string_lossy().into_owned()), SUBCOMMAND.into()];
        for (name, value) in [
            ("--socket", socket.number().to_string()),
            ("--grace-ms", self.grace_ms.to_string()),
            ("--pid", supervisor.pid.to_string()),
            ("--start-ticks", supervisor.start_ticks.to_string()),
            ("--generation", generation.to_string()),
            ("--lock", lock.map_or_else(String::new, |key| format!("{}:{}:{}", key.major, key.minor, key.inode))),
        ] {
            if !value.is_empty() {
                words.extend([name.into(), value.into()]);
            }
        }
        words
    }
}

/// Reads back what names the lock on a guardian's command line.
///
/// # Errors
/// It is something else.
pub fn parse_lock(text: &str) -> Result<KernelKey, String> {
    let mut numbers = text.splitn(3, ':');
    let mut next = || numbers.next().unwrap_or_default();
    let (major, minor, inode) = (next().parse(), next().parse(), next().parse());
    match (major, minor, inode) {
        (Ok(major), Ok(minor), Ok(inode)) => Ok(KernelKey { major, minor, inode }),
        _ => Err(format!("`{text}` is no MAJOR:MINOR:INODE")),
    }
}
