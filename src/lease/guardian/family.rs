//! Which processes are the bot's.
//!
//! They are the COMMANDs of the grant, whatever descends from them, whatever solobot has adopted from among that, whoever
//! carries the flock that solobot called for, and whoever has the grant's marks in its environment. What was seen once stays
//! known, wherever it moves in the tree. Never among them: solobot, its ancestors, the caller, PID 1, and what is older than
//! solobot.

use std::collections::{HashMap, HashSet};
use std::io;

use super::is_guardian;
use crate::base::env;
use crate::lock::holders;
use crate::platform::identity::{Identity, Stat, lineage};
use crate::platform::locks::KernelKey;
use crate::platform::proc::{self, Handle};
use crate::platform::table;
use crate::process::stop::ProtectedProcesses;

/// By what a process of the bot is known, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantMarks {
    /// solobot: `SOLOBOT_HOLDER_PID`, and whoever called for the flock.
    pub supervisor: Identity,
    /// `SOLOBOT_GENERATION`.
    pub generation: u64,
    /// The file of the flock; `None` for a lock that solobot has handed over.
    pub lock: Option<KernelKey>,
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchDepth {
    /// The tree and the environments.
    Quick,
    /// Every descriptor too, for the flock.
    Thorough,
}

/// The bot's processes, as far as they have been seen.
#[derive(Debug)]
pub struct Family {
    marks: GrantMarks,
    roots: Vec<Identity>,
    /// Nothing that solobot has adopted is the bot's if it is older.
    first_start: Option<u64>,
    known: HashSet<Identity>,
    /// solobot and its ancestors.
    spared: HashSet<Identity>,
}

/// Who is there.
pub struct FoundFamily {
    pub all: HashSet<Identity>,
    /// Those whose parent is not the bot's: a living COMMAND, a daemon.
    pub tops: HashSet<Identity>,
}

impl Family {
    /// solobot must be alive.
    pub fn new(marks: GrantMarks) -> Self {
        let above = lineage(marks.supervisor.pid).skip(1).filter_map(Identity::of);
        let spared = above.chain([marks.supervisor]).collect();
        Self { marks, roots: Vec::new(), first_start: None, known: HashSet::new(), spared }
    }

    /// This COMMAND is the bot's.
    pub fn add_root(&mut self, root: Identity) {
        self.first_start = Some(self.first_start.map_or(root.start_ticks, |first| first.min(root.start_ticks)));
        self.roots.retain(|root| root.is_alive());
        self.roots.push(root);
    }

    /// Looks who is there.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn look(&mut self, depth: SearchDepth) -> io::Result<FoundFamily> {
        let stats = table::stats()?;
        let guard = ProtectedProcesses::new(&[]);
        let identity = |pid: i32, stat: &Stat| Identity { pid, start_ticks: stat.start_ticks };
        let candidates: HashMap<i32, (Identity, i32)> = stats
            .iter()
            .map(|(&pid, stat)| (pid, (identity(pid, stat), stat.parent)))
            .filter(|(pid, (identity, _))| {
                identity.start_ticks >= self.marks.supervisor.start_ticks
                    && !self.spared.contains(identity)
                    && guard.refusal(*pid).is_none()
            })
            .collect();
        let supervisor_lives = stats
            .get(&self.marks.supervisor.pid)
            .is_some_and(|stat| stat.start_ticks == self.marks.supervisor.start_ticks);
        let mut waiting: Vec<Identity> = candidates
            .values()
            .filter(|(one, parent)| {
                self.known.contains(one)
                    || self.roots.contains(one)
                    || (supervisor_lives && *parent == self.marks.supervisor.pid && self.is_adopted(*one))
                    || self.is_marked(one.pid)
                    || (depth == SearchDepth::Thorough && self.shares_lock(one.pid))
            })
            .map(|(one, _)| *one)
            .collect();
        let mut children: HashMap<i32, Vec<Identity>> = HashMap::new();
        for (one, parent) in candidates.values() {
            children.entry(*parent).or_default().push(*one);
        }
        let mut all: HashSet<Identity> = waiting.iter().copied().collect();
        while let Some(one) = waiting.pop() {
            for child in children.get(&one.pid).into_iter().flatten() {
                if all.insert(*child) {
                    waiting.push(*child);
                }
            }
        }
        let is_top = |one: &&Identity| {
            let parent = candidates.get(&one.pid).and_then(|(_, parent)| candidates.get(parent));
            parent.is_none_or(|(parent, _)| !all.contains(parent))
        };
        let tops = all.iter().filter(is_top).copied().collect();
        self.known.clone_from(&all);
        Ok(FoundFamily { all, tops })
    }

    /// Whether a child of solobot is one that COMMAND or one of its descendants has left behind. As PID 1 of a container
    /// solobot adopts what others have left, too.
    fn is_adopted(&self, child: Identity) -> bool {
        self.marks.supervisor.pid != 1
            && self.first_start.is_some_and(|first| child.start_ticks >= first)
            && !is_guardian(child.pid)
            // By which solobot reaches an engine.
            && proc::name(child.pid).is_none_or(|name| name != "ssh")
    }

    fn is_marked(&self, pid: i32) -> bool {
        let Some(environ) = Handle::open(pid).and_then(|handle| handle.environ().ok()) else { return false };
        has_marks(&environ, &self.marks)
    }

    /// Another process may hold the flock by now: then it was another one that called for it. In a PID namespace a dead
    /// caller is 0; a solobot of later holds its lock by one too, if it is a keeper's.
    fn shares_lock(&self, pid: i32) -> bool {
        let Some(lock) = self.marks.lock else { return false };
        holders::callers_of(pid, lock).into_iter().any(|caller| {
            caller == self.marks.supervisor.pid || (caller == 0 && proc::runs_our_file(pid) == Some(false))
        })
    }
}

fn has_marks(environ: &[u8], marks: &GrantMarks) -> bool {
    let has = |name: &str, value: u64| {
        let entry = format!("{name}={value}");
        environ.split(|&byte| byte == 0).any(|one| one == entry.as_bytes())
    };
    // A PID is at least 1.
    has(env::HOLDER_PID, u64::try_from(marks.supervisor.pid).unwrap_or_default())
        && has(env::GENERATION, marks.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_marks_are_needed_and_whole() {
        let supervisor = Identity { pid: 42, start_ticks: 7 };
        let marks = GrantMarks { supervisor, generation: 1000, lock: None };
        assert!(has_marks(b"A=1\0SOLOBOT_GENERATION=1000\0SOLOBOT_HOLDER_PID=42\0", &marks));
        for other in [
            &b""[..],
            b"SOLOBOT_HOLDER_PID=42\0",
            b"SOLOBOT_GENERATION=1000\0",
            b"SOLOBOT_GENERATION=1001\0SOLOBOT_HOLDER_PID=42\0",
            b"SOLOBOT_GENERATION=10000\0SOLOBOT_HOLDER_PID=42\0",
            b"SOLOBOT_GENERATION=1000\0SOLOBOT_HOLDER_PID=421\0",
            b"XSOLOBOT_GENERATION=1000\0SOLOBOT_HOLDER_PID=42\0",
        ] {
            assert!(!has_marks(other, &marks), "{}", String::from_utf8_lossy(other));
        }
    }
}
