//! Which processes must never be signalled: the only place that decides this.

use std::collections::HashSet;

use crate::platform::identity::{Stat, ancestry, own_pid};

/// Why a process must not be signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopRefusal {
    /// PID 1, or no PID at all.
    Init,
    /// solobot itself.
    Own,
    /// An ancestor of solobot: it would take solobot with it.
    Ancestor,
    KernelThread,
    /// It belongs to the instance that is kept.
    Kept,
}

impl StopRefusal {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Init => "it is PID 1",
            Self::Own => "it is this solobot",
            Self::Ancestor => "this solobot runs inside it",
            Self::KernelThread => "it is a kernel thread",
            Self::Kept => "it belongs to the instance that is kept",
        }
    }
}

/// Knows who must never be signalled.
#[derive(Debug)]
pub struct ProtectedProcesses {
    own: i32,
    ancestors: HashSet<i32>,
    kept: HashSet<i32>,
}

impl ProtectedProcesses {
    /// Looks up solobot's ancestors.
    pub fn new(kept: &[i32]) -> Self {
        Self { own: own_pid(), ancestors: ancestry().skip(1).collect(), kept: kept.iter().copied().collect() }
    }

    /// Why that PID must not be signalled; `None` if it may.
    pub fn refusal(&self, pid: i32) -> Option<StopRefusal> {
        if pid <= 1 {
            Some(StopRefusal::Init)
        } else if pid == self.own {
            Some(StopRefusal::Own)
        } else if self.ancestors.contains(&pid) {
            Some(StopRefusal::Ancestor)
        } else if self.kept.contains(&pid) {
            Some(StopRefusal::Kept)
        } else {
            None
        }
    }

    /// As [`ProtectedProcesses::refusal`], for a process whose `stat` has been read.
    pub fn refusal_of(&self, pid: i32, stat: &Stat) -> Option<StopRefusal> {
        self.refusal(pid).or_else(|| stat.is_kernel_thread.then_some(StopRefusal::KernelThread))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stat(is_kernel_thread: bool) -> Stat {
        Stat { is_kernel_thread, ..Stat::default() }
    }

    proptest! {
        #[test]
        fn self_ancestors_init_and_kernel_threads_are_never_signalled(pid in any::<i32>(), kernel: bool, kept in any::<i32>()) {
            let guard = ProtectedProcesses::new(&[kept]);
            let forbidden = pid <= 1
                || pid == guard.own
                || guard.ancestors.contains(&pid)
                || pid == kept
                || kernel;
            prop_assert_eq!(guard.refusal_of(pid, &stat(kernel)).is_some(), forbidden);
        }
    }

    #[test]
    fn our_own_line_is_refused() {
        let guard = ProtectedProcesses::new(&[]);
        let own = own_pid();
        assert_eq!(guard.refusal(own), Some(StopRefusal::Own));
        let parent = Stat::read(own).unwrap().parent;
        assert!(guard.refusal(parent).is_some());
        for pid in [i32::MIN, -1, 0, 1] {
            assert_eq!(guard.refusal(pid), Some(StopRefusal::Init));
        }
    }
}
