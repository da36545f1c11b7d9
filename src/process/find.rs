//! Finding every instance of a bot: the facade that the commands use.
//!
//! The listing is filtered on raw bytes; details are read for what is left and for its ancestors. Invariant: solobot
//! itself is never found, and what cannot be inspected is counted. Not promised: that what was found still runs when
//! the caller looks at it; whoever acts checks the [`Identity`] again (`process::terminate`).

mod candidate;
mod likely;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::base::secret::{Token, mask};
use crate::platform::{proc, user};

use self::candidate::{Candidate, Tree};
pub use self::likely::{Marks, likely_bots, likely_bots_and};
use super::argv;
use super::details::{self, Details, Usage};
use super::instance::{self, Instance};
use super::matching::{Confidence, Doubt, Matcher};
use super::origin;
use super::program::{self, Program};
use super::same_bot::{self, Traits, Verdict, Wanted};
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::platform::table;

/// How often descendants that come and go are looked at before none of them counts as the program.
const MOST_LOOKS: u32 = 1000;

/// What to look for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its bot's token, where it is known: a process with another one is another bot.
    pub token: Option<&'a Token>,
    /// Environment variables that may carry the token, besides the usual ones.
    pub token_names: &'a [&'a str],
    /// A process of which it is known what it was started as, whatever title it shows by now.
    pub known: Option<&'a (Identity, Vec<String>)>,
}

impl<'a> Search<'a> {
    /// Every instance of that program, whatever its token.
    pub fn new(program: &'a Program) -> Self {
        Self { program, token: None, token_names: &[], known: None }
    }

    /// The instances with that token, and those whose token cannot be seen.
    #[must_use]
    pub fn with_token(self, token: Option<&'a Token>) -> Self {
        Self { token, ..self }
    }

    /// Where a title hides what that process runs, the command line that it was started with counts.
    #[must_use]
    pub fn with_known(self, known: Option<&'a (Identity, Vec<String>)>) -> Self {
        Self { known, ..self }
    }
}

/// What was found, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The instances of the bot; of each distinct bot, if a bare name or differing tokens mean several.
    pub instances: Vec<Instance>,
    /// What may be an instance of it: reported, never killed by default.
    pub probable: Vec<Instance>,
    /// Instances of the same program that are certainly another bot.
    pub others: Vec<Instance>,
    /// How many processes could not be inspected.
    pub uninspected: usize,
    /// Whether `/proc` hides other users' processes, so that there may be more than were listed.
    pub hidden: bool,
    /// How many processes were looked at.
    pub total: usize,
}

impl Found {
    /// The instances of each distinct bot. More than one: a subcommand that acts must ask which (DESIGN §3).
    pub fn bots(&self) -> Vec<Vec<&Instance>> {
        let mut bots: Vec<Vec<&Instance>> = Vec::new();
        for instance in &self.instances {
            match bots.iter_mut().find(|bot| bot[0].bot == instance.bot) {
                Some(bot) => bot.push(instance),
                None => bots.push(vec![instance]),
            }
        }
        bots
    }

    /// The same for each distinct bot. A probable instance goes with the bot of its program; one of none, with the first.
    pub fn distinct(self) -> Vec<Self> {
        let groups = self.bots();
        if groups.len() < 2 {
            return vec![self];
        }
        let of_bot = |group: Vec<&Instance>| Self {
            instances: group.into_iter().cloned().collect(),
            probable: Vec::new(),
            others: self.others.clone(),
            ..self
        };
        let mut bots: Vec<Self> = groups.into_iter().map(of_bot).collect();
        for one in self.probable {
            let at = bots.iter().position(|bot| bot.runs_program_of(&one)).unwrap_or_default();
            bots[at].probable.push(one);
        }
        bots
    }

    /// Whether an instance runs the same file or module as these, with whatever arguments.
    pub fn runs_program_of(&self, one: &Instance) -> bool {
        let programs = self.instances.first().and_then(|first| first.program.as_ref()).zip(one.program.as_ref());
        programs.is_some_and(|(ours, its)| ours.is_same_but_for_args(its))
    }

    /// The PIDs of everything that runs the program, and of all that may hold a lock for it.
    pub fn kin(&self) -> Vec<i32> {
        [&self.instances, &self.probable, &self.others].into_iter().flatten().flat_map(Instance::kin).collect()
    }

