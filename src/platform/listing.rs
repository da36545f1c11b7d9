//! What every platform's list of processes consists of.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;

/// A process that a filter kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub pid: i32,
    /// Its arguments, each ended by NUL.
    pub cmdline: Vec<u8>,
    /// The path of its executable, where it was asked for and can be read.
    pub exe: Option<Vec<u8>>,
}

/// What was seen. Zombies, kernel threads and threads do not count as processes. A process that cannot be read is counted,
/// never skipped silently. This is not a snapshot: a process that started or ended meanwhile may or may not be in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What the filter kept, by PID.
    pub kept: Vec<Listed>,
    /// How many processes were looked at, unreadable ones included.
    pub total: usize,
    /// How many of them could not be read.
    pub unreadable: usize,
}

/// A filter on the raw bytes of a command line, or of a path. It may run on several threads, once for each process.
pub type Filter<'a> = dyn Fn(&[u8]) -> bool + Sync + 'a;

/// The descendants in a table of parents, nearest first.
pub fn below<S: BuildHasher>(roots: &[i32], parents: &HashMap<i32, i32, S>) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (&pid, &parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let mut found: Vec<i32> = Vec::new();
    let mut seen: HashSet<i32> = roots.iter().copied().collect();
    let mut queue: VecDeque<i32> = roots.iter().copied().collect();
    while let Some(parent) = queue.pop_front() {
        let mut below = children.get(&parent).cloned().unwrap_or_default();
        below.sort_unstable();
        for pid in below {
            if seen.insert(pid) {
                found.push(pid);
                queue.push_back(pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_of_parents_ends() {
        let parents = HashMap::from([(2, 3), (3, 2), (4, 3), (5, 1)]);
        assert_eq!(below(&[2], &parents), [3, 4]);
    }
}
