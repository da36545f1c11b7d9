//! What one look at a process shows.

use std::fmt;

use super::peb::ProcessParameters;
use super::processes::{self, ProcessLook, SystemProcess, is_kernels};

/// What a process is doing. Windows stops and continues threads, no processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunState {
    /// It runs, or waits for something.
    #[default]
    Running,
    /// Never on Windows.
    Sleeping,
    /// Never on Windows.
    Uninterruptible,
    /// Never on Windows.
    Stopped,
    /// Never on Windows.
    Traced,
    /// It has ended, and somebody holds it open.
    Zombie,
    /// Never on Windows.
    Dead,
}

impl RunState {
    /// Whether it is stopped until another process continues it: never on Windows.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Traced)
    }
}

/// The letter that `ps` shows on other platforms.
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "R",
            Self::Sleeping => "S",
            Self::Uninterruptible => "D",
            Self::Stopped => "T",
            Self::Traced => "t",
            Self::Zombie => "Z",
            Self::Dead => "X",
        })
    }
}

/// What one look at a process shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    pub state: RunState,
    /// The PID of who started it; 0 if that one has ended.
    pub parent: i32,
    /// The group that gets its console's Ctrl-Break together, by the PID of its leader; `None` where it has no console, or is
    /// another user's.
    pub group: Option<i32>,
    /// There is no such thing: what Windows calls a session is a user's whole desktop.
    pub session: Option<i32>,
    /// It has a console.
    pub has_terminal: bool,
    /// It has no program: it is the kernel's, never a process in our sense.
    pub is_kernel_thread: bool,
    /// Never on Windows.
    pub is_exiting: bool,
    /// Windows counts nothing that grows with each child that ends.
    pub children_faults: Option<u64>,
    /// When it was created: 100 ns units since 1601.
    pub start_ticks: u64,
}

impl Stat {
    /// Looks at a process; `None` if there is none.
    pub fn read(pid: i32) -> Option<Self> {
        Some(Self::new(pid, processes::look(pid)?))
    }

    pub(super) fn of_listed(one: &SystemProcess) -> Self {
        Self::new(one.pid, ProcessLook { parent: one.parent, created: one.created, has_ended: false })
    }

    fn new(pid: i32, look: ProcessLook) -> Self {
        let parameters = ProcessParameters::of(pid).ok();
        let has_terminal = parameters.as_ref().is_some_and(ProcessParameters::has_console);
        Self {
            state: if look.has_ended { RunState::Zombie } else { RunState::Running },
            parent: look.parent,
            group: parameters.filter(|_| has_terminal).and_then(|parameters| parameters.group()),
            session: None,
            has_terminal,
            is_kernel_thread: is_kernels(pid, look.parent),
            is_exiting: false,
            children_faults: None,
            start_ticks: look.created,
        }
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        self.state != RunState::Zombie
    }
}
