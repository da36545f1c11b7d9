//! What one look at a process shows.

use std::fmt::{self, Write};

/// What a process is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunState {
    /// It runs, or waits for a processor.
    #[default]
    Running,
    /// It waits, and a signal wakes it.
    Sleeping,
    /// It runs or sleeps, on a platform that does not say which.
    Active,
    /// It waits for a device such as a disk, and signals do not wake it.
    Uninterruptible,
    /// A signal has stopped it.
    Stopped,
    /// A debugger has stopped it.
    Traced,
    /// It has ended and is not reaped.
    Zombie,
    /// It has ended, and is about to vanish.
    Dead,
    /// Something else, by the kernel's letter.
    Other(u8),
}

impl RunState {
    /// Whether it is stopped until another process continues it.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Traced)
    }
}

/// The letter that `ps` shows.
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Active => '?',
            Self::Uninterruptible => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Zombie => 'Z',
            Self::Dead => 'X',
            Self::Other(letter) => char::from(*letter),
        })
    }
}

/// What one look at a process shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    pub state: RunState,
    /// Parent PID; 0 for one outside the PID namespace.
    pub parent: i32,
    /// Its process group; `None` on a platform without.
    pub group: Option<i32>,
    /// Its session; `None` on a platform without.
    pub session: Option<i32>,
    /// It has a controlling terminal.
    pub has_terminal: bool,
    /// It is a thread of the kernel, never a process in our sense.
    pub is_kernel_thread: bool,
    /// It is on its way out: its folder and its descriptors are gone before it is a zombie.
    pub is_exiting: bool,
    /// The page faults of the children that it has waited for: it grows with each of them that ends, however short its life.
    /// `None` on a platform that does not count them.
    pub children_faults: Option<u64>,
    /// How many threads it has; `None` on a platform that does not say.
    pub threads: Option<u64>,
    /// Start time, in the unit of [`Identity`](super::identity::Identity).
    pub start_ticks: u64,
}

impl Stat {
    /// Neither a zombie nor dead. If only the first thread has ended (`pthread_exit`), a process looks like a zombie but still
    /// runs.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, RunState::Zombie | RunState::Dead) || self.threads.is_some_and(|threads| threads > 1)
    }
}
