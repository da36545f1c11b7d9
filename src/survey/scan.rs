//! One pass over the processes, for everything that is asked about them.
//!
//! Invariant: solobot itself is never in it, and what could not be read is counted. sysinfo does not decide: a process
//! exists if `/proc` says so.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::moved::PastRecords;
use crate::base::secret::{self, Token, TokenId};
use crate::journal::Journal;
use crate::lock::keeper;
use crate::platform::identity::{Identity, lineage, own_pid};
use crate::platform::proc::{self, Handle};
use crate::platform::table::{self, Filter, Listed};
use crate::platform::user;
use crate::platform::words::{file_name, is_same_name};
use crate::process::argv::{self, ParsedArgv};
use crate::process::candidate::Candidate;
use crate::process::details::Details;
use crate::process::instance::{self, EnvFileToken, Instance, Node, Role};
use crate::process::matching::{Confidence, Doubt, Match, Matcher};
use crate::process::origin::{self, StartFolders, Starter};

/// The processes that run a program, by PID, and how sure that is.
pub type Matches = HashMap<i32, Match>;

/// What was read of the processes.
pub struct ProcessScan {
    candidates: BTreeMap<i32, Candidate>,
    /// Every ancestor of a match or a worker, candidates included.
    ancestors: HashMap<i32, Details>,
    users: HashMap<u32, String>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be read at all.
    unreadable: usize,
    /// Those of which something that the decision needs could not be read.
    blind: HashSet<i32>,
    /// Keepers, and for whom each keeps its lock.
    keepers: Vec<(Identity, Identity)>,
    /// Where processes were started whose folder has been moved since.
    history: PastRecords,
}

/// How a process's token is chosen among those that it carries.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenChoice<'a> {
    /// The variables of the bot's own.
    pub own: &'a [String],
    /// The bot's token, where it is known.
    pub wanted: Option<&'a TokenId>,
}

impl ProcessScan {
    /// Reads what may run one of these programs.
    ///
    /// # Errors
    /// The process table cannot be read.
    pub fn of_programs(matchers: &[&Matcher<'_>]) -> io::Result<Self> {
        if matchers.is_empty() {
            return Ok(Self::new(0, 0));
        }
        let (mut scan, hits) =
            Self::list(&|exe| matchers.iter().any(|matcher| matcher.may_be_run_by(exe)), &|cmdline| {
                matchers.iter().any(|matcher| matcher.may_run(cmdline))
            })?;
        for hit in &hits {
            scan.add(hit);
        }
        Ok(scan)
    }

    /// Lists the processes whose executable passes the filter; where it cannot be read, the command line decides. Nothing is
    /// read of them yet. Keepers are noted in the same pass.
    ///
    /// # Errors
    /// The process table cannot be read.
    pub fn list(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<(Self, Vec<Listed>)> {
        let own =
            std::env::current_exe().ok().and_then(|path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()));
        let is_solobot = |path: &[u8]| {
            let name = proc::unmarked(file_name(path));
            is_same_name(name, b"solobot") || own.as_deref() == Some(name)
        };
        let is_keeper = |hit: &Listed| {
            let first = hit.cmdline.split(|&byte| byte == 0).next().unwrap_or_default();
            is_solobot(hit.exe.as_deref().unwrap_or(first)) && keeper::is_keepers(&hit.cmdline)
        };
        let listing = table::list_by_executable(&|path| exe(path) || is_solobot(path), cmdline)?;
        let mut scan = Self::new(listing.total, listing.unreadable);
        let (keepers, hits): (Vec<Listed>, Vec<Listed>) = listing.kept.into_iter().partition(is_keeper);
        let pair = |hit: &Listed| Some((Identity::of(hit.pid)?, keeper::target(hit.pid)?));
        scan.keepers = keepers.iter().filter_map(pair).collect();
        let is_kept = |hit: &Listed| hit.exe.as_ref().is_none_or(|path| exe(path));
        Ok((scan, hits.into_iter().filter(is_kept).collect()))
    }

    /// One in which nothing has been read yet.
    pub fn new(processes: usize, unreadable: usize) -> Self {
        Self {
            candidates: BTreeMap::new(),
            ancestors: HashMap::new(),
            users: HashMap::new(),
            processes,
            unreadable,
            blind: HashSet::new(),
            keepers: Vec::new(),
            history: PastRecords::default(),
        }
    }

    /// Lets what solobot has written down count too.
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        Self { history: PastRecords::of(journal), ..self }
    }

