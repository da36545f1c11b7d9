//! What one look at a process shows.

use super::peb::ProcessParameters;
use super::processes::{self, ProcessLook, SystemProcess, is_kernels};
use crate::platform::stat::{RunState, Stat};

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
            threads: None,
            start_ticks: look.created,
        }
    }
}