    /// Asks the managers whether they would start the instances again: systemd once a unit, at most 200 ms each.
    pub fn forecast(&mut self) {
        self.forecast_by(&mut origin::Answers::default());
    }

    /// The same, without asking again what was answered already.
    pub fn forecast_by(&mut self, answers: &mut origin::Answers) {
        let all = self.instances.iter_mut().chain(&mut self.probable).chain(&mut self.others);
        all.for_each(|instance| instance.origin.forecast(answers));
    }

    /// Whether everything could be looked at: only then "one instance" means one.
    pub fn saw_everything(&self) -> bool {
        self.uninspected == 0 && !self.hidden
    }

    /// Refuses a program that names no file and that nothing runs: a typing error must not read "safe to start".
    ///
    /// # Errors
    /// [`program::Error::Missing`].
    pub fn refuse_nothing(&self, program: &Program) -> Result<(), program::Error> {
        let is_empty = self.instances.is_empty() && self.probable.is_empty() && self.others.is_empty();
        match program.missing() {
            Some(path) if is_empty => Err(program::Error::Missing(path.to_path_buf())),
            _ => Ok(()),
        }
    }
}

/// Finds every instance.
///
/// # Errors
/// If the process table cannot be read.
pub fn find(search: &Search<'_>) -> io::Result<Found> {
    let matcher = Matcher::new(search.program);
    let listing = table::list_by_executable(&|exe| matcher.may_be_run_by(exe), &|cmdline| matcher.may_run(cmdline))?;
    let mut tree = Tree::new(search.token_names);
    let mut uninspected = listing.unreadable;
    for hit in &listing.hits {
        uninspected += usize::from(!tree.add(hit, &matcher));
    }
    if let Some((known, argv)) = search.known {
        tree.add_known(*known, argv, &matcher);
    }
    let mut found = sort(tree.instances(), search);
    found.uninspected = uninspected;
    found.total = listing.total;
    found.hidden = proc::hides_others();
    Ok(found)
}

/// The living descendants of these processes that run the program, whatever their token and arguments. Cheap: only the
/// descendants are looked at.
///
/// "None" is the answer of a moment in which the descendants stood still: one that forks and ends while they are looked at
/// (a daemon on its way into the background) would hide its child from a single look.
pub fn descendants_running(roots: &[i32], program: &Program) -> Vec<Identity> {
    let matcher = Matcher::new(program);
    let list = || table::descendants(roots).unwrap_or_default();
    let mut below = list();
    for _ in 0..MOST_LOOKS {
        let running: Vec<Identity> = below.iter().filter_map(|&pid| runs(pid, &matcher)).collect();
        // Twice: a process can pass from one parent to the next between the reading of the one and of the other.
        let seen = std::mem::replace(&mut below, list());
        if !running.is_empty() || (seen == below && seen == list()) {
            return running;
        }
    }
    Vec::new()
}

fn runs(pid: i32, matcher: &Matcher) -> Option<Identity> {
    let handle = Handle::open(pid)?;
    let cmdline = handle.read("cmdline").ok()?;
    let candidate = Candidate::read(&handle, &cmdline, matcher, &[])?;
    candidate.found.is_some().then_some(candidate.details.identity)
}

/// Puts each instance where it belongs (DESIGN §5, "the same bot").
fn sort(instances: Vec<Instance>, search: &Search<'_>) -> Found {
    let mut found = Found::default();
    let wanted = Wanted {
        token: search.token.map(|token| token.fingerprint().to_owned()),
        args: search.program.args().map(<[_]>::to_vec),
        // What the kernel says of a process is behind all symlinks.
        cwd: search.program.folder().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf())),
        // A pattern in solobot.toml stands for one bot's release folders, a bare name for whatever is called so.
        open: search.program.is_open() && !search.program.is_pattern(),
    };
    let (sure, doubtful): (Vec<Instance>, Vec<Instance>) = instances.into_iter().partition(is_sure);
    let traits: Vec<Traits> = sure.iter().map(traits).collect();
    for (mut instance, verdict) in sure.into_iter().zip(same_bot::sort(&traits, &wanted)) {
        match verdict {
            Verdict::Bot(number) => {
                instance.bot = number;
                if instance.token.is_some() {
                    (instance.confidence, instance.doubt) = (Confidence::Token, None);
                }
                found.instances.push(instance);
            }
            Verdict::Probable(doubt) => {
                (instance.confidence, instance.doubt) = (Confidence::Probable, Some(doubt));
                found.probable.push(instance);
            }
            Verdict::Other => found.others.push(instance),
        }
    }
    for instance in doubtful {
        let is_other = wanted.token.is_some() && instance.token.is_some() && instance.token != wanted.token;
        if is_other { found.others.push(instance) } else { found.probable.push(instance) }
    }
    found
}