    /// Whether an ancestor of an instance is solobot.
    pub fn is_solobot(&self, pid: i32) -> bool {
        self.ancestors.get(&pid).is_some_and(|one| Starter::of(one) == Starter::Solobot)
    }

    /// Whether an ancestor of an instance may hold a lock for it.
    pub fn may_hold_for_others(&self, pid: i32) -> bool {
        let starter = self.ancestors.get(&pid).map(Starter::of);
        let holds = |one: &Starter| {
            matches!(one, Starter::Solobot | Starter::Wrapper | Starter::Shell | Starter::Loop | Starter::Other)
        };
        starter.as_ref().is_some_and(holds)
    }

    /// Those that keep a lock for one of these processes.
    pub fn keepers_of(&self, targets: &[Identity]) -> Vec<Identity> {
        self.keepers.iter().filter(|(_, target)| targets.contains(target)).map(|(keeper, _)| *keeper).collect()
    }

    /// How many processes could not be inspected.
    pub fn uninspected(&self) -> usize {
        self.unreadable + self.blind.len()
    }

    /// What could not be judged in another way than by its program: its environment, say.
    pub fn count_blind(&mut self, pid: i32) {
        self.blind.insert(pid);
    }

    /// Adds a process of a listing, if it is not there yet.
    pub fn add(&mut self, hit: &Listed) {
        if !self.candidates.contains_key(&hit.pid) && hit.pid != own_pid() {
            let read = Handle::open(hit.pid).and_then(|handle| Candidate::read(&handle, &hit.cmdline));
            self.candidates.extend(read.map(|candidate| (hit.pid, candidate)));
        }
    }

    /// Adds a process by its PID, if it is not there yet, and returns it.
    pub fn read(&mut self, process: Identity) -> Option<&Candidate> {
        if !self.candidates.contains_key(&process.pid) {
            let handle = Handle::open(process.pid)?;
            let cmdline = handle.cmdline().ok()?;
            self.add(&Listed { pid: process.pid, cmdline, exe: None });
        }
        self.get(process)
    }

    /// A process that was read.
    pub fn get(&self, process: Identity) -> Option<&Candidate> {
        self.candidates.get(&process.pid).filter(|candidate| candidate.identity() == process)
    }

    /// A process, and those above it that it is a part of, up to the one that started the first of them.
    pub fn family(&mut self, process: Identity) -> Vec<Identity> {
        let mut family = vec![process];
        for pid in lineage(process.pid).skip(1) {
            let Some(above) = Identity::of(pid) else { break };
            let below = family[family.len() - 1];
            let was_read = self.candidates.contains_key(&pid);
            self.read(below);
            self.read(above);
            let is_part = self.get(below).zip(self.get(above)).is_some_and(|(below, above)| below.is_part_of(above));
            if !is_part {
                // Whoever started it is nobody's candidate.
                self.candidates.retain(|&known, _| known != pid || was_read);
                break;
            }
            family.push(above);
        }
        family
    }

    /// Those that were read and show one of these tokens.
    pub fn carriers_of(&self, tokens: &[TokenId]) -> Vec<Identity> {
        let carries = |one: &&Candidate| one.carried.iter().any(|carried| tokens.contains(&carried.token.id()));
        self.candidates.values().filter(carries).map(Candidate::identity).collect()
    }

