//! Instances: process trees that run the program once.
//!
//! Pure. Every match is folded into its topmost matching ancestor; workers below and wrappers above are attached.
//! Invariant: a process that neither matches, nor descends from a match, nor wraps one, changes nothing. Copies that a
//! manager starts side by side (pm2's cluster, supervisord's `numprocs`) have no matching ancestor. Each is its own
//! instance, which is the fault to report. So is a fork whose root was killed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::matching::{Confidence, Doubt};
use super::origin::Origin;
use super::program::Program;
use crate::base::secret::TokenId;
use crate::platform::identity::{Identity, RunState};

/// A process tree that runs the program once.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The topmost matching process.
    pub root: Identity,
    /// Root first, then its forks and workers.
    pub members: Vec<Identity>,
    /// The wrappers above the root, nearest first, as far as they wrap nothing else.
    pub wrappers: Vec<Identity>,
    /// Every ancestor of the root, nearest first, wrappers included.
    pub ancestors: Vec<Identity>,
    /// Real user id of the root, where it can be read.
    pub uid: Option<u32>,
    /// Its name, or its number if it has none; empty if it cannot be read.
    pub user: String,
    /// When the root started.
    pub started: jiff::Timestamp,
    /// The root's command line, tokens masked.
    pub command: String,
    /// The same as it can be typed; `None` where the root shows a title instead.
    pub typed: Option<String>,
    /// The root's working folder, where it can be read.
    pub cwd: Option<PathBuf>,
    /// The arguments after the program.
    pub args: Vec<OsString>,
    /// What the root runs, as its command line or title says; `None` where that is unknown (`-c`, standard input).
    pub program: Option<Program>,
    /// How sure it is that this is the bot.
    pub confidence: Confidence,
    /// Why this is not certain.
    pub doubt: Option<Doubt>,
    /// Who started it.
    pub origin: Origin,
    /// What the root does.
    pub state: RunState,
    /// The token in its environment or its arguments, where one can be seen and it is clear which it uses.
    pub token: Option<TokenId>,
    /// Where none can be seen, the one in the file that such a program reads.
    pub in_file: EnvFileToken,
    /// The environment of one of its processes cannot be read, so there may be another token in it.
    pub is_hidden: bool,
    /// Which of several distinct bots it belongs to ([`super::same_bot`]).
    pub bot: usize,
}

/// The token in the `.env` file that a program reads, by the habits of such programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EnvFileToken {
    /// There is none, or none that can be read.
    #[default]
    Nothing,
    /// This one.
    Token { token: TokenId, path: PathBuf },
    /// It may be one or another: which of the files or variables it reads is unknown.
    Unclear,
}

impl Instance {
    /// The token that it uses, as far as that can be known: the one that it shows, else its file's.
    pub fn known_token(&self) -> Option<&TokenId> {
        self.token.as_ref().or(match &self.in_file {
            EnvFileToken::Token { token, .. } => Some(token),
            EnvFileToken::Nothing | EnvFileToken::Unclear => None,
        })
    }

    /// Whether the root is stopped (SIGSTOP, a debugger): it does not work, and does not react to TERM before CONT.
    pub fn is_stopped(&self) -> bool {
        self.state.is_stopped()
    }

    /// The PIDs of root, forks and workers.
    pub fn pids(&self) -> Vec<i32> {
        self.members.iter().map(|member| member.pid).collect()
    }

    /// The PIDs of all that may hold a lock for it: its own, its wrappers' and its ancestors'.
    pub fn kin(&self) -> impl Iterator<Item = i32> {
        [&self.members, &self.wrappers, &self.ancestors].into_iter().flatten().map(|process| process.pid)
    }

    /// Whether that process is an ancestor of the root.
    pub fn descends_from(&self, pid: i32) -> bool {
        self.ancestors.iter().any(|ancestor| ancestor.pid == pid)
    }
}

/// What one process is to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It runs the program, with this token where one can be seen.
    Match(Option<String>),
    /// A helper of a runtime: it belongs to the instance above it.
    Worker,
    /// It starts another command and stays.
    Wrapper,
    /// Anything else.
    Other,
}

/// One process of the part of the tree that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Who it is.
    pub identity: Identity,
    /// Its parent's PID.
    pub parent: i32,
    /// What it is.
    pub role: Role,
}