/// Whether the program is certain. The same path in another root with a visible token is as good as a file.
fn is_sure(instance: &Instance) -> bool {
    instance.confidence > Confidence::Probable || (instance.doubt == Some(Doubt::OtherRoot) && instance.token.is_some())
}

/// To a second.
fn started(process: Identity) -> jiff::Timestamp {
    let started = process.started_at().and_then(|time| jiff::Timestamp::try_from(time).ok()).unwrap_or_default();
    jiff::Timestamp::from_second(started.as_second()).unwrap_or_default()
}

fn traits(instance: &Instance) -> Traits {
    Traits {
        file: instance.program.as_ref().map(|program| program.to_string().into()),
        token: instance.token.clone(),
        args: instance.args.clone(),
        cwd: instance.cwd.clone(),
    }
}

impl Tree {
    /// Folds what was added into instances.
    fn instances(mut self) -> Vec<Instance> {
        let nodes = self.nodes();
        let trees = instance::fold(&nodes);
        let pids: Vec<i32> = trees.iter().flat_map(|tree| tree.members.iter().copied()).collect();
        let usage = details::usage(&pids);
        let mut users = HashMap::new();
        trees.iter().filter_map(|tree| self.instance(tree, &nodes, &usage, &mut users)).collect()
    }

    fn instance(
        &mut self,
        tree: &instance::Tree,
        nodes: &HashMap<i32, instance::Node>,
        usage: &HashMap<i32, Usage>,
        users: &mut HashMap<u32, String>,
    ) -> Option<Instance> {
        let identities =
            |pids: &[i32]| pids.iter().filter_map(|pid| Some(nodes.get(pid)?.identity)).collect::<Vec<_>>();
        let root = self.candidates.get(&tree.root())?;
        // Gone between two reads: it is no instance any more.
        let used = usage.get(&tree.root())?;
        let found = root.found.as_ref()?;
        let token = root
            .token
            .as_ref()
            .or_else(|| tree.members.iter().find_map(|pid| self.candidates.get(pid)?.token.as_ref()));
        let origin = origin::of(&root.details, &tree.ancestors, &self.ancestors);
        Some(Instance {
            root: root.details.identity,
            members: identities(&tree.members),
            wrappers: identities(&tree.wrappers),
            ancestors: identities(&tree.ancestors),
            uid: used.uid,
            user: users.entry(used.uid).or_insert_with(|| user::name(used.uid)).clone(),
            started: started(root.details.identity),
            command: command_of(&root.details),
            cwd: root.cwd.clone(),
            args: root.args().to_vec(),
            program: root.program(),
            confidence: found.confidence,
            doubt: found.doubt,
            origin,
            state: root.details.stat.state,
            token: token.map(|token| token.fingerprint().to_owned()),
            bot_id: token.map(|token| token.bot_id().to_string()),
            memory: tree.members.iter().filter_map(|pid| Some(usage.get(pid)?.memory)).sum(),
            bot: 0,
        })
    }
}

/// The command line of a process; the name of its executable in brackets where it shows none.
fn command_of(details: &Details) -> String {
    if details.argv.iter().any(|arg| !arg.is_empty()) {
        return command_line(&details.argv);
    }
    let exe = details.exe.as_deref().and_then(Path::file_name).unwrap_or_default();
    format!("[{}]", exe.display())
}

/// A command line for people: quoted where it must be, tokens masked.
pub fn command_line(argv: &[std::ffi::OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let line = match words.as_slice() {
        // A title is one string by intention.
        [title] => title.clone(),
        words => shell_words::join(words),
    };
    mask(&line).into_owned()
}

/// What a command line runs, for messages about a process that is no instance.
pub fn reading_of(pid: i32) -> Option<argv::Reading> {
    let handle = Handle::open(pid)?;
    Some(argv::read(&handle.argv(), handle.link("exe").as_deref()))
}

#[cfg(test)]
mod tests;