    /// Puts the command line that a process is known to have been started with in the place of a title.
    pub fn retitle(&mut self, process: Identity, argv: &[String]) {
        let has_title = self.read(process).is_some_and(Candidate::has_title);
        if has_title && let Some(handle) = Handle::open(process.pid) {
            let known = Candidate::read(&handle, argv.join("\0").as_bytes());
            let known = known.filter(|candidate| candidate.identity() == process);
            self.candidates.extend(known.map(|candidate| (process.pid, candidate)));
        }
    }

    /// The processes that run the program.
    pub fn matches(&mut self, matcher: &Matcher<'_>) -> Matches {
        let mut found = Matches::new();
        for (&pid, candidate) in &self.candidates {
            match candidate.judge(matcher).or_else(|| self.history.judge(candidate, matcher)) {
                Some(one) => drop(found.insert(pid, one)),
                None if candidate.is_blind() => drop(self.blind.insert(pid)),
                None => {}
            }
        }
        found
    }

    /// Asks systemd for the folders of those that may run one of these programs, and whose own cannot be read.
    pub fn ask_for_folders(&mut self, matchers: &[&Matcher<'_>], folders: &mut StartFolders) {
        let is_unknown = |found: &Match| found.doubt == Some(Doubt::UnknownFolder);
        let may_run =
            |one: &Candidate| matchers.iter().any(|matcher| one.judge(matcher).as_ref().is_some_and(is_unknown));
        let mut unknown: Vec<&mut Candidate> =
            self.candidates.values_mut().filter(|one| one.cwd.is_none() && may_run(one)).collect();
        folders.ask(unknown.iter().map(|one| &one.details));
        for one in &mut unknown {
            one.told_folder = folders.of(one.identity()).map(Path::to_path_buf);
        }
    }

    /// Folds matches into instances, oldest first.
    pub fn instances(&mut self, matches: &Matches, choice: TokenChoice<'_>) -> Vec<Instance> {
        let matches = &without_doubtful_starters(matches);
        let nodes = self.nodes(matches, choice);
        let trees = instance::fold(&nodes);
        trees.iter().filter_map(|tree| self.instance(tree, &nodes, matches, choice)).collect()
    }

    /// The part of the process tree that matters, for folding.
    fn nodes(&mut self, matches: &Matches, choice: TokenChoice<'_>) -> instance::Nodes {
        let mut nodes = instance::Nodes::new();
        let mut parents = Vec::new();
        for (&pid, candidate) in &self.candidates {
            let role = if matches.contains_key(&pid) {
                let token = used(candidate, choice).map(|token| token.fingerprint().to_owned());
                Role::Match(token)
            } else {
                candidate.role()
            };
            let stat = &candidate.details.stat;
            match role {
                Role::Other => continue,
                Role::Match(_) | Role::Worker => parents.push(stat.parent),
                Role::Wrapper => {}
            }
            nodes.insert(pid, Node { identity: candidate.identity(), parent: stat.parent, role });
        }
        for parent in parents {
            self.climb(parent);
        }
        for (&pid, details) in &self.ancestors {
            let is_wrapper = || matches!(argv::read(&details.argv, details.exe.as_deref()), ParsedArgv::Wraps(_));
            nodes.entry(pid).or_insert_with(|| Node {
                identity: details.identity,
                parent: details.stat.parent,
                role: if is_wrapper() { Role::Wrapper } else { Role::Other },
            });
        }
        nodes
    }

    /// Reads the ancestors from here up, as far as they are not known yet.
    fn climb(&mut self, from: i32) {
        let mut next = from;
        while next > 0 && !self.ancestors.contains_key(&next) {
            let Some(details) = Handle::open(next).and_then(|handle| Details::read(&handle)) else { return };
            let parent = details.stat.parent;
            self.ancestors.insert(next, details);
            next = parent;
        }
    }

    fn instance(
        &mut self,
        tree: &instance::Tree,
        nodes: &instance::Nodes,
        matches: &Matches,
        choice: TokenChoice<'_>,
    ) -> Option<Instance> {
        let identities =
            |pids: &[i32]| pids.iter().filter_map(|pid| Some(nodes.get(pid)?.identity)).collect::<Vec<_>>();
        let root = self.candidates.get(&tree.root())?;
        let found = matches.get(&tree.root())?;
        let credentials = Handle::open(tree.root()).and_then(|handle| handle.credentials());
        // Gone between two reads: it is no instance any more.
        if credentials.is_none() && !root.identity().is_alive() {
            return None;
        }
        let uid = credentials.map(|credentials| credentials.uid);
        let user = uid.map(|uid| self.users.entry(uid).or_insert_with(|| user::name(uid)).clone());
        let members: Vec<&Candidate> = tree.members.iter().filter_map(|pid| self.candidates.get(pid)).collect();
        let cwd = found.started_in.clone().or_else(|| root.cwd.clone());
        Some(Instance {
            root: root.identity(),
            members: identities(&tree.members),
            wrappers: identities(&tree.wrappers),
            ancestors: identities(&tree.ancestors),
            uid,
            user: user.unwrap_or_default(),
            started: started(root.identity()),
            command: root.details.command(),
            typed: root.details.typed(),
            cwd: cwd.clone(),
            args: root.args().to_vec(),
            program: cwd.as_deref().and_then(|cwd| root.program_in(cwd)).or_else(|| root.title()),
            confidence: found.confidence,
            doubt: found.doubt,
            origin: origin::of(&root.details, &tree.ancestors, &self.ancestors),
            state: root.details.stat.state,
            token: members.iter().find_map(|member| used(member, choice)).map(Token::id),
            in_file: EnvFileToken::Nothing,
            is_hidden: members.iter().any(|member| member.is_hidden),
            bot: 0,
        })
    }
}

/// Of a process that is only perhaps the bot, and one below it that certainly is, the lower one is the bot: what starts it
/// need not be one (`python -c '… bot.py …'`), and must not make it doubtful.
fn without_doubtful_starters(matches: &Matches) -> Matches {
    let is_doubtful = |one: &Match| one.confidence == Confidence::Probable;
    let mut kept = matches.clone();
    if matches.values().any(is_doubtful) {
        for &pid in matches.iter().filter(|(_, one)| !is_doubtful(one)).map(|(pid, _)| pid) {
            for above in lineage(pid).skip(1) {
                if matches.get(&above).is_some_and(is_doubtful) {
                    kept.remove(&above);
                }
            }
        }
    }
    kept
}

/// The token that a process uses, as far as it shows that.
fn used<'a>(candidate: &'a Candidate, choice: TokenChoice<'_>) -> Option<&'a Token> {
    secret::used(&candidate.carried, choice.own, choice.wanted)
}

/// To a second.
fn started(process: Identity) -> Timestamp {
    let started = process.started_at().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
    Timestamp::from_second(started.as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_doubtful_starter_of_a_certain_bot_is_left_out() {
        let own = Identity::own().unwrap().pid;
        let parent = lineage(own).nth(1).unwrap();
        let kept = |above: Match, below: Match| {
            let matches = Matches::from([(parent, above), (own, below)]);
            let mut kept: Vec<i32> = without_doubtful_starters(&matches).into_keys().collect();
            kept.sort_by_key(|&pid| pid != parent);
            kept
        };
        let sure = || Match { confidence: Confidence::File, doubt: None, started_in: None };
        let doubtful = || Match { confidence: Confidence::Probable, doubt: Some(Doubt::Inline), started_in: None };
        assert_eq!(kept(doubtful(), sure()), [own]);
        assert_eq!(kept(sure(), doubtful()), [parent, own]);
        assert_eq!(kept(doubtful(), doubtful()), [parent, own]);
        assert_eq!(kept(sure(), sure()), [parent, own]);
    }
}