/// The PIDs of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Root first, then forks and workers by age.
    pub members: Vec<i32>,
    /// Wrappers above, nearest first.
    pub wrappers: Vec<i32>,
    /// Every ancestor, nearest first.
    pub ancestors: Vec<i32>,
}

impl Tree {
    /// The topmost matching process.
    pub fn root(&self) -> i32 {
        self.members[0]
    }
}

/// Folds matches into instances, oldest root first. `nodes` holds the candidates and all their ancestors.
pub fn fold(nodes: &Nodes) -> Vec<Tree> {
    let age = |pid: &i32| nodes.get(pid).map(|node| (node.identity.start_ticks, node.identity.pid));
    let members = members_by_root(nodes);
    let mut roots: Vec<i32> = members.keys().copied().collect();
    roots.sort_by_key(age);
    let shared = shared_wrappers(&roots, nodes);
    roots
        .into_iter()
        .map(|root| {
            let mut below: Vec<i32> = members[&root].iter().copied().filter(|&pid| pid != root).collect();
            below.sort_by_key(age);
            let ancestors = ancestors(root, nodes);
            let is_wrapper = |pid: &&i32| nodes.get(pid).is_some_and(|node| node.role == Role::Wrapper);
            let wrappers =
                ancestors.iter().take_while(is_wrapper).filter(|pid| !shared.contains(pid)).copied().collect();
            Tree { members: std::iter::once(root).chain(below).collect(), wrappers, ancestors }
        })
        .collect()
}

/// The candidates and all their ancestors, by PID.
pub type Nodes = HashMap<i32, Node>;

/// Which root each match and each worker belongs to. Matches are taken from the top down, so that a root is known
/// before anything is folded into it.
fn members_by_root(nodes: &Nodes) -> HashMap<i32, Vec<i32>> {
    let mut matches: Vec<(usize, Identity, Option<&String>)> = nodes
        .values()
        .filter_map(|node| match &node.role {
            Role::Match(token) => Some((ancestors(node.identity.pid, nodes).len(), node.identity, token.as_ref())),
            Role::Worker | Role::Wrapper | Role::Other => None,
        })
        .collect();
    matches.sort_unstable();
    let mut roots: HashMap<i32, Option<&String>> = HashMap::new();
    let mut root_of: HashMap<i32, i32> = HashMap::new();
    for (_, Identity { pid, .. }, token) in matches {
        // A process that was given another token is another bot, even if this one started it.
        let fits = |above: &i32| {
            roots.get(above).is_some_and(|theirs| theirs.is_none() || token.is_none() || *theirs == token)
        };
        let root = ancestors(pid, nodes).into_iter().rev().find(fits).unwrap_or(pid);
        if root == pid {
            roots.insert(pid, token);
        }
        root_of.insert(pid, root);
    }
    let workers = nodes.iter().filter(|(_, node)| node.role == Role::Worker).filter_map(|(&pid, _)| {
        let nearest = ancestors(pid, nodes).into_iter().find_map(|above| root_of.get(&above).copied())?;
        Some((pid, nearest))
    });
    let mut members: HashMap<i32, Vec<i32>> = HashMap::new();
    for (pid, root) in workers.chain(root_of.iter().map(|(&pid, &root)| (pid, root))) {
        members.entry(root).or_default().push(pid);
    }
    members
}

/// Wrappers with more than one instance below: `sh -c 'python main.py & python main.py & wait'`.
fn shared_wrappers(roots: &[i32], nodes: &Nodes) -> HashSet<i32> {
    let mut seen = HashSet::new();
    let mut shared = HashSet::new();
    for &root in roots {
        for pid in ancestors(root, nodes) {
            if !seen.insert(pid) {
                shared.insert(pid);
            }
        }
    }
    shared
}

/// The ancestors of a process, nearest first. A cycle, which a listing that is not a snapshot may show, ends it.
pub fn ancestors(pid: i32, nodes: &Nodes) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = nodes.get(&pid).map(|node| node.parent);
    while let Some(pid_above) = next.filter(|&above| above > 0 && above != pid && !found.contains(&above)) {
        let Some(node) = nodes.get(&pid_above) else { break };
        found.push(pid_above);
        next = Some(node.parent);
    }
    found
}

#[cfg(test)]
mod tests;
